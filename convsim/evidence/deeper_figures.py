"""Records of a falling β, or of networks without batch normalisation, in, a figure out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import plotly.graph_objects as go

from convsim.evidence.deeper_tables import by_condition, missing_error, trainings
from convsim.evidence.sweeps import PAPERS, Training
from convsim.evidence.training_figures import STYLES
from convsim.experiments.plan import AGAIN, AGAIN_RATE, HELD, SHORT_EPOCHS, UNIT
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


class Race(NamedTuple):
    """Starts of PlainCNN that are compared with the first of them, at one learning rate."""

    where: str
    rate: float
    starts: tuple[str, ...]


RACES = (
    Race("the default's norms", 0.1, tuple(name for name in HELD if name != "same-band")),
    Race("maps of variance 1", 0.01, UNIT),
    Race("maps of variance 1", AGAIN_RATE, AGAIN),
)
"""What is drawn; ``same-band``, far behind, would flatten the others."""


def lead_figure(folder: Path = RESULTS) -> go.Figure:
    """Without batch normalisation: how far each start is ahead in training, epoch by epoch.

    Returns:
        A figure with a panel for each learning rate, and in it a line for each start and seed, the
        difference from the first start of the panel with the same seed.

    Raises:
        ValueError: if there are no two to compare.
    """
    pairs = {race: _pairs(race, folder) for race in RACES}
    shown = {race: of for race, of in pairs.items() if of}
    if not shown:
        raise missing_error("of PlainCNN that can be compared", folder)
    figure = stacked([f"{race.where}, η = {race.rate}" for race in shown])
    figure.update_yaxes(title_text="points ahead")
    named: set[str] = set()
    said = []
    for row, of in enumerate(shown.values(), start=1):
        for name, seed, lead in of:
            color, dash = STYLES[name]
            figure.add_scatter(
                x=list(range(1, len(lead) + 1)),
                y=rounded(lead),
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                mode="lines",
                line={"color": color, "dash": dash},
                hovertemplate=f"{name}, seed {seed}, epoch %{{x}}: %{{y:+.1f}}<extra></extra>",
                row=row,
                col=1,
            )
            named.add(name)
            said.append(
                f"{name}, seed {seed}: {max(lead, key=abs):+.1f} at most, {lead[-1]:+.1f} at last"
            )
        figure.add_hline(y=0, line_width=1, row=row, col=1)
    figure.update_xaxes(title_text="epoch", row=len(shown))
    return finish(
        figure,
        height=110 + 200 * len(shown),
        alt="Points of training accuracy over the epochs by which starts are ahead, a line a "
        "seed. " + "; ".join(said) + ".",
    )


def _pairs(race: Race, folder: Path) -> list[tuple[str, int, list[float]]]:
    """Start, seed and lead in training, epoch by epoch, of all that have a partner."""
    found = trainings(folder, model="PlainCNN", epochs=SHORT_EPOCHS, learning_rate=race.rate)
    runs = by_condition(found, race.starts)
    base = {run.settings["seed"]: run for run in runs.pop(race.starts[0], [])}
    return [
        (name, seed, [a - b for a, b in zip(*map(_accuracies, (run, base[seed])), strict=True)])
        for name, some in runs.items()
        for run in some
        if (seed := run.settings["seed"]) in base
    ]


def _accuracies(run: Training) -> list[float]:
    return run.metrics["epochs"]["train_accuracy"]
