"""Records of other optimisers and networks in, figures out; and the tables that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from convsim.evidence.deeper_tables import PAIRS, by_condition, missing_error, trainings
from convsim.evidence.statistics import (
    best_test,
    interval_in_words,
    last_training,
    paired_differences,
)
from convsim.evidence.sweeps import PAPERS, Training
from convsim.evidence.training_figures import STYLES
from convsim.evidence.training_tables import not_recorded, provenance
from convsim.experiments.forgetting import STARTS
from convsim.experiments.plan import SHORT_EPOCHS
from convsim.experiments.record import RESULTS
from convsim.figures import finish, rounded, stacked
from convsim.table import Table

RESNET = "ResNet18"
STEPS = 200
"""Of Algorithm 1 in Figure 4."""
MEASURES = {"test, best": best_test, "training, last": last_training}
"""The accuracies of a training that are shown, by name."""
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


def resnet_trainings(folder: Path = RESULTS, **wanted: Any) -> list[Training]:
    """The trainings of ResNet-18, of one number of images and epochs: the largest that there is.

    Raises:
        ValueError: if none is recorded.
    """
    found = trainings(folder, model=RESNET, **wanted)
    if not found:
        raise missing_error("of ResNet-18", folder)

    def size(record: Training) -> tuple[float, int]:
        return record.settings.get("images", float("inf")), record.settings["epochs"]

    largest = max(map(size, found))
    return [record for record in found if size(record) == largest]


Cell = tuple[float, int]
"""Of Figure 4: learning rate and batch size."""


def cells(folder: Path = RESULTS) -> dict[Cell, dict[str, list[Training]]]:
    """Figure 4's trainings by learning rate and batch size, and by start.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    found: dict[Cell, list[Training]] = {}
    for record in resnet_trainings(folder, iterations=STEPS):
        place = record.settings["learning_rate"], record.settings["batch_size"]
        found.setdefault(place, []).append(record)
    return {place: by_condition(found[place], STARTS) for place in sorted(found)}


def resnet_table(folder: Path = RESULTS) -> Table:
    """Figure 4, and the training accuracy: ResNet-18 by learning rate, batch size and start.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    found = cells(folder)
    rows = []
    for (lr, size), runs in found.items():
        for words, measure in MEASURES.items():
            base = [measure(run) for run in runs.get("baseline", [])]
            differences = (
                paired_differences(runs.get(a, []), runs.get(b, []), measure) for a, b in PAIRS
            )
            level = f"{fmean(base):.2f}" if base else "–"
            rows.append((f"{lr:g}", str(size), words, level, *map(interval_in_words, differences)))
    used = [run for runs in found.values() for some in runs.values() for run in some]
    return Table(
        columns=(
            *(("", "η"), ("", "batch"), ("", "accuracy"), ("%", "baseline")),
            *(("points", f"{a} − {b}") for a, b in PAIRS),
        ),
        rows=tuple(rows),
        caption=f"ResNet-18, {STEPS} steps of Algorithm 1, {_images(used)}: accuracy, "
        "and differences between starts, paired by seed, mean [95 % interval].",
        source=provenance(used),
    )


def resnet_figure(folder: Path = RESULTS) -> go.Figure:
    """Figure 4: best test accuracy over the learning rate, a panel a batch size.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    found = cells(folder)
    sizes = sorted({size for _, size in found})
    figure = make_subplots(
        rows=len(sizes),
        shared_xaxes=True,
        vertical_spacing=0.28 / (len(sizes) + 2),
        subplot_titles=[f"batches of {size}" for size in sizes],
    )
    said = []
    for row, size in enumerate(sizes, start=1):
        for start in STARTS:
            points = {
                lr: fmean(map(best_test, runs[start]))
                for (lr, of), runs in found.items()
                if of == size and start in runs
            }
            _points(figure, start, points, {"row": row, "col": 1}, named=row == 1)
            said += [f"{start}, {lr:g}, {size}: {value:.1f}" for lr, value in points.items()]
    figure.update_xaxes(type="log", tickvals=sorted({lr for lr, _ in found}))
    figure.update_xaxes(title_text="learning rate", row=len(sizes))
    figure.update_yaxes(title_text="best test<br>accuracy, %")
    return finish(
        figure,
        height=110 + 240 * len(sizes),
        alt="Best test accuracy of ResNet-18 by start, learning rate and batch size: "
        + "; ".join(said)
        + ".",
    )


