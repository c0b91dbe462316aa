"""Every penalty on the layers of a network, at held norms: what it lowers, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from convsim.data import Images, spread
from convsim.experiments.activations import PICTURES, LayerState, layer_states
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.images import load
from convsim.experiments.preparations import SEEN
from convsim.experiments.record import RESULTS, read_records
from convsim.experiments.runner import Experiment, Machine, Measured, Place, Task
from convsim.layers import convolutional_layers
from convsim.map_cosines import mean_absolute_cosine
from convsim.penalties import OF_WEIGHTS
from convsim.similarity import unit
from convsim.training.initialization import kernel_norms
from convsim.whitening import input_autocorrelations

DECOV = "DeCov"
NAMES = (*[*OF_WEIGHTS][:5], DECOV, *[*OF_WEIGHTS][5:])
"""All penalties: those of others, then both forms of Convolutional Similarity."""
NONE = "none"
"""The network as PyTorch initialised it."""
SEEDS, QUERIES = (0, 1), 50


@dataclass(frozen=True)
class PenaltySettings:
    """CNN1, untrained, with one penalty minimised in each of its layers.

    Attributes:
        penalty: one of ``NAMES``, or ``NONE``.
        seed: of the initialisation.
        data: the data, in words.
        width: of the network.
        iterations: Adam's steps.
        learning_rate: Adam's learning rate.
        seen: training images that DeCov looks at, evenly spread.
        pictures: test images on which the maps are compared.
        queries: neighbourhoods that are compared.
    """

    penalty: str
    seed: int = 0
    data: str = "CIFAR-10"
    width: int = 64
    iterations: int = 500
    learning_rate: float = 1e-3
    seen: int = SEEN
    pictures: int = PICTURES
    queries: int = QUERIES

    def __str__(self) -> str:
        return f"{self.penalty}, seed {self.seed}"


class PenalizedLayer(LayerState):
    """One layer after the descent.

    ``kernel_cosine`` is the mean absolute cosine of its kernels; ``penalties`` are the values of
    all penalties on weights, by name, of the kernels as :func:`scaled` has them.
    """

    kernel_cosine: float | None
    penalties: dict[str, float]


def plan(folder: Path = RESULTS, *, data: str | None = None) -> list[PenaltySettings]:
    """Each penalty and none, seed by seed.

    Args:
        folder: where records lie.
        data: the data, in words; by default those of the records that are there.
    """
    recorded = [record.settings["data"] for record in read_records(PENALTIES.name, folder)]
    data = data or next(iter(recorded), "CIFAR-10")
    return [PenaltySettings(name, seed, data) for seed in SEEDS for name in (NONE, *NAMES)]


def tasks(rows: Sequence[PenaltySettings]) -> list[Task]:
    """A task for each."""
    return PENALTIES.tasks(rows)


def _check(settings: PenaltySettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.data, machine.data_dir, machine.device)


def _run(settings: PenaltySettings, place: Place) -> Measured:
    train, test = load(settings.data, place.machine.data_dir, place.machine.device)
    return Measured({"layers": measure(settings, train, test)}, train.source)


PENALTIES = Experiment("penalties", _run, check=_check)


def measure(settings: PenaltySettings, train: Images, test: Images) -> dict[str, PenalizedLayer]:
    """Minimise the penalty in every layer, and read each of them."""
    model = penalized(settings, train)
    states = layer_states(model, test, settings.pictures, settings.queries)
    found: dict[str, PenalizedLayer] = {}
    for name, layer in convolutional_layers(model):
        kernels = scaled(layer.weight.detach().double())
        found[name] = {
            **states[name],
            "kernel_cosine": mean_absolute_cosine(kernels.flatten(1)[None])[0],
            "penalties": {key: of(kernels).item() for key, of in OF_WEIGHTS.items()},
        }
    return found


def penalized(settings: PenaltySettings, train: Images) -> nn.Module:
    """The network of a seed after the descent on its penalty, layer by layer from the first on."""
    run = TrainingSettings("baseline", settings.width, settings.seed, data=settings.data)
    device = train.pixels.device
    model, _ = initialise(run, device, classes=len(train.classes))
    if settings.penalty == NONE:
        return model
    seen = train.normalized(spread(len(train), settings.seen, device))
    for name, layer in convolutional_layers(model):
        penalty: Callable[[Tensor], Tensor]
        if settings.penalty == DECOV:
            # The layers before this one have their new weights by now.
            R = input_autocorrelations(model, seen)[name]
            penalty = partial(covariance_penalty, R.to(layer.weight))
        else:
            penalty = OF_WEIGHTS[settings.penalty]
        minimize(penalty, layer.weight, settings.iterations, settings.learning_rate)
    return model


def minimize(
    penalty: Callable[[Tensor], Tensor], weight: Tensor, iterations: int, lr: float
) -> None:
    """Descend with Adam on the penalty of the scaled kernels, every kernel's norm held, in place.

    Args:
        penalty: of a weight ``(S, C, *kernel_size)``.
        weight: a leaf that requires a gradient.
        iterations: number of steps.
        lr: Adam's learning rate.
    """
    norms = kernel_norms(weight)
    optimizer = torch.optim.Adam([weight], lr=lr)
    for _ in range(iterations):
        optimizer.zero_grad()
        penalty(scaled(weight)).backward()
        optimizer.step()
        with torch.no_grad():
            weight.mul_(norms / kernel_norms(weight))


def scaled(weight: Tensor) -> Tensor:
    """The kernels at one norm, at which the identity of the Gram matrix can be reached.

    It is 1, or √(C·T / S) for more kernels S than their taps C·T: a tight frame of those has the
    Gram matrix I on its smaller side. Differentiable.
    """
    rows = unit(weight.flatten(1))
    return (rows * min(1.0, rows.shape[1] / len(rows)) ** 0.5).view_as(weight)


def covariance_penalty(R: Tensor, weight: Tensor) -> Tensor:
    """DeCov of a layer's maps from the centred R of its input: half of K R Kᵀ's squares off the
    diagonal.

    Args:
        R: ``(C·T, C·T)``, as :func:`convsim.whitening.input_autocorrelations` has it.
        weight: ``(S, C, *kernel_size)``.
    """
    kernels = weight.flatten(1)
    covariance = kernels @ R @ kernels.T
    return (covariance - torch.diag(covariance.diagonal())).square().sum() / 2
