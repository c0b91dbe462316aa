"""Stored notebook outputs, made ready for a page without a kernel.

A Plotly figure becomes its JSON in a ``div`` that ``plotly_figures.js`` draws; a widget without
HTML of its own becomes a line that says where it works; a table's words are told from its numbers,
which never break over two lines, and lists without spaces break at their commas. The notebooks
themselves stay as they are.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"

NEEDS_KERNEL = (
    '<p class="needs-kernel">These controls talk to Python: '
    "run this chapter in Jupyter or Colab to use them.</p>"
)

WORDS = re.compile("<td>(?=[A-Za-z])")
LISTED = re.compile(r"(?<=[a-z]),(?=[a-z])(?=[^<>]*</td>)")

logger = logging.getLogger(__name__)


def plotly_html(figure: dict[str, Any]) -> str:
    """Return the ``div`` that ``plotly_figures.js`` draws; ``layout.meta.alt`` names it."""
    alt = str((figure.get("layout", {}).get("meta") or {}).get("alt") or "").strip()
    if not alt:
        raise ValueError(
            "a Plotly figure has no accessible name: "
            'set it with figure.update_layout(meta={"alt": "what the figure shows"})'
        )
    height = int(figure["layout"].get("height") or 420)
    # "<" never occurs in JSON outside strings, so this keeps any "</script>" from ending it.
    data = json.dumps({"data": figure["data"], "layout": figure["layout"]}).replace("<", "\\u003c")
    return (
        # Not role="img": what is inside an image cannot be reached, and Plotly has buttons there.
        f'<div class="convsim-plotly" role="figure" aria-label="{html.escape(alt)}" '
        f'style="height: {height}px"></div>'
        f'<script type="application/json">{data}</script>'
    )


def page_output(data: dict[str, Any]) -> dict[str, Any]:
    """Return the mime bundle that a page shows in place of ``data``."""
    if PLOTLY in data:
        return {"text/html": plotly_html(data[PLOTLY])}
    if WIDGET in data and "text/html" not in data:
        return {"text/html": NEEDS_KERNEL}
    shown = "".join(data.get("text/html", ""))
    if 'class="convsim-table' in shown:
        shown = LISTED.sub(",<wbr>", WORDS.sub('<td class="words">', shown))
        return {**data, "text/html": shown}
    return data


def prepare_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the outputs of a notebook that has just been read (Sphinx's ``source-read``)."""
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for index, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", []):
            if "data" not in output:
                continue
            try:
                output["data"] = page_output(output["data"])
            except ValueError as fault:
                logger.warning("cell %d: %s", index + 1, fault, location=docname)
    source[0] = json.dumps(notebook)
