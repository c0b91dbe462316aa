"""Starts from the spectrum: in place, at norms that are kept, with the similarity they promise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.integrate
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from convsim import convolutional_similarity, starts
from convsim.bands import HIGH, LOW
from convsim.layers import convolutional_layers
from tests.test_bands import cosines, mean_spectrum, numpy_norms, seeded

STARTS = [starts.random_bands_, starts.even_bands_, starts.flat_bands_, starts.gabor_]


def default(*shape: int, seed: int = 0) -> nn.Parameter:
    torch.manual_seed(seed)
    return nn.Parameter(torch.randn(*shape, dtype=torch.float64))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("shape", [(16, 3, 7), (12, 2, 5, 6), (12, 2, 5, 5, 5)])
def test_a_start_works_in_place_and_keeps_norms(
    start: Callable[..., Tensor], shape: tuple[int, ...]
) -> None:
    weight = default(*shape)
    before, place = weight.detach().clone(), weight.data_ptr()
    assert start(weight, generator=seeded(1)) is weight
    assert weight.data_ptr() == place and weight.requires_grad and weight.grad_fn is None
    np.testing.assert_allclose(numpy_norms(weight.detach()), numpy_norms(before), rtol=1e-12)
    assert (weight - before).abs().mean() > 0.1


@pytest.mark.parametrize("start", STARTS)
def test_the_generator_decides_and_by_default_pytorchs_own(start: Callable[..., Tensor]) -> None:
    def draw(generator: torch.Generator | None) -> Tensor:
        return start(default(8, 2, 5, 5), generator=generator).detach()

    assert torch.equal(draw(seeded(3)), draw(seeded(3)))
    assert not torch.equal(draw(seeded(3)), draw(seeded(4)))
    weights = default(8, 2, 5, 5), default(8, 2, 5, 5)
    found = []
    for weight, seed in zip(weights, (7, 7), strict=True):
        torch.manual_seed(seed)
        found.append(start(weight).detach())
    assert torch.equal(*found)


@pytest.mark.parametrize("start", STARTS)
def test_a_norm_for_all_kernels_and_none_for_what_is_dead(start: Callable[..., Tensor]) -> None:
    weight = start(torch.full((6, 3, 5, 5), math.nan), norm=math.sqrt(2), generator=seeded(0))
    np.testing.assert_allclose(numpy_norms(weight), math.sqrt(2), rtol=1e-5)
    like = default(12, 3, 5, 5).detach()
    like[2] = 0
    assert not start(like, generator=seeded(0))[2].any()
    assert like.isfinite().all()


def test_a_kernel_of_square_norm_two_keeps_the_power_behind_a_relu() -> None:
    x = torch.randn(64, 32, 12, 12, generator=seeded(0)).relu()
    for seed in range(4):
        weight = starts.random_bands_(
            torch.empty(128, 32, 3, 3), norm=math.sqrt(2), generator=seeded(seed)
        )
        centred = torch.nn.functional.conv2d(x - x.mean(), weight).relu()
        # Relu of white noise: variance (1 - 1/π)/2 a tap; what follows is halved again.
        expected = 2 * x.var() / 2
        assert centred.square().mean().item() == pytest.approx(expected.item(), rel=0.1)


@pytest.mark.parametrize("start", [starts.random_bands_, starts.even_bands_])
def test_each_kernel_is_one_wave_and_the_layer_has_many(start: Callable[..., Tensor]) -> None:
    weight = start(default(64, 5, 4, 4), generator=seeded(0)).detach()
    found = cosines(weight)  # fails if a kernel is none
    assert found.std(axis=0).min() > 0.6
    low, high = (
        cosines(start(default(64, 5, 4, 4), between=part, generator=seeded(0)).detach())
        for part in (LOW, HIGH)
    )
    edge = math.cos(math.pi * math.sqrt(0.5))
    assert (low > edge).all() and (high < edge).any(axis=1).all()
    with pytest.raises(AssertionError):
        cosines(start(default(64, 5, 4, 4), width=1.0, generator=seeded(0)).detach())


def test_flat_bands_are_flat_where_random_ones_are_not() -> None:
    flat, random = (
        mean_spectrum(start(default(64, 8, 3, 3), generator=seeded(0)).detach())
        for start in (starts.flat_bands_, starts.random_bands_)
    )
    np.testing.assert_allclose(flat, flat.mean(), rtol=1e-9)
    assert np.abs(random / random.mean() - 1).max() > 0.05


def test_a_gabor_kernel_is_a_wave_behind_a_window() -> None:
    weight = starts.gabor_(default(6, 3, 9, 5), window=0.2, generator=seeded(0)).detach()
    x, y = np.arange(9) - 4, np.arange(5) - 2
    window = np.exp(-((x / 1.8) ** 2) / 2)[:, None] * np.exp(-(y**2) / 2)
    assert np.isfinite(cosines(weight / torch.from_numpy(window))).all()  # fails if no wave is left
    with pytest.raises(AssertionError):
        cosines(weight)


@pytest.mark.parametrize("kernel_size", [(3,), (6,), (3, 3), (4, 2), (3, 2, 3)])
@pytest.mark.parametrize("width", [0.0, 0.7])
@pytest.mark.parametrize("between", [(0.0, 1.0), LOW])
def test_wide_layers_have_the_similarity_that_is_expected(
    kernel_size: tuple[int, ...], width: float, between: tuple[float, float]
) -> None:
    options = {"width": width, "between": between}
    layers = [
        torch.stack(
            [
                convolutional_similarity(
                    start(torch.ones(64, 400, *kernel_size), generator=seeded(seed), **options),
                    normalized=True,
                )
                for seed in range(4)
            ]
        ).mean()
        for start in (starts.random_bands_, starts.even_bands_)
    ]
    independent = starts.expected_similarity(kernel_size, **options)
    assert layers[0].item() == pytest.approx(independent, rel=0.08)
    even = starts.expected_similarity(kernel_size, kernels=64, **options)
    assert even < independent
    assert layers[1].item() == pytest.approx(even, rel=0.02)


def test_why_the_similarity_of_3_by_3_waves_is_near_a_third() -> None:
    """By an integral over all frequencies of the closed form of |A|², lag by lag."""

    def mean_of(lag: int, other: int) -> float:
        def integrand(a: float, b: float) -> float:
            weights = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]) / 9
            lags = np.arange(-2, 3)
            waves = np.cos(a * lags[:, None] + b * lags)
            norm = math.sqrt(((weights * waves) ** 2).sum())
            return float(weights[lag + 2, other + 2] * waves[lag + 2, other + 2] / norm)

        total, _ = scipy.integrate.dblquad(integrand, 0, math.pi, -math.pi, math.pi, epsabs=1e-3)
        return total / (2 * math.pi**2)

    # Lag 0 has nearly all of it; lags of which half are odd average out.
    assert mean_of(0, 0) ** 2 == pytest.approx(0.37, abs=0.005)
    assert abs(mean_of(0, 1)) < 1e-3
    total = mean_of(0, 0) ** 2 + sum(
        mean_of(a, b) ** 2 for a, b in ((0, 2), (0, -2), (2, 0), (-2, 0), (2, 2), (2, -2))
    )
    total += sum(mean_of(a, b) ** 2 for a, b in ((-2, 2), (-2, -2)))
    assert starts.expected_similarity([3, 3]) == pytest.approx(total, abs=1e-3)


def test_one_tap_has_one_spectrum_and_white_bands_are_alike() -> None:
    assert starts.expected_similarity([1, 1]) == pytest.approx(1)
    assert starts.expected_similarity([3, 3], width=20.0) == pytest.approx(1)
    widths = [starts.expected_similarity([5], width=0.3 * n) for n in range(8)]
    assert widths == sorted(widths)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=2)
    ).double()


def test_a_network_gets_its_start_but_for_layers_of_one_tap() -> None:
    before, model = dict(convolutional_layers(network())), network()
    assert starts.apply_(model, generator=seeded(0)) is model
    for name, layer in convolutional_layers(model):
        changed = not torch.equal(layer.weight, before[name].weight)
        assert changed == (name != "1")
        if changed:
            cosines(layer.weight.detach())
        assert torch.equal(layer.bias, before[name].bias)
    chosen = starts.apply_(network(), starts.even_bands_, layers=["3"], generator=seeded(0))
    assert torch.equal(chosen[0].weight, before["0"].weight)
    assert not torch.equal(chosen[3].weight, before["3"].weight)
    orthogonal = starts.apply_(network(), nn.init.orthogonal_)
    rows = orthogonal[0].weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(16, dtype=torch.float64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: starts.gabor_(torch.ones(4, 2, 5, 3)),
            r"the kernels' size is \(5, 3\); expected 5 taps or more on every axis: a window over "
            "fewer cuts off most of a wave; use random_bands_",
        ),
        (
            lambda: starts.gabor_(torch.ones(4, 2, 5), window=0.0),
            "window is 0.0; expected a finite share of the size, above 0",
        ),
        (
            lambda: starts.random_bands_(torch.full((4, 2, 3), math.nan)),
            r"weight of shape \(4, 2, 3\) has 24 NaN or infinite values",
        ),
        (
            lambda: starts.random_bands_(torch.ones(4, 2, 3), norm=-1.0),
            "norm is -1.0; expected a finite number, 0 or more",
        ),
        (
            lambda: starts.even_bands_(torch.ones(4, 2)),
            r"weight has shape \(4, 2\), 2 axes; expected at least 3",
        ),
        (
            lambda: starts.apply_(network(), layers=["0", "7"]),
            "layers has '7', which is no convolution of the model; expected some of '0', '1', '3'",
        ),
        (
            lambda: starts.apply_(network(), starts.gabor_),
            r"layer '0': the kernels' size is \(3, 3\); expected 5 taps",
        ),
        (lambda: starts.apply_(nn.Linear(2, 2)), "Linear"),
        (
            lambda: starts.apply_(nn.Sequential(weight_norm(nn.Conv1d(2, 2, 3)))),
            "layer '0' computes its weight from other tensors",
        ),
        (
            lambda: starts.expected_similarity([3, 0]),
            "an entry of kernel_size is 0; expected a whole number of taps, 1 or more",
        ),
        (
            lambda: starts.expected_similarity([3], kernels=1),
            "kernels is 1; expected a whole number, 2 or more",
        ),
        (lambda: starts.expected_similarity([]), "dims is 0; expected 1, 2 or 3"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
