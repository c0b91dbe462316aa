"""Time an epoch of CNN1: against the usual loop of tutorials and the network as it is printed, with
L_CS, and against Algorithm 1.

``make bench`` runs it and writes a record. All times of a record come from one run, in which the
variants take turns, so that a machine that slows down slows all of them; only their ratios mean
much elsewhere.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from tqdm.auto import tqdm

from convsim.data import Images
from convsim.experiments.record import RESULTS, write_record
from convsim.models import ShallowCNN
from convsim.training import fit, minimize_similarity

NAME = "trainingbenchmark"  # not benchmark-…, which is that of the loss
EPOCH = 50_000  # images of CIFAR-10's training part
BATCH, LR, BETA = 512, 0.01, 1e-3
STEPS = 5  # with and without beta, by turns, in a round
THREADS = 2
LOADER, OURS, SHORT = "DataLoader, float32", "fit, float32", "fit, bfloat16"
PRINTED, PRINTED_SHORT = "fit, float32, as printed", "fit, bfloat16, as printed"
STEP, REGULARISED = "one step, float32", "one step, float32, beta 0.001"


@dataclass(frozen=True)
class TrainingBenchmarkSettings:
    """What identifies a run of the benchmark."""

    device: str
    threads: int
    images: int
    width: int = 64


def synthetic(count: int) -> Images:
    """Random images of CIFAR-10's size: their values do not change the time."""
    generator = torch.Generator().manual_seed(0)
    return Images(
        pixels=torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8),
        labels=torch.randint(10, (count,), generator=generator),
        mean=torch.full((1, 3, 1, 1), 127.5),
        std=torch.full((1, 3, 1, 1), 73.9),
        classes=tuple(map(str, range(10))),
        source="random images",
    )


class Pictures(Dataset[Any]):
    """Images as torchvision's CIFAR10 gives them: an array, a PIL image, a transformed tensor."""

    def __init__(self, images: Images) -> None:
        self.data = images.pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self.targets = images.labels.tolist()
        mean, std = ((x.flatten() / 255).tolist() for x in (images.mean, images.std))
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(mean, std)]
        )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture: np.ndarray = self.data[index]
        return self.transform(Image.fromarray(picture)), self.targets[index]


def as_printed(width: int) -> nn.Module:
    """The network line by line as in Table 4, all gradients included: what ``fit`` once trained."""
    channels = [3, width, width, width, width]
    blocks = (
        nn.Sequential(
            nn.Conv2d(before, after, kernel_size=3, padding=2),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, inplace=True),
            nn.MaxPool2d(2),
        )
        for before, after in zip(channels[:-1], channels[1:], strict=True)
    )
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(width * 9, 10))


def usual_epoch(model: nn.Module, loader: DataLoader[Any]) -> float:
    """Seconds of one epoch as a tutorial writes it."""
    device = next(model.parameters()).device
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    model.train()
    started = time.perf_counter()
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    _wait(device)
    return time.perf_counter() - started


def our_epoch(
    model: nn.Module, images: Images, *, beta: float = 0.0, precision: str = "float32"
) -> float:
    """Seconds of one epoch of :func:`convsim.training.fit`, without its evaluation."""
    (epoch,) = fit(
        model,
        images,
        images.subset(slice(0, 2)),
        epochs=1,
        lr=LR,
        batch_size=BATCH,
        beta=beta,
        precision=precision,
        progress=False,
    )
    return epoch.seconds


def algorithm_1(model: nn.Module, iterations: int) -> float:
    """Seconds of the descent on L_CS before training."""
    device = next(model.parameters()).device
    started = time.perf_counter()
    minimize_similarity(model, iterations=iterations)
    _wait(device)
    return time.perf_counter() - started


