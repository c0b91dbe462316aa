"""A Sphinx extension: exercises to point at, and to print with their solutions or without."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

TITLE = re.compile(
    r'(?s)(<div class="exercise admonition" id="([^"]+)">\s*<p class="admonition-title">.*?)(</p>)'
)
LINK = r'\1<a class="headerlink" href="#\2" title="Link to this exercise">#</a>\3'
# The theme's own button, ".pdf", prints a page as it is: folded solutions stay out of print.
BUTTON = {
    "type": "javascript",
    "javascript": "printWithSolutions()",
    "text": ".pdf with solutions",
    "tooltip": "Print to PDF, with all solutions",
    "icon": "fas fa-file-pdf",
    "label": "download-solutions-button",
}


def help_teachers(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Link each exercise to itself, and offer the second way to print (``html-page-context``)."""
    if not TITLE.search(context.get("body", "")):
        return
    context["body"] = TITLE.sub(LINK, context["body"])
    downloads = next(g for g in context["header_buttons"] if g["label"] == "download-buttons")
    downloads["buttons"].append(BUTTON)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it after the theme, which makes the buttons."""
    app.connect("html-page-context", help_teachers, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
