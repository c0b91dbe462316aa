"""Which trainings are compared with which: runs of one sweep, equal but for condition and seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from convsim.evidence.statistics import distinct
from convsim.experiments.cifar10 import TrainingMetrics, TrainingSettings, settings_of
from convsim.experiments.conditions import KERNELS
from convsim.experiments.record import RESULTS, Record, read_records

Training = Record[TrainingMetrics]
NETWORKS = {64: "CNN1", 128: "CNN2", 512: "width 512"}
PAPERS = "ShallowCNN"
"""The model of the paper, whose widths have these names."""
NEEDED = {"baseline", "init", "regularise", "scale", "scale-free"}
"""The paper's conditions, and those whose networks the chapters load."""


def sweep_records(folder: Path = RESULTS) -> list[Training]:
    """The records of one sweep, the one that says most under all conditions.

    The runs of a sweep have all settings in common but condition, width and seed. One of the
    paper's networks and optimiser is preferred to others, one with more of the conditions that
    every chapter on trainings needs to one with fewer, CIFAR-10 to a copy of it and a copy to other
    data, then more epochs to fewer, then the newer loop.

    Raises:
        ValueError: if nothing is recorded.
    """

    def merit(shared: TrainingSettings, found: Sequence[Training]) -> tuple[int, ...]:
        enough = len(NEEDED & _conditions(found))
        usual = shared.model == PAPERS, shared.ordinary
        return *usual, enough, data_rank(shared.data), shared.epochs, shared.loop, len(found)

    sweeps = _sweeps(folder)
    return sweeps[max(sweeps, key=lambda shared: merit(shared, sweeps[shared]))]


def book_sweeps(folder: Path = RESULTS) -> list[list[Training]]:
    """The longest sweep, and what it takes beside it to have every condition.

    They are of the paper's network and optimiser on the best data, or else only that of
    :func:`sweep_records`. The first has the most epochs; then comes whichever adds most conditions,
    until none adds any. Each has the baseline, without which nothing can be compared.

    Raises:
        ValueError: if nothing is recorded.
    """
    best = sweep_records(folder)
    shared = settings_of(best[0])
    if shared.model != PAPERS or not shared.ordinary:
        return [best]
    candidates = {
        key: found
        for key, found in _sweeps(folder).items()
        if key.model == PAPERS and key.ordinary and key.data == shared.data
        if "baseline" in _conditions(found)
    } or {shared: best}
    first = max(candidates, key=lambda key: (key.epochs, key.loop, len(candidates[key])))
    chosen = [candidates.pop(first)]
    known = _conditions(chosen[0])

    def adds(key: TrainingSettings) -> tuple[int, int, int, int]:
        new = len((_conditions(candidates[key]) & KERNELS.keys()) - known)
        return new, key.epochs, key.loop, len(candidates[key])

    while candidates and adds(best_key := max(candidates, key=adds))[0]:
        chosen.append(candidates.pop(best_key))
        known |= _conditions(chosen[-1])
    return chosen


def _sweeps(folder: Path) -> dict[TrainingSettings, list[Training]]:
    """All trainings by the settings that the runs of a sweep have in common."""
    sweeps: dict[TrainingSettings, list[Training]] = {}
    for record in read_records("table5", folder):
        shared = replace(settings_of(record), condition="baseline", width=64, seed=0)
        sweeps.setdefault(shared, []).append(record)
    if not sweeps:
        raise ValueError(
            f"no training is recorded in {folder}; expected records of table5: run `convsim run "
            "table5`"
        )
    return sweeps


def _conditions(records: Iterable[Training]) -> set[str]:
    return {record.settings["condition"] for record in records}


def sweep_of_width(width: int, folder: Path = RESULTS) -> list[Training]:
    """The records of :func:`sweep_records` with networks of one width.

    Raises:
        ValueError: if there are none.
    """
    return of_width(width, [sweep_records(folder)], folder)[0]


