"""Time Convolutional Similarity, forward and backward, against everything it could be.

``make bench`` runs the whole grid and writes the record that the book shows; with ``--quick`` only
the small shapes run, and nothing is written. With ``--penalties`` it times the penalties of others
instead, and records that.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.models import resnet18
from tqdm.auto import tqdm

from convsim import convolutional_similarity, cross_correlate, model_similarity
from convsim.experiments.record import RESULTS, write_record
from convsim.layers import convolutional_layers
from convsim.penalties import OF_WEIGHTS, ocnn
from convsim.spectrum import sum_over_pairs

# (S, C, N): widths at 3 × 3, kernel sizes at 64 × 64, and a first layer with large kernels.
GRID = (
    *((s, s, 3) for s in (4, 8, 16, 32, 64, 128, 256, 512)),
    *((64, 64, n) for n in (1, 5, 7, 9, 11)),
    (64, 3, 11),
)
DECADE, OTHER = (256, 512, 1024, 2560), 128
SQUARE, OF_PENALTIES = (16, 64, 256, 512), (64, 128, 256, 512)  # OCNN takes seconds beyond
Loss = Callable[[Tensor], Tensor]


def weight_decay(weight: Tensor) -> Tensor:
    return (weight * weight).sum()


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


def loops(weight: Tensor) -> Tensor:
    """Equation 10 as it reads: four sums, one correlation each."""
    kernels, channels = weight.shape[:2]
    total = weight.new_zeros(())
    for i in range(kernels):
        for j in range(i + 1, kernels):
            for c1 in range(channels):
                for c2 in range(channels):
                    lags = cross_correlate(weight[i, c1], weight[j, c2], dims=2)
                    total = total + lags.square().sum()
    return total


@dataclass(frozen=True)
class Form:
    """A loss, and the shapes (S, C, N) for which it is worth waiting."""

    loss: Loss
    applies: Callable[[int, int, int], bool]


FORMS = {
    "weight decay": Form(weight_decay, lambda s, c, n: True),
    "convolutional_similarity": Form(convolutional_similarity, lambda s, c, n: True),
    "Gram matrix": Form(lambda w: sum_over_pairs(w, "gram"), lambda s, c, n: True),
    "FFT": Form(lambda w: sum_over_pairs(w, "fft"), lambda s, c, n: True),
    "OCNN": Form(ocnn, lambda s, c, n: s * s * c * n**4 < 2e9),
    "pairwise conv2d": Form(pairwise, lambda s, c, n: s * c <= 64 * 64 and n <= 3),
    "loops": Form(loops, lambda s, c, n: s * c <= 8 * 8 and n <= 3),
}


@dataclass(frozen=True)
class BenchmarkSettings:
    """What identifies a run of the benchmark."""

    device: str
    threads: int
    dtype: str = "float32"


def seconds(step: Callable[[], Any], device: torch.device) -> list[float]:
    """Durations of repeated steps: many of a short one, one of a very long one."""
    durations: list[float] = []
    while len(durations) < 3 or (sum(durations) < 1.0 and len(durations) < 500):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        durations.append(time.perf_counter() - start)
        if durations[0] > 2.0:
            break
    warm_up = min(10, len(durations) // 3)
    return durations[warm_up:]


def forward_backward(loss: Loss, weight: Tensor) -> Callable[[], None]:
    def step() -> None:
        weight.grad = None
        loss(weight).backward()

    return step


def random_weight(s: int, c: int, n: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(s, c, n, n, generator=generator).to(device).requires_grad_()


def peak_extra_bytes(loss: Loss, weight: Tensor) -> int:
    """Most memory held at once by a forward and backward pass, beside the weight itself."""
    step = forward_backward(loss, weight)
    step()
    weight.grad = None
    if weight.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        step()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def growth(
    axis: str,
    device: torch.device,
    loss: Loss = convolutional_similarity,
    sizes: tuple[int, ...] = DECADE,
) -> dict[str, Any]:
    """Medians over a decade of S, or of C, and the slope of log time against log size.

    The cost of a call, taken from a layer too small to need any arithmetic, is subtracted first.
    """

    def times(s: int, c: int) -> list[float]:
        step = forward_backward(loss, random_weight(s, c, 3, device))
        return [1e3 * each for each in seconds(step, device)]

    call = min(times(4, 4))  # the least: what a call costs at any rate
    shapes = [(size, OTHER) if axis == "S" else (OTHER, size) for size in sizes]
    medians = [statistics.median(times(*shape)) for shape in shapes]
    slope = np.polyfit(np.log(sizes), np.log(np.array(medians) - call), 1)[0]
    return {"sizes": list(sizes), "median_ms": medians, "call_ms": call, "exponent": float(slope)}


def measure(device: torch.device, grid: tuple[tuple[int, int, int], ...]) -> dict[str, Any]:
    """Medians in milliseconds, peak memory, exponents, and a whole ResNet-18."""
    times, memory = [], []
    for s, c, n in tqdm(grid, unit="shape"):
        weight = random_weight(s, c, n, device)
        for name, form in FORMS.items():
            if form.applies(s, c, n):
                durations = seconds(forward_backward(form.loss, weight), device)
                times.append(
                    {
                        "form": name,
                        "shape": [s, c, n],
                        "median_ms": 1e3 * statistics.median(durations),
                        "repeats": len(durations),
                    }
                )
        memory.append(
            {
                "shape": [s, c, n],
                "weight_bytes": weight.nbytes,
                "gram_bytes": 4 * s * n**4,
                "peak_extra_bytes": peak_extra_bytes(convolutional_similarity, weight),
            }
        )
    network = resnet18().to(device)
    whole = seconds(lambda: model_similarity(network).backward(), device)
    return {
        "times": times,
        "memory": memory,
        "growth": {axis: growth(axis, device) for axis in ("S", "C")},
        "resnet18_ms": 1e3 * statistics.median(whole),
    }


def measure_penalties(device: torch.device) -> dict[str, Any]:
    """Of every penalty on a weight: medians in milliseconds, exponents, and a whole ResNet-18."""
    network = resnet18().to(device)
    found = {}
    for name, penalty in tqdm(OF_WEIGHTS.items(), unit="penalty"):
        square = {
            s: seconds(forward_backward(penalty, random_weight(s, s, 3, device)), device)
            for s in SQUARE
        }
        whole = seconds(partial(_backward_of_all, penalty, network), device)
        found[name] = {
            "square_ms": {str(s): 1e3 * statistics.median(of) for s, of in square.items()},
            "growth": {axis: growth(axis, device, penalty, OF_PENALTIES) for axis in ("S", "C")},
            "resnet18_ms": 1e3 * statistics.median(whole),
        }
    return {"penalties": found}


def _backward_of_all(penalty: Loss, model: nn.Module) -> None:
    values = [penalty(layer.weight) for _, layer in convolutional_layers(model)]
    torch.stack(values).sum().backward()


def report(metrics: dict[str, Any]) -> str:
    """Medians as a table, one line a shape, and the ratios to weight decay."""
    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in metrics["times"]))
    cells = {(row["form"], tuple(row["shape"])): row["median_ms"] for row in metrics["times"]}
    lines = ["(S, C, N)".ljust(16) + "".join(name[:16].rjust(18) for name in FORMS)]
    for shape in shapes:
        values = (cells.get((name, shape)) for name in FORMS)
        cell = ("-" if value is None else f"{value:.3f} ms" for value in values)
        ratio = cells["convolutional_similarity", shape] / cells["weight decay", shape]
        lines.append(
            str(shape).ljust(16) + "".join(c.rjust(18) for c in cell) + f"   × {ratio:.2f}"
        )
    if "growth" in metrics:
        slopes = {axis: metrics["growth"][axis]["exponent"] for axis in ("S", "C")}
        lines.append(
            f"exponent in S {slopes['S']:.2f}, in C {slopes['C']:.2f}; "
            f"model_similarity of a ResNet-18: {metrics['resnet18_ms']:.1f} ms"
        )
    return "\n".join(lines)


def report_penalties(metrics: dict[str, Any]) -> str:
    """A line a penalty."""
    lines = []
    for name, row in metrics["penalties"].items():
        times = ", ".join(f"{s}: {ms:.2f} ms" for s, ms in row["square_ms"].items())
        slopes = {axis: row["growth"][axis]["exponent"] for axis in ("S", "C")}
        lines.append(
            f"{name}: S = C = {times}; exponent in S {slopes['S']:.2f}, in C {slopes['C']:.2f}; "
            f"ResNet-18 {row['resnet18_ms']:.1f} ms"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    parser.add_argument("--quick", action="store_true", help="small shapes only, no record")
    parser.add_argument("--penalties", action="store_true", help="time those of others instead")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    started = datetime.now(timezone.utc)
    if arguments.quick:
        print(report(measure(device, GRID[:4])))
        return
    if arguments.penalties:
        name, metrics = "penaltybenchmark", measure_penalties(device)
        print(report_penalties(metrics))
    else:
        name, metrics = "benchmark", measure(device, GRID)
        print(report(metrics))
    path = write_record(
        name,
        BenchmarkSettings(device.type, torch.get_num_threads()),
        metrics,
        data="random weights from N(0, 1), seed 0",
        started=started,
        device=device,
        folder=arguments.results,
    )
    print(f"recorded in {path}")


if __name__ == "__main__":
    main()
