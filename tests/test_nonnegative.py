"""Problems with singular matrices: every solution meets the conditions, or an error says so."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from sklearn.datasets import load_digits
from torch import Generator, Tensor

from convsim.neighborhoods.neighbors import nnk_neighbors
from convsim.neighborhoods.nnk import nnk_weights, nnk_weights_of_gram
from convsim.neighborhoods.nonnegative import nonnegative_least_squares

Problems = tuple[Tensor, Tensor]
"""Candidates, ``(B, k, d)``, and queries, ``(B, d)``."""


def normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def whole(generator: Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (1,), generator=generator))


def twice(generator: Generator, count: int, k: int) -> Problems:
    """Every point twice, at tenths."""
    d = whole(generator, 1, 3)
    points = normal(generator, count, (k + 1) // 2, d).mul(10).round() / 10
    return points.repeat_interleave(2, 1)[:, :k], normal(generator, count, d).mul(10).round() / 10


def nearly_twice(generator: Generator, count: int, k: int) -> Problems:
    """Copies that lie 1e-12 to 1e-4 apart."""
    points, queries = twice(generator, count, k)
    exponents = -12 + 8 * torch.rand(count, 1, 1, dtype=torch.float64, generator=generator)
    return points + 10**exponents * normal(generator, *points.shape), queries


def on_a_grid(generator: Generator, count: int, k: int) -> Problems:
    d = whole(generator, 1, 3)
    points = torch.randint(-2, 3, (count, k + 1, d), generator=generator).double()
    return points[:, 1:], points[:, 0] + 0.25


def in_few_dimensions(generator: Generator, count: int, k: int) -> Problems:
    """Their cosines have a Gram matrix of rank d + 1 at most."""
    d = whole(generator, 2, 5)
    return normal(generator, count, k, d), normal(generator, count, d)


def rectified(generator: Generator, count: int, k: int) -> Problems:
    """Maps with many zeros, at halves."""
    points = (normal(generator, count, k + 1, whole(generator, 2, 9)) - 0.7).relu().mul(4).round()
    points[..., 0] += 1
    return points[:, 1:] / 2, points[:, 0] / 2


def digits_in_blocks(generator: Generator, count: int, k: int) -> Problems:
    """The nearest of scikit-learn's digits, seen in a few sums over 2 × 2 pixels."""
    images = torch.from_numpy(load_digits().images).reshape(-1, 4, 2, 4, 2).sum((2, 4)).flatten(1)
    first = whole(generator, 0, 11)
    images = images[:, first : first + whole(generator, 1, 4)]
    queries = images[torch.randint(0, len(images), (count,), generator=generator)]
    distances = torch.cdist(queries, images)
    nearest = distances.masked_fill(distances == 0, math.inf).topk(k, largest=False).indices
    return images[nearest], queries


KINDS: list[Callable[[Generator, int, int], Problems]] = [
    twice,
    nearly_twice,
    on_a_grid,
    in_few_dimensions,
    rectified,
    digits_in_blocks,
]


def kernel_values(points: Tensor, queries: Tensor, sigma: float | None) -> tuple[Tensor, Tensor]:
    """Gaussian values of width sigma, or without one those of the cosine."""
    both = torch.cat([queries[:, None], points], 1)
    if sigma is None:
        norms = both.norm(dim=2, keepdim=True)
        both = both / norms.where(norms > 0, 1)
        values = (1 + both @ both.mT) / 2
    else:
        squares = torch.stack([(both - one[:, None]).square().sum(2) for one in both.unbind(1)], 1)
        values = (-squares / (2 * sigma**2)).exp()
    values.diagonal(dim1=1, dim2=2).fill_(1)
    return values[:, 1:, 1:], values[:, 0, 1:]


