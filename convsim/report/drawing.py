"""A report as a picture: readings along the layers, each beside that of random kernels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from convsim.figures import COLORS, SYMBOLS, finish
from convsim.report.table import READINGS

if TYPE_CHECKING:
    from convsim.report.readings import RedundancyReport

SHOWN = tuple(reading for reading in READINGS if reading != "similarity")  # 0 to 1
_MARKERS = ("o", "s", "D", "^", "x")


def _series(report: RedundancyReport) -> dict[str, tuple[list[float | None], list[float | None]]]:
    """Of each reading that any layer has: its values here, and those of random kernels."""
    found = {}
    for reading in SHOWN:
        here = [getattr(layer, reading) for layer in report.layers]
        if any(value is not None for value in here):
            found[READINGS[reading][0]] = (
                here,
                [getattr(layer.random, reading) for layer in report.layers],
            )
    return found


def _names(report: RedundancyReport) -> list[str]:
    return [layer.name or "(the model)" for layer in report.layers]


def figure_of(report: RedundancyReport) -> go.Figure:
    """Draw a report with Plotly: solid lines are the model, dotted ones random kernels."""
    names, series = _names(report), _series(report)
    figure = go.Figure()
    for number, (heading, ends) in enumerate(series.items()):
        for values, random in zip(ends, (False, True), strict=True):
            figure.add_scatter(
                x=names,
                y=[None if value is None else round(value, 4) for value in values],
                name=f"{heading}, random" if random else heading,
                mode="lines" if random else "lines+markers",
                line={"color": COLORS[number], "dash": "dot" if random else "solid"},
                marker={"symbol": SYMBOLS[number]},
                legendgroup=heading,
            )
    figure.update_yaxes(title_text="0: orthogonal, 1: alike", range=[-0.02, 1.02])
    figure.update_xaxes(title_text="layer", type="category", tickangle=-45)
    alt = (
        f"Readings of {report.model} in {len(names)} layers, from {names[0]} to {names[-1]}: "
        f"{', '.join(series)}; each as a line with markers, and that of random kernels as a "
        "dotted line beside it."
    )
    return finish(figure, height=440, alt=alt)


def heat_maps(layer: str, found: Mapping[str, Tensor], order: list[int]) -> go.Figure:
    """Draw the matrices of a layer side by side, rows and columns in one order."""
    count, columns = len(found), min(2, len(found))
    rows = -(-count // columns)
    figure = make_subplots(rows, columns, subplot_titles=list(found), vertical_spacing=0.1)
    labels = [str(n) for n in order]
    for number, matrix in enumerate(found.values()):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        figure.add_heatmap(
            z=matrix[order][:, order].numpy().round(2),
            x=labels,
            y=labels,
            coloraxis="coloraxis",
            hovertemplate="%{y}, %{x}: %{z:.2f}<extra></extra>",
            **place,
        )
        axis = {
            "type": "category",
            "constrain": "domain",
            "showgrid": False,
            "showticklabels": len(order) <= 16,
        }
        figure.update_xaxes(axis, **place)
        square = f"x{number + 1 if number else ''}"
        figure.update_yaxes(axis, autorange="reversed", scaleanchor=square, **place)
        figure.update_yaxes(constraintoward="top", **place)  # where its title is
    for column in range(columns):
        figure.update_xaxes(title_text="channels", row=rows, col=column + 1)
    bar = {"orientation": "h", "y": -0.08, "yanchor": "top", "thickness": 12}
    figure.update_coloraxes(colorscale="RdBu", reversescale=True, cmin=-1, cmax=1, colorbar=bar)
    alt = (
        f"{count} square heat maps of the {len(order)} channels of layer "
        f"{layer or '(the model)'}: {', '.join(found)}, from -1, blue, to 1, red. Rows and "
        "columns are ordered so that channels which are alike lie next to each other."
    )
    return finish(figure, height=130 + 260 * rows, alt=alt)


def save(report: RedundancyReport, path: Path) -> None:
    """Draw a report with Matplotlib into a file, whose suffix says in which format.

    Raises:
        ValueError: if Matplotlib knows no such format.
    """
    names, series = _names(report), _series(report)
    figure, axes = plt.subplots(figsize=(max(6.4, 0.22 * len(names)), 4.8), layout="constrained")
    try:
        known = figure.canvas.get_supported_filetypes()
        if path.suffix[1:].lower() not in known:
            raise ValueError(
                f"{path} ends in {path.suffix!r}; expected a picture's suffix, such as .png, .svg "
                "or .pdf"
            )
        for number, (heading, (here, random)) in enumerate(series.items()):
            color = COLORS[number]
            axes.plot(names, _gaps(here), color=color, marker=_MARKERS[number], label=heading)
            axes.plot(names, _gaps(random), color=color, linestyle=":")
        axes.plot([], [], color="0.4", linestyle=":", label="random kernels")
        axes.set(ylim=(-0.02, 1.02), ylabel="0: orthogonal, 1: alike", title=report.model)
        axes.tick_params(axis="x", labelrotation=90, labelsize=7)
        axes.legend(fontsize=8)
        figure.savefig(path)
    finally:
        plt.close(figure)


def _gaps(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
