"""Networks trained with a penalty in the loss: searches for strengths, accuracies, readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from convsim.evidence.input_tables import best_sweep, reading_of
from convsim.evidence.statistics import (
    NOT_RECORDED,
    UNDEFINED,
    best_test,
    distinct,
    interval_in_words,
    last_training,
    paired_differences,
)
from convsim.evidence.sweeps import Training, data_rank, named, runs_of
from convsim.evidence.training_tables import not_recorded, provenance
from convsim.experiments.choices import WEIGHTS
from convsim.experiments.conditions import PENALISED
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.experiments.sweep import CHOICE
from convsim.table import Table

CONDITIONS = (*PENALISED, "decov")
BASE = "baseline"
SHOWN = {"normalized": "L̄", "correlation": "correlation", "overlap": "overlap"}
"""Readings of the layers after training, and how the table heads them."""


def penalised_records(folder: Path = RESULTS) -> list[Training]:
    """The trainings of one sweep under penalties, and of the default.

    Raises:
        ValueError: if none is recorded.
    """
    return best_sweep((BASE, *CONDITIONS), (BASE,), folder)


def trained_table(*, folder: Path = RESULTS) -> Table:
    """Each penalty in training: its strength, what it did to accuracy, and to redundancy.

    Raises:
        ValueError: if none is recorded.
    """
    records = penalised_records(folder)
    width = records[0].settings["width"]
    base = runs_of(records, BASE, width)
    rows = [(BASE, "–", "0", "0", *_after(base), str(len(base)))] if base else []
    missing = []
    for condition in CONDITIONS:
        runs = runs_of(records, condition, width)
        differences = [paired_differences(runs, base, of) for of in (best_test, last_training)]
        if not differences[0]:
            missing.append(condition)
            continue
        (strength,) = {next(iter(run.metrics["chosen"].values())) for run in runs}
        cells = map(interval_in_words, differences)
        rows.append((condition, f"{strength:g}", *cells, *_after(runs), str(len(runs))))
    return Table(
        columns=(
            *(("", "condition"), ("", "strength")),
            *(("points against baseline", "test, best"), ("points against baseline", "training")),
            ("after training", "‖w‖"),
            *(("after training", name) for name in SHOWN.values()),
            ("", "n"),
        ),
        rows=tuple(rows),
        caption=f"{named(width, records)} with a penalty on its kernels in the loss, or on its "
        "maps (decov): differences in accuracy, paired by seed, mean [95 % interval]; norm of all "
        "convolutions' weights; normalised similarity, mean |correlation| of the maps, and "
        "overlap, mean over the layers.",
        source=provenance(records) + not_recorded(missing),
    )


def _after(runs: Sequence[Training]) -> tuple[str, ...]:
    """Norm and readings after training, means over the runs."""
    norms = [
        math.hypot(*(layer[-1] for layer in run.metrics["epochs"]["norm"].values())) for run in runs
    ]
    cells = [f"{fmean(norms):.1f}"]
    for name in SHOWN:
        values = [reading_of(run.metrics["layers_after"], name, slice(None)) for run in runs]
        known = [value for value in values if value is not None]
        cells.append(f"{fmean(known):.2f}" if known else UNDEFINED)
    return tuple(cells)


def strengths_table(*, folder: Path = RESULTS) -> Table:
    """What each strength of each penalty came to, in the searches for one.

    Raises:
        ValueError: if no search is recorded.
    """
    found = searches(folder)
    if not found:
        raise ValueError(
            f"no search for the strength of a penalty lies in {folder}; expected one: run "
            "`convsim run table5`"
        )
    rows = []
    for name, record in found.items():
        tried = {row["strength"]: row["accuracy"] for row in record.metrics["tried"]}
        cells = (_accuracy(tried, strength) for strength in WEIGHTS)
        rows.append((name, *cells, f"{record.metrics['choice']:g}"))
    first = next(iter(found.values()))
    return Table(
        columns=(
            ("", "condition"),
            *(("accuracy at strength, %", f"{strength:g}") for strength in WEIGHTS),
            ("", "chosen"),
        ),
        rows=tuple(rows),
        caption=f"The searches for strengths: {first.metrics['epochs']} epochs on nine tenths of "
        "the training images; accuracy on the tenth that is held out.",
        source=f"{distinct(record.data for record in found.values())}, seed 0."
        + not_recorded([name for name in PENALISED if name not in found]),
    )


def searches(folder: Path = RESULTS) -> dict[str, Record[Any]]:
    """The searches by condition, those on the best data; none that diverged throughout."""
    found: dict[str, Record[Any]] = {}
    for record in sorted(read_records(CHOICE.name, folder), key=lambda r: data_rank(r.data)):
        condition = record.settings["run"]["condition"]
        if condition in PENALISED and "tried" in record.metrics:
            found[condition] = record
    return {name: found[name] for name in PENALISED if name in found}


def _accuracy(tried: dict[float, float | None], strength: float) -> str:
    if strength not in tried:
        return NOT_RECORDED
    value = tried[strength]
    return "diverged" if value is None else f"{value:.2f}"
