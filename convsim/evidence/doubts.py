"""Doubts about a gain, from the records: unequal fit, rounding, and the scatter of few seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path
from statistics import fmean, stdev

from scipy import stats

from convsim.evidence.statistics import best_test, last_test, last_training
from convsim.evidence.sweeps import (
    Training,
    book_sweeps,
    first_epochs,
    is_usual,
    named,
    runs_of,
)
from convsim.evidence.training_tables import provenance
from convsim.evidence.verdicts import MARGIN
from convsim.experiments.record import RESULTS, read_records
from convsim.table import Table

COMPARED = ("baseline", "init", "scale")
PAIRS = (("init", "baseline"), ("scale", "baseline"), ("init", "scale"))
FITTED = 99.0
"""Per cent of the training images that count as nearly all."""
LAST = 10
"""Epochs of the default whose loss says what an equal fit is."""


def equal_fit_table(*, folder: Path = RESULTS) -> Table:
    """How far each of the longest trainings has come, and its test accuracy at an equal loss.

    Raises:
        ValueError: if no training is recorded.
    """
    longest, *_ = book_sweeps(folder)
    runs = [run for name in COMPARED for run in runs_of(longest, name)]
    of_default = {run.settings["seed"]: run for run in runs_of(longest, COMPARED[0])}
    rows = []
    for run in runs:
        epochs = run.metrics["epochs"]
        fitted = [
            n for n, a in zip(epochs["epoch"], epochs["train_accuracy"], strict=True) if a >= FITTED
        ]
        default = of_default.get(run.settings["seed"])
        equal = at_equal_loss(run, default) if default else []
        rows.append(
            (
                run.settings["condition"],
                str(run.settings["seed"]),
                f"{epochs['loss'][-1]:.3f}",
                str(fitted[0]) if fitted else "none",
                f"{fmean(equal):.2f}" if equal else "–",
                f"{max(equal):.2f}" if equal else "–",
                str(len(equal)),
            )
        )
    return Table(
        columns=(
            *(("", "condition"), ("", "seed"), ("training", "last loss")),
            ("training", f"epoch of {FITTED:g} %"),
            *(("test, %, at equal loss", name) for name in ("mean", "best", "epochs")),
        ),
        rows=tuple(rows),
        caption=f"{named(64, runs)}: loss in training, and test accuracy over the epochs whose "
        f"loss lies where that of the default's last {LAST} epochs does.",
        source=provenance(runs),
    )


def at_equal_loss(run: Training, default: Training) -> list[float]:
    """Test accuracies of the epochs whose loss is between the ends of the default's last ones."""
    losses = default.metrics["epochs"]["loss"][-LAST:]
    epochs = run.metrics["epochs"]
    pairs = zip(epochs["loss"], epochs["test_accuracy"], strict=True)
    return [accuracy for loss, accuracy in pairs if min(losses) <= loss <= max(losses)]


def replicates(folder: Path = RESULTS) -> list[tuple[Training, Training]]:
    """Trainings that differ in the version of the loop alone, and so in rounding: old and new.

    Of a longer one its first epochs stand for a shorter one: an epoch depends on what was before
    it and on its number.
    """
    found = []
    records = [run for run in read_records("table5", folder) if is_usual(run)]
    old = [run for run in records if run.settings.get("loop", 1) == 1]
    new = [run for run in records if run.settings.get("loop", 1) > 1]
    keys = ("condition", "seed", "width", "data", "precision", "batch_size", "learning_rate")
    for run in old:
        same = [
            other
            for other in new
            if all(other.settings[key] == run.settings[key] for key in keys)
            and other.settings["epochs"] >= run.settings["epochs"]
        ]
        if same:
            shortest = min(same, key=lambda other: int(other.settings["epochs"]))
            found.append((run, first_epochs(shortest, run.settings["epochs"])))
    return found


