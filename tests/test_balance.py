"""Bands whose mean spectrum is a given one, against NumPy's transform and autograd."""

from __future__ import annotations

import math
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from convsim import balance
from convsim.balance import balanced_bands
from convsim.bands import band_kernels, draw_frequencies, kernels_of_waves
from convsim.spectrum import kernel_autocorrelations
from tests.test_bands import cosines, default_weight, mean_spectrum, numpy_norms, random, seeded


def random_bands(like: Tensor, seed: int = 0) -> Tensor:
    """What :func:`balanced_bands` starts from, with the same seed."""
    generator = seeded(seed)
    frequencies = draw_frequencies(len(like), like.ndim - 2, generator=generator)
    return band_kernels(like, frequencies, generator=generator)


def worst_miss(weight: Tensor, like: Tensor) -> float:
    expected = mean_spectrum(like)
    return float(np.abs(mean_spectrum(weight) - expected).max() / expected.max())


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
    counted = Mock(wraps=balance.jacobian_of_sum)
    monkeypatch.setattr(balance, "jacobian_of_sum", counted)
    balanced_bands(default_weight(64, 64), generator=seeded(0))
    assert 3 <= counted.call_count <= 12


@pytest.mark.parametrize("kernel_size", [(5,), (3, 2), (2, 3, 2)])
def test_the_jacobian_is_the_one_of_autograd(kernel_size: tuple[int, ...]) -> None:
    size, norms = torch.Size(kernel_size), torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64)
    coefficients = random(3, 4, 2)

    def total(frequencies: Tensor) -> Tensor:
        kernels = kernels_of_waves(frequencies, coefficients, size, norms)
        return kernel_autocorrelations(kernels).sum(0)

    frequencies = draw_frequencies(3, len(size), generator=seeded(0))
    expected = torch.autograd.functional.jacobian(total, frequencies).flatten(1)
    jacobian = balance.jacobian_of_sum(frequencies, coefficients, size, norms)
    np.testing.assert_allclose(jacobian, expected, atol=1e-12)


def test_many_taps_and_few_channels_are_balanced_as_well() -> None:
    like = random(64, 40, 9, 9)  # its autocorrelations are fastest in one form, a pair's in another
    assert worst_miss(random_bands(like), like) > 0.1
    assert worst_miss(balanced_bands(like, generator=seeded(0)), like) < 0.05


@pytest.mark.parametrize("shape", [(32, 3, 5), (64, 64, 3, 3), (40, 2, 2, 3, 2)])
def test_flat_bands_have_a_flat_mean_spectrum(shape: tuple[int, ...]) -> None:
    like = random(*shape)
    spectrum = mean_spectrum(balanced_bands(like, generator=seeded(0), flat=True))
    np.testing.assert_allclose(spectrum, spectrum.mean(), rtol=1e-9)
    assert spectrum.mean() == pytest.approx(mean_spectrum(like).mean())
    assert np.abs(mean_spectrum(like) / spectrum - 1).max() > 0.01


def test_large_kernels_without_a_solution_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Mock(wraps=balance.jacobian_of_sum)
    monkeypatch.setattr(balance, "jacobian_of_sum", counted)
    like = random(4, 1, 15, 15)
    miss = worst_miss(balanced_bands(like, generator=seeded(0)), like)
    assert counted.call_count < 60
    assert miss < 0.9 * worst_miss(random_bands(like), like)


@pytest.mark.parametrize(
    ("shape", "small"),
    [((4, 8, 3, 3), True), ((8, 3, 5, 5), True), ((2, 1, 5, 5, 5), True), ((4, 1, 15, 15), False)],
)
def test_small_kernels_take_all_steps(
    shape: tuple[int, ...], small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = random(*shape)
    before = balanced_bands(like, generator=seeded(0))
    monkeypatch.setattr(balance, "_LEAST_GAIN", 0.0)  # then only rounding is a reason to stop
    assert torch.equal(balanced_bands(like, generator=seeded(0)), before) == small


def test_large_flat_bands_are_flatter_than_random_ones() -> None:
    like = random(64, 1, 15, 15)
    flat, plain = balanced_bands(like, generator=seeded(0), flat=True), random_bands(like)
    spread = [mean_spectrum(weight).std() for weight in (flat, plain)]
    assert spread[0] < 0.7 * spread[1]
