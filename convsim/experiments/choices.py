"""Numbers that two controls need before they can run: a learning rate and a weight decay."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from convsim.data import Images
from convsim.experiments.cifar10 import TrainingMetrics, TrainingSettings, measure

LEARNING_RATES, SHORT = (0.01, 0.03, 0.1, 0.3, 1.0), 10  # epochs
NORM_TOLERANCE, ATTEMPTS = 0.02, 8  # of the search for a weight decay


def choose_learning_rate(
    settings: TrainingSettings,
    train: Images,
    *,
    checkpoint: Path,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Find the best of ``LEARNING_RATES`` on a tenth of the training images, which is held out.

    Each rate is tried for ``SHORT`` epochs, or those of the run if they are fewer.

    Returns:
        The metrics ``choice``, and in ``tried`` the highest held-out accuracy of each rate,
        None if it diverged.
    """
    shuffle = torch.randperm(len(train), generator=torch.Generator().manual_seed(settings.seed))
    held_out, rest = (
        train.subset(index.to(train.pixels.device))
        for index in (shuffle[: len(train) // 10], shuffle[len(train) // 10 :])
    )
    settings = replace(settings, epochs=min(settings.epochs, SHORT))
    tried: list[dict[str, Any]] = []
    for rate in LEARNING_RATES:
        place = checkpoint.with_suffix(f".{rate}.safetensors")
        row: dict[str, Any] = {"lr": rate, "accuracy": None}
        try:
            metrics, _ = measure(
                settings,
                rest,
                held_out,
                choice=rate,
                checkpoint=place,
                progress=progress,
                stop=stop,
            )
            row["accuracy"] = metrics["top_test_accuracy"]
        except FloatingPointError as error:
            row["diverged"] = str(error)
        tried.append(row)
    finished = [row for row in tried if row["accuracy"] is not None]
    if not finished:
        raise FloatingPointError(f"every learning rate of {LEARNING_RATES} diverged")
    best = max(finished, key=lambda row: row["accuracy"])
    return {
        "choice": best["lr"],
        "epochs": settings.epochs,
        "images_held_out": len(held_out),
        "tried": tried,
    }


def choose_weight_decay(
    settings: TrainingSettings,
    train: Images,
    test: Images,
    *,
    target: TrainingMetrics,
    checkpoint: Path,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Find the weight decay with which training ends at the weight norm of Algorithm 2.

    The norm falls as the decay grows. The search starts from the mean strength of Algorithm 2's
    pull over the epochs and interpolates between the logarithms of both.

    Args:
        settings: a run with the condition ``decay``.
        train: training images.
        test: test images; their accuracy plays no part.
        target: the metrics of the run with Algorithm 2.
        checkpoint: file from whose name those of the attempts' checkpoints are made.
        progress: show progress.
        stop: as for :func:`convsim.training.fit`.

    Returns:
        The metrics ``choice``, and in ``tried`` what each attempt came to.
    """
    goal = _last_norm(target)
    # L_CS has degree 4: along the weights its gradient is 4 L_CS / ‖w‖² times the weights.
    epochs = target["epochs"]
    similarities, norms = (
        zip(*of_layers.values(), strict=True)
        for of_layers in (epochs["similarity"], epochs["norm"])
    )
    pulls = [
        4 * settings.beta * sum(values) / math.hypot(*lengths) ** 2
        for values, lengths in zip(similarities, norms, strict=True)
    ]
    decay = fmean(pulls)
    tried: list[dict[str, float]] = []
    while len(tried) < ATTEMPTS:
        place = checkpoint.with_suffix(f".{len(tried)}.safetensors")
        metrics, _ = measure(
            settings, train, test, choice=decay, checkpoint=place, progress=progress, stop=stop
        )
        norm = _last_norm(metrics)
        tried.append({"decay": decay, "norm": norm})
        if abs(norm / goal - 1) <= NORM_TOLERANCE:
            break
        decay = next_decay(tried, goal)
    best = min(tried, key=lambda row: abs(row["norm"] / goal - 1))
    return {"choice": best["decay"], "norm_wanted": goal, "tried": tried}


def _last_norm(metrics: TrainingMetrics) -> float:
    """Norm of all convolutional weights together after the last epoch."""
    return math.hypot(*(layer[-1] for layer in metrics["epochs"]["norm"].values()))


def next_decay(tried: list[dict[str, float]], goal: float) -> float:
    """A weight decay to try, between those that were too weak and too strong if there are both."""
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
