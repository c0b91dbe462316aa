"""What the loss and trainings cost: records of runs and of benchmarks in, tables out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
import torch

from convsim.evidence.statistics import NOT_RECORDED, distinct
from convsim.evidence.sweeps import Training, named, network, runs_of, sweep_of_width
from convsim.evidence.training_tables import provenance
from convsim.experiments.conditions import KERNELS
from convsim.experiments.record import RESULTS, Record, matching_records, read_records
from convsim.figures import COLORS, SYMBOLS, finish, rounded
from convsim.table import Table


def cost_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """What each condition costs: seconds before training, and seconds per epoch.

    Raises:
        ValueError: if no training of this width is recorded.
    """
    records = sweep_of_width(width, folder)
    runs = {condition: runs_of(records, condition, width) for condition in KERNELS}
    base = _seconds(runs["baseline"]) if runs["baseline"] else None
    return Table(
        columns=(
            ("", "condition"),
            ("before training", "s"),
            *(("an epoch", "s"), ("an epoch", "s more"), ("an epoch", "more than baseline")),
        ),
        rows=tuple(_cost(name, some, base) for name, some in runs.items() if some),
        caption=f"Time of each condition, {named(width, records)}, median epoch.",
        source=f"{provenance(records)} Runs shared the machine: small differences are noise.",
    )


def _cost(condition: str, runs: Sequence[Training], base: float | None) -> tuple[str, ...]:
    before = fmean(run.metrics["initialisation_seconds"] for run in runs)
    epoch = _seconds(runs)
    more = (
        (NOT_RECORDED, NOT_RECORDED)
        if base is None
        else (f"{epoch - base:+.2f}", f"{100 * (epoch / base - 1):+.0f} %")
    )
    return (condition, f"{before:.1f}", f"{epoch:.2f}", *more)


def _seconds(runs: Sequence[Training]) -> float:
    """Median over the epochs of all runs: other work on the machine makes outliers."""
    seconds = [s for run in runs for s in run.metrics["epochs"]["seconds"]]
    return float(torch.tensor(seconds).median())


def training_table(*, folder: Path = RESULTS) -> Table:
    """The ratios of the training benchmark, a column for each record of it.

    Raises:
        ValueError: if none is recorded.
    """
    records = _benchmarks(folder)
    ratios = [record.metrics["ratios"] for record in records]
    return Table(
        columns=(("", "ratio of times"), *(("", record.hardware) for record in records)),
        rows=tuple((name, *(f"{of[name]:.3g}" for of in ratios)) for name in ratios[0]),
        caption=f"{_networks(records)}, one epoch with batches of 512: medians of ratios within "
        "one run.",
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
        folder: where the benchmark's records lie; the latest counts.

    Raises:
        ValueError: if none is recorded.
    """
    record = max(_benchmarks(folder), key=lambda record: record.started)
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
        caption=f"{_networks([record])}, one step of 512 images in bfloat16, operator by operator.",
        source=f"{record.hardware}, torch {record.versions['torch']}, recorded "
        f"{record.started[:10]} by make bench",
    )


def loss_table(*, folder: Path = RESULTS) -> Table:
    """Every form of the loss as a multiple of weight decay, shape by shape, on the CPU.

    Raises:
        ValueError: if no benchmark of the loss is recorded.
    """
    record = _benchmark_of_loss(folder)
    times = _times(record)
    forms = [form for form in dict.fromkeys(form for form, _ in times) if form != "weight decay"]
    rows = []
    for memory in record.metrics["memory"]:
        shape = tuple(memory["shape"])
        decay = times["weight decay", shape]
        ratios = (times.get((form, shape)) for form in forms)
        extra = memory["peak_extra_bytes"] - memory["gram_bytes"]
        rows.append(
            (
                " × ".join(map(str, (*shape, shape[-1]))),
                f"{decay:.3f}",
                *("–" if ms is None else f"{ms / decay:,.3g}" for ms in ratios),
                f"{max(0, extra) / memory['weight_bytes']:.1f}",
            )
        )
    return Table(
        columns=(
            *(("", "weight"), ("weight decay", "ms")),
            *(("times weight decay", form) for form in forms),
            ("memory", "× weight"),
        ),
        rows=tuple(rows),
        caption="Forward and backward, median: multiples of the time of (weight²).sum().",
        source=(
            f"{record.settings['dtype']}, {record.hardware}; torch {record.versions['torch']}; "
            f"recorded {record.started[:10]} by make bench. Memory: most held at once beside the "
            "weight and the Gram matrices. On a machine with other guests such times vary by tens "
            "of per cent from run to run."
        ),
    )


