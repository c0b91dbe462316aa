"""Numbers that some conditions need before they can run, and the searches for them."""

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
STRENGTHS, SHORTER = (0.1, 1.0, 10.0), 5
OWN_RATES = (0.03, 0.1, 0.3, 1.0)  # of starts that are compared each at its best
WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0)  # of penalties on the kernels
NORM_TOLERANCE, ATTEMPTS = 0.02, 8  # of the search for a weight decay


def grid(option: str) -> tuple[tuple[float, ...], int]:
    """The values of an option of :func:`convsim.training.fit` that are tried, and the epochs.

    Raises:
        KeyError: for an option that is found in another way.
    """
    return {
        "lr": (LEARNING_RATES, SHORT),
        "own_lr": (OWN_RATES, SHORTER),
        "decorrelation": (STRENGTHS, SHORTER),
        "strength": (WEIGHTS, SHORTER),
    }[option]


def choose_of_grid(
    option: str,
    settings: TrainingSettings,
    train: Images,
    *,
    checkpoint: Path,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Find the best value of :func:`grid` on a tenth of the training images, which is held out.

    Each is tried for its number of epochs, or those of the run if they are fewer.

    Returns:
        The metrics ``choice``, and in ``tried`` the highest held-out accuracy of each value, None
        if it diverged, and the mean absolute correlation of each layer's maps in the end.
    """
    values, epochs = grid(option)
    shuffle = torch.randperm(len(train), generator=torch.Generator().manual_seed(settings.seed))
    held_out, rest = (
        train.subset(index.to(train.pixels.device))
        for index in (shuffle[: len(train) // 10], shuffle[len(train) // 10 :])
    )
    # Neighbourhoods, which take minutes, decide nothing here.
    settings = replace(settings, epochs=min(settings.epochs, epochs), queries=0)
    tried: list[dict[str, Any]] = []
    for value in values:
        place = checkpoint.with_suffix(f".{value}.safetensors")
        row: dict[str, Any] = {option: value, "accuracy": None}
        try:
            metrics, _ = measure(
                settings,
                rest,
                held_out,
                choice=value,
                checkpoint=place,
                progress=progress,
                stop=stop,
            )
            row["accuracy"] = metrics["top_test_accuracy"]
            states = metrics["layers_after"].values()
            row["correlation"] = [state["correlation"] for state in states]
        except FloatingPointError as error:
            row["diverged"] = str(error)
        tried.append(row)
    finished = [row for row in tried if row["accuracy"] is not None]
    if not finished:
        raise FloatingPointError(f"every {option} of {values} diverged")
    best = max(finished, key=lambda row: row["accuracy"])
    return {
        "choice": best[option],
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
