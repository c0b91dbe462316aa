"""Time a report on torchvision's ResNet-50 with 256 images, and measure the memory it takes.

``make bench`` runs it and writes a record. The images are noise: what they show changes no time.
The memory is the peak of the process, less what it had with model and images loaded.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models import get_model

from convsim import redundancy_report
from convsim.experiments.record import RESULTS, write_record

NAME = "reportbenchmark"


@dataclass(frozen=True)
class ReportBenchmarkSettings:
    """What identifies a run of the benchmark."""

    model: str = "resnet50"
    images: int = 256
    side: int = 224
    batch: int = 16
    threads: int = 2


class Noise:
    """Batches that are drawn one at a time, so that they take no memory together."""

    def __init__(self, settings: ReportBenchmarkSettings) -> None:
        self.settings = settings

    def __len__(self) -> int:
        return -(-self.settings.images // self.settings.batch)

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(0)
        for first in range(0, self.settings.images, self.settings.batch):
            count = min(self.settings.batch, self.settings.images - first)
            yield torch.randn(count, 3, self.settings.side, self.settings.side, generator=generator)


def peak() -> float:
    """The most memory that this process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(settings: ReportBenchmarkSettings) -> dict[str, Any]:
    """Seconds of the report without images and with them, and bytes of memory."""
    torch.manual_seed(0)
    model = get_model(settings.model, weights=None).eval()
    images = Noise(settings)
    with torch.no_grad():
        model(next(iter(images)))
    before = peak()
    started = time.perf_counter()
    kernels = redundancy_report(model)
    of_kernels = time.perf_counter() - started
    report = redundancy_report(model, images, progress=True)
    total = time.perf_counter() - started - of_kernels
    started = time.perf_counter()
    with torch.no_grad():
        for batch in images:
            model(batch)
    return {
        "layers": len(report.layers),
        "kernels_seconds": of_kernels,
        "seconds": total,
        "forward_seconds": time.perf_counter() - started,
        "model_bytes": before,
        "bytes": peak(),
        "total_similarity": kernels.total_similarity,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    arguments = parser.parse_args()
    settings = ReportBenchmarkSettings()
    torch.set_num_threads(settings.threads)
    started = datetime.now(timezone.utc)
    metrics = measure(settings)
    for name, value in metrics.items():
        print(f"{name:<20}{value:12.4g}")
    path = write_record(
        NAME,
        settings,
        metrics,
        data="noise of unit variance, seed 0",
        started=started,
        folder=arguments.results,
    )
    print(f"recorded in {path}")


if __name__ == "__main__":
    main()
