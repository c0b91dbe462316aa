"""Every measure of a layer's neighbourhoods and its interval, against sets, loops and NumPy."""

from __future__ import annotations

import itertools
import math
from statistics import fmean

import numpy as np
import pytest
import torch
from torch import Tensor

from convsim.neighborhoods.neighbors import Neighbors, nnk_neighbors
from convsim.neighborhoods.overlap import Measure, channelwise_neighbors, permuted
from convsim.neighborhoods.summary import cosine_without_mean_picture, measure_neighborhoods

IMAGES, QUERIES, K = 28, 10, 6
CHOSEN = torch.arange(0, IMAGES, 3)
"""Every third image, from the first to the last: evenly spread."""


def activations(channels: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(IMAGES, 3, generator=generator)
    mixing = torch.randn(3, channels * 6, generator=generator)
    return (hidden @ mixing).tanh().reshape(IMAGES, channels, 2, 3)


def sets_of(found: Neighbors) -> list[set[int]]:
    return [
        set(indices[weights > 0].tolist())
        for indices, weights in zip(found.indices, found.weights, strict=True)
    ]


def expected_of(channels: list[list[set[int]]], whole: list[set[int]]) -> dict[str, float]:
    """Means over queries of the measures' definitions."""
    by_query = [list(sets) for sets in zip(*channels, strict=True)]
    pairs = [list(itertools.combinations(sets, 2)) for sets in by_query]
    unions = [set.union(*sets) for sets in by_query]
    return {
        "overlap": fmean(fmean(len(a & b) / len(a | b) for a, b in some) for some in pairs),
        "redundancy": fmean(
            1 - len(union) / sum(map(len, sets))
            for union, sets in zip(unions, by_query, strict=True)
        ),
        "coverage": fmean(
            len(own & union) / len(own) for own, union in zip(whole, unions, strict=True)
        ),
        "neighbors": fmean(fmean(map(len, sets)) for sets in by_query),
        "aggregate_neighbors": fmean(map(len, whole)),
    }


def test_measures_are_means_of_their_definitions_and_chance_is_that_of_permuted_channels() -> None:
    x = activations()
    found = measure_neighborhoods(x, QUERIES, K)
    of_channels = [sets_of(nnk_neighbors(x[:, c].flatten(1), CHOSEN, K)) for c in range(4)]
    whole = sets_of(nnk_neighbors(x.flatten(1), CHOSEN, K))
    expected = expected_of(of_channels, whole)
    for name, mean in expected.items():
        interval = found[name]  # type: ignore[literal-required]
        assert interval["mean"] == pytest.approx(mean, abs=1e-12), name
        assert interval["low"] <= interval["mean"] <= interval["high"], name
    assert found["overlap"]["low"] < found["overlap"]["high"]
    shuffled = permuted(channelwise_neighbors(x, CHOSEN, K).channels)
    chance = expected_of(
        [
            sets_of(Neighbors(i, w, w, w, IMAGES))
            for i, w in zip(shuffled.indices, shuffled.weights, strict=True)
        ],
        whole,
    )
    for name in ("overlap", "redundancy", "coverage"):
        by_chance = found[f"{name}_chance"]  # type: ignore[literal-required]
        assert by_chance == pytest.approx(chance[name], abs=1e-12), name
        assert by_chance < expected[name]
    assert found["undefined"] == 0


def test_dead_channels_are_counted_and_dead_layers_measure_nothing() -> None:
    x = activations()
    x[:, 2] = 0
    assert measure_neighborhoods(x, QUERIES, K)["undefined"] == QUERIES
    dead = measure_neighborhoods(torch.zeros(IMAGES, 2, 2, 3), QUERIES, K)
    assert dead["undefined"] == 2 * QUERIES
    assert dead["overlap_chance"] is None
    for name in ("overlap", "redundancy", "coverage", "neighbors", "aggregate_neighbors"):
        assert dead[name] == {"mean": None, "low": None, "high": None}  # type: ignore[literal-required]


def test_one_query_has_a_mean_and_no_interval() -> None:
    found = measure_neighborhoods(activations(), 1, K)["neighbors"]
    assert found["mean"] is not None and (found["low"], found["high"]) == (None, None)


def test_the_mean_picture_is_taken_off_each_channel_by_itself() -> None:
    x = activations(channels=3).double()
    total, pairs = 0.0, 0
    for image in x:
        rows = [
            [float(v) for v in (channel - x[:, c].mean(0)).flatten()]
            for c, channel in enumerate(image)
        ]
        for a, b in itertools.combinations(rows, 2):
            product = sum(p * q for p, q in zip(a, b, strict=True))
            total += abs(product) / math.sqrt(sum(p * p for p in a) * sum(q * q for q in b))
            pairs += 1
    assert cosine_without_mean_picture(x) == pytest.approx(total / pairs, rel=1e-9)
    moved = x + torch.tensor([3.0, -2.0, 100.0]).view(1, 3, 1, 1)
    assert cosine_without_mean_picture(moved) == pytest.approx(total / pairs, rel=1e-9)
    assert cosine_without_mean_picture(torch.ones(5, 3, 2, 2)) is None


def test_the_interval_is_that_of_resampled_means() -> None:
    values = torch.linspace(0, 1, 200, dtype=torch.float64)
    low, high = Measure(values, torch.ones(200, dtype=torch.bool)).interval()  # type: ignore[misc]
    half = 1.96 * values.std().item() / math.sqrt(200)
    assert low == pytest.approx(0.5 - half, abs=0.01)
    assert high == pytest.approx(0.5 + half, abs=0.01)
    some = torch.arange(200) < 100  # where it is undefined, a value has no part in it
    low, high = Measure(values, some).interval()  # type: ignore[misc]
    assert low < values[:100].mean() < high < 0.35


def test_the_interval_has_the_percentiles_of_a_thousand_resamples() -> None:
    values = np.random.default_rng(0).normal(size=40)
    measure = Measure(torch.from_numpy(values), torch.ones(40, dtype=torch.bool))
    generator = np.random.default_rng(5)
    means = values[generator.integers(40, size=(100_000, 40))].mean(1)
    expected = np.quantile(means, [0.025, 0.975])
    assert measure.interval() == pytest.approx(tuple(expected), abs=0.03)
    assert measure.interval() == measure.interval(seed=0) != measure.interval(seed=1)


def test_equal_values_have_an_interval_of_no_width_and_one_value_has_none() -> None:
    defined = torch.ones(5, dtype=torch.bool)
    equal = Measure(torch.full((5,), 0.25, dtype=torch.float64), defined)
    assert equal.interval() == (0.25, 0.25)
    one = Measure(torch.arange(5.0), torch.arange(5) == 3)
    assert one.mean == 3.0 and one.interval() is None
    two = Measure(torch.arange(5.0, dtype=torch.float64), torch.arange(5) > 2)
    assert two.interval() == (3.0, 4.0)
