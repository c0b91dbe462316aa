"""Records in, figures out."""

from __future__ import annotations

import plotly.graph_objects as go

from convsim.evidence.pair_tables import pair_records, row_name
from convsim.figures import COLORS, finish, rounded, stacked


def descent_figure(table: str) -> go.Figure:
    """Medians over episodes along the descent: loss, ⟨F1, F2⟩² and |cos(F1, F2)|."""
    panels = {
        "loss": "loss, relative",
        "similarity": "⟨F₁, F₂⟩², relative",
        "cosine": "|cos(F₁, F₂)|",
    }
    figure = stacked(list(panels.values()))
    for number, record in enumerate(pair_records(table)):
        curve = record.metrics["curve"]
        taps, optimizer = row_name(record)
        for panel, key in enumerate(panels, start=1):
            figure.add_scatter(
                x=curve["step"],
                y=[max(value, 1e-16) for value in curve[key]],
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
    ends = ", ".join(
        f"N = {r.settings['taps']} {r.settings['optimizer']} "
        f"{r.metrics['curve']['cosine'][0]:.2f} to {r.metrics['curve']['cosine'][-1]:.2f}"
        for r in pair_records(table)
    )
    return finish(
        figure,
        height=620,
        alt="Three stacked line charts over the steps of the descent, medians of 1000 episodes: "
        f"the loss, the squared inner product of the feature maps, and |cos|. |cos|: {ends}.",
    )


def cosine_figure() -> go.Figure:
    """|cos(F1, F2)| before and after each descent, Table 1's loss above Table 2's."""
    figure = go.Figure()
    described = []
    for table, label in (("table2", "L_CS"), ("table1", "⟨K₁, K₂⟩²")):
        for record in reversed(pair_records(table)):
            taps, optimizer = row_name(record)
            row = f"{label}, N = {taps}, {optimizer}"
            before, after = (
                record.metrics[f"cosine_{when}"]["mean"] for when in ("before", "after")
            )
            described.append(f"{row} {before:.2f} to {after:.2f}")
            first = len(described) == 1
            figure.add_scatter(
                x=rounded([before, after]),
                y=[row, row],
                mode="lines+markers",
                line={"color": COLORS[table == "table1"], "width": 3},
                marker={"symbol": ["circle-open", "circle"], "size": 11},
                name="minimising " + label,
                legendgroup=label,
                showlegend=first or len(described) == 7,
                hovertemplate="%{x:.3f}"
                + f"<br>fell in {record.metrics['cosine_fell_percent']:.0f} %"
                "<extra></extra>",
            )
    figure.update_xaxes(title_text="mean |cos(F₁, F₂)|: open before, filled after", range=[0, 0.7])
    return finish(
        figure,
        height=460,
        alt="Mean absolute cosine of the two feature maps before and after each descent. "
        + "; ".join(described)
        + ".",
    )
