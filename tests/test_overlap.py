"""What channels share: overlap, redundancy, coverage, and what chance alone would give."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from convsim.neighborhoods.neighbors import Neighbors, nnk_neighbors
from convsim.neighborhoods.overlap import (
    ChannelNeighbors,
    aggregate_coverage,
    channel_overlap,
    channel_redundancy,
    channelwise_neighbors,
    neighbor_count,
    permuted,
)


def activations(images: int = 60, channels: int = 5, *, seed: int = 0) -> Tensor:
    """Smooth maps of few degrees of freedom, some channels more alike than others."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(images, 3, generator=generator)
    mixing = torch.randn(3, channels * 12, generator=generator)
    return (hidden @ mixing).tanh().reshape(images, channels, 3, 4)


def sets_of(channels: Neighbors) -> list[list[set[int]]]:
    """The neighbourhoods as Python sets, channel by channel."""
    return [
        [set(i[w > 0].tolist()) for i, w in zip(indices, weights, strict=True)]
        for indices, weights in zip(channels.indices, channels.weights, strict=True)
    ]


def neighborhoods(sets: list[list[list[int]]], k: int = 4) -> Neighbors:
    """Neighbours with given sets: sets[c][q]."""
    shape = (len(sets), len(sets[0]), k)
    indices, weights = torch.full(shape, -1), torch.zeros(shape, dtype=torch.float64)
    for c, of_channel in enumerate(sets):
        for q, members in enumerate(of_channel):
            indices[c, q, : len(members)] = torch.tensor(members, dtype=torch.int64)
            weights[c, q, : len(members)] = 0.5
    return Neighbors(indices, weights, weights.sum(2), (weights > 0).any(2), points=100)


def test_a_channel_is_a_flattened_map_and_the_aggregate_all_of_them() -> None:
    x = activations()
    found = channelwise_neighbors(x, torch.arange(10), k=8)
    for c in range(5):
        alone = nnk_neighbors(x[:, c].flatten(1), torch.arange(10), 8)
        assert torch.equal(found.channels.indices[c], alone.indices)
        assert torch.equal(found.channels.weights[c], alone.weights)
    whole = nnk_neighbors(x.flatten(1), torch.arange(10), 8)
    assert torch.equal(found.aggregate.indices, whole.indices)
    assert found.undefined == 0


@pytest.mark.parametrize(
    "options", [{"kernel": "cosine"}, {"sigma": 0.5}, {"copies": "keep"}, {"k": 3}, {}]
)
def test_options_reach_every_channel(options: dict[str, Any]) -> None:
    x = activations()
    x[7] = x[3]  # a copy, for those who keep it
    queries = x[[3, 4]]
    found = channelwise_neighbors(x, queries, **options)
    for c in range(5):
        alone = nnk_neighbors(x[:, c].flatten(1), queries[:, c].flatten(1), **options)
        assert torch.equal(found.channels.indices[c], alone.indices)
        assert torch.equal(found.channels.weights[c], alone.weights)
        assert torch.equal(found.channels.error[c], alone.error)
        assert torch.equal(found.channels.defined[c], alone.defined)
    assert found.channels.points == found.aggregate.points == 60
    assert found.aggregate.indices.shape == (2, options.get("k", 25))


def test_measures_are_their_definitions_on_sets() -> None:
    found = channelwise_neighbors(activations(), k=8)
    sets = sets_of(found.channels)
    overlap = channel_overlap(found.channels)
    redundancy = channel_redundancy(found.channels)
    coverage = aggregate_coverage(found)
    count = neighbor_count(found.channels)
    whole = sets_of(
        Neighbors(
            *(
                getattr(found.aggregate, name)[None]
                for name in ("indices", "weights", "error", "defined")
            ),
            points=60,
        )
    )[0]
    matrix = np.zeros((5, 5))
    for q in range(60):
        of_query = [sets[c][q] for c in range(5)]
        jaccard = np.array([[len(a & b) / len(a | b) for b in of_query] for a in of_query])
        matrix += jaccard / 60
        pairs = jaccard[np.triu_indices(5, 1)]
        union = set.union(*of_query)
        total = sum(map(len, of_query))
        assert overlap.by_query.values[q].item() == pytest.approx(pairs.mean())
        assert redundancy.values[q].item() == pytest.approx(1 - len(union) / total)
        assert coverage.values[q].item() == pytest.approx(len(whole[q] & union) / len(whole[q]))
        assert count.values[q].item() == pytest.approx(total / 5)
    np.testing.assert_allclose(overlap.matrix, matrix, atol=1e-12)
    assert overlap.queries.eq(60).all()


