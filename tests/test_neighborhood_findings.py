"""Verdicts on what Bonet et al. report, from made-up neighbourhoods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from convsim.evidence.neighborhood_findings import neighborhood_findings
from convsim.evidence.verdicts import AGREE, DIFFER, INCONCLUSIVE, MIXED, NOT_RUN, OPEN, Finding
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.overlap import RegularizedSettings
from tests.made_up import COPY, save_network, save_regularized

RUN = TrainingSettings("baseline", data=COPY)


def of_neighborhoods(folder: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in neighborhood_findings(folder)}


@pytest.mark.parametrize(
    ("overlaps", "significant", "depth"),
    [
        # After the non-linearity half of it, with an interval of 0.02 and 0.03; chance is 0.1.
        ((0.8, 0.7, 0.6, 0.5), AGREE, AGREE),
        ((0.5, 0.6, 0.7, 0.8), AGREE, AGREE),
        ((0.8, 0.7, 0.6, 0.75), AGREE, INCONCLUSIVE),
        ((0.8, 0.7, 0.6, 0.23), INCONCLUSIVE, AGREE),
        ((0.8, 0.1, 0.6, 0.5), DIFFER, AGREE),
    ],
)
def test_overlap_is_held_against_chance_and_depth(
    tmp_path: Path, overlaps: tuple[float, ...], significant: str, depth: str
) -> None:
    save_network(tmp_path, RUN, overlaps)
    save_network(tmp_path, RUN, (0.1,) * 4, trained=False)
    save_network(tmp_path, replace(RUN, condition="init"), (0.1,) * 4)
    found = of_neighborhoods(tmp_path)
    against, by_depth = found["Channels overlap significantly"], found["Overlap varies with depth"]
    assert (against.verdict, by_depth.verdict) == (significant, depth)
    low, high = min(overlaps) / 0.2, max(overlaps) / 0.2
    assert against.ours == f"{low:.1f} to {high:.1f} times chance"
    first, last = overlaps[0] / 0.2, overlaps[3] / 0.2
    words = f"{first:.1f} times chance in the first layer, {last:.1f} in the last"
    assert by_depth.ours == words


def test_networks_without_a_baseline_have_no_verdict(tmp_path: Path) -> None:
    save_network(tmp_path, replace(RUN, condition="init"), (0.8, 0.7, 0.6, 0.5))
    save_network(tmp_path, RUN, (0.8, 0.7, 0.6, 0.5), trained=False)
    assert of_neighborhoods(tmp_path)["Overlap varies with depth"].verdict == OPEN


def test_dead_layers_have_no_part_in_it(tmp_path: Path) -> None:
    save_network(tmp_path, RUN, (None, 0.8, 0.6, None))
    found = of_neighborhoods(tmp_path)["Overlap varies with depth"]
    assert found.ours == "4.0 times chance in the first layer, 3.0 in the last"
    save_network(tmp_path, RUN, (None,) * 4)
    assert of_neighborhoods(tmp_path)["Channels overlap significantly"].ours == NOT_RUN


@pytest.mark.parametrize(("sign", "gap_sign"), [(1, 1), (1, -1), (-1, 1)])
def test_correlations_that_all_exclude_zero_agree(tmp_path: Path, sign: int, gap_sign: int) -> None:
    x = np.arange(18)
    dropouts, overlaps = 0.1 * (x // 6), 0.5 + sign * x / 100
    noise = 2.0 * (x % 3)
    for n, (dropout, overlap) in enumerate(zip(dropouts, overlaps, strict=True)):
        settings = RegularizedSettings(float(dropout), 0.0, n, COPY)
        errors = {"train_error": 20.0, "test_error": 60.0 + 2 * gap_sign * n + noise[n]}
        save_regularized(tmp_path, settings, float(overlap), **errors)
    found = of_neighborhoods(tmp_path)
    regularised = found["Overlap varies with regularisation"]
    generalises = found["Overlap tells of generalisation"]
    assert regularised.verdict == generalises.verdict == AGREE
    rho = stats.spearmanr(dropouts, overlaps).statistic
    assert regularised.ours.startswith(f"with dropout: ρ = {rho:+.2f} [")
    rho = stats.spearmanr(overlaps, 2 * gap_sign * x + noise).statistic
    assert generalises.ours.startswith(f"ρ with the gap {rho:+.2f} [")
    assert "] (p = 0.17 from the 6 orders of the doses), at fixed dropout " in generalises.ours
    assert f"; the test error {rho:+.2f} [" in generalises.ours


def test_a_claim_that_holds_across_doses_alone_is_mixed(tmp_path: Path) -> None:
    """Three clouds, one for each dose; nothing within them, and nothing in the other reading."""
    generator = np.random.default_rng(0)
    for n in range(18):
        settings = RegularizedSettings(0.1 * (n // 6), 0.0, n, COPY)
        overlap, gap, test = (n // 6) / 10 + 0.1, 10.0 * (n // 6), 40 + generator.normal()
        overlap, gap = overlap + 0.01 * generator.normal(), gap + generator.normal()
        save_regularized(tmp_path, settings, overlap, test_error=test, train_error=test - gap)
    assert of_neighborhoods(tmp_path)["Overlap tells of generalisation"].verdict == MIXED


def test_correlations_around_zero_are_inconclusive(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for n in range(12):
        settings = RegularizedSettings(0.1 * (n % 3), 0.0, n, COPY)
        overlap, error = generator.uniform(0.1, 0.9), generator.uniform(30, 50)
        save_regularized(tmp_path, settings, overlap, test_error=error)
    found = of_neighborhoods(tmp_path)
    assert found["Overlap varies with regularisation"].verdict == INCONCLUSIVE
    assert found["Overlap tells of generalisation"].verdict == INCONCLUSIVE


def test_four_networks_of_two_strengths_have_one(tmp_path: Path) -> None:
    for seed, dropout in enumerate((0.0, 0.0, 0.3, 0.3)):
        settings = RegularizedSettings(dropout, 0.0, seed, COPY)
        gap = 40.0 + 5 * (seed in (1, 3))
        save_regularized(tmp_path, settings, 0.1 + seed / 10, test_error=gap)
    found = of_neighborhoods(tmp_path)
    rho = stats.spearmanr([0, 0, 1, 1], [1, 2, 3, 4]).statistic
    assert f"ρ = {rho:+.2f} [" in found["Overlap varies with regularisation"].ours
    rho = stats.spearmanr([0, 1, 0, 1], [1, 2, 3, 4]).statistic
    ours = found["Overlap tells of generalisation"].ours
    assert f"ρ with the gap {rho:+.2f} [" in ours and ", at fixed dropout +" in ours


def test_the_first_few_networks_have_no_correlation(tmp_path: Path) -> None:
    for seed in range(4):
        save_regularized(tmp_path, RegularizedSettings(0.0, 0.0, seed, COPY), 0.1 + seed / 10)
        found = of_neighborhoods(tmp_path)  # all without dropout, all with one gap
        assert found["Overlap varies with regularisation"].verdict == OPEN
        assert found["Overlap tells of generalisation"].ours == NOT_RUN
