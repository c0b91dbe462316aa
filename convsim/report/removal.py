"""What changes when a channel is taken out of a network: measured, and not read off its maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convsim.checks import check_tensor, check_whole
from convsim.extras import extra
from convsim.feature_maps import watch
from convsim.layers import class_name
from convsim.map_cosines import MapSums
from convsim.report.pairs import named_layer
from convsim.report.pruned import layers_losing, shared_copy, without_channel
from convsim.report.removed import Removal, Removals

IMAGES_AT_ONCE = 32  # of a tensor
NUMBERS_AT_ONCE = 2**26  # in weights of pruned networks: 256 MB in float32


def what_if_removed(
    model: nn.Module,
    images: Tensor | Iterable[Any],
    labels: Tensor | Sequence[int] | None = None,
    *,
    layer: str,
    count: int = 10,
    seed: int = 0,
) -> Removals:
    """Take the most redundant channels out of a network, each alone, and see what changes.

    As many channels that are drawn at random show what any of them costs. The network runs in
    evaluation mode and without gradients, on copies; it is left as it was. What goes with a channel
    is in :func:`~convsim.report.pruned.without_channel`.

    Args:
        model: any module with a convolutional layer that torch-pruning can trace.
        images: ``(B, C, H, W)``, or batches that can be read more than once, such as a
            ``DataLoader``; the labels of a tuple are taken, too.
        labels: of all images in their order, for the accuracy of outputs ``(B, classes)``.
        layer: the layer's name in ``named_modules``.
        count: how many channels of both kinds; all, if the layer has fewer living ones.
        seed: of the random channels; PyTorch's own random numbers are left alone.

    Raises:
        ValueError: for a layer that is not there, has fewer than two maps that are not constant,
            or makes the network's output itself; for images or labels that do not fit; for what
            torch-pruning cannot trace, or cannot take out.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> found = what_if_removed(model, torch.rand(4, 3, 8, 8), layer="0", count=2)
        >>> [removal.parameters for removal in found.redundant]  # 3 * 9 + 1 and 4 * 9
        [64, 64]
    """
    check_whole(count, "count", least=1, what="channels")
    check_whole(seed, "seed", least=0)
    named_layer(model, layer)
    with extra("pruning"):  # before anything is measured
        import torch_pruning  # noqa: F401
    batches = _Batches(images, None if labels is None else torch.as_tensor(labels))
    # A DataLoader draws a number each time that it is read.
    devices = {parameter.device for parameter in model.parameters() if parameter.is_cuda}
    with torch.random.fork_rng([*devices]), torch.inference_mode(False):
        base = shared_copy(model)
        example = next(iter(batches))[0][:1].clone()
        _run(base, example)
        products = _centred_products(base, layer, batches)
        living = products.diag().nonzero().flatten().tolist()
        if len(living) < 2:
            raise ValueError(
                f"layer {layer!r} has {len(living)} of {len(products)} maps that are not constant "
                "on these images; expected 2 at least, to compare: name another layer"
            )
        norms = products.diag()[living].sqrt()
        alike = (products[living][:, living] / torch.outer(norms, norms)).abs().clamp(max=1)
        redundancy, like = alike.fill_diagonal_(0).max(1)
        most = redundancy.argsort(descending=True, stable=True)[:count].tolist()
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(len(living), generator=generator)[:count].tolist()
        shared = {parameter.data_ptr() for parameter in base.parameters()}
        found: dict[int, Removal] = {}
        pending = list(dict.fromkeys(most + drawn))
        while pending:
            networks: dict[int, nn.Module] = {}
            held = 0
            while pending and held < NUMBERS_AT_ONCE:
                number = pending.pop()
                network = without_channel(model, layer, living[number], example)
                held += sum(p.numel() for p in network.parameters() if p.data_ptr() not in shared)
                networks[number] = network
            seen, (size, _, right), rows = _measure(base, [*networks.values()], batches)
            for (number, network), sums in zip(networks.items(), rows, strict=True):
                apart, flipped, still = sums
                found[number] = Removal(
                    index=living[number],
                    redundancy=float(redundancy[number]),
                    like=living[like[number]],
                    change=math.sqrt(apart / size) if size else None,
                    flipped=_defined(flipped / seen),
                    accuracy_change=_defined(100 * (still - right) / seen),
                    parameters=_numbers(base) - _numbers(network),
                    coupled=tuple(n for n in layers_losing(base, network) if n != layer),
                )
    groups = (tuple(found[number] for number in chosen) for chosen in (most, drawn))
    accuracy = _defined(right / seen)
    return Removals(class_name(model), layer, seen, len(living), accuracy, seed, *groups)


class _Batches:
    """Images and their labels, if there are any, as often as they are asked for."""

    def __init__(self, images: Any, labels: Tensor | None) -> None:
        alone = isinstance(images, Mapping) or not isinstance(images, Iterable)
        if alone or hasattr(images, "shape"):
            check_tensor(images, "images", axes=2)
        if isinstance(images, Iterator):
            raise ValueError(
                f"images is a {type(images).__name__}, which can be read once; expected batches "
                "that can be read again: pass a tensor, a DataLoader or a list of batches"
            )
        self._images, self._labels = images, labels

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        images, given, start = self._images, self._labels, 0
        for batch in images.split(IMAGES_AT_ONCE) if isinstance(images, Tensor) else images:
            batch, *others = batch if isinstance(batch, (list, tuple)) and batch else (batch,)
            check_tensor(batch, "a batch of images", axes=2)
            stop = start + len(batch)
            if given is not None and others:
                raise ValueError(
                    "labels came twice, with the images and by themselves; expected them once: "
                    "leave the argument labels out"
                )
            yield batch, (others[0] if others else None) if given is None else given[start:stop]
            start = stop
        if not start:
            raise ValueError("images has no batch; expected one image at least")
        if given is not None and len(given) != start:
            raise ValueError(
                f"labels has {len(given)} entries for {start} images; expected one for each image"
            )


def _run(model: nn.Module, images: Tensor) -> Tensor:
    try:
        with torch.no_grad():
            output = model(images)
    except Exception as error:
        raise ValueError(
            f"{class_name(model)} refused images of shape {tuple(images.shape)}, {images.dtype} on "
            f"{images.device} ({type(error).__name__}: {error}); expected a batch that "
            "model(images) accepts: prepare it as in training"
        ) from error
    if not isinstance(output, Tensor):
        raise ValueError(
            f"the output of {class_name(model)} is a {type(output).__name__}; expected a tensor: "
            "pass a module around it that returns the one to compare"
        )
    check_tensor(output, f"the output of {class_name(model)}", axes=1)
    return output


def _centred_products(model: nn.Module, layer: str, batches: _Batches) -> Tensor:
    """Inner products of the layer's maps less their means, ``(S, S)``; 0 if they are constant."""
    sums = MapSums()
    images = (each for each, _ in batches)
    watch(model, {layer: named_layer(model, layer)}, images, lambda call: sums.add(call.maps))
    if not sums.count:
        raise ValueError(
            f"layer {layer!r} is not called with these images; expected one that the output "
            "depends on: name another layer"
        )
    return sums.centred.cpu()


