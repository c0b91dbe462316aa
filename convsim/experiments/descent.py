"""What a descent on Convolutional Similarity does to whole layers: shrinking, and its floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import torch

from convsim import models
from convsim.experiments.record import added
from convsim.experiments.runner import Experiment, Measured, Place
from convsim.feature_maps import mean_absolute_cosine
from convsim.layers import convolutional_layers
from convsim.similarity import convolutional_similarity
from convsim.training.initialization import kernel_norms, minimize_similarity

RECORDED_EVERY = 10  # steps


@dataclass(frozen=True)
class DescentSettings:
    """Algorithm 1 on a freshly initialised network.

    Attributes:
        width: width of the network; of :class:`~convsim.models.ShallowCNN`, 64 is CNN1.
        scale_free: descend on the normalised similarity with every kernel's norm held.
        iterations: number of Adam steps.
        learning_rate: Adam's learning rate.
        seed: seed of the initialisation.
        model: a key of :data:`convsim.models.MODELS`.
    """

    width: int = 64
    scale_free: bool = False
    iterations: int = 500
    learning_rate: float = 1e-3
    seed: int = 0
    model: str = added("ShallowCNN", before="ShallowCNN")

    def __str__(self) -> str:
        return f"width {self.width}, {'scale-free' if self.scale_free else 'Algorithm 1'}"


@dataclass(frozen=True)
class FloorSettings:
    """How far L_CS falls at fixed norms, for layers of growing width.

    Attributes:
        channels: C.
        widths: the numbers S of kernels.
        size: taps of a kernel on each of its two axes.
        iterations: number of Adam steps.
        starts: number of random starts of each width, of which the lowest end counts.
        learning_rate: Adam's learning rate, for kernels of norm 1.
        seed: seed of the kernels, drawn from N(0, 1) and scaled to norm 1.
    """

    channels: int
    widths: tuple[int, ...] = (2, 3, 4, 6, 8, 12, 16, 32, 64, 128)
    size: int = 3
    starts: int = 4
    iterations: int = 1500
    learning_rate: float = 1e-2
    seed: int = 0

    def __str__(self) -> str:
        return f"C = {self.channels}, S = {self.widths[0]} to {self.widths[-1]}"


class LayerDescent(TypedDict):
    """One layer at every recorded step."""

    norm: list[float]
    similarity: list[float]
    normalized: list[float]
    kernel_cosine: list[float]


class DescentMetrics(TypedDict):
    """Recorded steps, and every layer by its name."""

    steps: list[int]
    layers: dict[str, LayerDescent]


class FloorRow(TypedDict):
    """L_CS of so many kernels of norm 1: mean start, lowest value met, and what is proven.

    ``white`` is ½ S (S - 1), the value of kernels with flat spectra; ``bound`` is ½ S (S - T).
    """

    kernels: int
    start: float
    lowest: float
    white: float
    bound: float


class FloorMetrics(TypedDict):
    """A row for each number of kernels."""

    rows: list[FloorRow]


DESCENT = (DescentSettings(), DescentSettings(scale_free=True))
FLOOR = (FloorSettings(channels=1), FloorSettings(channels=4), FloorSettings(channels=64))


def _descend(settings: DescentSettings, _: Place) -> Measured:
    return Measured(measure_descent(settings), "no data: PyTorch's default initialisation")


def _find_floor(settings: FloorSettings, _: Place) -> Measured:
    return Measured(measure_floor(settings), "no data: kernels from N(0, 1), scaled to norm 1")


DESCENTS = Experiment("descent", _descend)
FLOORS = Experiment("floor", _find_floor)


def measure_descent(settings: DescentSettings) -> DescentMetrics:
    """Weight norm, L_CS, normalised form and mean absolute kernel cosine of each layer, by step."""
    torch.manual_seed(settings.seed)
    model = models.build(settings.model, settings.width)
    layers = convolutional_layers(model)
    steps: list[int] = []
    history: dict[str, LayerDescent] = {
        name: {"norm": [], "similarity": [], "normalized": [], "kernel_cosine": []}
        for name, _ in layers
    }

    def record(step: int) -> None:
        if step % RECORDED_EVERY:
            return
        steps.append(step)
        for name, layer in layers:
            weight = layer.weight.detach().double()
            cosine, _ = mean_absolute_cosine(weight.flatten(1)[None])
            if cosine is None:
                raise FloatingPointError(f"step {step}, layer {name!r}: no two kernels are alive")
            of_layer = history[name]
            of_layer["norm"].append(weight.norm().item())
            of_layer["similarity"].append(convolutional_similarity(weight).item())
            of_layer["normalized"].append(convolutional_similarity(weight, normalized=True).item())
            of_layer["kernel_cosine"].append(cosine)

    minimize_similarity(
        model,
        iterations=settings.iterations,
        lr=settings.learning_rate,
        scale_free=settings.scale_free,
        on_step=record,
    )
    return {"steps": steps, "layers": history}


def measure_floor(settings: FloorSettings) -> FloorMetrics:
    """L_CS of random kernels of norm 1, after a descent with norms held, and its proven bounds."""
    taps = settings.size**2
    generator = torch.Generator().manual_seed(settings.seed)
    rows: list[FloorRow] = []
    for kernels in settings.widths:
        ends = [
            _descend_at_fixed_norms(kernels, settings, generator) for _ in range(settings.starts)
        ]
        rows.append(
            {
                "kernels": kernels,
                "start": sum(start for start, _ in ends) / len(ends),
                "lowest": min(lowest for _, lowest in ends),
                "white": kernels * (kernels - 1) / 2,
                "bound": max(0.0, kernels * (kernels - taps) / 2),
            }
        )
    return {"rows": rows}


def _descend_at_fixed_norms(
    kernels: int, settings: FloorSettings, generator: torch.Generator
) -> tuple[float, float]:
    """L_CS at a random start, and the lowest value met on the way down."""
    shape = (kernels, settings.channels, settings.size, settings.size)
    weight = torch.randn(shape, dtype=torch.float64, generator=generator)
    weight = (weight / kernel_norms(weight)).requires_grad_()
    optimizer = torch.optim.Adam([weight], lr=settings.learning_rate)
    values = []
    for _ in range(settings.iterations):
        optimizer.zero_grad()
        loss = convolutional_similarity(weight)
        values.append(loss.item())
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            weight.div_(kernel_norms(weight))
    return values[0], min(values)
