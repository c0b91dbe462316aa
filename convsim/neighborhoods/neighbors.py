"""The NNK neighbours of many points: the nearest ones, without those that others hide."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from convsim.checks import check_tensor
from convsim.extras import extra
from convsim.neighborhoods.nnk import (
    Kernel,
    check_kernel,
    check_points,
    kernel_values,
    weights_of_kernel_values,
)
from convsim.neighborhoods.nonnegative import check_without_gradient
from convsim.similarity import unit

Copies = Literal["skip", "keep"]

QUERIES_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The NNK neighbours of many queries; leading axes, if any, are channels.

    Attributes:
        indices: ``(..., Q, k)``, int64: candidates in ``points``, nearest first; -1 where there
            are no more.
        weights: ``(..., Q, k)``, float64: their weights; neighbours are those above 0.
        error: ``(..., Q)``, float64: as in :class:`convsim.neighborhoods.nnk.NNKWeights`; 1 where
            undefined.
        defined: ``(..., Q)``, bool: False where a query has no neighbours at all, because it is
            zero and has no cosine, because its candidates are all copies of it, or because it has
            no candidates.
        points: number of points that could be neighbours.
    """

    indices: Tensor
    weights: Tensor
    error: Tensor
    defined: Tensor
    points: int

    @property
    def counts(self) -> Tensor:
        """``(..., Q)``: how many neighbours each query has, a proxy of its local dimension."""
        return (self.weights > 0).sum(-1)


def nnk_neighbors(
    points: Tensor,
    queries: Tensor | None = None,
    k: int = 25,
    *,
    kernel: Kernel = "gaussian",
    sigma: float | None = None,
    copies: Copies = "skip",
    progress: bool = False,
) -> Neighbors:
    """The NNK neighbours of queries among points: solved for the k nearest of each.

    Args:
        points: ``(n, d)``, float32 or float64.
        queries: ``(Q, d)`` floating-point vectors; or ``(Q,)`` whole numbers, which name points
            that are queries and then no candidates of their own; None for all points.
        k: number of candidates.
        kernel: as for :func:`convsim.neighborhoods.nnk.nnk_weights`; the k nearest are the most
            similar ones.
        sigma: the same; by default a third of the distance to the k-th candidate.
        copies: what happens to points that equal the query exactly. ``"skip"`` passes them over;
            with ``"keep"`` one of them takes all the weight, for nothing describes the query
            better. Of candidates that equal each other the first one gets the weight.
        progress: show a progress bar.

    Returns:
        A :class:`Neighbors` on the device of the points. The k nearest are searched on the CPU, in
        the points' precision; weights are computed in float64.

    Raises:
        ValueError: for input that is not finite, requires a gradient or does not fit, or more
            candidates than points.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [2.0], [-1.5]])
        >>> found = nnk_neighbors(points, torch.tensor([0]), k=3)  # 1 hides 2, -1.5 stands free
        >>> found.indices[found.weights > 0].tolist()
        [1, 3]
    """
    check_points(points, "points", axes=2)
    if points.ndim != 2:
        raise ValueError(
            f"points have shape {tuple(points.shape)}; expected (n, d): call points.flatten(1)"
        )
    vectors, own = _queries(points, queries)
    _check_options(kernel, sigma, copies, k, available=len(points) - (own is not None))
    x = unit(points) if kernel == "cosine" else points
    q = unit(vectors) if kernel == "cosine" else vectors
    indices = _nearest(x, q, own, k, zeros=kernel != "cosine", copies=copies)
    solved = []
    with tqdm(total=len(indices), unit="query", disable=not progress) as bar:
        for some in torch.arange(len(indices), device=points.device).split(QUERIES_AT_ONCE):
            gram, similarity = kernel_values(points, vectors[some], indices[some], kernel, sigma)
            solved.append(weights_of_kernel_values(gram, similarity))
            bar.update(len(some))
    weights = torch.cat([part.weights for part in solved])
    error = torch.cat([part.error for part in solved])
    return Neighbors(indices, weights, error, (weights > 0).any(1), len(points))


def check_type(found: Any, expected: type, source: str) -> None:
    """Raise a ``ValueError`` unless what was found is of a type; and say where that comes from."""
    if not isinstance(found, expected):
        raise ValueError(
            f"the neighbours are a {type(found).__name__}; expected a {expected.__name__}: pass "
            f"{source}"
        )


