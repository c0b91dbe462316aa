"""The first epoch of a training, step by step: how weights grow and turn, and where L_CS goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from convsim.data import Images
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.images import load
from convsim.experiments.pools import stopping
from convsim.experiments.record import RESULTS, read_records
from convsim.experiments.runner import Experiment, Machine, Measured, Place, Task
from convsim.layers import convolutional_layers
from convsim.training import fit
from convsim.training.history import measure_layers

STARTS = ("baseline", "init", "scale")
LEARNING_RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = 3
OTHERS = {"momentum": 0.01, "SGDP": 0.01, "Adam": 0.001}
"""Optimisers beside SGD, and their learning rates."""


@dataclass(frozen=True)
class ForgettingSettings:
    """A network's weights in the first epoch of a training.

    Attributes:
        run: the training, of one epoch.
        steps: after how many steps the weights are measured.
    """

    run: TrainingSettings
    steps: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 98)

    def __str__(self) -> str:
        return f"first epoch of {self.run}"


class Course(TypedDict):
    """One layer's weight w after each of the steps.

    ``angle`` is that between w and the w of the start, in degrees; ``squared_gradients`` and
    ``squared_steps`` are the sums so far of the squared norms of the gradients, and of what each
    step changed; ``similarity`` is L_CS, ``normalized`` its scale-free form.
    """

    norm: list[float]
    angle: list[float]
    squared_gradients: list[float]
    squared_steps: list[float]
    similarity: list[float]
    normalized: list[float]


class ForgettingMetrics(TypedDict):
    """The layers' courses by name, after the numbers of steps in ``steps``; and what came of it.

    The record of a run that diverged has the one metric ``diverged`` instead.
    """

    steps: list[int]
    layers: dict[str, Course]
    loss: float
    train_accuracy: float
    test_accuracy: float


def plan(folder: Path = RESULTS, *, data: str | None = None) -> list[ForgettingSettings]:
    """Every start at every learning rate of SGD, and under the other optimisers, seed by seed.

    Args:
        folder: where records lie.
        data: the data, in words; by default those of the records that are there.
    """
    recorded = [record.settings["run"]["data"] for record in read_records(FORGETTING.name, folder)]
    data = data or next(iter(recorded), "CIFAR-10")
    optimizers = [("SGD", lr) for lr in LEARNING_RATES] + [*OTHERS.items()]
    return [
        ForgettingSettings(
            TrainingSettings(
                start, seed=seed, epochs=1, data=data, optimizer=optimizer, learning_rate=lr
            )
        )
        for seed in range(SEEDS)
        for optimizer, lr in optimizers
        for start in STARTS
    ]


def tasks(rows: Sequence[ForgettingSettings]) -> list[Task]:
    """A task for each."""
    return FORGETTING.tasks(rows)


def _check(settings: ForgettingSettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.run.data, machine.data_dir, machine.device)


def _run(settings: ForgettingSettings, place: Place) -> Measured:
    train, test = load(settings.run.data, place.machine.data_dir, place.machine.device)
    try:
        return Measured(measure(settings, train, test), train.source)
    except FloatingPointError as error:
        return Measured({"diverged": str(error)}, train.source)


def measure(settings: ForgettingSettings, train: Images, test: Images) -> ForgettingMetrics:
    """Train for an epoch, and look at the weights in between.

    Raises:
        FloatingPointError: as :func:`convsim.training.fit`, or if L_CS stops being finite.
    """
    run = settings.run
    model, _ = initialise(run, train.pixels.device, classes=len(train.classes), train=train)
    layers = convolutional_layers(model)
    starts = {name: layer.weight.detach().clone() for name, layer in layers}
    before = dict(starts)
    gradients, lengths = dict.fromkeys(starts, 0.0), dict.fromkeys(starts, 0.0)
    courses: dict[str, Course] = {
        name: {key: [] for key in Course.__annotations__}  # type: ignore[misc]
        for name in starts
    }
    measured: list[int] = []

    def watch(step: int) -> None:
        for name, layer in layers:
            weight = layer.weight.detach().clone()
            if step and layer.weight.grad is not None:
                gradients[name] += layer.weight.grad.square().sum().item()
            lengths[name] += (weight - before[name]).square().sum().item()
            before[name] = weight
        if step not in settings.steps:
            return
        measured.append(step)
        try:
            readings = measure_layers(layers)
        except ValueError as error:
            raise FloatingPointError(f"step {step}: {error}") from error
        for name, course in courses.items():
            course["norm"].append(readings["norm"][name])
            course["angle"].append(_degrees(starts[name], before[name]))
            course["squared_gradients"].append(gradients[name])
            course["squared_steps"].append(lengths[name])
            course["similarity"].append(readings["similarity"][name])
            course["normalized"].append(readings["normalized"][name])

    (epoch,) = fit(
        model,
        train,
        test,
        epochs=1,
        lr=run.learning_rate,
        batch_size=run.batch_size,
        seed=run.seed,
        precision=run.precision,
        optimizer=run.optimizer,
        progress=False,
        stop=stopping,
        on_step=watch,
    )
    return {
        "steps": measured,
        "layers": courses,
        "loss": epoch.loss,
        "train_accuracy": epoch.train_accuracy,
        "test_accuracy": epoch.test_accuracy,
    }


def _degrees(first: Tensor, second: Tensor) -> float:
    """The angle between two tensors; accurate where it is small, too."""
    one, other = (x.flatten().double() / x.double().norm() for x in (first, second))
    half = torch.atan2((one - other).norm(), (one + other).norm())
    return math.degrees(2 * half.item())


FORGETTING = Experiment("forgetting", _run, check=_check)
