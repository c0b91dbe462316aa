"""Non-negative kernel regression (NNK): which neighbours of a point no other neighbour hides.

A query q is written as a combination of its candidates with weights that must not be negative:

    θ = argmin over θ ≥ 0 of ½ θᵀ K θ - kᵀ θ,

where K holds the kernel's values among the candidates and k those between them and q. Candidates
with a positive weight are the neighbours of q (Shekkizhar and Ortega, 2020).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from convsim.checks import check_tensor
from convsim.neighborhoods.nonnegative import (
    LARGEST_VIOLATION,
    check_without_gradient,
    nonnegative_least_squares,
)
from convsim.similarity import unit

Kernel = Literal["gaussian", "cosine"]

NUMBERS_AT_ONCE = 2**18  # of candidates whose Gram matrices are made: 2 MB, about a cache's size


@dataclass(frozen=True, eq=False)
class NNKWeights:
    """The solution of one or many NNK problems.

    Attributes:
        weights: ``(..., k)``, float64: θ, exactly 0 for a candidate that others hide.
        error: ``(...,)``, float64: squared distance, in the kernel's space, of the query from its
            combination, :math:`K_{qq} - 2 θ^T k + θ^T K θ`.
    """

    weights: Tensor
    error: Tensor


def nnk_weights(
    candidates: Tensor,
    query: Tensor,
    *,
    kernel: Kernel = "gaussian",
    sigma: float | Tensor | None = None,
) -> NNKWeights:
    r"""Weights of the candidates that describe a query best, none of them negative.

    Args:
        candidates: ``(..., k, d)``, float32 or float64: k points for each query.
        query: ``(..., d)``.
        kernel: ``"gaussian"``, :math:`e^{-\|x - y\|^2 / 2 σ^2}`, or ``"cosine"``,
            :math:`½ + ½ \cos(x, y)`.
        sigma: σ of the Gaussian, one number or ``(...,)``; by default a third of the distance to
            the farthest candidate, which makes the weights independent of the data's scale.

    Returns:
        An :class:`NNKWeights`; computed in float64. Of candidates that equal each other the first
        one gets the weight.

    Raises:
        ValueError: for input that is not finite, requires a gradient or does not fit; for a
            Gaussian without width, that is, if all candidates equal the query; for the cosine of a
            zero vector.

    Example:
        >>> candidates = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
        >>> found = nnk_weights(candidates, torch.zeros(2), sigma=1)  # the first hides the second
        >>> [round(weight, 5) for weight in found.weights.tolist()], round(found.error.item(), 5)
        ([0.60653, 0.0], 0.63212)

    Source: Shekkizhar and Ortega (2020), arXiv 1910.09383; σ as in their code.
    """
    _check_pair(candidates, query, "candidates", "query")
    if candidates.shape[:-2] + candidates.shape[-1:] != query.shape:
        raise ValueError(
            f"candidates have shape {tuple(candidates.shape)} and the query {tuple(query.shape)}; "
            "expected (..., k, d) and (..., d) with the same leading axes and d"
        )
    check_kernel(kernel, sigma)
    if isinstance(sigma, Tensor) and sigma.shape not in ((), query.shape[:-1]):
        raise ValueError(
            f"sigma has shape {tuple(sigma.shape)}; expected one number or one for each query, "
            f"{tuple(query.shape[:-1])}"
        )
    x, q = candidates.double(), query.double()
    if kernel == "cosine":
        if not (x.any(-1).all() and q.any(-1).all()):
            raise ValueError(
                "a candidate or the query is zero and has no cosine; expected vectors that are "
                "not zero: leave it out, or choose the Gaussian kernel"
            )
        gram, similarity = _cosine_gram(unit(x), unit(q))
    else:
        squares, products = _centred(x, q)
        width = _widths(squares, sigma)
        if not (width > 0).all():
            raise ValueError(
                "sigma is 0: every candidate equals the query; expected a candidate at some "
                "distance: leave copies of the query out, or pass sigma"
            )
        gram, similarity = _gaussian_gram(squares, products, width)
    return weights_of_kernel_values(gram, similarity)


def nnk_weights_of_gram(gram: Tensor, similarity: Tensor) -> NNKWeights:
    """The same from kernel values, for any kernel whose value at (q, q) is 1.

    Args:
        gram: ``(..., k, k)``, float32 or float64: K between candidates, symmetric and positive
            semidefinite up to 1e-6 of its largest value.
        similarity: ``(..., k)``: K between the candidates and the query.

    Returns:
        An :class:`NNKWeights`; computed in float64, and checked, as
        :func:`convsim.neighborhoods.nonnegative.nonnegative_least_squares` says: the optimality
        (Karush-Kuhn-Tucker) conditions are met, in general to 1e-9.

    Raises:
        ValueError: for input that is not finite, requires a gradient or does not fit, for a K that
            is no kernel's, and for a similarity for which there is no solution.

    Example:
        >>> nnk_weights_of_gram(torch.eye(2), torch.tensor([0.5, -0.1])).weights.tolist()
        [0.5, 0.0]
    """
    _check_pair(gram, similarity, "gram", "similarity")
    if gram.shape[:-1] != similarity.shape or gram.shape[-1] != gram.shape[-2]:
        raise ValueError(
            f"gram has shape {tuple(gram.shape)} and similarity {tuple(similarity.shape)}; "
            "expected (..., k, k) and (..., k)"
        )
    k = similarity.shape[-1]
    matrices = gram.double().reshape(-1, k, k)
    _check_semidefinite(matrices)
    found = weights_of_kernel_values(
        (matrices + matrices.mT) / 2, similarity.double().reshape(-1, k)
    )
    shape = similarity.shape
    return NNKWeights(found.weights.reshape(shape), found.error.reshape(shape[:-1]))


def weights_of_kernel_values(gram: Tensor, similarity: Tensor) -> NNKWeights:
    """The same from values in float64 that :func:`kernel_values` gave, and that are not checked."""
    k = similarity.shape[-1]
    matrices, target = gram.reshape(-1, k, k), similarity.reshape(-1, k)
    theta = nonnegative_least_squares(matrices, target)
    fitted = (matrices @ theta[:, :, None])[:, :, 0]
    error = (1 + (theta * (fitted - 2 * target)).sum(1)).clamp(min=0)
    return NNKWeights(theta.reshape(similarity.shape), error.reshape(similarity.shape[:-1]))


def kernel_values(
    points: Tensor, queries: Tensor, indices: Tensor, kernel: Kernel, sigma: float | None
) -> tuple[Tensor, Tensor]:
    """Kernel values among the candidates of each query, and between them and the query.

    Args:
        points: ``(n, d)``.
        queries: ``(Q, d)``, the same.
        indices: ``(Q, k)``: each query's candidates, -1 where there is none.
        kernel: as for :func:`nnk_weights`.
        sigma: the same.

    Returns:
        ``(Q, k, k)`` and ``(Q, k)``, float64. A candidate that is not there, or that has no
        defined kernel value, is like no other and unlike the query, so that it gets no weight.
    """
    count, k = indices.shape
    gram = torch.empty(count, k, k, dtype=torch.float64, device=points.device)
    similarity = torch.empty(count, k, dtype=torch.float64, device=points.device)
    rows = max(1, NUMBERS_AT_ONCE // (k * points.shape[1]))
    for start in range(0, count, rows):
        some = slice(start, start + rows)
        missing = indices[some] < 0
        x, q = points[indices[some].clamp(min=0)].double(), queries[some].double()
        if kernel == "cosine":
            gram[some], similarity[some] = _cosine_gram(unit(x), unit(q))
            missing = missing | ~q.any(-1, keepdim=True)
        else:
            squares, products = _centred(x, q)
            width = _widths(squares.masked_fill(missing, 0), sigma)
            missing = missing | (width == 0)[:, None]
            width = torch.where(width > 0, width, 1)
            gram[some], similarity[some] = _gaussian_gram(squares, products, width)
        similarity[some] = similarity[some].masked_fill(missing, -1)
        gram[some] = gram[some].masked_fill(missing[:, :, None] | missing[:, None, :], 0)
        gram[some].diagonal(dim1=1, dim2=2).masked_fill_(missing, 1)
    return gram, similarity


def check_points(points: Tensor, name: str, *, axes: int) -> None:
    """Raise a ``ValueError`` unless points can have weights: float32 or float64, no gradient."""
    check_tensor(points, name, axes=axes)
    if points.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"{name} has dtype {points.dtype}; expected torch.float32 or torch.float64: call "
            f"{name}.float()"
        )
    check_without_gradient(points, name)


def check_kernel(kernel: str, sigma: float | Tensor | None) -> None:
    """Raise a ``ValueError`` unless there is such a kernel of such a width."""
    if kernel not in get_args(Kernel):
        raise ValueError(f"kernel is {kernel!r}; expected 'gaussian' or 'cosine'")
    if sigma is None:
        return
    if kernel == "cosine":
        raise ValueError(f"sigma is {sigma} and the kernel 'cosine'; expected none: leave it out")
    if not _are_widths(sigma):
        raise ValueError(f"sigma is {sigma!r}; expected a finite number above 0")


def _are_widths(sigma: Any) -> bool:
    if isinstance(sigma, Tensor):
        check_tensor(sigma, "sigma", axes=0, check_finite=False)
        check_without_gradient(sigma, "sigma")
        return bool((torch.isfinite(sigma) & (sigma > 0)).all())
    number = isinstance(sigma, Real) and not isinstance(sigma, bool)
    return number and 0 < sigma <= sys.float_info.max


def _check_pair(several: Tensor, one: Tensor, several_name: str, one_name: str) -> None:
    check_points(several, several_name, axes=2)
    check_points(one, one_name, axes=1)
    if several.device != one.device:
        raise ValueError(
            f"{several_name} is on {several.device} and {one_name} on {one.device}; expected the "
            f"same device: call {one_name}.to({several_name}.device)"
        )


def _check_semidefinite(gram: Tensor) -> None:
    """Refuse what is no kernel's Gram matrix, but for rounding, that of float32 included."""
    largest = gram.abs().amax((1, 2))
    difference = (gram - gram.mT).abs().amax((1, 2))
    index = int((difference - LARGEST_VIOLATION * largest).argmax())
    if difference[index] > LARGEST_VIOLATION * largest[index]:
        raise ValueError(
            f"gram is not symmetric, matrix {index} differs from its transpose by "
            f"{difference[index]:.1e}; expected a kernel's values among the same points"
        )
    lowest = torch.linalg.eigvalsh(gram)[:, 0]
    index = int((lowest + LARGEST_VIOLATION * largest).argmin())
    if lowest[index] < -LARGEST_VIOLATION * largest[index]:
        raise ValueError(
            f"gram has the negative eigenvalue {lowest[index]:.1e}, in matrix {index}; expected a "
            "positive semidefinite matrix, as a kernel's values are"
        )


