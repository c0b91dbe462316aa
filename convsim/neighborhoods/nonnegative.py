"""Many small quadratic problems with non-negative unknowns, solved exactly and side by side."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv
from torch import Tensor

from convsim.checks import check_tensor

Array = NDArray[np.float64]

TOLERANCE = 1e-10
"""Violation of the optimality conditions that is rounding, and the smallest weight that counts."""
LARGEST_VIOLATION = 1e-6
"""What no solution exceeds, relative to the largest of 1 and the weights."""
SAME = 1e-12  # rows of K that differ by less belong to copies of one point
AT_ONCE = 512  # problems whose matrices fit a processor's cache
PATIENCE = 3  # rounds in which the number of violations may fail to fall
_ROUNDS = 100  # what is not solved by then is solved one by one
_DEPENDENT = 1e-13  # of v'Kv, relative to v'v: ten times what rounding leaves of 0


def nonnegative_least_squares(gram: Tensor, target: Tensor) -> Tensor:
    r"""Minimise :math:`½ θ^T K θ - k^T θ` over :math:`θ ≥ 0` for a batch of problems.

    A θ is the solution if it meets the conditions of Karush, Kuhn and Tucker:

    .. math:: θ ≥ 0, \qquad g = K θ - k ≥ 0, \qquad θ^T g = 0.

    Block principal pivoting guesses which unknowns are positive, at first all of them, solves for
    these, and exchanges those that violate a condition, until none does. Where that fails, because
    K is singular, the active-set method of Lawson and Hanson solves the problem, which never takes
    unknowns together whose columns of K depend on each other. Every solution is checked.

    A singular K leaves a choice. Of unknowns with equal rows of K and equal targets, as copies of
    a point have, the first one gets all the weight.

    Args:
        gram: K, ``(B, n, n)``, float64, symmetric and positive semidefinite; not checked. Its size
            does not matter: K and k are measured in units of the largest diagonal value, every
            unknown so that its diagonal value is 1, and all so that no target is above 1; what is
            then below 1e-10 counts as 0. An unknown whose diagonal value is 0 gets no weight.
        target: k, ``(B, n)``, float64.

    Returns:
        θ, ``(B, n)``, with exact zeros. In those units it violates the conditions by 1e-9 in
        general, and nowhere by more than 1e-6 of the largest of 1 and θ.

    Raises:
        ValueError: for input of another shape or type, and for a problem that has no solution, as
            happens only where K or k are no kernel's values.

    Source: Portugal, Júdice and Vicente (1994), "A comparison of block pivoting and interior-point
    algorithms for linear least squares problems with nonnegative variables"; Kim and Park (2011)
    for many problems at once; Lawson and Hanson (1974), "Solving Least Squares Problems", ch. 23.
    """
    _check_problems(gram, target)
    chunks = zip(gram.split(AT_ONCE), target.split(AT_ONCE), strict=True)
    solved = [_solved(*chunk) for chunk in chunks]
    _check_solutions(torch.cat([violation for _, violation in solved]))
    return torch.cat([theta for theta, _ in solved])


def check_without_gradient(value: Tensor, name: str) -> None:
    """Raise a ``ValueError`` if a gradient is to flow back to where none can come from."""
    if value.requires_grad:
        raise ValueError(
            f"{name} requires a gradient and the weights have no gradient; expected a tensor "
            f"without: call {name}.detach()"
        )


def _check_problems(gram: Tensor, target: Tensor) -> None:
    for value, name, axes in ((gram, "gram", 3), (target, "target", 2)):
        check_tensor(value, name, axes=axes, check_finite=False)
        check_without_gradient(value, name)
    shape = (*target.shape, target.shape[-1])
    if target.ndim != 2 or gram.shape != shape or {gram.dtype, target.dtype} != {torch.float64}:
        raise ValueError(
            f"gram has shape {tuple(gram.shape)} and dtype {gram.dtype}, target "
            f"{tuple(target.shape)} and {target.dtype}; expected (B, n, n) and (B, n), both "
            "torch.float64"
        )


def _solved(gram: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """θ of each problem, and its violation of the conditions."""
    gram, target, unit = _of_unit_diagonal(gram, target)
    copies = _copies(gram, target)
    kernel, similarity = (gram, target) if copies is None else _without(copies, gram, target)
    theta = _pivoted(kernel, similarity)
    for index in (_violation(gram, target, theta) > 10 * TOLERANCE).nonzero()[:, 0].tolist():
        found = _active_set(kernel[index].cpu().numpy(), similarity[index].cpu().numpy())
        theta[index] = torch.from_numpy(found).to(theta.device)
    violation = _violation(gram, target, theta) / theta.amax(1).clamp(min=1)
    return theta if unit is None else theta * unit, violation


def _of_unit_diagonal(gram: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """K of diagonal 1, k of values up to 1, and what θ is then multiplied by."""
    diagonal = gram.diagonal(dim1=1, dim2=2)
    if (diagonal == 1).all() and (target <= 1).all():
        return gram, target, None
    largest = diagonal.amax(1, keepdim=True)
    largest = torch.where(largest > 0, largest, 1)
    root = (diagonal / largest).clamp(min=0).sqrt()
    unit = torch.where(root > 0, 1 / root, 1)
    target = target / largest * unit
    size = target.amax(1, keepdim=True).clamp(min=1)
    gram = gram / largest[:, :, None] * unit[:, :, None] * unit[:, None, :]
    return gram, target / size, unit * size


def _copies(gram: Tensor, target: Tensor) -> Tensor | None:
    """Which unknowns repeat an earlier one, or have no K; None where there is none."""
    empty = gram.diagonal(dim1=1, dim2=2) == 0
    if torch.count_nonzero(gram > 1 - SAME) <= target.numel() and not empty.any():
        return None
    found = empty
    some = ((gram > 1 - SAME).sum((1, 2)) > target.shape[1]).nonzero()[:, 0]
    rows, values = gram[some], target[some]
    for index in range(1, target.shape[1]):
        same = (rows[:, :index] - rows[:, index, None]).abs().amax(2) <= SAME
        same &= (values[:, :index] - values[:, index, None]).abs() <= SAME
        found[some, index] |= same.any(1)
    return found


def _without(left_out: Tensor, gram: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Unknowns that are left out are like no other and not wanted, so that they get no weight."""
    gram = gram.masked_fill(left_out[:, :, None] | left_out[:, None, :], 0)
    gram.diagonal(dim1=1, dim2=2).masked_fill_(left_out, 1)
    return gram, target.masked_fill(left_out, -1)


