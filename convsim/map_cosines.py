"""How alike maps are: sums of inner products batch by batch, and mean cosines over their pairs."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

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
