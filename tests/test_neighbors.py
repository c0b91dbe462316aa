"""The nearest of many points and their kernel values, against explicit loops; and the refusals."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor

from convsim.neighborhoods.neighbors import nnk_neighbors
from convsim.neighborhoods.nnk import check_kernel, kernel_values, nnk_weights, nnk_weights_of_gram


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def nearest(points: Tensor, query: int, k: int) -> list[int]:
    """By sorting all others that are no copies of the query."""
    others = [
        (float((point - points[query]).norm()), i)
        for i, point in enumerate(points)
        if not torch.equal(point, points[query])
    ]
    return [i for _, i in sorted(others)[:k]]


def test_points_that_equal_the_query_in_some_numbers_are_no_copies() -> None:
    points = torch.zeros(70, 8, dtype=torch.float64)
    points[:, 1::2] = random(70, 4)  # every other number is 0 in all of them
    points[[3, 40, 69]] = points[0].clone()
    found = nnk_neighbors(points, k=45)
    one = {3: 0, 40: 0, 69: 0}  # of equal points any may come first
    for query in range(70):
        names, expected = found.indices[query].tolist(), nearest(points, query, 45)
        assert [one.get(i, i) for i in names] == [one.get(i, i) for i in expected], query
        assert len(set(names)) == 45
    outside = torch.zeros(2, 8, dtype=torch.float64)
    outside[:, 1::2] = random(2, 4, seed=1)
    for query, names in zip(outside, nnk_neighbors(points, outside, 5).indices, strict=True):
        assert names.tolist() == (points - query).norm(dim=1).argsort()[:5].tolist()


@pytest.mark.parametrize("copies", [0, 1, 5, 30])
@pytest.mark.parametrize("by_index", [True, False])
def test_behind_any_number_of_copies_the_nearest_are_found(copies: int, by_index: bool) -> None:
    others = random(9, 2, seed=1)
    points = torch.cat([others[:4], torch.zeros(copies + 1, 2).double(), others[4:]])
    queries = torch.tensor([4]) if by_index else points[[4]]
    found = nnk_neighbors(points, queries, k=3)
    assert found.indices[0].tolist() == nearest(points, 4, 3)
    assert found.points == len(points) and found.defined.all()
    # With all of the others asked for, places stay empty only where there are no more.
    asked = min(12, len(points) - 1)
    all_others = nnk_neighbors(points, queries, k=asked).indices[0].tolist()
    assert all_others == (nearest(points, 4, 9) + [-1] * 3)[:asked]


def test_cosines_pass_over_zero_vectors_wherever_they_stand() -> None:
    points = random(20, 3, seed=2)
    points[[0, 7, 8, 19]] = 0
    unit = points / points.norm(dim=1, keepdim=True)
    found = nnk_neighbors(points, torch.tensor([5, 11]), k=4, kernel="cosine")
    for row, query in enumerate((5, 11)):
        cosines = {i: float(unit[i] @ unit[query]) for i in range(20) if points[i].any()}
        del cosines[query]
        expected = sorted(cosines, key=lambda i: -cosines[i])[:4]
        assert found.indices[row].tolist() == expected


def test_where_few_points_have_a_cosine_places_stay_empty() -> None:
    points = torch.zeros(9, 2, dtype=torch.float64)
    points[[2, 5, 6]] = random(3, 2, seed=3)
    found = nnk_neighbors(points, torch.tensor([5, 0]), k=4, kernel="cosine")
    assert sorted(found.indices[0].tolist()) == [-1, -1, 2, 6]
    assert found.indices[0, 2:].tolist() == [-1, -1]
    assert found.weights[1].eq(0).all() and found.defined.tolist() == [True, False]
    nothing = nnk_neighbors(torch.zeros(9, 2), k=4, kernel="cosine")
    assert nothing.indices.eq(-1).all() and nothing.indices.shape == (9, 4)


def test_all_points_are_queries_unless_some_are_named() -> None:
    points = random(30, 2, seed=3)
    found = nnk_neighbors(points)
    assert found.indices.shape == (30, 25) and found.weights.dtype == torch.float64
    assert torch.equal(found.indices, nnk_neighbors(points, torch.arange(30), 25).indices)
    assert torch.equal(found.counts, (found.weights > 0).sum(1))
    gaussian = nnk_neighbors(points, k=5, kernel="gaussian", copies="skip")
    assert torch.equal(nnk_neighbors(points, k=5).weights, gaussian.weights)


@pytest.mark.parametrize("sigma", [None, 0.7])
def test_gaussian_values_are_those_of_the_formula(sigma: float | None) -> None:
    points, queries = random(9, 2, seed=4), random(3, 2, seed=5)
    indices = torch.tensor([[0, 4, 8, 2], [1, 3, -1, -1], [5, 6, 7, -1]])
    gram, similarity = kernel_values(points, queries, indices, "gaussian", sigma)
    for q, names in enumerate(indices.tolist()):
        there = [i for i in names if i >= 0]
        farthest = max(float((points[i] - queries[q]).norm()) for i in there)
        width = farthest / 3 if sigma is None else sigma

        def value(a: Tensor, b: Tensor, width: float = width) -> float:
            return math.exp(-float((a - b).square().sum()) / (2 * width**2))

        for i, name in enumerate(names):
            expected = -1.0 if name < 0 else value(points[name], queries[q])
            assert similarity[q, i].item() == pytest.approx(expected, abs=1e-12)
            for j, other in enumerate(names):
                known = name >= 0 and other >= 0
                expected = value(points[name], points[other]) if known else float(i == j)
                assert gram[q, i, j].item() == pytest.approx(expected, abs=1e-12)


def test_cosine_values_are_those_of_the_formula() -> None:
    points = random(6, 3, seed=6)
    points = points / points.norm(dim=1, keepdim=True)
    queries = torch.cat([points[[1]] * 1.0, torch.zeros(1, 3).double()])
    indices = torch.tensor([[0, 5, -1], [2, 3, 4]])
    gram, similarity = kernel_values(points, queries, indices, "cosine", None)
    assert similarity[0].tolist() == pytest.approx(
        [0.5 + 0.5 * float(points[0] @ points[1]), 0.5 + 0.5 * float(points[5] @ points[1]), -1]
    )
    between = 0.5 + 0.5 * float(points[0] @ points[5])
    expected = torch.tensor([[1, between, 0], [between, 1, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(gram[0], expected)
    # A query that is zero has no cosine: nothing is like it.
    assert similarity[1].tolist() == [-1] * 3 and torch.equal(gram[1], torch.eye(3).double())


def test_candidates_that_all_equal_the_query_have_no_kernel_values() -> None:
    points = torch.ones(3, 2, dtype=torch.float64)
    indices = torch.tensor([[0, 1, 2]])
    gram, similarity = kernel_values(points, points[:1], indices, "gaussian", None)
    assert similarity.tolist() == [[-1] * 3] and torch.equal(gram[0], torch.eye(3).double())


def test_a_width_for_each_query() -> None:
    candidates, query = random(4, 3, 2, seed=7), random(4, 2, seed=8)
    widths = torch.tensor([0.5, 1.0, 2.0, 4.0])
    together = nnk_weights(candidates, query, sigma=widths)
    for i in range(4):
        alone = nnk_weights(candidates[i], query[i], sigma=float(widths[i]))
        torch.testing.assert_close(together.weights[i], alone.weights)
        torch.testing.assert_close(together.error[i], alone.error)


def test_one_zero_vector_in_a_batch_is_refused_by_the_cosine() -> None:
    candidates, query = random(4, 3, 2, seed=7), random(4, 2, seed=8)
    assert nnk_weights(candidates, query, kernel="cosine").weights.shape == (4, 3)
    message = "zero and has no cosine; expected vectors that are not zero: leave it out, or choose"
    for zero in (candidates[2, 1], query[3]):
        kept = zero.clone()
        zero.zero_()
        with pytest.raises(ValueError, match=message):
            nnk_weights(candidates, query, kernel="cosine")
        zero.copy_(kept)


def test_weights_say_which_argument_is_wrong() -> None:
    points = torch.ones(3, 2)
    with pytest.raises(ValueError, match="^candidates has dtype torch.int64"):
        nnk_weights(points.long(), points[0])
    with pytest.raises(ValueError, match="^query has dtype torch.int64"):
        nnk_weights(points, points[0].long())
    with pytest.raises(ValueError, match="^gram has dtype torch.int64"):
        nnk_weights_of_gram(torch.eye(2).long(), torch.ones(2))
    with pytest.raises(ValueError, match="^similarity has dtype torch.int64"):
        nnk_weights_of_gram(torch.eye(2), torch.ones(2).long())
    with pytest.raises(ValueError, match="expected a finite number above 0"):
        nnk_weights(points, torch.zeros(2), sigma=-1.0)
    with pytest.raises(ValueError, match=r"sigma is 1.0 and the kernel 'cosine'; expected none"):
        nnk_weights(points, points[0], kernel="cosine", sigma=1.0)


def test_weights_of_a_diagonal_gram_matrix_are_the_positive_similarities() -> None:
    target = torch.tensor([[0.5, -0.1, 0.3], [0.0, 0.9, -1.0]])
    found = nnk_weights_of_gram(torch.eye(3).expand(2, 3, 3), target)
    torch.testing.assert_close(found.weights, target.double().clamp(min=0))
    # K_qq - 2 θᵀk + θᵀKθ = 1 - θᵀθ here.
    expected = 1 - target.double().clamp(min=0).square().sum(1)
    torch.testing.assert_close(found.error, expected)
    assert found.weights.dtype == found.error.dtype == torch.float64
    low = nnk_weights_of_gram(torch.eye(2) * 1e-3, torch.tensor([1.0, 1.0]))
    assert low.error.item() == 0.0, "rounding and poor kernels give no negative distance"


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.inf, math.nan, torch.tensor([1.0, 0.0])])
def test_a_width_is_finite_and_positive(sigma: float | Tensor) -> None:
    with pytest.raises(ValueError, match="expected a finite number above 0"):
        check_kernel("gaussian", sigma)
    check_kernel("gaussian", 0.5)
    check_kernel("cosine", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": torch.zeros(20)}, "points has shape (20,), 1 axes; expected at least 2"),
        (
            {"points": torch.zeros(20, 3, 2)},
            "points have shape (20, 3, 2); expected (n, d): call points.flatten(1)",
        ),
        (
            {"queries": torch.tensor([True, False])},
            "queries have shape (2,) and dtype torch.bool; expected at least one whole number "
            "that names a point",
        ),
        (
            {"queries": torch.zeros(0, dtype=torch.int64)},
            "queries have shape (0,) and dtype torch.int64; expected at least one whole number",
        ),
        ({"queries": torch.tensor([-1, 2])}, "queries name points -1 to 2; expected 0 to 19"),
        ({"queries": torch.tensor([5, 20])}, "queries name points 5 to 20; expected 0 to 19"),
        ({"queries": torch.zeros(3)}, "queries has shape (3,), 1 axes; expected at least 2"),
        (
            {"queries": torch.zeros(2, 1, 3)},
            "queries have shape (2, 1, 3) and points (20, 3); expected (Q, d) and (n, d), or "
            "(Q,) whole numbers that name points",
        ),
        (
            {"queries": torch.zeros(2, 3).half()},
            "queries are torch.float16 on cpu and points torch.float32 on cpu; expected the same: "
            "call queries.to(points)",
        ),
        (
            {"queries": torch.zeros(2, 3), "k": 21},
            "k is 21 and there are 20 candidates; expected 1 to 20: take a smaller k or more "
            "points",
        ),
    ],
)
def test_errors_say_what_came_and_what_to_do(arguments: dict[str, Any], message: str) -> None:
    options = {"points": torch.zeros(20, 3), "k": 5} | arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        nnk_neighbors(**options)


def test_as_many_candidates_as_there_are_may_be_asked_for() -> None:
    points = random(6, 2, seed=9)
    assert nnk_neighbors(points, random(2, 2, seed=10), k=6).indices.shape == (2, 6)
    assert nnk_neighbors(points, torch.tensor([0, 5]), k=5).indices.shape == (2, 5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cosine_weights_of_single_precision_points_are_those_of_double(dtype: torch.dtype) -> None:
    """Normalised in float32, these points lose 6e-4 of a weight."""
    generator = torch.Generator().manual_seed(11)
    points = 1 + 1e-3 * torch.randn(200, 8, generator=generator, dtype=dtype)
    found = nnk_neighbors(points, k=12, kernel="cosine")
    exact = nnk_weights(points[found.indices].double(), points.double(), kernel="cosine")
    torch.testing.assert_close(found.weights, exact.weights, atol=1e-9, rtol=0)
    torch.testing.assert_close(found.error, exact.error, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_points_are_named_by_whole_numbers_of_any_kind(dtype: torch.dtype) -> None:
    points = random(20, 3, seed=12)
    found = nnk_neighbors(points, torch.tensor([1, 0, 3], dtype=dtype), k=4)
    expected = nnk_neighbors(points, k=4)
    assert torch.equal(found.indices, expected.indices[[1, 0, 3]])
    assert torch.equal(found.weights, expected.weights[[1, 0, 3]])