def _pivoted(gram: Tensor, target: Tensor) -> Tensor:
    """θ of each problem; 0 where a matrix was singular or the rounds came to no end."""
    count, n = target.shape
    solution = torch.zeros_like(target)
    running = torch.arange(count, device=target.device)
    positive = torch.ones_like(target, dtype=torch.bool)
    fewest = torch.full((count,), n + 1, device=target.device)
    patience = torch.full((count,), PATIENCE, device=target.device)
    for _ in range(_ROUNDS):
        theta, singular = _solved_for(positive, gram, target)
        slope = (gram @ theta[:, :, None])[:, :, 0] - target
        wrong = torch.where(positive, theta, slope) < -TOLERANCE / 10
        number = wrong.sum(1)
        done = (number == 0) & ~singular
        solution[running[done]] = theta[done]
        going = ~done & ~singular
        if not going.any():
            break
        gram, target, running, positive, fewest, patience, wrong, number = (
            some[going]
            for some in (gram, target, running, positive, fewest, patience, wrong, number)
        )
        fell = number < fewest
        fewest = torch.where(fell, number, fewest)
        patience = torch.where(fell, PATIENCE, patience - 1)
        # Exchanging all violations may go in circles; only the last one never does (Murty, 1974).
        last = wrong & (wrong.flip(1).cumsum(1).flip(1) == 1)
        positive = positive ^ torch.where((patience < 0)[:, None], last, wrong)
    return solution.masked_fill(solution <= TOLERANCE, 0)


