"""How much the channels of a layer say the same about the data, from their NNK neighbourhoods.

In the manner of the channel-wise NNK graphs of Bonet et al. (2022): each channel of an image is a
point, and the images next to it are its neighbourhood in that channel. Channels that see the data
alike have the same neighbourhoods. The measures below are this project's own definitions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor
from tqdm.auto import tqdm

from convsim.checks import check_whole
from convsim.neighborhoods.neighbors import Copies, Neighbors, are_names, check_type, nnk_neighbors
from convsim.neighborhoods.nnk import Kernel, check_points, nnk_weights, nnk_weights_of_gram

__all__ = ["nnk_neighbors", "nnk_weights", "nnk_weights_of_gram"]  # and all that stands below


@dataclass(frozen=True, eq=False)
class ChannelNeighbors:
    """NNK neighbours in each channel of a layer, and in all its channels taken as one vector.

    Attributes:
        channels: axes ``(C, Q, …)``.
        aggregate: axes ``(Q, …)``.
    """

    channels: Neighbors
    aggregate: Neighbors

    @property
    def undefined(self) -> int:
        """How many of the C·Q neighbourhoods are undefined, as a dead channel's are."""
        return int((~self.channels.defined).sum())


@dataclass(frozen=True, eq=False)
class Measure:
    """One number for each query, where it is defined.

    Attributes:
        values: ``(Q,)``, float64; 0 where undefined.
        defined: ``(Q,)``, bool.
    """

    values: Tensor
    defined: Tensor

    @property
    def mean(self) -> float | None:
        """Mean over the queries that define it; None if none does."""
        if not self.defined.any():
            return None
        return self.values[self.defined].mean().item()

    def interval(self, *, seed: int = 0) -> tuple[float, float] | None:
        """95 % bootstrap interval of the mean over queries; None if fewer than two define it.

        It has the percentiles of 1,000 resamples, and speaks of other queries among the same
        points, with the same network.
        """
        values = self.values[self.defined].cpu().numpy()
        if len(values) < 2:
            return None
        # Named random_state for SciPy before 1.15, which has no rng.
        found = bootstrap(
            (values,),
            np.mean,
            n_resamples=1000,
            method="percentile",
            random_state=np.random.default_rng(seed),
        ).confidence_interval
        return float(found.low), float(found.high)


@dataclass(frozen=True, eq=False)
class Overlap:
    r"""How far the neighbourhoods of two channels coincide.

    Attributes:
        matrix: ``(C, C)``, float64: mean over queries of the Jaccard index
            :math:`|N_i ∩ N_j| / |N_i ∪ N_j|`; 0 where no query defines it.
        queries: ``(C, C)``, int64: how many queries define it.
        by_query: mean of the index over the pairs :math:`i < j` that a query defines.
    """

    matrix: Tensor
    queries: Tensor
    by_query: Measure


def channelwise_neighbors(
    activations: Tensor,
    queries: Tensor | None = None,
    k: int = 25,
    *,
    kernel: Kernel = "gaussian",
    sigma: float | None = None,
    copies: Copies = "skip",
    progress: bool = False,
) -> ChannelNeighbors:
    """NNK neighbours of images in every channel of a layer, and in the layer as a whole.

    Args:
        activations: ``(n, C, H, W)``, or more or fewer spatial axes: a layer's output for n
            images. Channel c of an image is its values there as one vector; the aggregate is all
            of them.
        queries: ``(Q,)`` whole numbers: which images are queries; they are no candidates of their
            own. Or ``(Q, C, H, W)``: a layer's output for other images. None for all images.
        k: number of candidates.
        kernel: as for :func:`convsim.neighborhoods.nnk.nnk_weights`.
        sigma: the same.
        copies: as for :func:`convsim.neighborhoods.neighbors.nnk_neighbors`.
        progress: show a progress bar over the channels.

    Returns:
        A :class:`ChannelNeighbors`.

    Raises:
        ValueError: as :func:`convsim.neighborhoods.neighbors.nnk_neighbors`.

    Example:
        >>> x = torch.randn(20, 1, 3, 3, generator=torch.Generator().manual_seed(0))
        >>> found = channelwise_neighbors(x.expand(-1, 4, -1, -1), k=5)  # four copies
        >>> channel_overlap(found.channels).by_query.mean
        1.0
        >>> channel_redundancy(found.channels).mean  # 1 - 1/4
        0.75
    """
    check_points(activations, "activations", axes=2)
    by_index = queries is None or are_names(queries)
    if queries is not None and not by_index:
        check_points(queries, "queries", axes=2)
        if queries.shape[1:] != activations.shape[1:]:
            raise ValueError(
                f"queries have shape {tuple(queries.shape)} and activations "
                f"{tuple(activations.shape)}; expected the same but for the number of images, or "
                "(Q,) whole numbers that name images"
            )
    found = []
    sets = [slice(c, c + 1) for c in range(activations.shape[1])] + [slice(None)]
    for some in tqdm(sets, unit="channel", disable=not progress):
        points = activations[:, some].flatten(1)
        asked = queries
        if queries is not None and not by_index:
            asked = queries[:, some].flatten(1)
        found.append(nnk_neighbors(points, asked, k, kernel=kernel, sigma=sigma, copies=copies))
    channels = Neighbors(
        indices=torch.stack([one.indices for one in found[:-1]]),
        weights=torch.stack([one.weights for one in found[:-1]]),
        error=torch.stack([one.error for one in found[:-1]]),
        defined=torch.stack([one.defined for one in found[:-1]]),
        points=len(activations),
    )
    return ChannelNeighbors(channels, found[-1])


