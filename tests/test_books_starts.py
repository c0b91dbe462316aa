"""What the chapter on starts from the spectrum puts into words is what its module computes."""

from __future__ import annotations

import pytest
import torch

from convsim import convolutional_similarity, data, models, power_spectrum, starts
from convsim.evidence import starts_rules
from convsim.evidence.deeper_tables import by_condition, trainings
from convsim.evidence.spectra_tables import narrowing_table
from convsim.evidence.starts_figures import (
    LEVEL,
    PREDICTORS,
    SHOWN_PREDICTORS,
    accuracies,
    beginnings,
)
from convsim.evidence.starts_tables import ELSEWHERE, elsewhere_table
from convsim.evidence.statistics import best_test
from convsim.evidence.sweeps import Training
from convsim.experiments import plan
from convsim.experiments.choices import OWN_RATES, grid
from convsim.experiments.cifar10 import initialise, settings_of
from convsim.experiments.conditions import CONDITIONS, OWN_RATE
from convsim.experiments.networks import is_kept, load_network
from convsim.experiments.spectra import FACTORIAL, FINALISTS, OF_LAYERS
from convsim.floor import similarity_floor, spectral_concentration
from convsim.layers import convolutional_layers


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


def first_gradients(goal: str) -> list[tuple[float, float]]:
    """Concentration and normalised similarity of the first gradient of each layer, on digits."""
    images, labels = next(data.digits()[0].batches(256))
    if goal == "shuffled":
        labels = labels[torch.randperm(256, generator=torch.Generator().manual_seed(3))]
    torch.manual_seed(0)
    network = models.cnn1()
    torch.nn.functional.cross_entropy(network(images), labels).backward()
    slopes = [layer.weight.grad for _, layer in convolutional_layers(network)]
    return [
        (
            spectral_concentration(slope).mean().item(),
            convolutional_similarity(slope, normalized=True).item(),
        )
        for slope in slopes
        if slope is not None
    ]


def test_first_gradients_are_narrow_and_alike_whatever_the_labels() -> None:
    own, shuffled = first_gradients("own"), first_gradients("shuffled")
    assert len(own) == len(shuffled) == 4
    for (narrow, alike), (other, as_alike) in zip(own, shuffled, strict=True):
        assert min(narrow, other) > 1.5 and min(alike, as_alike) > 0.7
        assert abs(narrow - other) < 0.3 and abs(alike - as_alike) < 0.05


def kept(start: str, epochs: int) -> Training:
    found = trainings(condition=start, epochs=epochs, seed=0)
    return next(run for run in found if is_kept(settings_of(run)))


def test_the_second_layer_narrows_and_widens_again() -> None:
    def second(network: torch.nn.Module) -> torch.Tensor:
        layer: torch.Tensor = [*convolutional_layers(network)][1][1].weight
        return layer.detach()

    for start, degrees in (("baseline", 31), ("scale", 81)):
        run = kept(start, 100)
        begun, _ = initialise(settings_of(run), "cpu")
        pair = [second(network).flatten() for network in (begun, load_network(run))]
        turned = torch.rad2deg(torch.nn.functional.cosine_similarity(*pair, dim=0).acos())
        assert turned.item() == pytest.approx(degrees, abs=0.5)
    short = second(load_network(kept("scale", 20)))
    assert spectral_concentration(short).mean().item() == pytest.approx(1.6, abs=0.05)
    assert convolutional_similarity(short, normalized=True).item() == pytest.approx(0.87, abs=0.005)
    mean = power_spectrum(short, size=16).mean(dim=0)
    assert mean[0, 0] == mean.max() and mean[8, 8] < mean.mean() < mean[0, 0] / 2

    bands = torch.empty(256, 256, 3, 3)
    starts.random_bands_(bands.normal_(), width=0.8, generator=torch.Generator().manual_seed(0))
    assert spectral_concentration(bands).mean().item() == pytest.approx(1.6, abs=0.05)
    assert starts.expected_similarity([3, 3], width=0.8) == pytest.approx(0.63, abs=0.005)

    for start in ("init", "scale"):
        runs = trainings(condition=start, epochs=100, width=64)
        assert len(runs) == 2, "the words say: both seeds"
        for run in runs:
            course = run.metrics["epochs"]["normalized"]["blocks.1.0"]
            assert 16 <= course.index(min(course)) + 1 <= 23
            assert 0.865 < min(course) < 0.885 and course[-1] == pytest.approx(0.92, abs=0.005)


def test_only_the_first_layer_of_cnn1_becomes_different_as_well() -> None:
    def ends(cell: str) -> tuple[float, float]:
        before, after = map(float, cell.split(" → "))
        return before, after

    def common(narrow: str, gathered: str) -> float:
        return (ends(gathered)[1] - 1) / (ends(narrow)[1] - 1)

    rows = {row[:2]: row[2:] for row in narrowing_table().rows}
    assert {row[-1] for row in rows.values()} == {"1"} and len(rows) == 9
    for optimizer in ("momentum", "SGDP", "Adam"):
        default, short = (rows[f"CNN1, {optimizer}", start] for start in ("baseline", "scale"))
        for part in (0, 1):
            assert ends(default[part])[1] < ends(short[part])[1]
        assert all(ends(row[1])[1] < ends(row[0])[1] for row in (default, short))
        assert common(short[0], short[2]) == pytest.approx(0.2, abs=0.04)
        assert common(short[1], short[3]) > 0.6
    white, bands = (rows["ResNet-18, 10,000 images", s] for s in ("scale", "random-bands"))
    assert (ends(white[0])[1], *ends(bands[0])) == pytest.approx((7.0, 12, 7.8), abs=0.05)
    assert (ends(white[2])[1], ends(bands[2])[1]) == pytest.approx((4.5, 1.5), abs=0.05)
    assert common(white[0], white[2]) == pytest.approx(0.6, abs=0.03)
    assert common(bands[0], bands[2]) < 0.1
    assert all(abs(ends(row[1])[1] - ends(row[1])[0]) < 0.02 for row in (white, bands))
