"""Many small quadratic problems with non-negative unknowns, solved exactly and side by side."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

TOLERANCE = 1e-10
"""Largest violation of the optimality conditions, and the smallest weight that counts."""
AT_ONCE = 512  # problems whose matrices fit a processor's cache
PATIENCE = 3  # rounds in which the number of violations may fail to fall
_ROUNDS = 100  # what is not solved by then is solved one by one
_RANK_CUT = 1e-13  # of an eigenvalue, relative to the largest


def nonnegative_least_squares(gram: Tensor, target: Tensor) -> Tensor:
    r"""Minimise :math:`½ θ^T K θ - k^T θ` over :math:`θ ≥ 0` for a batch of problems.

    A θ is the solution if it meets the conditions of Karush, Kuhn and Tucker:

    .. math:: θ ≥ 0, \qquad g = K θ - k ≥ 0, \qquad θ^T g = 0.

    Block principal pivoting guesses which unknowns are positive, at first all of them, solves for
    these, and exchanges those that violate a condition, until none does. Where that fails, because
    K is singular, ``scipy.optimize.nnls`` solves the problem on a factor of K.

    Args:
        gram: K, ``(B, n, n)``, float64, symmetric and positive semidefinite; not checked.
        target: k, ``(B, n)``, float64.

    Returns:
        θ, ``(B, n)``, with exact zeros.

    Source: Portugal, Júdice and Vicente (1994), "A comparison of block pivoting and interior-point
    algorithms for linear least squares problems with nonnegative variables"; Kim and Park (2011)
    for many problems at once.
    """
    chunks = zip(gram.split(AT_ONCE), target.split(AT_ONCE), strict=True)
    theta = torch.cat([_pivoted(*chunk) for chunk in chunks])
    for index in _violated(gram, target, theta).nonzero()[:, 0].tolist():
        theta[index] = _one_by_one(gram[index], target[index])
    return theta


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
    masked = gram * (positive[:, :, None] & positive[:, None, :])
    masked.diagonal(dim1=1, dim2=2).masked_fill_(~positive, 1)
    factor, fault = torch.linalg.cholesky_ex(masked)
    theta = torch.cholesky_solve((target * positive)[:, :, None], factor)[:, :, 0]
    return theta, fault > 0


def _violated(gram: Tensor, target: Tensor, theta: Tensor) -> Tensor:
    """Which solutions are not optimal, by the conditions themselves."""
    slope = (gram @ theta[:, :, None])[:, :, 0] - target
    wrong = torch.where(theta > 0, slope.abs(), -slope).amax(1)
    return ~(wrong <= 10 * TOLERANCE)


def _one_by_one(gram: Tensor, target: Tensor) -> Tensor:
    """SciPy's exact active-set method, on a factor of K without its null space."""
    values, vectors = np.linalg.eigh(gram.cpu().numpy())
    kept = values > _RANK_CUT * values[-1]
    root = np.sqrt(values[kept])
    factor = root[:, None] * vectors[:, kept].T
    theta, _ = nnls(factor, (vectors[:, kept].T @ target.cpu().numpy()) / root)
    return torch.from_numpy(np.where(theta > TOLERANCE, theta, 0)).to(gram.device)
