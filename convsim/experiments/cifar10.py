"""CNN1 and CNN2 on CIFAR-10: Table 5 and Figures 1 to 3 of Belmekki et al. (2024), and controls.

A run is one network trained under one condition. Algorithm 1 shrinks the weights, and batch
normalisation turns small weights into large steps, so the controls take scale and similarity apart.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convsim.data import Images
from convsim.feature_maps import feature_map_cosines
from convsim.history import Epoch
from convsim.models import ShallowCNN
from convsim.similarity import convolutional_layers
from convsim.training import fit, minimize_similarity

CONDITIONS = {
    "baseline": "PyTorch's default initialisation",
    "init": "Algorithm 1: 500 steps on L_CS, then training",
    "regularise": "Algorithm 2: L_CS times 0.001 in the training loss",
    "scale": "default initialisation, each layer shrunk as Algorithm 1 shrank it",
    "scale-free": "Algorithm 1 on the normalised similarity, every kernel's norm held",
    "both": "scale-free, then each layer shrunk as in scale",
    "decay": "weight decay, as strong as it takes to end at Algorithm 2's weight norm",
    "learning-rate": "default initialisation, best of four learning rates",
}
PICTURES = 512  # test images on which feature maps are compared


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

    Returns:
        Metrics, and the trained network. ``epochs`` holds the fields of
        :class:`convsim.history.Epoch`, epoch by epoch; ``initialisation_seconds`` what was spent
        before; ``cosine_before`` and ``cosine_after`` the mean absolute cosine of each layer's
        feature maps, on 512 test images.
    """
    model, seconds = initialise(settings, train.pixels.device, classes=len(train.classes))
    before = cosines(model, test)
    rates = {"learning-rate": "lr", "decay": "weight_decay"}
    chosen: dict[str, Any] = {}
    if settings.condition in rates:
        chosen = {rates[settings.condition]: choice}
    history = fit(
        model,
        train,
        test,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
        precision=settings.precision,
        beta=settings.beta if settings.condition == "regularise" else 0.0,
        checkpoint=checkpoint,
        tensorboard=tensorboard,
        progress=progress,
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
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        model = ShallowCNN(settings.width, classes)  # drawn on the CPU: the same on every machine
    model.to(device)
    started = time.perf_counter()
    if settings.condition in ("init", "scale", "both"):
        shrunk = deepcopy(model)
        minimize_similarity(shrunk, iterations=settings.iterations)
        factors = [
            new.weight.detach().norm() / old.weight.detach().norm()
            for (_, new), (_, old) in zip(
                convolutional_layers(shrunk), convolutional_layers(model), strict=True
            )
        ]
    if settings.condition == "init":
        model = shrunk
    if settings.condition in ("scale-free", "both"):
        minimize_similarity(model, iterations=settings.iterations, scale_free=True)
    if settings.condition in ("scale", "both"):
        with torch.no_grad():
            for (_, layer), factor in zip(convolutional_layers(model), factors, strict=True):
                layer.weight.mul_(factor)
    return model, round(time.perf_counter() - started, 3)


def cosines(model: nn.Module, test: Images) -> dict[str, float | None]:
    """Mean absolute cosine of the feature maps K ⋆ X of each layer, on some test images.

    The biases are left out, as in the identity: batch normalisation subtracts them again. It uses
    the statistics of these images, so that a network without training can be measured, too.
    """
    images = test.normalized(spread(len(test), PICTURES, test.pixels.device))
    model = deepcopy(model)
    with torch.no_grad():
        for _, layer in convolutional_layers(model):
            if layer.bias is not None:
                layer.bias.zero_()
    model = with_statistics_of(model, images)
    layers = dict(convolutional_layers(model))
    measured = feature_map_cosines(model, layers, images)
    return {
        name: None if cosine is None else round(cosine, 5)
        for name, (cosine, _) in zip(layers, measured, strict=True)
    }


def with_statistics_of(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy in evaluation mode whose batch normalisations know the statistics of these images."""
    model = deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the running statistics become those of the next batch
            module.train()
    with torch.no_grad():
        model(images)
    return model.eval()


def spread(count: int, wanted: int, device: torch.device) -> Tensor:
    """Indices of ``wanted`` of ``count`` images, evenly spread: a set may lie class by class."""
    return torch.linspace(0, count - 1, min(count, wanted), device=device).round().long()
