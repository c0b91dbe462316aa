"""The scores that a classifier gives images, and what is refused of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convsim.data import Images
from convsim.feature_maps import in_evaluation, without_compiled_code
from convsim.training.arithmetic import autocast, forked_generators, kernels

TRIED = 2  # images: a network may take a batch of one for none


def scores_of(model: nn.Module, batch: Tensor, name: str, classes: int) -> Tensor:
    """The scores of a batch.

    Args:
        model: a classifier.
        batch: ``(B, C, H, W)``, normalised.
        name: what the caller calls the images, for the message.
        classes: how many there are.

    Returns:
        ``(B, classes)``, or more of them.

    Raises:
        ValueError: if the model refuses the batch, or gives something else.
    """
    try:
        scores = model(batch)
    except Exception as error:
        parameters = {f"{value.dtype} on {value.device}" for value in model.parameters()}
        raise ValueError(
            f"model, a {type(model).__name__}, refused {name} of shape {tuple(batch.shape)}, "
            f"{batch.dtype} on {batch.device} ({type(error).__name__}: {error}); expected a "
            f"network that takes them, and its parameters are {', '.join(sorted(parameters))}: "
            "call model.float(), move either to the other's device, or give the images its size"
        ) from error
    check_scores(scores, len(batch), name, classes)
    return scores


def check_scores(scores: Any, count: int, name: str, classes: int) -> None:
    """Raise a ``ValueError`` unless these are scores of some images; no value is looked at."""
    is_tensor = isinstance(scores, Tensor)
    if (
        is_tensor
        and scores.is_floating_point()
        and scores.ndim == 2
        and len(scores) == count
        and scores.shape[1] >= classes
    ):
        return
    came = f"{scores.dtype} of shape {tuple(scores.shape)}" if is_tensor else type(scores).__name__
    raise ValueError(
        f"model gives {came} for {count} images of {name}; expected scores, a tensor of floats "
        f"of shape ({count}, {classes}): end the network in a linear layer with an output for each "
        "class, and return that alone"
    )


def try_out(
    model: nn.Module, images: Images, name: str, device: torch.device, precision: str
) -> int:
    """How many scores a model gives an image, from a few images, before it is trained.

    It runs in evaluation mode and without gradients, and is left as it was, as are the generators
    of random numbers.

    Raises:
        ValueError: as :func:`scores_of`.
    """
    few = images.subset(slice(TRIED)).to(device)
    with (
        torch.no_grad(),
        forked_generators(device),
        in_evaluation(model),
        kernels(device, tf32=precision == "tf32"),
        autocast(device, precision),
        # What is compiled for a batch may depend on the sizes of those before it.
        without_compiled_code(),
    ):
        return scores_of(model, few.normalized(slice(None)), name, len(images.classes)).shape[1]
