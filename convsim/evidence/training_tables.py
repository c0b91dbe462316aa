"""Records of trained networks in, tables out: Table 5, its costs and its controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev

from convsim.experiments import paper
from convsim.experiments.cifar10 import CONDITIONS, settings_of
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.table import Table

NETWORKS = {64: "CNN1", 128: "CNN2", 512: "width 512"}
NOT_RECORDED = "not recorded"
CONTRASTS = {
    ("scale", "baseline"): "shrinking alone",
    ("init", "scale"): "what Algorithm 1 adds to its shrinking",
    ("scale-free", "baseline"): "lower similarity at unchanged scale",
    ("both", "scale"): "lower similarity at Algorithm 1's scale",
    ("both", "init"): "both, against Algorithm 1",
    ("regularise", "baseline"): "Algorithm 2",
    ("regularise", "decay"): "Algorithm 2, against weight decay to the same norm",
    ("learning-rate", "baseline"): "a tuned learning rate alone",
    ("init", "learning-rate"): "Algorithm 1, against a tuned learning rate",
    ("random-bands", "baseline"): "narrow spectra, different by chance",
    ("same-band", "baseline"): "narrow spectra, all alike",
    ("balanced-bands", "baseline"): "narrow spectra, mean spectrum unchanged",
    ("scale-free", "random-bands"): "what the descent adds to narrow spectra",
    ("random-bands-rate", "learning-rate"): "narrow spectra at a tuned learning rate",
    ("random-bands-scale", "scale"): "narrow spectra at Algorithm 1's scale",
}
"""Pairs of conditions, and the question that the difference of the two answers."""


def sweep_records(folder: Path = RESULTS) -> list[Record]:
    """The records of one sweep, the one that says most.

    A sweep has one kind of data, number of epochs, precision and version of the training loop.
    One with the paper's three conditions is preferred to one without, CIFAR-10 to a copy of it
    and a copy to the digits, then more epochs to fewer, then the newer loop.

    Raises:
        ValueError: if nothing is recorded.
    """
    sweeps: dict[tuple[str, int, int, str], list[Record]] = {}
    for record in read_records("table5", folder):
        run = settings_of(record)
        sweeps.setdefault((run.data, run.epochs, run.loop, run.precision), []).append(record)
    if not sweeps:
        raise ValueError(
            f"no training is recorded in {folder}; expected records of table5: run `convsim run "
            "table5`"
        )
    wanted = {"baseline", "init", "regularise"}

    def merit(key: tuple[str, int, int, str]) -> tuple[int, int, int, int, int]:
        data, epochs, loop, _ = key
        have = {record.settings["condition"] for record in sweeps[key]}
        return len(wanted & have), data_rank(data), epochs, loop, len(sweeps[key])

    return sweeps[max(sweeps, key=merit)]


def data_rank(data: str) -> int:
    """How much a result on these data says: CIFAR-10 above a copy of it, a copy above digits."""
    return 2 if data == "CIFAR-10" else int(data.startswith("CIFAR-10"))


def runs_of(records: Sequence[Record], condition: str, width: int = 64) -> list[Record]:
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
    """Table 5: highest test accuracy, paper beside ours."""
    records = sweep_records(folder)
    rows = []
    for (width, condition), printed in paper.ACCURACY.items():
        runs = runs_of(records, condition, width)
        rows.append(
            (
                NETWORKS[width],
                condition,
                f"{printed:.2f}",
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
        caption="Test accuracy: Table 5 of the paper, 100 epochs, beside ours.",
        source=f"Paper: Belmekki et al. (2024). Ours: {provenance(records)}",
    )


def control_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """Every recorded condition: accuracies, weight norm, normalised similarity, feature maps."""
    records = [record for record in sweep_records(folder) if record.settings["width"] == width]
    rows = []
    missing = []
    for condition in CONDITIONS:
        runs = runs_of(records, condition, width)
        if not runs:
            missing.append(condition)
            continue
        rows.append(
            (
                condition,
                mean_std([run.metrics["epochs"]["train_accuracy"][-1] for run in runs]),
                mean_std([run.metrics["top_test_accuracy"] for run in runs]),
                mean_std([_norm(run, 0) for run in runs]),
                mean_std([_norm(run, -1) for run in runs]),
                mean_std([_deep(run.metrics["epochs"]["normalized"], -1) for run in runs]),
                mean_std([_deep(run.metrics["cosine_before"]) for run in runs]),
                mean_std([_deep(run.metrics["cosine_after"]) for run in runs]),
                str(len(runs)),
            )
        )
    return Table(
        columns=(
            ("", "condition"),
            *(("accuracy, %", "training"), ("accuracy, %", "test, best")),
            *(("weight norm", "epoch 1"), ("weight norm", "last epoch")),
            ("normalised similarity", "last epoch"),
            *(("feature maps, |cos|", "before"), ("feature maps, |cos|", "after")),
            ("", "n"),
        ),
        rows=tuple(rows),
        caption=f"{NETWORKS.get(width, width)} under every condition; similarity and |cos| are "
        "means of layers 2 to 4.",
        source=provenance(records) + _not_recorded(missing),
    )


def contrast_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """Differences of conditions in test accuracy, paired by seed, with 95 % intervals."""
    records = [record for record in sweep_records(folder) if record.settings["width"] == width]
    rows = []
    missing = []
    for (first, second), question in CONTRASTS.items():
        differences = [
            paired_differences(records, first, second, width, measure)
            for measure in (best_test, last_training)
        ]
        if not differences[0]:
            missing.append(f"{first} − {second}")
            continue
        cells = map(interval_in_words, differences)
        rows.append((f"{first} − {second}", *cells, str(len(differences[0])), question))
    return Table(
        columns=(
            ("", "difference"),
            *(("points of accuracy", "test, best epoch"), ("points of accuracy", "training, last")),
            *(("", "n"), ("", "what it is the effect of")),
        ),
        rows=tuple(rows),
        caption=f"Differences between conditions, {NETWORKS.get(width, width)}, paired by seed: "
        "mean [95 % interval].",
        source=provenance(records) + _not_recorded(missing),
    )


def _not_recorded(missing: Sequence[str]) -> str:
    return f" {NOT_RECORDED.capitalize()}: {', '.join(missing)}." if missing else ""


def paired_differences(
    records: Sequence[Record],
    first: str,
    second: str,
    width: int,
    measure: Callable[[Record], float],
) -> list[float]:
    """Measure of ``first`` minus that of ``second``, seed by seed: same initialisation, shuffle."""
    values = [
        {record.settings["seed"]: measure(record) for record in runs_of(records, name, width)}
        for name in (first, second)
    ]
    return [values[0][seed] - values[1][seed] for seed in sorted(values[0].keys() & values[1])]


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for fewer than two values."""
    n = len(differences)
    if n < 2:
        return None
    half = _student(n - 1) * stdev(differences) / math.sqrt(n)
    return fmean(differences) - half, fmean(differences) + half