@pytest.mark.parametrize("channels", [2, 7])
def test_identical_channels_overlap_wholly(channels: int) -> None:
    x = activations(channels=1).expand(-1, channels, -1, -1)
    found = channelwise_neighbors(x, k=6)
    assert torch.equal(
        channel_overlap(found.channels).matrix, torch.ones(channels, channels).double()
    )
    redundancy = channel_redundancy(found.channels)
    torch.testing.assert_close(redundancy.values, torch.full((60,), 1 - 1 / channels).double())
    assert aggregate_coverage(found).mean == 1.0


def test_independent_channels_overlap_no_more_than_by_chance() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(200, 6, 2, 2, generator=generator)
    found = channelwise_neighbors(x, k=10)
    overlap = channel_overlap(found.channels).by_query
    chance = channel_overlap(permuted(found.channels)).by_query
    low, high = overlap.interval()  # type: ignore[misc]
    assert chance.mean is not None and low < chance.mean < high
    alike = channelwise_neighbors(activations(200, 6), k=10).channels
    above = channel_overlap(alike).by_query.mean
    by_chance = channel_overlap(permuted(alike)).by_query.mean
    assert above is not None and by_chance is not None and above > 3 * by_chance


def test_permuted_channels_keep_their_sizes_and_hubs() -> None:
    channels = channelwise_neighbors(activations(), k=8).channels
    shuffled = permuted(channels, seed=3)
    for old, new in zip(sets_of(channels), sets_of(shuffled), strict=True):
        assert sorted(map(sorted, old)) == sorted(map(sorted, new))
        assert old != new
    assert torch.equal(permuted(channels, seed=3).indices, shuffled.indices)


def test_dead_channels_are_counted_and_take_part_in_nothing() -> None:
    x = activations()
    alive = channelwise_neighbors(x, k=8)
    x[:, 2] = 0
    found = channelwise_neighbors(x, k=8)
    assert found.undefined == 60
    assert not found.channels.defined[2].any()
    overlap, before = channel_overlap(found.channels), channel_overlap(alive.channels)
    rest = [0, 1, 3, 4]
    assert overlap.queries[2].eq(0).all() and overlap.queries[0, 1] == 60
    torch.testing.assert_close(overlap.matrix[rest][:, rest], before.matrix[rest][:, rest])
    for measure in (
        overlap.by_query,
        channel_redundancy(found.channels),
        aggregate_coverage(found),
        neighbor_count(found.channels),
    ):
        assert measure.values.isfinite().all() and measure.defined.all()
    dead = channelwise_neighbors(torch.zeros(20, 3, 2, 2), k=4)
    assert dead.undefined == 60
    for measure in (
        channel_overlap(dead.channels).by_query,
        channel_redundancy(dead.channels),
        aggregate_coverage(dead),
        neighbor_count(dead.channels),
    ):
        assert measure.mean is None and measure.interval() is None
        assert measure.values.eq(0).all()


def test_a_channel_that_is_dead_for_some_images_is_left_out_for_these() -> None:
    sets = [[[1, 2], [3]], [[1], []], [[5], [3, 4]]]
    overlap = channel_overlap(neighborhoods(sets))
    # query 0: {1,2}, {1}, {5}; query 1: {3}, undefined, {3,4}
    assert overlap.matrix[0].tolist() == [1.0, 0.5, 0.25]
    assert overlap.queries.tolist() == [[2, 1, 2], [1, 1, 1], [2, 1, 2]]
    assert overlap.by_query.values.tolist() == pytest.approx([(0.5 + 0 + 0) / 3, 0.5])
    assert channel_redundancy(neighborhoods(sets)).values.tolist() == pytest.approx([1 / 4, 1 / 3])
    assert neighbor_count(neighborhoods(sets)).values.tolist() == pytest.approx([4 / 3, 1.5])


def test_one_neighbour_of_one_channel_is_shared_by_none() -> None:
    redundancy = channel_redundancy(neighborhoods([[[7], []], [[], []]]))
    assert redundancy.values.tolist() == [0.0, 0.0]
    assert redundancy.defined.tolist() == [True, False]


def test_coverage_is_defined_where_the_aggregate_and_a_channel_have_neighbours() -> None:
    channels = neighborhoods([[[1], [], [2], [4, 5]], [[], [], [2], [6]]])
    whole = neighborhoods([[[1, 2], [3], [], [4, 6]]])
    aggregate = Neighbors(
        whole.indices[0], whole.weights[0], whole.error[0], whole.defined[0], points=100
    )
    coverage = aggregate_coverage(ChannelNeighbors(channels, aggregate))
    assert coverage.values.tolist() == [0.5, 0.0, 0.0, 1.0]
    assert coverage.defined.tolist() == [True, False, False, True]
    assert coverage.mean == 0.75


