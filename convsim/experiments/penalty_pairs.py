"""Two kernels, one signal, and every penalty in turn: Table 1's experiment on other losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from convsim.correlation import cross_correlate
from convsim.experiments.episodes import (
    PairMetrics,
    Summary,
    finite_episodes,
    summarise,
    summarise_episodes,
)
from convsim.experiments.pairs import LOSSES, Loss, PairSettings, carry_out, descend, of_weight
from convsim.experiments.penalties import DECOV, NAMES
from convsim.experiments.runner import Experiment, Measured, Place
from convsim.penalties import OF_WEIGHTS, decov
from convsim.similarity import unit


def _decov(kernels: Tensor, signals: Tensor) -> Tensor:
    """DeCov of an episode's two maps: the positions of full padding are its samples."""
    maps = cross_correlate(signals, kernels, mode="full", check_finite=False)
    return torch.func.vmap(lambda pair: decov(pair[None], check_finite=False))(maps)


PENALTIES: dict[str, Loss] = {
    "kernel similarity": LOSSES["kernel similarity"],
    **{name: _decov if name == DECOV else of_weight(OF_WEIGHTS[name]) for name in NAMES},
}
"""Table 1's loss and every penalty, by name; of the kernels as they are, whatever their norms."""
TAPS = (3, 9, 16)
ROWS = tuple(PairSettings(name, taps, "Adam", 0.1, 250) for taps in TAPS for name in PENALTIES)
"""Table 1's rows with Adam, but with one number of steps for all."""


class PenaltyPairMetrics(PairMetrics):
    """What the episodes of one row came to, and the absolute cosine of the maps less their means.

    ``centred_before`` and ``centred_after`` are those; ``centred_fell_percent`` is the share of
    episodes in which it fell.
    """

    centred_before: Summary | None
    centred_after: Summary | None
    centred_fell_percent: float


def measure(settings: PairSettings, bar: tqdm[Any] | None = None) -> PenaltyPairMetrics:
    """Run the episodes of one row, its loss one of ``PENALTIES``, and summarise them."""
    found = descend(settings, PENALTIES[settings.loss], bar)
    histories = found.losses, found.similarities, found.cosines
    finite = finite_episodes(*histories)
    before, after = (
        _centred_cosines(found.signals[finite], kernels[finite], settings) for kernels in found.ends
    )
    return {
        **summarise_episodes(*histories, found.norms),
        "centred_before": summarise(before),
        "centred_after": summarise(after),
        "centred_fell_percent": 100 * (after < before).sum().item() / len(finite),
    }


def _centred_cosines(signals: Tensor, kernels: Tensor, settings: PairSettings) -> Tensor:
    """|cos| of F1 and F2, each less its mean over positions, per episode."""
    maps = cross_correlate(signals, kernels, mode=settings.padding, check_finite=False)
    first, second = unit(maps - maps.mean(dim=2, keepdim=True)).unbind(dim=1)
    return (first * second).sum(dim=1).abs()


def _run(settings: PairSettings, place: Place) -> Measured:
    return carry_out(settings, place, measure)


PENALTY_PAIRS = Experiment("penaltypairs", _run)
