"""Records of the input's experiments in, figures out."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from convsim.evidence.input_tables import FAMILIES, best_record, step_records
from convsim.evidence.training_figures import STYLES
from convsim.experiments.inputs import PATCHES
from convsim.experiments.record import RESULTS
from convsim.figures import finish, rounded


def recorded_autocorrelation(folder: Path = RESULTS) -> Tensor:
    """R of the colour patches of some training images, ``(27, 27)``, as recorded.

    Raises:
        ValueError: if nothing is recorded.
    """
    return torch.tensor(
        best_record(PATCHES.name, folder).metrics["autocorrelation"], dtype=torch.float64
    )


def steps_figure(folder: Path = RESULTS) -> go.Figure:
    """How alike each layer's maps are after the first steps of training, a panel a layer.

    Raises:
        ValueError: if nothing is recorded.
    """
    recorded = step_records(folder)
    records = {name: record for name, record in recorded.items() if name in FAMILIES["baseline"]}
    layers = len(next(iter(records.values())).metrics["maps"])
    figure = make_subplots(
        rows=layers,
        shared_xaxes=True,
        vertical_spacing=0.05,
        subplot_titles=[f"layer {number}" for number in range(1, layers + 1)],
    )
    said = []
    for condition, record in records.items():
        color, dash = STYLES[condition]
        steps = list(map(str, record.metrics["steps"]))
        for row, readings in enumerate(record.metrics["maps"].values(), start=1):
            values = [reading["correlation"] for reading in readings]
            figure.add_scatter(
                x=steps,
                y=rounded([value for value in values if value is not None]),
                name=condition,
                legendgroup=condition,
                showlegend=row == 1,
                line={"color": color, "dash": dash},
                mode="lines",
                row=row,
                col=1,
            )
            if row == 1:
                said.append(f"{condition} {values[0]:.2f}, {values[1]:.2f} and {values[-1]:.2f}")
    # Steps are named, not measured: the first ones are what the figure is about.
    figure.update_xaxes(type="category")
    figure.update_xaxes(title_text="steps of training", row=layers)
    figure.update_yaxes(rangemode="tozero")
    return finish(
        figure,
        height=160 + 150 * layers,
        alt="Lines over the steps of training, one a condition, a panel a layer: mean |correlation|"
        f" of pairs of maps. First layer before, after one step and at the end: {'; '.join(said)}.",
    )
