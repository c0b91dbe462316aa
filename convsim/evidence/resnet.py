"""Records of ResNet-18 in, out come Figures 4 and 5, with a control and with effective rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from convsim.evidence.deeper_tables import PAIRS, by_condition, missing_error, trainings
from convsim.evidence.statistics import (
    best_test,
    interval_in_words,
    last_training,
    mean_std,
    paired_differences,
)
from convsim.evidence.sweeps import Training
from convsim.evidence.training_figures import STYLES
from convsim.evidence.training_tables import not_recorded, provenance
from convsim.experiments.forgetting import STARTS
from convsim.experiments.record import RESULTS
from convsim.figures import finish, rounded, stacked
from convsim.table import Table
from convsim.training.rates import effective_rate

RESNET = "ResNet18"
STEPS = 200
"""Of Algorithm 1 in Figure 4."""
MEASURES = {"test, best": best_test, "training, last": last_training}
"""The accuracies of a training that are shown, by name."""


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


def grid_table(folder: Path = RESULTS) -> Table:
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


def grid_figure(folder: Path = RESULTS) -> go.Figure:
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


def steps_figure(folder: Path = RESULTS) -> go.Figure:
    """Figure 5, and the training accuracy: over the steps of Algorithm 1, and of shrinking alone.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    figure = stacked([f"accuracy, %: {words}" for words in MEASURES])
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


def steps_table(folder: Path = RESULTS) -> Table:
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


def rates_table(folder: Path = RESULTS) -> Table:
    """Every training by its effective rate, whatever start and learning rate it comes from.

    Raises:
        ValueError: as :func:`resnet_trainings`.
    """
    alike: dict[tuple[int, float, str, int], list[Training]] = {}
    for record in resnet_trainings(folder):
        of = record.settings
        if of["condition"] not in STARTS:
            continue
        steps = 0 if of["condition"] == "baseline" else of["iterations"]
        place = of["batch_size"], of["learning_rate"], of["condition"], steps
        alike.setdefault(place, []).append(record)
    rates = {
        place: [fmean(_median_rate(run, epoch) for run in runs) for epoch in (0, -1)]
        for place, runs in alike.items()
    }
    # Larger batches first: with them comes the low learning rate.
    order = sorted(alike, key=lambda at: (-at[0], rates[at][0], STARTS.index(at[2])))
    used = [run for place in order for run in alike[place]]
    return Table(
        columns=(
            *(("", name) for name in ("batch", "η", "start", "steps")),
            *(("effective rate after", f"{epochs}") for epochs in ("1 epoch", "the last")),
            *(("accuracy, %", words) for words in MEASURES),
            ("", "n"),
        ),
        rows=tuple(
            (
                *(str(place[0]), f"{place[1]:g}", place[2], str(place[3] or "–")),
                *(f"{rate:.2g}" for rate in rates[place]),
                *(mean_std([*map(measure, alike[place])]) for measure in MEASURES.values()),
                str(len(alike[place])),
            )
            for place in order
        ),
        caption=f"ResNet-18, {_images(used)}, in the order of the effective learning rate: its "
        "median over the layers, and accuracy.",
        source=provenance(used),
    )


def _median_rate(run: Training, epoch: int) -> float:
    norms = (of_layer[epoch] for of_layer in run.metrics["epochs"]["norm"].values())
    return median(effective_rate("SGD", run.settings["learning_rate"], norm) for norm in norms)


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
