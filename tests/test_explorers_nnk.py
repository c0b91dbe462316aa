"""The explorer of NNK: readouts against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import nnls

from convsim.explorers import NNKExplorer


@pytest.mark.parametrize("k", [1, 4, 9, 12])
@pytest.mark.parametrize("sigma", [0, 0.3, 1.5])
def test_nnk_readouts_agree_with_scipy(k: int, sigma: float) -> None:
    """NNLS on a Cholesky factor of K, an explicit loop over its entries."""
    rng = np.random.default_rng(k)
    query, candidates = rng.uniform(-2, 2, 2), rng.uniform(-2, 2, (9, 2))
    explorer = NNKExplorer(query=query, candidates=candidates, k=k, sigma=sigma)
    readouts = explorer.readouts()
    distances = np.linalg.norm(candidates - query, axis=1)
    nearest = np.argsort(distances)[:k]
    width = sigma or distances[nearest].max() / 3

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return math.exp(-((x - y) ** 2).sum() / (2 * width**2))

    chosen = candidates[nearest]
    gram = np.array([[kernel(x, y) for y in chosen] for x in chosen])
    similarity = np.array([kernel(x, query) for x in chosen])
    factor = np.linalg.cholesky(gram)
    theta, residual = nnls(factor.T, np.linalg.solve(factor, similarity))
    weights = np.zeros(9)
    weights[nearest] = theta
    # K_qq - |L^-1 k|^2 is what no combination, of any sign, reaches
    error = residual**2 + 1 - similarity @ np.linalg.solve(gram, similarity)
    assert readouts["candidates_used"] == min(k, 9)
    assert readouts["neighbors"] == (theta > 1e-10).sum()
    assert readouts["sigma"] == pytest.approx(width, rel=1e-14)
    assert readouts["error"] == pytest.approx(error, abs=1e-10)
    np.testing.assert_allclose(readouts["weights"], weights, atol=1e-9)


@pytest.mark.parametrize(
    ("candidates", "k", "weights", "error"),
    [
        ([[1, 0], [2, 0], [0, -2]], 2, [0.60653, 0, 0], 0.63212),
        ([[-1, 0], [2, 0], [1, 0]], 3, [0.53423, 0, 0.53423], 0.35195),
        ([[1, 0], [0, 0], [-1, 0]], 12, [0, 1, 0], 0),  # a copy of the query
        ([[1, 0], [1, 0], [-1, 0], [1, 0]], 4, [0.53423, 0, 0.53423, 0], 0.35195),
        ([[0, 0], [0, 0], [0, 0]], 2, [1, 0, 0], 0),
    ],
)
def test_known_nnk_weights(candidates: list, k: int, weights: list[float], error: float) -> None:
    readouts = NNKExplorer(candidates=candidates, k=k, sigma=1).readouts()
    assert readouts["weights"] == pytest.approx(weights, abs=5e-6)
    assert [w > 0 for w in readouts["weights"]] == [w > 0 for w in weights]
    assert readouts["neighbors"] == sum(w > 0 for w in weights)
    assert readouts["error"] == pytest.approx(error, abs=5e-6)


def test_nnk_of_copies_of_the_query_is_undefined_unless_sigma_is_set() -> None:
    explorer = NNKExplorer(query=[1, 1], candidates=[[1, 1], [0, 0], [1, 1]], k=2)
    undefined = {"neighbors": None, "error": None, "weights": None}
    assert explorer.readouts() == {"candidates_used": 2, "sigma": 0, **undefined}
    explorer.sigma = 1e-7
    assert explorer.readouts() == {"candidates_used": 2, "sigma": 1e-7, **undefined}
    explorer.sigma, explorer.k = 0, 3
    assert explorer.readouts()["weights"] == [1, 0, 0]
    explorer.k, explorer.sigma = 2, 0.5
    assert explorer.readouts()["weights"] == [1, 0, 0]
