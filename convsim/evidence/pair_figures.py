"""Records in, figures out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from convsim.evidence.pair_tables import pair_records, row_name
from convsim.evidence.statistics import distinct
from convsim.experiments.record import RESULTS
from convsim.figures import COLORS, finish, rounded, stacked

SHOWN = 6  # episodes of a phase portrait


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


def increase_figure(table: str = "table1", *, folder: Path = RESULTS) -> go.Figure:
    """Share of the increases above a size, on logarithmic axes, beside a line of slope -1/2.

    Rows with fewer than 20 increases are left out.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    figure = go.Figure()
    described = []
    for number, record in enumerate(pair_records(table, folder)):
        tail = record.metrics["increase_tail"]
        if tail is None:
            continue
        taps, optimizer = row_name(record)
        described.append(f"N = {taps} {optimizer} {tail['index']:.2f}")
        figure.add_scatter(
            x=rounded(tail["increase_percent"]),
            y=rounded([rank / tail["rank"][-1] for rank in tail["rank"]]),
            name=f"N = {taps}, {optimizer}",
            mode="lines",
            line={"color": COLORS[number // 2], "dash": ("solid", "dot")[number % 2]},
        )
    ends = np.array([1e3, 1e8])
    figure.add_scatter(
        x=ends.tolist(),
        y=rounded(((1e3 / ends) ** 0.5).tolist()),
        name="slope −1/2",
        mode="lines",
        line={"color": "#888888", "dash": "dash", "width": 3},
    )
    figure.update_xaxes(type="log", title_text="increase of ⟨F₁, F₂⟩², %", exponentformat="power")
    figure.update_yaxes(type="log", title_text="share that rose by more", exponentformat="power")
    figure.update_xaxes(range=[0, 8.2])
    figure.update_yaxes(range=[-2.8, 0.1])
    return finish(
        figure,
        height=440,
        alt="On logarithmic axes, the share of the rising episodes against the size of the "
        "increase: lines that fall like the dashed one, of slope −1/2. Hill's estimates of the "
        f"tail's index: {', '.join(described)}.",
    )


def phase_portrait(taps: int = 3, *, folder: Path = RESULTS) -> go.Figure:
    """Norms of two kernels on their way down L_CS, and the hyperbola that each flow would keep.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    figure = go.Figure()
    records = [r for r in pair_records("table2", folder) if r.settings["taps"] == taps]
    for start in (path[0] for path in records[0].metrics["paths"][:SHOWN]):
        figure.add_scatter(
            **_hyperbola(*start),
            name="‖K₁‖² − ‖K₂‖² as at the start",
            mode="lines",
            line={"color": "#888888", "width": 6},
            opacity=0.35,
            hoverinfo="skip",
        )
    described = []
    shown = len(figure.data)
    for number, record in enumerate(records):
        _, optimizer = row_name(record)
        paths = record.metrics["paths"][:SHOWN]
        kept = 0
        for path in paths:
            first, second = (rounded(norms) for norms in zip(*path, strict=True))
            kept += (first[0] < second[0]) == (first[-1] < second[-1])
            figure.add_scatter(
                x=first,
                y=second,
                name=optimizer,
                mode="lines+markers",
                line={
                    "color": COLORS[1 - number],
                    "dash": ("dot", "solid")[number],
                    "width": (1.5, 3)[number],
                },
                marker={
                    "symbol": ["circle-open", *["circle"] * (len(path) - 1)],
                    "size": [9, *[0] * (len(path) - 2), 9],
                },
            )
        described.append(
            f"with {optimizer} the kernel that began as the smaller one ends so in {kept} of "
            f"{len(paths)}"
        )
    named = set()
    for line in figure.data:
        line.update(legendgroup=line.name, showlegend=line.name not in named)
        named.add(line.name)
    figure.update_xaxes(title_text="‖K₁‖", rangemode="tozero")
    figure.update_yaxes(title_text="‖K₂‖", rangemode="tozero")
    return finish(
        figure,
        height=520,
        alt=f"The two norms of {shown} pairs of kernels with {taps} "
        "taps during the descent on L_CS, from an open to a filled point, and from each start the "
        f"hyperbola down to an axis; {'; '.join(described)}.",
    )


def _hyperbola(first: float, second: float) -> dict[str, list[float]]:
    """‖K1‖² - ‖K2‖² = constant, from a start down to the axis where the smaller norm is zero."""
    shares = np.linspace(1, 0, 25)
    smaller = min(first, second) * shares
    larger = np.sqrt(max(first, second) ** 2 - min(first, second) ** 2 + smaller**2)
    x, y = (larger, smaller) if first > second else (smaller, larger)
    return {"x": rounded(x.tolist()), "y": rounded(y.tolist())}
