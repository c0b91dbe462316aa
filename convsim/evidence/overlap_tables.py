"""Records of neighbourhoods in, tables out: three readings of redundancy, and generalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy import stats

from convsim.evidence.training_tables import data_rank, distinct, mean_std
from convsim.experiments.activations import SIDES
from convsim.experiments.cifar10 import CONDITIONS, TrainingSettings
from convsim.experiments.overlap import NETWORKS, REGULARIZED, RegularizedSettings
from convsim.experiments.record import RESULTS, Record, read_records, restored
from convsim.table import Table

TARGETS = {
    "test_error": "test error",
    "gap": "generalisation gap, test error less training error",
    "train_error": "training error",
}
UNDEFINED = "undefined"


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of two measures over networks, two-sided.

    Attributes:
        rho: the coefficient.
        low: lower end of its 95 % bootstrap interval over networks, by percentiles.
        high: upper end.
        p: share of permutations at least as far from 0, from 9,999 drawn ones.
        n: number of networks.
    """

    rho: float
    low: float
    high: float
    p: float
    n: int

    def __str__(self) -> str:
        return (
            f"ρ = {self.rho:+.2f} [{self.low:+.2f} to {self.high:+.2f}], p = {self.p:.2g}, "
            f"n = {self.n}"
        )


def network_records(folder: Path = RESULTS) -> list[Record]:
    """The neighbourhoods of the networks of one sweep of Table 5, trained ones first.

    It is the one with the most epochs, CIFAR-10 preferred to a copy of it and that to the digits.

    Raises:
        ValueError: if nothing is recorded.
    """
    records = read_records(NETWORKS, folder)
    if not records:
        raise ValueError(
            f"no neighbourhoods are recorded in {folder}; expected records of overlap: run "
            "`convsim run overlap`"
        )
    sweeps: dict[tuple[str, int, int], list[Record]] = {}
    for record in records:
        run = restored(TrainingSettings, record.settings["run"])
        sweeps.setdefault((run.data, run.epochs, run.loop), []).append(record)
    best = max(sweeps, key=lambda sweep: (data_rank(sweep[0]), *sweep[1:]))
    conditions = list(CONDITIONS)
    return sorted(
        sweeps[best],
        key=lambda record: (
            not record.settings["trained"],
            conditions.index(record.settings["run"]["condition"]),
        ),
    )


def regularized_records(folder: Path = RESULTS) -> list[Record]:
    """The networks with dropout and weight decay, from the weakest to the strongest.

    Data are chosen as by :func:`network_records`. Of two versions of the training loop the one
    with more networks counts, and if both have as many, the newer one.

    Raises:
        ValueError: if nothing is recorded.
    """
    records = read_records(REGULARIZED, folder)
    if not records:
        raise ValueError(
            f"no regularised networks are recorded in {folder}; expected records of overlap: run "
            "`convsim run overlap`"
        )
    plans: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        settings = restored(RegularizedSettings, record.settings)
        plans.setdefault((settings.data, settings.loop), []).append(record)
    best = max(plans, key=lambda key: (data_rank(key[0]), len(plans[key]), key[1]))
    return sorted(
        plans[best],
        key=lambda record: (*regularization_of(record), record.settings["seed"]),
    )


def readings_table(*, trained: bool = True, folder: Path = RESULTS) -> Table:
    """What the weights, the feature maps and the neighbourhoods say of every layer.

    Args:
        trained: the networks after their training, or as they were initialised.
        folder: where the records lie.
    """
    records = [r for r in network_records(folder) if r.settings["trained"] == trained]
    rows = []
    for record in records:
        for number, layer in enumerate(record.metrics["layers"].values(), start=1):
            rows.append(
                (
                    record.settings["run"]["condition"],
                    str(number),
                    f"{layer['weights']['similarity']:.3g}",
                    f"{layer['weights']['normalized']:.2f}",
                    _two_digits(layer["cosine"]),
                    _two_digits(layer["cosine_without_mean"]),
                    *(_three_digits(layer[side]["overlap"]["mean"]) for side in SIDES),
                )
            )
    return Table(
        columns=(
            *(("", "condition"), ("", "layer")),
            *(("weights", "L_CS"), ("weights", "normalised")),
            *(("maps, |cos|", "whole"), ("maps, |cos|", "less mean")),
            *(("overlap", side) for side in SIDES),
        ),
        rows=tuple(rows),
        caption=f"CNN1 {'after' if trained else 'before'} training: weights, feature maps, "
        "neighbourhoods.",
        source=_provenance(records),
    )


