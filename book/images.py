"""Pictures that keep their place on a page, and come when a reader is near them."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

IMAGE = re.compile(r'<img (?=[^>]*src="([^"]*_images/[^"]+)")')
VIEW = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def size(path: Path) -> tuple[int, int]:
    """Return the width and the height of a picture, in pixels or in units of its own."""
    if path.suffix == ".svg":
        view = VIEW.search(path.read_text(encoding="utf-8"))
        if view is None:
            raise ValueError(f"{path} has no viewBox that begins at 0 0: its shape is not known")
        return round(float(view[1])), round(float(view[2]))
    with Image.open(path) as image:
        return image.size


def reserve(page: Path, text: str) -> str:
    """Return the text of ``page`` with the size of each picture, which waits to be scrolled to."""

    def sized(match: re.Match[str]) -> str:
        width, height = size(page.parent / match[1])
        return f'<img loading="lazy" width="{width}" height="{height}" '

    return IMAGE.sub(sized, text)
