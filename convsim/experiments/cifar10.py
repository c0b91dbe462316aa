"""CNN1 and CNN2 on CIFAR-10: Table 5 and Figures 1 to 3 of Belmekki et al. (2024), and controls.

A run is one network trained under one condition. Algorithm 1 shrinks the weights, and batch
normalisation turns small weights into large steps, so the controls take scale and similarity apart.
"""

from __future__ import annotations

import math
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
LEARNING_RATES = (0.01, 0.03, 0.1, 0.3)
NORM_TOLERANCE, ATTEMPTS = 0.02, 8  # of the search for a weight decay
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
    model = deepcopy(model)
    images = test.normalized(spread(len(test), PICTURES, test.pixels.device))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the running statistics become those of the next batch
    layers = dict(convolutional_layers(model))
    with torch.no_grad():
        for layer in layers.values():
            if layer.bias is not None:
                layer.bias.zero_()
        model.train()(images)
    measured = feature_map_cosines(model, layers, images)
    return {
        name: None if cosine is None else round(cosine, 5)
        for name, (cosine, _) in zip(layers, measured, strict=True)
    }


def spread(count: int, wanted: int, device: torch.device) -> Tensor:
    """Indices of ``wanted`` of ``count`` images, evenly spread: a set may lie class by class."""
    return torch.linspace(0, count - 1, min(count, wanted), device=device).round().long()


def choose_learning_rate(
    settings: TrainingSettings, train: Images, *, checkpoint: Path, progress: bool = True
) -> dict[str, Any]:
    """Find the best of ``LEARNING_RATES`` on a tenth of the training images, which is held out.

    Returns:
        The metrics ``choice``, and in ``tried`` the highest held-out accuracy of each rate,
        None if it diverged.
    """
    shuffle = torch.randperm(len(train), generator=torch.Generator().manual_seed(settings.seed))
    held_out, rest = (
        train.subset(index.to(train.pixels.device))
        for index in (shuffle[: len(train) // 10], shuffle[len(train) // 10 :])
    )
    tried: list[dict[str, Any]] = []
    for rate in LEARNING_RATES:
        place = checkpoint.with_suffix(f".{rate}.safetensors")
        row: dict[str, Any] = {"lr": rate, "accuracy": None}
        try:
            metrics, _ = measure(
                settings, rest, held_out, choice=rate, checkpoint=place, progress=progress
            )
            row["accuracy"] = metrics["top_test_accuracy"]
        except FloatingPointError as error:
            row["diverged"] = str(error)
        tried.append(row)
    finished = [row for row in tried if row["accuracy"] is not None]
    if not finished:
        raise FloatingPointError(f"every learning rate of {LEARNING_RATES} diverged")
    best = max(finished, key=lambda row: row["accuracy"])
    return {"choice": best["lr"], "images_held_out": len(held_out), "tried": tried}


def choose_weight_decay(
    settings: TrainingSettings,
    train: Images,
    test: Images,
    *,
    target: dict[str, Any],
    checkpoint: Path,
    progress: bool = True,
) -> dict[str, Any]:
    """Find the weight decay with which training ends at the weight norm of Algorithm 2.

    The norm falls as the decay grows. The search starts from the strength that equals Algorithm
    2's pull at its end and interpolates between the logarithms of both.

    Args:
        settings: a run with the condition ``decay``.
        train: training images.
        test: test images; their accuracy plays no part.
        target: the metrics of the run with Algorithm 2.
        checkpoint: file from whose name those of the attempts' checkpoints are made.
        progress: show progress.

    Returns:
        The metrics ``choice``, and in ``tried`` what each attempt came to.
    """
    goal = _last_norm(target)
    # L_CS has degree 4: along the weights its gradient is 4 L_CS / ‖w‖² times the weights.
    similarity = sum(layer[-1] for layer in target["epochs"]["similarity"].values())
    decay = 4 * settings.beta * similarity / goal**2
    tried: list[dict[str, float]] = []
    while len(tried) < ATTEMPTS:
        place = checkpoint.with_suffix(f".{len(tried)}.safetensors")
        metrics, _ = measure(
            settings, train, test, choice=decay, checkpoint=place, progress=progress
        )
        norm = _last_norm(metrics)
        tried.append({"decay": decay, "norm": norm})
        if abs(norm / goal - 1) <= NORM_TOLERANCE:
            break
        decay = _next_decay(tried, goal)
    best = min(tried, key=lambda row: abs(row["norm"] / goal - 1))
    return {"choice": best["decay"], "norm_wanted": goal, "tried": tried}


def _last_norm(metrics: dict[str, Any]) -> float:
    """Norm of all convolutional weights together after the last epoch."""
    return math.hypot(*(layer[-1] for layer in metrics["epochs"]["norm"].values()))


def _next_decay(tried: list[dict[str, float]], goal: float) -> float:
    below = [row for row in tried if row["norm"] > goal]  # too weak
    above = [row for row in tried if row["norm"] <= goal]
    if not above:
        return 4 * max(row["decay"] for row in below)
    if not below:
        return min(row["decay"] for row in above) / 4
    weak = max(below, key=lambda row: row["decay"])
    strong = min(above, key=lambda row: row["decay"])
    share = math.log(weak["norm"] / goal) / math.log(weak["norm"] / strong["norm"])
    # Kept off the ends, where regula falsi may crawl.
    share = min(max(share, 0.1), 0.9)
    return weak["decay"] * (strong["decay"] / weak["decay"]) ** share
