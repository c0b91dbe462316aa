"""How often a classifier is right."""

from __future__ import annotations

import torch
from torch import nn

from convsim.data import Images
from convsim.feature_maps import in_evaluation
from convsim.training.arithmetic import autocast, check_precision, kernels
from convsim.training.inputs import check_classifier, check_images
from convsim.training.scores import scores_of

EVALUATED_AT_ONCE = 2000  # images


def evaluate(model: nn.Module, images: Images, *, precision: str = "float32") -> float:
    """Share of images whose highest score is that of their label, in per cent.

    The model is put into evaluation mode for the while, and every submodule back into its own; the
    images have to be on its device.

    Args:
        model: a classifier, as for :func:`convsim.training.fit`.
        images: what it is tested on.
        precision: as for :func:`convsim.training.fit`.

    Returns:
        A number from 0 to 100.

    Raises:
        ValueError: if the model is none, has no parameters, refuses the images or does not give
            them scores, the images are not as :class:`convsim.data.Images` has them, or the
            precision is unknown or not the device's.
    """
    device = check_classifier(model)
    check_images(images, "images")
    check_precision(precision, device)
    right = torch.zeros((), dtype=torch.int64, device=device)
    with (
        torch.inference_mode(),
        in_evaluation(model),
        kernels(device, tf32=precision == "tf32"),
    ):
        for batch, labels in images.batches(EVALUATED_AT_ONCE):
            with autocast(device, precision):
                scores = scores_of(model, batch, "images", len(images.classes))
            right += (scores.argmax(1) == labels).sum()
    return 100 * right.item() / len(images)
