"""Claims of the paper's text: computed from nothing but random numbers, or from made-up records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from convsim.evidence import printed_claims as module
from convsim.evidence.printed_claims import course_findings, size_findings, theory_findings
from convsim.evidence.verdicts import AGREE, DIFFER, INCONCLUSIVE, MIXED, NOT_RUN, OPEN, Finding
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import read_records
from tests.made_up import COPY, save_training, training_metrics

RUN = TrainingSettings("baseline", data=COPY, epochs=100)
FASTER = "Figures 2 and 3: Algorithm 1 converges faster"
LOW = "Figure 1: L_CS stays low in training"


def of_course(folder: Path) -> dict[str, Finding]:
    return {f.what: f for f in course_findings(read_records("table5", folder))}


def epochs(run: TrainingSettings) -> dict[str, Any]:
    found: dict[str, Any] = training_metrics(run, 70.0)["epochs"]
    return found


def test_theory_against_numpy() -> None:
    """The same draws, correlated by SciPy."""
    orthogonal, paddings, penalty = theory_findings()
    generator = torch.Generator().manual_seed(0)
    shares, cosines = [], []
    for taps in (3, 9, 16):
        x, k1, k2 = (
            torch.rand(1000, n, dtype=torch.float64, generator=generator).numpy()
            for n in (64, taps, taps)
        )
        k1, k2 = 2 * k1 - 1, 2 * k2 - 1
        full, valid, between = [], [], []
        for signal, one, other in zip(x, k1, k2, strict=True):
            for mode, found in (("full", full), ("valid", valid)):
                maps = [correlate(signal, kernel, mode=mode) for kernel in (one, other)]
                found.append(maps[0] @ maps[1])
            rest = other - (one @ other) / (one @ one) * one
            maps = [correlate(signal, kernel, mode="full") for kernel in (one, rest)]
            between.append(
                abs(maps[0] @ maps[1]) / np.linalg.norm(maps[0]) / np.linalg.norm(maps[1])
            )
        shares.append(np.abs(np.subtract(full, valid)).mean() / np.abs(full).mean())
        cosines.append(np.mean(between))
    words = [f"{share:.0%} for {n}" for share, n in zip(shares, ("N = 3", "9", "16"), strict=True)]
    assert paddings.ours == f"valid, M = 64: {', '.join(words)}"
    assert paddings.verdict == MIXED
    assert f"{min(cosines):.2f} to {max(cosines):.2f}" in orthogonal.ours
    assert orthogonal.verdict == penalty.verdict == AGREE


@pytest.mark.parametrize(("limit", "verdict"), [(0.5, AGREE), (0.1, MIXED), (0.01, DIFFER)])
def test_border_terms_are_small_below_a_share(
    monkeypatch: pytest.MonkeyPatch, limit: float, verdict: str
) -> None:
    monkeypatch.setattr(module, "SMALL", limit)
    assert theory_findings()[1].verdict == verdict


def test_a_penalty_that_were_ours_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(weight: torch.Tensor) -> torch.Tensor:
        squares = torch.nn.functional.conv2d(weight, weight, padding=2).square().sum((2, 3))
        return (squares.sum() - squares.diagonal().sum()) / 2

    monkeypatch.setattr(module, "convolutional_similarity", alike)
    assert theory_findings()[2].verdict == DIFFER


def test_sizes_are_counted() -> None:
    parameters, steps = size_findings()
    assert parameters.ours == "118,858; 3.86 and 60.10 times as many"
    assert steps.ours == "500 against 100 epochs of 98: 9,800"
    assert parameters.verdict == steps.verdict == AGREE


def test_without_trainings_of_full_length_nothing_is_said(tmp_path: Path) -> None:
    for condition in ("baseline", "init"):
        save_training(tmp_path, replace(RUN, condition=condition, epochs=20), 70.0)
        save_training(tmp_path, replace(RUN, condition=condition, data="digits"), 70.0)
        save_training(tmp_path, replace(RUN, condition=condition, seed=1), None)  # diverged
    found = of_course(tmp_path)
    assert [(f.verdict, f.ours) for f in list(found.values())[:3]] == [(OPEN, NOT_RUN)] * 3
    assert {f.verdict for f in found.values()} == {OPEN}


@pytest.mark.parametrize(
    ("seeds", "gains", "verdict"),
    [
        (2, (5.0, 5.1), OPEN),
        (3, (5.0, 5.2, 4.9), AGREE),
        (3, (-5.0, -5.2, -4.9), DIFFER),
        (3, (5.0, -5.0, 0.1), INCONCLUSIVE),
    ],
)
def test_speed_is_the_mean_training_accuracy(
    tmp_path: Path, seeds: int, gains: tuple[float, ...], verdict: str
) -> None:
    for seed in range(seeds):
        for condition, gain in (("baseline", 0.0), ("init", gains[seed])):
            run = replace(RUN, condition=condition, seed=seed)
            accuracies = {"train_accuracy": [60.0 + gain, 80.0 + gain]}
            save_training(tmp_path, run, 70.0, epochs=epochs(run) | accuracies)
    found = of_course(tmp_path)[FASTER]
    assert found.verdict == verdict
    assert found.ours.startswith(f"mean training accuracy {np.mean(gains):+.2f} [")


def test_small_networks_are_set_beside_large_ones(tmp_path: Path) -> None:
    save_training(tmp_path, replace(RUN, condition="init"), 75.0)
    save_training(tmp_path, replace(RUN, condition="init", seed=1), 76.0)
    save_training(tmp_path, replace(RUN, width=128), 74.0)
    found = of_course(tmp_path)
    assert found["CNN1 with Algorithm 1 exceeds CNN2"].ours == (
        "CNN1 75.50 % (n = 2); CNN2 74.00 % (n = 1)"
    )
    assert found["CNN1 with Algorithm 1 is as good as 512 kernels"].ours.endswith(
        "; width 512 not run"
    )


@pytest.mark.parametrize(
    ("last", "seeds", "verdict"), [(3.0, 3, AGREE), (3.0, 2, OPEN), (30.0, 3, DIFFER)]
)
def test_the_loss_stays_low_if_it_ends_below_every_baseline(
    tmp_path: Path, last: float, seeds: int, verdict: str
) -> None:
    for seed in range(seeds):
        for condition, ends in (("baseline", (10.0, 20.0 + seed)), ("init", (0.5, last))):
            run = replace(RUN, condition=condition, seed=seed)
            layers = {"similarity": {"a": list(ends), "b": list(ends)}}
            save_training(tmp_path, run, 70.0, epochs=epochs(run) | layers)
    found = of_course(tmp_path)[LOW]
    assert found.verdict == verdict
    others = np.mean([2 * (20.0 + seed) for seed in range(seeds)])
    assert found.ours == (
        f"1 after the first epoch, {2 * last:.2g} after 100; {others:.2g} without; n = {seeds}"
    )
