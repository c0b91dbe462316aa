"""Draw the pictures that Markdown pages show: ``python -m book.pictures``."""

from __future__ import annotations

import matplotlib

from book.execute import CHAPTERS
from convsim import figures

IMAGES = CHAPTERS / "images"


def main() -> None:
    """Write the pictures; running it again writes the same bytes."""
    matplotlib.rcParams["svg.hashsalt"] = "convsim"
    IMAGES.mkdir(exist_ok=True)
    figure = figures.orthogonal_yet_similar()
    figure.savefig(IMAGES / "orthogonal-yet-similar.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
