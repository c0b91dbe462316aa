"""The convolutional layers of a model, and the weights that they convolve with."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from convsim.checks import check_module, check_weight
from convsim.kernel_options import check_writable
from convsim.state_dicts import FORMS, stored_forms

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


def convolutional_layers(model: nn.Module) -> list[tuple[str, Convolution]]:
    """Names and modules of a model's ``Conv1d``, ``Conv2d`` and ``Conv3d``, each once, in order.

    Raises:
        ValueError: if ``model`` is no module or has none.
    """
    check_module(model)
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    ]
    if not layers:
        raise ValueError(f"{class_name(model)} {_NO_LAYER}")
    return layers


def with_torchscript(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The same, and the convolutions of a TorchScript model, which are of another class.

    Raises:
        ValueError: as :func:`convolutional_layers`.
    """
    check_module(model)
    found: dict[object, tuple[str, nn.Module]] = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            found[module] = name, module
        elif isinstance(module, torch.jit.ScriptModule):  # of another class, but it keeps the name
            dims = re.search(r"Conv([123])d", class_name(module))
            if dims and "" in stored_forms(module.state_dict()):
                weight = current_weight(module)
                if weight.ndim == int(dims[1]) + 2:
                    # A module with two names is two there, which share their tensors.
                    shared = frozenset(value.data_ptr() for value in module.parameters())
                    found.setdefault(shared, (name, module))
    if not found:
        frozen = isinstance(model, torch.jit.ScriptModule)
        hint = ", saved without torch.jit.freeze, which hides the layers" if frozen else ""
        raise ValueError(f"{class_name(model)} {_NO_LAYER}{hint}")
    return list(found.values())


_NO_LAYER = (
    "has no Conv1d, Conv2d or Conv3d layer; expected at least one: pass the part of the network "
    "that holds the convolutions"
)


def check_plain_weights(layers: Sequence[tuple[str, Convolution]]) -> None:
    """Raise a ``ValueError`` unless every layer's weight is a parameter of its own."""
    for name, layer in layers:
        if "weight" not in layer._parameters:
            raise ValueError(
                f"layer {name!r} computes its weight from other tensors; expected a plain weight "
                "to train: remove its parametrization, weight norm or pruning mask first"
            )


def chosen_layers(
    model: nn.Module, layers: Collection[str] | None = None
) -> dict[str, Convolution]:
    """Those of a model's convolutions whose weights are to be changed, by name, in its order.

    Args:
        model: any module with a convolution.
        layers: their names; by default all. An iterator is read once.

    Raises:
        ValueError: if the model has no convolution, ``layers`` is no list of their names, or a
            weight cannot be written to: computed from others, not there yet, or expanded.
    """
    found = dict(convolutional_layers(model))
    if layers is not None:
        if isinstance(layers, str) or not isinstance(layers, Iterable):
            name = layers if isinstance(layers, str) else "conv1"
            raise ValueError(f'layers is {layers!r}; expected a list of names: pass ["{name}"]')
        names = list(layers)
        for name in names:
            if name not in list(found):
                raise ValueError(
                    f"layers has {name!r}, which is no convolution of the model; expected some of "
                    f"{', '.join(map(repr, found))}"
                )
        found = {name: layer for name, layer in found.items() if name in names}
    check_plain_weights([*found.items()])
    for name, layer in found.items():
        check_weight(layer.weight, f"layer {name!r}: weight")
        check_writable(layer.weight, f"layer {name!r}: weight")
    return found


@contextlib.contextmanager
def restored_on_error(layers: Iterable[Convolution]) -> Iterator[None]:
    """Within it, layers are changed all or not at all: an error puts their weights back."""
    weights = [(layer.weight, layer.weight.detach().clone()) for layer in layers]
    try:
        yield
    except BaseException:
        with torch.no_grad():
            for weight, before in weights:
                weight.copy_(before)
        raise


def class_name(module: nn.Module) -> str:
    """The name of a module's class, also of one that was compiled to TorchScript."""
    return str(getattr(module, "original_name", type(module).__name__))


def current_weight(layer: nn.Module) -> Tensor:
    """The weight that a layer would convolve with now, also where it is computed from others.

    ``torch.nn.utils`` has two ways of computing it: parametrizations, and hooks that run before
    the layer does, so that ``layer.weight`` may be that of the last call. Nothing in the layer is
    changed; a spectral norm makes no step of its power iteration.

    Args:
        layer: a convolution, with or without weight norm, spectral norm or a pruning mask.

    Returns:
        The weight, differentiable with respect to what it is computed from.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 2, 3))
        >>> torch.equal(current_weight(layer), layer.weight)
        True
    """
    if isinstance(layer, torch.jit.ScriptModule):
        return _scripted_weight(layer)
    with _in_evaluation(layer):
        for hook in layer._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == "weight":
                return hook.compute_weight(layer)
            if isinstance(hook, SpectralNorm) and hook.name == "weight":
                return hook.compute_weight(layer, do_power_iteration=False)
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == "weight":
                return hook.apply_mask(layer)
        weight = layer.weight
        assert isinstance(weight, Tensor)
        return weight


def _scripted_weight(layer: nn.Module) -> Tensor:
    tensors = layer.state_dict()
    form = stored_forms(tensors)[""]
    if form is None:
        raise ValueError(
            f"{class_name(layer)} computes its weight from {', '.join(tensors)}; expected a weight "
            "that the file holds: remove the parametrization before torch.jit, with "
            "torch.nn.utils.parametrize.remove_parametrizations"
        )
    return FORMS[form](*(tensors[name] for name in form))


@contextlib.contextmanager
def _in_evaluation(layer: nn.Module) -> Iterator[None]:
    """Parametrizations know training from evaluation, and some change in training."""
    if not parametrize.is_parametrized(layer, "weight"):
        yield
        return
    assert isinstance(layer.parametrizations, nn.ModuleDict)
    modes = [(module, module.training) for module in layer.parametrizations.modules()]
    try:
        layer.parametrizations.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
