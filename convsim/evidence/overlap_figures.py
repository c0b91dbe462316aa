"""Neighbourhoods in, figures out: as pictures, by depth, and against the test error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import plotly.graph_objects as go
from matplotlib.figure import Figure
from plotly.subplots import make_subplots
from torch import Tensor

from convsim.evidence.overlap_tables import (
    SIDES,
    TARGETS,
    generalization,
    last_overlap,
    network_records,
    regularization_of,
    regularized_records,
    target_of,
)
from convsim.evidence.training_figures import STYLES
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

    Error bars are 95 % intervals over queries.
    """
    records = network_records(folder)
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
    for record in records:
        condition = record.settings["run"]["condition"]
        layers = list(record.metrics["layers"].values())
        color, dash = STYLES[condition]
        for col, side in enumerate(SIDES, start=1):
            found = [layer[side]["overlap"] for layer in layers]
            panel = {"row": 1 if record.settings["trained"] else 2, "col": col}
            first = panel == {"row": 1, "col": 1}
            figure.add_scatter(
                x=list(range(1, len(layers) + 1)),
                y=rounded([one["mean"] for one in found]),
                error_y={
                    "type": "data",
                    "array": rounded([one["high"] - one["mean"] for one in found]),
                    "arrayminus": rounded([one["mean"] - one["low"] for one in found]),
                },
                name=condition,
                legendgroup=condition,
                showlegend=first,
                line={"color": color, "dash": dash},
                **panel,
            )
            said.append(
                f"{condition} {titles[2 * panel['row'] + col - 3]}: "
                + ", ".join(f"{one['mean']:.3f}" for one in found)
            )
            if condition == "baseline":
                figure.add_scatter(
                    x=list(range(1, len(layers) + 1)),
                    y=rounded([layer[side]["overlap_chance"] for layer in layers]),
                    name="by chance",
                    legendgroup="chance",
                    showlegend=first,
                    mode="lines",
                    line={"color": "gray", "dash": "dot"},
                    **panel,
                )
    figure.update_annotations(font_size=12)  # two titles side by side on a phone
    figure.update_xaxes(dtick=1)
    figure.update_xaxes(title_text="layer", row=2)
    figure.update_yaxes(title_text="overlap", col=1, rangemode="tozero")
    return finish(figure, height=560, alt="Overlap by layer. " + "; ".join(said) + ".")


def generalization_figure(*, side: str = "after", folder: Path = RESULTS) -> go.Figure:
    """Every regularised network: last-layer overlap against each of ``TARGETS``."""
    records = regularized_records(folder)
    titles = [words.partition(",")[0] for words in TARGETS.values()]
    figure = make_subplots(
        rows=len(TARGETS), subplot_titles=titles, shared_xaxes=True, vertical_spacing=0.07
    )
    cells = sorted({regularization_of(record) for record in records})
    dropouts = sorted({dropout for dropout, _ in cells})
    for row, target in enumerate(TARGETS, start=1):
        for dropout, decay in cells:
            runs = [record for record in records if regularization_of(record) == (dropout, decay)]
            figure.add_scatter(
                x=rounded([last_overlap(run, side) for run in runs]),
                y=rounded([target_of(run, target) for run in runs]),
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
    return finish(
        figure,
        height=760,
        alt=f"{len(records)} networks, overlap in the last layer {side} the non-linearity "
        f"against three measures of error, with Spearman's rank correlations. {said}.",
    )
