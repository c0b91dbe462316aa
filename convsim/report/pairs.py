"""One layer in full: every pair of its kernels and of its feature maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from convsim.checks import check_whole
from convsim.extras import extra
from convsim.feature_maps import watch
from convsim.layers import class_name, convolutional_layers, current_weight
from convsim.map_cosines import MapSums
from convsim.report.measuring import as_batches
from convsim.similarity import similarity_matrix, unit
from convsim.table import Table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MATRICES = {
    "normalized_similarity": "normalised",
    "kernel_cosine": "kernels cos",
    "expected_cosine": "maps expected",
    "correlation": "maps centred",
}
"""The matrices that a layer can have, and the headings of their columns."""


class Pair(NamedTuple):
    """Two channels of a layer, by index, and how alike they are, with a sign.

    Attributes:
        first: the lower index.
        second: the higher one.
        value: between -1 and 1.
    """

    first: int
    second: int
    value: float


@dataclass(frozen=True, eq=False, repr=False)
class LayerPairs:
    """What :func:`~convsim.report.pairs.pairs_of_layer` returns; prints as the pairs most alike.

    Attributes:
        layer: the layer's name.
        matrices: ``(S, S)`` in float64, by the names of ``MATRICES``, with signs; 0 for pairs with
            a kernel or a map that is zero. Those of maps are over all images and positions.
        dead_kernels: indices of kernels that are zero.
        dead_maps: indices of feature maps that are zero in all images.
    """

    layer: str
    matrices: dict[str, Tensor]
    dead_kernels: tuple[int, ...]
    dead_maps: tuple[int, ...] = ()

    def most_similar(self, count: int = 10, *, by: str | None = None) -> list[Pair]:
        """The pairs that are most alike, with or against each other, the most first.

        Args:
            count: how many, at most.
            by: the matrix that says so; correlations of maps if there are any, else kernels.

        Raises:
            ValueError: if there is no such matrix.
        """
        check_whole(count, "count", least=1)
        matrix = self._matrix(by)
        size = len(matrix)
        rows, columns = torch.triu_indices(size, size, 1)
        values = matrix[rows, columns]
        best = values.abs().topk(min(count, len(values))).indices
        return [Pair(int(rows[n]), int(columns[n]), float(values[n])) for n in best]

    def order(self, *, by: str | None = None) -> list[int]:
        """All indices, with those next to each other that are alike, cluster by cluster.

        The order of the leaves of average linkage on the distances 1 less the absolute value. What
        is dead comes last.

        Args:
            by: as in :meth:`most_similar`.
        """
        from scipy.cluster.hierarchy import leaves_list, linkage  # its import takes a while

        matrix = self._matrix(by)
        alive = (matrix.diag() > 0).nonzero()[:, 0]
        dead = [n for n in range(len(matrix)) if not matrix[n, n] > 0]
        if len(alive) < 3:
            return [*alive.tolist(), *dead]
        away = (1 - matrix[alive][:, alive].abs()).clamp(min=0)
        rows, columns = torch.triu_indices(len(alive), len(alive), 1)
        leaves = leaves_list(linkage(away[rows, columns].numpy(), "average"))
        return [*alive[torch.as_tensor(leaves)].tolist(), *dead]

    def plot(self, *, by: str | None = None) -> Figure:
        """The matrices as heat maps, in one :meth:`order` (Plotly).

        Args:
            by: the matrix whose clusters order all of them.

        Raises:
            ModuleNotFoundError: if Plotly is not installed.
        """
        with extra("experiments"):
            from convsim.report.drawing import heat_maps

        found = {MATRICES[name]: matrix for name, matrix in self.matrices.items()}
        return heat_maps(self.layer, found, self.order(by=by))

    def _matrix(self, by: str | None) -> Tensor:
        name = by or next(x for x in ("correlation", "kernel_cosine") if x in self.matrices)
        if name not in self.matrices:
            raise ValueError(
                f"there is no matrix {name!r}; expected one of {', '.join(self.matrices)}: those "
                "of maps need images"
            )
        return self.matrices[name]

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        pairs = self.most_similar()
        columns = (("", "channels"), *(("", MATRICES[name]) for name in self.matrices))
        rows = tuple(
            (
                f"{pair.first}, {pair.second}",
                *(f"{matrix[pair.first, pair.second]:.3f}" for matrix in self.matrices.values()),
            )
            for pair in pairs
        )
        by = "maps centred" if "correlation" in self.matrices else "kernels cos"
        count = len(next(iter(self.matrices.values())))
        caption = f"{self.layer or '(the model)'}: of {count} channels the pairs most alike"
        dead = [
            f"{kind} that are zero: {', '.join(map(str, which)) or 'none'}."
            for kind, which in (("Kernels", self.dead_kernels), ("Maps", self.dead_maps))
        ]
        return Table(columns, rows, caption, f"Ordered by |{by}|. {' '.join(dead)}")


def pairs_of_layer(
    model: nn.Module, layer: str, images: Tensor | Iterable[Any] | None = None
) -> LayerPairs:
    """Every pair of one layer: cosines and spectra of its kernels and, given images, its maps.

    Args:
        model: any module with a convolutional layer of that name.
        layer: its name in ``named_modules``, as :func:`~convsim.redundancy_report` prints it.
        images: a batch, or batches, as there; None leaves the maps out.

    Raises:
        ValueError: if there is no such layer, it is not called with these images, or for what
            :func:`~convsim.redundancy_report` refuses.

    Example:
        >>> layer = nn.Conv2d(1, 3, 1, bias=False)
        >>> layer.weight.data = torch.tensor([1.0, -2.0, 0.0]).view(3, 1, 1, 1)
        >>> pairs = pairs_of_layer(nn.Sequential(layer), "0")
        >>> pairs.most_similar(1), pairs.dead_kernels
        ([Pair(first=0, second=1, value=-1.0)], (2,))
    """
    module = named_layer(model, layer)
    weight = current_weight(module).detach().to("cpu", torch.float64)
    flat = weight.flatten(1)
    matrices = {"kernel_cosine": _cosines(unit(flat) @ unit(flat).T)}
    if weight.shape[2:].numel() > 1:  # otherwise it is 1, whatever the weights
        scaled = unit(flat).view_as(weight)
        matrices = {"normalized_similarity": _cosines(similarity_matrix(scaled)), **matrices}
    dead = _indices(~flat.any(1))
    if images is None:
        return LayerPairs(layer, matrices, dead)
    sums = MapSums()
    watch(model, {layer: module}, as_batches(images), lambda call: sums.add(call.maps))
    if not sums.count:
        raise ValueError(
            f"layer {layer!r} is not called with these images; expected one that is: choose "
            "another, or leave images out"
        )
    matrices["expected_cosine"] = _cosines(sums.products.cpu())
    matrices["correlation"] = _cosines(sums.centred.cpu())
    return LayerPairs(layer, matrices, dead, _indices(sums.products.diag() == 0))


def named_layer(model: nn.Module, name: str) -> nn.Module:
    """The convolution of that name.

    Raises:
        ValueError: if there is none.
    """
    layers = dict(convolutional_layers(model))
    if name not in layers:
        near = get_close_matches(str(name), layers, n=3) or [*layers][:3]
        raise ValueError(
            f"{class_name(model)} has no convolutional layer {name!r}; expected one of its "
            f"{len(layers)} names, such as {', '.join(map(repr, near))}"
        )
    return layers[name]


def _cosines(products: Tensor) -> Tensor:
    norms = products.diag().sqrt()
    away = torch.where(norms > 0, norms, 1)
    return (products / torch.outer(away, away)).clamp(-1, 1)


def _indices(which: Tensor) -> tuple[int, ...]:
    return tuple(which.nonzero()[:, 0].tolist())
