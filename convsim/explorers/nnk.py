"""The explorer of NNK: which neighbours of a point in the plane no other neighbour hides."""

from __future__ import annotations

import math

from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.traits import number_trait, point_trait, points_trait, whole_trait
from convsim.neighborhoods.nnk import nnk_weights
from convsim.neighborhoods.nonnegative import TOLERANCE

CANDIDATES = [
    [-0.1, 0.8],
    [-1.2, 0.2],
    [1.6, 0.8],
    [0.2, -1.0],
    [-0.7, -0.3],
    [-0.3, -1.6],
    [0.7, 0.1],
    [-1.4, -1.5],
    [-0.5, 1.2],
    [1.4, -0.8],
]
LIMIT = 2.0  # of a coordinate's size
SMALLEST_SIGMA = 1e-6  # a narrower kernel tells nothing apart from rounding


class NNKExplorer(Explorer):
    r"""The k nearest neighbours of a query in the plane, and its NNK neighbours among them.

    The weights are :math:`θ = \arg\min_{θ ≥ 0} ½ θ^T K θ - k^T θ` for the Gaussian kernel of
    width σ. Of two candidates i and j, i hides j if and only if
    :math:`(x_i - q) \cdot (x_i - x_j) ≤ 0`, that is, if j lies behind the border of i: the line
    through x_i at a right angle to x_i - q. Among more candidates this need not hold, and the
    weights decide.

    Traits:
        query: q, two numbers from -2 to 2.
        candidates: list of 3 to 12 points, each two numbers from -2 to 2.
        k: how many of the nearest candidates are taken, a whole number from 1 to 12; of fewer
            candidates all.
        sigma: σ, a number from 0 to 3; 0 stands for a third of the distance to the k-th candidate.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = NNKExplorer(candidates=[[1, 0], [2, 0], [-1, 0]], sigma=1)
        >>> [round(weight, 5) for weight in explorer.readouts()["weights"]]  # the first hides 2
        [0.53423, 0.0, 0.53423]

    Source: Shekkizhar and Ortega (2020), arXiv 1910.09383.
    """

    query = point_trait([0.0, 0.0], LIMIT)
    candidates = points_trait(CANDIDATES, 3, 12, LIMIT)
    k = whole_trait(8, low=1, high=12)
    sigma = number_trait(0.0, 0.0, 3.0)

    constants = {"smallest_sigma": SMALLEST_SIGMA, "smallest_weight": TOLERANCE}

    def readouts(self) -> Readouts:
        """Return the numbers of k nearest and of NNK neighbours, the error, σ and the weights.

        ``weights`` are in the order of ``candidates``, 0 for those that are hidden or not among
        the k nearest. Of candidates at one place only the first counts. ``neighbors``, ``error``
        and ``weights`` are None where σ is below 1e-6, as when all k nearest equal the query.
        """
        squares = [self._squared_distance(point) for point in self.candidates]
        nearest = sorted(range(len(squares)), key=squares.__getitem__)[: self.k]
        sigma = self.sigma or math.sqrt(squares[nearest[-1]]) / 3
        readouts: Readouts = {
            "candidates_used": len(nearest),
            "neighbors": None,
            "error": None,
            "sigma": sigma,
            "weights": None,
        }
        if sigma < SMALLEST_SIGMA:
            return readouts
        first_at: dict[tuple[float, ...], int] = {}
        for index in nearest:
            first_at.setdefault(tuple(self.candidates[index]), index)
        chosen = list(first_at.values())
        points = tensor([self.candidates[index] for index in chosen])
        found = nnk_weights(points, tensor(self.query), sigma=sigma)
        weights = [0.0] * len(squares)
        for index, weight in zip(chosen, found.weights.tolist(), strict=True):
            weights[index] = weight
        return {
            **readouts,
            "neighbors": sum(weight > 0 for weight in weights),
            "error": found.error.item(),
            "weights": weights,
        }

    def _squared_distance(self, point: list[float]) -> float:
        across: float = point[0] - self.query[0]
        up: float = point[1] - self.query[1]
        return across * across + up * up  # as the page computes it: ties must stay ties
