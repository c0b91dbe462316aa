"""Means, intervals and rank correlations, against closed forms, tables and SciPy."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from convsim.evidence.statistics import (
    Correlation,
    best_test,
    distinct,
    exchanged_groups,
    interval,
    interval_in_words,
    last_training,
    less_group_means,
    mean_std,
    paired_differences,
    seeds_needed,
    spearman,
    spread,
)
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import read_records
from tests.made_up import save_training


def test_means_are_printed_with_the_deviation_of_n_minus_1() -> None:
    assert mean_std([]) == "not recorded"
    assert mean_std([1.236]) == "1.24"
    assert mean_std([1.236], 1) == "1.2"
    assert mean_std([1.0, 2.0, 6.0]) == f"3.00 ± {math.sqrt(7):.2f}"  # (4 + 1 + 9) / 2
    assert mean_std([1.0, 2.0, 6.0], 3) == "3.000 ± 2.646"
    assert spread(1.0, 0.5) == "1.00 ± 0.50"
    assert spread(1.0, 0.5, 1) == "1.0 ± 0.5"


def test_the_interval_is_students() -> None:
    # From a table of t: 12.706 for one degree of freedom, 4.303 for two.
    assert interval([1.0, 3.0]) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)
    low, high = interval([3.5, 4.5, 5.5])  # type: ignore[misc]
    half = 4.302653 / math.sqrt(3)
    assert (low, high) == pytest.approx((4.5 - half, 4.5 + half), abs=1e-6)
    assert interval([2.0]) is None and interval([]) is None


@pytest.mark.parametrize("value", [0.0, 4.5, 1 / 3])
def test_equal_values_have_an_interval_of_no_width_and_no_warning(value: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert interval((value,) * 3) == pytest.approx((value, value), abs=1e-12)


@pytest.mark.parametrize("half_width", [0.3, 1.0, 2.5, 40.0])
def test_the_seeds_needed_are_the_fewest_that_reach(half_width: float) -> None:
    values = [1.0, 4.0, 2.0, -3.0]
    n = seeds_needed(values, half_width)

    def reach(n: int) -> float:
        return float(stats.t(n - 1).interval(0.95)[1] * np.std(values, ddof=1) / n**0.5)

    assert reach(n) <= half_width
    assert n == 2 or reach(n - 1) > half_width
    assert seeds_needed([0.5, 0.5], half_width) == 2


@pytest.mark.parametrize(("values", "half_width"), [([1.0], 1.0), ([1.0, 2.0], 0.0)])
def test_seeds_need_a_spread_and_a_width(values: list[float], half_width: float) -> None:
    with pytest.raises(ValueError, match="expected two values or more, and a width above 0"):
        seeds_needed(values, half_width)


def test_intervals_in_words() -> None:
    assert interval_in_words([]) == "not recorded"
    assert interval_in_words([-0.125]) == "-0.12 [n = 1]"
    assert interval_in_words([1.0, 3.0]) == "+2.00 [-10.71 to +14.71]"


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    base = TrainingSettings("baseline", epochs=3)
    for seed, accuracy in {0: 70.0, 1: 71.0, 3: 60.0}.items():
        save_training(tmp_path, replace(base, seed=seed), accuracy)
    for seed, accuracy in {3: 61.5, 1: 70.5, 7: 99.0}.items():
        save_training(tmp_path, replace(base, condition="init", seed=seed), accuracy)
    records = read_records("table5", tmp_path)
    first, second = (
        [r for r in records if r.settings["condition"] == condition]
        for condition in ("init", "baseline")
    )
    assert paired_differences(first, second, best_test) == [-0.5, 1.5]
    assert paired_differences(second, first, best_test) == [0.5, -1.5]
    assert paired_differences(first, second, last_training) == [0.0, 0.0]
    assert last_training(first[0]) == 30.0  # the last of three epochs
    assert paired_differences(first, [], best_test) == []


def test_distinct_values_stand_once_and_in_order() -> None:
    assert distinct([3, 1, 3, 2]) == "1, 2, 3"
    assert distinct(["b"]) == "b"
    assert distinct([None, 2]) == "2, None", "as words: values of two kinds have no order"


def test_group_means_are_taken_off() -> None:
    values, groups = [1.0, 10.0, 3.0, 14.0, 5.0], ["a", "b", "a", "b", "c"]
    assert less_group_means(values, groups) == [-1.0, -2.0, 1.0, 2.0, 0.0]
    with pytest.raises(ValueError, match="zip"):
        less_group_means([1.0], ["a", "b"])


def test_spearmans_rho_has_ties_as_scipy_has_them() -> None:
    x, y = [1.0, 2.0, 2.0, 4.0, 5.0, 0.5], [2.0, 1.0, 3.0, 3.0, 9.0, 0.0]
    found = spearman(x, y)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.n == 6
    assert spearman(x, [-v for v in y]).rho == pytest.approx(-found.rho)


def test_p_is_the_share_of_permutations_as_far_from_zero() -> None:
    """Four pairs have 24 orders: SciPy goes through all of them, and so does this test."""
    x, y = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 3.0]
    found = spearman(x, y)
    rhos = [stats.pearsonr(x, order).statistic for order in itertools.permutations(y)]
    share = np.mean(np.abs(rhos) >= found.rho - 1e-12)
    assert found.p == pytest.approx(share)
    assert found.p == pytest.approx(spearman(x, [-v for v in y]).p), "two-sided"


def test_p_of_many_pairs_is_drawn_and_does_not_change() -> None:
    generator = np.random.default_rng(0)
    x = list(generator.normal(size=20))
    y = list(np.add(np.multiply(0.4, x), generator.normal(size=20)))
    found = spearman(x, y)
    assert 0.05 < found.p < 0.95, "or else all draws might have one p"
    assert found == spearman(x, y)
    assert found.p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.01)
    times = found.p * 10_000  # 9,999 drawn ones and that of the data
    assert times == pytest.approx(round(times), abs=1e-6)
    other = spearman(x, y, seed=1)
    assert other.rho == found.rho and (other.low, other.high) != (found.low, found.high)


def test_the_interval_of_rho_is_that_of_resampled_pairs() -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=30)
    y = x + generator.normal(size=30)
    rhos = []
    for _ in range(4000):
        drawn = generator.integers(30, size=30)
        rhos.append(stats.spearmanr(x[drawn], y[drawn]).statistic)
    low, high = np.quantile(rhos, [0.025, 0.975])
    found = spearman(list(x), list(y))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)


def test_four_pairs_are_resampled_to_constants_without_harm() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = spearman([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
    # Of 4! orders two are as far from 0; some resamples hold one pair four times.
    assert (found.rho, found.p) == (pytest.approx(1), pytest.approx(2 / 24))
    assert -1 <= found.low <= found.high <= 1 + 1e-12


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2, 3], [1, 2, 3], "got 3 and 3 values; expected at least four pairs"),
        ([1, 2, 3, 4], [1, 2, 3], "got 4 and 3 values"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "got 4 and 4 values; .* not all equal"),
        ([1, 2, 3, 4], [5, 5, 5, 5], "got 4 and 4 values; .* not all equal"),
    ],
)
def test_what_has_no_correlation_is_refused(x: list[float], y: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spearman(x, y)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.2, False), (0.0, 0.2, False)],
)
def test_a_correlation_says_where_it_lies(low: float, high: float, expected: bool) -> None:
    found = Correlation(rho=0.125, low=low, high=high, p=0.0123, n=18)
    assert found.excludes_zero is expected
    assert str(found) == f"ρ = +0.12 [{low:+.2f} to {high:+.2f}], p = 0.012, n = 18"
    assert found.in_words == f"+0.12 [{low:+.2f} to {high:+.2f}]"


def test_groups_change_places_as_wholes() -> None:
    """Against a loop over all orders, with SciPy's coefficient."""
    generator = np.random.default_rng(0)
    groups = [n % 4 for n in range(12)]  # not one after the other
    x = [group + 0.5 * generator.normal() for group in groups]
    y = [group + 0.5 * generator.normal() for group in groups]
    members = [[n for n in range(12) if n % 4 == group] for group in range(4)]

    def rho(order: Sequence[int]) -> float:
        left = [x[n] for group in members for n in group]
        right = [y[n] for group in order for n in members[group]]
        return abs(float(stats.spearmanr(left, right).statistic))

    found = [rho(order) for order in itertools.permutations(range(4))]
    expected = np.mean([value >= found[0] - 1e-12 for value in found])
    assert exchanged_groups(x, y, groups) == (pytest.approx(expected), 24)
    assert 1 / 24 <= expected < 0.5


def test_groups_of_different_sizes_cannot_change_places() -> None:
    with pytest.raises(ValueError, match=r"the groups have \[1, 2\] members; expected equally"):
        exchanged_groups([1, 2, 3], [1, 2, 3], "aab")
