"""How alike the feature maps of a model's layers are, measured while it runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convsim.checks import check_tensor
from convsim.similarity import unit

NUMBERS_AT_ONCE = 2**22  # of a Gram matrix: 16 MB in float32


class MapCosines(NamedTuple):
    """How alike the feature maps of a layer are; None where undefined.

    Attributes:
        per_image: mean |cos| over the pairs of maps of one image.
        expected: the same with each map taken over all images and positions as one vector, which
            is the cosine of the expected maps, in the sense of their inner products' mean.
        correlation: the same with each map less its mean over all images and positions; a map
            that is constant counts as zero.
        dead: maps that are zero, over all images.
    """

    per_image: float | None
    expected: float | None
    correlation: float | None
    dead: int | None


def feature_map_cosines(
    model: nn.Module, layers: Mapping[str, nn.Module], images: Tensor
) -> list[MapCosines]:
    """Mean |cos| between the feature maps of each layer, and the maps that are zero.

    The model runs once, in evaluation mode and without gradients, and is left as it was. A layer's
    calls are averaged, and its dead maps added up.

    Args:
        model: the model that is run.
        layers: convolutional layers of the model, by name; their outputs are measured.
        images: a batch that the model accepts.

    Returns:
        One reading a layer; all None for a layer not called.

    Raises:
        ValueError: if the model refuses the images or a layer's output is not finite.

    Example:
        >>> layer = nn.Conv2d(1, 2, 1, bias=False)  # two multiples of a constant image
        >>> feature_map_cosines(layer, {"": layer}, torch.ones(1, 1, 4, 4))
        [MapCosines(per_image=1.0, expected=1.0, correlation=None, dead=0)]
    """
    calls: list[list[MapCosines]] = [[] for _ in layers]
    faults: list[str] = []

    def measure(index: int, name: str, axes: int) -> Callable[..., None]:
        # At once, not at the end: an in-place activation is about to change the output.
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            batch = output if output.ndim == axes else output[None]
            try:
                check_tensor(batch, f"the output of layer {name!r}", axes=3)
            except ValueError as error:
                faults.append(str(error))
            else:
                calls[index].append(map_cosines(batch.flatten(2)))

        return hook

    modes = [(module, module.training) for module in model.modules()]
    hooks = [
        layer.register_forward_hook(measure(index, name, _weight(layer).ndim))
        for index, (name, layer) in enumerate(layers.items())
    ]
    try:
        model.eval()
        with torch.no_grad(), _without_compiled_code():
            model(images)
    except Exception as error:
        raise ValueError(_refusal(model, layers, images, error)) from error
    finally:
        for handle in hooks:
            handle.remove()
        for module, training in modes:
            module.training = training
    if faults:
        raise ValueError(faults[0])
    return [_average(of_layer) for of_layer in calls]


def map_cosines(maps: Tensor) -> MapCosines:
    """How alike the maps of some images are.

    Args:
        maps: ``(B, S, D)``: S maps of B images, of D positions.
    """
    per_image, dead = mean_absolute_cosine(maps)
    exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
    rows = exact.transpose(0, 1).flatten(1)
    means = rows.mean(1, keepdim=True)
    centred = rows - means
    # What rounding leaves of a constant map has no direction.
    rounding = 4 * torch.finfo(rows.dtype).eps * means.abs()
    centred = centred.masked_fill((centred.abs() <= rounding).all(1, keepdim=True), 0)
    return MapCosines(
        per_image,
        mean_absolute_cosine(rows[None])[0],
        mean_absolute_cosine(centred[None])[0],
        dead,
    )


def mean_absolute_cosine(vectors: Tensor) -> tuple[float | None, int]:
    """Mean |cos| over the pairs of rows of each matrix, and the number of rows that are zero.

    Args:
        vectors: ``(B, S, D)``: B matrices of S rows. Pairs lie within a matrix; a zero row has
            no cosine and is left out.

    Returns:
        The mean over all pairs of all matrices, None if there is no pair, and the zero rows.

    Example:
        >>> mean_absolute_cosine(torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.0, 0.0]]]))
        (0.6000000238418579, 1)
    """
    count = vectors.shape[1]
    total, pairs, dead = 0.0, 0, 0
    for chunk in vectors.split(max(1, NUMBERS_AT_ONCE // (count * max(vectors.shape[1:])))):
        rows = unit(chunk.to(torch.promote_types(chunk.dtype, torch.float32)))
        step = max(1, NUMBERS_AT_ONCE // (len(rows) * count))
        for start in range(0, count, step):
            cosines = rows[:, start : start + step] @ rows[:, start:].mT
            total += float(cosines.triu(1).abs().clamp(max=1).sum())
        alive = rows.any(2).sum(1)
        pairs += int((alive * (alive - 1) // 2).sum())
        dead += int((count - alive).sum())
    return (total / pairs if pairs else None), dead


def _average(calls: list[MapCosines]) -> MapCosines:
    def mean(values: list[float | None]) -> float | None:
        defined = [value for value in values if value is not None]
        return fmean(defined) if defined else None

    return MapCosines(
        mean([call.per_image for call in calls]),
        mean([call.expected for call in calls]),
        mean([call.correlation for call in calls]),
        sum(call.dead or 0 for call in calls) if calls else None,
    )


def _without_compiled_code() -> contextlib.AbstractContextManager[None]:
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
