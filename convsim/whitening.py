"""Feature maps made orthogonal in a whole network, each layer for the input that it gets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from convsim.checks import check_tensor
from convsim.feature_maps import ONE_AT_A_TIME
from convsim.layers import (
    Convolution,
    chosen_layers,
    class_name,
    convolutional_layers,
    restored_on_error,
)
from convsim.patches import autocorrelation_for, orthogonal_maps


def orthogonalize_maps(
    model: nn.Module,
    images: Tensor,
    *,
    eps: float = 0.0,
    centered: bool = True,
    leading: bool = False,
    layers: Collection[str] | None = None,
) -> nn.Module:
    """Make the feature maps of every convolution of a model orthogonal, in place.

    The model runs once, without gradients. Each convolution, when its turn comes, takes R from the
    input that it gets from the layers before it, which have their new weights by then, and is
    changed before it computes. Dropout is off, batch normalisation uses the statistics of the
    images; modes and statistics are left as they were. A layer that is called several times takes
    the input of its first call, one that is not called stays as it is.

    Args:
        model: any network that ``model(images)`` runs, with ``Conv1d``, ``Conv2d`` or ``Conv3d``.
        images: a batch of a few hundred images that the model accepts.
        eps: as for :func:`convsim.patches.orthogonal_maps`.
        centered: leave the mean patch out of R, because batch normalisation takes off the maps'
            means; choose False for a network without it.
        leading: as for :func:`convsim.patches.orthogonal_maps`.
        layers: names of the layers to change; by default all.

    Returns:
        The model.

    Raises:
        ValueError: if the model has no such layer, computes a weight from other tensors, has one
            that is not there yet or refuses the images, or as
            :func:`convsim.patches.orthogonal_maps`; the message names the layer, and no weight is
            changed then.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3))
        >>> _ = orthogonalize_maps(model, torch.rand(20, 1, 16, 16))
        >>> from convsim import redundancy_report
        >>> report = redundancy_report(model, torch.rand(50, 1, 16, 16))
        >>> [layer.correlation < 0.1 for layer in report.layers]
        [True, True]
    """
    changed = chosen_layers(model, layers)

    def change(layer: Convolution, maps: Tensor) -> None:
        seen = autocorrelation_for(layer, maps, centered=centered)
        layer.weight.copy_(orthogonal_maps(layer.weight, seen, eps=eps, leading=leading))

    with restored_on_error(changed.values()):
        _visit(model, changed, images, change)
    return model


def input_autocorrelations(
    model: nn.Module, images: Tensor, *, centered: bool = True
) -> dict[str, Tensor]:
    """R of the input of every convolution of a model, by name.

    The model runs as for :func:`orthogonalize_maps`. A layer that is called several times has the R
    of its first call; one that is not called is left out.

    Args:
        model: as for :func:`orthogonalize_maps`.
        images: a batch that the model accepts.
        centered: as for :func:`convsim.patches.patch_autocorrelation`.

    Returns:
        ``(C·T, C·T)`` each, with the channels of all groups, float64.

    Raises:
        ValueError: if the model has no convolution or refuses the images.
    """
    seen: dict[str, Tensor] = {}
    layers = dict(convolutional_layers(model))
    names = {layer: name for name, layer in layers.items()}

    def look(layer: Convolution, maps: Tensor) -> None:
        seen[names[layer]] = autocorrelation_for(layer, maps, centered=centered)

    _visit(model, layers, images, look)
    return seen


def _visit(
    model: nn.Module,
    layers: Mapping[str, Convolution],
    images: Tensor,
    act: Callable[[Convolution, Tensor], None],
) -> None:
    """Run a model once, and act on each layer and its input before its first call."""
    check_tensor(images, "images", axes=2)
    met: set[str] = set()

    def visitor(name: str) -> Callable[..., None]:
        def hook(layer: Convolution, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            if name not in met:
                met.add(name)
                try:
                    act(layer, next(iter((*given, *named.values()))))
                except ValueError as error:
                    raise ValueError(f"layer {name!r}: {error}") from error

        return hook

    with ONE_AT_A_TIME:
        hooks = [
            layer.register_forward_pre_hook(visitor(name), with_kwargs=True)
            for name, layer in layers.items()
        ]
        try:
            with torch.no_grad(), _with_statistics_of_the_batch(model):
                model(images)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(
                f"{class_name(model)} refused images of shape {tuple(images.shape)} "
                f"({type(error).__name__}: {error}); expected a batch that model(images) accepts"
            ) from error
        finally:
            for handle in hooks:
                handle.remove()


@contextlib.contextmanager
def _with_statistics_of_the_batch(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, but batch normalisation as in training; its statistics stay as they were."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for name, value in model.named_buffers():
                value.copy_(buffers[name])
