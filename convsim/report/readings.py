"""What a report holds: a layer's readings, and those of all layers of a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsim.extras import extra
from convsim.report.baseline import Readings, share_of_the_way
from convsim.report.formats import as_csv, as_latex, as_page, flat_layers
from convsim.report.table import baseline_table, layer_table
from convsim.report.unmeasured import Unmeasured, unmeasured_in_words
from convsim.table import Table

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure


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
        random: the same readings of random kernels of these shapes and norms, on the layer's own
            input.
        floors: values below which no kernels can bring the readings; 0 where none is proven.
        scatter: standard deviations of the difference to ``random``, were the layer random, too.
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
    random: Readings = Readings()
    floors: Readings = Readings()
    scatter: Readings = Readings()

    def share_of_the_way(self, reading: str) -> float | None:
        """How far a reading is on the way from that of random kernels to its floor.

        Args:
            reading: the name of an attribute of :class:`~convsim.report.baseline.Readings`.

        Returns:
            0 for what chance gives, 1 at the floor, less than 0 for what is more alike than by
            chance; None if it is undefined, or chance is at the floor.
        """
        ends = [getattr(of, reading) for of in (self, self.random, self.floors)]
        return share_of_the_way(ends[0], ends[1], ends[2] or 0.0)

    def is_as_random(self, reading: str) -> bool | None:
        """Whether a reading is within three of its ``scatter`` of that of random kernels.

        Of layers that are random one in some hundreds is not. None if it is undefined.
        """
        ends = [getattr(of, reading) for of in (self, self.random, self.scatter)]
        return None if None in ends else abs(ends[0] - ends[1]) <= 3 * ends[2]

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

    def against_random(self) -> Table:
        """Every reading beside that of random kernels, and how far it is to its floor."""
        return baseline_table(self.layers, f"{self.model}, beside random kernels")

    def to_csv(self) -> str:
        """A line a layer, with the keys of ``to_dict`` and all digits."""
        return as_csv(self)

    def to_latex(self) -> str:
        """The table for LaTeX with the package booktabs."""
        return as_latex(self._table())

    def to_html(self) -> str:
        """This table and :meth:`against_random` as one HTML file, sortable, without a network."""
        return as_page(self._table(), self.against_random())

    def to_dataframe(self) -> DataFrame:
        """A row a layer, with the columns of :meth:`to_csv`, if pandas is there.

        Raises:
            ModuleNotFoundError: if it is not.
        """
        with extra("pandas"):
            import pandas

        return pandas.DataFrame(flat_layers(self))

    def plot(self) -> Figure:
        """The readings between 0 and 1 along the layers, with those of random kernels (Plotly).

        Raises:
            ModuleNotFoundError: if Plotly is not installed.
        """
        with extra("experiments"):
            from convsim.report.drawing import figure_of

        return figure_of(self)

    def save_plot(self, path: str | Path) -> None:
        """Draw the same into a file (Matplotlib).

        Args:
            path: its suffix says in which format: .png, .svg, .pdf.

        Raises:
            ModuleNotFoundError: if Matplotlib is not installed.
            ValueError: if it knows no such format.
        """
        with extra("experiments"):
            from convsim.report.drawing import save

        save(self, Path(path))

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        count = len(self.layers)
        caption = f"{self.model}: {count} convolutional layer{'s' if count > 1 else ''}"
        if self.images is not None:
            caption += f", images of shape {self.images}"
        note = "\n".join(filter(None, (self.note, unmeasured_in_words(self.unmeasured))))
        return layer_table(self.layers, caption, note, total=self.total_similarity)
