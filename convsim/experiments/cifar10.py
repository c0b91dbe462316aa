"""Networks trained on images: Table 5 and Figures 1 to 3 of Belmekki et al. (2024), and controls.

A run is one network trained under one condition.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import nn

from convsim import models
from convsim.data import Images, spread
from convsim.experiments.activations import LayerState, layer_states
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.preparations import SEEN, Start
from convsim.experiments.record import Record, added, restored
from convsim.training import LOOP, fit
from convsim.training.arithmetic import PRECISIONS
from convsim.training.deconvolution import folded
from convsim.training.history import Epoch, Epochs, by_epoch
from convsim.training.optimizers import OPTIMIZERS

OPTIONS: dict[str | None, str] = {"own_lr": "lr"}
"""The option of ``fit`` that a condition's choice is, where it has another name."""
TESTED = 100
"""Images for the accuracy of an epoch that is only tried, and for which nobody asks."""


@dataclass(frozen=True)
class TrainingSettings:
    """One network, one condition, one seed.

    Attributes:
        condition: a key of :data:`convsim.experiments.conditions.CONDITIONS`.
        width: of the model; of :class:`~convsim.models.ShallowCNN`, 64 is CNN1 and 128 CNN2.
        seed: seed of the initialisation and of the shuffles.
        epochs: passes through the training images.
        data: the data, in words, as in :class:`convsim.data.Images`.
        precision: ``"float32"``, ``"tf32"`` or ``"bfloat16"``.
        batch_size: images a step.
        learning_rate: of the optimiser, except in the condition ``learning-rate``.
        iterations: steps of Algorithm 1, by Adam with learning rate 1e-3.
        beta: weight of L_CS in Algorithm 2.
        loop: version of the training loop, :data:`convsim.training.LOOP`.
        model: a key of :data:`convsim.models.MODELS`.
        pictures: test images on which feature maps are compared.
        queries: of 2,000 test images, those whose neighbourhoods say how much the channels overlap;
            0 leaves that out.
        optimizer: as for :func:`convsim.training.fit`.
        images: training images, evenly spread; 0 is all of them.
        rate: the effective learning rate that the condition ``matched-rate`` has after its first
            epoch.
        held_out: training images, evenly spread, that are not trained on; by them an epoch can be
            chosen.
    """

    condition: str
    width: int = 64
    seed: int = 0
    epochs: int = 100
    data: str = "CIFAR-10"
    precision: str = "bfloat16"
    batch_size: int = 512
    learning_rate: float = 0.01
    iterations: int = 500
    beta: float = 1e-3
    loop: int = added(LOOP, before=1)
    model: str = added("ShallowCNN", before="ShallowCNN")
    pictures: int = added(512, before=512)
    queries: int = added(0, before=0)
    optimizer: str = added("SGD", before="SGD")
    images: int = added(0, before=0)
    rate: float = added(0.01, before=0.01)
    held_out: int = added(0, before=0)

    def __post_init__(self) -> None:
        if self.condition not in CONDITIONS:
            raise ValueError(
                f"{self.condition!r} is no condition; expected one of {', '.join(CONDITIONS)}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}"
            )
        if self.width < 1:
            raise ValueError(f"width is {self.width}; expected a whole number, 1 or more")
        if self.model not in models.MODELS:
            raise ValueError(
                f"{self.model!r} is no model; expected one of {', '.join(models.MODELS)}"
            )
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"{self.optimizer!r} is no optimizer; expected one of {', '.join(OPTIMIZERS)}"
            )

    @property
    def ordinary(self) -> bool:
        """SGD on all images, as in most of the book."""
        return self.optimizer == "SGD" and not (self.images or self.held_out)

    def __str__(self) -> str:
        """What tells the run from others: what is as in the paper goes without saying."""
        usual = {f.name: f.default for f in fields(self)}
        said = {
            "model": "{}",
            "optimizer": "{}",
            "learning_rate": "learning rate {:g}",
            "batch_size": "batches of {}",
            "iterations": "{} steps",
            "images": "{:,} images",
            "rate": "rate {:g}",
            "held_out": "{:,} held out",
        }
        special = [
            words.format(getattr(self, name))
            for name, words in said.items()
            if getattr(self, name) != usual[name]
        ]
        usually = f"{self.condition}, width {self.width}, seed {self.seed}, {self.epochs} epochs"
        return ", ".join([*special, usually])


class LayerMetrics(TypedDict, total=False):
    """What records of today have, and older ones have not."""

    layers_before: dict[str, LayerState]
    layers_after: dict[str, LayerState]


class TrainingMetrics(LayerMetrics):
    """What a training came to.

    ``initialisation_seconds`` is what was spent before it; ``cosine_before`` and ``cosine_after``
    are the mean absolute cosine of each layer's feature maps on some test images, None where none
    is defined; ``layers_before`` and ``layers_after`` say more of each layer, and are not in older
    records; ``chosen`` holds the option of ``fit`` that a search has decided, if one has.

    The record of a run that diverged has the one metric ``diverged`` instead, which says where.
    """

    top_test_accuracy: float
    last_test_accuracy: float
    initialisation_seconds: float
    cosine_before: dict[str, float | None]
    cosine_after: dict[str, float | None]
    chosen: dict[str, float]
    epochs: Epochs


