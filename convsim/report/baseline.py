"""What a layer's readings would be by chance, and how low they could be at all."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convsim.feature_maps import Call
from convsim.floor import cosine_floor
from convsim.layers import current_weight
from convsim.map_cosines import MapCosines, MapSums, average, mean
from convsim.similarity import similarity_matrix, unit

# So many random kernels give the mean over pairs to a few hundredths, in a tenth of the time.
_ENOUGH = 128
_PLAIN: dict[int, Any] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}


@dataclass(frozen=True)
class Readings:
    """The readings that random kernels have, too; None is undefined or not measured.

    Attributes:
        similarity: as in :class:`~convsim.report.readings.LayerReport`, like all the others.
        normalized_similarity: the scale-free form of L_CS.
        kernel_cosine: mean absolute cosine of kernels.
        feature_map_cosine: mean absolute cosine of the maps of an image.
        expected_cosine: mean absolute cosine of the maps over all images and positions.
        correlation: the same of maps less their means.
    """

    similarity: float | None = None
    normalized_similarity: float | None = None
    kernel_cosine: float | None = None
    feature_map_cosine: float | None = None
    expected_cosine: float | None = None
    correlation: float | None = None

    def with_maps(self, maps: MapCosines) -> Readings:
        """Add what was read of maps."""
        return replace(
            self,
            feature_map_cosine=maps.per_image,
            expected_cosine=maps.expected,
            correlation=maps.correlation,
        )


def random_kernels(weight: Tensor, *, groups: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Kernels in random directions, each as long as the one in its place.

    Args:
        weight: ``(S, C, *kernel_size)``, floating point.
        groups: of the layer. Those of one group stand for each other, so that some of them are
            enough; groups read different channels, and all are drawn.
        seed: of the directions; PyTorch's own random numbers are left alone.

    Returns:
        The kernels, in float64, and the indices of those in whose places they are.
    """
    step = -(-len(weight) // _ENOUGH) if groups == 1 else 1
    chosen = torch.arange(0, len(weight), step)
    exact = weight.detach().to("cpu")[chosen].double()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(exact.shape, generator=generator, dtype=torch.float64)
    largest = exact.abs().max()  # no square of a very small or large weight is lost
    scaled = exact / torch.where(largest > 0, largest, 1)
    lengths = scaled.flatten(1).norm(dim=1) / drawn.flatten(1).norm(dim=1)
    return drawn * lengths.view(-1, *[1] * (drawn.ndim - 1)) * largest, chosen


def random_readings(weight: Tensor) -> tuple[Readings, Readings]:
    """What is read of random kernels, and by how much it scatters.

    Args:
        weight: ``(S, C, *kernel_size)``, whose shape and norms they have.
    """
    kernels, _ = random_kernels(weight)
    flat = unit(kernels.flatten(1))
    alive = flat.any(1)
    flat, count = flat[alive], len(weight)
    if len(flat) < 2:
        return Readings(), Readings()
    cosines = flat @ flat.T
    mean, scatter = _mean_over_pairs(cosines.abs()), scatter_of_mean(cosines, count)
    if weight.shape[2:].numel() == 1:  # then L_CS is a matter of norms alone
        return Readings(kernel_cosine=mean), Readings(kernel_cosine=scatter)
    products = similarity_matrix(flat.view(-1, *weight.shape[1:]))
    size = products.diag().sqrt()
    normalized = products / torch.outer(size, size)
    # In L_CS the norms are the layer's own, and directions are what is drawn.
    power = weight.detach().double().flatten(1).square().sum(1)
    pairs = float((power.sum().square() - power.square().sum()) / 2)
    of_directions = scatter_of_mean(products.clone().fill_diagonal_(1), count)
    return (
        Readings(pairs * _mean_over_pairs(products), _mean_over_pairs(normalized), mean),
        Readings(
            None if of_directions is None else pairs * of_directions,
            scatter_of_mean(normalized, count),
            scatter,
        ),
    )


def _mean_over_pairs(matrix: Tensor) -> float:
    count = len(matrix)
    return float(matrix.triu(1).sum()) / (count * (count - 1) / 2)


class RandomMaps:
    """The maps that random kernels make of a layer's own inputs, with the layer's bias.

    A layer of many kernels is stood for by some of them: all pairs of random kernels are alike,
    and so a mean over fewer of them has the same expectation.
    """

    def __init__(self, layer: nn.Module) -> None:
        weight = current_weight(layer)
        groups = int(layer.groups)  # type: ignore[arg-type]
        kernels, chosen = random_kernels(weight, groups=groups)
        bias = getattr(layer, "bias", None)
        options = {name: getattr(layer, name) for name in ("stride", "padding", "dilation")}
        # On no device it draws no weights, and so no random numbers of PyTorch's own.
        plain = _PLAIN[weight.ndim](
            weight.shape[1] * groups,
            len(kernels),
            tuple(weight.shape[2:]),
            groups=groups,
            bias=bias is not None,
            padding_mode=str(layer.padding_mode),
            device="meta",
            **options,
        )
        plain.weight = nn.Parameter(kernels.to(weight), requires_grad=False)
        if bias is not None:
            plain.bias = nn.Parameter(bias.detach()[chosen.to(bias.device)], requires_grad=False)
        self._layer = plain
        self._calls: list[MapSums] = []

    def see(self, call: Call) -> None:
        """Take in a call of the layer."""
        if call.number == len(self._calls):
            self._calls.append(MapSums())
        self._calls[call.number].add(self._layer(call.inputs).flatten(2))

    def cosines(self) -> MapCosines:
        """The readings, averaged over the layer's calls."""
        return average([sums.cosines() for sums in self._calls])

    def scatter(self, kernels: int) -> MapCosines:
        """What :func:`scatter_of_mean` says of the readings, for a layer of so many kernels."""
        expected, centred = (
            mean([scatter_of_mean(getattr(s, of), kernels) for s in self._calls])
            for of in ("products", "centred")
        )
        found = self.cosines()
        # An image's maps scatter with the kernels as those of all images do.
        per_image = None
        if expected is not None and found.per_image and found.expected:
            per_image = expected * found.per_image / found.expected
        return MapCosines(per_image, expected, centred, None)


def scatter_of_mean(products: Tensor, kernels: int) -> float | None:
    r"""By how much the mean :math:`|\cos|` over pairs differs from layer to layer by chance.

    Kernels are drawn, not pairs, and a kernel that is alike to many others moves many pairs. The
    mean over the pairs of S kernels has a variance of :math:`4 \sigma^2 / S`, with the variance
    :math:`\sigma^2` of a kernel's mean over its own pairs (Hoeffding, 1948).

    Args:
        products: ``(R, R)``: inner products of what random kernels make.
        kernels: S, of the layer that they are compared with.

    Returns:
        The standard deviation of the difference between two such means, of S kernels and of R;
        None for less than three of them that are not zero.
    """
    alive = products.diag() > 0
    count = int(alive.sum())
    if count < 3 or kernels < 2:
        return None
    norms = products.diag()[alive].sqrt()
    cosines = (products[alive][:, alive] / torch.outer(norms, norms)).abs().fill_diagonal_(0)
    spread = float((cosines.sum(1) / (count - 1)).std())
    return 2 * spread * math.sqrt(1 / kernels + 1 / count)


def map_floors(layer: nn.Module, calls: list[MapSums]) -> MapCosines:
    """Values below which the mean |cos| of a layer's maps cannot be, whatever its kernels.

    Maps are sums of the shifted channels of the input, and of a constant if there is a bias, so
    they lie in a space of so many dimensions at most. Only what holds for every call is proven.

    Args:
        layer: a convolution.
        calls: what was seen of its maps.
    """
    weight = current_weight(layer)
    maps, groups = len(weight), int(layer.groups)  # type: ignore[arg-type]
    plain = type(layer).forward is _PLAIN[weight.ndim].forward
    shifted = weight[0].numel() * groups if plain else 2**62  # another class may do anything
    constant = getattr(layer, "bias", None) is not None
    dead = any(sums.cosines().dead for sums in calls)
    positions, count = (max(getattr(s, of) for s in calls) for of in ("positions", "count"))

    def floor(dimensions: int) -> float:
        return 0.0 if dead else cosine_floor(maps, dimensions)

    return MapCosines(
        floor(min(shifted + constant, positions)),
        floor(min(shifted + constant, count)),
        floor(min(shifted, max(count - 1, 1))),
        None,
    )


def share_of_the_way(value: float | None, random: float | None, floor: float) -> float | None:
    """How far a reading is from that of random kernels to the lowest possible one.

    Returns:
        0 if it is what chance gives, 1 at the floor, and less than 0 if it is worse than chance;
        None if something is undefined, or there is no way to go.

    Example:
        >>> share_of_the_way(0.3, 0.4, 0.2)
        0.5000000000000001
    """
    if value is None or random is None or random - floor <= 1e-6 * abs(random):
        return None
    return (random - value) / (random - floor)