def _centred(candidates: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances to the query, and inner products of the differences from it.

    Distances between neighbours lose fewer digits when they are measured from the query.
    """
    differences = candidates - query[..., None, :]
    products = differences @ differences.mT
    squares = products.diagonal(dim1=-2, dim2=-1)
    if not torch.isfinite(squares).all():
        raise ValueError(
            "a squared distance from a query overflows float64; expected distances below 1e154: "
            "divide candidates, query and sigma by their largest value"
        )
    return squares, products


def _widths(squares: Tensor, sigma: float | Tensor | None) -> Tensor:
    if sigma is None:
        return squares.amax(-1).sqrt() / 3
    width = sigma if isinstance(sigma, Tensor) else float(sigma)
    return torch.as_tensor(width, dtype=torch.float64, device=squares.device).expand(
        squares.shape[:-1]
    )


def _gaussian_gram(squares: Tensor, products: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    # Finite where σ² vanishes, so that the distance 0 still counts as 0.
    scale = (-0.5 / sigma.square()).clamp(min=-sys.float_info.max)
    between = (squares[..., :, None] + squares[..., None, :] - 2 * products).clamp_(min=0)
    gram = between.mul_(scale[..., None, None]).exp_()
    gram.diagonal(dim1=-2, dim2=-1).fill_(1)
    return gram, (squares * scale[..., None]).exp()


def _cosine_gram(candidates: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    gram = (candidates @ candidates.mT).mul_(0.5).add_(0.5)
    gram.diagonal(dim1=-2, dim2=-1).fill_(1)
    return gram, 0.5 + 0.5 * (candidates @ query[..., None])[..., 0]
