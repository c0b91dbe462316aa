"""How alike the feature maps of a model's layers are, measured while it runs."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convsim.checks import check_tensor
from convsim.map_cosines import MapCosines, MapSums, average

Batches = Tensor | Iterable[Tensor]
ONE_AT_A_TIME = threading.RLock()
"""Hooks see the calls of all threads, and a model's mode is one for all of them."""


def feature_map_cosines(
    model: nn.Module, layers: Mapping[str, nn.Module], images: Batches
) -> list[MapCosines]:
    """Mean |cos| between the feature maps of each layer, and the maps that are zero.

    The model runs once for each batch, in evaluation mode and without gradients, and is left as it
    was. A layer's calls are averaged, and its dead maps added up. Of a batch nothing is kept but
    sums, so that memory does not grow with the number of batches.

    Args:
        model: the model that is run.
        layers: convolutional layers of the model, by name; their outputs are measured.
        images: a batch that the model accepts, or several.

    Returns:
        One reading a layer; all None for a layer not called.

    Raises:
        ValueError: if there is no batch, the model refuses one, or a layer's output is not finite.

    Example:
        >>> layer = nn.Conv2d(1, 2, 1, bias=False)  # two multiples of a constant image
        >>> feature_map_cosines(layer, {"": layer}, torch.ones(1, 1, 4, 4))
        [MapCosines(per_image=1.0, expected=1.0, correlation=None, dead=0)]
    """
    sums: dict[str, list[MapSums]] = {name: [] for name in layers}

    def add(call: Call) -> None:
        of_layer = sums[call.name]
        if call.number == len(of_layer):
            of_layer.append(MapSums())
        of_layer[call.number].add(call.maps)

    watch(model, layers, images, add)
    return [average([each.cosines() for each in of_layer]) for of_layer in sums.values()]


class Call(NamedTuple):
    """A call of a layer, as :func:`watch` sees it.

    Attributes:
        name: the layer's.
        number: how often the layer was called before with this batch.
        inputs: what the layer was given, ``(B, C, *size)``.
        maps: what it put out, ``(B, S, D)``.
    """

    name: str
    number: int
    inputs: Tensor
    maps: Tensor


def watch(
    model: nn.Module, layers: Mapping[str, nn.Module], images: Batches, see: Callable[[Call], None]
) -> None:
    """Run a model, batch by batch, and see every call of some layers.

    The model runs in evaluation mode and without gradients, and is left as it was. Threads take
    turns, so that none sees the calls of another.

    Args:
        model: the model that is run.
        layers: convolutional layers of the model, by name.
        images: a batch that the model accepts, or several.
        see: is called at once, since an in-place activation is about to change the maps.

    Raises:
        ValueError: if there is no batch, the model refuses one, or a layer's output is not finite.
    """
    calls = dict.fromkeys(layers, 0)  # with this batch
    faults: list[str] = []

    def measure(name: str, axes: int) -> Callable[..., None]:
        def hook(_layer: nn.Module, given: Any, named: dict[str, Any], output: Tensor) -> None:
            batch = output if output.ndim == axes else output[None]
            try:
                check_tensor(batch, f"the output of layer {name!r}", axes=3)
            except ValueError as error:
                faults.append(str(error))
                return
            inputs = next(iter((*given, *named.values())))
            inputs = inputs if output.ndim == axes else inputs[None]
            see(Call(name, calls[name], inputs, batch.flatten(2)))
            calls[name] += 1

        return hook

    batches = 0
    with ONE_AT_A_TIME, in_evaluation(model):
        hooks = [
            layer.register_forward_hook(measure(name, _weight(layer).ndim), with_kwargs=True)
            for name, layer in layers.items()
        ]
        try:
            for batch in [images] if isinstance(images, Tensor) else images:
                check_tensor(batch, f"batch {batches} of images" if batches else "images", axes=2)
                calls.update(dict.fromkeys(layers, 0))
                batches += 1
                try:
                    with torch.no_grad(), without_compiled_code():
                        model(batch)
                except Exception as error:
                    raise ValueError(_refusal(model, layers, batch, error)) from error
                if faults:
                    raise ValueError(faults[0])
        finally:
            for handle in hooks:
                handle.remove()
    if not batches:
        raise ValueError("images has no batch; expected one at least: a generator can be read once")


@contextlib.contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every submodule is in its own mode again then."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


def without_compiled_code() -> contextlib.AbstractContextManager[None]:
    """Run as Python for a while: code that is compiled already calls no new hooks."""
    # Nothing is compiled before torch._dynamo is there, and its import would take a second.
    if "torch._dynamo" not in sys.modules:
        return contextlib.nullcontext()
    return torch.compiler.set_stance("force_eager")


def _weight(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight


def _refusal(
    model: nn.Module, layers: Mapping[str, nn.Module], images: Tensor, error: Exception
) -> str:
    name, layer = next(iter(layers.items()))
    weight = _weight(layer)
    channels = weight.shape[1] * int(layer.groups)  # type: ignore[arg-type]
    shape = ", ".join(["B", str(channels), *"DHW"[5 - weight.ndim :]])
    return (
        f"{type(model).__name__} refused images of shape {tuple(images.shape)}, {images.dtype} on "
        f"{images.device} ({type(error).__name__}: {error}); its first convolution, {name!r}, has "
        f"a weight of shape {tuple(weight.shape)}, {weight.dtype} on {weight.device}, and takes "
        f"({shape}): pass a batch that model(images) accepts"
    )
