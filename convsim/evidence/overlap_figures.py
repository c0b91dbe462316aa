"""Neighbourhoods in, figures out: as pictures, by depth, and against the test error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import plotly.graph_objects as go
from matplotlib.figure import Figure
from plotly.subplots import make_subplots
from torch import Tensor

from convsim.evidence.overlap_records import (
    TARGETS,
    LayerOverlap,
    last_measure,
    network_records,
    overlaps_of,
    regularization_of,
    regularized_records,
    target_of,
)
from convsim.evidence.overlap_tables import generalization
from convsim.evidence.sweeps import on_other_data
from convsim.evidence.training_figures import STYLES
from convsim.experiments.activations import SIDES
from convsim.experiments.record import RESULTS
from convsim.figures import COLORS, finish, rounded
from convsim.neighborhoods.neighbors import Neighbors


def neighborhoods_picture(
    pixels: Tensor, neighborhoods: Mapping[str, tuple[int, Neighbors]], *, columns: int = 8
) -> Figure:
    """A row of pictures for each neighbourhood: the query, then its neighbours and their weights.

    Args:
        pixels: ``(n, H, W)``, grey: a picture of each point.
        neighborhoods: by title, the query's point and the neighbours of that one query,
            ``(1, k)``.
        columns: neighbours shown at the most, those with the greatest weights.
    """
    figure, axes = plt.subplots(
        len(neighborhoods),
        columns + 1,
        figsize=(0.85 * (columns + 1), 1.15 * len(neighborhoods)),
        squeeze=False,
        layout="constrained",
    )
    for row, (title, (query, found)) in zip(axes, neighborhoods.items(), strict=True):
        order = found.weights[0].argsort(descending=True, stable=True)[:columns]
        shown = [(query, title)] + [
            (int(found.indices[0, place]), f"{found.weights[0, place]:.2f}")
            for place in order
            if found.weights[0, place] > 0
        ]
        for axis, (point, text) in zip(row, shown, strict=False):
            axis.imshow(pixels[point].numpy(), cmap="gray")
            axis.set_title(text, fontsize=8)
        for axis in row:
            axis.set_axis_off()
    return figure


def depth_figure(*, folder: Path = RESULTS) -> go.Figure:
    """Overlap from layer to layer, before and after the non-linearity, with its level of chance.

    Error bars are 95 % intervals over queries. Layers without an overlap, because their channels
    are dead, are left out.

    Raises:
        ValueError: if nothing is recorded.
    """
    titles = [f"{state}, {side}" for state in ("trained", "untrained") for side in SIDES]
    figure = make_subplots(
        rows=2,
        cols=2,
        shared_yaxes=True,
        subplot_titles=titles,
        vertical_spacing=0.16,
        horizontal_spacing=0.06,
    )
    said = []
    records = network_records(folder)
    for record in records:
        condition = record.settings["run"]["condition"]
        row = 1 if record.settings["trained"] else 2
        for col, side in enumerate(SIDES, start=1):
            layers = overlaps_of(record, side)
            panel = {"row": row, "col": col, "showlegend": row == col == 1}
            _draw_overlaps(figure, condition, layers, panel)
            means = ", ".join(f"{layer.mean:.3f}" for layer in layers.values())
            said.append(f"{condition} {titles[2 * row + col - 3]}: {means}")
    figure.update_annotations(font_size=12)  # two titles side by side on a phone
    figure.update_xaxes(dtick=1)
    figure.update_xaxes(title_text="layer", row=2)
    figure.update_yaxes(title_text="overlap", col=1, rangemode="tozero")
    return finish(
        figure, height=560, alt=f"Overlap by layer{on_other_data(records)}. {'; '.join(said)}."
    )


def _draw_overlaps(
    figure: go.Figure, condition: str, layers: Mapping[int, LayerOverlap], panel: Mapping[str, Any]
) -> None:
    """A line with error bars; the baseline has the level of chance beside it."""
    color, dash = STYLES[condition]
    figure.add_scatter(
        x=list(layers),
        y=rounded([layer.mean for layer in layers.values()]),
        error_y={
            "type": "data",
            "array": rounded([layer.high - layer.mean for layer in layers.values()]),
            "arrayminus": rounded([layer.mean - layer.low for layer in layers.values()]),
        },
        name=condition,
        legendgroup=condition,
        line={"color": color, "dash": dash},
        **panel,
    )
    if condition == "baseline":
        chances = {n: at for n, layer in layers.items() if (at := layer.chance) is not None}
        figure.add_scatter(
            x=list(chances),
            y=rounded(list(chances.values())),
            name="by chance",
            legendgroup="chance",
            mode="lines",
            line={"color": "gray", "dash": "dot"},
            **panel,
        )


def generalization_figure(*, side: str = "after", folder: Path = RESULTS) -> go.Figure:
    """Every regularised network: last-layer overlap against each of ``TARGETS``.

    Networks without an overlap, because the channels of their last layer are dead, are left out.

    Raises:
        ValueError: if nothing is recorded, or the side is unknown.
    """
    overlaps = [(record, last_measure(record, side)) for record in regularized_records(folder)]
    points = [(record, overlap) for record, overlap in overlaps if overlap is not None]
    titles = [words.partition(",")[0] for words in TARGETS.values()]
    figure = make_subplots(
        rows=len(TARGETS), subplot_titles=titles, shared_xaxes=True, vertical_spacing=0.07
    )
    cells = sorted({regularization_of(record) for record, _ in points})
    dropouts = sorted({dropout for dropout, _ in cells})
    for row, target in enumerate(TARGETS, start=1):
        for dropout, decay in cells:
            runs = [point for point in points if regularization_of(point[0]) == (dropout, decay)]
            figure.add_scatter(
                x=rounded([overlap for _, overlap in runs]),
                y=rounded([target_of(record, target) for record, _ in runs]),
                mode="markers",
                name=f"dropout {dropout:g}" + (" and decay" if decay else ""),
                legendgroup=f"{dropout}, {decay}",
                showlegend=row == 1,
                marker={
                    "size": 10,
                    "color": COLORS[dropouts.index(dropout)],
                    "symbol": ("circle", "diamond-open")[decay > 0],
                },
                row=row,
                col=1,
            )
    figure.update_xaxes(title_text=f"overlap {side} the non-linearity", row=len(TARGETS))
    figure.update_yaxes(title_text="%")
    said = "; ".join(
        f"{words}: {generalization(target, side=side, folder=folder)}"
        for target, words in TARGETS.items()
    )
    networks = f"{len(points)} networks{on_other_data(record for record, _ in points)}"
    return finish(
        figure,
        height=760,
        alt=f"{networks}, overlap in the last layer {side} the non-linearity against three "
        f"measures of error, with Spearman's rank correlations. {said}.",
    )
