"""What networks are before their training: numbers of each layer that might predict how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convsim.data import Images, spread
from convsim.experiments.activations import (
    PICTURES,
    LayerState,
    layer_activations,
    layer_states,
)
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.images import load
from convsim.experiments.record import RESULTS, read_records
from convsim.experiments.runner import Experiment, Machine, Measured, Place, Task
from convsim.experiments.spectra import FACTORIAL, OF_LAYERS
from convsim.layers import convolutional_layers

SEEDS = range(2)
AT_DEFAULT_NORMS = (
    *("baseline", "scale-free", "balanced-bands", *FACTORIAL, *OF_LAYERS),
    *("orthogonal-kernels", "orthogonal-maps", "orthogonal-maps-first"),
    *("orthogonal-maps-ridge", "orthogonal-maps-raw", "orthogonal-maps-leading"),
)
"""Starts whose kernels have the norms of the default, and so, all else equal, its speed."""


@dataclass(frozen=True)
class BeginningSettings:
    """A network before its training.

    Attributes:
        run: the training that would follow.
        batches: how many gradients are compared.
        pictures: test images on which feature maps are compared.
        queries: as of :class:`~convsim.experiments.cifar10.TrainingSettings`.
    """

    run: TrainingSettings
    batches: int = 16
    pictures: int = PICTURES
    queries: int = 100

    def __str__(self) -> str:
        return f"before {self.run}"


class Gradients(TypedDict):
    """The first gradients of a layer's weight w, of batches that do not overlap.

    ``size`` is the norm of their mean times that of w, which does not depend on the scale of w
    behind a batch normalisation; ``signal`` is the squared norm of their mean, as a share of the
    mean of their squared norms: 1 if all agree, and one over their number if none have anything in
    common.
    """

    size: float
    signal: float


class BeginningMetrics(TypedDict):
    r"""By layer: its kernels and maps, how many directions its maps have, and its gradients.

    ``rank`` is the participation ratio :math:`(\sum \lambda)^2 / \sum \lambda^2` of the maps'
    covariance between channels, behind the batch normalisation.
    """

    layers: dict[str, LayerState]
    rank: dict[str, float]
    gradients: dict[str, Gradients]


def plan(folder: Path = RESULTS, *, data: str | None = None) -> list[BeginningSettings]:
    """Every start at the default's norms, seed by seed.

    Args:
        folder: where records lie.
        data: the data, in words; by default those of the records that are there.
    """
    recorded = [record.settings["run"]["data"] for record in read_records(BEGINNINGS.name, folder)]
    data = data or next(iter(recorded), "CIFAR-10")
    return [
        BeginningSettings(TrainingSettings(name, seed=seed, epochs=1, data=data))
        for seed in SEEDS
        for name in AT_DEFAULT_NORMS
    ]


def tasks(rows: Sequence[BeginningSettings]) -> list[Task]:
    """A task for each."""
    return BEGINNINGS.tasks(rows)


def _check(settings: BeginningSettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.run.data, machine.data_dir, machine.device)


def _run(settings: BeginningSettings, place: Place) -> Measured:
    train, test = load(settings.run.data, place.machine.data_dir, place.machine.device)
    return Measured(measure(settings, train, test), train.source)


def measure(settings: BeginningSettings, train: Images, test: Images) -> BeginningMetrics:
    """Prepare a network and look at it."""
    run = settings.run
    model, _ = initialise(run, train.pixels.device, classes=len(train.classes), train=train)
    outputs = layer_activations(model, test, settings.pictures)
    return {
        "layers": layer_states(model, test, settings.pictures, settings.queries),
        "rank": {
            name: participation_ratio(maps)
            for (name, side), maps in outputs.items()
            if side == "before"
        },
        "gradients": first_gradients(model, train, settings.batches, run.batch_size),
    }


def participation_ratio(maps: Tensor) -> float:
    r"""How many directions maps vary in: :math:`(\sum \lambda)^2 / \sum \lambda^2`.

    Args:
        maps: ``(B, S, ...)``; λ are the eigenvalues of the covariance between channels, over
            images and positions.
    """
    rows = maps.transpose(0, 1).flatten(1).double()
    covariance = rows.cov().view(len(rows), -1)
    return (covariance.trace().square() / covariance.square().sum()).item()


def first_gradients(
    model: nn.Module, train: Images, batches: int, batch_size: int
) -> dict[str, Gradients]:
    """Compare the gradients of some batches, in training mode; the model's statistics move."""
    chosen = spread(len(train), batches * batch_size, train.pixels.device)
    layers = convolutional_layers(model.train())
    sums = {name: torch.zeros_like(layer.weight) for name, layer in layers}
    squares = dict.fromkeys(sums, 0.0)
    for part in (chosen[first::batches] for first in range(batches)):  # images may lie by class
        model.zero_grad()
        cross_entropy(model(train.normalized(part)), train.labels[part]).backward()
        for name, layer in layers:
            assert layer.weight.grad is not None
            sums[name] += layer.weight.grad
            squares[name] += layer.weight.grad.square().sum().item()
    model.zero_grad()
    return {
        name: {
            "size": (sums[name].norm() / batches * layer.weight.norm()).item(),
            "signal": sums[name].square().sum().item() / batches / squares[name],
        }
        for name, layer in layers
    }


BEGINNINGS = Experiment("beginnings", _run, check=_check)