def of_width(
    width: int, sweeps: Sequence[Sequence[Training]], folder: Path
) -> list[list[Training]]:
    """Of some sweeps in ``folder``, the records with networks of one width.

    Raises:
        ValueError: if there are none.
    """
    of_sweeps = [[run for run in sweep if run.settings["width"] == width] for sweep in sweeps]
    if found := [sweep for sweep in of_sweeps if sweep]:
        return found
    widths = distinct([record.settings["width"] for sweep in sweeps for record in sweep])
    raise ValueError(
        f"no training of width {width} is in the sweep in {folder}; expected {widths}: run "
        f"`convsim run table5 --widths {width}`"
    )


def pairs_of(
    sweeps: Sequence[Sequence[Training]], pair: tuple[str, str], width: int = 64
) -> tuple[list[Training], list[Training]]:
    """Runs of two conditions with the same seeds, from the first of some sweeps that has any."""
    for records in sweeps:
        first, second = (
            {run.settings["seed"]: run for run in runs_of(records, condition, width)}
            for condition in pair
        )
        if seeds := sorted(first.keys() & second):
            return [first[seed] for seed in seeds], [second[seed] for seed in seeds]
    return [], []


def first_with(
    sweeps: Sequence[Sequence[Training]], condition: str, width: int = 64
) -> list[Training]:
    """The runs of a condition in the first of some sweeps that has any."""
    found = (runs_of(records, condition, width) for records in sweeps)
    return next((runs for runs in found if runs), [])


def first_epochs(run: Training, epochs: int) -> Training:
    """A training as it stood after its first epochs, which do not depend on how many follow.

    Args:
        run: a training.
        epochs: how many; of a training that has no more, it comes back as it is.

    Returns:
        The record with its settings, its accuracies and its epochs cut; what was measured on the
        trained network is left out.
    """
    if run.settings["epochs"] <= epochs:
        return run
    courses: dict[str, Any] = {**run.metrics["epochs"]}
    cut: dict[str, Any] = {
        key: {layer: course[:epochs] for layer, course in of.items()}
        if isinstance(of, dict)
        else of[:epochs]
        for key, of in courses.items()
    }
    kept = {"initialisation_seconds", "cosine_before", "layers_before", "chosen"}
    metrics: dict[str, Any] = {key: of for key, of in run.metrics.items() if key in kept}
    metrics |= {"epochs": cut, "top_test_accuracy": max(cut["test_accuracy"])}
    metrics |= {"last_test_accuracy": cut["test_accuracy"][-1]}
    settings = run.settings | {"epochs": epochs}
    return replace(run, settings=settings, metrics=cast(TrainingMetrics, metrics))


def data_rank(data: str) -> int:
    """How much a result on these data says: CIFAR-10 above a copy of it, a copy above digits."""
    return 2 if data == "CIFAR-10" else int(data.startswith("CIFAR-10 ("))


def on_other_data(records: Iterable[Record[Any]]) -> str:
    """``" on digits"`` and the like, if the records are not of CIFAR-10 or a copy of it."""
    data = {record.settings.get("run", record.settings)["data"] for record in records}
    other = [name for name in data if data_rank(name) == 0]
    return f" on {distinct(other)}" if other else ""


def model_of(record: Record[Any]) -> str:
    """The model that was trained; older records do not say that it was the paper's."""
    return str(record.settings.get("run", record.settings).get("model", PAPERS))


def is_usual(record: Record[Any]) -> bool:
    """Whether it is the paper's model and optimiser, on all images."""
    return model_of(record) == PAPERS and not (
        {"optimizer", "images", "held_out"} & record.settings.keys()
    )


def network(width: int, model: str = PAPERS) -> str:
    """The paper's name of a network, or its width; other models by their own names."""
    if model != PAPERS:
        return f"{model}, width {width}"
    return NETWORKS.get(width, f"width {width}")


def named(width: int, records: Sequence[Training]) -> str:
    """The networks of a width in a sweep, such as ``"CNN1"`` or ``"CNN1 on digits"``."""
    return network(width, model_of(records[0])) + on_other_data(records)


def runs_of(records: Sequence[Training], condition: str, width: int = 64) -> list[Training]:
    """The runs of one condition and width that did not diverge, by seed."""
    found = [
        record
        for record in records
        if record.settings["condition"] == condition
        and record.settings["width"] == width
        and "diverged" not in record.metrics
    ]
    return sorted(found, key=lambda record: record.settings["seed"])
