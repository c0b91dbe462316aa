"""Draw the pictures that Markdown pages and link previews show: ``python -m book.pictures``."""

from __future__ import annotations

import io

import matplotlib
from PIL import Image

from book import report_picture
from book.execute import CHAPTERS
from convsim import figures

IMAGES = CHAPTERS / "images"


def main() -> None:
    """Write the pictures; running it again writes the same bytes."""
    matplotlib.rcParams["svg.hashsalt"] = "convsim"
    IMAGES.mkdir(exist_ok=True)
    drawings = {
        "orthogonal-yet-similar": figures.orthogonal_yet_similar(),
        "report": report_picture.draw(),
    }
    for name, figure in drawings.items():
        figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None, "Creator": None})
    drawn = io.BytesIO()
    figures.cover().savefig(drawn, metadata={"Software": None})
    # Link previews take no SVG; 64 colours are enough for it, at a third of the size.
    cover = Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    cover.save(IMAGES / "cover.png", optimize=True)


if __name__ == "__main__":
    main()