def regularized_table(*, folder: Path = RESULTS) -> Table:
    """Errors and last-layer neighbourhoods for each strength of dropout and weight decay."""
    records = regularized_records(folder)
    rows = []
    for cell in sorted({regularization_of(record) for record in records}):
        runs = [record for record in records if regularization_of(record) == cell]
        rows.append(
            (
                *(f"{strength:g}" for strength in cell),
                *(mean_std([run.metrics[part] for run in runs], 1) for part in _ERRORS),
                *(mean_std([last_overlap(run, side) for run in runs], 3) for side in SIDES),
                mean_std([run.metrics["after"]["neighbors"]["mean"] for run in runs], 2),
                str(len(runs)),
            )
        )
    return Table(
        columns=(
            *(("", "dropout"), ("", "weight decay")),
            *(("error, %", words) for words in _ERRORS.values()),
            *(("last layer's overlap", side) for side in SIDES),
            *(("", "neighbours"), ("", "n")),
        ),
        rows=tuple(rows),
        caption="Dropout and weight decay; overlap before and after the non-linearity.",
        source=f"{_provenance(records)} Mean ± std over n seeds.",
    )


def generalization(
    target: str = "test_error",
    measure: str = "overlap",
    *,
    side: str = "after",
    within: bool = False,
    folder: Path = RESULTS,
) -> Correlation:
    """Rank correlation of a last-layer measure with how well the networks generalise.

    Args:
        target: a key of ``TARGETS``.
        measure: ``"overlap"``, ``"redundancy"`` or ``"neighbors"``.
        side: ``"before"`` or ``"after"`` the non-linearity.
        within: compare networks of one dropout only: its mean is taken from both sides first.
        folder: where the records lie.

    Raises:
        ValueError: for an unknown target, or if nothing is recorded.
    """
    records = regularized_records(folder)
    x = [record.metrics[side][measure]["mean"] for record in records]
    y = [target_of(record, target) for record in records]
    if within:
        groups = [regularization_of(record)[0] for record in records]
        x, y = (_less_group_means(values, groups) for values in (x, y))
    return spearman(x, y)


def _less_group_means(values: Sequence[float], groups: Sequence[float]) -> list[float]:
    means = {
        group: fmean(v for v, g in zip(values, groups, strict=True) if g == group)
        for group in set(groups)
    }
    return [value - means[group] for value, group in zip(values, groups, strict=True)]


def target_of(record: Record, target: str) -> float:
    """One of ``TARGETS`` of a network, in per cent."""
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}; expected one of {', '.join(TARGETS)}")
    if target == "gap":
        return float(record.metrics["test_error"] - record.metrics["train_error"])
    return float(record.metrics[target])


def spearman(x: Sequence[float], y: Sequence[float], *, seed: int = 0) -> Correlation:
    """Spearman's ρ of paired values, with a bootstrap interval and a permutation test.

    Raises:
        ValueError: for fewer than four pairs, or if all values of one side are equal.
    """
    if len(x) != len(y) or len(x) < 4 or len(set(x)) == 1 or len(set(y)) == 1:
        raise ValueError(
            f"got {len(x)} and {len(y)} values; expected at least four pairs that are not all equal"
        )

    generator = np.random.default_rng(seed)
    data = np.array(x, float), np.array(y, float)
    resampled = stats.bootstrap(
        data, _rho, paired=True, n_resamples=2000, method="percentile", random_state=generator
    ).confidence_interval
    tested = stats.permutation_test(
        data,
        _rho,
        permutation_type="pairings",
        n_resamples=9999,
        vectorized=True,
        random_state=generator,
    )
    return Correlation(
        float(_rho(*data)),
        float(resampled.low),
        float(resampled.high),
        float(tested.pvalue),
        len(x),
    )


def _rho(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's ρ of many pairs of samples: Pearson's coefficient of their ranks."""
    ranks = [stats.rankdata(side, axis=axis) for side in (x, y)]
    a, b = (side - side.mean(axis=axis, keepdims=True) for side in ranks)
    size = np.sqrt((a * a).sum(axis) * (b * b).sum(axis))
    # A resample can hold one pair many times; a constant has no rank correlation.
    return (a * b).sum(axis) / np.where(size > 0, size, 1)


_ERRORS = {"train_error": "training", "test_error": "test"}


def regularization_of(record: Record) -> tuple[float, float]:
    """Dropout and weight decay of a run."""
    return record.settings["dropout"], record.settings["weight_decay"]


def last_overlap(record: Record, side: str) -> float:
    """Mean overlap in the last layer, before or after the non-linearity."""
    return float(record.metrics[side]["overlap"]["mean"])


def _two_digits(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"


def _three_digits(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"


def _provenance(records: Sequence[Record]) -> str:
    """Where the numbers come from, in a line."""
    settings = [record.settings for record in records]
    trainings = [s.get("run", s) for s in settings]

    of_trainings = {key: distinct([t[key] for t in trainings]) for key in trainings[0]}
    of_all = {key: distinct([s[key] for s in settings]) for key in ("queries", "images", "k")}
    return (
        f"{of_trainings['data']}, width {of_trainings['width']}, {of_trainings['epochs']} epochs, "
        f"seed {of_trainings['seed']}; {of_all['queries']} queries among {of_all['images']} test "
        f"images, k = {of_all['k']}; {distinct([r.hardware for r in records])}; torch "
        f"{distinct([r.versions['torch'] for r in records])}; recorded "
        f"{max(record.started for record in records)[:10]}."
    )
