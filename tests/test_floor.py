"""The lower bound of L_CS at fixed norms, and the kernels that set it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.signal import correlate

from convsim import convolutional_similarity
from convsim.floor import (
    floor_share,
    sharpest_kernel,
    similarity_floor,
    spectral_concentration,
    spectral_peak,
)


def sharpness(kernel: np.ndarray) -> float:
    """‖A‖² / ‖K‖⁴ of a kernel (C, *kernel_size), SciPy correlating."""
    rows = sum(correlate(channel, channel) for channel in kernel)
    return float((rows**2).sum() / (kernel**2).sum() ** 2)


@pytest.mark.parametrize(
    ("kernel_size", "peak"),
    [
        ((1,), Fraction(1)),
        ((2,), Fraction(3, 2)),
        ((3,), Fraction(15, 7)),
        ((1, 3), Fraction(15, 7)),
        ((3, 3), Fraction(15, 7) ** 2),
        ((2, 3, 3), Fraction(3, 2) * Fraction(15, 7) ** 2),
    ],
)
def test_closed_forms(kernel_size: tuple[int, ...], peak: Fraction) -> None:
    assert spectral_peak(kernel_size) == pytest.approx(float(peak), rel=1e-14)
    kernel = sharpest_kernel(kernel_size)
    assert tuple(kernel.shape) == kernel_size and kernel.dtype == torch.float64
    assert kernel.norm().item() == pytest.approx(1, rel=1e-14)
    assert sharpness(kernel.numpy()[None]) == pytest.approx(float(peak), rel=1e-14)


@pytest.mark.parametrize("shape", [(1, 4), (1, 7), (2, 5), (1, 2, 3), (2, 3, 3), (3, 3, 3)])
def test_scipy_finds_the_same_maximum_with_any_number_of_channels(shape: tuple[int, ...]) -> None:
    """BFGS knows nothing of products over the axes, of symmetry or of channels."""
    rng = np.random.default_rng(0)
    ends = [
        -minimize(lambda k: -sharpness(k.reshape(shape)), rng.standard_normal(shape).ravel()).fun
        for _ in range(12)
    ]
    assert max(ends) == pytest.approx(spectral_peak(shape[1:]), rel=1e-6)


@pytest.mark.parametrize("shape", [(4, 2, 5), (4, 3, 3, 4), (3, 2, 2, 3, 2)])
def test_concentration_is_the_mean_square_of_a_spectrum_of_mean_1(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight[1] *= 1e-60  # its fourth power would be lost
    axes = tuple(range(2, len(shape)))
    transform = np.fft.fftn(weight.numpy(), s=[16] * len(axes), axes=axes)
    power = (np.abs(transform) ** 2).sum(axis=1).reshape(shape[0], -1)
    expected = (power**2).mean(axis=1) / power.mean(axis=1) ** 2
    np.testing.assert_allclose(spectral_concentration(weight), expected, rtol=1e-9)
    assert (expected > 1.05).all() and (expected <= spectral_peak(shape[2:])).all()


def test_concentration_at_its_ends_and_of_nothing() -> None:
    sharpest = sharpest_kernel([3, 3])[None, None]
    flat = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    flat[..., 1, 1] = -2
    found = spectral_concentration(torch.cat([sharpest, flat, torch.zeros_like(flat)]))
    assert found[:2].tolist() == pytest.approx([spectral_peak([3, 3]), 1])
    assert found[2].isnan()


def test_the_bounds_hold_whatever_the_norms() -> None:
    torch.manual_seed(0)
    near = 0.0
    for count, channels in ((2, 1), (5, 1), (12, 2), (40, 64)):
        for _ in range(20):
            weight = torch.randn(count, channels, 3, 3).double() * torch.rand(count, 1, 1, 1)
            loss, bound = convolutional_similarity(weight), similarity_floor(weight)
            assert 0 <= bound <= loss
            near = max(near, float(bound / loss))
            share = convolutional_similarity(weight, normalized=True)
            assert similarity_floor(weight, normalized=True) <= share
    assert near > 0.8


def test_bounds_of_equal_norms_in_closed_form() -> None:
    weight = torch.randn(64, 3, 3, 3).double()
    weight = 2 * weight / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    peak = (15 / 7) ** 2
    assert similarity_floor(weight).item() == pytest.approx(4**2 * 64 * (64 - peak) / 2)
    expected = (64 - peak) / (peak * 63)
    assert similarity_floor(weight, normalized=True).item() == pytest.approx(expected)
    weight[60:] = 0  # dead kernels have no direction
    expected = (60 - peak) / (peak * 59)
    assert similarity_floor(weight, normalized=True).item() == pytest.approx(expected)
    assert similarity_floor(weight).item() == pytest.approx(4**2 * 60 * (60 - peak) / 2)


def test_kernels_of_one_tap_are_at_their_bound() -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 3, 1, 1).double()
    loss = convolutional_similarity(weight)
    assert similarity_floor(weight).item() == pytest.approx(loss.item(), rel=1e-14)
    assert similarity_floor(weight, normalized=True).item() == 1


def test_too_few_or_dead_kernels_have_no_bound() -> None:
    for weight in (torch.ones(4, 1, 3, 3), torch.ones(1, 2, 3), torch.zeros(40, 2, 3)):
        assert similarity_floor(weight).item() == 0
        assert similarity_floor(weight, normalized=True).item() == 0
        assert floor_share(weight) is None


def test_a_share_does_not_depend_on_the_scale() -> None:
    torch.manual_seed(0)
    weight = torch.randn(9, 2, 3)
    share = floor_share(weight)
    assert share == pytest.approx(
        (similarity_floor(weight) / convolutional_similarity(weight)).item()
    )
    assert floor_share(weight * 1e-25) == pytest.approx(share, rel=1e-5)


@pytest.mark.parametrize(
    ("kernel_size", "message"),
    [
        ((), "dims is 0; expected 1, 2 or 3"),
        ((3, 3, 3, 3), "dims is 4; expected 1, 2 or 3"),
        ((3, 0), "an entry of kernel_size is 0; expected a whole number of taps, 1 or more"),
        ((2.5,), "an entry of kernel_size is 2.5; expected a whole number of taps"),
    ],
)
def test_sizes_that_are_none(kernel_size, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spectral_peak(kernel_size)


@pytest.mark.parametrize("normalized", [False, True])
def test_weights_that_are_none(normalized: bool) -> None:
    with pytest.raises(ValueError, match=r"weight of shape \(2, 1, 2\) has 4 NaN or infinite"):
        similarity_floor(torch.full((2, 1, 2), math.nan), normalized=normalized)
    with pytest.raises(ValueError, match="4 axes; expected|expected .* axes"):
        similarity_floor(torch.ones(2, 2), normalized=normalized)


def test_a_bound_that_overflows_is_an_error() -> None:
    with pytest.raises(ValueError, match="the lower bound of L_CS overflows torch.float32"):
        similarity_floor(torch.full((3, 1, 2), 1e10))
