"""CNN1 and CNN2 on CIFAR-10: Table 5 and Figures 1 to 3 of Belmekki et al. (2024), and controls.

A run is one network trained under one condition. Algorithm 1 shrinks the weights, and batch
normalisation turns small weights into large steps, so the controls take scale and similarity apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from convsim.data import Images
from convsim.experiments.activations import cosines
from convsim.experiments.record import Record, added, restored
from convsim.models import ShallowCNN
from convsim.similarity import Convolution, convolutional_layers
from convsim.training import LOOP, fit, minimize_similarity
from convsim.training.bands import balanced_bands, band_kernels, draw_frequencies
from convsim.training.history import Epoch


@dataclass(frozen=True)
class Condition:
    """What a training starts from, and what is done to it.

    Attributes:
        words: the condition, for a reader.
        start: ``"default"``; ``"algorithm 1"``; ``"scale-free"``, its form with all norms held; or
            bands of frequency, one a kernel at the norms of the default: ``"random bands"``,
            ``"one band"`` for all kernels of a layer, ``"balanced bands"``.
        shrunk: each layer is multiplied by the factor by which Algorithm 1 shrinks it.
        chosen: the option of :func:`convsim.training.fit` that a search of its own decides:
            ``"lr"``, ``"weight_decay"`` or None.
        regularised: Algorithm 2.
    """

    words: str
    start: str = "default"
    shrunk: bool = False
    chosen: str | None = None
    regularised: bool = False


CONDITIONS = {
    "baseline": Condition("PyTorch's default initialisation"),
    "init": Condition("Algorithm 1: 500 steps on L_CS, then training", start="algorithm 1"),
    "regularise": Condition("Algorithm 2: L_CS times 0.001 in the training loss", regularised=True),
    "scale": Condition(
        "default initialisation, each layer shrunk as Algorithm 1 shrank it", shrunk=True
    ),
    "scale-free": Condition(
        "Algorithm 1 on the normalised similarity, every kernel's norm held", start="scale-free"
    ),
    "both": Condition(
        "scale-free, then each layer shrunk as in scale", start="scale-free", shrunk=True
    ),
    "decay": Condition(
        "weight decay, as strong as it takes to end at Algorithm 2's weight norm",
        chosen="weight_decay",
    ),
    "learning-rate": Condition(
        "default initialisation, best of several learning rates", chosen="lr"
    ),
    "random-bands": Condition(
        "every kernel a random frequency of its own, norms of the default", start="random bands"
    ),
    "same-band": Condition(
        "one random frequency for all kernels of a layer, norms of the default", start="one band"
    ),
    "balanced-bands": Condition(
        "random-bands, moved until the layer's mean spectrum is that of the default",
        start="balanced bands",
    ),
    "random-bands-scale": Condition(
        "random-bands, each layer shrunk as in scale", start="random bands", shrunk=True
    ),
    "random-bands-rate": Condition(
        "random-bands, at the learning rate of learning-rate", start="random bands", chosen="lr"
    ),
}


@dataclass(frozen=True)
class TrainingSettings:
    """One network, one condition, one seed.

    Attributes:
        condition: a key of ``CONDITIONS``.
        width: width of the :class:`~convsim.models.ShallowCNN`; 64 is CNN1, 128 CNN2.
        seed: seed of the initialisation and of the shuffles.
        epochs: passes through the training images.
        data: the data, in words, as in :class:`convsim.data.Images`.
        precision: ``"float32"``, ``"tf32"`` or ``"bfloat16"``.
        batch_size: images a step.
        learning_rate: of SGD, except in the condition ``learning-rate``.
        iterations: steps of Algorithm 1, by Adam with learning rate 1e-3.
        beta: weight of L_CS in Algorithm 2.
        loop: version of the training loop, :data:`convsim.training.LOOP`.
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

    def __post_init__(self) -> None:
        if self.condition not in CONDITIONS:
            raise ValueError(
                f"{self.condition!r} is no condition; expected one of {', '.join(CONDITIONS)}"
            )

    def __str__(self) -> str:
        return f"{self.condition}, width {self.width}, seed {self.seed}, {self.epochs} epochs"


