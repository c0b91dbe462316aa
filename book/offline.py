"""A Sphinx extension: pages that load nothing from another host, from a server or from disk.

Scripts and styles are plain files in ``_static``, loaded as classic scripts because browsers
refuse ES modules from ``file://``. Stored outputs are prepared for the page in ``book.outputs``,
equations get their numbers in ``book.equations``, and ``book.explorer`` shows explorers.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from book.equations import keep_together, number_equations
from book.explorer import ExplorerDirective, ExplorersDirective
from book.images import reserve
from book.npm import MODULES, output
from book.outputs import prepare_notebook
from book.styles import lighten

ROOT = Path(__file__).resolve().parent.parent

# A part of Plotly, with which the figures of the book are drawn: a third of the whole.
PLOTLY = MODULES / "plotly.js-cartesian-dist-min/plotly-cartesian.min.js"
STATIC_FILES = (
    ROOT / "convsim/explorers/explorers.css",
    ROOT / "book/static/book.css",
    ROOT / "book/static/formulas.js",
    ROOT / "book/static/from_disk.js",
    ROOT / "book/static/plotly_figures.js",
    ROOT / "book/static/paper.css",
    ROOT / "book/static/printing.js",
    ROOT / "book/static/scrollable.js",
    ROOT / "book/static/terms.js",
    PLOTLY,
)
# PLOTLY is not here: plotly_figures.js fetches its 1.5 MB when the page is there.
SCRIPTS = ("printing.js", "plotly_figures.js", "scrollable.js", "terms.js", "formulas.js")
STYLES = ("explorers.css", "book.css")


def add_static_files(app: Sphinx, config: Config) -> None:
    """Copy our files to ``_static``; Sphinx warns about one that is missing."""
    # Here, not above: book.one_page and others need no torch.
    from convsim.explorers.script import javascript

    joined = Path(app.doctreedir) / "explorers.js"
    joined.parent.mkdir(parents=True, exist_ok=True)
    small = output("terser/bin/terser", "--compress", "--mangle", text=javascript())
    joined.write_text(small, encoding="utf-8")
    config.html_static_path.extend(str(path) for path in (joined, *STATIC_FILES))


def write_networks(app: Sphinx, exception: Exception | None) -> None:
    """Write what the explorer of networks loads on request, beside the other scripts."""
    from book.networks import scripts

    if exception is None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static/networks"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in scripts().items():
            (folder / name).write_text(text, encoding="utf-8")


# What the theme and docutils write into pages, and what the book has in its place.
MENDED = (
    # The theme for Python 3.10 preloads its fonts by a cross-origin fetch, which browsers refuse a
    # page opened from disk.
    (r'<link rel="preload" as="font"[^>]*>\s*', ""),
    # 1.5 MB, ahead of the explorers' own script, to draw icons that the fonts draw too.
    (r"<script[^>]*fontawesome[^>]*\.js[^>]*></script>\s*", ""),
    # The theme's own scripts can wait for the explorers'.
    (r'<link rel="preload" as="script"[^>]*>\s*', ""),
    # WAI-ARIA has withdrawn this role; these are the entries of the bibliography, a role="list".
    (r'role="doc-biblioentry"', 'role="listitem"'),
)


# On every page but that of the search, which needs all at once.
HURRIED = (
    # For a search as one types, which is off.
    (r'<script src="[^"]*(searchtools|language_data|searchindex)\.js"></script>\s*', ""),
    # Buttons beside code and solutions, and marks of what was searched for: after the explorers.
    (
        r'<script src="([^"]*/(?:doctools|sphinx_highlight|clipboard.min|copybutton|togglebutton'
        r"|scripts/sphinx-book-theme)\.js)",
        r'<script defer="defer" src="\1',
    ),
)


def mend(app: Sphinx, exception: Exception | None) -> None:
    """Mend the pages that were written."""
    for page in Path(app.outdir).rglob("*.html"):
        text = mended = page.read_text(encoding="utf-8")
        hurried = () if page.name == "search.html" else HURRIED
        for pattern, replacement in (*MENDED, *hurried):
            mended = re.sub(pattern, replacement, mended)
        mended = reserve(page, mended)
        if mended != text:
            page.write_text(mended, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything the book needs beyond Jupyter Book."""
    app.connect("config-inited", add_static_files)
    app.connect("source-read", prepare_notebook)
    app.connect("doctree-read", number_equations)
    app.connect("doctree-read", keep_together)
    app.connect("build-finished", mend)
    app.connect("build-finished", lighten)
    app.connect("build-finished", write_networks)
    app.add_directive("explorer", ExplorerDirective)
    app.add_directive("explorers", ExplorersDirective)
    for name in STYLES:
        app.add_css_file(name, priority=900)
    app.add_css_file("paper.css", priority=900, media="print")
    # Before the search page asks for summaries, and so before every other script of ours.
    app.add_js_file("from_disk.js")
    # Before every other script that can wait until the page is read.
    app.add_js_file("explorers.js", priority=100, loading_method="defer", fetchpriority="high")
    for name in SCRIPTS:
        app.add_js_file(name, loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