def steps_of_start(folder: Path = RESULTS) -> dict[str, dict[int, list[Training]]]:
    """Figure 5's trainings by start and number of steps; without steps both are the baseline.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    found: dict[str, dict[int, list[Training]]] = {"init": {}, "scale": {}}
    for record in resnet_trainings(folder, learning_rate=0.01, batch_size=64):
        start, steps = record.settings["condition"], record.settings["iterations"]
        for of in found if start == "baseline" else (start,):
            found[of].setdefault(0 if start == "baseline" else steps, []).append(record)
    return {name: dict(sorted(of.items())) for name, of in found.items()}


def resnet_steps_figure(folder: Path = RESULTS) -> go.Figure:
    """Figure 5, and the training accuracy: over the steps of Algorithm 1, and of shrinking alone.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    figure = stacked([f"{words} accuracy, %" for words in MEASURES])
    said = []
    for start, runs in steps_of_start(folder).items():
        for row, (words, measure) in enumerate(MEASURES.items(), start=1):
            points = {steps: fmean(map(measure, some)) for steps, some in runs.items()}
            _points(figure, start, points, {"row": row, "col": 1}, named=row == 1)
            said += [f"{start}, {steps} steps, {words}: {at:.1f}" for steps, at in points.items()]
    figure.update_xaxes(title_text="steps of Algorithm 1", row=len(MEASURES))
    return finish(
        figure,
        height=110 + 200 * len(MEASURES),
        alt="Accuracy of ResNet-18 over the steps of Algorithm 1, and from weights that were "
        "shrunk alone: " + "; ".join(said) + ".",
    )


def resnet_steps_table(folder: Path = RESULTS) -> Table:
    """Figure 5 in numbers.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    found = steps_of_start(folder)
    base = found["init"].get(0, [])
    rows, missing = [], []
    for steps in sorted({steps for of in found.values() for steps in of} - {0}):
        runs = {name: of.get(steps, []) for name, of in found.items()} | {"baseline": base}
        for words, measure in MEASURES.items():
            differences = (paired_differences(runs[a], runs[b], measure) for a, b in PAIRS)
            rows.append((str(steps), words, *map(interval_in_words, differences)))
        missing += [f"{a}, {steps} steps" for a in ("init", "scale") if not runs[a]]
    used = [run for of in found.values() for some in of.values() for run in some]
    return Table(
        columns=(("", "steps"), ("", "accuracy"), *(("points", f"{a} − {b}") for a, b in PAIRS)),
        rows=tuple(rows),
        caption=f"ResNet-18 at learning rate 0.01 and batches of 64, {_images(used)}: differences "
        "in accuracy between starts, paired by seed.",
        source=provenance(used) + not_recorded(missing),
    )


def _points(
    figure: go.Figure,
    start: str,
    points: Mapping[int, float] | Mapping[float, float],
    place: dict[str, int],
    *,
    named: bool,
) -> None:
    color, dash = STYLES[start]
    figure.add_scatter(
        x=[*points],
        y=rounded([*points.values()]),
        name=start,
        legendgroup=start,
        showlegend=named,
        mode="lines+markers",
        line={"color": color, "dash": dash},
        **place,
    )


def _images(records: Sequence[Training]) -> str:
    images = records[0].settings.get("images", 0)
    return f"{images:,} training images" if images else "all training images"
