"""Two kernels, one signal: the experiments of Tables 1, 2, 3 and 6 of Belmekki et al. (2024).

Each episode draws a signal X ~ U(0, 1) of 64 values and two kernels K1, K2 ~ U(-1, 1), then
descends on ⟨K1, K2⟩² or on the Convolutional Similarity ‖K1 ⋆ K2‖² by moving both kernels,
and watches ⟨F1, F2⟩² on the way. All episodes of a row are one batch of tensors: the losses of
different episodes share no number, so the gradient of their sum is the gradient of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from convsim.correlation import cross_correlate
from convsim.experiments.episodes import PairMetrics, summarise_episodes
from convsim.experiments.runner import Experiment, Measured, Place
from convsim.similarity import convolutional_similarity, feature_map_similarity, kernel_similarity

Loss = Callable[[Tensor, Tensor], Tensor]
"""The loss of every episode, from ``(episodes, 2, N)`` kernels and ``(episodes, 1, M)`` signals."""


@dataclass(frozen=True)
class PairSettings:
    """One row of a table.

    Attributes:
        loss: what is minimised, by its name: a key of ``LOSSES``, ⟨K1, K2⟩² or ‖K1 ⋆ K2‖², or one
            of ``convsim.experiments.penalty_pairs.PENALTIES``.
        taps: length N of the kernels.
        optimizer: ``"Adam"`` or ``"SGD"``, torch's defaults apart from the learning rate.
        learning_rate: its learning rate.
        iterations: number of steps.
        padding: how the feature maps are computed, ``"full"`` or ``"valid"``.
        episodes: number of independent episodes.
        signal_length: length M of the signal.
        seed: seed of the generator of kernels and signals.
    """

    loss: str
    taps: int
    optimizer: Literal["Adam", "SGD"]
    learning_rate: float
    iterations: int
    padding: Literal["full", "valid"] = "full"
    episodes: int = 1000
    signal_length: int = 64
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.loss}, {self.padding}, N={self.taps}, {self.optimizer}"


# Hyper-parameters of the paper: Table 7 for Table 1, Table 8 for Tables 2 and 3 (one experiment,
# two tables), Table 9 for Table 6. Its first two rows are N = 3.
_KERNEL = "kernel similarity"
_CONVOLUTIONAL = "convolutional similarity"
_TABLE_2 = (
    PairSettings(_CONVOLUTIONAL, 3, "Adam", 0.1, 300),
    PairSettings(_CONVOLUTIONAL, 3, "SGD", 0.2, 350),
    PairSettings(_CONVOLUTIONAL, 9, "Adam", 0.1, 400),
    PairSettings(_CONVOLUTIONAL, 9, "SGD", 0.07, 550),
    PairSettings(_CONVOLUTIONAL, 16, "Adam", 0.2, 450),
    PairSettings(_CONVOLUTIONAL, 16, "SGD", 0.035, 1500),
)
TABLES: dict[str, tuple[PairSettings, ...]] = {
    "table1": (
        PairSettings(_KERNEL, 3, "Adam", 0.1, 250),
        PairSettings(_KERNEL, 3, "SGD", 0.1, 250),
        PairSettings(_KERNEL, 9, "Adam", 0.1, 250),
        PairSettings(_KERNEL, 9, "SGD", 0.1, 250),
        PairSettings(_KERNEL, 16, "Adam", 0.1, 250),
        PairSettings(_KERNEL, 16, "SGD", 0.1, 300),
    ),
    "table2": _TABLE_2,
    "table3": _TABLE_2,
    "table6": (
        PairSettings(_CONVOLUTIONAL, 3, "Adam", 0.1, 300, "valid"),
        PairSettings(_CONVOLUTIONAL, 3, "SGD", 0.1, 300, "valid"),
        PairSettings(_CONVOLUTIONAL, 9, "Adam", 0.1, 300, "valid"),
        PairSettings(_CONVOLUTIONAL, 9, "SGD", 0.05, 400, "valid"),
        PairSettings(_CONVOLUTIONAL, 16, "Adam", 0.05, 500, "valid"),
        PairSettings(_CONVOLUTIONAL, 16, "SGD", 0.01, 700, "valid"),
    ),
}


def _run(settings: PairSettings, place: Place) -> Measured:
    return carry_out(settings, place, measure)


def carry_out(
    settings: PairSettings,
    place: Place,
    measure: Callable[[PairSettings, tqdm[Any]], Mapping[str, Any]],
) -> Measured:
    """A run whose metrics come from ``measure``, with a bar of its steps."""
    data = (
        f"synthetic: signals of {settings.signal_length} values from U(0, 1), "
        f"kernels from U(-1, 1), {settings.episodes} episodes"
    )
    with tqdm(
        total=settings.iterations,
        unit="step",
        desc=str(settings),
        disable=not place.machine.progress,
    ) as bar:
        return Measured(measure(settings, bar), data)


def _command(settings: PairSettings) -> str | None:
    tables = (table for table, rows in TABLES.items() if settings in rows)
    return next((f"convsim run {table}" for table in tables), None)


PAIRS = Experiment("pairs", _run, command=_command)


def measure(settings: PairSettings, bar: tqdm[Any] | None = None) -> PairMetrics:
    """Run the episodes of one row and summarise them."""
    found = descend(settings, LOSSES[settings.loss], bar)
    return summarise_episodes(found.losses, found.similarities, found.cosines, found.norms)


class Descent(NamedTuple):
    """The episodes of a row on their way down.

    Attributes:
        losses: ``(steps + 1, episodes)``.
        similarities: ⟨F1, F2⟩², of the same shape.
        cosines: absolute cosines of the feature maps, of the same shape.
        norms: of K1 and K2, ``(steps + 1, episodes, 2)``.
        signals: ``(episodes, 1, M)``.
        ends: the kernels at the start and at the end, ``(2, episodes, 2, N)``.
    """

    losses: Tensor
    similarities: Tensor
    cosines: Tensor
    norms: Tensor
    signals: Tensor
    ends: Tensor


def descend(settings: PairSettings, loss_of: Loss, bar: tqdm[Any] | None = None) -> Descent:
    """Run the episodes of one row.

    Args:
        settings: the row; what it says of the loss is its name only.
        loss_of: one of ``LOSSES``, or another function of their kind.
        bar: told of every step.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (settings.episodes, 2, settings.taps)
    kernels = 2 * torch.rand(shape, dtype=torch.float64, generator=generator) - 1
    signals = torch.rand(
        settings.episodes, 1, settings.signal_length, dtype=torch.float64, generator=generator
    )
    start = kernels.clone()
    kernels.requires_grad_()
    optimizer = getattr(torch.optim, settings.optimizer)([kernels], lr=settings.learning_rate)
    losses, similarities, cosines, norms = [], [], [], []
    for step in range(settings.iterations + 1):
        optimizer.zero_grad()
        loss = loss_of(kernels, signals)
        similarity, cosine = compare_feature_maps(signals, kernels.detach(), settings.padding)
        losses.append(loss.detach())
        similarities.append(similarity.square())
        cosines.append(cosine.abs())
        norms.append(kernels.detach().norm(dim=2))
        if step < settings.iterations:
            loss.sum().backward()
            optimizer.step()
            if bar is not None:
                bar.update()
    return Descent(
        torch.stack(losses),
        torch.stack(similarities),
        torch.stack(cosines),
        torch.stack(norms),
        signals,
        torch.stack([start, kernels.detach()]),
    )


