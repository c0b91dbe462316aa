"""Equations carry the paper's numbers, and formulas keep the comma after them.

The label ``eq-10`` makes an equation number 10.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

PREFIX = "eq-"
MARKS = re.compile(r"[.,;:!?)\]'’”]+")

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


def keep_together(app: Sphinx, document: nodes.document) -> None:
    """Put the punctuation after a formula into one piece with it (Sphinx's ``doctree-read``).

    A browser may break a line beside anything that is not text, even before a comma.
    """
    for formula in list(document.findall(nodes.math)):
        after = formula.next_node(descend=False, siblings=True)
        if isinstance(after, nodes.Text) and (marks := MARKS.match(after)):
            parent = formula.parent
            place = parent.index(formula)
            piece = nodes.inline("", "", formula.deepcopy(), nodes.Text(marks[0]))
            piece["classes"] = ["convsim-together"]
            parent[place : place + 2] = [piece, nodes.Text(after[marks.end() :])]
