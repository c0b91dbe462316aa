"""A Sphinx extension: the answers to a chapter's questions, at its end and on paper only.

On a screen a question answers the reader. On paper, where ``paper.css`` leaves its answers to be
ticked, they stand behind everything else.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# As convsim.explorers.prediction writes them for a page without JavaScript.
QUESTION = re.compile(
    r'(?s)data-explorer="prediction">.*?<p class="convsim-question">(.*?)</p>'
    r".*?<summary>Answer</summary>(.*?)</details>"
)


def answers(body: str) -> str:
    """Return a section with the questions of a page and what is said to their answers, if any."""
    items = [
        f"<li><p><strong>{question}</strong></p>{said}</li>"
        for question, said in QUESTION.findall(body)
    ]
    if not items:
        return ""
    # no heading: on a screen, where it is hidden, contents would name it
    title = '<p class="rubric">Answers to the questions</p>'
    return f'<section class="convsim-answers">{title}<ol>{"".join(items)}</ol></section>'


def print_answers(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add the answers to a page (``html-page-context``)."""
    if section := answers(context.get("body", "")):
        context["body"] += section


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it."""
    app.connect("html-page-context", print_answers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
