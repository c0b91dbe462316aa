"""Records of every penalty in, a figure out: what is minimised against what it moves."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean

import plotly.graph_objects as go

from convsim.evidence.penalty_tables import layer_records, ratios
from convsim.evidence.statistics import distinct, mean_std
from convsim.experiments.penalties import NAMES, NONE
from convsim.experiments.record import RESULTS
from convsim.figures import COLORS, finish, rounded

COLUMNS = {
    "kernel_cosine": ("kernels<br>|cos|", "kernels' cosine"),
    "normalized": ("L̄", "normalised similarity"),
    "correlation": ("maps<br>corr.", "correlation of maps"),
    "per_image": ("maps<br>|cos|", "cosine of one image's maps"),
    "overlap": ("NNK<br>overlap", "overlap of neighbourhoods"),
}
"""The readings: how the figure heads them, and how it is read out."""
FULL = 3.0
"""Powers of two at which a colour is full: an eighth of the start, or eight times it."""


def matrix_figure(*, folder: Path = RESULTS) -> go.Figure:
    """Penalties against readings: what each descent leaves of every reading, as a share of its
    start, mean over the layers of CNN1 and seeds.

    Raises:
        ValueError: if no start is recorded.
    """
    records = layer_records(folder)
    names = [name for name in NAMES if records[name]]
    cells = [[ratios(name, key, records) for key in COLUMNS] for name in names]
    means = [[fmean(found) if found else None for found in row] for row in cells]
    figure = go.Figure(
        go.Heatmap(
            x=[heading for heading, _ in COLUMNS.values()],
            # Broken, so that a telephone has room for the cells.
            y=[name.replace(" ", "<br>") for name in names],
            z=[[None if mean is None else _shade(mean) for mean in row] for row in means],
            text=[["" if mean is None else f"{mean:.2f}" for mean in row] for row in means],
            customdata=[[_in_words(found) for found in row] for row in cells],
            texttemplate="%{text}",
            hovertemplate="%{y}: %{x}<br>%{customdata}<extra></extra>",
            zmin=-FULL,
            zmax=FULL,
            colorscale=[[0, COLORS[0]], [0.5, "#f7f7f7"], [1, COLORS[1]]],
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    layers = len(next(iter(records[NONE].values())).metrics["layers"])
    seeds = max((len(records[name]) for name in names), default=0)
    data = distinct(record.data for found in records.values() for record in found.values())
    figure.update_xaxes(
        title={
            "text": "after by before: blue fell, orange rose<br>"
            f"means of {layers} layers of CNN1, {seeds} seed{'s' * (seeds != 1)}<br>{data}",
            "font": {"size": 12},
        },
        tickangle=0,
        showgrid=False,
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    said = (
        f"{name}: "
        + ", ".join(
            f"{words} {'undefined' if mean is None else f'{mean:.2f}'}"
            for (_, words), mean in zip(COLUMNS.values(), row, strict=True)
        )
        for name, row in zip(names, means, strict=True)
    )
    return finish(
        figure,
        height=170 + 46 * len(names),
        alt="A matrix of penalties and readings: what the descent on each penalty leaves of every "
        f"reading, as a share of its start. {'; '.join(said)}.",
    )


def _shade(ratio: float) -> float:
    """Powers of two, up to where colours are full; a reading that is gone has no logarithm."""
    value = math.log2(ratio) if ratio > 0 else -FULL
    return rounded([max(-FULL, min(FULL, value))])[0]


def _in_words(found: list[float]) -> str:
    return f"{mean_std(found)} of the start, n = {len(found)}"
