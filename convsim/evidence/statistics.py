"""Statistics that tables, figures and verdicts share: means, intervals, rank correlations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import fmean, stdev

import numpy as np
from scipy import stats

from convsim.experiments.cifar10 import TrainingMetrics
from convsim.experiments.record import Record

NOT_RECORDED, UNDEFINED = "not recorded", "undefined"


def mean_std(values: Sequence[float], digits: int = 2) -> str:
    """``"1.23 ± 0.04"``; the value alone if there is one, or that there is none."""
    if not values:
        return NOT_RECORDED
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return spread(fmean(values), stdev(values), digits)


def spread(mean: float, std: float, digits: int = 2) -> str:
    """A mean and a standard deviation, as ``"1.23 ± 0.04"``."""
    return f"{mean:.{digits}f} ± {std:.{digits}f}"


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    with warnings.catch_warnings():
        # Equal values have an interval of no width, and no t to warn about.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(found.low), float(found.high)


def seeds_needed(values: Sequence[float], half_width: float) -> int:
    """How many values it takes until Student's 95 % interval reaches no further than half_width.

    If they scatter as these do.

    Args:
        values: two or more.
        half_width: in the unit of the values, above 0.

    Raises:
        ValueError: for fewer than two values, or if ``half_width`` is not above 0.

    Example:
        >>> seeds_needed([1.0, 2.0, 3.0], half_width=1.0)
        7
    """
    if len(values) < 2 or not half_width > 0:
        raise ValueError(
            f"got {len(values)} values and half_width={half_width}; expected two values or more, "
            "and a width above 0"
        )
    deviation = stdev(values)

    def reach(n: int) -> float:
        return float(stats.t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)

    # It falls with n. Student's factor is never below 1.959, that of the normal distribution.
    n = max(2, math.floor((1.959 * deviation / half_width) ** 2))
    while reach(n) > half_width:
        n += 1
    return n


def interval_in_words(values: Sequence[float]) -> str:
    """Mean and interval, or why there is none."""
    if not values:
        return NOT_RECORDED
    found = interval(values)
    bounds = "n = 1" if found is None else f"{found[0]:+.2f} to {found[1]:+.2f}"
    return f"{fmean(values):+.2f} [{bounds}]"


def paired_differences(
    first: Sequence[Record[TrainingMetrics]],
    second: Sequence[Record[TrainingMetrics]],
    measure: Callable[[Record[TrainingMetrics]], float],
) -> list[float]:
    """Measure of ``first`` minus that of ``second``, seed by seed: same initialisation, shuffle."""
    of_first, of_second = (
        {record.settings["seed"]: measure(record) for record in records}
        for records in (first, second)
    )
    return [of_first[seed] - of_second[seed] for seed in sorted(of_first.keys() & of_second)]


def best_test(record: Record[TrainingMetrics]) -> float:
    """Highest test accuracy over the epochs, in per cent."""
    return record.metrics["top_test_accuracy"]


def chosen_test(record: Record[TrainingMetrics]) -> float:
    """Test accuracy after the epoch with the highest held-out accuracy, the first of them, in per
    cent.

    Raises:
        KeyError: for a training that held no images out.
    """
    epochs = record.metrics["epochs"]
    held_out = epochs["held_out_accuracy"]
    return epochs["test_accuracy"][held_out.index(max(held_out))]


def last_test(record: Record[TrainingMetrics]) -> float:
    """Test accuracy after the last epoch, in per cent."""
    return record.metrics["last_test_accuracy"]


def last_training(record: Record[TrainingMetrics]) -> float:
    """Training accuracy of the last epoch, in per cent."""
    return record.metrics["epochs"]["train_accuracy"][-1]


def distinct(values: Iterable[object]) -> str:
    """The different ones among some values, in order, as a list in words."""
    return ", ".join(map(str, sorted(set(values), key=str)))


def less_group_means(values: Sequence[float], groups: Sequence[Hashable]) -> list[float]:
    """Each value less the mean of its group."""
    pairs = list(zip(values, groups, strict=True))
    means = {group: fmean(v for v, g in pairs if g == group) for group in set(groups)}
    return [value - means[group] for value, group in pairs]


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
        return f"ρ = {self.in_words}, p = {self.p:.2g}, n = {self.n}"

    @property
    def in_words(self) -> str:
        """The coefficient and its interval."""
        return f"{self.rho:+.2f} [{self.low:+.2f} to {self.high:+.2f}]"

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low * self.high > 0


def spearman(x: Sequence[float], y: Sequence[float], *, seed: int = 0) -> Correlation:
    """Spearman's ρ of paired values, with a bootstrap interval and a permutation test.

    Raises:
        ValueError: for fewer than four pairs, or if all values of one side are equal.
    """
    if len(x) != len(y) or len(x) < 4 or len(set(x)) == 1 or len(set(y)) == 1:
        raise ValueError(
            f"got {len(x)} and {len(y)} values; expected at least four pairs that are not all equal"
        )
    # Named random_state for SciPy before 1.15, which has no rng.
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
    rho, p = float(_rho(*data)), float(tested.pvalue)
    return Correlation(rho, float(resampled.low), float(resampled.high), p, len(x))


def _rho(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's ρ of many pairs of samples: Pearson's coefficient of their ranks."""
    ranks = [stats.rankdata(side, axis=axis) for side in (x, y)]
    a, b = (side - side.mean(axis=axis, keepdims=True) for side in ranks)
    size = np.sqrt((a * a).sum(axis) * (b * b).sum(axis))
    # A resample can hold one pair many times; a constant has no rank correlation.
    rho: np.ndarray = (a * b).sum(axis) / np.where(size > 0, size, 1)
    return rho


def exchanged_groups(
    x: Sequence[float], y: Sequence[float], groups: Sequence[Hashable]
) -> tuple[float, int]:
    """Two-sided p of Spearman's ρ if only whole groups may change places.

    Networks of one dose are copies of one experiment: what was drawn independently are the doses.
    So the y of every group are given to another group, in all ways, and ρ is computed again.

    Args:
        x: a measure over networks.
        y: another one.
        groups: the dose of each network; all doses have equally many.

    Returns:
        The share of arrangements whose ρ is at least as far from 0, and how many there are.

    Raises:
        ValueError: if the groups differ in size.

    Example:
        >>> exchanged_groups([1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3], "aabbcc")  # 2 of 3!
        (0.3333333333333333, 6)
    """
    members = {group: [i for i, g in enumerate(groups) if g == group] for group in groups}
    sizes = {len(indices) for indices in members.values()}
    if len(sizes) != 1:
        raise ValueError(f"the groups have {sorted(sizes)} members; expected equally many in each")
    data, target = np.array(x, float), np.array(y, float)
    order = np.concatenate(list(members.values()))
    found = []
    for arrangement in permutations(members.values()):
        found.append(abs(_rho(data[order], target[np.concatenate(arrangement)])))
    far = np.array(found) >= abs(_rho(data, target)) - 1e-12
    return float(far.mean()), len(found)
