"""How alike the feature maps of a model's layers are, measured while it runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convsim.checks import check_tensor
from convsim.similarity import unit

NUMBERS_AT_ONCE = 2**22  # of a Gram matrix: 16 MB in float32
# A map's square over that of its deviations, up to which a difference of products is exact enough:
# it costs as many of the seven digits of float32 as this number has.
_FAR = 64


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


Batches = Tensor | Iterable[Tensor]


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

    The model runs in evaluation mode and without gradients, and is left as it was.

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

    modes = [(module, module.training) for module in model.modules()]
    hooks = [
        layer.register_forward_hook(measure(name, _weight(layer).ndim), with_kwargs=True)
        for name, layer in layers.items()
    ]
    batches = 0
    try:
        model.eval()
        for batch in [images] if isinstance(images, Tensor) else images:
            check_tensor(batch, f"batch {batches} of images" if batches else "images", axes=2)
            calls.update(dict.fromkeys(layers, 0))
            batches += 1
            try:
                with torch.no_grad(), _without_compiled_code():
                    model(batch)
            except Exception as error:
                raise ValueError(_refusal(model, layers, batch, error)) from error
            if faults:
                raise ValueError(faults[0])
    finally:
        for handle in hooks:
            handle.remove()
        for module, training in modes:
            module.training = training
    if not batches:
        raise ValueError("images has no batch; expected one at least: a generator can be read once")


def map_cosines(maps: Tensor) -> MapCosines:
    """How alike the maps of some images are.

    Args:
        maps: ``(B, S, D)``: S maps of B images, of D positions.
    """
    sums = MapSums()
    sums.add(maps)
    return sums.cosines()


class MapSums:
    """What is known of a layer's maps, batch by batch: sums, and no map.

    Inner products are of rows that were scaled to 1, times their norms in float64, so that neither
    large nor small maps leave what a number can hold. Those of maps less their means follow from
    the batches' own by the update of Chan, Golub and LeVeque (1983), which cancels nothing.

    Attributes:
        positions: of the largest map.
        count: images and positions together.
        products: ``(S, S)``, float64: inner products of the maps, over all images and positions.
        centred: the same of the maps less their means; 0 for a map that is constant.
    """

    def __init__(self) -> None:
        self._of_images = 0.0, 0  # the sum of |cos| within images, and the number of pairs
        self.positions = self.count = 0
        self._dead = 0  # maps of an image that are zero
        self._rounding = 0.0
        self._means = self._centred = self.products = torch.zeros(())

    def add(self, maps: Tensor) -> None:
        """Take in ``(B, S, D)``: S maps of B images, of D positions."""
        total, pairs, dead = _absolute_cosines(maps)
        self._dead += dead
        self._of_images = self._of_images[0] + total, self._of_images[1] + pairs
        exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
        rows = exact.transpose(0, 1).flatten(1)
        old, new = self.count, rows.shape[1]
        # Many squares, all positive, need more than the digits of float32.
        norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        scaled = rows / torch.where(norms > 0, norms, 1).to(rows.dtype)[:, None]
        size = torch.outer(norms, norms)
        cosines = (scaled @ scaled.T).double().fill_diagonal_(1)
        spread, means = torch.var_mean(scaled, 1, correction=0, keepdim=True)
        spread, exact_means = new * spread.double()[:, 0], means.double()
        if bool((spread[norms > 0] * _FAR < 1).any()):
            deviations = scaled - means
            centred = (deviations @ deviations.T).double()
        else:  # the difference of squares is as good, and costs no second product of matrices
            centred = cosines - new * exact_means * exact_means.mT
        centred.diagonal().copy_(spread)
        exact_means = exact_means * norms[:, None]
        away = exact_means - self._means
        self.count = old + new
        self.positions = max(self.positions, maps.shape[2])
        self._means = self._means + away * (new / self.count)
        self._centred = self._centred + centred * size + away * away.mT * (old * new / self.count)
        self.products = self.products + cosines * size
        self._rounding = 4 * torch.finfo(rows.dtype).eps

    @property
    def centred(self) -> Tensor:
        # What rounding leaves of a constant map has no direction.
        rounding = self._rounding * self._means.flatten().abs()
        constant = self._centred.diag() <= self.count * rounding**2
        return self._centred.masked_fill(constant | constant[:, None], 0)

    def cosines(self) -> MapCosines:
        """The readings."""
        total, pairs = self._of_images
        return MapCosines(
            total / pairs if pairs else None,
            _mean_cosine(self.products),
            _mean_cosine(self.centred),
            self._dead,
        )


def _mean_cosine(products: Tensor) -> float | None:
    """Mean |cos| over the pairs of rows that are not zero, from their inner products."""
    norms = products.diag().sqrt()
    alive = norms > 0
    cosines = (products / torch.outer(norms, norms))[alive][:, alive].abs().clamp(max=1)
    count = len(cosines)
    return float(cosines.triu(1).sum()) / (count * (count - 1) / 2) if count > 1 else None


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
    total, pairs, dead = _absolute_cosines(vectors)
    return (total / pairs if pairs else None), dead


def _absolute_cosines(vectors: Tensor) -> tuple[float, int, int]:
    """The sum of |cos| over pairs, their number, and that of zero rows."""
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
    return total, pairs, dead


def average(calls: list[MapCosines]) -> MapCosines:
    """The mean over calls of a layer, and all their dead maps."""

    return MapCosines(
        mean([call.per_image for call in calls]),
        mean([call.expected for call in calls]),
        mean([call.correlation for call in calls]),
        sum(call.dead or 0 for call in calls) if calls else None,
    )


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is defined; None if nothing is."""
    defined = [value for value in values if value is not None]
    return fmean(defined) if defined else None


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
