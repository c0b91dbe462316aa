"""Kernels with orthogonal maps: against maps that torch computes, and closed forms by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power, null_space, polar
from scipy.optimize import nnls
from torch import Tensor
from torch.nn.functional import conv2d

from convsim.patches import orthogonal_maps, patch_autocorrelation
from tests.test_patches import noise

MAPS = noise(6, 2, 9, 8)
WEIGHT = noise(5, 2, 3, 2, seed=1)
R = patch_autocorrelation(MAPS, (3, 2))


def flat(weight: Tensor) -> np.ndarray:
    return weight.flatten(1).numpy()


def cosines(maps: Tensor, *, centred: bool = False) -> np.ndarray:
    """|cos| of the pairs of maps, over images and positions."""
    rows = maps.transpose(0, 1).flatten(1).double().numpy()
    rows = rows - rows.mean(1, keepdims=True) if centred else rows
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.abs(rows @ rows.T)[np.triu_indices(len(rows), 1)]


def with_norms_of(rows: np.ndarray, weight: Tensor) -> np.ndarray:
    norms = np.linalg.norm(flat(weight), axis=1) / np.linalg.norm(rows, axis=1)
    return rows * norms[:, None]


def test_maps_are_orthogonal_and_norms_are_kept() -> None:
    found = orthogonal_maps(WEIGHT, R)
    assert cosines(conv2d(MAPS, WEIGHT)).max() > 0.1
    assert cosines(conv2d(MAPS, found)).max() <= 1e-10
    torch.testing.assert_close(found.flatten(1).norm(dim=1), WEIGHT.flatten(1).norm(dim=1))
    centred = orthogonal_maps(WEIGHT, patch_autocorrelation(MAPS, (3, 2), centered=True))
    assert cosines(conv2d(MAPS, centred), centred=True).max() <= 1e-10
    assert cosines(conv2d(MAPS, centred)).max() > 0.1


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_the_closed_form(eps: float) -> None:
    weight, matrix = flat(WEIGHT), R.numpy() + eps * np.trace(R.numpy()) / len(R) * np.eye(len(R))
    expected = fractional_matrix_power(weight @ matrix @ weight.T, -0.5) @ weight
    found = flat(orthogonal_maps(WEIGHT, R, eps=eps))
    np.testing.assert_allclose(found, with_norms_of(expected, WEIGHT), rtol=1e-8, atol=1e-10)


def test_of_all_orthogonal_maps_of_equal_power_these_are_the_nearest() -> None:
    found = flat(orthogonal_maps(WEIGHT, R))
    # Its scaling undone: maps of power 1.
    unit = found / np.sqrt(np.diag(found @ R.numpy() @ found.T))[:, None]

    def distance(rows: np.ndarray) -> float:
        apart = rows - flat(WEIGHT)
        return float(np.trace(apart @ R.numpy() @ apart.T))

    generator = np.random.default_rng(0)
    for strength in (1e-3, 0.1, 1.0, 10.0):
        for _ in range(20):
            random = strength * generator.standard_normal((5, 5))
            turn = polar(np.eye(5) + random)[0]
            assert distance(turn @ unit) > distance(unit)


def test_white_input_asks_for_the_polar_factor() -> None:
    expected = with_norms_of(polar(flat(WEIGHT))[0], WEIGHT)
    for matrix in (torch.eye(12), 7 * torch.eye(12, dtype=torch.float64)):
        np.testing.assert_allclose(flat(orthogonal_maps(WEIGHT, matrix)), expected, atol=1e-10)
    # So does a large ε, whatever the input is.
    np.testing.assert_allclose(flat(orthogonal_maps(WEIGHT, R, eps=1e9)), expected, atol=1e-6)
    assert np.abs(flat(orthogonal_maps(WEIGHT, R)) - expected).max() > 0.1


def test_more_kernels_than_taps_are_a_tight_frame_before_the_scaling() -> None:
    weight = noise(30, 2, 3, 2, seed=2)
    found = flat(orthogonal_maps(weight, R))
    # W = D⁻¹K' is one if WᵀW = R⁻¹: 78 equations for the 30 numbers in D⁻².
    above = np.triu_indices(12)
    products = np.stack([np.outer(row, row)[above] for row in found], axis=1)
    inverse = np.linalg.inv(R.numpy())
    squares, residual = nnls(products, inverse[above])
    assert residual < 1e-8 * np.linalg.norm(inverse[above])
    unscaled = np.sqrt(squares)[:, None] * found
    projector = unscaled @ R.numpy() @ unscaled.T
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-8)
    assert np.trace(projector) == pytest.approx(12)
    # And of all with that property, the nearest to K: the polar factor of its maps.
    root = fractional_matrix_power(R.numpy(), 0.5)
    np.testing.assert_allclose(unscaled @ root, polar(flat(weight) @ root)[0], atol=1e-6)


@pytest.mark.parametrize("eps", [0.0, 0.05])
def test_the_scale_of_the_input_and_of_the_kernels_does_not_matter(eps: float) -> None:
    found = orthogonal_maps(WEIGHT, R, eps=eps)
    torch.testing.assert_close(orthogonal_maps(WEIGHT, 1e-6 * R, eps=eps), found)
    torch.testing.assert_close(orthogonal_maps(100 * WEIGHT, R, eps=eps), 100 * found)


def test_leading_kernels_lie_in_the_strongest_directions() -> None:
    found = orthogonal_maps(WEIGHT, R, leading=True)
    assert cosines(conv2d(MAPS, found)).max() <= 1e-10
    weak = np.linalg.eigh(R.numpy())[1][:, : 12 - 5]
    assert np.abs(flat(found) @ weak).max() < 1e-10
    assert np.abs(flat(orthogonal_maps(WEIGHT, R)) @ weak).max() > 0.1
    torch.testing.assert_close(found.flatten(1).norm(dim=1), WEIGHT.flatten(1).norm(dim=1))


def test_each_group_is_treated_by_itself() -> None:
    maps, weight = noise(6, 6, 9, 8), noise(8, 3, 2, 2, seed=1)
    found = orthogonal_maps(weight, patch_autocorrelation(maps, 2))
    outputs = conv2d(maps, found, groups=2)
    for half in (slice(0, 4), slice(4, 8)):
        assert cosines(outputs[:, half]).max() <= 1e-10
    for half, channels in ((slice(0, 4), slice(0, 3)), (slice(4, 8), slice(3, 6))):
        alone = orthogonal_maps(weight[half], patch_autocorrelation(maps[:, channels], 2))
        torch.testing.assert_close(found[half], alone)


def test_equal_channels_leave_directions_out() -> None:
    """Grey images in three channels: R has a third of the rank that it could have."""
    grey = noise(8, 1, 9, 8).repeat(1, 3, 1, 1)
    matrix = patch_autocorrelation(grey, 2)
    weight = noise(4, 3, 2, 2, seed=1)
    found = orthogonal_maps(weight, matrix)
    assert cosines(conv2d(grey, found)).max() <= 1e-10
    assert np.abs(flat(found) @ null_space(matrix.numpy(), rcond=1e-12)).max() < 1e-10
    # Eight kernels, four directions: a tight frame there, and none in the others.
    many = noise(8, 3, 2, 2, seed=2)
    rows = flat(orthogonal_maps(many, matrix))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.linalg.norm(flat(many), axis=1))
    assert np.linalg.matrix_rank(rows, tol=1e-8) == 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_result_is_like_the_weight(dtype: torch.dtype) -> None:
    found = orthogonal_maps(WEIGHT.to(dtype), R.float())
    assert found.dtype == dtype and found.shape == WEIGHT.shape
    expected = orthogonal_maps(WEIGHT, R)
    torch.testing.assert_close(found.double(), expected, rtol=0.02, atol=0.02)


REFUSED = {
    "constant": (
        WEIGHT,
        patch_autocorrelation(torch.full((99, 2, 9, 8), 0.3), (3, 2), centered=True),
        "5 kernels of 12 taps make maps that span 0 dimensions; expected .* input that is not cons",
    ),
    "a kernel that is zero": (
        WEIGHT * torch.tensor([1.0, 1, 0, 1, 1])[:, None, None, None],
        R,
        "5 kernels of 12 taps make maps that span 4 dimensions; expected 5: replace kernels that a",
    ),
    "two kernels alike": (
        torch.cat([WEIGHT, -2 * WEIGHT[:1]]),
        R,
        "6 kernels of 12 taps make maps that span 5 dimensions; expected 6: replace kernels that a",
    ),
    "all kernels zero": (torch.zeros(5, 2, 3, 2), R, "span 0 dimensions; expected 5"),
}


@pytest.mark.parametrize(("weight", "matrix", "text"), REFUSED.values(), ids=REFUSED)
def test_a_rank_that_is_too_low_is_a_sentence(weight: Tensor, matrix: Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        orthogonal_maps(weight, matrix)
