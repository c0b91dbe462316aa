"""What the neighbourhoods of a layer's channels say, with intervals and the level of chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convsim.data import Images
from convsim.experiments.cifar10 import spread, with_statistics_of
from convsim.feature_maps import mean_absolute_cosine
from convsim.history import short
from convsim.overlap import (
    Measure,
    aggregate_coverage,
    channel_overlap,
    channel_redundancy,
    channelwise_neighbors,
    neighbor_count,
    permuted,
)
from convsim.similarity import convolutional_layers

SIDES = ("before", "after")
"""A layer's channels before and after the non-linearity, both at full size, before pooling."""


def layer_activations(model: nn.Module, test: Images, count: int) -> dict[tuple[str, str], Tensor]:
    """What every block's LeakyReLU means for some test images, by its convolution's name.

    The blocks pool first, which is the same in the end; the maps here are those of the batch
    normalisation, and LeakyReLU of them.
    """
    images = test.normalized(spread(len(test), count, test.pixels.device))
    model = with_statistics_of(model, images)
    outputs: dict[tuple[str, str], Tensor] = {}
    names = [name for name, _ in convolutional_layers(model)]
    modules = list(model.modules())
    normalizations = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    activations = [module for module in modules if isinstance(module, nn.LeakyReLU)]
    for name, normalization, activation in zip(names, normalizations, activations, strict=True):

        def keep(
            _: nn.Module,
            __: object,
            output: Tensor,
            name: str = name,
            slope: float = activation.negative_slope,
        ) -> None:
            outputs[name, "before"] = output
            outputs[name, "after"] = nn.functional.leaky_relu(output, slope)

        # The model is a copy, so nobody else will meet these hooks.
        normalization.register_forward_hook(keep)

    with torch.no_grad():
        model(images)
    return outputs


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
    """Every measure of ``convsim.overlap`` with its interval, and what chance would give.

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
