"""What the layers of a network answer to some test images."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TypedDict

import torch
from torch import Tensor, nn

from convsim.data import Images, spread
from convsim.feature_maps import feature_map_cosines
from convsim.floor import spectral_concentration
from convsim.layers import convolutional_layers
from convsim.map_cosines import MapCosines
from convsim.neighborhoods.summary import Neighborhoods, measure_neighborhoods
from convsim.training.history import measure_layers

NON_LINEARITIES = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU)
NEIGHBORS_OF, NEIGHBORS = 2000, 25  # test images, and the candidates of a query
PICTURES = 512  # test images on which feature maps are compared
SIDES = ("before", "after")
"""A layer's channels before and after the non-linearity, both at full size, before pooling."""


class LayerState(TypedDict):
    """One layer's feature maps and kernels.

    The first four are those of ``convsim.map_cosines.MapCosines``; ``normalized`` is the
    normalised similarity of the kernels, ``concentration`` how narrow in frequency they are in the
    mean, which older records do not say; ``overlap`` are the neighbourhoods behind the
    non-linearity, None if they were not asked for.
    """

    per_image: float | None
    expected: float | None
    correlation: float | None
    dead: int | None
    normalized: float
    concentration: float | None
    overlap: Neighborhoods | None


def layer_states(
    model: nn.Module, test: Images, pictures: int, queries: int
) -> dict[str, LayerState]:
    """What some test images say of each layer of a network.

    Args:
        model: a network.
        test: images to choose from.
        pictures: how many the maps are compared on.
        queries: how many neighbourhoods are compared, of those of ``NEIGHBORS_OF`` images.
    """
    found = map_cosines(model, test, pictures)
    layers = convolutional_layers(model)
    kernels = measure_layers(layers)["normalized"]
    narrow = {name: spectral_concentration(layer.weight).nanmean() for name, layer in layers}
    overlaps: dict[str, Neighborhoods] = {}
    if queries:
        outputs = layer_activations(model, test, NEIGHBORS_OF)
        for name in found:
            del outputs[name, "before"]
            # Taken out: the activations of all layers together are large.
            maps = outputs.pop((name, "after"))
            overlaps[name] = measure_neighborhoods(maps, queries, NEIGHBORS)
    return {
        name: {
            "per_image": maps.per_image,
            "expected": maps.expected,
            "correlation": maps.correlation,
            "dead": maps.dead,
            "normalized": kernels[name],
            "concentration": narrow[name].item() if narrow[name].isfinite() else None,
            "overlap": overlaps.get(name),
        }
        for name, maps in found.items()
    }


def cosines(model: nn.Module, test: Images, count: int = PICTURES) -> dict[str, float | None]:
    """Mean absolute cosine of an image's feature maps by layer, as ``map_cosines`` has it."""
    return {name: found.per_image for name, found in map_cosines(model, test, count).items()}


def map_cosines(model: nn.Module, test: Images, count: int = PICTURES) -> dict[str, MapCosines]:
    """How alike the feature maps K ⋆ X of each layer are, on some test images.

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
    return dict(zip(layers, feature_map_cosines(model, layers, images), strict=True))


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
    """Every layer on both sides of its non-linearity, for some test images.

    The layers of :class:`~convsim.models.ShallowCNN` pool first, which is the same in the end; the
    maps here are those of the batch normalisation, and the non-linearity of them.

    Args:
        model: a network.
        test: images to choose from.
        count: how many are chosen, evenly spread.

    Returns:
        ``(n, C, H, W)`` by the name of the convolution and ``"before"`` or ``"after"``.

    Raises:
        ValueError: if the network has no non-linearity that is a module.
    """
    images = test.normalized(spread(len(test), count, test.pixels.device))
    model = with_statistics_of(model, images)
    outputs: dict[tuple[str, str], Tensor] = {}

    def keep(name: str, activation: nn.Module) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            # Clones, because what follows in the network may work in place.
            outputs[name, "before"] = output.clone()
            outputs[name, "after"] = activation(output.clone())

        return hook

    # The model is a copy, so nobody else will meet these hooks.
    for name, last, activation in _layers(model):
        last.register_forward_hook(keep(name, activation))
    with torch.no_grad():
        model(images)
    return outputs


def _layers(model: nn.Module) -> list[tuple[str, nn.Module, nn.Module]]:
    """Every convolution's name, the module whose output is its layer's, and its non-linearity.

    They stand behind the convolution in the order of the modules. Where a network uses one
    non-linearity several times it is named once, and counts for the convolutions that have none.
    """
    last: dict[str, nn.Module] = {}
    activations: dict[str, nn.Module] = {}
    name = ""
    for found, module in model.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            name, last[found] = found, module
        elif name and isinstance(module, nn.BatchNorm2d):
            last[name] = module
        elif name and isinstance(module, NON_LINEARITIES):
            activations[name] = module
    if not activations:
        raise ValueError(
            f"{type(model).__name__} has no non-linearity among its modules; expected one of "
            f"{', '.join(kind.__name__ for kind in NON_LINEARITIES)}"
        )
    common = next(iter(activations.values()))
    return [(name, module, activations.get(name, common)) for name, module in last.items()]
