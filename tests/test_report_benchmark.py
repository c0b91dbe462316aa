"""The benchmark of the report: what it measures, and that its record is within its limits."""

from __future__ import annotations

import torch

from benchmarks import report as benchmark
from convsim.experiments.record import read_records

GIGABYTE = 1e9


def test_it_measures_a_report_in_batches() -> None:
    settings = benchmark.ReportBenchmarkSettings(model="resnet18", images=5, side=32, batch=2)
    batches = list(benchmark.Noise(settings))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert len(benchmark.Noise(settings)) == 3
    assert all(map(torch.equal, batches, benchmark.Noise(settings)))
    found = benchmark.measure(settings)
    assert found["layers"] == 20
    assert found["seconds"] > 0 and found["kernels_seconds"] > 0 and found["forward_seconds"] > 0
    assert found["bytes"] >= found["model_bytes"] > 1e8


def test_a_large_model_takes_less_than_three_minutes_and_memory_of_one_batch() -> None:
    (record,) = read_records("reportbenchmark")
    assert record.settings == vars(benchmark.ReportBenchmarkSettings())
    assert (record.settings["images"], record.settings["threads"]) == (256, 2)
    assert record.metrics["seconds"] < 180
    grown = record.metrics["bytes"] - record.metrics["model_bytes"]
    # The maps of one layer of all images, 256 channels of 56 x 56, are nearly as much.
    assert grown < 1.2 * GIGABYTE < 2 * 256 * 256 * 56 * 56 * 4
    assert record.metrics["forward_seconds"] < record.metrics["seconds"]
