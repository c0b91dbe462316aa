"""The conditions that networks are trained under: one object each, and the questions they answer.

Algorithm 1 shrinks the weights, and batch normalisation turns small weights into large steps, so
the controls take scale and similarity apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from convsim.layers import convolutional_layers
from convsim.training import minimize_similarity
from convsim.training.bands import balanced_bands, band_kernels, draw_frequencies


@dataclass(frozen=True)
class Start:
    """What a preparation may need beside the network.

    Attributes:
        default: a copy of the network as PyTorch initialised it.
        iterations: steps of a descent.
        seed: of what is drawn.
    """

    default: nn.Module
    iterations: int
    seed: int


Preparation = Callable[[nn.Module, Start], None]
"""Changes the weights of a network's convolutions in place."""


@dataclass(frozen=True)
class Condition:
    """What a training starts from, what is done in it, and how it is drawn.

    Attributes:
        words: the condition, for a reader.
        color: number of its colour in ``convsim.figures.COLORS``; related ones share one.
        dash: its line, as Plotly writes it; no two share one, for readers who see no colours.
        prepare: what is done to PyTorch's default initialisation, in this order.
        regularised: Algorithm 2, with the run's ``beta``.
        chosen: the option of :func:`convsim.training.fit` that a search decides: a key of
            ``convsim.experiments.sweep.SEARCHES``, or None.
        options: further options of :func:`convsim.training.fit`.
        kept: the trained network of seed 0 is kept beside its record.
    """

    words: str
    color: int
    dash: str
    prepare: tuple[Preparation, ...] = ()
    regularised: bool = False
    chosen: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kept: bool = False


def algorithm_1(model: nn.Module, start: Start) -> None:
    minimize_similarity(model, iterations=start.iterations)


def scale_free(model: nn.Module, start: Start) -> None:
    """Algorithm 1 on the normalised similarity, with all norms held."""
    minimize_similarity(model, iterations=start.iterations, scale_free=True)


def shrink(model: nn.Module, start: Start) -> None:
    """Multiply each layer by the factor by which Algorithm 1 shrinks that of the default."""
    descended = deepcopy(start.default)
    algorithm_1(descended, start)
    triples = zip(_weights(model), _weights(start.default), _weights(descended), strict=True)
    with torch.no_grad():
        for weight, long, short in triples:
            weight.mul_(short.norm() / long.norm())


def random_bands(model: nn.Module, start: Start) -> None:
    """Give every kernel a random frequency of its own, at the norm that it has."""
    _draw_bands(model, start, one_band=False)


def one_band(model: nn.Module, start: Start) -> None:
    """Give all kernels of a layer one random frequency."""
    _draw_bands(model, start, one_band=True)


def balance_bands(model: nn.Module, start: Start) -> None:
    """Give every kernel a frequency, such that the layer's mean spectrum stays as it is."""
    generator = torch.Generator().manual_seed(start.seed)
    with torch.no_grad():
        for weight in _weights(model):
            weight.copy_(balanced_bands(weight, generator=generator))


def _draw_bands(model: nn.Module, start: Start, *, one_band: bool) -> None:
    # A stream of its own: the seed's other draws are those of the default.
    generator = torch.Generator().manual_seed(start.seed)
    with torch.no_grad():
        for weight in _weights(model):
            count = 1 if one_band else len(weight)
            frequencies = draw_frequencies(count, weight.ndim - 2, generator=generator)
            weight.copy_(band_kernels(weight, frequencies, generator=generator))


def _weights(model: nn.Module) -> Sequence[Tensor]:
    return [layer.weight.detach() for _, layer in convolutional_layers(model)]


CONDITIONS = {
    "baseline": Condition("PyTorch's default initialisation", 0, "solid", kept=True),
    "init": Condition(
        "Algorithm 1: 500 steps on L_CS, then training",
        color=1,
        dash="12px,3px",
        prepare=(algorithm_1,),
        kept=True,
    ),
    "regularise": Condition(
        "Algorithm 2: L_CS times 0.001 in the training loss",
        color=2,
        dash="9px,3px,2px,3px,2px,3px",
        regularised=True,
    ),
    "scale": Condition(
        "default initialisation, each layer shrunk as Algorithm 1 shrank it",
        color=1,
        dash="5px,5px",
        prepare=(shrink,),
        kept=True,
    ),
    "scale-free": Condition(
        "Algorithm 1 on the normalised similarity, every kernel's norm held",
        color=3,
        dash="2px,3px",
        prepare=(scale_free,),
        kept=True,
    ),
    "both": Condition(
        "scale-free, then each layer shrunk as in scale",
        color=3,
        dash="9px,3px,2px,3px",
        prepare=(scale_free, shrink),
    ),
    "decay": Condition(
        "weight decay, as strong as it takes to end at Algorithm 2's weight norm",
        color=2,
        dash="5px,2px",
        chosen="weight_decay",
    ),
    "learning-rate": Condition(
        "default initialisation, best of several learning rates",
        color=0,
        dash="16px,4px",
        chosen="lr",
    ),
    "random-bands": Condition(
        "every kernel a random frequency of its own, norms of the default",
        color=4,
        dash="20px,3px",
        prepare=(random_bands,),
    ),
    "same-band": Condition(
        "one random frequency for all kernels of a layer, norms of the default",
        color=5,
        dash="3px,3px",
        prepare=(one_band,),
    ),
    "balanced-bands": Condition(
        "random-bands, moved until the layer's mean spectrum is that of the default",
        color=4,
        dash="14px,3px,3px,3px",
        prepare=(balance_bands,),
    ),
    "random-bands-scale": Condition(
        "random-bands, each layer shrunk as in scale",
        color=1,
        dash="3px,6px",
        prepare=(random_bands, shrink),
    ),
    "random-bands-rate": Condition(
        "random-bands, at the learning rate of learning-rate",
        color=0,
        dash="7px,7px",
        prepare=(random_bands,),
        chosen="lr",
    ),
}
"""By name, in the order of the tables."""

CONTRASTS = {
    ("scale", "baseline"): "shrinking alone",
    ("init", "scale"): "what Algorithm 1 adds to its shrinking",
    ("scale-free", "baseline"): "lower similarity at unchanged scale",
    ("both", "scale"): "lower similarity at Algorithm 1's scale",
    ("both", "init"): "both, against Algorithm 1",
    ("regularise", "baseline"): "Algorithm 2",
    ("regularise", "decay"): "Algorithm 2, against weight decay to the same norm",
    ("learning-rate", "baseline"): "a tuned learning rate alone",
    ("init", "learning-rate"): "Algorithm 1, against a tuned learning rate",
    ("random-bands", "baseline"): "narrow spectra, different by chance",
    ("same-band", "baseline"): "narrow spectra, all alike",
    ("balanced-bands", "baseline"): "narrow spectra, mean spectrum unchanged",
    ("scale-free", "random-bands"): "what the descent adds to narrow spectra",
    ("random-bands-rate", "learning-rate"): "narrow spectra at a tuned learning rate",
    ("random-bands-scale", "scale"): "narrow spectra at Algorithm 1's scale",
}
"""Pairs of conditions, and the question that the difference of the two answers."""
