"""What the episodes of a row came to: summaries, the tail of the increases, kernels that died."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

CURVE_POINTS = 51
PATHS, PATH_POINTS = 8, 24  # episodes whose norms are kept, and at how many steps
DEAD = 0.01  # of its norm at the start
BLOCK = 100  # episodes


class Summary(TypedDict):
    """Some finite numbers: how many, mean, standard deviation (n - 1), and quantiles."""

    n: int
    mean: float
    std: float
    q05: float
    q50: float
    q95: float


class Curve(TypedDict):
    """Medians over episodes at some steps of the descent; the first two relative to the start.

    ``dead_percent`` is no median: it is the share of episodes that have a dead kernel by then.
    """

    step: list[int]
    loss: list[float]
    similarity: list[float]
    cosine: list[float]
    dead_percent: list[float]


class Tail(TypedDict):
    """How far the increases reach.

    - ``rank``, ``increase_percent``: the largest increase, the second largest, … down to all.
    - ``block_means``: mean increase in each 100 successive episodes; None where none rose.
    - ``index``: Hill's estimate from the ratios last / first of the ``largest`` ones, a quarter;
      ``standard_error`` is ``index / sqrt(largest)``. A mean exists above 1 only.
    """

    rank: list[int]
    increase_percent: list[float]
    block_means: list[float | None]
    index: float
    standard_error: float
    largest: int


class PairMetrics(TypedDict):
    """What the episodes of one row came to; a summary is None where nothing is left to summarise.

    - ``reduced_percent``: share of episodes whose ⟨F1, F2⟩² ended below its start; a diverged
      episode does not count as reduced.
    - ``decrease_percent``, ``increase_percent``: change of ⟨F1, F2⟩² over the episodes in which
      it went down, and up; ``increase_tail``: of 20 increases or more.
    - ``correlation``: Pearson's correlation between the loss and ⟨F1, F2⟩² over the steps of an
      episode.
    - ``cosine_before``, ``cosine_after``: absolute cosine of the feature maps;
      ``cosine_fell_percent``: share of episodes in which it fell.
    - ``smaller_norm_…``, ``larger_norm_…``: norms of the two kernels.
    - ``dead_percent``: share of episodes at whose end a kernel is below 1 % of its norm at the
      start; ``dead_smaller_percent``: share of these in which it began as the smaller one;
      ``cosine_after_dead``, ``cosine_after_live``: the cosine in these, and in the others.
    - ``drift_percent``: change of ‖K1‖² - ‖K2‖² from start to end, as a share of ‖K1‖² + ‖K2‖²
      at the start.
    - ``paths``: at some steps, the norms ``[‖K1‖, ‖K2‖]`` in the first episodes.
    - ``diverged``: number of episodes that met NaN or infinity; they enter no summary.
    """

    reduced_percent: float
    decrease_percent: Summary | None
    increase_percent: Summary | None
    increase_tail: Tail | None
    correlation: Summary | None
    cosine_before: Summary | None
    cosine_after: Summary | None
    cosine_fell_percent: float
    smaller_norm_before: Summary | None
    smaller_norm_after: Summary | None
    larger_norm_before: Summary | None
    larger_norm_after: Summary | None
    dead_percent: float
    dead_smaller_percent: float | None
    cosine_after_dead: Summary | None
    cosine_after_live: Summary | None
    drift_percent: Summary | None
    paths: list[list[list[float]]]
    diverged: int
    curve: Curve


def summarise_episodes(
    losses: Tensor, similarities: Tensor, cosines: Tensor, norms: Tensor
) -> PairMetrics:
    """Summaries over episodes of the ``(steps + 1, episodes)`` histories.

    Args:
        losses: of each episode.
        similarities: ⟨F1, F2⟩².
        cosines: absolute cosines of the feature maps.
        norms: of K1 and K2, ``(steps + 1, episodes, 2)``.
    """
    finite = finite_episodes(losses, similarities, cosines)
    episodes = len(finite)
    norms = norms[:, finite]
    first, last = similarities[0, finite], similarities[-1, finite]
    change = 100 * (last - first) / first
    fell = cosines[-1, finite] < cosines[0, finite]
    steps = torch.linspace(0, len(losses) - 1, CURVE_POINTS).round().long()
    relative = [(history / history[0])[steps][:, finite] for history in (losses, similarities)]
    ordered = norms[[0, -1]].sort(dim=2).values
    died = norms < DEAD * norms[0]
    dead = died[-1].any(dim=1)
    was_smaller = died[-1].gather(1, norms[0].argmin(dim=1, keepdim=True))[dead]
    of_all = 100 / episodes
    return {
        "reduced_percent": of_all * (last < first).sum().item(),
        "decrease_percent": summarise(-change[change < 0]),
        "increase_percent": summarise(change[change >= 0]),
        "increase_tail": tail_of(change),
        "correlation": summarise(_pearson(losses[:, finite], similarities[:, finite])),
        "cosine_before": summarise(cosines[0, finite]),
        "cosine_after": summarise(cosines[-1, finite]),
        "cosine_fell_percent": of_all * fell.sum().item(),
        "smaller_norm_before": summarise(ordered[0, :, 0]),
        "smaller_norm_after": summarise(ordered[1, :, 0]),
        "larger_norm_before": summarise(ordered[0, :, 1]),
        "larger_norm_after": summarise(ordered[1, :, 1]),
        "dead_percent": of_all * dead.sum().item(),
        "dead_smaller_percent": 100 * was_smaller.double().mean().item() if dead.any() else None,
        "cosine_after_dead": summarise(cosines[-1, finite][dead]),
        "cosine_after_live": summarise(cosines[-1, finite][~dead]),
        "drift_percent": summarise(_drift(norms)),
        "paths": norms[_early_steps(len(norms)), :PATHS].transpose(0, 1).tolist(),
        "diverged": int((~finite).sum()),
        "curve": {
            "step": steps.tolist(),
            "loss": _median(relative[0]),
            "similarity": _median(relative[1]),
            "cosine": _median(cosines[steps][:, finite]),
            "dead_percent": (of_all * died[steps].any(dim=2).sum(dim=1)).tolist(),
        },
    }


def finite_episodes(*histories: Tensor) -> Tensor:
    """Which episodes, ``(episodes,)``, never met NaN or infinity in ``(steps + 1, episodes)``."""
    return torch.stack(histories).isfinite().all(dim=0).all(dim=0)


def tail_of(change: Tensor) -> Tail | None:
    """The tail of the increases among changes in per cent, episode by episode; Hill (1975)."""
    rises = change[change >= 0].sort(descending=True).values
    if len(rises) < 20:
        return None
    largest = len(rises) // 4
    ratios = (1 + rises / 100).log()
    index = 1 / (ratios[:largest] - ratios[largest]).mean().item()
    ranks = torch.logspace(0, 1, 30, base=len(rises), dtype=torch.float64).round().long().unique()
    blocks = [block[block >= 0] for block in change.split(BLOCK)]
    return {
        "rank": ranks.tolist(),
        "increase_percent": rises[ranks - 1].tolist(),
        "block_means": [block.mean().item() if len(block) else None for block in blocks],
        "index": index,
        "standard_error": index / largest**0.5,
        "largest": largest,
    }


def _drift(norms: Tensor) -> Tensor:
    """Change of ‖K1‖² - ‖K2‖² in per cent of ‖K1‖² + ‖K2‖² at the start, per episode."""
    squares = norms[[0, -1]].square()
    difference = squares[..., 0] - squares[..., 1]
    return 100 * (difference[1] - difference[0]).abs() / squares[0].sum(dim=1)


def _early_steps(count: int) -> Tensor:
    """Some of so many steps, the first and the last among them, dense where all moves fast."""
    steps = torch.logspace(0, 1, PATH_POINTS, base=count, dtype=torch.float64)
    return (steps.round().long() - 1).unique()


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of two ``(steps, episodes)`` histories, per episode."""
    # Histories may span dozens of orders of magnitude; in units of their maximum nothing overflows.
    a, b = (h / h.abs().amax(dim=0) for h in (a, b))
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    return (a * b).sum(dim=0) / (a.norm(dim=0) * b.norm(dim=0))


def summarise(values: Tensor) -> Summary | None:
    """Number, mean, standard deviation (n - 1) and quantiles of a set of finite numbers."""
    if len(values) == 0:
        return None
    quantiles = torch.quantile(values, torch.tensor([0.05, 0.5, 0.95], dtype=values.dtype))
    low, median, high = quantiles.tolist()
    return {
        "n": len(values),
        "mean": values.mean().item(),
        "std": values.std().item() if len(values) > 1 else 0.0,
        "q05": low,
        "q50": median,
        "q95": high,
    }


def _median(values: Tensor) -> list[float]:
    return values.quantile(0.5, dim=1).tolist()
