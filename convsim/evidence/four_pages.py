"""The book's trainings on a page: every difference that its answer rests on, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from convsim.evidence.deeper_tables import LEARNING_RATES, short_trainings
from convsim.evidence.input_tables import input_records
from convsim.evidence.penalised import penalised_records
from convsim.evidence.statistics import (
    best_test,
    interval_in_words,
    last_training,
    paired_differences,
)
from convsim.evidence.sweeps import Training, book_sweeps, pairs_of
from convsim.evidence.training_tables import provenance
from convsim.experiments.conditions import PENALISED
from convsim.experiments.contrasts import INPUT_CONTRASTS
from convsim.experiments.record import RESULTS, read_records
from convsim.table import Table

PAPER, SIMILARITY = "paper", "similarity"
"""Groups: the first paper's experiment and its control; what is to make kernels or maps less alike,
and not shorter. Every optimiser is another."""
OF_PAPER = {
    ("init", "baseline"): PAPER,
    ("scale", "baseline"): PAPER,
    ("init", "scale"): PAPER,
    ("regularise", "baseline"): PAPER,
    ("scale-free", "baseline"): SIMILARITY,
    ("both", "scale"): SIMILARITY,
}
CONTROLS = ("extra-layer", "orthogonal-kernels", "orthogonal-maps", "orthogonal-maps-power")
"""With which others are compared in the chapter on the input; here all are against their base."""
UNDER_OPTIMIZERS = (("scale", "baseline"), ("init", "scale"))
AFTER = slice(1, None)
"""Layers 2 to 4."""

Pair = tuple[str, str]
Difference = tuple[str, Pair, list[Training], list[Training]]
"""Group, conditions, and the runs of both with the same seeds."""


def differences(folder: Path = RESULTS) -> Iterator[Difference]:
    """Every difference of the book's trainings in the order of the table; no runs if none is there.

    Raises:
        ValueError: if one of the book's experiments with trainings has no record.
    """
    inputs = [pair for pair in INPUT_CONTRASTS if pair[1] not in CONTROLS]
    inputs.sort(key=lambda pair: pair[1] == "scale")
    penalties = [(name, "baseline") for name in PENALISED]
    for groups, sweeps in (
        (OF_PAPER, book_sweeps(folder)),
        (dict.fromkeys(inputs, SIMILARITY), [input_records(folder)]),
        (dict.fromkeys(penalties, SIMILARITY), [penalised_records(folder)]),
    ):
        for pair, group in groups.items():
            yield group, pair, *pairs_of(sweeps, pair)
    for name in LEARNING_RATES:
        runs = [run for some in short_trainings(name, folder).values() for run in some]
        for pair in UNDER_OPTIMIZERS:
            yield name, pair, *pairs_of([runs], pair)


def results_table(*, folder: Path = RESULTS) -> Table:
    """What each change did to CNN1: similarity after training, and accuracy, paired by seed.

    Raises:
        ValueError: as :func:`differences`.
    """
    rows, used = [], []
    for group, (first, second), runs, others in differences(folder):
        if not runs:
            continue
        words = first if group in (PAPER, SIMILARITY) else f"{first}, {group}"
        cells = (
            interval_in_words(paired_differences(runs, others, of))
            for of in (best_test, last_training)
        )
        after = (f"{_after(others, of)} → {_after(runs, of)}" for of in (_kernels, _maps))
        epochs = str(runs[0].settings["epochs"])
        rows.append((words, second, *after, *cells, epochs, str(len(runs))))
        used += runs + others
    return Table(
        columns=(
            *(("", "condition"), ("", "against")),
            *(("after training", "L̄, kernels"), ("after training", "|corr|, maps")),
            *(("points of accuracy", "test, best"), ("points of accuracy", "training, last")),
            *(("", "epochs"), ("", "n")),
        ),
        rows=tuple(rows),
        caption="CNN1 after each change: normalised similarity of kernels and mean |correlation| "
        "of maps in layers 2 to 4, without and with it; differences in accuracy, the best epoch's "
        "in test and the last one's in training, paired by seed, mean [95 % interval].",
        source=f"– not measured. {provenance(list({id(run): run for run in used}.values()))}",
    )


def lower(runs: Sequence[Training], others: Sequence[Training]) -> float:
    """By how much a change left L̄ or the correlation of maps lower, the more of the two."""
    found = []
    for of in (_kernels, _maps):
        sides = [[v for run in side if (v := of(run)) is not None] for side in (others, runs)]
        if all(sides):
            found.append(fmean(sides[0]) - fmean(sides[1]))
    return max(found)


def _kernels(run: Training) -> float:
    courses = [*run.metrics["epochs"]["normalized"].values()]
    return fmean(course[-1] for course in courses[AFTER])


def _maps(run: Training) -> float | None:
    """None in older records, and for the first epochs of a longer training."""
    layers = [*run.metrics.get("layers_after", {}).values()][AFTER]
    values = [value for layer in layers if (value := layer["correlation"]) is not None]
    return fmean(values) if values else None


def _after(runs: Sequence[Training], of: Callable[[Training], float | None]) -> str:
    values = [value for run in runs if (value := of(run)) is not None]
    return f"{fmean(values):.2f}" if values else "–"


def cost_table(*, folder: Path = RESULTS) -> Table:
    """What the trainings took, by length: every epoch counts as the median one of its run.

    So pauses of a machine do not count. A run used one core.

    Raises:
        ValueError: if no training is recorded.
    """
    by_length: dict[int, list[float]] = {}
    for run in read_records("table5", folder):
        if "diverged" not in run.metrics:
            seconds = run.metrics["epochs"]["seconds"]
            hours = median(seconds) * len(seconds) / 3600
            by_length.setdefault(run.settings["epochs"], []).append(hours)
    if not by_length:
        raise ValueError(f"no training is recorded in {folder}: run `convsim run table5`")
    return Table(
        columns=(
            *(("", "epochs"), ("", "trainings"), ("hours", "one training, one core")),
            ("hours", "all, two cores"),
        ),
        rows=tuple(
            (
                str(epochs),
                str(len(hours)),
                f"{min(hours):.1f} to {max(hours):.1f}",
                f"{sum(hours) / 2:.0f}",
            )
            for epochs, hours in sorted(by_length.items(), reverse=True)
        ),
        caption="Time of the recorded trainings.",
        source="Steps only, without tests. No GPU was used.",
    )