def channel_overlap(channels: Neighbors) -> Overlap:
    """Jaccard index of the neighbourhoods of every two channels.

    Args:
        channels: neighbours with the axes ``(C, Q, k)``.

    Returns:
        An :class:`Overlap`. Undefined neighbourhoods take part in no pair.

    Raises:
        ValueError: if there is no axis of channels.

    Example:
        >>> points = torch.tensor([[[0.0], [1.0], [-2.0]], [[0.0], [1.0], [2.0]]]).transpose(0, 1)
        >>> found = channelwise_neighbors(points, torch.tensor([0]), k=2)
        >>> channel_overlap(found.channels).matrix.tolist()  # {1, 2} and {1}
        [[1.0, 0.5], [0.5, 1.0]]
    """
    _check_channels(channels)
    count, queries = channels.defined.shape
    total = torch.zeros(count, count, dtype=torch.float64, device=channels.weights.device)
    defined = torch.zeros(count, count, dtype=torch.int64, device=channels.weights.device)
    values, any_pair = [], []
    for query in range(queries):
        member, _ = _membership(channels, query)
        common = member @ member.T
        sizes = member.sum(1)
        union = sizes[:, None] + sizes[None, :] - common
        jaccard = common / union.clamp(min=1)
        pairs = channels.defined[:, query, None] & channels.defined[None, :, query]
        total += jaccard * pairs
        defined += pairs
        above = pairs.triu(1)
        values.append((jaccard * above).sum() / above.sum().clamp(min=1))
        any_pair.append(above.any())
    measure = Measure(torch.stack(values), torch.stack(any_pair))
    return Overlap(total / defined.clamp(min=1), defined, measure)


def channel_redundancy(channels: Neighbors) -> Measure:
    r"""Share of a layer's neighbours that other channels name as well.

    .. math:: 1 - \frac{|\bigcup_c N_c|}{\sum_c |N_c|}

    It is 0 if no two channels share a neighbour and :math:`1 - 1/C` if all have the same ones; it
    grows with the number of channels, so it compares layers of the same width only.

    Args:
        channels: neighbours with the axes ``(C, Q, k)``.

    Returns:
        A :class:`Measure`; undefined where no channel has neighbours.
    """
    _check_channels(channels)
    counts = channels.counts.sum(0)
    unions = torch.stack([_membership(channels, q)[1] for q in range(channels.defined.shape[1])])
    return Measure(1 - unions.clamp(min=1) / counts.clamp(min=1), counts > 0)


def aggregate_coverage(found: ChannelNeighbors) -> Measure:
    """Share of the aggregate's neighbours that are neighbours in at least one channel.

    It need not be 1: a point can be a neighbour of the whole and of none of its parts.

    Args:
        found: what :func:`channelwise_neighbors` returns.

    Returns:
        A :class:`Measure`; undefined where the aggregate or every channel has no neighbours.
    """
    check_type(found, ChannelNeighbors, "what channelwise_neighbors returns")
    values = []
    for query in range(len(found.aggregate.defined)):
        own = found.aggregate.indices[query][found.aggregate.weights[query] > 0]
        named = found.channels.indices[:, query][found.channels.weights[:, query] > 0]
        values.append(torch.isin(own, named).double().sum() / max(1, len(own)))
    defined = found.aggregate.defined & found.channels.defined.any(0)
    return Measure(torch.stack(values) * defined, defined)


def neighbor_count(neighbors: Neighbors) -> Measure:
    """Number of NNK neighbours, averaged over channels: a proxy of the data's local dimension.

    Args:
        neighbors: neighbours with the axes ``(C, Q, k)`` or ``(Q, k)``.

    Returns:
        A :class:`Measure`; undefined where no channel has neighbours.
    """
    check_type(neighbors, Neighbors, "what nnk_neighbors returns, or channels of such")
    counts = torch.atleast_2d(neighbors.counts).double()
    defined = torch.atleast_2d(neighbors.defined)
    return Measure(counts.sum(0) / defined.sum(0).clamp(min=1), defined.any(0))


def permuted(channels: Neighbors, *, seed: int = 0) -> Neighbors:
    """The same neighbourhoods, but of another query in every channel: the level of chance.

    Sizes stay, and so do points that are everybody's neighbours; what the channels say about one
    and the same image is lost.

    Args:
        channels: neighbours with the axes ``(C, Q, k)``.
        seed: seed of the permutations.
    """
    _check_channels(channels)
    check_whole(seed, "seed", least=0)
    count, queries = channels.defined.shape
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(queries, generator=generator) for _ in range(count)]
    order = torch.stack(orders).to(channels.indices.device)
    rows = torch.arange(count, device=order.device)[:, None]
    return replace(
        channels,
        indices=channels.indices[rows, order],
        weights=channels.weights[rows, order],
        error=channels.error[rows, order],
        defined=channels.defined[rows, order],
    )


def _membership(channels: Neighbors, query: int) -> tuple[Tensor, Tensor]:
    """Which channel has which neighbour, ``(C, neighbours of any)``, and how many there are."""
    active = channels.weights[:, query] > 0
    names, place = channels.indices[:, query][active].unique(return_inverse=True)
    member = torch.zeros(len(active), len(names), dtype=torch.float64, device=active.device)
    member[active.nonzero()[:, 0], place] = 1
    return member, torch.tensor(float(len(names)), dtype=torch.float64, device=active.device)


def _check_channels(channels: Neighbors) -> None:
    check_type(channels, Neighbors, "the channels of channelwise_neighbors")
    if channels.defined.ndim != 2:
        raise ValueError(
            f"the neighbours have axes {tuple(channels.defined.shape)}; expected (C, Q): pass the "
            "channels of channelwise_neighbors"
        )