def _check_options(kernel: Kernel, sigma: Any, copies: Copies, k: Any, *, available: int) -> None:
    check_kernel(kernel, sigma)
    if isinstance(sigma, Tensor) and sigma.ndim > 0:
        raise ValueError(
            f"sigma has shape {tuple(sigma.shape)}; expected one number for all queries"
        )
    if copies not in get_args(Copies):
        raise ValueError(f"copies is {copies!r}; expected 'skip' or 'keep'")
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise ValueError(f"k is {k!r}; expected a whole number from 1 to {available}")
    if not 1 <= int(k) <= available:
        raise ValueError(
            f"k is {k} and there are {available} candidates; expected 1 to {available}: take a "
            "smaller k or more points"
        )


def _nearest(
    points: Tensor, queries: Tensor, own: Tensor | None, k: int, *, zeros: bool, copies: Copies
) -> Tensor:
    """Indices ``(Q, k)`` of the nearest points, -1 where there are no more.

    Where the query itself or its copies take places, more neighbours are asked for, until k are
    left or there are no other points.
    """
    with extra("data"):
        from sklearn.neighbors import NearestNeighbors  # slow to import, only needed here

    allowed = torch.arange(len(points)) if zeros else points.cpu().any(1).nonzero()[:, 0]
    found = torch.full((len(queries), k), -1)
    if len(allowed) == 0:
        return found.to(points.device)
    x, q = points.cpu()[allowed].numpy(), queries.cpu().numpy()
    search = NearestNeighbors(algorithm="brute").fit(x)
    left = np.arange(len(q))
    asked = min(len(x), k + (own is not None))
    while len(left):
        places = search.kneighbors(q[left], asked, return_distance=False)
        names = allowed.numpy()[places]
        good = np.ones(places.shape, dtype=bool)
        if own is not None:
            good &= names != own.cpu().numpy()[left, None]
        if copies == "skip":
            good &= ~_equal(x, q[left], places)
        enough = (good.sum(1) >= k) | (asked == len(x))
        # A stable sort brings what counts to the front and keeps it nearest first.
        order = np.argsort(~good, axis=1, kind="stable")[:, :k]
        chosen = np.where(
            np.take_along_axis(good, order, 1), np.take_along_axis(names, order, 1), -1
        )
        found[torch.from_numpy(left[enough]), : chosen.shape[1]] = torch.from_numpy(chosen[enough])
        left, asked = left[~enough], min(len(x), 4 * asked)
    return found.to(points.device)


def _equal(points: np.ndarray, queries: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether ``points[places]`` equal their query, looking at rows whose first numbers do."""
    some = slice(None, None, max(1, points.shape[1] // 4))
    equal: np.ndarray = (points[:, some][places] == queries[:, None, some]).all(2)
    rows, columns = equal.nonzero()
    for start in range(0, len(rows), 1024):
        row, column = rows[start : start + 1024], columns[start : start + 1024]
        equal[row, column] = (points[places[row, column]] == queries[row]).all(1)
    return equal


def are_names(queries: Tensor) -> bool:
    """Whether queries are ``(Q,)`` numbers of points, and no vectors."""
    return (
        isinstance(queries, Tensor)
        and queries.ndim == 1
        and queries.layout == torch.strided
        and not (queries.is_floating_point() or queries.is_complex() or queries.is_meta)
    )


def _queries(points: Tensor, queries: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The queries as vectors, and which points they are, if they are points."""
    if queries is None:
        return points, torch.arange(len(points), device=points.device)
    if are_names(queries):
        if queries.dtype == torch.bool or queries.numel() == 0:
            raise ValueError(
                f"queries have shape {tuple(queries.shape)} and dtype {queries.dtype}; expected "
                "at least one whole number that names a point"
            )
        queries = queries.to(points.device, torch.int64)  # uint8 would be taken for a mask
        low, high = int(queries.min()), int(queries.max())
        if low < 0 or high >= len(points):
            raise ValueError(
                f"queries name points {low} to {high}; expected 0 to {len(points) - 1}"
            )
        return points[queries], queries
    check_tensor(queries, "queries", axes=2)
    check_without_gradient(queries, "queries")
    if queries.ndim != 2 or queries.shape[1] != points.shape[1]:
        raise ValueError(
            f"queries have shape {tuple(queries.shape)} and points {tuple(points.shape)}; expected "
            "(Q, d) and (n, d), or (Q,) whole numbers that name points"
        )
    if queries.dtype != points.dtype or queries.device != points.device:
        raise ValueError(
            f"queries are {queries.dtype} on {queries.device} and points {points.dtype} on "
            f"{points.device}; expected the same: call queries.to(points)"
        )
    return queries, None
