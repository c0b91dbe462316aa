"""The explorer of operators: readouts against matrices that SciPy builds, and against PyTorch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from scipy.linalg import circulant, orth

from convsim.explorers import OperatorsExplorer
from convsim.operators import circular_operator

N = 10


def matrix_of(taps: list[float], channels: int) -> np.ndarray:
    """A circulant block for each channel; the first column has what position 0 gives to others."""
    blocks = []
    for c in range(channels):
        before, here, after = taps[3 * c : 3 * c + 3]
        blocks.append(circulant([here, before, *[0] * (N - 3), after]))
    return np.hstack(blocks)


def random_pair(seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    kernels = [[rng.uniform(-2, 2) for _ in range(9)] for _ in range(2)]
    return {"kernel_1": kernels[0], "kernel_2": kernels[1]}


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_readouts_are_norms_of_the_products(channels: int, seed: int) -> None:
    explorer = OperatorsExplorer(**random_pair(seed), channels=channels)
    readouts = explorer.readouts()
    first, second = (matrix_of(k, channels) for k in (explorer.kernel_1, explorer.kernel_2))
    np.testing.assert_allclose(readouts["first_transposed"], first.T @ second, atol=1e-14)
    np.testing.assert_allclose(readouts["second_transposed"], first @ second.T, atol=1e-14)
    similarity = np.linalg.norm(first.T @ second) ** 2 / N
    ocnn_term = np.linalg.norm(first @ second.T) ** 2 / N
    k1, k2 = (np.array(k[: 3 * channels]) for k in (explorer.kernel_1, explorer.kernel_2))
    cosine = k1 @ k2 / np.linalg.norm(k1) / np.linalg.norm(k2)
    for name, expected in {
        "convolutional_similarity": similarity,
        "ocnn_term": ocnn_term,
        "ocnn_share": ocnn_term / similarity,
        "kernel_similarity": (first @ second.T)[0, 0],
        "kernel_cosine": cosine,
    }.items():
        assert readouts[name] == pytest.approx(expected, rel=1e-12), name
    np.testing.assert_allclose(np.diag(readouts["second_transposed"]), k1 @ k2, atol=1e-14)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_matrix_is_pytorchs_convolution_with_circular_padding(channels: int) -> None:
    layer = torch.nn.Conv1d(
        channels, 1, 3, padding=1, padding_mode="circular", bias=False, dtype=torch.float64
    )
    x = torch.randn(channels, N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = circular_operator(layer.weight.detach(), N)
    torch.testing.assert_close(matrix @ x.flatten(), layer(x).detach()[0])


def test_the_norms_differ_with_the_channels() -> None:
    for seed in range(20):
        explorer = OperatorsExplorer(**random_pair(seed))
        assert 0 < explorer.readouts()["ocnn_share"] < 0.95
        explorer.channels = 1
        one = explorer.readouts()
        assert one["ocnn_share"] == pytest.approx(1, rel=1e-12)
        np.testing.assert_allclose(one["first_transposed"], np.transpose(one["second_transposed"]))
    default = OperatorsExplorer().readouts()
    assert default["ocnn_share"] < 0.5
    # the channels of both kernels proportional: nothing is left out
    alike = OperatorsExplorer(kernel_1=[1, 2, 3] * 3, kernel_2=[3, -1, 1] * 3).readouts()
    assert alike["ocnn_share"] == pytest.approx(1, rel=1e-12)


def test_channels_that_count_alone_matter() -> None:
    pair = random_pair(1)
    cut = {name: taps[:3] + [0.0] * 6 for name, taps in pair.items()}
    got = OperatorsExplorer(**pair, channels=1).readouts()
    assert got == OperatorsExplorer(**cut, channels=1).readouts()
    padded = OperatorsExplorer(**cut, channels=3).readouts()
    assert np.shape(padded["first_transposed"]) == (30, 30)
    for name in ("convolutional_similarity", "ocnn_term", "kernel_similarity", "kernel_cosine"):
        assert padded[name] == pytest.approx(got[name], rel=1e-13)


def test_ocnns_term_is_zero_for_channels_apart_and_for_channels_that_cancel() -> None:
    blur, slope, bump, zero = [1, 2, 1], [-1, 0, 1], [-1, 2, -1], [0, 0, 0]
    minus = [-tap for tap in blur]
    for first, second in (
        (slope + zero + zero, zero + blur + bump),
        (blur + bump + zero, bump + minus + zero),  # blur ⋆ bump = bump ⋆ blur
    ):
        readouts = OperatorsExplorer(kernel_1=first, kernel_2=second).readouts()
        assert readouts["ocnn_term"] == readouts["ocnn_share"] == 0.0
        assert not np.any(readouts["second_transposed"])
        assert readouts["convolutional_similarity"] > 1
        # every input that gives one map at all is orthogonal to those that give the other
        seen = [orth(matrix_of(k, 3).T) for k in (first, second)]
        assert np.abs(seen[0].T @ seen[1]).max() < 1e-12


def test_a_zero_kernel_has_no_share_and_no_cosine() -> None:
    readouts = OperatorsExplorer(kernel_2=[0, 0, 0, 1, 2, 3, 0, 0, 0], channels=1).readouts()
    assert readouts["ocnn_share"] is readouts["kernel_cosine"] is None
    assert readouts["convolutional_similarity"] == readouts["ocnn_term"] == 0.0
    small = OperatorsExplorer(kernel_1=[1e-90] * 9, kernel_2=[1e-90] * 9).readouts()
    assert small["ocnn_share"] is None  # the fourth powers vanish


def test_errors_say_what_a_kernel_is() -> None:
    with pytest.raises(traitlets.TraitError, match="kernel_1 must be a list of 9 finite numbers"):
        OperatorsExplorer(kernel_1=[1, 2, 3])
    with pytest.raises(traitlets.TraitError, match="it is nested; pass one flat list"):
        OperatorsExplorer(kernel_2=[[1, 2, 3]] * 9)
    with pytest.raises(traitlets.TraitError, match="channels must be a whole number from 1 to 3"):
        OperatorsExplorer(channels=4)