def _solved_for(positive: Tensor, gram: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Solve K θ = k on the rows and columns of the positive unknowns; and where K is singular."""
    chosen = positive.double()  # numbers multiply five times as fast as truth values
    masked = (gram * chosen[:, :, None]).mul_(chosen[:, None, :])
    masked.diagonal(dim1=1, dim2=2).masked_fill_(~positive, 1)
    factor, fault = torch.linalg.cholesky_ex(masked)
    theta = torch.cholesky_solve((target * chosen)[:, :, None], factor)[:, :, 0]
    return theta, fault > 0


def _violation(gram: Tensor, target: Tensor, theta: Tensor) -> Tensor:
    """By how much each solution misses the conditions; infinite for what is no number."""
    slope = (gram @ theta[:, :, None])[:, :, 0] - target
    wrong = torch.where(theta > 0, slope.abs(), -slope).clamp(min=0)
    return torch.maximum(wrong, -theta).amax(1).nan_to_num(nan=torch.inf)


def _active_set(gram: Array, target: Array) -> Array:
    """Let in the unknown of the steepest slope, and out those that it makes negative.

    K stays regular on the passive set, the unknowns that may be positive: where the column of the
    new one depends on theirs, it takes the place of the first that the exchange brings to 0.
    """
    theta, passive = np.zeros_like(target), np.zeros(len(target), dtype=bool)
    for _ in range(10 * len(target)):
        slope = gram @ theta - target
        slope[passive] = 0
        new = int(slope.argmin())
        if not slope[new] < -TOLERANCE:
            break
        own = passive.nonzero()[0]
        mixture = _solve(gram, own, gram[own, new])
        if 1 - gram[new, own] @ mixture <= _DEPENDENT * (1 + mixture @ mixture):
            falls = mixture > TOLERANCE
            if not falls.any():
                break  # downhill without end: no kernel's values, as the check will say
            ratios = np.divide(theta[own], mixture, where=falls, out=np.full(len(own), np.inf))
            first = int(ratios.argmin())
            theta[own] = (theta[own] - ratios[first] * mixture).clip(min=0)
            theta[own[first]], theta[new] = 0, ratios[first]
            passive[own[first]] = False
        passive[new] = True
        theta = _lowest(gram, target, theta, passive)
    return np.where(theta > TOLERANCE, theta, 0)


def _lowest(gram: Array, target: Array, theta: Array, passive: NDArray[np.bool_]) -> Array:
    """The minimum on the passive set, less the unknowns that reach 0 on the way from θ to it."""
    while True:
        own = passive.nonzero()[0]
        best = np.zeros_like(theta)
        best[own] = _solve(gram, own, target[own])
        falls = own[best[own] <= 0]
        if not len(falls):
            return best
        ratios = theta[falls] / np.maximum(theta[falls] - best[falls], TOLERANCE**2)
        first = ratios.argmin()
        theta = (theta + ratios[first] * (best - theta)).clip(min=0)
        theta[falls[first]] = 0
        passive &= theta > 0


def _solve(gram: Array, own: NDArray[np.intp], values: Array) -> Array:
    if not len(own):
        return values
    _, solution, _ = dposv(gram[own[:, None], own], values)
    return solution


def _check_solutions(violation: Tensor) -> None:
    """Raise a ``ValueError`` if a solution misses the conditions."""
    if len(violation) and not (violation <= LARGEST_VIOLATION).all():
        index = int(violation.argmax())
        raise ValueError(
            f"problem {index} of {len(violation)} has no solution: what was found misses the "
            f"optimality conditions by {violation[index]:.1e}; expected at most "
            f"{LARGEST_VIOLATION}: pass a kernel's values, K positive semidefinite and k in its "
            "range"
        )
