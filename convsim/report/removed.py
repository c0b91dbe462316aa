"""What is known of channels that were taken out of a network, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from convsim.table import Table


@dataclass(frozen=True)
class Removal:
    """What taking one channel out did; None is undefined.

    Attributes:
        index: the channel's number among the outputs of the layer.
        redundancy: the greatest absolute correlation of its map with another, each less its
            mean over all images and positions.
        like: the channel that it has this correlation with.
        change: of the network's output, ‖y′ − y‖ / ‖y‖ over all images.
        flipped: share of images whose prediction changed; for outputs ``(B, classes)``.
        accuracy_change: in points, after less before.
        parameters: numbers that went with it.
        coupled: the other convolutional and linear layers that lose an output channel with it.
    """

    index: int
    redundancy: float
    like: int
    change: float | None
    flipped: float | None
    accuracy_change: float | None
    parameters: int
    coupled: tuple[str, ...]


_FIGURES: dict[str, tuple[tuple[str, str], str]] = {
    "redundancy": (("", "redundancy"), "{:.3f}"),
    "change": (("change of", "output"), "{:.3g}"),
    "flipped": (("change of", "predictions"), "{:.1%}"),
    "accuracy_change": (("change of", "accuracy"), "{:+.1f}"),
    "parameters": (("gone with it", "parameters"), "{:,.0f}"),
    "coupled": (("gone with it", "in other layers"), "{:g}"),
}
"""What the table shows of a removal: heading of the column, and format."""


@dataclass(frozen=True, repr=False)
class Removals:
    """What :func:`~convsim.report.removal.what_if_removed` returns; prints as a table.

    Attributes:
        model: the network, in words.
        layer: the layer's name.
        images: how many it was measured on.
        living: channels of the layer whose maps are not constant.
        accuracy: the network's as it was, between 0 and 1; None without labels.
        seed: of the random channels.
        redundant: the most redundant channels, the first most.
        random: channels drawn at random from the living ones.
    """

    model: str
    layer: str
    images: int
    living: int
    accuracy: float | None
    seed: int
    redundant: tuple[Removal, ...]
    random: tuple[Removal, ...]

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON can write it: lists for tuples, None for what is undefined."""
        groups = {
            name: [asdict(each) | {"coupled": list(each.coupled)} for each in getattr(self, name)]
            for name in ("redundant", "random")
        }
        return asdict(self) | groups

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        shown = [name for name in _FIGURES if getattr(self.redundant[0], name) is not None]
        groups: list[tuple[str, str, Sequence[Removal]]] = [
            *((str(each.index), str(each.like), [each]) for each in self.redundant),
            ("median of these", "–", self.redundant),
            ("median at random", "–", self.random),
        ]
        rows = tuple(
            (channel, like, *(_median(group, name) for name in shown))
            for channel, like, group in groups
        )
        columns = (("", "channel"), ("", "like"), *(_FIGURES[name][0] for name in shown))
        before = "" if self.accuracy is None else f" accuracy: in points, from {self.accuracy:.1%}."
        source = (
            "redundancy: the greatest |correlation| of the channel's map with another's, which is "
            "like. output: ‖y′ − y‖ / ‖y‖ over all images. predictions: images that are classified "
            f"otherwise.{before} gone with it: parameters, and channels of other layers.\n"
            "Measured on these images, and nothing was trained afterwards; a channel at a time "
            "says nothing about ten at once. Redundancy alone is poor advice: the next layer's "
            "weights decide, and they may need the difference of two channels that are alike. What "
            "any channel costs is in the last row, of living ones that were drawn with seed "
            f"{self.seed}."
        )
        caption = (
            f"{self.model}, layer {self.layer!r}: the {len(self.redundant)} most redundant of "
            f"{self.living} living channels, each taken out alone, {self.images} images"
        )
        return Table(columns, rows, caption, source)


def _median(group: Sequence[Removal], name: str) -> str:
    values = [getattr(removal, name) for removal in group]
    numbers = [len(value) if name == "coupled" else value for value in values]
    return _FIGURES[name][1].format(median(numbers))
