"""What the neighbourhoods of a layer's channels say, with intervals and the level of chance."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict

from torch import Tensor

from convsim.checks import check_tensor, check_whole
from convsim.data import spread
from convsim.map_cosines import mean_absolute_cosine
from convsim.neighborhoods.nnk import check_points
from convsim.neighborhoods.overlap import (
    Measure,
    aggregate_coverage,
    channel_overlap,
    channel_redundancy,
    channelwise_neighbors,
    neighbor_count,
    permuted,
)


class Interval(TypedDict):
    """A mean and its 95 % bootstrap interval over queries; None where nothing is defined."""

    mean: float | None
    low: float | None
    high: float | None


class Neighborhoods(TypedDict):
    """Every measure of a layer's neighbourhoods.

    ``neighbors`` is the mean number in a channel; what is called ``…_chance`` comes from permuted
    channels, which leave the two counts as they are; ``undefined`` is the number of neighbourhoods
    that are.
    """

    overlap: Interval
    overlap_chance: float | None
    redundancy: Interval
    redundancy_chance: float | None
    coverage: Interval
    coverage_chance: float | None
    neighbors: Interval
    aggregate_neighbors: Interval
    undefined: int


def cosine_without_mean_picture(activations: Tensor) -> float | None:
    """Mean |cos| between the channels' maps of an image, each less its mean over all images.

    What a channel answers to every image alike, at the borders for instance, says nothing about
    the images; distances between images, and so their neighbourhoods, do not see it.

    Args:
        activations: ``(n, C, H, W)``.

    Returns:
        A number from 0 to 1; None if fewer than two channels of any image are alive.
    """
    check_tensor(activations, "activations", axes=3)
    cosine, _ = mean_absolute_cosine((activations - activations.mean(0)).flatten(2))
    return cosine


def measure_neighborhoods(activations: Tensor, queries: int, k: int) -> Neighborhoods:
    """Every measure of a layer's neighbourhoods with its interval, and what chance would give.

    Args:
        activations: ``(n, C, H, W)``.
        queries: how many of the n images are queries, evenly spread.
        k: number of candidates.
    """
    check_points(activations, "activations", axes=3)
    check_whole(queries, "queries", least=1, what="images")
    chosen = spread(len(activations), queries, activations.device)
    found = channelwise_neighbors(activations, chosen, k)
    chance = permuted(found.channels)
    return {
        "overlap": _summary(channel_overlap(found.channels).by_query),
        "overlap_chance": _summary(channel_overlap(chance).by_query)["mean"],
        "redundancy": _summary(channel_redundancy(found.channels)),
        "redundancy_chance": _summary(channel_redundancy(chance))["mean"],
        "coverage": _summary(aggregate_coverage(found)),
        "coverage_chance": _summary(aggregate_coverage(replace(found, channels=chance)))["mean"],
        "neighbors": _summary(neighbor_count(found.channels)),
        "aggregate_neighbors": _summary(neighbor_count(found.aggregate)),
        "undefined": found.undefined,
    }


def _summary(measure: Measure) -> Interval:
    low, high = measure.interval() or (None, None)
    return {"mean": measure.mean, "low": low, "high": high}