def measure(
    settings: TrainingSettings,
    train: Images,
    test: Images,
    *,
    choice: float | None = None,
    checkpoint: Path | None = None,
    tensorboard: Path | None = None,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> tuple[dict[str, Any], ShallowCNN]:
    """Initialise, train and measure one network on the device of the images.

    Args:
        settings: the run.
        train: training images.
        test: test images.
        choice: strength of the weight decay or learning rate in the conditions that need one.
        checkpoint: file from which a stopped run continues.
        tensorboard: folder to log to.
        progress: show progress.
        stop: as for :func:`convsim.training.fit`.

    Returns:
        Metrics, and the trained network. ``epochs`` holds the fields of
        :class:`convsim.training.history.Epoch`, epoch by epoch; ``initialisation_seconds`` what
        was spent before; ``cosine_before`` and ``cosine_after`` the mean absolute cosine of each
        layer's feature maps, on 512 test images.

    Raises:
        ValueError: for a version of the training loop that is not the present one.
    """
    if settings.loop != LOOP:
        raise ValueError(
            f"{settings} asks for version {settings.loop} of the training loop; expected {LOOP}: "
            "older versions can be read, not run"
        )
    condition = CONDITIONS[settings.condition]
    model, seconds = initialise(settings, train.pixels.device, classes=len(train.classes))
    before = cosines(model, test)
    chosen: dict[str, Any] = {condition.chosen: choice} if condition.chosen else {}
    history = fit(
        model,
        train,
        test,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
        precision=settings.precision,
        beta=settings.beta if condition.regularised else 0.0,
        checkpoint=checkpoint,
        tensorboard=tensorboard,
        progress=progress,
        stop=stop,
        **{"lr": settings.learning_rate} | chosen,
    )
    accuracies = [epoch.test_accuracy for epoch in history]
    metrics = {
        "top_test_accuracy": max(accuracies),
        "last_test_accuracy": accuracies[-1],
        "initialisation_seconds": seconds,
        "cosine_before": before,
        "cosine_after": cosines(model, test),
        "chosen": chosen,
        "epochs": by_epoch(history),
    }
    return metrics, model


def settings_of(record: Record) -> TrainingSettings:
    """The settings of a recorded training; those of old records have version 1 of the loop."""
    return restored(TrainingSettings, record.settings)


def by_epoch(history: Sequence[Epoch]) -> dict[str, Any]:
    """Every field of the epochs as a list, or as a list a layer."""
    rows = [asdict(epoch) for epoch in history]
    return {
        key: {layer: [row[key][layer] for row in rows] for layer in value}
        if isinstance(value, dict)
        else [row[key] for row in rows]
        for key, value in rows[0].items()
    }


def initialise(
    settings: TrainingSettings, device: torch.device | str, *, classes: int = 10
) -> tuple[ShallowCNN, float]:
    """The network of a condition before its training, and the seconds that its preparation took."""
    condition = CONDITIONS[settings.condition]
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        model = ShallowCNN(settings.width, classes)  # drawn on the CPU: the same on every machine
    model.to(device)
    started = time.perf_counter()
    layers = [layer for _, layer in convolutional_layers(model)]
    default = [layer.weight.detach().norm() for layer in layers]
    if condition.shrunk or condition.start == "algorithm 1":
        descended = deepcopy(model)
        minimize_similarity(descended, iterations=settings.iterations)
        shrunk = [layer.weight.detach().norm() for _, layer in convolutional_layers(descended)]
    if condition.start == "algorithm 1":
        model = descended
    elif condition.start == "scale-free":
        minimize_similarity(model, iterations=settings.iterations, scale_free=True)
    elif condition.start != "default":
        draw_bands(layers, condition.start, settings.seed)
    if condition.shrunk:
        with torch.no_grad():
            for layer, long, short in zip(layers, default, shrunk, strict=True):
                layer.weight.mul_(short / long)
    return model, round(time.perf_counter() - started, 3)


def draw_bands(layers: Sequence[Convolution], kind: str, seed: int) -> None:
    """Give each layer kernels of narrow bands, at the norms of those that it has."""
    # A stream of its own: the seed's other draws are those of the default.
    generator = torch.Generator().manual_seed(seed)
    for layer in layers:
        weight = layer.weight.detach()
        if kind == "balanced bands":
            kernels = balanced_bands(weight, generator=generator)
        else:
            count = 1 if kind == "one band" else len(weight)
            frequencies = draw_frequencies(count, weight.ndim - 2, generator=generator)
            kernels = band_kernels(weight, frequencies, generator=generator)
        with torch.no_grad():
            layer.weight.copy_(kernels)