def of_weight(penalty: Callable[..., Tensor]) -> Loss:
    """A loss of pairs from a function of one layer's weight; NaN and infinity pass through it."""

    def loss(kernels: Tensor, _: Tensor) -> Tensor:
        weights = kernels[:, :, None]  # S = 2 kernels of C = 1 channel
        return torch.func.vmap(lambda w: penalty(w, check_finite=False))(weights)

    return loss


def _squared_product(kernels: Tensor, _: Tensor) -> Tensor:
    return kernel_similarity(kernels[:, 0], kernels[:, 1], check_finite=False).square()


LOSSES: dict[str, Loss] = {
    _KERNEL: _squared_product,
    _CONVOLUTIONAL: of_weight(convolutional_similarity),
}
"""The losses of the paper's tables, by name."""


def compare_feature_maps(
    signals: Tensor, kernels: Tensor, padding: Literal["full", "valid"]
) -> tuple[Tensor, Tensor]:
    """⟨F1, F2⟩ and cos(F1, F2) per episode."""
    maps = cross_correlate(signals, kernels, mode=padding, check_finite=False)
    f1, f2 = maps[:, 0], maps[:, 1]
    similarity = feature_map_similarity(f1, f2, check_finite=False)
    return similarity, similarity / (f1.norm(dim=1) * f2.norm(dim=1))
