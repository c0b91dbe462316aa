"""Band kernels against the wave equation, closed forms and NumPy's transform."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from unittest.mock import Mock

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from convsim import convolutional_similarity
from convsim.spectrum import kernel_autocorrelations
from convsim.training import bands
from convsim.training.bands import balanced_bands, band_kernels, draw_frequencies

SHAPES = [(5, 3, 6), (4, 3, 4, 5), (3, 2, 3, 4, 3)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(sum(shape)))


def default_weight(count: int, channels: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return nn.Conv2d(channels, count, 3).weight.detach()


def random_bands(like: Tensor, seed: int = 0) -> Tensor:
    """What :func:`balanced_bands` starts from, with the same seed."""
    generator = seeded(seed)
    frequencies = draw_frequencies(len(like), like.ndim - 2, generator=generator)
    return band_kernels(like, frequencies, generator=generator)


def numpy_norms(weight: Tensor) -> np.ndarray:
    return np.sqrt([(kernel.double().numpy() ** 2).sum() for kernel in weight])


def mean_spectrum(weight: Tensor) -> np.ndarray:
    kernels = weight.double().numpy()
    axes = tuple(range(2, kernels.ndim))
    transform = np.fft.fftn(kernels, s=[16] * len(axes), axes=axes)
    return (np.abs(transform) ** 2).sum(axis=1).mean(axis=0)


def worst_miss(weight: Tensor, like: Tensor) -> float:
    expected = mean_spectrum(like)
    return float(np.abs(mean_spectrum(weight) - expected).max() / expected.max())


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


def test_balanced_bands_have_the_mean_spectrum_of_a_default_weight() -> None:
    like = default_weight(64, 64)
    plain, balanced = random_bands(like), balanced_bands(like, generator=seeded(0))
    assert worst_miss(balanced, like) < 1e-6
    assert worst_miss(plain, like) > 0.1
    np.testing.assert_allclose(numpy_norms(balanced), numpy_norms(like), rtol=1e-6)
    # They are waves still, of frequencies as varied as before and not far from where they were.
    before, after = cosines(plain), cosines(balanced)
    np.testing.assert_allclose(after.std(axis=0), math.sqrt(0.5), rtol=0.15)
    assert 0.01 < np.abs(after - before).mean() < 0.2


@pytest.mark.parametrize("shape", [(16, 4, 5), (16, 1, 3, 3), (24, 3, 2, 5), (32, 2, 3, 2, 3)])
def test_balanced_to_rounding_on_any_number_of_axes(shape: tuple[int, ...]) -> None:
    like = random(*shape)
    assert worst_miss(random_bands(like), like) > 0.1
    assert worst_miss(balanced_bands(like, generator=seeded(0)), like) < 1e-12


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_balancing_does_not_depend_on_the_scale(scale: float) -> None:
    like = random(16, 3, 3, 3)
    expected = scale * balanced_bands(like, generator=seeded(0))
    weight = balanced_bands(scale * like, generator=seeded(0))
    np.testing.assert_allclose(weight, expected, rtol=1e-9)


def test_bands_that_are_balanced_already_are_left_alone() -> None:
    like = random_bands(random(16, 3, 3, 3), seed=5)
    np.testing.assert_allclose(balanced_bands(like, generator=seeded(5)), like, atol=1e-12)


def test_a_single_tap_has_no_frequency_to_move() -> None:
    like = random(4, 2, 1, 1)
    assert torch.equal(balanced_bands(like, generator=seeded(0)), random_bands(like))


@pytest.mark.parametrize("seed", range(4))
def test_too_few_kernels_come_closer_and_no_more(seed: int) -> None:
    like = default_weight(4, 64, seed)
    miss = worst_miss(balanced_bands(like, generator=seeded(seed)), like)
    assert 0.01 < miss < 0.5 * worst_miss(random_bands(like, seed), like)


@pytest.mark.parametrize("seed", range(4))
def test_as_many_unknowns_as_equations_come_far_closer(seed: int) -> None:
    like = default_weight(6, 3, seed)
    miss = worst_miss(balanced_bands(like, generator=seeded(seed)), like)
    assert miss < 0.25 * worst_miss(random_bands(like, seed), like)


def test_balancing_takes_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Mock(wraps=bands.jacobian_of_sum)
    monkeypatch.setattr(bands, "jacobian_of_sum", counted)
    balanced_bands(default_weight(64, 64), generator=seeded(0))
    assert 3 <= counted.call_count <= 12


@pytest.mark.parametrize("kernel_size", [(5,), (3, 2), (2, 3, 2)])
def test_the_jacobian_is_the_one_of_autograd(kernel_size: tuple[int, ...]) -> None:
    size, norms = torch.Size(kernel_size), torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64)
    coefficients = random(3, 4, 2)

    def total(frequencies: Tensor) -> Tensor:
        kernels = bands.kernels_of_waves(frequencies, coefficients, size, norms)
        return kernel_autocorrelations(kernels).sum(0)

    frequencies = draw_frequencies(3, len(size), generator=seeded(0))
    expected = torch.autograd.functional.jacobian(total, frequencies).flatten(1)
    jacobian = bands.jacobian_of_sum(frequencies, coefficients, size, norms)
    np.testing.assert_allclose(jacobian, expected, atol=1e-12)


def test_similarities_at_64_kernels_of_64_channels() -> None:
    like = default_weight(64, 64)
    frequency = draw_frequencies(1, 2, generator=seeded(0))
    value = {
        name: convolutional_similarity(weight, normalized=True).item()
        for name, weight in {
            "default": like,
            "random": random_bands(like),
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
