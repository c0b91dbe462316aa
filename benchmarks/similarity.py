"""Time Convolutional Similarity, forward and backward, against its pairwise definition.

Run with ``python benchmarks/similarity.py``; ``--kernels`` and ``--channels`` set S and C.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from convsim import convolutional_similarity
from convsim.experiments.record import hardware_in_words


def pairwise(weight: Tensor) -> Tensor:
    """Equation 10 with one ``conv2d`` per pair of kernels, all channel pairs at once."""
    total = weight.new_zeros(())
    padding = tuple(n - 1 for n in weight.shape[2:])
    for i in range(len(weight)):
        for j in range(i + 1, len(weight)):
            # (C, 1, …) against (C, 1, …): every channel of one with every channel of the other.
            lags = conv2d(weight[i, :, None], weight[j, :, None], padding=padding)
            total = total + lags.square().sum()
    return total


def seconds(loss: Callable[[Tensor], Tensor], weight: Tensor, repeats: int) -> float:
    """Median time of one forward and backward pass, in seconds."""
    times = []
    for _ in range(repeats):
        weight.grad = None
        start = time.perf_counter()
        loss(weight).backward()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", type=int, default=64, help="S")
    parser.add_argument("--channels", type=int, default=64, help="C")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    weight = torch.randn(arguments.kernels, arguments.channels, 3, 3, requires_grad=True)

    exact, expected = convolutional_similarity(weight), pairwise(weight)
    difference = abs(exact.item() / expected.item() - 1)
    seconds(convolutional_similarity, weight, repeats=20)  # warm up
    linear = seconds(convolutional_similarity, weight, repeats=200)
    quadratic = seconds(pairwise, weight, repeats=1)

    print(f"weight {tuple(weight.shape)}, float32, {hardware_in_words(weight.device)}")
    print(f"pairwise conv2d          {quadratic * 1e3:12.2f} ms   (1 run)")
    print(f"convolutional_similarity {linear * 1e3:12.2f} ms   (median of 200)")
    print(
        f"ratio {quadratic / linear:,.0f}; the two values differ by {difference:.1e} of their size"
    )


if __name__ == "__main__":
    main()
