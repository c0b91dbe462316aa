"""Records and tensors in, figures out: what the chapters show.

Plotly figures carry a description in ``layout.meta.alt``, which the built page reads out, and
numbers rounded to five digits, so that a chapter run again stores the same output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import torch
from matplotlib.figure import Figure
from plotly.subplots import make_subplots
from torch import Tensor

from convsim.correlation import cross_correlate
from convsim.data import photograph
from convsim.similarity import feature_map_similarity, kernel_similarity
from convsim.tables import pair_records, row_name

# Okabe and Ito's colours, which colour-blind readers can tell apart; dark enough for white and
# light enough for dark pages.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")


def descent_figure(table: str) -> go.Figure:
    """Medians over episodes along the descent: loss, ⟨F1, F2⟩² and |cos(F1, F2)|."""
    panels = {
        "loss": "loss, relative",
        "similarity": "⟨F₁, F₂⟩², relative",
        "cosine": "|cos(F₁, F₂)|",
    }
    figure = make_subplots(
        rows=3,
        cols=1,
        shared_xaxes=True,
        subplot_titles=list(panels.values()),
        vertical_spacing=0.08,
    )
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
    figure.update_xaxes(title_text="step", row=3)
    ends = ", ".join(
        f"N = {r.settings['taps']} {r.settings['optimizer']} "
        f"{r.metrics['curve']['cosine'][0]:.2f} to {r.metrics['curve']['cosine'][-1]:.2f}"
        for r in pair_records(table)
    )
    return _finish(
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
                x=_rounded([before, after]),
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
    return _finish(
        figure,
        height=460,
        alt="Mean absolute cosine of the two feature maps before and after each descent. "
        + "; ".join(described)
        + ".",
    )


def lines(
    series: Mapping[str, tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]],
    *,
    x_title: str,
    y_title: str,
    alt: str,
    log: str = "",
    markers: bool = False,
) -> go.Figure:
    """Line chart of named (x, y) series; ``log`` names the logarithmic axes, such as ``"xy"``."""
    figure = go.Figure()
    for number, (name, (x, y)) in enumerate(series.items()):
        figure.add_scatter(
            x=_rounded(x),
            y=_rounded(y),
            name=name,
            mode="lines+markers" if markers else "lines",
            line={"color": COLORS[number], "dash": ("solid", "dash", "dot", "dashdot")[number % 4]},
            marker={"symbol": SYMBOLS[number]},
        )
    figure.update_xaxes(title_text=x_title, type="log" if "x" in log else "linear")
    figure.update_yaxes(
        title_text=y_title, type="log" if "y" in log else "linear", exponentformat="power"
    )
    return _finish(figure, height=380, alt=alt)


def stems(panels: Mapping[str, Tensor], *, columns: int = 1) -> Figure:
    """One stem plot a panel, on a shared vertical scale, for short signals and kernels."""
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(7, 1.5 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for number, (axis, (title, values)) in enumerate(zip(axes.flat, panels.items(), strict=True)):
        axis.axhline(0, color="0.6", linewidth=0.8)
        color = COLORS[number % len(COLORS)]
        axis.vlines(np.arange(len(values)), 0, values.numpy(), color=color, linewidth=2)
        axis.plot(values.numpy(), "o", color=color, markersize=5)
        axis.set_title(title, fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def images(panels: Mapping[str, Tensor], *, signed: bool = False) -> Figure:
    """Grey pictures side by side; with ``signed``, mid-grey is 0 and all share one scale."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(2.4 * len(panels), 2.7), squeeze=False, layout="constrained"
    )
    largest = max(float(values.abs().max()) for values in panels.values())
    limits = (-largest, largest) if signed else (None, None)
    for axis, (title, values) in zip(axes.flat, panels.items(), strict=True):
        axis.imshow(values.numpy(), cmap="gray", vmin=limits[0], vmax=limits[1])
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure


def orthogonal_yet_similar() -> Figure:
    """The book's first picture: two kernels without a common tap, and their feature maps."""
    k1, k2 = torch.tensor([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], dtype=torch.float64)
    x = photograph("china")[32]
    f1, f2 = cross_correlate(x, k1), cross_correlate(x, k2)
    cosine = feature_map_similarity(f1, f2) / (f1.norm() * f2.norm())
    figure = plt.figure(figsize=(8, 2.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 2.6])
    for row, (name, kernel) in enumerate({"K₁": k1, "K₂": k2}.items()):
        axis = figure.add_subplot(grid[row, 0])
        axis.bar(range(6), kernel.numpy(), color=COLORS[row], width=0.7)
        axis.set(ylabel=name, xticks=range(6), yticks=[0, 1], ylim=(0, 1.15))
        axis.spines[["top", "right"]].set_visible(False)
        if row == 0:
            axis.set_title(f"⟨K₁, K₂⟩ = {kernel_similarity(k1, k2):.0f}", loc="left", fontsize=11)
    axis = figure.add_subplot(grid[:, 1])
    for row, (name, values) in enumerate({"F₁": f1, "F₂": f2}.items()):
        axis.plot(
            values.numpy(),
            color=COLORS[row],
            linewidth=2,
            linestyle=("-", "--")[row],
            label=name,
        )
    axis.set_title(f"cos(F₁, F₂) = {cosine:.2f}", loc="left", fontsize=11)
    axis.set_xlabel("position")
    axis.legend(frameon=False, ncols=2, loc="upper left")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _finish(figure: go.Figure, *, height: int, alt: str) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 60, "r": 20, "t": 40, "b": 60},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
        meta={"alt": alt},
    )
    return figure


def _rounded(values: Sequence[float] | Tensor) -> list[float]:
    return [float(f"{float(value):.5g}") for value in values]
