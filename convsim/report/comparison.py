"""Two reports side by side: which layers moved, and in which reading."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from convsim.report.measuring import redundancy_report
from convsim.report.readings import LayerReport, RedundancyReport
from convsim.report.wrappers import unwrapped
from convsim.table import Table

READINGS = {
    "normalized_similarity": ("kernels", "normalised L_CS"),
    "kernel_cosine": ("kernels", "|cos|"),
    "feature_map_cosine": ("feature maps", "|cos|"),
    "expected_cosine": ("feature maps", "expected"),
    "correlation": ("feature maps", "centred"),
}
"""Readings between 0 and 1, which can be compared with each other: group and name of a column."""


@dataclass(frozen=True)
class LayerChange:
    """A layer that both reports have.

    Attributes:
        name: its name.
        before: what was read of it.
        after: what is read of it now.
        moved: by reading, of those in ``READINGS``, after less before; what is undefined on
            either side is left out.
    """

    name: str
    before: LayerReport
    after: LayerReport
    moved: dict[str, float]

    @property
    def most(self) -> str | None:
        """The reading that moved most, None if none moved."""
        moved = [reading for reading, by in self.moved.items() if by]
        return max(moved, key=lambda reading: abs(self.moved[reading]), default=None)


@dataclass(frozen=True, repr=False)
class Comparison:
    """What :func:`~convsim.report.comparison.compare` returns; prints as a table.

    Attributes:
        before: the earlier model, in words.
        after: the later one.
        layers: the layers of both, in the order of the earlier.
        gone: names of layers that only the earlier one has.
        new: names of those that only the later one has.
    """

    before: str
    after: str
    layers: tuple[LayerChange, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        read = [r for r in READINGS if any(r in layer.moved for layer in self.layers)]
        columns = (
            *(("", "layer"), ("", "‖weight‖"), ("", "L_CS")),
            *(READINGS[reading] for reading in read),
            ("", "moved most"),
        )
        rows = tuple(
            (
                layer.name or "(the model)",
                _times(layer.before.weight_norm, layer.after.weight_norm),
                _times(layer.before.similarity, layer.after.similarity),
                *(_ends(layer, reading) for reading in read),
                " ".join(READINGS[layer.most]) if layer.most else "–",
            )
            for layer in self.layers
        )
        source = [
            "‖weight‖ and L_CS: the factor that it changed by. The others: before → after, between "
            "0 and 1; –: undefined."
        ]
        for names, words in ((self.gone, self.before), (self.new, self.after)):
            if names:
                source.append(f"Only in {words}: {', '.join(names)}.")
        caption = f"{self.before}, and then {self.after}: {len(self.layers)} layers of both"
        return Table(columns, rows, caption, " ".join(source))


def compare(
    before: nn.Module | RedundancyReport,
    after: nn.Module | RedundancyReport,
    images: Tensor | None = None,
) -> Comparison:
    """Hold two models, or two checkpoints of one, against each other, layer by layer.

    Args:
        before: a model, or a report on one.
        after: the same network later, or another with layers of the same names. Where one of the
            two is wrapped, in ``DataParallel`` or by ``torch.compile``, the prefix is left out.
        images: a batch for both models, prepared as in training; None leaves feature maps out,
            unless reports are given that have them.

    Returns:
        A :class:`~convsim.report.comparison.Comparison` of the layers whose names are in both.

    Raises:
        ValueError: if no name is in both, if reports were made on images of different shapes, or
            for what :func:`~convsim.redundancy_report` refuses.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3))
        >>> before = redundancy_report(model)
        >>> _ = model[0].weight.data.mul_(2)  # nothing turns
        >>> [change] = compare(before, model).layers
        >>> change.most is None, round(change.after.similarity / change.before.similarity)
        (True, 16)
    """
    first, then = (
        of if isinstance(of, RedundancyReport) else redundancy_report(of, images)
        for of in (before, after)
    )
    if first.images and then.images and first.images != then.images:
        raise ValueError(
            f"the reports are on images of shapes {first.images} and {then.images}; expected the "
            "same images for both: measure both models again with one batch"
        )
    if not {layer.name for layer in first.layers} & {layer.name for layer in then.layers}:
        first, then = (_without_wrapper(report) for report in (first, then))
    found = {layer.name: layer for layer in then.layers}
    both = [layer for layer in first.layers if layer.name in found]
    if not both:
        raise ValueError(
            f"{first.model} and {then.model} have no layer of the same name, such as "
            f"{first.layers[0].name!r} and {then.layers[0].name!r}; expected two states of one "
            "network: pass models of the same structure"
        )
    names = {layer.name for layer in both}
    return Comparison(
        first.model,
        then.model,
        tuple(_change(layer, found[layer.name]) for layer in both),
        tuple(layer.name for layer in first.layers if layer.name not in names),
        tuple(name for name in found if name not in names),
    )


def _without_wrapper(report: RedundancyReport) -> RedundancyReport:
    names = unwrapped(layer.name for layer in report.layers)
    layers = zip(report.layers, names, strict=True)
    return replace(report, layers=tuple(replace(layer, name=name) for layer, name in layers))


def _change(before: LayerReport, after: LayerReport) -> LayerChange:
    moved = {}
    for reading in READINGS:
        ends = getattr(before, reading), getattr(after, reading)
        if None not in ends:
            moved[reading] = ends[1] - ends[0]
    return LayerChange(before.name, before, after, moved)


def _times(before: float, after: float) -> str:
    return f"× {after / before:.3g}" if before else "–"


def _ends(layer: LayerChange, reading: str) -> str:
    if reading not in layer.moved:
        return "–"
    return f"{getattr(layer.before, reading):.2f} → {getattr(layer.after, reading):.2f}"
