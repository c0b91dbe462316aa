"""R of a layer's input, against the maps that torch computes and a loop over patches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convsim import patches
from convsim.patches import (
    autocorrelation_for,
    expected_gram,
    patch_autocorrelation,
    patch_covariance,
)

CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Noise that is correlated along the last axis and has a mean."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(shape, generator=generator, dtype=torch.float64)
    return white.cumsum(-1) / 2 + 0.7


def gram(maps: Tensor) -> Tensor:
    """Inner products of some maps, over images and positions, by the number of these."""
    rows = maps.transpose(0, 1).flatten(1)
    return rows @ rows.T / rows.shape[1]


def loop_of_patches(
    maps: Tensor, size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> np.ndarray:
    """Every patch of two-dimensional maps, one after the other."""
    rows = []
    _, _, height, width = maps.shape
    for image in maps.numpy():
        for i in range(0, height - dilation[0] * (size[0] - 1), stride[0]):
            for j in range(0, width - dilation[1] * (size[1] - 1), stride[1]):
                taps = itertools.product(range(len(image)), range(size[0]), range(size[1]))
                down, right = dilation
                rows.append([image[c, i + down * u, j + right * v] for c, u, v in taps])
    return np.array(rows)


CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "full": ((2, 7, 6), (3, 3), {"padding": 2}),
    "same": ((2, 7, 6), (3, 3), {"padding": "same"}),
    "same, even": ((2, 7, 6), (2, 4), {"padding": "same"}),
    "valid": ((2, 7, 6), (3, 3), {"padding": "valid"}),
    "no padding": ((3, 7, 6), (2, 2), {}),
    "stride 2": ((2, 8, 7), (3, 3), {"stride": 2, "padding": 1}),
    "two strides": ((2, 8, 7), (2, 3), {"stride": (1, 2)}),
    "dilation 2": ((2, 9, 8), (3, 3), {"dilation": 2, "padding": "same"}),
    "all at once": ((2, 9, 8), (2, 3), {"stride": (2, 1), "dilation": (1, 2), "padding": (0, 3)}),
    "line": ((3, 12), (4,), {"stride": 2, "padding": 3}),
    "line, same": ((3, 12), (4,), {"padding": "same"}),
    "volume": ((2, 4, 5, 6), (3, 1, 2), {"padding": (1, 0, 1)}),
    "volume, same": ((2, 4, 5, 6), (1, 2, 3), {"padding": "same", "dilation": (1, 2, 1)}),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even")  # torch's, of its own copy
@pytest.mark.parametrize(("shape", "size", "options"), CASES.values(), ids=CASES)
def test_the_expected_gram_is_that_of_the_maps(
    shape: tuple[int, ...], size: tuple[int, ...], options: dict[str, Any]
) -> None:
    maps, weight = noise(3, *shape), noise(5, shape[0], *size, seed=1)
    expected = gram(CONVOLVE[len(size)](maps, weight, **options))
    found = expected_gram(weight, patch_autocorrelation(maps, size, **options))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_groups_see_their_own_channels(dims: int) -> None:
    maps, weight = noise(3, 6, *[6] * dims), noise(9, 2, *[2] * dims, seed=1)
    expected = gram(CONVOLVE[dims](maps, weight, groups=3, padding=1))
    found = expected_gram(weight, patch_autocorrelation(maps, 2, padding=1))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("at_once", [1, 300, 2**24])
def test_patches_are_those_of_a_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "NUMBERS_AT_ONCE", at_once)
    maps = noise(5, 2, 7, 9)
    options: dict[str, Any] = {"stride": (2, 1), "dilation": (1, 3)}
    rows = loop_of_patches(maps, (3, 2), **options)
    found = patch_autocorrelation(maps, (3, 2), **options)
    np.testing.assert_allclose(found, rows.T @ rows / len(rows), rtol=1e-10)
    centred = patch_autocorrelation(maps, (3, 2), centered=True, **options)
    np.testing.assert_allclose(centred, np.cov(rows.T, bias=True), rtol=1e-10, atol=1e-12)


def test_float32_maps_are_summed_in_float64() -> None:
    maps = noise(4, 2, 20).float() + 1000  # a square is 10⁶, a deviation's 10⁰
    found = patch_autocorrelation(maps, 2, centered=True)
    rows = maps.double().unfold(2, 2, 1).transpose(1, 2).flatten(0, 1).flatten(1)
    np.testing.assert_allclose(found, np.cov(rows.numpy().T, bias=True), rtol=1e-8)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular", "replicate"])
@pytest.mark.parametrize("padding", [2, (1, 2), "same"])
def test_a_layer_pads_in_its_own_way(mode: str, padding: Any) -> None:
    layer = nn.Conv2d(2, 4, (3, 4), padding=padding, padding_mode=mode, bias=False).double()
    maps = noise(3, 2, 8, 7)
    with torch.no_grad():
        expected = gram(layer(maps))
        alone = gram(layer(maps[1])[None])
    found = expected_gram(layer.weight, autocorrelation_for(layer, maps))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    unbatched = expected_gram(layer.weight, autocorrelation_for(layer, maps[1]))
    torch.testing.assert_close(unbatched, alone, rtol=1e-10, atol=1e-10)


def test_a_layers_strides_and_steps_count_and_its_centred_maps_are_their_covariance() -> None:
    layer = nn.Conv3d(2, 4, (1, 2, 3), stride=(1, 2, 1), dilation=(1, 1, 2), bias=False).double()
    maps = noise(3, 2, 4, 5, 9)
    rows = layer(maps).detach().transpose(0, 1).flatten(1)
    found = expected_gram(layer.weight, autocorrelation_for(layer, maps, centered=True))
    np.testing.assert_allclose(found, np.cov(rows.numpy(), bias=True), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("value", [0.3, -1.7, 1000.1])
def test_a_constant_input_has_no_covariance(value: float) -> None:
    found = patch_autocorrelation(torch.full((99, 2, 9), value), 3, centered=True)
    assert not found.any()


def test_the_covariance_of_all_patches_is_that_of_a_loop() -> None:
    layer = nn.Conv2d(2, 4, (3, 2), stride=(2, 1), dilation=(1, 3), padding=(1, 0))
    maps = noise(5, 2, 7, 9)
    rows = loop_of_patches(functional.pad(maps, (0, 0, 1, 1)), (3, 2), (2, 1), (1, 3))
    found = patch_covariance(layer, maps.float(), 10 * len(rows))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, np.cov(rows.T, bias=True), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [200, 2000])
def test_the_covariance_of_some_patches_is_taken_from_about_as_many(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    rows_of = patches._patches

    def counted(*args: Any) -> Tensor:
        rows = rows_of(*args)
        taken.append(len(rows))
        return rows

    monkeypatch.setattr(patches, "_patches", counted)
    patch_covariance(nn.Conv2d(3, 4, 3, padding=1), noise(32, 3, 16, 16), count)
    assert count / 3 < taken[0] < 3 * count < 32 * 16 * 16


def test_the_covariance_of_some_patches_is_near_that_of_all() -> None:
    layer = nn.Conv2d(2, 4, 2)
    maps = noise(64, 2, 16, 16).float()
    full = patch_autocorrelation(maps, 2, centered=True).float()
    apart = (patch_covariance(layer, maps, 2000) - full).norm() / full.norm()
    assert 0 < apart < 0.2
