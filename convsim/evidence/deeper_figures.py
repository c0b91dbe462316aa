"""Records of a falling β in, a figure out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from convsim.evidence.deeper_tables import by_condition, missing_error, trainings
from convsim.evidence.sweeps import PAPERS
from convsim.evidence.training_figures import STYLES
from convsim.experiments.plan import SHORT_EPOCHS
from convsim.experiments.record import RESULTS
from convsim.figures import finish, rounded, stacked

FALLING = {
    "loss": "training loss",
    "train_accuracy": "training accuracy, %",
    "similarity": "L_CS, sum over layers",
}


def falling_figure(folder: Path = RESULTS) -> go.Figure:
    """Algorithm 2, and with β in proportion to the loss: loss, accuracy and L_CS by epoch.

    Raises:
        ValueError: if the second is not recorded.
    """
    found = trainings(folder, model=PAPERS, width=64, epochs=SHORT_EPOCHS, optimizer="SGD")
    runs = by_condition(found, ("baseline", "regularise", "regularise-falling"))
    if "regularise-falling" not in runs:
        raise missing_error("of regularise-falling", folder)
    figure = stacked([*FALLING.values()])
    said = []
    for name, some in runs.items():
        color, dash = STYLES[name]
        for row, quantity in enumerate(FALLING, start=1):
            epochs = some[0].metrics["epochs"]
            values: Sequence[float] = (
                [sum(of) for of in zip(*epochs["similarity"].values(), strict=True)]
                if quantity == "similarity"
                else {"loss": epochs["loss"], "train_accuracy": epochs["train_accuracy"]}[quantity]
            )
            figure.add_scatter(
                x=epochs["epoch"],
                y=rounded(values),
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                mode="lines",
                line={"color": color, "dash": dash},
                row=row,
                col=1,
            )
            said.append(f"{name} {FALLING[quantity]}: {values[-1]:.3g}")
    figure.update_xaxes(title_text="epoch", row=len(FALLING))
    figure.update_yaxes(type="log", exponentformat="power", row=len(FALLING))
    return finish(
        figure,
        height=110 + 200 * len(FALLING),
        alt="Lines over the epochs, one a condition. At the end: " + "; ".join(said) + ".",
    )
