"""Records in, figures out."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go

from convsim.evidence.pair_tables import pair_records, row_name
from convsim.evidence.statistics import distinct
from convsim.experiments.record import RESULTS
from convsim.figures import COLORS, finish, rounded, stacked


def descent_figure(table: str, *, folder: Path = RESULTS) -> go.Figure:
    """Medians over episodes along the descent: loss, ⟨F1, F2⟩² and |cos(F1, F2)|.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    records = pair_records(table, folder)
    figure = stacked(["loss, relative", "⟨F₁, F₂⟩², relative", "|cos(F₁, F₂)|"])
    ends = []
    for number, record in enumerate(records):
        curve = record.metrics["curve"]
        taps, optimizer = row_name(record)
        cosine = curve["cosine"]
        ends.append(f"N = {taps} {optimizer} {cosine[0]:.2f} to {cosine[-1]:.2f}")
        for panel, values in enumerate((curve["loss"], curve["similarity"], cosine), start=1):
            figure.add_scatter(
                x=curve["step"],
                y=[max(value, 1e-16) for value in values],
                name=f"N = {taps}, {optimizer}",
                legendgroup=str(number),
                showlegend=panel == 1,
                line={"color": COLORS[number // 2], "dash": ("solid", "dot")[number % 2]},
                row=panel,
                col=1,
            )
    figure.update_yaxes(type="log", exponentformat="power", row=1)
    figure.update_yaxes(type="log", exponentformat="power", row=2)
    figure.update_yaxes(range=[0, 0.7], row=3)
    return finish(
        figure,
        height=620,
        alt="Three stacked line charts over the steps of the descent, medians of "
        f"{distinct(record.settings['episodes'] for record in records)} episodes: the loss, the "
        f"squared inner product of the feature maps, and |cos|. |cos|: {', '.join(ends)}.",
    )


def cosine_figure(*, folder: Path = RESULTS) -> go.Figure:
    """|cos(F1, F2)| before and after each descent, Table 1's loss above Table 2's.

    A row whose episodes all diverged has no cosine and is left out.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    figure = go.Figure()
    described = []
    named = set()
    for table, label in (("table2", "L_CS"), ("table1", "⟨K₁, K₂⟩²")):
        for record in reversed(pair_records(table, folder)):
            start, end = record.metrics["cosine_before"], record.metrics["cosine_after"]
            if start is None or end is None:
                continue
            before, after = start["mean"], end["mean"]
            taps, optimizer = row_name(record)
            row = f"{label}, N = {taps}, {optimizer}"
            described.append(f"{row} {before:.2f} to {after:.2f}")
            figure.add_scatter(
                x=rounded([before, after]),
                y=[row, row],
                mode="lines+markers",
                line={"color": COLORS[table == "table1"], "width": 3},
                marker={"symbol": ["circle-open", "circle"], "size": 11},
                name="minimising " + label,
                legendgroup=label,
                showlegend=label not in named,
                hovertemplate="%{x:.3f}"
                + f"<br>fell in {record.metrics['cosine_fell_percent']:.0f} %"
                "<extra></extra>",
            )
            named.add(label)
    figure.update_xaxes(title_text="mean |cos(F₁, F₂)|: open before, filled after", range=[0, 0.7])
    return finish(
        figure,
        height=460,
        alt="Mean absolute cosine of the two feature maps before and after each descent. "
        + "; ".join(described)
        + ".",
    )
