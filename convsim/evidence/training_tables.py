"""Records of trained networks in, tables out: Table 5, its costs and its controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from convsim.evidence.statistics import (
    NOT_RECORDED,
    UNDEFINED,
    best_test,
    distinct,
    interval_in_words,
    last_training,
    mean_std,
    paired_differences,
)
from convsim.experiments import paper
from convsim.experiments.cifar10 import TrainingMetrics, TrainingSettings, settings_of
from convsim.experiments.conditions import KERNELS
from convsim.experiments.contrasts import CONTRASTS
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.table import Table

Training = Record[TrainingMetrics]
NETWORKS = {64: "CNN1", 128: "CNN2", 512: "width 512"}
PAPERS = "ShallowCNN"
"""The model of the paper, whose widths have these names."""


def sweep_records(folder: Path = RESULTS) -> list[Training]:
    """The records of one sweep, the one that says most.

    The runs of a sweep have all settings in common but condition, width and seed. One of the
    paper's networks and optimiser is preferred to others, one with the paper's three conditions to
    one without, CIFAR-10 to a copy of it and a copy to other data, then more epochs to fewer, then
    the newer loop.

    Raises:
        ValueError: if nothing is recorded.
    """
    sweeps: dict[TrainingSettings, list[Training]] = {}
    for record in read_records("table5", folder):
        shared = replace(settings_of(record), condition="baseline", width=64, seed=0)
        sweeps.setdefault(shared, []).append(record)
    if not sweeps:
        raise ValueError(
            f"no training is recorded in {folder}; expected records of table5: run `convsim run "
            "table5`"
        )
    wanted = {"baseline", "init", "regularise"}

    def merit(shared: TrainingSettings) -> tuple[bool, bool, int, int, int, int, int]:
        have = {record.settings["condition"] for record in sweeps[shared]}
        rank, found = data_rank(shared.data), len(sweeps[shared])
        enough = len(wanted & have)
        usual = shared.model == PAPERS, shared.ordinary
        return *usual, enough, rank, shared.epochs, shared.loop, found

    return sweeps[max(sweeps, key=merit)]


def sweep_of_width(width: int, folder: Path = RESULTS) -> list[Training]:
    """The records of :func:`sweep_records` with networks of one width.

    Raises:
        ValueError: if there are none.
    """
    records = sweep_records(folder)
    found = [record for record in records if record.settings["width"] == width]
    if not found:
        widths = distinct([record.settings["width"] for record in records])
        raise ValueError(
            f"no training of width {width} is in the sweep in {folder}; expected {widths}: run "
            f"`convsim run table5 --widths {width}`"
        )
    return found


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
    return model_of(record) == PAPERS and not {"optimizer", "images"} & record.settings.keys()


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


def accuracy_table(*, folder: Path = RESULTS) -> Table:
    """Table 5: highest test accuracy, paper beside ours; ours alone if model or data are others.

    Raises:
        ValueError: if nothing is recorded.
    """
    records = sweep_records(folder)
    model = model_of(records[0])
    other = ("" if model == PAPERS else f" of {model}") + on_other_data(records)
    rows = []
    for (width, condition), printed in paper.ACCURACY.items():
        runs = runs_of(records, condition, width)
        rows.append(
            (
                network(width, model),
                condition,
                "–" if other else f"{printed:.2f}",
                mean_std([run.metrics["top_test_accuracy"] for run in runs]),
                mean_std([run.metrics["last_test_accuracy"] for run in runs]),
                str(len(runs)),
            )
        )
    return Table(
        columns=(
            *(("", "network"), ("", "condition")),
            *(("best epoch, %", "paper"), ("best epoch, %", "ours")),
            *(("last epoch, %", "ours"), ("", "n")),
        ),
        rows=tuple(rows),
        caption=f"Test accuracy{other}: Table 5 of the paper is of {PAPERS} on CIFAR-10."
        if other
        else "Test accuracy: Table 5 of the paper, 100 epochs, beside ours.",
        source=f"Paper: Belmekki et al. (2024). Ours: {provenance(records)}",
    )


def control_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """Every recorded condition: accuracies, and the weight norm along the training."""
    measures = {
        ("accuracy, %", "training"): last_training,
        ("accuracy, %", "test, best"): best_test,
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
    records = sweep_of_width(width, folder)
    runs = {condition: runs_of(records, condition, width) for condition in KERNELS}
    return Table(
        columns=(("", "condition"), *measures, ("", "n")),
        rows=tuple(
            (name, *(_over_seeds(some, each) for each in measures.values()), str(len(some)))
            for name, some in runs.items()
            if some
        ),
        caption=f"{named(width, records)} under every condition{said}.",
        source=provenance(records) + not_recorded([name for name in runs if not runs[name]]),
    )


def contrast_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """Differences of conditions in test accuracy, paired by seed, with 95 % intervals."""
    records = sweep_of_width(width, folder)
    return differences_table(records, CONTRASTS, named(width, records))


def differences_table(
    records: Sequence[Training], contrasts: Mapping[tuple[str, str], str], network: str
) -> Table:
    """Differences between conditions in accuracy, paired by seed, with 95 % intervals.

    Args:
        records: the trainings of one sweep and width.
        contrasts: pairs of conditions, and what their difference is the effect of.
        network: what was trained, in words.
    """
    width = records[0].settings["width"]
    rows = []
    missing = []
    for (first, second), question in contrasts.items():
        name = f"{first} − {second}"
        runs, others = (runs_of(records, condition, width) for condition in (first, second))
        differences = [
            paired_differences(runs, others, measure) for measure in (best_test, last_training)
        ]
        if not differences[0]:
            missing.append(name)
            continue
        cells = map(interval_in_words, differences)
        rows.append((name, *cells, str(len(differences[0])), question))
    return Table(
        columns=(
            ("", "difference"),
            *(("points of accuracy", "test, best epoch"), ("points of accuracy", "training, last")),
            *(("", "n"), ("", "what it is the effect of")),
        ),
        rows=tuple(rows),
        caption=f"Differences between conditions, {network}, paired by seed: mean [95 % interval].",
        source=provenance(records) + not_recorded(missing),
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


def _norm(run: Training, epoch: int) -> float:
    return math.hypot(*(layer[epoch] for layer in run.metrics["epochs"]["norm"].values()))


def _deep(layers: Iterable[float | None]) -> float | None:
    """Mean over the layers after the first, which sees only three channels; None if undefined."""
    values = [value for value in list(layers)[1:] if value is not None]
    return fmean(values) if values else None
