"""A network without one channel of a layer, and without all that depends on it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

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
                pruned, example, forward_fn=lambda network, images: network(images), verbose=False
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
        fault = _fault(group)
        if not graph.check_pruning_group(group):
            fault = "a layer has no other one"
        if not fault:
            group.prune()
            with torch.no_grad():
                left = pruned(example).shape
            if left != shape:
                fault = f"the output's shape would go from {tuple(shape)} to {tuple(left)}"
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
    if fault:
        raise ValueError(
            f"{what} ({fault}); expected one that later layers read, and that can go alone: name "
            "another layer"
        )
    return pruned


def _fault(group: Any) -> str:
    """What torch-pruning would do wrong, most of it without a word; empty if nothing is known."""
    for dependency, _ in group:
        module = dependency.target.module
        if parametrize.is_parametrized(module):
            return f"{type(module).__name__} computes its weight: remove its parametrization first"
        # It takes the places of the first group for those of all.
        groups, channels = (getattr(module, name, 1) for name in ("groups", "in_channels"))
        depthwise = groups == channels == getattr(module, "out_channels", 1)
        if (groups > 1 and not depthwise) or getattr(module, "num_groups", 1) > 1:
            return f"{type(module).__name__} keeps its channels in groups of one size"
    # It takes neighbours in a flattened map for one channel's numbers.
    steps = " ".join(str(dependency.target) for dependency, _ in group)
    turned = "PermuteBackward" in steps or "TransposeBackward" in steps
    if turned and any(len(indices) > 1 for _, indices in group):
        return "its maps have their axes changed before they are flattened"
    return ""


def layers_losing(model: nn.Module, pruned: nn.Module) -> tuple[str, ...]:
    """Names of the convolutional and linear layers with fewer output channels than before."""
    return tuple(
        name
        for (name, before), after in zip(model.named_modules(), pruned.modules(), strict=True)
        if _channels(before) != _channels(after)
    )


def _channels(module: nn.Module) -> object:
    return getattr(module, "out_channels", getattr(module, "out_features", None))
