"""NNK weights and neighbours: known answers, optimality, SciPy, and the awkward cases."""

from __future__ import annotations

import math
import re
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor

from convsim.neighborhoods import nonnegative
from convsim.neighborhoods.neighbors import Neighbors, nnk_neighbors
from convsim.neighborhoods.nnk import nnk_weights, nnk_weights_of_gram

INNER = [(0.5 * math.cos(a), 0.5 * math.sin(a)) for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)]
OUTER = [(2 * x, 2 * y) for x, y in INNER]


def weights_at_origin(candidates: list[tuple[float, float]], **options: Any) -> list[float]:
    found = nnk_weights(torch.tensor(candidates).double(), torch.zeros(2).double(), **options)
    return found.weights.tolist()


def neighbors_of(found: Neighbors, query: int) -> set[int]:
    return set(found.indices[query][found.weights[query] > 0].tolist())


def kernel_values(x: Tensor, q: Tensor, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian kernel from its definition."""
    gram = np.exp(-((x[:, None] - x[None]) ** 2).sum(-1).numpy() / (2 * sigma**2))
    return gram, np.exp(-((x - q) ** 2).sum(-1).numpy() / (2 * sigma**2))


def by_scipy(gram: np.ndarray, target: np.ndarray) -> np.ndarray:
    factor = np.linalg.cholesky(gram)
    return nnls(factor.T, np.linalg.solve(factor, target))[0]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([(1, 0), (2, 0)], [0.60653, 0]),
        ([(1, 0), (-1, 0)], [0.53423, 0.53423]),
        ([(1, 0), (0, 1)], [0.44341, 0.44341]),
        ([*INNER, *OUTER], [0.37164] * 3 + [0] * 3),
        ([(0, 0), (1, 0), (-1, 0)], [1, 0, 0]),
    ],
)
def test_known_answers(candidates: list, expected: list[float]) -> None:
    assert weights_at_origin(candidates, sigma=1) == pytest.approx(expected, abs=5e-6)


def test_the_border_of_the_shadow_is_where_the_theorem_says() -> None:
    assert weights_at_origin([(1, 0), (1, 1)], sigma=1)[1] == 0
    assert weights_at_origin([(1, 0), (0.99, 1)], sigma=1)[1] > 0


def test_the_error_is_the_squared_distance_in_the_kernels_space() -> None:
    found = nnk_weights(torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.zeros(2), sigma=1)
    assert found.error.item() == pytest.approx(1 - math.exp(-1), abs=1e-12)  # 0.63212


@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
@pytest.mark.parametrize("dimension", [2, 5, 40])
def test_solutions_are_optimal_and_scipys(kernel: Any, dimension: int) -> None:
    generator = torch.Generator().manual_seed(dimension)
    x = torch.randn(300, 12, dimension, dtype=torch.float64, generator=generator)
    q = torch.randn(300, dimension, dtype=torch.float64, generator=generator)
    found = nnk_weights(x, q, kernel=kernel)
    for points, query, theta, error in zip(x, q, found.weights, found.error, strict=True):
        if kernel == "gaussian":
            sigma = ((points - query) ** 2).sum(1).max().sqrt().item() / 3
            gram, target = kernel_values(points, query, sigma)
            np.testing.assert_allclose(theta, by_scipy(gram, target), atol=1e-8)
        else:
            points, query = points / points.norm(dim=1, keepdim=True), query / query.norm()
            gram, target = (0.5 + 0.5 * m.numpy() for m in (points @ points.T, points @ query))
        slope = gram @ theta.numpy() - target
        assert theta.min() >= 0
        assert slope.min() >= -1e-8
        assert abs(slope @ theta.numpy()) <= 1e-8
        direct = 1 - 2 * target @ theta.numpy() + theta.numpy() @ gram @ theta.numpy()
        assert error.item() == pytest.approx(direct, abs=1e-10)


def test_a_singular_gram_matrix_is_solved_exactly() -> None:
    # Twelve candidates in the plane: a Gram matrix of rank 3, which no Cholesky factor has.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 12, 2, dtype=torch.float64, generator=generator)
    x = x / x.norm(dim=2, keepdim=True)
    gram = 0.5 + 0.5 * x[:, 1:] @ x[:, 1:].mT
    target = 0.5 + 0.5 * (x[:, 1:] @ x[:, 0, :, None])[..., 0]
    assert torch.linalg.matrix_rank(gram).max() == 3
    found = nnk_weights_of_gram(gram, target)
    slope = (gram @ found.weights[:, :, None])[..., 0] - target
    assert slope.min() >= -1e-8
    assert (slope * found.weights).sum(1).abs().max() <= 1e-8


def test_pivoting_that_goes_in_circles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # Strongly correlated candidates, for which exchanging all violations often cycles.
    generator = torch.Generator().manual_seed(1)
    factors = torch.randn(500, 15, 15, dtype=torch.float64, generator=generator) ** 3
    gram = factors @ factors.mT
    size = gram.diagonal(dim1=1, dim2=2).sqrt()
    gram = gram / size[:, :, None] / size[:, None, :]
    target = torch.rand(500, 15, dtype=torch.float64, generator=generator) - 0.3
    expected = [by_scipy(g.numpy(), t.numpy()) for g, t in zip(gram, target, strict=True)]
    one_by_one = Mock(wraps=nonnegative.dposv)
    monkeypatch.setattr(nonnegative, "dposv", one_by_one)
    monkeypatch.setattr(nonnegative, "PATIENCE", 0)  # Murty's rule nearly from the start
    theta = nonnegative.nonnegative_least_squares(gram, target)
    np.testing.assert_allclose(theta, np.stack(expected), atol=1e-6)
    slope = (gram @ theta[:, :, None])[:, :, 0] - target
    assert theta.min() >= 0 and slope.min() >= -1e-9
    assert slope[theta > 0].abs().max() <= 1e-9
    assert one_by_one.call_count < 500, "pivoting solves nine in ten, and others take ten steps"


def test_the_size_of_a_singular_problem_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(1)
    factors = torch.randn(50, 9, 3, dtype=torch.float64, generator=generator)  # of rank 3
    gram = factors @ factors.mT
    target = (gram @ torch.rand(50, 9, 1, dtype=torch.float64, generator=generator))[..., 0]
    for scale in (1.0, 1e6):
        theta = nonnegative.nonnegative_least_squares(scale * gram, scale * target)
        slope = (gram @ theta[:, :, None])[:, :, 0] - target
        assert theta.min() >= 0 and slope.abs().max() < 1e-8, "the target can be met exactly"


def test_two_candidates_are_active_together_as_the_theorem_says() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2000, 2, 3, dtype=torch.float64, generator=generator)
    found = nnk_weights(x, torch.zeros(2000, 3, dtype=torch.float64), sigma=1.3)
    to_query = (-(x**2).sum(2) / (2 * 1.3**2)).exp()
    between = (-((x[:, 0] - x[:, 1]) ** 2).sum(1) / (2 * 1.3**2)).exp()
    ratio = to_query[:, 0] / to_query[:, 1]
    both = (between < ratio) & (ratio < 1 / between)
    assert torch.equal((found.weights > 0).all(1), both)
    assert both.any() and not both.all()
    # i hides j if j lies beyond the plane through i across the line to the query, whatever σ.
    for i, j in ((0, 1), (1, 0)):
        hidden = (x[:, i] * (x[:, i] - x[:, j])).sum(1) <= 0
        assert torch.equal(found.weights[:, j] == 0, hidden)


def test_pairwise_pruning_is_not_enough_for_more_candidates() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(300, 6, 3, dtype=torch.float64, generator=generator)
    found = nnk_weights(x, torch.zeros(300, 3, dtype=torch.float64), sigma=1)
    behind = (x[:, :, None] * (x[:, :, None] - x[:, None])).sum(-1) <= 0  # [., i, j]: i hides j
    behind.diagonal(dim1=1, dim2=2).fill_(False)
    survives = ~behind.any(1)
    differs = (survives != (found.weights > 0)).any(1)
    assert 0.1 < differs.float().mean() < 0.9


@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
def test_weights_do_not_change_with_scale_and_rotation(kernel: Any) -> None:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(50, 10, 4, dtype=torch.float64, generator=generator)
    q = torch.randn(50, 4, dtype=torch.float64, generator=generator)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=generator))[0]
    shift = torch.full((4,), 7.0, dtype=torch.float64) if kernel == "gaussian" else 0
    moved = nnk_weights(1e3 * x @ turn + shift, 1e3 * q @ turn + shift, kernel=kernel)
    torch.testing.assert_close(
        moved.weights, nnk_weights(x, q, kernel=kernel).weights, atol=1e-8, rtol=0
    )


def test_neighbors_are_the_weights_of_the_nearest() -> None:
    generator = torch.Generator().manual_seed(5)
    points = torch.randn(60, 3, generator=generator)
    queries = torch.randn(7, 3, generator=generator)
    found = nnk_neighbors(points, queries, 9)
    for query in range(7):
        order = (points - queries[query]).norm(dim=1).argsort()[:9]
        assert torch.equal(found.indices[query], order)
        expected = nnk_weights(points[order], queries[query]).weights
        torch.testing.assert_close(found.weights[query], expected, atol=1e-9, rtol=0)
    assert found.defined.all() and found.points == 60


def test_a_query_that_is_a_point_is_not_its_own_neighbor() -> None:
    points = torch.randn(30, 2, generator=torch.Generator().manual_seed(6))
    of_all = nnk_neighbors(points, k=5)
    of_some = nnk_neighbors(points, torch.tensor([3, 20]), k=5)
    assert not (of_all.indices == torch.arange(30)[:, None]).any()
    assert torch.equal(of_some.indices, of_all.indices[[3, 20]])
    outside = nnk_neighbors(points, points[[3]], k=5, copies="keep")
    assert neighbors_of(outside, 0) == {3}  # a vector is no point: its copy describes it best


def test_copies_of_the_query_are_passed_over_or_kept() -> None:
    generator = torch.Generator().manual_seed(7)
    others = torch.randn(20, 2, generator=generator)
    points = torch.cat([torch.zeros(12, 2), others])
    skipped = nnk_neighbors(points, torch.tensor([0]), k=6)
    assert skipped.indices.min() >= 12
    alone = nnk_neighbors(others, torch.zeros(1, 2), k=6)
    assert torch.equal(skipped.indices - 12, alone.indices)
    assert torch.equal(skipped.weights, alone.weights)
    kept = nnk_neighbors(
        torch.cat([torch.zeros(2, 2), others]), torch.tensor([0]), 6, copies="keep"
    )
    assert neighbors_of(kept, 0) == {1}


def test_of_equal_candidates_the_first_gets_the_weight() -> None:
    points = torch.tensor([[0.0], [1.0], [1.0], [-2.0]])
    found = nnk_neighbors(points, torch.tensor([0]), k=3)
    assert found.weights[0][1] == 0
    assert found.weights[0][0] == pytest.approx(
        nnk_neighbors(points[[0, 1, 3]], torch.tensor([0]), k=2).weights[0][0].item()
    )


def test_a_zero_vector_has_no_cosine_and_is_nobodys_neighbor() -> None:
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(8))
    points[4] = 0
    found = nnk_neighbors(points, k=5, kernel="cosine")
    assert found.defined.tolist() == [i != 4 for i in range(20)]
    assert not (found.indices == 4).any()
    assert found.weights[4].eq(0).all() and found.error[4] == 1
    dead = nnk_neighbors(torch.zeros(20, 3), k=5, kernel="cosine")
    assert not dead.defined.any() and dead.weights.eq(0).all()


@pytest.mark.parametrize("copies", ["skip", "keep"])
def test_points_that_are_all_equal_have_no_neighborhood(copies: Any) -> None:
    found = nnk_neighbors(torch.ones(20, 3), k=5, copies=copies)
    assert not found.defined.any()
    assert found.weights.isfinite().all() and found.error.isfinite().all()


def test_fewer_candidates_than_k_leave_places_empty() -> None:
    points = torch.cat([torch.zeros(6, 1), torch.tensor([[1.0], [-1.0]])])
    found = nnk_neighbors(points, torch.tensor([0]), k=5)
    assert sorted(found.indices[0].tolist()) == [-1, -1, -1, 6, 7]
    assert neighbors_of(found, 0) == {6, 7}


def test_chunks_do_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.randn(40, 3, generator=torch.Generator().manual_seed(9))
    whole = nnk_neighbors(points, k=6)
    monkeypatch.setattr("convsim.neighborhoods.neighbors.QUERIES_AT_ONCE", 7)
    monkeypatch.setattr("convsim.neighborhoods.nnk.NUMBERS_AT_ONCE", 40)
    monkeypatch.setattr("convsim.neighborhoods.nonnegative.AT_ONCE", 3)
    in_parts = nnk_neighbors(points, k=6)
    torch.testing.assert_close(whole.weights, in_parts.weights, atol=1e-12, rtol=0)
    assert torch.equal(whole.indices, in_parts.indices)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 20}, "k is 20 and there are 19 candidates; expected 1 to 19"),
        ({"k": 0}, "k is 0 and there are 19"),
        ({"kernel": "linear"}, "kernel is 'linear'; expected 'gaussian' or 'cosine'"),
        ({"copies": "drop"}, "copies is 'drop'; expected 'skip' or 'keep'"),
        ({"sigma": 0.0}, "sigma is 0.0; expected a finite number above 0"),
        ({"sigma": 1.0, "kernel": "cosine"}, "expected none: leave it out"),
        ({"queries": torch.tensor([3, 20])}, "queries name points 3 to 20; expected 0 to 19"),
        ({"queries": torch.zeros(2, 4)}, "queries have shape (2, 4) and points (20, 3)"),
        ({"queries": torch.zeros(2, 3).double()}, "call queries.to(points)"),
        ({"points": torch.full((20, 3), math.nan)}, "points of shape (20, 3) has 60 NaN"),
        ({"points": torch.zeros(20, 3, 2)}, "call points.flatten(1)"),
    ],
)
def test_errors_say_what_came_and_what_to_do(arguments: dict[str, Any], message: str) -> None:
    options = {"points": torch.randn(20, 3), "k": 5} | arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        nnk_neighbors(**options)


@pytest.mark.parametrize(
    ("candidates", "query", "options", "message"),
    [
        (torch.zeros(4, 2), torch.zeros(3), {}, "expected (..., k, d) and (..., d)"),
        (torch.ones(4, 2), torch.ones(2), {}, "sigma is 0: every candidate equals the query"),
        (torch.zeros(4, 2), torch.ones(2), {"kernel": "cosine"}, "has no cosine"),
    ],
)
def test_weights_refuse_what_has_no_answer(
    candidates: Tensor, query: Tensor, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        nnk_weights(candidates, query, **options)


def test_a_gram_matrix_has_to_fit() -> None:
    with pytest.raises(ValueError, match=re.escape("expected (..., k, k) and (..., k)")):
        nnk_weights_of_gram(torch.eye(3), torch.ones(2))
