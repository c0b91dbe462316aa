"""A table that prints as text and shows as HTML."""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Table:
    """A table that prints as text and shows as HTML.

    Attributes:
        columns: headings as (group, name); equal neighbouring groups share one heading.
        rows: cells, as text, one tuple a row.
        caption: what the table shows.
        source: where its numbers come from, and how to read them; lines are kept.
        prose: cells are words rather than numbers: they wrap, and start on the left.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    source: str
    prose: bool = False

    def __repr__(self) -> str:
        lines = [tuple(" ".join(filter(None, column)) for column in self.columns), *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        return "\n".join([self.caption, *body, self.source])

    def _repr_html_(self) -> str:
        groups = [(name, len(list(same))) for name, same in groupby(self.columns, lambda c: c[0])]
        head = "".join(
            f'<th colspan="{span}" scope="colgroup">{html.escape(name)}</th>'
            for name, span in groups
        )
        # A row of headings above the headings, where there are any.
        head = f"<tr>{head}</tr>" if any(name for name, _ in groups) else ""
        names = "".join(f'<th scope="col">{html.escape(name)}</th>' for _, name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        caption = html.escape(self.caption, quote=True)
        layout = "text-align: left" if self.prose else "white-space: nowrap"
        lines = "; white-space: pre-line" if "\n" in self.source else ""
        # A wide table scrolls in a box of its own, which the keyboard can reach.
        return (
            f'<div class="convsim-table{" prose" if self.prose else ""}" tabindex="0" '
            f'role="region" aria-label="{caption}" '
            f'style="overflow-x: auto; {layout}; font-size: 0.85em">'
            f"<table><caption>{caption}</caption>"
            f"<thead>{head}<tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"
            f'<p class="convsim-source" style="font-size: 0.85em{lines}">'
            f"{html.escape(self.source)}</p>"
        )
