"""Pack the built book into one zip that opens from disk: ``python -m book.archive``.

The same book gives the same bytes: names are sorted, and no time or owner is stored.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from book.address import configured, published, site
from convsim.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"
OUTPUT = ROOT / "_build/convsim-book.zip"
FOLDER = "convsim-book"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first day that a zip can name

# What every built book has.
EXPECTED = ("index.html", "searchindex.js", "_static/explorers.js")
# For Sphinx, for other projects' links, for crawlers, for the theme's own templates, for who debugs
# a script: not for a reader. `_sources` stays, because each page offers its source to download.
LEFT_OUT = (
    ".buildinfo",
    "objects.inv",
    "robots.txt",
    "sitemap.xml",
    "_static/*webpack-macros.html",
    "*.map",
)

README = """\
{title}

Unpack this archive and open index.html in a browser. Everything works from disk, without a
network: the explorers, the figures, the formulas and the search.
{newest}
Text and figures: CC BY 4.0. Code: BSD-3-Clause.
"""


def files(html: Path) -> dict[str, Path]:
    """Return the files of the built book by the name that they have in it.

    Raises ``FileNotFoundError`` if ``html`` is not a built book.
    """
    if missing := [name for name in EXPECTED if not (html / name).is_file()]:
        raise FileNotFoundError(
            f"{html} is not a built book, it has no {', '.join(missing)}: "
            "build it first, with 'make book'"
        )
    found = {path.relative_to(html).as_posix(): path for path in html.rglob("*") if path.is_file()}
    return {
        name: path
        for name, path in found.items()
        if not any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)
    }


def readme(root: Path) -> str:
    title = yaml.safe_load((root / "_config.yml").read_text())["title"]
    newest = f"\nThe newest edition is at {site(configured(root))}\n" if published(root) else ""
    return README.format(title=title, newest=newest)


def pack(html: Path, root: Path = ROOT) -> bytes:
    """Return the zip of the book that is built in ``html``."""
    contents = {name: path.read_bytes() for name, path in files(html).items()}
    contents["README.txt"] = readme(root).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", EPOCH)
            entry.create_system = 3  # Unix, wherever it is packed,
            entry.external_attr = 0o100644 << 16  # for these permissions to count
            archive.writestr(entry, contents[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def main(arguments: list[str]) -> None:
    """Pack the book, or end with what is in the way."""
    parser = argparse.ArgumentParser(
        prog="book.archive", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--html", type=Path, default=HTML)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    try:
        data = pack(options.html)
        write_atomically(options.output, data)
    except (OSError, ValueError) as fault:
        sys.exit(f"book.archive: {fault}")
    print(f"{options.output}: {len(data) / 1e6:.1f} MB, to be unpacked and opened at index.html")


if __name__ == "__main__":
    main(sys.argv[1:])
