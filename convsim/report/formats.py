"""A report as other programs take it: CSV, LaTeX, and a page of HTML that sorts itself."""

from __future__ import annotations

import csv
import html
import io
from itertools import groupby
from typing import TYPE_CHECKING, Any

from convsim.table import Table

if TYPE_CHECKING:
    from convsim.report.readings import RedundancyReport

# What LaTeX reads otherwise, or has no letter for; ‖ and | come in pairs.
_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "‖": r"$\Vert$",
        "|": r"$\vert$",
        "×": r"$\times$",
        "–": "--",
    }
)

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
.box { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { font-weight: bold; padding: 0.5rem 0; text-align: left; }
p { white-space: pre-line; }
th, td { border-bottom: 1px solid #8884; padding: 0.25rem 0.6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
th button { background: none; border: 0; color: inherit; cursor: pointer; font: inherit; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
tfoot td { font-weight: bold; }
"""

_SCRIPT = """
const key = (row, n) => {
  const text = row.cells[n].textContent, number = parseFloat(text);
  return Number.isNaN(number) || n === 0 ? text : number;
};
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
  : String(a).localeCompare(String(b), "en", { numeric: true }));
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = [...[...table.tHead.rows].at(-1).cells];
  heads.forEach((head, n) => head.firstChild.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "ascending", rows = [...body.rows];
    const empty = (row) => row.cells[n].textContent === "\\u2013"; // undefined ones come last
    rows.sort((a, b) => empty(a) - empty(b) || (up ? -1 : 1) * compare(key(a, n), key(b, n)));
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "descending" : "ascending");
    body.append(...rows);
  }));
}
"""


def as_csv(report: RedundancyReport) -> str:
    """A line a layer with the keys of ``to_dict``, in full precision; undefined cells are empty."""
    text = io.StringIO()
    layers = flat_layers(report)
    writer = csv.DictWriter(text, fieldnames=[*layers[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(layers)
    return text.getvalue()


def flat_layers(report: RedundancyReport) -> list[dict[str, Any]]:
    """The layers of ``to_dict``, with a key for each number: ``random_…``, ``floors_…``."""
    flat = []
    for layer in report.to_dict()["layers"]:
        row: dict[str, Any] = {}
        for key, value in layer.items():
            parts = value.items() if isinstance(value, dict) else [("", value)]
            row |= {f"{key}_{inner}" if inner else key: of for inner, of in parts}
        flat.append(row | {"kernel_size": "x".join(map(str, layer["kernel_size"]))})
    return flat


def as_latex(table: Table) -> str:
    """A ``table`` environment in the style of booktabs, whose package it needs."""
    spread = list(zip(*table.columns, strict=True))
    groups = [(group, len(list(same))) for group, same in groupby(spread[0])]
    over = [
        f"\\multicolumn{{{span}}}{{c}}{{{group.translate(_LATEX)}}}" if group else "&" * (span - 1)
        for group, span in groups
    ]
    lines = [
        r"\begin{table}",
        rf"\caption{{{table.caption.translate(_LATEX)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"\toprule",
        *([" & ".join(over) + r" \\"] if any(spread[0]) else []),
        _line(spread[1]),
        r"\midrule",
        *(_line(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"


def as_page(first: Table, *others: Table) -> str:
    """One file of HTML that needs no other, with headings that sort by their columns.

    Args:
        first: a table whose last row is a sum, which stays where it is.
        others: tables below it, whose rows are all alike.
    """
    title = html.escape(first.caption)
    shown = _section(first, total=True) + "".join(_section(table) for table in others)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>{shown}"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _section(table: Table, *, total: bool = False) -> str:
    rows, last = (table.rows[:-1], table.rows[-1:]) if total else (table.rows, ())
    groups = [(name, len(list(same))) for name, same in groupby(table.columns, lambda c: c[0])]
    above = "".join(f'<th colspan="{n}">{html.escape(name)}</th>' for name, n in groups)
    heads = "".join(
        f'<th scope="col"><button type="button">{html.escape(name)}</button></th>'
        for _, name in table.columns
    )
    return (
        f'<div class="box"><table><caption>{html.escape(table.caption)}</caption>'
        f"<thead><tr>{above}</tr><tr>{heads}</tr></thead>"
        f"<tbody>{_rows(rows)}</tbody><tfoot>{_rows(last)}</tfoot></table></div>\n"
        f"<p>{html.escape(table.source)}</p>\n"
    )


def _rows(rows: tuple[tuple[str, ...], ...]) -> str:
    cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
    return "".join(f"<tr>{row}</tr>" for row in cells)
