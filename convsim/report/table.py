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
    source = " ".join(filter(None, (_source(layers, with_images), note)))
    return Table(tuple((group, name) for group, name, _ in columns), tuple(rows), caption, source)


def _channels(layer: LayerReport) -> str:
    grouped = layer.groups is not None and layer.groups > 1
    return f"{layer.channels}, {layer.groups} groups" if grouped else str(layer.channels)


def _numbers(values: Sequence[float | None], form: str = ".4f") -> list[str]:
    return ["–" if value is None else format(value, form) for value in values]


def _source(layers: Sequence[LayerReport], with_images: bool) -> str:
    words = [
        "L_CS: Convolutional Similarity (Belmekki et al., 2024, Eq. 10); floor: the share of it "
        "that no kernels of these norms can be without, – if none is proven; normalised: its "
        "scale-free mean over pairs of kernels; |cos|: mean over pairs, dead ones left out"
    ]
    if with_images:
        words.append(
            "expected: |cos| of maps over all images and positions at once; centred: the same of "
            "maps less their means, which is what batch normalisation passes on"
        )
    words.append("–: undefined.")
    if any(math.prod(layer.kernel_size) == 1 for layer in layers):
        words.append(
            "For 1 × 1 kernels L_CS is a matter of norms alone, and the normalised form is 1, "
            "whatever the weights, and says nothing: compare |cos| of the kernels, which is that "
            "of their maps if the input is white, and measure the maps themselves with images."
        )
    return "; ".join(words).replace(".; ", ". ")
