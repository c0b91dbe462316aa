"""Records of trained networks in, tables out: Table 5 and its controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from convsim.evidence.statistics import (
    NOT_RECORDED,
    UNDEFINED,
    best_test,
    chosen_test,
    distinct,
    interval_in_words,
    last_test,
    last_training,
    mean_std,
    paired_differences,
)
from convsim.evidence.sweeps import (
    PAPERS,
    Training,
    book_sweeps,
    model_of,
    named,
    network,
    of_width,
    on_other_data,
    runs_of,
)
from convsim.evidence.verdicts import EPOCHS
from convsim.experiments import paper
from convsim.experiments.cifar10 import settings_of
from convsim.experiments.conditions import KERNELS
from convsim.experiments.record import RESULTS, read_records
from convsim.table import Table


def accuracy_table(*, folder: Path = RESULTS) -> Table:
    """Table 5: highest test accuracy, paper beside ours; ours alone if model or data are others.

    The longest sweep stands first, row for row with the paper; what only shorter ones have follows.

    Raises:
        ValueError: if nothing is recorded.
    """
    sweeps = book_sweeps(folder)
    model = model_of(sweeps[0][0])
    other = ("" if model == PAPERS else f" of {model}") + on_other_data(sweeps[0])
    rows = []
    for records in sweeps:
        for (width, condition), printed in paper.ACCURACY.items():
            runs = runs_of(records, condition, width)
            beside = records is sweeps[0]
            if not runs and not beside:
                continue
            rows.append(
                (
                    network(width, model),
                    condition,
                    str(epochs_of(records)),
                    f"{printed:.2f}" if beside and not other else "–",
                    mean_std([best_test(run) for run in runs]),
                    mean_std([last_test(run) for run in runs]),
                    str(len(runs)),
                )
            )
    return Table(
        columns=(
            *(("", "network"), ("", "condition"), ("", "epochs")),
            *(("best epoch, %", "paper"), ("best epoch, %", "ours")),
            *(("last epoch, %", "ours"), ("", "n")),
        ),
        rows=tuple(rows),
        caption=f"Test accuracy{other}: Table 5 of the paper is of {PAPERS} on CIFAR-10."
        if other
        else f"Test accuracy: Table 5 of the paper, {EPOCHS} epochs, beside ours.",
        source=f"Paper: Belmekki et al. (2024). Ours: {provenance(_all(sweeps))}",
    )


def chosen_epoch_table(*, folder: Path = RESULTS) -> Table:
    """Test accuracy by three rules: the best epoch, one chosen on held-out images, and the last.

    Raises:
        ValueError: if no training with images held out is recorded.
    """
    records = [
        record
        for record in read_records("table5", folder)
        if record.settings.get("held_out") and "diverged" not in record.metrics
    ]
    if not records:
        raise ValueError(
            f"no training with images held out is recorded in {folder}: run `convsim run table5`"
        )
    rules = {"best": best_test, "chosen on held-out images": chosen_test, "last": last_test}
    by_condition = {name: runs_of(records, name) for name in ("baseline", "init", "scale")}
    rows = [
        (name, *(mean_std([rule(run) for run in runs]) for rule in rules.values()), str(len(runs)))
        for name, runs in by_condition.items()
        if runs
    ]
    for first, second in (("init", "baseline"), ("scale", "baseline"), ("init", "scale")):
        pair = by_condition[first], by_condition[second]
        differences = [paired_differences(*pair, rule) for rule in rules.values()]
        if differences[0]:
            name = f"{first} − {second}"
            rows.append((name, *map(interval_in_words, differences), str(len(differences[0]))))
    missing = [name for name, runs in by_condition.items() if not runs]
    return Table(
        columns=(("", ""), *(("test accuracy, %", name) for name in rules), ("", "n")),
        rows=tuple(rows),
        caption=f"{named(64, records)}, {records[0].settings['held_out']:,} training images held "
        "out: the test accuracy of three epochs of the same trainings, and differences in points.",
        source=provenance(records) + not_recorded(missing),
    )


def control_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """Every recorded condition: accuracies, and the weight norm along the training."""
    measures = {
        ("accuracy, %", "training"): last_training,
        ("accuracy, %", "test, best"): best_test,
        ("accuracy, %", "test, last"): last_test,
        ("weight norm", "epoch 1"): lambda run: _norm(run, 0),
        ("weight norm", "last epoch"): lambda run: _norm(run, -1),
    }
    return _condition_table(measures, "", width, folder)


def maps_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """Every recorded condition: normalised similarity after training, feature maps' cosines."""
    measures = {
        ("kernels, normalised", "last epoch"): lambda run: _deep(
            values[-1] for values in run.metrics["epochs"]["normalized"].values()
        ),
        ("feature maps, |cos|", "before"): lambda run: _deep(run.metrics["cosine_before"].values()),
        ("feature maps, |cos|", "after"): lambda run: _deep(run.metrics["cosine_after"].values()),
    }
    return _condition_table(measures, "; means of layers 2 to 4", width, folder)