def test_a_permuted_neighbourhood_stays_whole() -> None:
    """Indices, weights, errors and where they are defined move together, each channel by itself."""
    count, queries = 3, 40
    numbers = torch.arange(count * queries).view(count, queries)
    channels = Neighbors(
        indices=numbers[..., None],
        weights=1.0 + numbers[..., None].double(),
        error=-numbers.double(),
        defined=numbers % 2 == 0,
        points=500,
    )
    shuffled = permuted(channels)
    moved = shuffled.indices[..., 0]
    assert torch.equal(shuffled.weights[..., 0], 1.0 + moved.double())
    assert torch.equal(shuffled.error, -moved.double())
    assert torch.equal(shuffled.defined, moved % 2 == 0)
    assert shuffled.points == 500
    assert torch.equal(moved.sort(1).values, numbers), "no neighbourhood changes its channel"
    orders = moved - numbers[:, :1]
    assert not any(torch.equal(orders[i], orders[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert torch.equal(permuted(channels, seed=0).indices, shuffled.indices)
    assert not torch.equal(permuted(channels, seed=1).indices, shuffled.indices)


def test_two_candidates_agree_with_the_aggregate_if_all_channels_agree() -> None:
    # d² of the aggregate is the sum over channels, so with one σ the theorem carries over.
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(150, 2, 3, 2, generator=generator, dtype=torch.float64)
    x[::2, 1] = 1.5 * x[::2, 0] + 0.5 * x[::2, 1]  # behind the first, more or less
    everywhere = nowhere = 0
    for points in x:
        three = torch.cat([torch.zeros(1, 3, 2, dtype=torch.float64), points])
        found = channelwise_neighbors(three, torch.tensor([0]), k=2, sigma=1.0)
        for candidate in (1, 2):
            active = [candidate in s[0] for s in sets_of(found.channels)]
            whole = found.aggregate
            in_whole = candidate in whole.indices[0][whole.weights[0] > 0].tolist()
            everywhere += all(active)
            nowhere += not any(active)
            assert in_whole or not all(active)
            assert not in_whole or any(active)
    assert everywhere > 15 and nowhere > 15


def test_sets_of_neighbors_do_not_obey_that_theorem() -> None:
    """With more candidates the aggregate gains neighbours no channel has and loses common ones."""
    outside = lost = 0
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(12, 2, 2, generator=generator)
        found = channelwise_neighbors(x, k=11)  # all others, in every channel
        of_channels = sets_of(found.channels)
        for q, (indices, weights) in enumerate(
            zip(found.aggregate.indices, found.aggregate.weights, strict=True)
        ):
            whole = set(indices[weights > 0].tolist())
            outside += len(whole - (of_channels[0][q] | of_channels[1][q]))
            lost += len((of_channels[0][q] & of_channels[1][q]) - whole)
    assert outside > 0 and lost > 0


def test_an_affine_change_of_a_channel_changes_nothing() -> None:
    """Batch normalisation is one; the width of the Gaussian follows the data."""
    x = activations()
    scale = torch.tensor([0.1, 1, -3, 10, 2]).view(1, 5, 1, 1)
    shift = torch.tensor([1.0, 0, 5, -2, 0.3]).view(1, 5, 1, 1)
    found = channelwise_neighbors(x.double(), k=8).channels
    moved = channelwise_neighbors(x.double() * scale + shift, k=8).channels
    assert sets_of(found) == sets_of(moved)


def test_queries_can_be_other_images() -> None:
    x, others = activations(60), activations(61)[60:]
    found = channelwise_neighbors(x, others, k=8)
    assert found.channels.weights.shape == (5, 1, 8)
    alone = nnk_neighbors(x[:, 3].flatten(1), others[:, 3].flatten(1), 8)
    assert torch.equal(found.channels.indices[3], alone.indices)


def test_errors_say_what_came_and_what_to_do() -> None:
    x = activations()
    with pytest.raises(ValueError, match=re.escape("expected the same but for the number of")):
        channelwise_neighbors(x, torch.zeros(2, 4, 3, 4))
    with pytest.raises(ValueError, match="activations of shape .* has 1 NaN"):
        channelwise_neighbors(torch.where(torch.arange(x.numel()).view(x.shape) == 7, math.nan, x))
    with pytest.raises(ValueError, match="k is 60 and there are 59 candidates"):
        channelwise_neighbors(x, k=60)
    with pytest.raises(ValueError, match=re.escape("expected (C, Q): pass the channels")):
        channel_overlap(channelwise_neighbors(x, k=4).aggregate)
