"""How redundant a network is, layer by layer: its kernels and, given images, its feature maps."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from convsim.checks import check_tensor
from convsim.feature_maps import Call, watch
from convsim.floor import cosine_floor, floor_share, similarity_floor
from convsim.layers import class_name, current_weight, with_torchscript
from convsim.map_cosines import MapSums, average, mean_absolute_cosine
from convsim.report.baseline import (
    RandomMaps,
    Readings,
    map_floors,
    random_readings,
)
from convsim.report.readings import LayerReport, RedundancyReport
from convsim.report.unmeasured import Unmeasured, unmeasured_modules
from convsim.similarity import convolutional_similarity


def redundancy_report(
    model: nn.Module, images: Tensor | Iterable[Any] | None = None, *, progress: bool = False
) -> RedundancyReport:
    """Measure every convolutional layer of a model: L_CS, its scale-free form, and cosines.

    Every ``Conv1d``, ``Conv2d`` and ``Conv3d`` is a row; a module used in several places is one
    row. Every other module with weights of its own is named with the reason why it is none.
    Each reading has beside it that of random kernels of the same shapes and norms, on the layer's
    own input, and a floor: a value below which nothing can bring it.
    Weights are measured in float64, cosines at least in float32. With ``images`` the model runs
    once on each batch, in evaluation mode and without gradients, and is left as it was; the feature
    maps are the layers' outputs, before any activation, and calls of one layer are averaged. Of a
    batch only sums are kept: memory does not grow with the number of batches.

    Args:
        model: any module with a convolutional layer, TorchScript included.
        images: a batch that the model accepts, for instance ``(B, C, H, W)``, or batches one after
            the other, such as a ``DataLoader`` gives them; of a tuple with labels the first is
            taken. None leaves the feature maps out.
        progress: show a bar of the batches.

    Returns:
        A :class:`~convsim.report.readings.RedundancyReport`. What is not defined is None, such as
        the cosine of a single kernel, of dead ones, or of the maps of a layer that is not called.

    Raises:
        ValueError: if the model has no convolutional layer, a weight, the images or a feature
            map is not finite, or the model refuses the images.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3, groups=2))
        >>> report = redundancy_report(model, torch.rand(2, 3, 16, 16))
        >>> [(layer.name, layer.kernels, layer.channels) for layer in report.layers]
        [('0', 8, 3), ('2', 4, 4)]
        >>> print(report)
        Sequential: 2 convolutional layers, images of shape (2, 3, 16, 16)
        layer  S  C            size   ‖weight‖  L_CS ...
        0      8  3            3 × 3  ...
        2      4  4, 2 groups  3 × 3  ...
        total ...
    """
    convolutions = with_torchscript(model)
    title, left_out = class_name(model), unmeasured_modules(model, convolutions)
    layers = [
        _measure_weight(name, current_weight(module), getattr(module, "groups", None))
        for name, module in convolutions
    ]
    if images is None:
        unknown = any(layer.groups is None for layer in layers)
        note = "A traced model does not keep the number of groups." if unknown else ""
        return RedundancyReport(title, tuple(layers), note=note, unmeasured=left_out)
    if any(isinstance(module, torch.jit.ScriptModule) for _, module in convolutions):
        raise ValueError(
            f"{title} is TorchScript, whose layers take no hooks; expected a Python module to "
            "measure feature maps: pass that, or leave images out"
        )
    seen: list[tuple[int, ...]] = []
    watched = as_batches(images, seen, progress=progress)
    sums: dict[str, list[MapSums]] = {name: [] for name, _ in convolutions}
    chance = {name: RandomMaps(module) for name, module in convolutions}

    def add(call: Call) -> None:
        if call.number == len(sums[call.name]):
            sums[call.name].append(MapSums())
        sums[call.name][call.number].add(call.maps)
        chance[call.name].see(call)

    with contextlib.closing(watched):  # and its bar with it, whatever happens
        watch(model, dict(convolutions), watched, add)
    shape = (sum(batch[0] for batch in seen), *seen[0][1:])
    layers = [
        _with_maps(layer, module, sums[layer.name], chance[layer.name])
        for layer, (_, module) in zip(layers, convolutions, strict=True)
    ]
    left_out += tuple(
        Unmeasured(name, class_name(module), "not called with these images: its kernels only")
        for (name, module), layer in zip(convolutions, layers, strict=True)
        if layer.dead_feature_maps is None
    )
    return RedundancyReport(title, tuple(layers), shape, unmeasured=left_out)


def as_batches(
    images: Any, seen: list[tuple[int, ...]] | None = None, *, progress: bool = False
) -> Generator[Tensor]:
    """Batches of images, of what is one or gives them, with labels or without.

    Args:
        images: as :func:`redundancy_report` takes them.
        seen: gets the shape of every batch, once it was measured.
        progress: show a bar.
    """
    batches: Any = images
    alone = isinstance(images, (Tensor, Mapping)) or not isinstance(images, Iterable)
    if alone or hasattr(images, "shape"):
        check_tensor(batches, "images", axes=2)
        batches = [images]
    for given in tqdm(batches, disable=not progress, unit="batch"):
        batch = given[0] if isinstance(given, (list, tuple)) and given else given
        yield batch
        if seen is not None:
            seen.append(tuple(batch.shape))


def weights_report(
    weights: Iterable[tuple[str, Tensor]], *, model: str, note: str = ""
) -> RedundancyReport:
    """Measure weights that come without a model, for instance from a file.

    Args:
        weights: name and weight, ``(S, C, *kernel_size)``, of each layer.
        model: what they belong to, in words.
        note: what the reader has to know about the numbers.

    Raises:
        ValueError: if there is no weight, or one is not a finite floating-point tensor of 3 to
            5 axes.
    """
    layers = tuple(_measure_weight(name, weight, None) for name, weight in weights)
    if not layers:
        raise ValueError(
            f"{model} holds no convolution weight; expected at least one floating-point tensor "
            "of 3 to 5 axes whose name ends in 'weight': save the state_dict of the whole model"
        )
    return RedundancyReport(model, layers, note=note)


def _measure_weight(name: str, weight: Tensor, groups: int | None) -> LayerReport:
    try:
        check_tensor(weight, "weight", axes=3, check_finite=False)
        # In float64 no fourth power of a float32 weight overflows.
        kernels = weight.detach().to("cpu", torch.float64)
        similarity = float(convolutional_similarity(kernels))
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from error
    one_tap = weight.shape[2:].numel() == 1  # then L_CS is a matter of norms alone
    normalized, cosine, alive = _without_scale(kernels)
    chance, scatter = random_readings(kernels)
    return LayerReport(
        name=name,
        kernels=kernels.shape[0],
        channels=kernels.shape[1],
        groups=groups,
        kernel_size=tuple(kernels.shape[2:]),
        weight_norm=float(torch.linalg.vector_norm(kernels)),
        similarity=similarity,
        floor=None if one_tap else floor_share(kernels),
        normalized_similarity=normalized,
        kernel_cosine=cosine,
        dead_kernels=len(kernels) - alive,
        random=chance,
        floors=Readings(
            None if one_tap else float(similarity_floor(kernels)),
            None if one_tap else float(similarity_floor(kernels, normalized=True)),
            cosine_floor(alive, kernels[0].numel()) if alive else None,
        ),
        scatter=scatter,
    )


def _without_scale(kernels: Tensor) -> tuple[float | None, float | None, int]:
    """The normalised L_CS of kernels, their mean |cos|, and how many are not zero."""
    size = kernels.flatten(1).abs().amax(1)
    alive = size > 0
    # Neither value depends on a kernel's scale, so each kernel is scaled to 1 first.
    unit = kernels[alive] / size[alive].view(-1, *[1] * (kernels.ndim - 1))
    if len(unit) < 2:
        return None, None, len(unit)
    # The normalised form of kernels of one tap is 1, whatever the weights.
    one_tap = kernels.shape[2:].numel() == 1
    normalized = None if one_tap else float(convolutional_similarity(unit, normalized=True))
    return normalized, mean_absolute_cosine(unit.flatten(1).float()[None])[0], len(unit)


def _with_maps(
    layer: LayerReport, module: nn.Module, calls: list[MapSums], chance: RandomMaps
) -> LayerReport:
    if not calls:
        return layer
    found = average([sums.cosines() for sums in calls])
    return replace(
        layer,
        feature_map_cosine=found.per_image,
        expected_cosine=found.expected,
        correlation=found.correlation,
        dead_feature_maps=found.dead,
        random=layer.random.with_maps(chance.cosines()),
        floors=layer.floors.with_maps(map_floors(module, calls)),
        scatter=layer.scatter.with_maps(chance.scatter(layer.kernels)),
    )
