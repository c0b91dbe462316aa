"""The starts from the spectrum, taken apart: what each has of width, spread and place."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsim import convolutional_similarity, models
from convsim.experiments import cifar10
from convsim.experiments.choices import OWN_RATES, grid
from convsim.experiments.cifar10 import TrainingSettings, initialise, measure
from convsim.experiments.conditions import CONDITIONS, KERNELS, OWN_RATE
from convsim.experiments.spectra import (
    CELLS,
    FACTORIAL,
    OF_LAYERS,
    OTHER_STARTS,
    PARTS,
    SPECTRA,
    SPREADS,
    WIDE,
    WIDTHS,
    cell,
)
from convsim.experiments.sweep import CHOICE, TRAINING
from convsim.floor import spectral_concentration
from convsim.layers import convolutional_layers
from convsim.starts import expected_similarity
from tests.small_sweeps import TEST, TRAIN
from tests.test_bands import cosines, numpy_norms

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH = 64


@cache
def layers(condition: str, seed: int = 3, model: str = "ShallowCNN") -> list[Tensor]:
    settings = TrainingSettings(condition, width=WIDTH, seed=seed, model=model)
    network, _ = initialise(settings, "cpu")
    start = default(seed, model)
    for name, value in start.state_dict().items():
        if value.ndim != 4:
            assert torch.equal(value, network.state_dict()[name])
    return [layer.weight.detach() for _, layer in convolutional_layers(network)]


def default(seed: int = 3, model: str = "ShallowCNN") -> nn.Module:
    torch.manual_seed(seed)
    return models.build(model, WIDTH)


def default_layers(seed: int = 3) -> list[Tensor]:
    return [layer.weight.detach() for _, layer in convolutional_layers(default(seed))]


HELD = [name for name in SPECTRA if name not in OTHER_STARTS]


@pytest.mark.parametrize("name", HELD)
def test_norms_are_those_of_the_default_and_the_seed_decides(name: str) -> None:
    again = layers.__wrapped__(name)
    for ours, same, other, start in zip(
        layers(name), again, layers(name, 4), default_layers(), strict=True
    ):
        np.testing.assert_allclose(numpy_norms(ours), numpy_norms(start), rtol=1e-5)
        assert torch.equal(ours, same)
        assert not torch.equal(ours, other)


@pytest.mark.parametrize(("spread", "width", "part"), [
    (spread, width, part) for spread in SPREADS for width in WIDTHS for part in PARTS
])  # fmt: skip
def test_a_cell_has_its_width_its_spread_and_its_place(spread: str, width: str, part: str) -> None:
    weight = layers(cell(spread, width, part))[2].double()  # of 64 kernels and channels
    similarity = convolutional_similarity(weight, normalized=True).item()
    if spread == "same":
        assert similarity > 0.93
    else:
        expected = expected_similarity(
            [3, 3],
            width=WIDTHS[width],
            between=PARTS[part],
            kernels=WIDTH if spread == "even" else None,
        )
        assert similarity == pytest.approx(expected, rel=0.02 if spread == "even" else 0.12)
    narrow = spectral_concentration(weight).mean().item()
    if spread != "same":
        assert narrow > (2.4 if width == "" else 1.45)
    assert (width == "") == is_waves(weight)
    if width == "":
        outermost = np.arccos(np.clip(cosines(weight), -1, 1)).max(axis=1)
        edge = math.pi * math.sqrt(0.5)
        inside = (outermost < edge + 0.02).mean()
        if part:
            assert inside == (1 if part == "-low" else pytest.approx(0, abs=0.01))
        elif spread != "same":
            assert inside == pytest.approx(0.5, abs=0.15)
        if spread == "same":
            assert np.ptp(cosines(weight), axis=0).max() < 1e-4


def is_waves(weight: Tensor) -> bool:
    try:
        cosines(weight)
    except AssertionError:
        return False
    return True


def test_noise_is_alike_and_its_part_shows_in_its_mean_spectrum() -> None:
    shares = {}
    for part, between in PARTS.items():
        weight = layers(f"noise{part}")[2].double()
        assert convolutional_similarity(weight, normalized=True) > 0.95
        transform = np.fft.fft2(weight.numpy(), s=(16, 16))
        power = (np.abs(transform) ** 2).mean(axis=(0, 1))
        radius = np.abs(np.fft.fftfreq(16) * 2)
        low = np.maximum(radius[:, None], radius) ** 2 < 0.5
        shares[part] = power[low].sum() / power.sum()
        assert between == PARTS[part]
    # Seen through 3 x 3 taps, an edge is blurred.
    assert shares["-low"] > 0.65 > shares[""] > 0.4 > shares["-high"]
    assert shares[""] == pytest.approx(np.mean(low), abs=0.03)


def test_channels_with_bands_of_their_own_make_wide_kernels() -> None:
    weight = layers("channel-bands")[2]
    assert is_waves(weight[:4].reshape(-1, 1, 3, 3).double())
    assert spectral_concentration(weight).mean() < 1.1
    assert convolutional_similarity(weight, normalized=True) > 0.93


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("random-bands-first", (True, False, False, False)),
        ("random-bands-later", (False, True, True, True)),
        ("random-bands-last", (False, False, False, True)),
    ],
)
def test_bands_in_some_layers_alone(name: str, changed: tuple[bool, ...]) -> None:
    assert name in OF_LAYERS
    for ours, start, wanted in zip(layers(name), default_layers(), changed, strict=True):
        assert torch.equal(ours, start) != wanted
        assert is_waves(ours.double()) == wanted


def test_the_starts_of_others_are_what_they_are_called() -> None:
    first, *_, last = layers("orthogonal")
    torch.testing.assert_close(first.flatten(1).T @ first.flatten(1), torch.eye(27))
    torch.testing.assert_close(last.flatten(1) @ last.flatten(1).T, torch.eye(64))
    delta = layers("delta-orthogonal")
    for weight in delta:
        middle = weight[:, :, 1, 1]
        assert weight.square().sum() == pytest.approx(middle.square().sum())
        gram = middle.T @ middle
        torch.testing.assert_close(gram, torch.eye(len(gram)))
    for weight in layers("kaiming-uniform"):
        bound = math.sqrt(6 / weight[0].numel())
        assert 0.98 * bound < weight.abs().max() <= bound
        assert weight.var().item() == pytest.approx(bound**2 / 3, rel=0.1)


def test_gabor_functions_in_a_network_of_larger_kernels() -> None:
    gabor, start = (
        layers("gabor", model="ShallowCNN-5x5"),
        layers("baseline", model="ShallowCNN-5x5"),
    )
    bands = zip(layers("gabor"), layers("random-bands"), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in bands)
    middle = (Ellipsis, slice(1, 4), slice(1, 4))
    for ours, theirs in zip(gabor, start, strict=True):
        assert ours.shape[2:] == (5, 5)
        np.testing.assert_allclose(numpy_norms(ours), numpy_norms(theirs), rtol=1e-5)
        assert ours[middle].square().sum() > 0.7 * ours.square().sum()


def test_the_factorial_has_every_cell_and_no_name_twice() -> None:
    assert len(CELLS) == 18 and len(set(FACTORIAL)) == len(FACTORIAL) == 22
    assert {*FACTORIAL} <= {*CONDITIONS}
    assert not {*SPECTRA} & {*KERNELS}
    # The two that the book has had before are the same thing, by other words.
    for name in ("random-bands", "same-band"):
        settings = TrainingSettings(name, width=4, seed=1)
        old, _ = initialise(settings, "cpu")
        torch.manual_seed(1)
        new = models.ShallowCNN(4)
        (prepare,) = CELLS[name].prepare
        prepare(new, cifar10.Start(new, 0, 1))
        for (_, a), (_, b) in zip(*map(convolutional_layers, (old, new)), strict=True):
            assert torch.equal(a.weight, b.weight)
    assert WIDTHS["wide-"] == WIDE


@pytest.mark.parametrize("name", OWN_RATE)
def test_each_rival_searches_for_its_own_learning_rate(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = name.removesuffix("-own-rate")
    settings = TrainingSettings(name, seed=2, epochs=20, iterations=1)
    (task,) = TRAINING.tasks([settings])
    (need,) = [each for each in [TRAINING.needs(settings)] if each]
    assert need.experiment == CHOICE
    assert (need.settings.run.condition, need.settings.run.seed) == (name, 0)
    assert task.settings == settings
    assert grid("own_lr") == (OWN_RATES, 5)
    given: dict[str, Any] = {}

    def stop(*_: Any, **options: Any) -> None:
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar10, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        measure(TrainingSettings(name, width=4, iterations=1), TRAIN, TEST, choice=0.25)
    assert given["lr"] == 0.25 and "own_lr" not in given
    assert CONDITIONS[name].prepare == CONDITIONS[base].prepare and not CONDITIONS[name].kept