def interval_in_words(differences: Sequence[float]) -> str:
    """Mean and interval, or why there is none."""
    if not differences:
        return NOT_RECORDED
    found = interval(differences)
    bounds = "one seed, no interval" if found is None else f"{found[0]:+.2f} to {found[1]:+.2f}"
    return f"{fmean(differences):+.2f} [{bounds}]"


def provenance(records: Sequence[Record]) -> str:
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


def best_test(record: Record) -> float:
    return float(record.metrics["top_test_accuracy"])


def last_training(record: Record) -> float:
    return float(record.metrics["epochs"]["train_accuracy"][-1])


def _norm(run: Record, epoch: int) -> float:
    return math.hypot(*(layer[epoch] for layer in run.metrics["epochs"]["norm"].values()))


def _deep(layers: dict[str, object], epoch: int | None = None) -> float:
    """Mean over the layers after the first, which sees only three channels."""
    values = list(layers.values())[1:]
    return fmean(value if epoch is None else value[epoch] for value in values)  # type: ignore


def _student(degrees: int) -> float:
    """Upper 2.5 % point of Student's t distribution."""
    from scipy.stats import t

    return float(t.ppf(0.975, degrees))


def mean_std(values: Sequence[float], digits: int = 2) -> str:
    """``"1.23 ± 0.04"``; the value alone if there is one, or that there is none."""
    if not values:
        return NOT_RECORDED
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{fmean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def distinct(values: Iterable[object]) -> str:
    """The different ones among some values, in order, as a list in words."""
    return ", ".join(map(str, sorted(set(values), key=str)))
