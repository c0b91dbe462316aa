"""A Sphinx extension: what a symbol or an equation of another page is, where a reader points at it.

Symbols and their meanings are those of the table in ``chapters/notation.md``. A row that names
chapters holds in these alone, and a symbol with two rows is left alone, because a preview that is
wrong is worse than none. ``terms.js`` shows the previews.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

NOTATION = "chapters/notation"
SYMBOL, MEANING = 1, 2  # columns: what the book writes, and what it is


class known_symbol(nodes.Inline, nodes.TextElement):  # type: ignore[misc]  # noqa: N801
    """A symbol of the notation page in a text."""


def in_words(cell: nodes.Element) -> str:
    r"""Return the text of a cell with its formulas between ``\(`` and ``\)``, without its links."""
    parts = []
    for node in cell.findall():
        if isinstance(node, nodes.math):
            parts.append(rf"\({node.astext()}\)")
        elif isinstance(node, nodes.Text) and not _inside(node, nodes.math, pending_xref):
            parts.append(node.astext())
    return re.sub(r"(\s*,)+\s*(?=[;:]|$)", "", "".join(parts)).strip()


class Meaning(NamedTuple):
    """What a symbol is, the chapters it is limited to, if any, and the equation that defines it."""

    words: str
    chapters: set[str]
    equation: str | None

    def holds_in(self, page: str) -> bool:
        """Whether a page means this by the symbol."""
        return not self.chapters or page.split("/")[-1] in self.chapters


def symbols(notation: nodes.document) -> dict[str, Meaning]:
    """Return what each symbol is."""
    found: dict[str, Meaning] = {}
    twice = set()
    for row in notation.findall(nodes.row):
        cells = list(row.findall(nodes.entry))
        if row.parent.tagname != "tbody":
            continue
        links = [(x["refdomain"], x["reftarget"]) for x in cells[MEANING].findall(pending_xref)]
        chapters = {target.split("/")[-1] for kind, target in links if kind == "doc"}
        equation = next((target for kind, target in links if kind == "math"), None)
        for formula in cells[SYMBOL].findall(nodes.math):
            for name in _names(formula.astext()):
                if name in found:
                    twice.add(name)
                found[name] = Meaning(in_words(cells[MEANING]), chapters, equation)
    return {name: meant for name, meant in found.items() if name not in twice}


def _names(formula: str) -> list[str]:
    r"""Symbols of a formula: two for ``K_1, K_2``, one for ``R = \mathbb{E}[u u^\top]``."""
    parts = formula.split(",") if "(" not in formula and r"\langle" not in formula else [formula]
    return [part.split(" = ")[0].strip() for part in parts]


def _inside(node: nodes.Node, *kinds: type[nodes.Node]) -> bool:
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


class MarkTerms(SphinxPostTransform):
    """Mark the symbols in the text of a page."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Wrap each formula that is one symbol and no more."""
        page = self.env.docname
        if not page.startswith("chapters/") or page == NOTATION:
            return
        known = _known(self.env)
        for formula in list(self.document.findall(nodes.math)):
            meaning = known.get(formula.astext())
            if meaning is None or not meaning.holds_in(page):
                continue
            if not _inside(formula, nodes.title, nodes.reference):
                formula.replace_self(
                    known_symbol("", "", formula.deepcopy(), symbol=formula.astext())
                )


def _known(env: BuildEnvironment) -> dict[str, Meaning]:
    if "convsim_symbols" not in vars(env):
        # A part of the book, such as a test builds, may be without it.
        there = NOTATION in env.all_docs
        vars(env)["convsim_symbols"] = symbols(env.get_doctree(NOTATION)) if there else {}
    known: dict[str, Meaning] = vars(env)["convsim_symbols"]
    return known


def keep_equations(app: Sphinx, document: nodes.document) -> None:
    """Remember the equations that have numbers (``doctree-read``)."""
    kept = _equations(app.env)
    for block in document.findall(nodes.math_block):
        if label := block.get("label"):
            kept[f"equation-{label}"] = block.astext()


def _equations(env: BuildEnvironment) -> dict[str, str]:
    kept: dict[str, str] = vars(env).setdefault("convsim_equations", {})
    return kept


def merge(app: Sphinx, env: BuildEnvironment, names: set[str], other: BuildEnvironment) -> None:
    """Take over what another process has read (``env-merge-info``)."""
    _equations(env).update(_equations(other))


def add_previews(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Write what a page's symbols and equations are into it (``html-page-context``)."""
    if doctree is None:
        return
    equations = _equations(app.env)
    used = {node["symbol"] for node in doctree.findall(known_symbol)}
    linked = {
        reference.get("refid") or str(reference.get("refuri", "")).rpartition("#")[2]
        for reference in doctree.findall(nodes.reference)
    }
    shown = {label: rf"\[{latex}\]" for label, latex in equations.items()}
    known = {symbol: _known(app.env)[symbol] for symbol in sorted(used)}
    previews = {
        symbol: meaning.words + shown.get(f"equation-{meaning.equation}", "")
        for symbol, meaning in known.items()
    } | {label: shown[label] for label in sorted(linked & set(shown))}
    if previews:
        text = json.dumps(previews, ensure_ascii=False).replace("</", r"<\/")
        context["body"] += f'<script type="application/json" id="convsim-terms">{text}</script>'


def visit_symbol(translator: Any, node: known_symbol) -> None:
    """Open a symbol."""
    # not starttag, which would write the name in lower case
    symbol = translator.attval(node["symbol"])
    translator.body.append(f'<span class="convsim-term" data-term="{symbol}">')


def depart_symbol(translator: Any, node: known_symbol) -> None:
    """Close it."""
    translator.body.append("</span>")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it."""
    app.add_node(known_symbol, html=(visit_symbol, depart_symbol))
    app.add_post_transform(MarkTerms)
    app.connect("doctree-read", keep_equations)
    app.connect("env-merge-info", merge)
    app.connect("html-page-context", add_previews)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
