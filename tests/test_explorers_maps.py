"""The explorers of two feature maps: readouts against SciPy, the inputs X, pairs of kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from convsim.explorers import ImageExplorer, SimilarityExplorer, SpectrumExplorer
from convsim.explorers.similarity import INPUTS
from convsim.photographs import photograph


def pair_by_scipy(x: np.ndarray, k1: np.ndarray, k2: np.ndarray) -> dict[str, Any]:
    """The readouts from their definitions; Eq. 11 is not used for ⟨F1, F2⟩."""
    f1, f2 = correlate(x, k1, method="direct"), correlate(x, k2, method="direct")
    reach = [slice(m - n, m + n - 1) for m, n in zip(x.shape, k1.shape, strict=True)]
    terms = correlate(k1, k2, method="direct") * correlate(x, x, method="direct")[tuple(reach)]
    return {
        "kernel_similarity": (k1 * k2).sum(),
        "kernel_cosine": (k1 * k2).sum() / np.linalg.norm(k1) / np.linalg.norm(k2),
        "feature_map_similarity": (f1 * f2).sum(),
        "feature_map_cosine": abs((f1 * f2).sum()) / np.linalg.norm(f1) / np.linalg.norm(f2),
        "convolutional_similarity": (correlate(k1, k2, method="direct") ** 2).sum(),
        "lag_0": (x**2).sum() * (k1 * k2).sum(),
        "other_lags": (f1 * f2).sum() - (x**2).sum() * (k1 * k2).sum(),
        "lag_terms": terms,
    }


def assert_same(got: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(got) == list(expected)
    scale = max(1.0, np.abs(expected["lag_terms"]).max())
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-11, atol=1e-11 * scale, err_msg=name)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("taps", [1, 2, 5, 16])
def test_similarity_readouts_agree_with_scipy(name: str, taps: int) -> None:
    rng = np.random.default_rng(taps)
    k1, k2 = rng.uniform(-1, 1, (2, taps))
    explorer = SimilarityExplorer(kernel_1=k1, kernel_2=k2, input=name, seed=taps)
    assert_same(explorer.readouts(), pair_by_scipy(explorer.signal.numpy(), k1, k2))


@pytest.mark.parametrize("size", [3, 5])
def test_image_readouts_agree_with_scipy(size: int) -> None:
    rng = np.random.default_rng(size)
    k1, k2 = rng.uniform(-1, 1, (2, size, size))
    levels = rng.integers(0, 256, (64, 64))
    explorer = ImageExplorer(kernel_1=k1, kernel_2=torch.from_numpy(k2), photograph=levels)
    assert_same(explorer.readouts(), pair_by_scipy(levels / 255, k1, k2))
    explorer.input = "own"
    flower = photograph("flower").numpy()
    assert_same(explorer.readouts(), pair_by_scipy(flower, k1, k2))
    explorer.own = levels.T
    assert_same(explorer.readouts(), pair_by_scipy(levels.T / 255, k1, k2))


def test_signals_are_what_they_are_called() -> None:
    signals = {name: SimilarityExplorer(input=name, seed=1).signal for name in INPUTS}
    assert all(x.shape == (64,) and x.dtype == torch.float64 for x in signals.values())
    assert signals["impulse"].nonzero().tolist() == [[32]]
    assert signals["impulse"].sum() == 1
    assert torch.equal(signals["step"], (torch.arange(64) >= 32).double())
    assert torch.equal(signals["constant"], torch.ones(64, dtype=torch.float64))
    wave = torch.sin(torch.arange(64, dtype=torch.float64) * math.tau / 16)
    assert torch.allclose(signals["sine"], wave, rtol=0, atol=1e-14)
    assert torch.equal(signals["photograph"], photograph()[32])
    assert torch.equal(signals["own"], photograph("flower")[32])
    own = torch.linspace(-2, 2, 64, dtype=torch.float64)
    assert torch.equal(SimilarityExplorer(input="own", own=own).signal, own)
    noise = torch.cat([SimilarityExplorer(seed=seed).signal for seed in range(40)])
    assert 0 <= noise.min() <= noise.max() < 1
    assert abs(noise.mean() - 0.5) < 0.02
    assert abs(noise.var() - 1 / 12) < 0.005
    assert not torch.equal(signals["noise"], SimilarityExplorer(seed=2).signal)


def test_a_zero_kernel_has_no_cosine() -> None:
    readouts = SimilarityExplorer(kernel_1=[0, 0], kernel_2=[1, 2]).readouts()
    assert readouts["kernel_cosine"] is None
    assert readouts["feature_map_cosine"] is None
    assert readouts["feature_map_similarity"] == 0


def test_a_kernel_set_alone_brings_the_other_to_its_size() -> None:
    explorer = SimilarityExplorer(kernel_1=[1, 2, 3], kernel_2=[4, 5, 6])
    explorer.kernel_1 = [1, 2]
    assert explorer.kernel_2 == [4.0, 5.0]
    explorer.kernel_2 = [1, 2, 3, 4]
    assert explorer.kernel_1 == [1.0, 2.0, 0.0, 0.0]
    assert SimilarityExplorer(kernel_1=[1, 2]).kernel_2 == [0.5, 1.0]
    assert SpectrumExplorer(kernel_1=[1, 2]).kernel_2 == SpectrumExplorer().kernel_2[:2]

    image = ImageExplorer()
    image.kernel_1 = np.ones((5, 5))
    padded = np.pad(np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]), 1)
    assert image.kernel_2 == padded.tolist()
    image.kernel_2 = np.ones((3, 3))
    assert image.kernel_1 == np.ones((3, 3)).tolist()


def test_set_kernels_changes_both_at_once() -> None:
    explorer = SimilarityExplorer()
    seen: list[tuple[int, int]] = []
    explorer.observe(
        lambda change: seen.append((len(explorer.kernel_1), len(explorer.kernel_2))),
        names=["kernel_1", "kernel_2"],
    )
    explorer.set_kernels(torch.tensor([1.0, 2.0]), (3, 4))
    assert (explorer.kernel_1, explorer.kernel_2) == ([1.0, 2.0], [3.0, 4.0])
    assert seen == [(2, 2), (2, 2)]
    text = r"must have one size, got 2 and 3: lengthen the shorter one"
    with pytest.raises(ValueError, match=text):
        explorer.set_kernels([1, 2], [1, 2, 3])
    for explorer_type in (SimilarityExplorer, SpectrumExplorer):
        with pytest.raises(ValueError, match=text):
            explorer_type(kernel_1=[1, 2], kernel_2=[1, 2, 3])
    assert explorer.kernel_1 == [1.0, 2.0]