def singular_problems(total: int, *, at_once: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """K and k of problems of all kinds, of 1 to 40 candidates, with wide and narrow kernels."""
    generator = torch.Generator().manual_seed(seed)
    for number in range(total // at_once):
        points, queries = KINDS[number % len(KINDS)](generator, at_once, whole(generator, 1, 40))
        wide, often = torch.rand(2, dtype=torch.float64, generator=generator).tolist()
        sigma = 10 ** (2 * wide - 1.2) if often < 0.6 else 10 ** (10 * wide - 5)
        cosine = often > 0.8 or points.shape[2] > 1 and number % len(KINDS) == 3
        yield kernel_values(points, queries, None if cosine else sigma)


def violations(gram: Tensor, target: Tensor, theta: Tensor) -> np.ndarray:
    """By how much the conditions are missed, in NumPy and one condition after the other."""
    k, t, x = gram.numpy(), target.numpy(), theta.numpy()
    slope = np.einsum("bij,bj->bi", k, x) - t
    negative = np.maximum(-x, 0).max(1)
    downhill = np.maximum(-slope, 0).max(1)
    uphill = np.where(x > 0, np.abs(slope), 0).max(1)
    return np.maximum(np.maximum(negative, downhill), uphill)


def test_singular_problems_of_all_kinds_meet_the_conditions() -> None:
    largest = [
        violations(gram, target, nonnegative_least_squares(gram, target)).max()
        for gram, target in singular_problems(6000, at_once=100, seed=1)
    ]
    assert len(largest) == 60 and max(largest) < 5e-9


@pytest.mark.parametrize("sigma", [0.1, 0.2])
def test_copies_under_a_narrow_kernel_meet_the_conditions(sigma: float) -> None:
    """Of these one in a hundred has a matrix on which SciPy's nnls fails without a word."""
    generator = torch.Generator().manual_seed(0)
    points = normal(generator, 4000, 10, 1).mul(10).round().repeat_interleave(2, 1) / 10
    queries = normal(generator, 4000, 1).mul(10).round() / 10
    gram, target = kernel_values(points, queries, sigma)
    found = nnk_weights(points, queries, sigma=sigma)
    assert violations(gram, target, found.weights).max() < 1e-9
    assert found.error.max() <= 1, "no weights at all give 1"
    assert found.weights[:, 1::2].eq(0).all(), "the first of two copies gets the weight"


@pytest.mark.parametrize(
    ("points", "query", "sigma"),
    [
        ([-0.6, -0.6, 0.6, 0.6, 0.4, 0.4, 0.1, 0.1, 1.9, 1.9, 0.1, 0.1], -1.5, 0.2),
        ([-1.2, -1.2, 0.7, 0.7, -0.8, -0.8, -0.5, -0.5], -1.5, 0.1),
        ([-1.0, -1.0, -0.8, -0.8, 0.9, 0.9, 0.6, 0.6, -1.4, -1.4, 2.1, 2.1], -1.1, 0.2),
        ([-1.5, -1.5, 0.1, 0.1, 0.2, 0.2, 1.8, 1.8, 2.2, 2.2, -0.2, -0.2], -0.1, 0.2),
    ],
)
def test_no_weight_lands_far_from_the_query(points: list, query: float, sigma: float) -> None:
    candidates = torch.tensor(points, dtype=torch.float64)[:, None]
    at = torch.tensor([query], dtype=torch.float64)
    found = nnk_weights(candidates, at, sigma=sigma)
    gram, target = kernel_values(candidates[None], at[None], sigma)
    assert violations(gram, target, found.weights[None]).max() < 1e-9
    assert found.error.item() <= 1
    assert not found.weights[(candidates[:, 0] - query).abs() > 8 * sigma].any()
    as_points = nnk_neighbors(candidates, at[None], k=len(points), sigma=sigma)
    by_index = torch.zeros(len(points), dtype=torch.float64)
    by_index[as_points.indices[0]] = as_points.weights[0]
    pairs = by_index.view(-1, 2).sum(1), found.weights.view(-1, 2).sum(1)
    assert torch.equal((pairs[0] > 0), (pairs[1] > 0))


def test_of_copies_in_any_order_the_first_gets_the_weight() -> None:
    generator = torch.Generator().manual_seed(2)
    single = normal(generator, 300, 6, 2)
    queries = normal(generator, 300, 2)
    gram, target = kernel_values(single, queries, 1.0)
    expected = nonnegative_least_squares(gram, target)
    order = torch.tensor([3, 0, 0, 5, 3, 1, 2, 5, 4, 0])
    first = torch.tensor([1, 5, 6, 0, 8, 3])  # where each of the six stands first
    found = nonnegative_least_squares(gram[:, order][:, :, order], target[:, order])
    torch.testing.assert_close(found[:, first], expected, atol=1e-9, rtol=0)
    others = torch.ones(10, dtype=torch.bool).index_fill(0, first, False)
    assert found[:, others].eq(0).all() and (expected > 0).any(1).all()


def test_copies_with_unequal_targets_are_not_the_same_unknown() -> None:
    # No kernel's values, but there is a solution: θ = (0, 0.6).
    gram, target = torch.ones(1, 2, 2).double(), torch.tensor([[0.5, 0.6]]).double()
    assert nonnegative_least_squares(gram, target)[0].tolist() == pytest.approx([0, 0.6])


@pytest.mark.parametrize("rank", [2, 5, 30])
def test_solutions_do_not_depend_on_units(rank: int) -> None:
    generator = torch.Generator().manual_seed(rank)
    factors = normal(generator, 100, 12, rank)
    gram = factors @ factors.mT
    target = (factors @ normal(generator, 100, rank, 1))[..., 0]
    expected = nonnegative_least_squares(gram, target)
    assert violations(gram, target, expected).max() < 1e-8
    for scale in (1e-20, 1e-8, 1e8):
        theta = nonnegative_least_squares(scale * gram, scale * target)
        assert violations(gram, target, theta).max() < 1e-8
    unit = 10 ** normal(generator, 100, 12)
    theta = nonnegative_least_squares(gram * unit[:, :, None] * unit[:, None], target * unit)
    assert violations(gram, target, theta * unit).max() < 1e-7


def test_what_has_no_kernel_value_with_itself_gets_no_weight() -> None:
    gram = torch.diag(torch.tensor([2.0, 0.0, 1.0])).double()[None]
    target = torch.tensor([[1.0, 0.0, 0.5]]).double()
    found = nonnegative_least_squares(gram, target)[0].tolist()
    assert found == pytest.approx([0.5, 0, 0.5]) and found[1] == 0
    assert nonnegative_least_squares(0 * gram, 0 * target).tolist() == [[0, 0, 0]]
    with pytest.raises(ValueError, match="problem 0 of 1 has no solution"):
        nonnegative_least_squares(gram, target + 0.1)


def test_what_is_not_wanted_at_all_leaves_the_others_as_they_are() -> None:
    gram = torch.eye(3).double()[None]
    for target in ([1.0, -1e12, 1e-3], [1e3, -1.0, 1.0]):
        found = nonnegative_least_squares(gram, torch.tensor([target]).double())
        assert found[0].tolist() == pytest.approx([max(0, value) for value in target])


def test_problems_without_a_solution_are_named() -> None:
    """A way downhill without end, v with v ≥ 0, Kv = 0 and k'v > 0, is found by linear programs."""
    generator = torch.Generator().manual_seed(3)
    factors = normal(generator, 60, 8, 4)
    gram, target = factors @ factors.mT, normal(generator, 60, 8)
    endless = 0
    for index, (matrix, wanted) in enumerate(zip(gram, target, strict=True)):
        best = linprog(
            -wanted.numpy(),
            A_eq=np.vstack([factors[index].T.numpy(), np.ones(8)]),
            b_eq=[0.0] * 4 + [1.0],
        )
        problem = matrix[None], wanted[None]
        if best.status == 0 and best.fun < 0:
            endless += 1
            with pytest.raises(ValueError, match="problem 0 of 1 has no solution.* misses the"):
                nonnegative_least_squares(*problem)
        else:
            assert violations(*problem, nonnegative_least_squares(*problem)).max() < 1e-8
    assert 5 < endless < 55
    good = torch.eye(2).double().expand(5, 2, 2).clone()
    good[3] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    with pytest.raises(ValueError, match=re.escape("problem 3 of 5 has no solution: what was")):
        nonnegative_least_squares(good, torch.ones(5, 2).double())
    with pytest.raises(ValueError, match="pass a kernel's values"):
        nnk_weights_of_gram(good, torch.ones(5, 2))


def test_a_problem_of_numbers_that_are_none_is_no_endless_loop() -> None:
    gram = torch.full((1, 3, 3), math.nan, dtype=torch.float64)
    with pytest.raises(ValueError, match="problem 0 of 1 has no solution.* by inf"):
        nonnegative_least_squares(gram, torch.ones(1, 3).double())


@pytest.mark.parametrize("sigma", [1e-300, 1e-160, 1e160, 1e300])
def test_widths_whose_square_is_no_number_have_their_limits(sigma: float) -> None:
    points = torch.tensor([[1.0], [1.0], [2.0]], dtype=torch.float64)
    found = nnk_weights(points, torch.zeros(1).double(), sigma=sigma)
    assert found.weights.tolist() == [float(sigma > 1), 0, 0]
    assert found.error.item() == float(sigma < 1)


def test_a_problem_without_a_target_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsim.neighborhoods.nonnegative.AT_ONCE", 1)
    gram = torch.eye(2, dtype=torch.float64).expand(3, 2, 2)
    for targets in (2, 4):
        with pytest.raises(ValueError, match=re.escape("expected (B, n, n) and (B, n), both")):
            nonnegative_least_squares(gram, torch.ones(targets, 2, dtype=torch.float64))


def test_what_is_no_kernels_gram_matrix_is_refused_but_rounding_is_not() -> None:
    generator = torch.Generator().manual_seed(10)
    x = torch.randn(50, 8, 3, generator=generator)
    x = x / x.norm(dim=2, keepdim=True)
    similarity = 0.5 + 0.5 * (x @ x[:, 0, :, None])[..., 0]
    gram = 0.5 + 0.5 * x @ x.mT  # float32 and singular: eigenvalues of -1e-7
    assert torch.linalg.eigvalsh(gram.double()).min() < -1e-9
    assert nnk_weights_of_gram(gram, similarity).weights.shape == (50, 8)
    uneven = gram.clone()
    uneven[7, 2, 4] += 0.01
    with pytest.raises(ValueError, match="gram is not symmetric, matrix 7 differs from its trans"):
        nnk_weights_of_gram(uneven, similarity)
    negative = gram.clone()
    negative[9] -= 0.05 * torch.eye(8)
    with pytest.raises(ValueError, match=r"gram has the negative eigenvalue -5.0e-02, in matrix 9"):
        nnk_weights_of_gram(negative, similarity)
