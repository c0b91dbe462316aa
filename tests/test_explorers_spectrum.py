"""The explorer of power spectra: readouts against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import correlate

from convsim.explorers import SpectrumExplorer


@pytest.mark.parametrize("taps", [1, 2, 5, 16])
def test_spectrum_readouts_agree_with_scipy(taps: int) -> None:
    rng = np.random.default_rng(taps)
    k1, k2 = rng.uniform(-1, 1, (2, taps))
    readouts = SpectrumExplorer(kernel_1=k1, kernel_2=k2).readouts()
    a1, a2 = (correlate(k, k, method="direct") for k in (k1, k2))
    loss = (correlate(k1, k2, method="direct") ** 2).sum()
    angles = 2j * np.pi * np.outer(np.arange(65) / 128, np.arange(taps))
    expected = {
        "convolutional_similarity": loss,
        "normalized_similarity": loss / np.linalg.norm(a1) / np.linalg.norm(a2),
        "norm_1": np.linalg.norm(k1),
        "norm_2": np.linalg.norm(k2),
        "spectrum_1": abs(np.exp(-angles) @ k1) ** 2,
        "spectrum_2": abs(np.exp(-angles) @ k2) ** 2,
    }
    assert list(readouts) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(readouts[name], value, rtol=1e-11, atol=1e-12, err_msg=name)
    # the frequencies strictly between 0 and 1/2 stand for two of the 128 points each
    product = np.multiply(readouts["spectrum_1"], readouts["spectrum_2"])
    mean = (2 * product.sum() - product[0] - product[-1]) / 128
    assert readouts["convolutional_similarity"] == pytest.approx(mean, rel=1e-12)


def test_halving_divides_the_loss_by_sixteen_and_leaves_the_normalised_form() -> None:
    explorer = SpectrumExplorer()
    kernels, before = (explorer.kernel_1, explorer.kernel_2), explorer.readouts()
    for power in (1, 600):  # after the second no tap can be squared in float64
        explorer.set_kernels(*([math.ldexp(tap, -power) for tap in k] for k in kernels))
        after = explorer.readouts()
        loss = math.ldexp(before["convolutional_similarity"], -4 * power)
        assert after["convolutional_similarity"] == loss
        form = before["normalized_similarity"]
        assert after["normalized_similarity"] == pytest.approx(form, rel=1e-14)


def test_a_zero_kernel_has_no_normalised_form() -> None:
    for kernels in ([[0, 0], [1, 2]], [[1, 2], [0, 0]], [[0, 0], [0, 0]]):
        readouts = SpectrumExplorer(kernel_1=kernels[0], kernel_2=kernels[1]).readouts()
        assert readouts["normalized_similarity"] is None
        assert readouts["convolutional_similarity"] == 0