def measure(
    settings: TrainingSettings,
    train: Images,
    test: Images,
    *,
    choice: float | None = None,
    checkpoint: Path | None = None,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> tuple[TrainingMetrics, nn.Module]:
    """Initialise, train and measure one network on the device of the images.

    Args:
        settings: the run.
        train: training images.
        test: test images.
        choice: what a search has decided, in the conditions that need one.
        checkpoint: file from which a stopped run continues.
        progress: show progress.
        stop: as for :func:`convsim.training.fit`.

    Returns:
        Metrics, and the trained network.

    Raises:
        ValueError: for a version of the training loop that is not the present one.
    """
    check_loop(settings)
    condition = CONDITIONS[settings.condition]
    if settings.images:
        train = train.subset(spread(len(train), settings.images, train.pixels.device))
    train, held_out = _held_out(train, settings.held_out)
    device, classes = train.pixels.device, len(train.classes)
    model, seconds = initialise(settings, device, classes=classes, train=train, stop=stop)
    before = layer_states(folded(model), test, settings.pictures, settings.queries)
    option = OPTIONS.get(condition.chosen, condition.chosen)
    chosen: dict[str, Any] = {option: choice} if option else {}
    history = _fit(
        model,
        train,
        test,
        settings,
        epochs=settings.epochs,
        checkpoint=checkpoint,
        progress=progress,
        stop=stop,
        held_out=held_out,
        **chosen,
    )
    accuracies = [epoch.test_accuracy for epoch in history]
    model = folded(model)
    after = layer_states(model, test, settings.pictures, settings.queries)
    metrics: TrainingMetrics = {
        "top_test_accuracy": max(accuracies),
        "last_test_accuracy": accuracies[-1],
        "initialisation_seconds": seconds,
        "cosine_before": {name: layer["per_image"] for name, layer in before.items()},
        "cosine_after": {name: layer["per_image"] for name, layer in after.items()},
        "layers_before": before,
        "layers_after": after,
        "chosen": chosen,
        "epochs": by_epoch(history),
    }
    return metrics, model


def _held_out(train: Images, count: int) -> tuple[Images, Images | None]:
    """Training images without some of them, evenly spread, and these; None for no images."""
    if not count:
        return train, None
    apart = torch.zeros(len(train), dtype=torch.bool, device=train.pixels.device)
    apart[spread(len(train), count, train.pixels.device)] = True
    return train.subset(~apart), train.subset(apart)


def _fit(
    model: nn.Module, train: Images, test: Images, settings: TrainingSettings, **options: Any
) -> list[Epoch]:
    """Train as a run's settings and its condition say, and further options of ``fit``."""
    condition = CONDITIONS[settings.condition]
    usual = {
        "lr": settings.learning_rate,
        "batch_size": settings.batch_size,
        "beta": settings.beta if condition.regularised else 0.0,
        "seed": settings.seed,
        "precision": settings.precision,
        "optimizer": settings.optimizer,
    }
    return fit(model, train, test, **{**usual, **condition.options, **options})


def check_loop(settings: TrainingSettings) -> None:
    """Refuse, with a ValueError, a version of the training loop that is not the present one."""
    if settings.loop != LOOP:
        raise ValueError(
            f"{settings} asks for version {settings.loop} of the training loop; expected {LOOP}: "
            "older versions can be read, not run"
        )


def settings_of(record: Record[Any]) -> TrainingSettings:
    """The settings of a recorded training; those of old records have version 1 of the loop."""
    return restored(TrainingSettings, record.settings)


def initialise(
    settings: TrainingSettings,
    device: torch.device | str,
    *,
    classes: int = 10,
    train: Images | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[nn.Module, float]:
    """The network of a condition before its training, and the seconds that its preparation took.

    Conditions that look at the input look at some of the training images, and need them; ``stop``
    is as for :func:`convsim.training.fit`, for those that try an epoch.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        # Drawn on the CPU: the same on every machine.
        model = models.build(settings.model, settings.width, classes)
    model.to(device)
    started = time.perf_counter()
    images = None
    if train is not None:
        images = train.normalized(spread(len(train), SEEN, train.pixels.device))

    def try_epoch(tried: nn.Module) -> None:
        assert train is not None
        few = train.subset(spread(len(train), TESTED, train.pixels.device))
        _fit(tried, train, few, settings, epochs=1, progress=False, stop=stop)

    start = Start(
        deepcopy(model),
        settings.iterations,
        settings.seed,
        images,
        settings.optimizer,
        settings.learning_rate,
        settings.rate,
        None if train is None else try_epoch,
    )
    for prepare in CONDITIONS[settings.condition].prepare:
        prepare(model, start)
    return model, time.perf_counter() - started
