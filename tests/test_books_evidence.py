"""The page that sums the trainings up says what the records say, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convsim.evidence import doubts, four_pages, sweeps
from convsim.evidence.deeper_tables import short_trainings
from convsim.evidence.statistics import best_test, interval, last_training, paired_differences
from convsim.evidence.sweeps import Training
from convsim.experiments import paper
from convsim.experiments.cifar10 import TrainingSettings
from convsim.floor import spectral_peak
from tests.made_up import COPY, save_training, training_metrics

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
PAGE = "".join(
    "".join(cell["source"]) + "\n\n"
    for cell in json.loads((CHAPTERS / "evidence.ipynb").read_text())["cells"]
    if cell["cell_type"] == "markdown"
)


FRONT = (CHAPTERS / "introduction.md").read_text()
CHANGES = [
    (pair, *means)
    for group, pair, runs, others in four_pages.differences()
    if group == four_pages.SIMILARITY
    for means in [
        (
            float(np.mean(paired_differences(runs, others, best_test))),
            four_pages.lower(runs, others),
        )
    ]
]
"""What was to make kernels or maps less alike: words, points in test, how much lower either is."""


def differences(
    first: str, second: str, measure: Callable[[Training], float] = best_test
) -> list[float]:
    longest, *_ = sweeps.book_sweeps()
    runs, others = (sweeps.runs_of(longest, name) for name in (first, second))
    return paired_differences(runs, others, measure)


def test_the_abstract_has_the_means_of_the_longest_trainings() -> None:
    gain, shorter = (np.mean(differences(name, "baseline")) for name in ("init", "scale"))
    assert f"Over two seeds of 100 epochs the loss gains {gain:.1f} points" in PAGE
    assert f"and the control {shorter:.1f}." in PAGE
    assert len(differences("init", "baseline")) == 2
    claimed = paper.ACCURACY[64, "init"] - paper.ACCURACY[64, "baseline"]
    assert f"by {claimed:.1f} points" in PAGE and f"the paper has {claimed:+.1f}" in PAGE
    added = " with one seed and ".join(f"{points:+.1f}" for points in differences("init", "scale"))
    assert f"is {added.replace('-', '−')} with the other" in PAGE


def test_of_all_changes_of_similarity_none_gains_as_much() -> None:
    assert all(f"Of {len(CHANGES)} other changes" in words for words in (PAGE, FRONT))
    points = [gain for _, gain, _ in CHANGES]
    shown = f"({min(points):+.1f} to {max(points):+.1f} points in the mean of one or two seeds"
    assert shown.replace("-", "−") in FRONT
    shrinking = short_trainings("SGD")
    gains = paired_differences(shrinking["scale"], shrinking["baseline"], best_test)
    assert f"where shrinking had gained {np.mean(gains):.1f}." in FRONT
    assert max(points) < np.mean(gains)
    assert CHANGES[0][0][0] == "scale-free" and CHANGES[-1][0][0] == "normalised-similarity"


def test_where_similarity_stayed_lower_nothing_gained_a_point() -> None:
    lasting = [gain for _, gain, lower in CHANGES if lower >= 0.02]
    assert len(lasting) == 8 and "of the eight whose effect lasted none gains a point" in PAGE
    shown = f"They moved the accuracy by {min(lasting):+.1f} to {max(lasting):+.1f} points"
    assert shown.replace("-", "−") in PAGE
    others = sorted((gain, pair) for pair, gain, lower in CHANGES if lower < 0.02)
    largest = [pair for _, pair in others[-2:]]
    assert "the largest means, +2.0 and +2.8, with intervals of ± 13 and ± 23" in PAGE
    halves = []
    for _, pair, runs, base in four_pages.differences():
        if pair in largest:
            bounds = interval(paired_differences(runs, base, best_test))
            assert bounds is not None
            halves.append(round((bounds[1] - bounds[0]) / 2))
    assert halves == [13, 23] and [round(gain, 1) for gain, _ in others[-2:]] == [2.0, 2.8]


def test_the_pooled_differences_are_those_of_the_page() -> None:
    longest, *_ = sweeps.book_sweeps()
    groups = {
        name: [best_test(run) for run in sweeps.runs_of(longest, name)]
        for name in ("baseline", "init", "scale")
    }
    found = [doubts.pooled_interval(groups, *pair) for pair in doubts.PAIRS]
    assert [f"{mean:+.1f}" for mean, _ in found] == ["+4.1", "+4.0", "+0.1"]
    assert {f"{half:.1f}" for _, half in found} == {"1.9"}
    assert "the differences are +4.1, +4.0 and +0.1, each ± 1.9" in PAGE


def test_the_default_has_come_less_far_and_is_behind_where_it_has_not() -> None:
    longest, *_ = sweeps.book_sweeps()
    runs = {name: sweeps.runs_of(longest, name) for name in ("baseline", "init", "scale")}
    losses = {
        name: np.mean([run.metrics["epochs"]["loss"][-1] for run in some])
        for name, some in runs.items()
    }
    for name in ("init", "scale"):
        assert 5 < losses["baseline"] / losses[name] < 6
    assert min(last_training(run) for some in runs.values() for run in some) > 99.6
    best, mean = [], []
    for name in ("init", "scale"):
        for run, default in zip(runs[name], runs["baseline"], strict=True):
            ours, theirs = (doubts.at_equal_loss(each, default) for each in (run, default))
            best.append(max(ours) - max(theirs))
            mean.append(np.mean(ours) - np.mean(theirs))
    assert min(best) == pytest.approx(3.4, abs=0.06) and max(best) == pytest.approx(4.8, abs=0.06)
    ahead, behind = mean[::2], mean[1::2]
    assert ahead == pytest.approx([4.4, 3.7], abs=0.05)
    assert behind == pytest.approx([-1.2, -0.3], abs=0.05)


def test_short_weights_do_not_part_far_under_other_optimisers() -> None:
    for name in ("momentum", "SGDP", "Adam"):
        runs = short_trainings(name)
        for of in (best_test, last_training):
            (apart,) = paired_differences(runs["init"], runs["scale"], of)
            assert abs(apart) < 3


def test_shorter_weights_are_behind_under_other_optimisers() -> None:
    behind = {}
    for name in ("momentum", "SGDP", "Adam"):
        runs = short_trainings(name)
        (test,), (training,) = (
            paired_differences(runs["scale"], runs["baseline"], of)
            for of in (best_test, last_training)
        )
        assert test < 1
        behind[name] = round(-training)
    assert behind == {"momentum": 7, "SGDP": 10, "Adam": 1}


def test_the_rates_and_the_maps_are_those_of_the_figure() -> None:
    longest, *_ = sweeps.book_sweeps()
    rates, cosines = {}, {}
    for name in ("baseline", "init", "scale"):
        runs = sweeps.runs_of(longest, name)
        norms = np.array([[*run.metrics["epochs"]["norm"].values()] for run in runs])[:, 1:, 0]
        rates[name] = float((norms**-2).mean())
        after = [[*run.metrics["cosine_after"].values()][1:] for run in runs]
        cosines[name] = round(float(np.mean(after)), 2)
    assert min(rates["init"], rates["scale"]) > 60 * rates["baseline"]
    assert cosines == {"baseline": 0.28, "init": 0.46, "scale": 0.46}

    def in_the_mean(run: Training) -> float:
        return float(np.mean(run.metrics["epochs"]["train_accuracy"]))

    leads = differences("init", "scale", in_the_mean)
    assert max(map(abs, leads)) < 0.5


def test_what_64_kernels_can_gain_at_fixed_norms() -> None:
    assert spectral_peak((3, 3)) == pytest.approx(225 / 49)
    assert pytest.approx(0.057, abs=5e-4) == (225 / 49 - 1) / 63


def test_what_is_said_to_be_missing_is_missing() -> None:
    longest, *_ = sweeps.book_sweeps()
    conditions = {run.settings["condition"] for run in longest}
    assert conditions == {"baseline", "init", "scale"}
    assert {run.settings["width"] for run in longest} == {64}
    assert "No GPU was used" in four_pages.cost_table().source
    for path in (CHAPTERS.parent / "convsim/results").glob("table5-*.json"):
        assert "GPU" not in json.loads(path.read_text())["hardware"]


def test_costs_leave_pauses_out(tmp_path: Path) -> None:
    settings = TrainingSettings("baseline", epochs=3, data=COPY)
    with pytest.raises(ValueError, match="no training is recorded .* run `convsim run table5`"):
        four_pages.cost_table(folder=tmp_path)
    for seed, seconds in enumerate(([3600.0, 3600.0, 90_000.0], [7200.0] * 3)):
        epochs = training_metrics(settings, 70.0)["epochs"] | {"seconds": seconds}
        save_training(tmp_path, replace(settings, seed=seed), 70.0, epochs=epochs)
    save_training(tmp_path, replace(settings, seed=2), None)
    assert four_pages.cost_table(folder=tmp_path).rows == (("3", "2", "3.0 to 6.0", "4"),)
