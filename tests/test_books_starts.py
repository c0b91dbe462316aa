"""What the chapter on starts from the spectrum puts into words is what its module computes."""

from __future__ import annotations

import pytest
import torch

from convsim import starts
from convsim.evidence import starts_rules
from convsim.evidence.deeper_tables import by_condition, trainings
from convsim.evidence.starts_figures import (
    LEVEL,
    PREDICTORS,
    SHOWN_PREDICTORS,
    accuracies,
    beginnings,
)
from convsim.evidence.starts_tables import ELSEWHERE, elsewhere_table
from convsim.evidence.statistics import best_test
from convsim.experiments import plan
from convsim.experiments.choices import OWN_RATES, grid
from convsim.experiments.conditions import CONDITIONS, OWN_RATE
from convsim.experiments.spectra import FACTORIAL, FINALISTS, OF_LAYERS
from convsim.floor import similarity_floor


def test_the_similarity_of_waves_and_what_coordination_is_worth() -> None:
    by_chance = starts.expected_similarity([3, 3])
    assert by_chance == pytest.approx(0.37, abs=0.005)
    gain = by_chance - starts.expected_similarity([3, 3], kernels=64)
    assert gain == pytest.approx((1 - by_chance) / 63) == pytest.approx(0.01, abs=0.0005)
    least = similarity_floor(torch.ones(64, 1, 3, 3), normalized=True)
    assert least.item() == pytest.approx(0.205, abs=0.0005)


def test_the_experiment_is_the_one_that_is_announced() -> None:
    assert len(FACTORIAL) == 21 + 1
    assert starts_rules.FAST == 0.5 and (plan.FACTORIAL_EPOCHS, plan.SHORT_EPOCHS) == (10, 20)
    assert grid("own_lr") == (OWN_RATES, 5) and len(OWN_RATES) == 4
    rivals = {name.removesuffix("-own-rate") for name in OWN_RATE} - {*FINALISTS}
    assert rivals == {"baseline", "scale-free", "orthogonal", "delta-orthogonal", "kaiming-uniform"}
    groups = {group.question: group.runs for group in plan.BOOK}
    found = groups["Width, spread or place of the frequencies?"]
    assert {run.seed for run in found} == {0, 1} and {run.learning_rate for run in found} == {0.01}
    own = groups["And each start at its own learning rate?"]
    assert {run.seed for run in own} == {0, 1, 2}
    assert plan.FEW == 5000 and len(OF_LAYERS) == 3
    # Elsewhere, what is read is what is run.
    planned = plan.planned("digits")
    for place, settings in ELSEWHERE.items():
        runs = [run for run in planned if vars(run).items() >= settings.items()]
        assert {"baseline", "random-bands"} <= {run.condition for run in runs}, place
    assert len(PREDICTORS) == 9 and LEVEL == 0.05
    assert "channel-bands" in CONDITIONS


def test_a_resnet_learns_more_slowly_from_bands() -> None:
    assert len(elsewhere_table().rows) == 1, "the words say that one training is recorded"
    settings = ELSEWHERE["ResNet-18, 10,000 images"]
    runs = by_condition(trainings(**settings), ("baseline", "random-bands"))
    (default,), (bands,) = runs.values()
    accuracy = [run.metrics["epochs"]["train_accuracy"] for run in (default, bands)]
    behind = [a - b for a, b in zip(*accuracy, strict=True)]
    assert min(behind) > 0 and max(behind) == behind[2]
    assert (round(behind[2]), round(behind[-1])) == (6, 2)
    assert round(best_test(default) - best_test(bands)) == 1


def test_before_its_training_a_wave_is_an_equaliser_and_that_alone_is_no_speed() -> None:
    before, after = beginnings(), accuracies()
    rank, alike = ({n: of[key] for n, of in before.items()} for key in ("rank", "correlation"))
    assert (round(rank["random-bands"]), round(rank["baseline"])) == (20, 11)
    assert [round(alike[n], 2) for n in ("random-bands", "baseline")] == [0.17, 0.27]
    assert rank["random-bands-low"] < rank["random-bands"] < rank["random-bands-high"]
    assert alike["same-band"] > alike["noise"]
    assert rank["even-bands"] == pytest.approx(rank["random-bands"], rel=0.05)
    default, flat = before["baseline"], before["channel-bands"]
    for key in SHOWN_PREDICTORS:
        assert flat[key] == pytest.approx(default[key], rel=0.15)
    assert rank["orthogonal-maps"] == pytest.approx(5 * rank["baseline"], rel=0.05)
    assert max(rank, key=lambda name: rank[name]).startswith("orthogonal-maps")
    assert alike["orthogonal-maps"] < 0.05 and before["orthogonal-maps"]["normalized"] > 0.94
    assert after["orthogonal-maps"] == pytest.approx(after["baseline"], abs=0.1)


def test_the_finalists_are_the_best_two_once_the_factorial_is_in() -> None:
    try:
        best = starts_rules.best_two()
    except ValueError:
        assert FINALISTS == ()  # nothing is decided before the data
    else:
        assert set(FINALISTS) == set(best)
