"""Equations carry the paper's numbers: the label ``eq-10`` makes an equation number 10."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

PREFIX = "eq-"

logger = logging.getLogger(__name__)


def number_equations(app: Sphinx, document: nodes.document) -> None:
    r"""Number each labelled equation after its label (Sphinx's ``doctree-read``).

    ``$$ … $$ (eq-1b)`` is printed as (1b) and ``{eq}`eq-1b``` links to it as "Eq. 1b". An
    equation of the book's own has no label, so that no number is ever taken for the paper's.
    """
    equations = app.env.get_domain("math").data["objects"]
    for block in document.findall(nodes.math_block):
        label = block.get("label")
        if label is None:
            continue
        if not label.startswith(PREFIX):
            logger.warning(
                "the equation label %r does not name an equation of the paper: "
                "write (eq-NUMBER), or leave the label out",
                label,
                location=block,
            )
        block["number"] = label.removeprefix(PREFIX)
        equations[label] = (app.env.docname, block["number"])
