"""What a report holds: a layer's readings, and those of all layers of a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from convsim.report.formats import as_csv, as_latex, as_page
from convsim.report.table import layer_table
from convsim.report.unmeasured import Unmeasured, unmeasured_in_words
from convsim.table import Table


@dataclass(frozen=True, repr=False)
class LayerReport:
    """One layer in :func:`convsim.redundancy_report`; None is undefined or not measured.

    Attributes:
        name: the layer's name in ``named_modules``; empty if the model is the layer.
        kernels: number of kernels, S.
        channels: channels of a kernel, C: the layer's input channels divided by its groups.
        groups: number of groups, or None if the file does not say.
        kernel_size: taps on each spatial axis.
        weight_norm: Euclidean norm of the weight.
        similarity: Convolutional Similarity, L_CS.
        floor: the share of L_CS below which no kernels of these norms can bring it; None where
            nothing above 0 is proven, and for kernels of one tap, where L_CS is norms alone.
        normalized_similarity: its scale-free form, between 0 and 1; None for kernels of one tap,
            1 × 1, for which it is 1 whatever the weights.
        kernel_cosine: mean absolute cosine of pairs of flattened kernels. It is also what their
            maps would have if the input were white, that is, uncorrelated and equally strong.
        dead_kernels: kernels that are zero, which have no cosine.
        feature_map_cosine: mean absolute cosine of pairs of an image's feature maps.
        expected_cosine: the same with each map taken over all images and positions at once.
        correlation: the same again, each map less its mean, as batch normalisation passes it on.
        dead_feature_maps: feature maps that are zero, over all images and calls.
    """

    name: str
    kernels: int
    channels: int
    groups: int | None
    kernel_size: tuple[int, ...]
    weight_norm: float
    similarity: float
    floor: float | None
    normalized_similarity: float | None
    kernel_cosine: float | None
    dead_kernels: int
    feature_map_cosine: float | None = None
    expected_cosine: float | None = None
    correlation: float | None = None
    dead_feature_maps: int | None = None

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        return layer_table((self,), "One convolutional layer")


@dataclass(frozen=True, repr=False)
class RedundancyReport:
    """A model's layers, in the order of ``named_modules``; prints as a table.

    Attributes:
        model: what was measured, in words.
        layers: one report a convolutional layer.
        images: shape of all images together, or None.
        note: what the reader has to know about the numbers; may be empty.
        unmeasured: modules with weights that are no row, or whose maps are not measured.
    """

    model: str
    layers: tuple[LayerReport, ...]
    images: tuple[int, ...] | None = None
    note: str = ""
    unmeasured: tuple[Unmeasured, ...] = ()

    @property
    def total_similarity(self) -> float:
        """Sum of L_CS over the layers, as :func:`convsim.model_similarity` computes it."""
        return sum(layer.similarity for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can write it: lists for tuples, None for what is undefined."""
        layers = [asdict(layer) | {"kernel_size": list(layer.kernel_size)} for layer in self.layers]
        images = None if self.images is None else list(self.images)
        return {
            "model": self.model,
            "images": images,
            "note": self.note,
            "total_similarity": self.total_similarity,
            "layers": layers,
            "unmeasured": [left._asdict() for left in self.unmeasured],
        }

    def to_csv(self) -> str:
        """A line a layer, with the keys of ``to_dict`` and all digits."""
        return as_csv(self)

    def to_latex(self) -> str:
        """The table for LaTeX with the package booktabs."""
        return as_latex(self._table())

    def to_html(self) -> str:
        """The table as one HTML file that needs no network; its headings sort it."""
        return as_page(self._table(), total=True)

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        count = len(self.layers)
        caption = f"{self.model}: {count} convolutional layer{'s' if count > 1 else ''}"
        if self.images is not None:
            caption += f", images of shape {self.images}"
        note = " ".join(filter(None, (self.note, unmeasured_in_words(self.unmeasured))))
        return layer_table(self.layers, caption, note, total=self.total_similarity)
