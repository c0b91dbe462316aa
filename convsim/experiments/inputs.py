"""What the input's autocorrelation does: whitened kernels on patches, and how long it lasts.

Two experiments: sixteen kernels on the patches of training images, made orthogonal in several
ways; and the feature maps of networks in their first steps of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn import functional

from convsim.data import Images, spread
from convsim.experiments.activations import PICTURES, map_cosines
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.images import load
from convsim.experiments.maps import LayerMaps, layer_maps
from convsim.experiments.pools import stopping
from convsim.experiments.preparations import SEEN
from convsim.experiments.record import RESULTS, read_records
from convsim.experiments.runner import Experiment, Machine, Measured, Place, Task
from convsim.layers import convolutional_layers
from convsim.map_cosines import map_cosines as cosines_of
from convsim.map_cosines import mean_absolute_cosine
from convsim.patches import (
    expected_gram,
    orthogonal_maps,
    patch_autocorrelation,
)
from convsim.training import fit
from convsim.training.deconvolution import folded
from convsim.whitening import input_autocorrelations

WATCHED = (
    *("baseline", "orthogonal-kernels", "orthogonal-maps", "orthogonal-maps-power"),
    "orthogonal-maps-power-ridge",
    *(
        "orthogonal-maps-ridge",
        "orthogonal-maps-leading",
        "orthogonal-maps-scale",
        "deconvolution",
        "decov",
    ),
)
WEAK = 0.01
"""The directions of an input that together hold this share of its power are its weak ones."""


@dataclass(frozen=True)
class PatchSettings:
    """Random kernels on the patches of some training images.

    Attributes:
        data: the data, in words.
        kernels: how many.
        size: taps on each axis.
        images: training images that R is taken from, evenly spread; as many test images are
            unseen.
        eps: what is added to R's diagonal in one of the ways, as a share of its mean.
        seed: of the kernels.
    """

    data: str = "CIFAR-10"
    kernels: int = 16
    size: int = 3
    images: int = SEEN
    eps: float = 5e-4
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.kernels} kernels on patches of {self.data}, seed {self.seed}"


class Way(TypedDict):
    """Mean absolute cosine of kernels and of their maps: expected on seen images and unseen ones,
    and within one unseen image."""

    kernels: float | None
    seen: float | None
    unseen: float | None
    per_image: float | None


class PatchMetrics(TypedDict):
    """R of the images, ``(C·T, C·T)``, and what each way of choosing the kernels comes to."""

    autocorrelation: list[list[float]]
    ways: dict[str, Way]


@dataclass(frozen=True)
class StepSettings:
    """A network's feature maps in the first steps of a training.

    Attributes:
        run: the training, whose ``epochs`` are those that are watched.
        steps: after how many steps the maps are measured.
        strength: the penalty of the condition ``decov``.
    """

    run: TrainingSettings
    steps: tuple[int, ...] = (0, 1, 2, 3, 4, 6, 10, 20, 40, 98, 196)
    strength: float = 1.0

    def __str__(self) -> str:
        return f"first steps of {self.run}"


class Input(TypedDict):
    """A layer's input before training, and what its kernels make of it.

    ``condition`` is R's largest eigenvalue by its smallest, ``leading`` the share of the largest
    in the power; ``weak`` is the share of the directions that together hold ``WEAK`` of the power,
    and ``in_weak`` the share of the kernels' squared norm that lies there; ``gain`` is the mean
    power of a map by that of a kernel of the same norm in no special direction.
    """

    condition: float | None
    leading: float
    weak: float
    in_weak: float
    gain: float


class StepMetrics(TypedDict):
    """By layer: its input, and its maps after the numbers of steps in ``steps``."""

    inputs: dict[str, Input]
    steps: list[int]
    maps: dict[str, list[LayerMaps]]


Settings = PatchSettings | StepSettings


def plan(folder: Path = RESULTS, *, data: str | None = None) -> list[Settings]:
    """Both experiments.

    Args:
        folder: where records lie.
        data: the data, in words; by default those of the records that are there.
    """
    recorded = [record.settings["data"] for record in read_records(PATCHES.name, folder)]
    data = data or next(iter(recorded), "CIFAR-10")
    watched = [StepSettings(TrainingSettings(name, epochs=2, data=data)) for name in WATCHED]
    return [PatchSettings(data), *watched]


def tasks(rows: Sequence[Settings]) -> list[Task]:
    """A task for each."""
    return [Task(PATCHES if isinstance(row, PatchSettings) else STEPS, row) for row in rows]


def _check_patches(settings: PatchSettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.data, machine.data_dir, machine.device)


def _check_steps(settings: StepSettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.run.data, machine.data_dir, machine.device)


def _of_patches(settings: PatchSettings, place: Place) -> Measured:
    train, test = load(settings.data, place.machine.data_dir, place.machine.device)
    return Measured(measure_patches(settings, train, test), train.source)


def _of_steps(settings: StepSettings, place: Place) -> Measured:
    train, test = load(settings.run.data, place.machine.data_dir, place.machine.device)
    return Measured(measure_steps(settings, train, test), train.source)


def measure_patches(settings: PatchSettings, train: Images, test: Images) -> PatchMetrics:
    """Kernels at random, orthonormal, and with orthogonal maps; how alike their maps are."""
    seen, unseen = (
        some.normalized(spread(len(some), settings.images, some.pixels.device)).double()
        for some in (train, test)
    )
    R, other = (patch_autocorrelation(some, settings.size) for some in (seen, unseen))
    generator = torch.Generator().manual_seed(settings.seed)
    shape = settings.kernels, seen.shape[1], settings.size, settings.size
    random = torch.randn(shape, generator=generator, dtype=torch.float64)
    orthonormal = orthogonal_maps(random, torch.eye(len(R)))
    kernels = {
        "random": random,
        "kernels orthogonal": orthonormal,
        "maps orthogonal": orthogonal_maps(orthonormal, R),
        "maps orthogonal, ε": orthogonal_maps(orthonormal, R, eps=settings.eps),
        "maps orthogonal, R of other images": orthogonal_maps(orthonormal, other),
    }

    def way(weight: Tensor) -> Way:
        maps = functional.conv2d(unseen, weight.to(unseen))
        return {
            "kernels": _mean_cosine(weight.flatten(1) @ weight.flatten(1).T),
            "seen": _mean_cosine(expected_gram(weight, R)),
            "unseen": _mean_cosine(expected_gram(weight, other)),
            "per_image": cosines_of(maps.flatten(2)).per_image,
        }

    return {
        "autocorrelation": R.tolist(),
        "ways": {name: way(weight) for name, weight in kernels.items()},
    }


def _mean_cosine(gram: Tensor) -> float | None:
    """Mean |cos| of the pairs of some vectors, from their Gram matrix."""
    values, vectors = torch.linalg.eigh(gram)
    return mean_absolute_cosine((vectors * values.clamp(min=0).sqrt())[None])[0]


def measure_steps(settings: StepSettings, train: Images, test: Images) -> StepMetrics:
    """Train for the first steps, and measure the maps between them."""
    run = settings.run
    device = train.pixels.device
    model, _ = initialise(run, device, classes=len(train.classes), train=train)
    plain = folded(model)
    seen = train.normalized(spread(len(train), SEEN, device))
    of_layers = input_autocorrelations(plain, seen)
    inputs = {
        name: _input(layer.weight, of_layers[name]) for name, layer in convolutional_layers(plain)
    }
    maps: dict[str, list[LayerMaps]] = {name: [] for name in inputs}
    measured: list[int] = []

    def watch(step: int) -> None:
        if step in settings.steps:
            measured.append(step)
            for name, found in map_cosines(folded(model), test, PICTURES).items():
                maps[name].append(layer_maps(found))

    fit(
        model,
        train,
        test,
        epochs=run.epochs,
        lr=run.learning_rate,
        batch_size=run.batch_size,
        seed=run.seed,
        precision=run.precision,
        decorrelation=settings.strength if run.condition == "decov" else 0.0,
        progress=False,
        stop=stopping,
        on_step=watch,
    )
    return {"inputs": inputs, "steps": measured, "maps": maps}


def _input(weight: Tensor, R: Tensor) -> Input:
    values, vectors = torch.linalg.eigh(R)
    values = values.clamp(min=0)
    power = values.sum()
    weak = values.cumsum(0) <= WEAK * power  # in ascending order
    kernels = weight.detach().flatten(1).double().cpu()
    energy = (kernels @ vectors).square().sum(0)
    smallest = values[0] if values[0] > values[-1] * len(R) * torch.finfo(R.dtype).eps else None
    return {
        "condition": None if smallest is None else float(values[-1] / smallest),
        "leading": float(values[-1] / power),
        "weak": float(weak.double().mean()),
        "in_weak": float(energy[weak].sum() / energy.sum()),
        "gain": float((energy * values).sum() / energy.sum() / values.mean()),
    }


PATCHES = Experiment("inputpatches", _of_patches, check=_check_patches)
STEPS = Experiment("inputsteps", _of_steps, check=_check_steps)