def penalty_cost_table(*, folder: Path = RESULTS) -> Table:
    """What each penalty on a weight costs, forward and backward, and how that grows, on the CPU.

    Raises:
        ValueError: if no benchmark of the penalties is recorded.
    """
    records = matching_records("penaltybenchmark", folder, device="cpu")
    record = max(records, key=lambda record: record.started)
    found = record.metrics["penalties"]
    sizes = [*next(iter(found.values()))["square_ms"]]
    grown = next(iter(found.values()))["growth"]["S"]["sizes"]
    return Table(
        columns=(
            ("", "penalty"),
            *(("ms, S = C", size) for size in sizes),
            *(("grows with", f"{axis} to the") for axis in ("S", "C")),
            ("ResNet-18", "ms"),
        ),
        rows=tuple(
            (
                name,
                *(f"{row['square_ms'][size]:.3g}" for size in sizes),
                *(f"{row['growth'][axis]['exponent']:.1f}" for axis in ("S", "C")),
                f"{row['resnet18_ms']:,.0f}",
            )
            for name, row in found.items()
        ),
        caption="Penalties on weights of 3 × 3 kernels, forward and backward, median. The growth "
        f"is fitted from {grown[0]} to {grown[-1]} kernels, or channels, of a layer.",
        source=(
            f"{record.settings['dtype']}, {record.hardware}; torch {record.versions['torch']}; "
            f"recorded {record.started[:10]} by make bench."
        ),
    )


def loss_summary(*, folder: Path = RESULTS) -> dict[str, float]:
    """The benchmark's headline numbers, from the record of the CPU.

    Raises:
        ValueError: if no benchmark of the loss is recorded.
    """
    record = _benchmark_of_loss(folder)
    times = _times(record)
    ours = "convolutional_similarity"
    return {
        "times faster than pairwise conv2d, S = C = 64": round(
            times["pairwise conv2d", (64, 64, 3)] / times[ours, (64, 64, 3)]
        ),
        **{
            f"times weight decay, S = C = {s}": round(
                times[ours, (s, s, 3)] / times["weight decay", (s, s, 3)], 2
            )
            for s in (128, 256, 512)
        },
        **{
            f"exponent in {axis}": round(record.metrics["growth"][axis]["exponent"], 2)
            for axis in ("S", "C")
        },
        "ms for a ResNet-18": round(record.metrics["resnet18_ms"], 1),
    }


def loss_figure(*, folder: Path = RESULTS) -> go.Figure:
    """Forward and backward time against width, for every form, on the CPU.

    Raises:
        ValueError: if no benchmark of the loss is recorded.
    """
    times = _times(_benchmark_of_loss(folder))
    figure = go.Figure()
    said = []
    for number, form in enumerate(dict.fromkeys(form for form, _ in times)):
        curve = {
            shape[0]: ms
            for (name, shape), ms in times.items()
            if name == form and shape[0] == shape[1] and shape[2] == 3
        }
        widest = list(curve)[-1]
        said.append(f"{form} {curve[widest]:.3g} ms at {widest}")
        figure.add_scatter(
            x=list(curve),
            y=rounded(list(curve.values())),
            name=form,
            mode="lines+markers",
            line={"color": COLORS[number % len(COLORS)], "dash": ("solid", "dot")[number // 6]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)]},
        )
    figure.update_xaxes(title_text="S = C, 3 × 3 kernels", type="log")
    figure.update_yaxes(title_text="forward + backward, ms", type="log", exponentformat="power")
    alt = "Median time against the width of the layer, both axes logarithmic. "
    return finish(figure, height=440, alt=alt + "; ".join(said) + ".")


def _benchmark_of_loss(folder: Path) -> Record[Any]:
    """The latest one on a CPU."""
    records = matching_records("benchmark", folder, device="cpu")
    return max(records, key=lambda record: record.started)


def _times(record: Record[Any]) -> dict[tuple[str, tuple[int, ...]], float]:
    """Median milliseconds by form and shape."""
    return {(t["form"], tuple(t["shape"])): t["median_ms"] for t in record.metrics["times"]}


def _benchmarks(folder: Path) -> list[Record[Any]]:
    records = read_records("trainingbenchmark", folder)
    if not records:
        raise ValueError(
            f"no benchmark of training is recorded in {folder}; expected one: run `make bench`"
        )
    return records


def _networks(records: Sequence[Record[Any]]) -> str:
    return distinct(network(record.settings["width"]) for record in records)
