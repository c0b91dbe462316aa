"""What the layers of a network answer to some test images."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from convsim.data import Images, spread
from convsim.feature_maps import feature_map_cosines
from convsim.similarity import convolutional_layers

PICTURES = 512  # test images on which feature maps are compared
SIDES = ("before", "after")
"""A layer's channels before and after the non-linearity, both at full size, before pooling."""


def cosines(model: nn.Module, test: Images, count: int = PICTURES) -> dict[str, float | None]:
    """Mean absolute cosine of the feature maps K ⋆ X of each layer, on some test images.

    The biases are left out, as in the identity: batch normalisation subtracts them again. It uses
    the statistics of these images, so that a network without training can be measured, too.
    """
    images = test.normalized(spread(len(test), count, test.pixels.device))
    model = deepcopy(model)
    with torch.no_grad():
        for _, layer in convolutional_layers(model):
            if layer.bias is not None:
                layer.bias.zero_()
    model = with_statistics_of(model, images)
    layers = dict(convolutional_layers(model))
    measured = feature_map_cosines(model, layers, images)
    return {name: cosine for name, (cosine, _) in zip(layers, measured, strict=True)}


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


def layer_activations(model: nn.Module, test: Images, count: int) -> dict[tuple[str, str], Tensor]:
    """What every block's LeakyReLU means for some test images, by its convolution's name.

    The blocks pool first, which is the same in the end; the maps here are those of the batch
    normalisation, and LeakyReLU of them.
    """
    images = test.normalized(spread(len(test), count, test.pixels.device))
    model = with_statistics_of(model, images)
    outputs: dict[tuple[str, str], Tensor] = {}
    names = [name for name, _ in convolutional_layers(model)]
    modules = list(model.modules())
    normalizations = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    activations = [module for module in modules if isinstance(module, nn.LeakyReLU)]
    for name, normalization, activation in zip(names, normalizations, activations, strict=True):

        def keep(
            _: nn.Module,
            __: object,
            output: Tensor,
            name: str = name,
            slope: float = activation.negative_slope,
        ) -> None:
            outputs[name, "before"] = output
            outputs[name, "after"] = nn.functional.leaky_relu(output, slope)

        # The model is a copy, so nobody else will meet these hooks.
        normalization.register_forward_hook(keep)

    with torch.no_grad():
        model(images)
    return outputs