def _condition_table(
    measures: Mapping[tuple[str, str], Callable[[Training], float | None]],
    said: str,
    width: int,
    folder: Path,
) -> Table:
    sweeps = of_width(width, book_sweeps(folder), folder)
    rows, known = [], set()
    for records in sweeps:
        for name in KERNELS:
            if some := runs_of(records, name, width):
                cells = (_over_seeds(some, each) for each in measures.values())
                rows.append((name, str(epochs_of(records)), *cells, str(len(some))))
                known.add(name)
    records = _all(sweeps)
    return Table(
        columns=(("", "condition"), ("", "epochs"), *measures, ("", "n")),
        rows=tuple(rows),
        caption=f"{named(width, records)} under every condition{said}.",
        source=provenance(records) + not_recorded([name for name in KERNELS if name not in known]),
    )


def not_recorded(missing: Sequence[str]) -> str:
    """The end of a source that says what a table lacks; empty if it lacks nothing."""
    return f" {NOT_RECORDED.capitalize()}: {', '.join(missing)}." if missing else ""


def provenance(records: Sequence[Training]) -> str:
    """Where the numbers of a table come from, in a line."""

    settings = [asdict(settings_of(record)) for record in records]
    diverged = sum("diverged" in record.metrics for record in records)
    hardware = distinct([record.hardware for record in records])
    versions = distinct([record.versions["torch"] for record in records])
    of_runs = {key: distinct([s[key] for s in settings]) for key in settings[0]}
    return (
        f"{of_runs['data']}, {of_runs['epochs']} epochs, {of_runs['precision']}, seed "
        f"{of_runs['seed']}; {hardware}; torch {versions}, training loop "
        f"{of_runs['loop']}; recorded {max(record.started for record in records)[:10]}; "
        f"mean ± std over n seeds; "
        f"{diverged} of {len(records)} runs diverged."
    )


def _over_seeds(runs: Sequence[Training], measure: Callable[[Training], float | None]) -> str:
    """Mean ± std of a measure over the runs that define it."""
    values = [value for run in runs if (value := measure(run)) is not None]
    return mean_std(values) if values else UNDEFINED


def epochs_of(records: Sequence[Training]) -> int:
    """How many epochs the runs of a sweep have."""
    epochs: int = records[0].settings["epochs"]
    return epochs


def _all(sweeps: Iterable[Iterable[Training]]) -> list[Training]:
    return [record for records in sweeps for record in records]


def _norm(run: Training, epoch: int) -> float:
    return math.hypot(*(layer[epoch] for layer in run.metrics["epochs"]["norm"].values()))


def _deep(layers: Iterable[float | None]) -> float | None:
    """Mean over the layers after the first, which sees only three channels; None if undefined."""
    values = [value for value in list(layers)[1:] if value is not None]
    return fmean(values) if values else None
