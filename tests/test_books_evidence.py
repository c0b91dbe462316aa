"""The page that sums the trainings up says what the records say, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convsim.evidence import four_pages, sweeps
from convsim.evidence.deeper_tables import short_trainings
from convsim.evidence.statistics import best_test, last_training, paired_differences
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


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in four_pages.results_table().rows}


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


def test_less_similarity_alone_moves_little_except_downward(
    rows: dict[str, tuple[str, ...]],
) -> None:
    table = [*four_pages.INPUT.values(), *four_pages.PENALTIES.values()]
    means = {words: float(rows[words][1].split()[0]) for words in table}
    down = "the same, power of the maps held"
    assert means.pop(down) < -4 and "move the accuracy by less than a point and a half" in PAGE
    assert max(map(abs, means.values())) < 1.5
    whitening = rows["uncorrelated inputs at every step"]
    low, high = re.findall(r"[-+][\d.]+", whitening[1])[1:]
    assert float(low) < 0 < float(high), "the test does not notice"
    assert float(whitening[3].split()[0]) > 7


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
