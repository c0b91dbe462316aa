"""What the neighbourhoods of a layer's channels say, with intervals and the level of chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from convsim.data import spread
from convsim.feature_maps import mean_absolute_cosine
from convsim.neighborhoods.overlap import (
    Measure,
    aggregate_coverage,
    channel_overlap,
    channel_redundancy,
    channelwise_neighbors,
    neighbor_count,
    permuted,
)
from convsim.training.history import short


def cosine_without_mean_picture(activations: Tensor) -> float | None:
    """Mean |cos| between the channels' maps of an image, each less its mean over all images.

    What a channel answers to every image alike, at the borders for instance, says nothing about
    the images; distances between images, and so their neighbourhoods, do not see it.

    Args:
        activations: ``(n, C, H, W)``.

    Returns:
        A number from 0 to 1; None if fewer than two channels of any image are alive.
    """
    cosine, _ = mean_absolute_cosine((activations - activations.mean(0)).flatten(2))
    return None if cosine is None else short(cosine)


def measure_neighborhoods(activations: Tensor, queries: int, k: int) -> dict[str, Any]:
    """Every measure of a layer's neighbourhoods with its interval, and what chance would give.

    Args:
        activations: ``(n, C, H, W)``.
        queries: how many of the n images are queries, evenly spread.
        k: number of candidates.

    Returns:
        ``overlap``, ``redundancy``, ``coverage``, ``neighbors`` (mean number in a channel) and
        ``aggregate_neighbors``, each with ``mean``, ``low`` and ``high`` (95 % bootstrap interval
        over queries); ``overlap_chance``, ``redundancy_chance`` and ``coverage_chance``, from
        permuted channels, which leave the two counts as they are; ``undefined``, the number of
        neighbourhoods that are. None where nothing is defined.
    """
    chosen = spread(len(activations), queries, activations.device)
    found = channelwise_neighbors(activations, chosen, k)
    chance = permuted(found.channels)
    return {
        "overlap": _in_short(channel_overlap(found.channels).by_query),
        "overlap_chance": _in_short(channel_overlap(chance).by_query)["mean"],
        "redundancy": _in_short(channel_redundancy(found.channels)),
        "redundancy_chance": _in_short(channel_redundancy(chance))["mean"],
        "coverage": _in_short(aggregate_coverage(found)),
        "coverage_chance": _in_short(aggregate_coverage(replace(found, channels=chance)))["mean"],
        "neighbors": _in_short(neighbor_count(found.channels)),
        "aggregate_neighbors": _in_short(neighbor_count(found.aggregate)),
        "undefined": found.undefined,
    }


def _in_short(measure: Measure) -> dict[str, float | None]:
    interval = measure.interval()
    if measure.mean is None or interval is None:
        return {"mean": None, "low": None, "high": None}
    low, high = interval
    return {"mean": short(measure.mean), "low": short(low), "high": short(high)}
