"""The table that a report prints as: its columns, and why some of their cells are empty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convsim.table import Table

if TYPE_CHECKING:
    from convsim.report.readings import LayerReport


def layer_table(
    layers: Sequence[LayerReport], caption: str, note: str = "", *, total: float | None = None
) -> Table:
    """A row for each layer; columns of what is dead only where something is.

    Args:
        layers: the layers.
        caption: what they belong to.
        note: what the reader has to know beside the columns' meaning.
        total: L_CS of all layers, for a last row.
    """
    columns = [
        ("", "layer", [layer.name or "(the model)" for layer in layers]),
        ("", "S", [str(layer.kernels) for layer in layers]),
        ("", "C", [_channels(layer) for layer in layers]),
        ("", "size", [" × ".join(map(str, layer.kernel_size)) for layer in layers]),
        ("", "‖weight‖", _numbers([layer.weight_norm for layer in layers], ".4g")),
        ("", "L_CS", _numbers([layer.similarity for layer in layers], ".4g")),
        ("", "floor", _numbers([layer.floor for layer in layers], ".1%")),
        ("", "normalised", _numbers([layer.normalized_similarity for layer in layers])),
        ("kernels", "|cos|", _numbers([layer.kernel_cosine for layer in layers])),
    ]
    if any(layer.dead_kernels for layer in layers):
        columns += [("kernels", "dead", [str(layer.dead_kernels) for layer in layers])]
    if with_images := any(layer.dead_feature_maps is not None for layer in layers):
        columns += [
            ("feature maps", "|cos|", _numbers([layer.feature_map_cosine for layer in layers])),
            ("feature maps", "expected", _numbers([layer.expected_cosine for layer in layers])),
            ("feature maps", "centred", _numbers([layer.correlation for layer in layers])),
        ]
    if any(layer.dead_feature_maps for layer in layers):
        dead = _numbers([layer.dead_feature_maps for layer in layers], "d")
        columns += [("feature maps", "dead", dead)]
    rows = list(zip(*(cells for _, _, cells in columns), strict=True))
    if total is not None:
        last = {"layer": "total", "L_CS": format(total, ".4g")}
        rows.append(tuple(last.get(name, "") for _, name, _ in columns))
    source = "\n".join(filter(None, (_source(layers, with_images), note)))
    return Table(tuple((group, name) for group, name, _ in columns), tuple(rows), caption, source)


def _channels(layer: LayerReport) -> str:
    grouped = layer.groups is not None and layer.groups > 1
    return f"{layer.channels}, {layer.groups} groups" if grouped else str(layer.channels)


def _numbers(values: Sequence[float | None], form: str = ".4f") -> list[str]:
    return ["–" if value is None else format(value, form) for value in values]


def _source(layers: Sequence[LayerReport], with_images: bool) -> str:
    lines = [
        "‖weight‖, L_CS: Convolutional Similarity (Belmekki et al., 2024, Eq. 10) grows with the "
        "fourth power of the norm: read it beside that, and beside its floor, the share of it that "
        "no kernels of these norms can be without.",
        "normalised: how much the power spectra of two kernels overlap, 0 to 1, as a mean over "
        "pairs and without scale.",
        "kernels |cos|: mean over pairs; 0 is orthogonal. It is also that of their maps if the "
        "input is white.",
    ]
    if with_images:
        lines.append(
            "feature maps |cos|: the same of the maps of an image; expected: of maps over all "
            "images and positions at once; centred: of maps less their means, which is what batch "
            "normalisation passes on."
        )
    lines.append(
        "How much is much? against_random() has each number beside that of random kernels. None "
        "of them says that a channel can go. –: undefined; what is dead is left out."
    )
    if any(math.prod(layer.kernel_size) == 1 for layer in layers):
        lines.append(
            "1 × 1 kernels: L_CS is a matter of norms alone, and the normalised form is 1, "
            "whatever the weights; compare |cos|."
        )
    return "\n".join(lines)


READINGS = {
    "similarity": ("L_CS", ".4g"),
    "normalized_similarity": ("normalised", ".4f"),
    "kernel_cosine": ("kernels |cos|", ".4f"),
    "feature_map_cosine": ("feature maps |cos|", ".4f"),
    "expected_cosine": ("feature maps expected", ".4f"),
    "correlation": ("feature maps centred", ".4f"),
}
"""What random kernels have, too: its name in tables, and the form of its numbers."""


def baseline_table(layers: Sequence[LayerReport], caption: str) -> Table:
    """A row for each reading of each layer: beside that of random kernels, and its floor.

    Args:
        layers: the layers.
        caption: what they belong to.
    """
    rows = []
    for layer in layers:
        for reading, (name, form) in READINGS.items():
            ends = [getattr(of, reading) for of in (layer, layer.random, layer.floors)]
            if None not in ends[:2]:
                cells = _numbers(ends, form)
                rows.append((layer.name or "(the model)", name, *cells, _way(layer, reading)))
    source = (
        "random: kernels in random directions, of the same shapes and norms, on the layer's own "
        "input. floor: a value below which no kernels can bring the reading.\n"
        "way: from there to the floor. 0 % is what chance gives, 100 % the floor. as random: "
        "within three standard deviations of what random kernels scatter by; otherwise the pairs "
        "are more or less alike than that. –: chance is at the floor."
    )
    columns = [("", name) for name in ("layer", "reading", "here", "random", "floor", "way")]
    return Table(tuple(columns), tuple(rows), caption, source)


def _way(layer: LayerReport, reading: str) -> str:
    """The share of the way, and what it is in a word."""
    share, by_chance = layer.share_of_the_way(reading), layer.is_as_random(reading)
    if share is None:
        return "–"
    percent = f"{format(100 * share, '.0f' if abs(share) >= 0.01 else '.1f')} %"
    if by_chance is None:
        return percent
    word = "more alike" if share < 0 else "at the floor" if share >= 0.95 else "less alike"
    return f"{percent}, {'as random' if by_chance else word}"
