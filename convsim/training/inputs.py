"""What a training refuses before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from convsim.checks import check_module, check_number, check_whole
from convsim.data import Images
from convsim.penalties import OF_WEIGHTS
from convsim.training.arithmetic import check_precision
from convsim.training.optimizers import OPTIMIZERS


def check_training(
    model: nn.Module, train: Images, test: Images, checkpoint: Path | None, settings: dict[str, Any]
) -> None:
    """Raise a ``ValueError`` unless :func:`convsim.training.fit` can begin with these."""
    device = check_classifier(model)
    check_images(train, "train")
    check_images(test, "test")
    check_precision(settings["precision"], device)
    check_whole(settings["epochs"], "epochs", least=0)
    check_whole(settings["batch_size"], "batch_size", least=1, what="images")
    check_whole(settings["seed"], "seed", least=0)
    for name in ("lr", "beta", "weight_decay", "decorrelation", "strength"):
        check_number(settings[name], name)
    check_penalty(settings["penalty"], settings["strength"])
    check_optimizer(settings["optimizer"], settings["weight_decay"])
    if not (checkpoint is None or isinstance(checkpoint, Path)):
        raise ValueError(
            f"checkpoint is {checkpoint!r}; expected a pathlib.Path, or None: use Path(…)"
        )


def check_penalty(penalty: str | None, strength: float) -> None:
    """Raise a ``ValueError`` unless the penalty is known, and there if it has a strength."""
    if penalty not in (None, *OF_WEIGHTS):
        raise ValueError(f"penalty is {penalty!r}; expected None or one of {', '.join(OF_WEIGHTS)}")
    if penalty is None and strength:
        raise ValueError(
            f"strength is {strength!r} without a penalty; expected 0, or a penalty: one of "
            f"{', '.join(OF_WEIGHTS)}"
        )


def check_optimizer(optimizer: str, weight_decay: float) -> None:
    """Raise a ``ValueError`` unless the optimiser is known, and SGD if there is weight decay."""
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer is {optimizer!r}; expected one of {', '.join(OPTIMIZERS)}")
    if weight_decay and optimizer not in ("SGD", "momentum"):
        raise ValueError(
            f"weight_decay is {weight_decay!r} with the optimizer {optimizer!r}; expected 0, or "
            "SGD or momentum, where it adds to the gradient"
        )


def check_classifier(model: nn.Module) -> torch.device:
    """The device of a model that has parameters; otherwise a ``ValueError``."""
    check_module(model)
    parameter = next(model.parameters(), None)
    if parameter is None:
        raise ValueError(
            f"model is a {type(model).__name__} without parameters; expected a network to train"
        )
    return parameter.device


def check_images(images: Images, name: str) -> None:
    """Raise a ``ValueError`` unless these are labelled images, at least one."""
    if not isinstance(images, Images):
        raise ValueError(
            f"{name} is a {type(images).__name__}; expected convsim.data.Images, as "
            "convsim.data.digits and cifar10 return them"
        )
    if len(images) == 0:
        raise ValueError(f"{name} holds no images; expected at least one")
