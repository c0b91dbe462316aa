"""How often a classifier is right."""

from __future__ import annotations

import torch
from torch import nn

from convsim.data import Images
from convsim.training.arithmetic import autocast, check_precision, kernels
from convsim.training.inputs import check_classifier, check_images

EVALUATED_AT_ONCE = 2000  # images


def evaluate(model: nn.Module, images: Images, *, precision: str = "float32") -> float:
    """Share of images whose highest score is that of their label, in per cent.

    The model is put into evaluation mode for the while; the images have to be on its device.

    Args:
        model: a classifier, as for :func:`convsim.training.fit`.
        images: what it is tested on.
        precision: as for :func:`convsim.training.fit`.

    Returns:
        A number from 0 to 100.

    Raises:
        ValueError: if the model is none, or has no parameters, the images are not
            :class:`convsim.data.Images`, or the precision is unknown or not the device's.
    """
    device = check_classifier(model)
    check_images(images, "images")
    check_precision(precision, device)
    was_training = model.training
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    with torch.inference_mode(), kernels(device, tf32=precision == "tf32"):
        for batch, labels in images.batches(EVALUATED_AT_ONCE):
            with autocast(device, precision):
                scores = model(batch)
            right += (scores.argmax(1) == labels).sum()
    model.train(was_training)
    return 100 * right.item() / len(images)
