"""Time NNK neighbourhoods, channel by channel, against a plain loop over ``scipy.optimize.nnls``.

``make bench`` runs it and writes a record. All times of a record come from one run, in which the
variants take turns; only their ratios mean much elsewhere.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor
from tqdm.auto import tqdm

from convsim.experiments.record import RESULTS, write_record
from convsim.neighborhoods.neighbors import nnk_neighbors
from convsim.neighborhoods.nnk import kernel_values, weights_of_kernel_values
from convsim.neighborhoods.nonnegative import nonnegative_least_squares
from convsim.neighborhoods.overlap import channelwise_neighbors

NAME = "overlapbenchmark"
THREADS = 2


@dataclass(frozen=True)
class OverlapBenchmarkSettings:
    """What identifies a run of the benchmark; the maps have the size of CNN1's third layer."""

    points: int = 10_000
    queries: int = 1000
    channels: int = 64
    k: int = 25
    side: int = 11
    threads: int = THREADS


def synthetic(points: int, channels: int, side: int) -> Tensor:
    """Maps with about twenty degrees of freedom, for in noise no point would hide another."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(points, 20, generator=generator)
    mixing = torch.randn(20, channels * side * side, generator=generator)
    return (hidden @ mixing).relu_().view(points, channels, side, side)


def loop_from_scratch(points: np.ndarray, queries: int, k: int) -> np.ndarray:
    """NNK as its definition reads: one query after the other, distances to all points first."""
    weights = np.zeros((queries, k))
    for query in range(queries):
        squares = ((points - points[query]) ** 2).sum(1)
        squares[query] = np.inf
        nearest = np.argsort(squares, kind="stable")[:k]
        weights[query] = _solve(points[nearest], points[query])
    return weights


def loop_over_solutions(points: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The same with neighbours that are known: kernel, factor and solution query by query."""
    return np.stack([_solve(points[near], points[query]) for query, near in enumerate(indices)])


def _solve(candidates: np.ndarray, query: np.ndarray) -> np.ndarray:
    differences = (candidates - query).astype(np.float64)
    products = differences @ differences.T
    squares = products.diagonal()
    scale = 4.5 / squares.max()  # 1 / 2σ² with σ a third of the largest distance
    gram = np.exp(-scale * (squares[:, None] + squares[None] - 2 * products).clip(0))
    factor = np.linalg.cholesky(gram)
    return nnls(factor.T, np.linalg.solve(factor, np.exp(-scale * squares)))[0]


def measure(settings: OverlapBenchmarkSettings, *, rounds: int = 5) -> dict[str, Any]:
    """Times of all variants for one channel, their ratios, and the time of a whole layer."""
    maps = synthetic(settings.points, settings.channels, settings.side)
    asked = torch.arange(settings.queries)
    one = maps[:, 0].flatten(1).contiguous()
    array = one.numpy()
    found = nnk_neighbors(one, asked, settings.k)
    indices = found.indices.numpy()
    gram, target = kernel_values(one, one[asked], found.indices, "gaussian", None)
    factors = np.linalg.cholesky(gram.numpy())
    reached = [np.linalg.solve(f, t) for f, t in zip(factors, target.numpy(), strict=True)]
    results: dict[str, np.ndarray] = {}

    def timed(name: str, run: Callable[[], Any]) -> float:
        started = time.perf_counter()
        got = run()
        seconds = time.perf_counter() - started
        results[name] = np.asarray(getattr(got, "weights", got))
        return seconds

    variants: dict[str, Callable[[], Any]] = {
        "loop from scratch": lambda: loop_from_scratch(array, settings.queries, settings.k),
        "nnk_neighbors": lambda: nnk_neighbors(one, asked, settings.k),
        "loop, neighbours known": lambda: loop_over_solutions(array, indices),
        "ours, neighbours known": lambda: weights_of_kernel_values(
            *kernel_values(one, one[asked], found.indices, "gaussian", None)
        ),
        "loop over nnls alone": lambda: [
            nnls(f.T, b)[0] for f, b in zip(factors, reached, strict=True)
        ],
        "nonnegative_least_squares": lambda: nonnegative_least_squares(gram, target),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in tqdm(range(rounds), unit="round"):
        for name, run in variants.items():
            seconds[name].append(timed(name, run))
    whole = timed("layer", lambda: channelwise_neighbors(maps, asked, settings.k).channels)
    names = list(variants)
    pairs = [names[i : i + 2] for i in range(0, len(names), 2)]
    return {
        "layer_seconds": whole,
        "neighbours": float((found.weights > 0).sum(1).double().mean()),
        "largest_difference": max(
            float(abs(results[name] - found.weights.numpy()).max()) for name in variants
        ),
        "seconds": seconds,
        "median_seconds": {name: statistics.median(times) for name, times in seconds.items()},
        "ratios": {
            f"{slow} / {fast}": statistics.median(
                a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)
            )
            for slow, fast in pairs
        },
    }


def report(metrics: dict[str, Any]) -> str:
    """Medians and ratios, a line each."""
    lines = [f"{name:<56}{value:9.4f} s" for name, value in metrics["median_seconds"].items()]
    lines += [f"{name:<56}{value:9.2f}" for name, value in metrics["ratios"].items()]
    lines.append(
        f"{'a layer, all channels and the aggregate':<56}{metrics['layer_seconds']:9.1f} s"
    )
    lines.append(f"largest difference of a weight: {metrics['largest_difference']:.1e}")
    return "\n".join([*lines, f"neighbours of a query: {metrics['neighbours']:.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    settings = OverlapBenchmarkSettings()
    started = datetime.now(timezone.utc)
    metrics = measure(settings)
    print(report(metrics))
    path = write_record(
        NAME,
        settings,
        metrics,
        data="random maps with twenty degrees of freedom, seed 0",
        started=started,
        folder=arguments.results,
    )
    print(f"recorded in {path}")


if __name__ == "__main__":
    main()
