"""What trainings cost: records of runs and of the benchmark in, tables out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch

from convsim.experiments.cifar10 import CONDITIONS
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.table import Table
from convsim.training_tables import NETWORKS, provenance, runs_of, sweep_records


def cost_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """What each condition costs: seconds before training, and seconds per epoch."""
    records = [record for record in sweep_records(folder) if record.settings["width"] == width]
    base = _seconds(runs_of(records, "baseline", width))
    rows = []
    for condition in CONDITIONS:
        runs = runs_of(records, condition, width)
        if not runs:
            continue
        before = fmean(run.metrics["initialisation_seconds"] for run in runs)
        epoch = _seconds(runs)
        rows.append(
            (
                condition,
                f"{before:.1f}",
                f"{epoch:.2f}",
                f"{epoch - base:+.2f}",
                f"{100 * (epoch / base - 1):+.0f} %",
            )
        )
    return Table(
        columns=(
            ("", "condition"),
            ("before training", "s"),
            *(("an epoch", "s"), ("an epoch", "s more"), ("an epoch", "more than baseline")),
        ),
        rows=tuple(rows),
        caption=f"Time of each condition, {NETWORKS.get(width, width)}, median epoch.",
        source=f"{provenance(records)} Runs shared the machine: small differences are noise.",
    )


def benchmark_table(*, folder: Path = RESULTS) -> Table:
    """The ratios of the training benchmark, a column for each machine it was recorded on."""
    records = _benchmarks(folder)
    ratios = [record.metrics["ratios"] for record in records]
    return Table(
        columns=(("", "ratio of times"), *(("", record.hardware) for record in records)),
        rows=tuple((name, *(f"{of[name]:.3g}" for of in ratios)) for name in ratios[0]),
        caption="CNN1, one epoch with batches of 512: medians of ratios within one run.",
        source="; ".join(
            f"{record.hardware}: {record.settings['images']:,} random images, torch "
            f"{record.versions['torch']}, recorded {record.started[:10]} by make bench"
            for record in records
        ),
    )


def profile_table(count: int = 6, *, folder: Path = RESULTS) -> Table:
    """Where the time of a training step goes, by operator: the network as printed, and ours.

    Args:
        count: how many operators are named; the rest is summed.
        folder: where the benchmark's record lies.
    """
    record = _benchmarks(folder)[-1]
    profiles = record.metrics["profile"]
    printed, ours = profiles["as printed"], profiles["ours"]
    named = list(printed)[:count]
    rows = [(name.removeprefix("aten::"), printed[name], ours.get(name, 0.0)) for name in named]
    rest = [sum(ms for name, ms in p.items() if name not in named) for p in (printed, ours)]
    rows.append(("all others", *rest))
    rows.append(("together", *(sum(p.values()) for p in (printed, ours))))
    return Table(
        columns=(("", "operator"), ("one step, ms", "as printed"), ("one step, ms", "ours")),
        rows=tuple((name, f"{before:.0f}", f"{after:.0f}") for name, before, after in rows),
        caption="CNN1, one step of 512 images in bfloat16, operator by operator.",
        source=f"{record.hardware}, torch {record.versions['torch']}, recorded "
        f"{record.started[:10]} by make bench",
    )


def _benchmarks(folder: Path) -> list[Record]:
    records = read_records("trainingbenchmark", folder)
    if not records:
        raise ValueError(
            f"no benchmark of training is recorded in {folder}; expected one: run `make bench`"
        )
    return records


def _seconds(runs: Sequence[Record]) -> float:
    """Median over the epochs of all runs: other work on the machine makes outliers."""
    seconds = [s for run in runs for s in run.metrics["epochs"]["seconds"]]
    return float(torch.tensor(seconds).median()) if seconds else math.nan
