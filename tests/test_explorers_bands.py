"""The explorer of starts from the spectrum: readouts against definitions, tap by tap."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import traitlets
from scipy.signal import correlate

from convsim.explorers import BandsExplorer
from convsim.explorers.bands import KERNELS, PARTS, SPREADS, _normal
from convsim.floor import spectral_concentration
from convsim.starts import expected_similarity

AWAY = ~np.eye(KERNELS, dtype=bool)


def cosines(rows: np.ndarray) -> np.ndarray:
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (units @ units.T)[AWAY]


def expected_lags(explorer: BandsExplorer) -> np.ndarray:
    """Autocorrelations of the bands' expectation, from the covariance of every pair of taps."""
    n = explorer.taps
    taps = [(i, j) for i in range(n) for j in range(n)]
    rows = np.zeros((KERNELS, 2 * n - 1, 2 * n - 1))
    for row, (across, down) in zip(rows, explorer.frequencies.tolist(), strict=True):
        for i, j in taps:
            for k, m in taps:
                lag = k - i, m - j
                wander = math.exp(-(explorer.width**2) * (lag[0] ** 2 + lag[1] ** 2) / 2)
                row[lag[0] + n - 1, lag[1] + n - 1] += wander * math.cos(
                    down * lag[0] + across * lag[1]
                )
    return rows.reshape(KERNELS, -1) / n**2


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("part", "width", "taps"), [
    ("everywhere", 0.0, 3), ("low", 0.7, 5), ("high", 0.1, 4), ("everywhere", math.pi, 7),
])  # fmt: skip
def test_readouts_agree_with_their_definitions(
    spread: str, part: str, width: float, taps: int
) -> None:
    explorer = BandsExplorer(spread=spread, part=part, width=width, taps=taps, seed=5)
    readouts, lags = explorer.readouts(), expected_lags(explorer)
    assert readouts["expected_similarity"] == pytest.approx(cosines(lags).mean())
    assert readouts["concentration"] == pytest.approx((lags**2).sum(axis=1).mean())
    kernels = explorer.weight[:, 0].numpy()
    np.testing.assert_allclose(np.linalg.norm(kernels, axis=(1, 2)), 1)
    own = np.array([correlate(kernel, kernel).ravel() for kernel in kernels])
    assert readouts["similarity"] == pytest.approx(cosines(own).mean())
    picture = np.array(explorer.photograph) / 255
    maps = np.array([correlate(picture, kernel, mode="valid").ravel() for kernel in kernels])
    centred = maps - maps.mean(axis=1, keepdims=True)
    assert readouts["map_cosine"] == pytest.approx(np.abs(cosines(centred)).mean(), abs=1e-9)
    assert readouts["frequencies"] == explorer.frequencies.tolist()


def test_kernels_are_draws_of_the_bands_that_the_readouts_expect() -> None:
    covariances = []
    for seed in range(600):
        explorer = BandsExplorer(spread="same", width=0.8, taps=3, seed=seed)
        n, (across, down) = 3, explorer.frequencies[0].tolist()
        waves = explorer.weight.flatten(1).numpy()
        x = np.array([(i, j) for i in range(n) for j in range(n)])
        lag = x[:, None] - x
        expected = np.exp(-0.32 * (lag**2).sum(-1)) * np.cos(
            down * lag[..., 0] + across * lag[..., 1]
        )
        covariances.append(waves.T @ waves / KERNELS * 9 - expected)
    assert np.abs(np.mean(covariances, axis=0)).max() < 0.1
    drawn = _normal(3, 20000)
    assert drawn.mean().abs() < 0.03 and abs(drawn.std().item() - 1) < 0.03


def test_a_wave_is_one_whatever_the_draw_and_noise_is_white() -> None:
    wave = BandsExplorer(width=0.0, taps=7, seed=9)
    for kernel, (across, _) in zip(wave.weight[:, 0], wave.frequencies.tolist(), strict=True):
        middle = kernel[:, 1:-1]
        torch.testing.assert_close(
            kernel[:, 2:] + kernel[:, :-2], 2 * math.cos(across) * middle, rtol=0, atol=1e-9
        )
    noise = BandsExplorer(width=math.pi).readouts()
    assert noise["concentration"] == pytest.approx(1, abs=1e-3)
    assert noise["expected_similarity"] == pytest.approx(1, abs=1e-3)


def test_the_ways_to_share_the_frequencies() -> None:
    found = {
        spread: np.mean([
            BandsExplorer(spread=spread, seed=seed).readouts()["expected_similarity"]
            for seed in range(40)
        ])
        for spread in SPREADS
    }  # fmt: skip
    assert found["same"] == pytest.approx(1)
    assert found["random"] == pytest.approx(expected_similarity([3, 3]), rel=0.1)
    assert found["even"] < found["random"]
    assert found["even"] == pytest.approx(expected_similarity([3, 3], kernels=KERNELS), rel=0.1)
    assert spectral_concentration(BandsExplorer(seed=1).weight).min() > 1.2
    for part, (low, high) in PARTS.items():
        shares = (BandsExplorer(part=part).frequencies.abs().amax(1) / math.pi) ** 2
        assert low <= shares.min() < shares.max() <= high
    lattice = BandsExplorer(spread="even").frequencies
    down = torch.sort(lattice[:, 1]).values.diff()
    torch.testing.assert_close(down, torch.full_like(down, math.pi / KERNELS))


def test_what_a_constant_picture_and_bad_values_come_to() -> None:
    explorer = BandsExplorer(photograph=[[7] * 32] * 32)
    assert explorer.readouts()["map_cosine"] is None
    for name, value in (("spread", "odd"), ("part", "middle"), ("width", 3.2), ("taps", 2)):
        with pytest.raises(traitlets.TraitError, match=name):
            BandsExplorer(**{name: value})