def replicates_table(*, folder: Path = RESULTS) -> Table:
    """One and the same training, rounded in two ways.

    Raises:
        ValueError: if none was made twice.
    """
    pairs = replicates(folder)
    if not pairs:
        raise ValueError(f"no training in {folder} was made by two versions of the loop")
    measures = {"test, best": best_test, "test, last": last_test, "training, last": last_training}
    return Table(
        columns=(
            *(("", "condition"), ("", "seed"), ("", "epochs")),
            *(("accuracy, %", name) for name in measures),
            ("points apart", "test, best"),
        ),
        rows=tuple(
            (
                old.settings["condition"],
                str(old.settings["seed"]),
                str(old.settings["epochs"]),
                *(f"{of(old):.2f} and {of(new):.2f}" for of in measures.values()),
                f"{abs(best_test(old) - best_test(new)):.2f}",
            )
            for old, new in pairs
        ),
        caption=f"{named(64, [old for old, _ in pairs])}: the same training, with the same seed, "
        "by two versions of the loop, which differ in rounding.",
        source=provenance([run for pair in pairs for run in pair]),
    )


def pooled_interval(
    groups: Mapping[str, Sequence[float]], first: str, second: str
) -> tuple[float, float]:
    """Difference of two means, and half of its 95 % interval with the deviation of all groups.

    Student's interval for independent groups of one deviation, which is pooled over all of them.

    Args:
        groups: values by name; at least one group has two.
        first: name of the group from whose mean the other is subtracted.
        second: name of the other group.
    """
    deviation, freedom = _pooled(groups)
    a, b = groups[first], groups[second]
    factor = float(stats.t.ppf(0.975, freedom))
    return fmean(a) - fmean(b), factor * deviation * sqrt(1 / len(a) + 1 / len(b))


def pooled_seeds(groups: Mapping[str, Sequence[float]], half_width: float) -> int:
    """Seeds in each group that bring the half of :func:`pooled_interval` down to half_width."""
    deviation, _ = _pooled(groups)

    def reach(n: int) -> float:
        factor = float(stats.t.ppf(0.975, len(groups) * (n - 1)))
        return factor * deviation * sqrt(2 / n)

    n = max(2, ceil(2 * (1.959 * deviation / half_width) ** 2))
    while reach(n) > half_width:
        n += 1
    return n


def _pooled(groups: Mapping[str, Sequence[float]]) -> tuple[float, int]:
    freedom = sum(len(values) - 1 for values in groups.values())
    squares = sum((len(v) - 1) * stdev(v) ** 2 for v in groups.values() if len(v) > 1)
    if not freedom:
        raise ValueError(
            f"every group of {', '.join(groups)} has one value; expected two or more in one of them"
        )
    return sqrt(squares / freedom), freedom


def pooled_table(*, folder: Path = RESULTS) -> Table:
    """Differences of the longest trainings as if seeds were not shared: an analysis after the fact.

    Raises:
        ValueError: if no training is recorded, or none has two seeds.
    """
    longest, *_ = book_sweeps(folder)
    runs = {name: runs_of(longest, name) for name in COMPARED}
    measures = {"test, best epoch": best_test, "test, last": last_test}
    groups = {
        words: {name: [of(run) for run in some] for name, some in runs.items() if some}
        for words, of in measures.items()
    }
    rows = []
    for first, second in PAIRS:
        if not (runs[first] and runs[second]):
            continue
        cells = []
        for values in groups.values():
            mean, half = pooled_interval(values, first, second)
            cells.append(f"{mean:+.2f} ± {half:.2f}")
        rows.append((f"{first} − {second}", *cells, f"{len(runs[first])}, {len(runs[second])}"))
    seeds = {words: pooled_seeds(values, MARGIN) for words, values in groups.items()}
    used = [run for some in runs.values() for run in some]
    return Table(
        columns=(
            ("", "difference"),
            *(("points of accuracy", name) for name in measures),
            ("", "n"),
        ),
        rows=tuple(rows),
        caption=f"{named(64, used)}: differences of means ± half of a 95 % interval, with one "
        "deviation for all conditions, seeds not paired. Chosen after the results were seen.",
        source=f"{provenance(used)} With this deviation ± {MARGIN:g} takes "
        + " and ".join(f"{n} seeds ({words})" for words, n in seeds.items())
        + ".",
    )
