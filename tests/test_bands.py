"""Band kernels against the wave equation, closed forms and NumPy's transform."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from convsim import convolutional_similarity
from convsim.balance import balanced_bands
from convsim.bands import HIGH, LOW, band_kernels, draw_frequencies, noise_kernels

SHAPES = [(5, 3, 6), (4, 3, 4, 5), (3, 2, 3, 4, 3)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(sum(shape)))


def default_weight(count: int, channels: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return nn.Conv2d(channels, count, 3).weight.detach()


def numpy_norms(weight: Tensor) -> np.ndarray:
    return np.sqrt([(kernel.double().numpy() ** 2).sum() for kernel in weight])


def mean_spectrum(weight: Tensor) -> np.ndarray:
    kernels = weight.double().numpy()
    axes = tuple(range(2, kernels.ndim))
    transform = np.fft.fftn(kernels, s=[16] * len(axes), axes=axes)
    return (np.abs(transform) ** 2).sum(axis=1).mean(axis=0)


def neighbours(kernel: np.ndarray, direction: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """``K(x + e) + K(x - e)`` and ``K(x)``, at the taps where all three are inside."""
    taps = np.moveaxis(kernel, 0, -1)
    sums, centres = [], []
    for x in np.ndindex(taps.shape[:-1]):
        ahead = tuple(a + e for a, e in zip(x, direction, strict=True))
        behind = tuple(a - e for a, e in zip(x, direction, strict=True))
        if all(
            0 <= a < n for p in (ahead, behind) for a, n in zip(p, taps.shape[:-1], strict=True)
        ):
            sums.append(taps[ahead] + taps[behind])
            centres.append(taps[x])
    return np.array(sums), np.array(centres)


def cosines(weight: Tensor) -> np.ndarray:
    """``cos ω_e`` of each kernel along each axis, ``(S, dims)``; fails if a kernel is no wave."""
    rows = []
    for kernel in weight.double().numpy():
        row = []
        for direction in np.eye(kernel.ndim - 1, dtype=int):
            sums, centres = neighbours(kernel, tuple(direction))
            cosine = (sums * centres).sum() / (centres**2).sum() / 2
            np.testing.assert_allclose(sums, 2 * cosine * centres, atol=1e-5 * np.abs(kernel).max())
            row.append(cosine)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_frequencies_are_uniform_on_the_half_cube(dims: int) -> None:
    frequencies = draw_frequencies(4000, dims, generator=seeded(0))
    assert frequencies.shape == (4000, dims)
    assert frequencies.dtype == torch.float64
    axes = frequencies.numpy().T
    for axis in axes[:-1]:
        assert scipy.stats.kstest(axis, "uniform", (-math.pi, 2 * math.pi)).pvalue > 0.01
    assert scipy.stats.kstest(axes[-1], "uniform", (0, math.pi)).pvalue > 0.01
    assert axes[-1].min() >= 0
    assert np.abs(np.corrcoef(axes) - np.eye(dims)).max() < 0.05


@pytest.mark.parametrize("shape", SHAPES)
def test_a_band_kernel_is_a_wave_of_its_frequency_in_every_channel(shape: tuple[int, ...]) -> None:
    like = random(*shape)
    frequencies = draw_frequencies(shape[0], len(shape) - 2, generator=seeded(1))
    weight = band_kernels(like, frequencies, generator=seeded(2))
    for kernel, frequency in zip(weight.numpy(), frequencies.numpy(), strict=True):
        for direction in product((-1, 0, 1), repeat=len(frequency)):
            sums, centres = neighbours(kernel, direction)
            expected = 2 * np.cos(frequency @ direction) * centres
            np.testing.assert_allclose(sums, expected, atol=1e-12)
    np.testing.assert_allclose(numpy_norms(weight), numpy_norms(like), rtol=1e-12)


def test_amplitudes_are_rayleigh_and_phases_uniform() -> None:
    weight = band_kernels(random(1, 4000, 2), torch.tensor([[1.0]]), generator=seeded(0))
    first, second = weight[0].numpy().T  # a, and a cos 1 + b sin 1
    wave = first + 1j * (second - first * np.cos(1)) / np.sin(1)
    power = np.abs(wave) ** 2
    assert scipy.stats.kstest(power / power.mean(), "expon").pvalue > 0.01
    phases = scipy.stats.kstest(np.angle(wave), "uniform", (-math.pi, 2 * math.pi))
    assert phases.pvalue > 0.01


def test_one_frequency_for_all_kernels() -> None:
    frequency = torch.tensor([[0.4, 2.5]], dtype=torch.float64)
    weight = band_kernels(random(6, 3, 4, 4), frequency, generator=seeded(0))
    np.testing.assert_allclose(cosines(weight), np.cos([[0.4, 2.5]] * 6), rtol=1e-12)
    directions = weight.flatten(1) / weight.flatten(1).norm(dim=1, keepdim=True)
    assert (directions @ directions.T - torch.eye(6)).abs().max() < 0.95  # yet no two are equal


def radii(frequencies: Tensor) -> np.ndarray:
    """Volumes of the cubes around 0 that frequencies lie on, as shares of the largest."""
    return (np.abs(frequencies.numpy()).max(axis=1) / math.pi) ** frequencies.shape[1]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("even", [False, True])
def test_frequencies_fill_a_part_of_the_cube_uniformly(dims: int, even: bool) -> None:
    for low, high in (LOW, HIGH, (0.2, 0.3)):
        frequencies = draw_frequencies(
            4096, dims, generator=seeded(0), between=(low, high), even=even
        )
        shares = radii(frequencies)
        assert low <= shares.min() < shares.max() <= high
        assert scipy.stats.kstest(shares, "uniform", (low, high - low)).pvalue > 0.01
        # In every direction alike: each face of the cube has as many, the last axis' but one.
        outermost = np.abs(frequencies.numpy()).argmax(axis=1)
        assert np.bincount(outermost) == pytest.approx(np.full(dims, 4096 / dims), rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_even_frequencies_leave_no_gap_and_random_ones_do(seed: int) -> None:
    edges = [np.linspace(-math.pi, math.pi, 9), np.linspace(0, math.pi, 9)]
    even, chance = (
        np.histogram2d(*draw_frequencies(64, 2, generator=seeded(seed), even=how).T, bins=edges)[0]
        for how in (True, False)
    )
    assert (even == 1).all()  # one in each of 64 squares
    assert (chance == 0).sum() > 10


@pytest.mark.parametrize("width", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("kernel_size", [(6,), (3, 4), (2, 3, 2)])
def test_a_band_has_the_covariance_of_its_width(width: float, kernel_size: tuple[int, ...]) -> None:
    dims = len(kernel_size)
    frequency = draw_frequencies(1, dims, generator=seeded(1))
    # Channels are independent draws: their second moments estimate the covariance.
    like = torch.ones(1, 40000, *kernel_size)
    weight = band_kernels(like, frequency, width=width, generator=seeded(0))
    taps = weight[0].flatten(1).double().numpy()
    found = taps.T @ taps / np.trace(taps.T @ taps) * taps.shape[1]
    x = np.array(list(np.ndindex(*kernel_size)))
    lags = x[:, None] - x
    expected = np.cos(lags @ frequency[0].numpy()) * np.exp(-(width**2) * (lags**2).sum(-1) / 2)
    np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("between", [(0.0, 1.0), LOW, HIGH])
@pytest.mark.parametrize("kernel_size", [(5,), (3, 3)])
def test_noise_is_a_mixture_of_the_waves_of_its_part(
    between: tuple[float, float], kernel_size: tuple[int, ...]
) -> None:
    noise = noise_kernels(torch.ones(1, 40000, *kernel_size), between, generator=seeded(0))
    waves = draw_frequencies(200000, len(kernel_size), generator=seeded(1), between=between)
    taps = noise[0].flatten(1).double().numpy()
    found = taps.T @ taps / np.trace(taps.T @ taps) * taps.shape[1]
    x = np.array(list(np.ndindex(*kernel_size)))
    expected = [[np.cos(waves.numpy() @ (a - b)).mean() for b in x] for a in x]
    np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("width", [0.0, 0.8])
def test_a_band_keeps_norms_and_dead_kernels(width: float) -> None:
    like = random(12, 2, 3, 3)
    like[4] = 0
    weight = band_kernels(
        like, draw_frequencies(12, 2, generator=seeded(0)), width=width, generator=seeded(0)
    )
    np.testing.assert_allclose(numpy_norms(weight), numpy_norms(like), rtol=1e-12)


def draw_kernels(like: Tensor, *, generator: torch.Generator) -> Tensor:
    return band_kernels(like, torch.ones(1, like.ndim - 2), generator=generator)


def draw_as_many(like: Tensor, *, generator: torch.Generator) -> Tensor:
    return draw_frequencies(len(like), like.ndim - 2, generator=generator)


@pytest.mark.parametrize("draw", [draw_as_many, draw_kernels, balanced_bands])
def test_the_generator_alone_decides(draw: Callable[..., Tensor]) -> None:
    like = random(12, 2, 3, 3)
    state = torch.get_rng_state()
    first, same, other = (draw(like, generator=seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, same)
    assert (first - other).abs().mean() > 0.1
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("draw", [draw_kernels, balanced_bands])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_dtype_follows_and_only_the_result_is_rounded(
    draw: Callable[..., Tensor], dtype: torch.dtype
) -> None:
    like = random(12, 2, 3, 3).to(dtype).requires_grad_()
    weight = draw(like, generator=seeded(0))
    assert weight.dtype == dtype
    assert not weight.requires_grad
    exact = draw(like.detach().double(), generator=seeded(0))
    assert torch.equal(weight, exact.to(dtype))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("draw", [draw_kernels, balanced_bands])
def test_device_follows_and_the_numbers_stay(draw: Callable[..., Tensor]) -> None:
    like = random(12, 2, 3, 3)
    weight = draw(like.cuda(), generator=seeded(0))
    assert weight.is_cuda
    assert torch.equal(weight.cpu(), draw(like, generator=seeded(0)))


@pytest.mark.parametrize("draw", [draw_kernels, balanced_bands])
def test_dead_kernels_stay_dead(draw: Callable[..., Tensor]) -> None:
    like = random(12, 2, 3, 3)
    like[4] = 0
    weight = draw(like, generator=seeded(0))
    np.testing.assert_allclose(numpy_norms(weight), numpy_norms(like), rtol=1e-12)
    assert not draw(torch.zeros(3, 2, 3, 3), generator=seeded(0)).any()


def test_similarities_at_64_kernels_of_64_channels() -> None:
    like = default_weight(64, 64)
    frequency = draw_frequencies(1, 2, generator=seeded(0))
    value = {
        name: convolutional_similarity(weight, normalized=True).item()
        for name, weight in {
            "default": like,
            "random": band_kernels(
                like, draw_frequencies(64, 2, generator=seeded(0)), generator=seeded(0)
            ),
            "balanced": balanced_bands(like, generator=seeded(0)),
            "same": band_kernels(like, frequency, generator=seeded(0)),
        }.items()
    }
    assert value["default"] > 0.97
    assert 0.30 < value["random"] < 0.45
    assert 0.30 < value["balanced"] < 0.45
    assert value["same"] > 0.9


LIKE = torch.ones(4, 2, 3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda g: draw_frequencies(0, 2, generator=g),
            "count is 0; expected at least 1 frequency: pass one a kernel",
        ),
        (
            lambda g: draw_frequencies(3, 4, generator=g),
            "dims is 4; expected 1, 2 or 3 spatial axes",
        ),
        (
            lambda g: band_kernels(LIKE, torch.ones(4, 1), generator=g),
            r"frequencies has shape \(4, 1\) and like \(4, 2, 3, 3\); expected \(4, 2\) or "
            r"\(1, 2\): a row for each kernel or one row for all, a number for each kernel axis",
        ),
        (
            lambda g: band_kernels(LIKE, torch.ones(2), generator=g),
            r"frequencies has shape \(2,\), 1 axes; expected at least 2",
        ),
        (
            lambda g: band_kernels(LIKE, torch.full((4, 2), math.nan), generator=g),
            r"frequencies of shape \(4, 2\) has 8 NaN or infinite values",
        ),
        (
            lambda g: draw_frequencies(3, 2, generator=g, between=(0.5, 0.5)),
            r"between is \(0.5, 0.5\); expected two shares of the cube of frequencies in order, "
            r"such as \(0, 0.5\) for its low half",
        ),
        (
            lambda g: noise_kernels(LIKE, (0.5, 1.5), generator=g),
            r"between is \(0.5, 1.5\); expected two shares",
        ),
        (
            lambda g: band_kernels(LIKE, torch.ones(4, 2), width=-1.0, generator=g),
            "width is -1.0; expected a finite number, 0 or more",
        ),
        (
            lambda g: band_kernels(torch.ones(4, 2), torch.ones(1, 1), generator=g),
            r"like has shape \(4, 2\), 2 axes; expected at least 3",
        ),
        (
            lambda g: balanced_bands(torch.ones(2, 1, 1, 1, 1, 1), generator=g),
            r"like has shape \(2, 1, 1, 1, 1, 1\), 6 axes; expected 3 to 5, "
            r"\(S, C, \*kernel_size\) with one to three kernel axes: pass the weight of one layer",
        ),
        (
            lambda g: balanced_bands(LIKE.long(), generator=g),
            "like has dtype torch.int64; expected a floating-point dtype",
        ),
    ],
)
def test_errors(call: Callable[[torch.Generator], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(seeded(0))