def measure(
    device: torch.device, count: int, *, width: int = 64, rounds: int = 5, iterations: int = 500
) -> dict[str, Any]:
    """Times of all variants, round by round, and the medians of their ratios."""
    images = synthetic(count)
    loader = DataLoader(Pictures(images), batch_size=BATCH, shuffle=True, num_workers=2)
    images = images.to(device)

    def network(kind: Callable[[int], nn.Module] = ShallowCNN) -> nn.Module:
        torch.manual_seed(0)
        return kind(width).to(device)

    variants: dict[str, Callable[[], float]] = {
        LOADER: lambda: usual_epoch(network(), loader),
        PRINTED: lambda: our_epoch(network(as_printed), images),
        OURS: lambda: our_epoch(network(), images),
        PRINTED_SHORT: lambda: our_epoch(network(as_printed), images, precision="bfloat16"),
        SHORT: lambda: our_epoch(network(), images, precision="bfloat16"),
        "Algorithm 1": lambda: algorithm_1(network(), iterations),
    }
    first = images.subset(slice(0, BATCH))
    for precision in ("float32", "bfloat16"):  # to warm up
        our_epoch(network(), first, beta=BETA, precision=precision)
    steps: dict[str, Callable[[], float]] = {
        STEP: lambda: our_epoch(network(), first),
        REGULARISED: lambda: our_epoch(network(), first, beta=BETA),
    }
    seconds: dict[str, list[float]] = {name: [] for name in [*variants, *steps]}
    for _ in tqdm(range(rounds), unit="round"):
        for name, run in variants.items():
            seconds[name].append(run())
        for name, run in [*steps.items()] * STEPS:
            seconds[name].append(run())
    share = EPOCH / count
    batch = images.subset(slice(0, BATCH))
    return {
        "batch_size": BATCH,
        "steps": math.ceil(count / BATCH),
        "iterations": iterations,
        "seconds": seconds,
        "median_seconds": {name: statistics.median(times) for name, times in seconds.items()},
        "profile": {
            "as printed": profiled(network(as_printed), batch),
            "ours": profiled(network(), batch),
        },
        "ratios": {
            "DataLoader / fit": _ratio(seconds[LOADER], seconds[OURS]),
            "DataLoader / fit in bfloat16": _ratio(seconds[LOADER], seconds[SHORT]),
            "network as printed / ours": _ratio(seconds[PRINTED], seconds[OURS]),
            "network as printed / ours, in bfloat16": _ratio(
                seconds[PRINTED_SHORT], seconds[SHORT]
            ),
            # Of the fastest: the difference is small, and other work on the machine only adds.
            "step with beta / without": min(seconds[REGULARISED]) / min(seconds[STEP]),
            "Algorithm 1 / epoch of 50,000 images": _ratio(seconds["Algorithm 1"], seconds[OURS])
            / share,
        },
        "epoch_of_50000": "measured" if count == EPOCH else f"{count} images, times {share:g}",
    }


def profiled(model: nn.Module, batch: Images) -> dict[str, float]:
    """Milliseconds that each of PyTorch's operators takes by itself in a step, longest first."""
    our_epoch(model, batch, precision="bfloat16")  # to warm up
    with torch.profiler.profile() as profile:
        our_epoch(model, batch, precision="bfloat16")
    times = {row.key: row.self_cpu_time_total / 1000 for row in profile.key_averages()}
    of_operators = {key: round(ms, 2) for key, ms in times.items() if key.startswith("aten::")}
    return dict(sorted(of_operators.items(), key=lambda item: -item[1]))


def _ratio(above: list[float], below: list[float]) -> float:
    """Median over the rounds: each compares times that lie close together."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def report(metrics: dict[str, Any]) -> str:
    """Medians and ratios, a line each."""
    lines = [f"{name:<38}{value:10.2f} s" for name, value in metrics["median_seconds"].items()]
    lines += [f"{name:<38}{value:10.2f}" for name, value in metrics["ratios"].items()]
    return "\n".join([*lines, f"epoch of 50,000 images: {metrics['epoch_of_50000']}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--images", type=int, help="by default 50,000, and 5,000 on a CPU")
    parser.add_argument("--width", type=int, default=64, help="of the network; 64 is CNN1")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    images = arguments.images or (EPOCH // 10 if device.type == "cpu" else EPOCH)
    torch.set_num_threads(THREADS)
    started = datetime.now(timezone.utc)
    metrics = measure(device, images, width=arguments.width)
    print(report(metrics))
    path = write_record(
        NAME,
        TrainingBenchmarkSettings(device.type, THREADS, images, arguments.width),
        metrics,
        data="random images of 32 × 32 pixels, seed 0",
        started=started,
        device=device,
        folder=arguments.results,
    )
    print(f"recorded in {path}")


if __name__ == "__main__":
    main()
