"""What a descent on Convolutional Similarity does to whole layers: shrinking, and its floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from convsim import models
from convsim.bands import band_kernels, draw_frequencies
from convsim.experiments.record import added
from convsim.experiments.runner import Experiment, Measured, Place
from convsim.floor import spectral_peak
from convsim.layers import convolutional_layers
from convsim.map_cosines import mean_absolute_cosine
from convsim.similarity import convolutional_similarity, similarity_matrix, unit
from convsim.spectrum import kernel_autocorrelations
from convsim.training.initialization import kernel_norms, minimize_similarity

RECORDED_EVERY = 10  # steps
BAND_DRAWS = 8  # of the control of a descent
ASCENTS = 16  # starts of the search for the sharpest kernel
ASCENT_STEPS = 500


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


class Ratio(TypedDict):
    """The normalised similarity of a layer and its two parts, at norms of 1.

    ``product`` is the mean of ⟨A_i, A_j⟩ over pairs of kernels, ``peak`` that of ‖A_i‖²; the
    normalised similarity is, but for kernels that differ in ‖A_i‖, the one divided by the other.
    """

    normalized: list[float]
    product: list[float]
    peak: list[float]
    kernel_cosine: list[float]


class LayerDescent(Ratio):
    """One layer at every recorded step.

    ``strangers`` is the normalised similarity of its kernels with those of other layers of the
    same shape, with which no descent has coordinated them; empty if there is no such layer.
    """

    norm: list[float]
    similarity: list[float]
    strangers: list[float]


class DescentMetrics(TypedDict):
    """Recorded steps, every layer by its name, and a control: random bands at the norms of each.

    The lists of the control have a number a draw.
    """

    steps: list[int]
    layers: dict[str, LayerDescent]
    bands: dict[str, Ratio]


class FloorRow(TypedDict):
    """L_CS of so many kernels of norm 1: mean start, lowest value met, and what is proven.

    ``white`` is ½ S (S - 1), the value of kernels with flat spectra; ``bound`` is ½ S (S - κ).
    """

    kernels: int
    start: float
    lowest: float
    white: float
    bound: float


class FloorMetrics(TypedDict):
    """A row for each number of kernels, and the constant of the bound.

    ``peak`` is κ, the largest ‖A‖² / ‖K‖⁴, as a product over the axes; ``peaks_found`` are the
    ends of ascents from random kernels with as many channels, which know nothing of products.
    """

    rows: list[FloorRow]
    peak: float
    peaks_found: list[float]


DESCENT = (DescentSettings(), DescentSettings(scale_free=True))
FLOOR = (FloorSettings(channels=1), FloorSettings(channels=4), FloorSettings(channels=64))


def _descend(settings: DescentSettings, _: Place) -> Measured:
    return Measured(measure_descent(settings), "no data: PyTorch's default initialisation")


def _find_floor(settings: FloorSettings, _: Place) -> Measured:
    return Measured(measure_floor(settings), "no data: kernels from N(0, 1), scaled to norm 1")


DESCENTS = Experiment("descent", _descend)
FLOORS = Experiment("floor", _find_floor)


def measure_descent(settings: DescentSettings) -> DescentMetrics:
    """Every layer by step, and random bands in its place."""
    torch.manual_seed(settings.seed)
    model = models.build(settings.model, settings.width)
    layers = convolutional_layers(model)
    bands = _draw_bands({name: layer.weight.detach() for name, layer in layers})
    steps: list[int] = []
    history: dict[str, LayerDescent] = {
        name: {**_no_ratio(), "norm": [], "similarity": [], "strangers": []} for name, _ in layers
    }

    def record(step: int) -> None:
        if step % RECORDED_EVERY:
            return
        steps.append(step)
        weights = {name: layer.weight.detach().double() for name, layer in layers}
        for name, weight in weights.items():
            try:
                _add(history[name], weight)
            except FloatingPointError as error:
                raise FloatingPointError(f"step {step}, layer {name!r}: {error}") from error
            history[name]["norm"].append(weight.norm().item())
            history[name]["similarity"].append(convolutional_similarity(weight).item())
            others = [
                other
                for each, other in weights.items()
                if each != name and other.shape == weight.shape
            ]
            if others:
                history[name]["strangers"].append(_across(weight, others))

    minimize_similarity(
        model,
        iterations=settings.iterations,
        lr=settings.learning_rate,
        scale_free=settings.scale_free,
        on_step=record,
    )
    return {"steps": steps, "layers": history, "bands": bands}


def measure_floor(settings: FloorSettings) -> FloorMetrics:
    """L_CS of random kernels of norm 1, after a descent with norms held, and its proven bounds."""
    peak = spectral_peak((settings.size, settings.size))
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
                "bound": max(0.0, kernels * (kernels - peak) / 2),
            }
        )
    return {
        "rows": rows,
        "peak": peak,
        "peaks_found": _ascend(settings),
    }


def _no_ratio() -> Ratio:
    return {"normalized": [], "product": [], "peak": [], "kernel_cosine": []}


def _add(to: Ratio, weight: Tensor) -> None:
    """Append what is measured of a weight in float64."""
    cosine, _ = mean_absolute_cosine(weight.flatten(1)[None])
    if cosine is None:
        raise FloatingPointError("no two kernels are alive")
    products = similarity_matrix(weight / kernel_norms(weight))
    own, pairs = products.trace(), len(products) * (len(products) - 1)
    to["normalized"].append(convolutional_similarity(weight, normalized=True).item())
    to["product"].append(((products.sum() - own) / pairs).item())
    to["peak"].append((own / len(products)).item())
    to["kernel_cosine"].append(cosine)


def _across(weight: Tensor, others: list[Tensor]) -> float:
    """Mean of ⟨A_i, A_j⟩ / (‖A_i‖ ‖A_j‖) over kernels i of one weight and j of others."""
    own, *rest = (unit(kernel_autocorrelations(each)).mean(0) for each in (weight, *others))
    return torch.stack([own @ other for other in rest]).mean().item()


def _draw_bands(weights: dict[str, Tensor]) -> dict[str, Ratio]:
    """What is measured of random bands at the norms of some weights."""
    drawn = {name: _no_ratio() for name in weights}
    for seed in range(BAND_DRAWS):
        # The order of draws is that of the training condition "random-bands".
        generator = torch.Generator().manual_seed(seed)
        for name, weight in weights.items():
            frequencies = draw_frequencies(len(weight), weight.ndim - 2, generator=generator)
            bands = band_kernels(weight, frequencies, generator=generator)
            _add(drawn[name], bands.double())
    return drawn


def _ascend(settings: FloorSettings) -> list[float]:
    """‖A‖² of kernels of norm 1 that climbed along its gradient, from random starts."""
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (ASCENTS, settings.channels, settings.size, settings.size)
    weight = torch.randn(shape, dtype=torch.float64, generator=generator)
    for _ in range(ASCENT_STEPS):
        weight = (weight / kernel_norms(weight)).requires_grad_()
        peaks = kernel_autocorrelations(weight).square().sum(1)
        # ‖A‖² is convex: the direction of its gradient never has a smaller one.
        (weight,) = torch.autograd.grad(peaks.sum(), weight)
    values: list[float] = peaks.tolist()
    return values


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
