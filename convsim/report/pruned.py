"""A network without one channel of a layer, and without all that depends on it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from convsim.extras import extra
from convsim.layers import class_name


def shared_copy(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, whose parameters are the model's own numbers, not copied.

    Raises:
        ValueError: if the model cannot be copied.
    """
    own: dict[int, Any] = {
        id(parameter): nn.Parameter(parameter.detach(), parameter.is_floating_point())
        for parameter in model.parameters()
    }
    try:
        return deepcopy(model, own).eval()
    except Exception as error:
        raise ValueError(
            f"{class_name(model)} cannot be copied ({type(error).__name__}: {error}); expected a "
            "model that copy.deepcopy takes: remove weight norm and other hooks that keep tensors"
        ) from error


def without_channel(model: nn.Module, layer: str, index: int, example: Tensor) -> nn.Module:
    """A copy of a model without an output channel of a convolution.

    With the channel go its kernel, its normalisation, the weights that read it, and the channels
    of other layers that are added to it or multiplied with it, as torch-pruning finds them. What
    it does not touch are the model's own numbers.

    Args:
        model: which is left as it is.
        layer: the convolution's name in ``named_modules``.
        index: of the channel.
        example: images that the model accepts, one is enough.

    Raises:
        ValueError: if torch-pruning cannot trace the model or take the channel out.

    Source: G. Fang et al., *DepGraph: Towards Any Structural Pruning*, CVPR 2023.
    """
    with extra("pruning"):
        import torch_pruning
    pruned = shared_copy(model)
    try:
        with torch.enable_grad():
            graph = torch_pruning.DependencyGraph().build_dependency(
                pruned, example_inputs=(example,), verbose=False
            )
            shape = pruned(example).shape
    except Exception as error:
        raise ValueError(
            f"torch-pruning cannot trace {class_name(model)} ({type(error).__name__}: {error}); "
            "expected a network that autograd can follow from its images to its output"
        ) from error
    what = f"channel {index} of layer {layer!r} of {class_name(model)} cannot be taken out"
    try:
        group = graph.get_pruning_group(
            pruned.get_submodule(layer), torch_pruning.prune_conv_out_channels, idxs=[index]
        )
        enough = graph.check_pruning_group(group)
        if enough:
            group.prune()
            with torch.no_grad():
                left = pruned(example).shape
    except Exception as error:
        raise ValueError(
            f"{what} ({type(error).__name__}: {error}); expected one that can go alone, and not, "
            "say, of a convolution or normalisation in groups of equal size: name another layer"
        ) from error
    if not enough:
        raise ValueError(
            f"{what}: it is the only one of a layer; expected another one to be left: name "
            "another layer"
        )
    if left != shape:
        raise ValueError(
            f"{what}: it is an output of the network, whose shape would go from {tuple(shape)} to "
            f"{tuple(left)}; expected a channel that a later layer reads: name another layer"
        )
    return pruned


def layers_losing(model: nn.Module, pruned: nn.Module) -> tuple[str, ...]:
    """Names of the convolutional and linear layers with fewer output channels than before."""
    return tuple(
        name
        for (name, before), after in zip(model.named_modules(), pruned.modules(), strict=True)
        if _channels(before) != _channels(after)
    )


def _channels(module: nn.Module) -> object:
    return getattr(module, "out_channels", getattr(module, "out_features", None))
