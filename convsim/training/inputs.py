"""What a training refuses before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convsim.checks import check_module, check_number, check_tensor, check_whole
from convsim.data import Images
from convsim.layers import check_plain_weights, convolutional_layers
from convsim.penalties import OF_WEIGHTS
from convsim.training.arithmetic import check_precision, epoch_seed
from convsim.training.optimizers import OPTIMIZERS
from convsim.training.scores import try_out


def check_training(
    model: nn.Module, sets: Mapping[str, Images], checkpoint: Path | None, settings: dict[str, Any]
) -> None:
    """Raise a ``ValueError`` unless :func:`convsim.training.fit` can begin with these.

    The model is tried out on a few images of every set, and left as it was.
    """
    device = check_classifier(model)
    for name, images in sets.items():
        check_images(images, name)
    check_precision(settings["precision"], device)
    check_whole(settings["epochs"], "epochs", least=0)
    check_whole(settings["batch_size"], "batch_size", least=1, what="images")
    check_seed(settings["seed"], settings["epochs"])
    for name in ("lr", "beta", "weight_decay", "decorrelation", "strength"):
        check_number(settings[name], name)
    check_penalty(settings["penalty"], settings["strength"])
    check_optimizer(settings["optimizer"], settings["weight_decay"])
    if not (checkpoint is None or isinstance(checkpoint, Path)):
        raise ValueError(
            f"checkpoint is {checkpoint!r}; expected a pathlib.Path, or None: use Path(…)"
        )
    check_plain_weights(convolutional_layers(model))
    check_gradients(model)
    for name, images in sets.items():
        scores = try_out(model, images, name, device, settings["precision"])
        if scores == 1 and settings["beta"] and settings["beta_follows_loss"]:
            raise ValueError(
                "beta_follows_loss is True with a single score; expected two classes or more, "
                "since the loss of a guess, log(1), is 0: set it to False"
            )


def check_seed(seed: int, epochs: int) -> None:
    """Raise a ``ValueError`` unless a seed gives every epoch its own, of 64 bits."""
    check_whole(seed, "seed", least=0)
    if epoch_seed(int(seed), epochs) >= 2**64:
        most = (2**64 - 1 - epochs) // epoch_seed(1, 0)
        raise ValueError(f"seed is {seed!r}; expected a whole number, {most} or less")


def check_gradients(model: nn.Module) -> None:
    """Raise a ``ValueError`` unless there is something to train, and gradients are on."""
    if not torch.is_grad_enabled():
        raise ValueError(
            "gradients are off; expected them on for a training: call fit outside of "
            "torch.no_grad() and torch.inference_mode()"
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "all parameters of model are frozen; expected one at least that requires a gradient: "
            "call requires_grad_() on the part to train"
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
    """The device of a model that has parameters, with numbers; otherwise a ``ValueError``."""
    check_module(model)
    parameters = dict(model.named_parameters())
    if not parameters:
        raise ValueError(
            f"model is a {type(model).__name__} without parameters; expected a network to train"
        )
    for name, parameter in parameters.items():
        if is_lazy(parameter) or parameter.is_meta:
            check_tensor(parameter, f"parameter {name!r} of model", axes=0)
    return next(iter(parameters.values())).device


def check_images(images: Images, name: str) -> None:
    """Raise a ``ValueError`` unless these are labelled images, as :class:`Images` has them."""
    if not isinstance(images, Images):
        raise ValueError(
            f"{name} is a {type(images).__name__}; expected convsim.data.Images, as "
            "convsim.data.digits and cifar10 return them"
        )
    pixels, labels = images.pixels, images.labels
    if _kind(pixels) != (torch.uint8, 4):
        raise ValueError(
            f"the pixels of {name} are {_words(pixels)}; expected torch.uint8 of shape "
            "(N, C, H, W): round numbers from 0 to 255 and call to(torch.uint8)"
        )
    if len(images) == 0:
        raise ValueError(f"{name} holds no images; expected at least one")
    channels = pixels.shape[1]
    for key, value in (("mean", images.mean), ("std", images.std)):
        if not isinstance(value, Tensor) or value.shape != (1, channels, 1, 1):
            raise ValueError(
                f"the {key} of {name} is {_words(value)}; expected shape (1, {channels}, 1, 1) for "
                f"pixels of shape {tuple(pixels.shape)}: put the channels second with "
                "permute(0, 3, 1, 2), or repeat a grey one with expand(-1, 3, -1, -1)"
            )
        if not (value.isfinite().all() and (key == "mean" or (value > 0).all())):
            raise ValueError(
                f"the {key} of {name} is {value.flatten().tolist()}; expected finite numbers, std "
                "above 0: leave out a channel that is the same everywhere"
            )
    if _kind(labels) != (torch.int64, 1) or len(labels) != len(pixels):
        raise ValueError(
            f"the labels of {name} are {_words(labels)}; expected torch.int64 of shape "
            f"({len(pixels)},), one for each image: call long() or flatten()"
        )
    low, high = (int(value) for value in labels.aminmax())
    if low < 0 or high >= len(images.classes):
        raise ValueError(
            f"the labels of {name} go from {low} to {high}; expected 0 to "
            f"{len(images.classes) - 1}, indices into its {len(images.classes)} classes: leave out "
            "images without a class, or name every class"
        )


def _kind(value: Any) -> tuple[torch.dtype, int] | None:
    return (value.dtype, value.ndim) if isinstance(value, Tensor) else None


def _words(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{value.dtype} of shape {tuple(value.shape)}"