def _measure(
    base: nn.Module, networks: Sequence[nn.Module], batches: _Batches
) -> tuple[int, list[float], list[list[float]]]:
    """The number of images, and sums over them: of base, as if from 0, and of each network."""
    seen, sums = 0, torch.zeros(len(networks) + 1, 3, dtype=torch.float64)
    for images, labels in batches:
        before = _run(base, images).to("cpu", torch.float64)
        sums[0] += _sums(before, torch.zeros_like(before), labels)
        for number, network in enumerate(networks, start=1):
            sums[number] += _sums(_run(network, images).to("cpu", torch.float64), before, labels)
        seen += len(images)
    first, *others = sums.tolist()
    return seen, first, others


def _sums(after: Tensor, before: Tensor, labels: Any) -> Tensor:
    """The squared distance of outputs, predictions that differ, and those that are right."""
    sums = torch.full((3,), torch.nan, dtype=torch.float64)
    sums[0] = (after - before).square().sum()
    if after.ndim == 2 and after.shape[1] > 1:
        predictions = after.argmax(1)
        sums[1] = (predictions != before.argmax(1)).sum()
        if labels is not None:
            one_each = isinstance(labels, Tensor) and labels.shape == predictions.shape
            if not one_each or labels.is_floating_point():
                came = type(labels).__name__
                if isinstance(labels, Tensor):
                    came = f"{labels.dtype} of shape {tuple(labels.shape)}"
                raise ValueError(
                    f"labels of {len(after)} images are {came}; expected a whole number for each: "
                    "pass batches without labels to leave out the accuracy"
                )
            sums[2] = (predictions == labels.cpu()).sum()
    return sums


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _numbers(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
