"""The benchmark of trainings: what it records, and that it compares like with like."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import similarity as loss_benchmark
from benchmarks import training as training_benchmark
from convsim.evidence import costs
from convsim.experiments.record import read_records


def test_training_benchmark_records_times_and_ratios_of_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    options = ["--device", "cpu", "--images", "40", "--width", "4", "--results", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["training.py", *options])
    quick = {"rounds": 2, "iterations": 3}
    measure = training_benchmark.measure
    monkeypatch.setattr(
        training_benchmark, "measure", lambda *args, **given: measure(*args, **given, **quick)
    )
    try:
        training_benchmark.main()
    finally:
        torch.set_num_threads(threads)
    assert read_records("benchmark", tmp_path) == []
    (record,) = read_records("trainingbenchmark", tmp_path)
    assert record.settings == {"device": "cpu", "threads": 2, "images": 40, "width": 4}
    assert record.hardware.endswith("2 threads")
    metrics = record.metrics
    assert metrics["steps"] == 1 and metrics["iterations"] == 3
    assert metrics["epoch_of_50000"] == "40 images, times 1250"
    seconds = metrics["seconds"]
    assert all(min(times) > 0 for times in seconds.values())
    assert len(seconds["fit, float32"]) == 2
    assert len(seconds["one step, float32"]) == 2 * training_benchmark.STEPS
    halves = zip(seconds["fit, bfloat16, as printed"], seconds["fit, bfloat16"], strict=True)
    descent = [a / b for a, b in zip(seconds["Algorithm 1"], seconds["fit, float32"], strict=True)]
    ratios = metrics["ratios"]
    expected = sum(a / b for a, b in halves) / 2
    assert ratios["network as printed / ours, in bfloat16"] == pytest.approx(expected, rel=1e-5)
    assert ratios["Algorithm 1 / epoch of 50,000 images"] == pytest.approx(
        sum(descent) / 2 / 1250, rel=1e-5
    )
    assert all(ratio > 0 for ratio in ratios.values()) and len(ratios) == 6
    for operators in metrics["profile"].values():
        assert list(operators.values()) == sorted(operators.values(), reverse=True)
        assert operators["aten::convolution_backward"] > 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in [*seconds, *ratios])


def test_training_benchmark_compares_the_same_training() -> None:
    images = training_benchmark.synthetic(6)
    pictures = training_benchmark.Pictures(images)
    for i, normalised in enumerate(images.normalized(slice(None))):
        picture, label = pictures[i]
        torch.testing.assert_close(picture, normalised.contiguous(), rtol=1e-5, atol=1e-5)
        assert label == images.labels[i]


def test_the_benchmark_of_penalties_makes_the_books_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = {"SQUARE": (4, 8), "OF_PENALTIES": (64, 128, 256)}
    for name, value in quick.items():
        monkeypatch.setattr(loss_benchmark, name, value)
    few = {name: loss_benchmark.OF_WEIGHTS[name] for name in ("SRIP", "L_CS")}
    monkeypatch.setattr(loss_benchmark, "OF_WEIGHTS", few)
    options = ["--penalties", "--device", "cpu", "--results", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["similarity.py", *options])
    loss_benchmark.main()
    assert "SRIP: S = C = 4: " in capsys.readouterr().out
    (record,) = read_records("penaltybenchmark", tmp_path)
    found = record.metrics["penalties"]
    assert list(found) == ["SRIP", "L_CS"]
    for row in found.values():
        assert min(*row["square_ms"].values(), row["resnet18_ms"]) > 0
        for axis in ("S", "C"):
            growth = row["growth"][axis]
            assert growth["sizes"] == [64, 128, 256] and len(growth["median_ms"]) == 3
    table = costs.penalty_cost_table(folder=tmp_path)
    assert [row[0] for row in table.rows] == ["SRIP", "L_CS"]
    assert table.rows[0][1] == f"{found['SRIP']['square_ms']['4']:.3g}"
    assert table.rows[1][-1] == f"{found['L_CS']['resnet18_ms']:,.0f}"
    assert "from 64 to 256 kernels" in table.caption
    with pytest.raises(ValueError, match="no record of penaltybenchmark .*similarity.py --pen"):
        costs.penalty_cost_table(folder=tmp_path / "nowhere")
