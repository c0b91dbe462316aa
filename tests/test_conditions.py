"""What each condition starts from, and what it asks of a training."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from convsim import convolutional_similarity
from convsim.experiments import cifar10, plan, preparations
from convsim.experiments.cifar10 import TrainingSettings, initialise, measure
from convsim.experiments.conditions import (
    CONDITIONS,
    DEEPER,
    INPUT,
    KERNELS,
    OWN_RATE,
    PENALISED,
    SHRUNK,
)
from convsim.experiments.contrasts import CONTRASTS, INPUT_CONTRASTS
from convsim.experiments.spectra import SPECTRA
from convsim.models import ShallowCNN
from convsim.training import minimize_similarity
from tests.small_sweeps import TEST, TRAIN, layer_weights

pytestmark = pytest.mark.usefixtures("one_thread")


def kernel_norms(weight: Tensor) -> Tensor:
    return weight.flatten(1).norm(dim=1)


def default(seed: int = 3, width: int = 8) -> ShallowCNN:
    torch.manual_seed(seed)
    return ShallowCNN(width)


@cache
def initial(condition: str, seed: int = 3) -> ShallowCNN:
    settings = TrainingSettings(condition, width=8, seed=seed, iterations=100)
    torch.manual_seed(99)  # plays no part
    model, seconds = initialise(settings, "cpu")
    assert seconds >= 0
    # Whatever is not a convolution's weight is PyTorch's default.
    for name, value in default(seed).state_dict().items():
        if not (name.endswith(".0.weight") and "blocks" in name):
            assert torch.equal(value, model.state_dict()[name])
    assert isinstance(model, ShallowCNN)
    return model


@pytest.mark.parametrize("condition", ["baseline", "regularise", "decay", "learning-rate", "decov"])
def test_conditions_that_start_from_the_default(condition: str) -> None:
    pairs = zip(layer_weights(initial(condition)), layer_weights(default()), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_init_is_algorithm_1() -> None:
    expected = minimize_similarity(default(), iterations=100)
    for ours, theirs in zip(layer_weights(initial("init")), layer_weights(expected), strict=True):
        assert torch.equal(ours, theirs)


def test_scale_free_keeps_every_kernels_norm() -> None:
    for ours, start in zip(
        layer_weights(initial("scale-free")), layer_weights(default()), strict=True
    ):
        torch.testing.assert_close(kernel_norms(ours), kernel_norms(start), rtol=1e-4, atol=0)
        lowered = convolutional_similarity(ours, normalized=True)
        assert lowered < 0.95 * convolutional_similarity(start, normalized=True)


@pytest.mark.parametrize(
    ("condition", "unshrunk"),
    [("scale", "baseline"), ("both", "scale-free"), ("random-bands-scale", "random-bands")],
)
def test_layers_are_shrunk_as_algorithm_1_shrinks_the_defaults(
    condition: str, unshrunk: str
) -> None:
    networks = map(initial, (condition, unshrunk, "init", "baseline"))
    for ours, long, shrunk, start in zip(*map(layer_weights, networks), strict=True):
        factor = shrunk.norm() / start.norm()
        assert factor < 0.95
        torch.testing.assert_close(ours, long * factor)


def band(weight: Tensor) -> np.ndarray:
    """``cos ω`` of each kernel along both axes, ``(S, 2)``; fails if a kernel is no plane wave."""
    columns = []
    for kernels in (weight.double(), weight.double().transpose(2, 3)):
        ends, centre = kernels[:, :, 0] + kernels[:, :, 2], kernels[:, :, 1]
        cosine = (ends * centre).sum((1, 2)) / centre.square().sum((1, 2)) / 2
        torch.testing.assert_close(ends, 2 * cosine[:, None, None] * centre, rtol=0, atol=1e-5)
        columns.append(cosine.numpy())
    return np.stack(columns, axis=1)


def mean_spectrum(weight: Tensor) -> np.ndarray:
    transform = np.fft.fft2(weight.double().numpy(), s=(8, 8))
    return (np.abs(transform) ** 2).sum(1).mean(0)


BANDS = ["random-bands", "same-band", "balanced-bands", "random-bands-rate"]


@pytest.mark.parametrize("condition", BANDS)
def test_bands_have_the_defaults_norms_and_the_seeds_frequencies(condition: str) -> None:
    again = initial.__wrapped__(condition)
    networks = [initial(condition), again, initial(condition, seed=4), default()]
    for ours, again, other, start in zip(*map(layer_weights, networks), strict=True):
        torch.testing.assert_close(kernel_norms(ours), kernel_norms(start), rtol=1e-5, atol=0)
        assert torch.equal(ours, again)
        assert np.abs(band(ours) - band(other)).mean() > 0.1
        with pytest.raises(AssertionError):
            band(start)


def test_same_band_is_one_for_a_layer_and_random_bands_are_not() -> None:
    same, random = (
        [band(weight) for weight in layer_weights(initial(condition))] for condition in BANDS[1::-1]
    )
    for layer in same:
        np.testing.assert_allclose(layer, layer[:1].repeat(len(layer), 0), atol=1e-4)
    assert all(np.abs(same[i] - same[j]).max() > 0.01 for i in range(4) for j in range(i))
    assert all(layer.std(0).min() > 0.3 for layer in random)
    rate = layer_weights(initial("random-bands-rate"))
    assert all(map(torch.equal, rate, layer_weights(initial("random-bands"))))


def test_balanced_bands_come_closer_to_the_defaults_mean_spectrum() -> None:
    networks = [initial("balanced-bands"), initial("random-bands"), default()]
    for layer in zip(*map(layer_weights, networks), strict=True):
        balanced, random, wanted = map(mean_spectrum, layer)
        assert np.abs(balanced - wanted).max() < 0.5 * np.abs(random - wanted).max()


def test_the_conditions_on_kernels_are_those_of_the_plan() -> None:
    assert tuple(KERNELS) == plan.EVERY
    groups = (KERNELS, INPUT, SHRUNK, PENALISED, DEEPER, SPECTRA, OWN_RATE)
    assert list(CONDITIONS) == [name for group in groups for name in group]
    assert len(CONDITIONS) == sum(map(len, groups))  # no name twice
    for contrasts, names in ((CONTRASTS, KERNELS), (INPUT_CONTRASTS, CONDITIONS)):
        assert {name for pair in contrasts for name in pair} <= set(names)
    # Each is compared with something, and with what it starts from.
    assert {name for name, _ in INPUT_CONTRASTS} == {*INPUT, *SHRUNK} - {"extra-layer"}
    for name in SHRUNK:
        assert (name, "scale") in INPUT_CONTRASTS


def test_the_conditions_that_go_deeper_are_in_the_plan_and_can_be_told_apart() -> None:
    planned = {run.condition for run in plan.planned()}
    assert {*DEEPER} <= planned
    # Starts that are compared with others are drawn apart from what they are compared with.
    for name, beside in (
        ("regularise-falling", ("regularise", "baseline")),
        ("unit-variance", (*plan.UNIT[1:], "init", "scale")),
    ):
        assert len({CONDITIONS[other].dash for other in (name, *beside)}) == 1 + len(beside)
    assert not any(condition.kept for condition in DEEPER.values())


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_condition_trains_as_it_says(condition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def stop(*_: Any, **options: Any) -> None:
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar10, "fit", stop)
    # A start that tries an epoch trains as well; it has tests of its own.
    monkeypatch.setattr(preparations, "TRIALS", 0)
    with pytest.raises(KeyboardInterrupt):
        measure(TrainingSettings(condition, width=4, iterations=1), TRAIN, TEST, choice=0.25)
    tuned = condition in ("learning-rate", "random-bands-rate", *OWN_RATE)
    assert given["lr"] == (0.25 if tuned else 0.01)
    assert given.get("weight_decay", 0.0) == (0.25 if condition == "decay" else 0.0)
    decorrelated = condition in ("decov", "decov-scale")
    assert given.get("decorrelation", 0.0) == (0.25 if decorrelated else 0.0)
    assert given.get("strength", 0.0) == (0.25 if condition in PENALISED else 0.0)
    assert given["beta"] == (1e-3 if condition.startswith("regularise") else 0.0)
    assert given.get("beta_follows_loss", False) == (condition == "regularise-falling")
    assert given["optimizer"] == "SGD"
    assert (given["epochs"], given["batch_size"], given["precision"]) == (100, 512, "bfloat16")
