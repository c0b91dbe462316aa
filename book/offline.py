"""A Sphinx extension: pages that load nothing from another host, from a server or from disk.

Scripts and styles are plain files in ``_static``, loaded as classic scripts because browsers
refuse ES modules from ``file://``. What notebooks store is prepared for the page in
``book.outputs``; the ``{explorer}`` directive lives in ``book.explorer``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import plotly
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from book.explorer import ExplorerDirective
from book.outputs import prepare_notebook

ROOT = Path(__file__).resolve().parent.parent

STATIC_FILES = (
    ROOT / "convsim/explorers/explorers.js",
    ROOT / "convsim/explorers/explorers.css",
    ROOT / "book/static/book.css",
    ROOT / "book/static/from_disk.js",
    ROOT / "book/static/plotly_figures.js",
    ROOT / "book/static/page.js",
    Path(plotly.__file__).parent / "package_data/plotly.min.js",
)
# plotly.min.js is not here: plotly_figures.js fetches its 5 MB when a figure comes into view.
STYLES = ("explorers.css", "book.css")
SCRIPTS = ("explorers.js", "plotly_figures.js", "page.js")


def add_static_files(app: Sphinx, config: Config) -> None:
    """Copy our files to ``_static``; Sphinx warns about one that is missing."""
    config.html_static_path.extend(str(path) for path in STATIC_FILES)


def mend_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Give wide tables a scroll area of their own that the keyboard reaches."""
    if "body" in context:
        context["body"] = re.sub(
            r"(?s)<table\b.*?</table>",
            r'<div class="table-scroll" tabindex="0" role="region" aria-label="Table">\g<0></div>',
            context["body"],
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything the book needs beyond Jupyter Book."""
    app.connect("config-inited", add_static_files)
    app.connect("source-read", prepare_notebook)
    app.connect("html-page-context", mend_page, priority=900)
    app.add_directive("explorer", ExplorerDirective)
    for name in STYLES:
        app.add_css_file(name, priority=900)
    # Before the search page asks for summaries, and so before every other script of ours.
    app.add_js_file("from_disk.js")
    for name in SCRIPTS:
        app.add_js_file(name, loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
