"""What a training adds to its cross-entropy: Convolutional Similarity, and other penalties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convsim.layers import Convolution
from convsim.penalties import OF_WEIGHTS
from convsim.similarity import convolutional_similarity
from convsim.training.decorrelation import mean_squared_correlation

DECORRELATED = 4  # every fourth image of a batch is enough for the correlations of its maps


def added_terms(
    layers: Sequence[tuple[str, Convolution]],
    outputs: Sequence[Tensor],
    settings: Mapping[str, Any],
    share: Tensor,
) -> Tensor | None:
    """The terms that the settings of a training ask for, together; None if they ask for none.

    Args:
        layers: the network's convolutions, by their names.
        outputs: their feature maps of the batch, if ``decorrelation`` is asked for.
        settings: ``beta``, ``beta_follows_loss``, ``penalty``, ``strength`` and ``decorrelation``,
            as :func:`convsim.training.fit` has them.
        share: the cross-entropy, as a share of a guess's.
    """
    terms = []
    if beta := settings["beta"]:
        factor = share if settings["beta_follows_loss"] else 1.0
        terms.append(beta * factor * _total(convolutional_similarity, layers))
    if strength := settings["strength"]:
        terms.append(strength * _total(OF_WEIGHTS[settings["penalty"]], layers))
    if strength := settings["decorrelation"]:
        correlations = [mean_squared_correlation(maps[::DECORRELATED]) for maps in outputs]
        terms.append(strength * torch.stack(correlations).sum())
    return torch.stack(terms).sum() if terms else None


def _total(penalty: Callable[..., Tensor], layers: Sequence[tuple[str, Convolution]]) -> Tensor:
    values = [penalty(layer.weight, check_finite=False) for _, layer in layers]
    return torch.stack(values).sum()
