"""What the loss and trainings cost, from made-up records and from the book's benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from convsim.evidence import costs
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import read_records
from convsim.figures import COLORS, SYMBOLS
from tests.made_up import COPY, save, save_training

BASELINE = TrainingSettings("baseline", epochs=3, data=COPY)
OURS = "convolutional_similarity"


@dataclass(frozen=True)
class BenchmarkSettings:
    device: str = "cpu"
    threads: int = 2
    dtype: str = "float32"


@dataclass(frozen=True)
class TrainingBenchmarkSettings:
    images: int = 5000
    width: int = 64
    device: str = "cpu"


def loss_metrics() -> dict[str, Any]:
    """Ours takes a tenth longer than weight decay, and pairwise correlations 5,000 times as long;
    these are not timed above a width of 64."""
    times = []
    for s, decay in ((64, 0.5), (128, 1.0), (256, 2.0), (512, 4.0)):
        for form, ratio in (("weight decay", 1.0), (OURS, 1.1), ("pairwise conv2d", 5000.0)):
            if s == 64 or form != "pairwise conv2d":
                times.append({"form": form, "shape": [s, s, 3], "median_ms": ratio * decay})
    times.append({"form": OURS, "shape": [64, 64, 5], "median_ms": 77.0})
    times.append({"form": "weight decay", "shape": [64, 64, 5], "median_ms": 7.0})
    times.append({"form": OURS, "shape": [64, 3, 3], "median_ms": 88.0})
    times.append({"form": OURS, "shape": [3, 64, 3], "median_ms": 99.0})
    memory = [
        {"shape": [64, 64, 3], "peak_extra_bytes": 900, "gram_bytes": 100, "weight_bytes": 500},
        {"shape": [128, 128, 3], "peak_extra_bytes": 0, "gram_bytes": 100, "weight_bytes": 500},
    ]
    growth = {"S": {"exponent": 1.0149}, "C": {"exponent": 0.896}}
    return {"times": times, "memory": memory, "growth": growth, "resnet18_ms": 12.349}


def test_forms_are_multiples_of_weight_decay(tmp_path: Path) -> None:
    save(tmp_path, "benchmark", BenchmarkSettings(), loss_metrics())
    save(tmp_path, "benchmark", BenchmarkSettings(device="cuda"), {"times": []})
    table = costs.loss_table(folder=tmp_path)
    assert table.columns == (
        *(("", "weight"), ("weight decay", "ms")),
        *(("times weight decay", OURS), ("times weight decay", "pairwise conv2d")),
        ("memory", "× weight"),
    )
    assert table.rows == (
        ("64 × 64 × 3 × 3", "0.500", "1.1", "5e+03", "1.6"),
        ("128 × 128 × 3 × 3", "1.000", "1.1", "–", "0.0"),
    )
    assert table.source.startswith(
        "float32, a machine; torch 9.8.7; recorded 2026-02-03 by make bench."
    )


def test_the_headline_numbers_are_ratios_of_one_record(tmp_path: Path) -> None:
    save(tmp_path, "benchmark", BenchmarkSettings(), loss_metrics())
    assert costs.loss_summary(folder=tmp_path) == {
        "times faster than pairwise conv2d, S = C = 64": 4545,
        "times weight decay, S = C = 128": 1.1,
        "times weight decay, S = C = 256": 1.1,
        "times weight decay, S = C = 512": 1.1,
        "exponent in S": 1.01,
        "exponent in C": 0.9,
        "ms for a ResNet-18": 12.3,
    }


def test_square_layers_of_3_by_3_kernels_are_drawn(tmp_path: Path) -> None:
    save(tmp_path, "benchmark", BenchmarkSettings(), loss_metrics())
    figure = costs.loss_figure(folder=tmp_path)
    lines = {line.name: line for line in figure.data}
    assert list(lines) == ["weight decay", OURS, "pairwise conv2d"]
    assert list(lines[OURS].x) == [64, 128, 256, 512]
    assert list(lines[OURS].y) == [0.55, 1.1, 2.2, 4.4]
    assert list(lines["pairwise conv2d"].x) == [64]
    assert lines[OURS].line.color == COLORS[1] and lines[OURS].marker.symbol == SYMBOLS[1]
    assert {line.line.dash for line in figure.data} == {"solid"}
    assert {line.mode for line in figure.data} == {"lines+markers"}
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert figure.layout.xaxis.title.text == "S = C, 3 × 3 kernels"
    assert figure.layout.yaxis.title.text == "forward + backward, ms"
    assert figure.layout.yaxis.exponentformat == "power" and figure.layout.height == 440
    alt = figure.layout.meta["alt"]
    assert f"{OURS} 4.4 ms at 512; pairwise conv2d 2.5e+03 ms at 64." in alt


def test_a_seventh_form_has_another_dash_and_colours_start_again(tmp_path: Path) -> None:
    times = [{"form": f"form {n}", "shape": [8, 8, 3], "median_ms": 1.0 + n} for n in range(8)]
    save(tmp_path, "benchmark", BenchmarkSettings(), loss_metrics() | {"times": times})
    lines = costs.loss_figure(folder=tmp_path).data
    assert [line.line.dash for line in lines] == ["solid"] * 6 + ["dot"] * 2
    assert lines[7].line.color == COLORS[1] and lines[7].marker.symbol == SYMBOLS[1]


def test_of_two_benchmarks_the_latest_counts(tmp_path: Path) -> None:
    old = loss_metrics() | {"resnet18_ms": 99.0}
    for threads, started, metrics in ((1, "2026-01-01", old), (2, "2026-03-01", loss_metrics())):
        settings = BenchmarkSettings(threads=threads)
        save(tmp_path, "benchmark", settings, metrics, started=started)
    assert costs.loss_summary(folder=tmp_path)["ms for a ResNet-18"] == 12.3
    settings = BenchmarkSettings(threads=4)
    save(tmp_path, "benchmark", settings, old, started="2026-04-01")
    assert costs.loss_summary(folder=tmp_path)["ms for a ResNet-18"] == 99.0


@pytest.mark.parametrize("show", [costs.loss_table, costs.loss_summary, costs.loss_figure])
def test_no_benchmark_of_the_loss_is_an_error(show, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no record of benchmark with {'device': 'cpu'} lies in"):
        show(folder=tmp_path)


def test_benchmark_ratios_stand_a_column_a_record(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no benchmark of training is recorded .* `make bench`"):
        costs.training_table(folder=tmp_path)
    metrics = {"ratios": {"DataLoader / fit": 1.2345, "step with beta / without": 1.01}}
    save(tmp_path, "trainingbenchmark", TrainingBenchmarkSettings(), metrics, hardware="A")
    settings = TrainingBenchmarkSettings(images=70)
    other = {"ratios": {"step with beta / without": 3.0, "DataLoader / fit": 2.0}}
    save(tmp_path, "trainingbenchmark", settings, other, hardware="B")
    table = costs.training_table(folder=tmp_path)
    columns = [name for _, name in table.columns]
    assert sorted(columns[1:]) == ["A", "B"] and columns[0] == "ratio of times"
    cells = {row[0]: dict(zip(columns, row, strict=True)) for row in table.rows}
    assert cells["DataLoader / fit"]["A"] == "1.23" and cells["DataLoader / fit"]["B"] == "2"
    assert cells["step with beta / without"]["B"] == "3"
    assert "A: 5,000 random images, torch 9.8.7, recorded 2026-02-03 by make bench" in table.source
    assert "B: 70 random images" in table.source
    assert table.caption.startswith("CNN1, one epoch with batches of 512:")


def test_benchmarks_of_other_networks_are_not_called_cnn1(tmp_path: Path) -> None:
    metrics = {"ratios": {"a": 1.0}, "profile": {"as printed": {"a": 1.0}, "ours": {}}}
    save(tmp_path, "trainingbenchmark", TrainingBenchmarkSettings(width=8), metrics)
    assert costs.training_table(folder=tmp_path).caption.startswith("width 8, one epoch")
    assert costs.profile_table(folder=tmp_path).caption.startswith("width 8, one step")


def test_a_profile_names_the_longest_operators_and_sums_the_rest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no benchmark of training is recorded"):
        costs.profile_table(folder=tmp_path)
    printed = {"aten::convolution_backward": 500.0, "aten::fill_": 40.0, "aten::add": 6.0}
    ours = {"aten::fill_": 30.0, "aten::convolution_backward": 90.0, "aten::pad": 3.0}
    metrics = {"profile": {"as printed": printed, "ours": ours}}
    save(tmp_path, "trainingbenchmark", TrainingBenchmarkSettings(), metrics)
    old = {"profile": {"as printed": {"aten::old": 1.0}, "ours": {}}}
    settings = TrainingBenchmarkSettings(images=70)
    save(tmp_path, "trainingbenchmark", settings, old, started="2025-01-01", hardware="old")
    table = costs.profile_table(2, folder=tmp_path)
    assert table.rows == (
        ("convolution_backward", "500", "90"),
        ("fill_", "40", "30"),
        ("all others", "6", "3"),
        ("together", "546", "123"),
    )
    assert table.source == "a machine, torch 9.8.7, recorded 2026-02-03 by make bench"
    assert table.columns == (
        ("", "operator"),
        *(("one step, ms", "as printed"), ("one step, ms", "ours")),
    )
    # An operator that ours does without took no time.
    assert costs.profile_table(3, folder=tmp_path).rows[2] == ("add", "6", "0")
    assert len(costs.profile_table(folder=tmp_path).rows) == 3 + 2


def test_six_operators_are_named_unless_more_are_asked_for(tmp_path: Path) -> None:
    printed = {f"aten::{n}": 100.0 - n for n in range(9)}
    metrics = {"profile": {"as printed": printed, "ours": printed}}
    save(tmp_path, "trainingbenchmark", TrainingBenchmarkSettings(), metrics)
    assert [row[0] for row in costs.profile_table(folder=tmp_path).rows] == [
        *"012345",
        *("all others", "together"),
    ]


def test_epochs_are_compared_with_the_baselines(tmp_path: Path) -> None:
    for condition, seconds in {"baseline": [4.0, 9.0, 5.0], "init": [10.0, 2.0, 10.0]}.items():
        settings = replace(BASELINE, condition=condition)
        save_training(tmp_path, settings, 70.0)
        (record,) = (
            r for r in read_records("table5", tmp_path) if r.settings["condition"] == condition
        )
        metrics = record.metrics | {"initialisation_seconds": 1.25}
        metrics["epochs"]["seconds"] = seconds
        save(tmp_path, "table5", settings, metrics)
    table = costs.cost_table(folder=tmp_path)
    assert table.rows == (
        ("baseline", "1.2", "5.00", "+0.00", "+0 %"),
        ("init", "1.2", "10.00", "+5.00", "+100 %"),
    )
    assert table.columns == (
        *(("", "condition"), ("before training", "s")),
        *(("an epoch", "s"), ("an epoch", "s more"), ("an epoch", "more than baseline")),
    )
    assert table.caption == "Time of each condition, CNN1, median epoch."
    assert COPY in table.source and "small differences are noise" in table.source


def test_without_a_baseline_nothing_is_compared(tmp_path: Path) -> None:
    save_training(tmp_path, replace(BASELINE, condition="scale", data="digits"), 70.0)
    table = costs.cost_table(folder=tmp_path)
    assert table.rows == (("scale", "1.5", "4.00", "not recorded", "not recorded"),)
    assert table.caption == "Time of each condition, CNN1 on digits, median epoch."
    with pytest.raises(ValueError, match="no training of width 128 .* expected 64: run"):
        costs.cost_table(128, folder=tmp_path)


def test_the_books_numbers_are_those_of_its_record() -> None:
    (record,) = [r for r in read_records("benchmark") if r.settings["device"] == "cpu"]
    times = {(t["form"], tuple(t["shape"])): t["median_ms"] for t in record.metrics["times"]}
    ratio = times[OURS, (512, 512, 3)] / times["weight decay", (512, 512, 3)]
    summary = costs.loss_summary()
    assert summary["times weight decay, S = C = 512"] == round(ratio, 2)
    row = next(row for row in costs.loss_table().rows if row[0] == "512 × 512 × 3 × 3")
    assert row[2] == f"{ratio:,.3g}"
    # What must hold wherever it was measured: linear time is worth it, and costs little.
    assert summary["times faster than pairwise conv2d, S = C = 64"] > 1000
    assert ratio < 2
    figure = costs.loss_figure()
    names = [trace.name for trace in figure.data]
    assert names[:2] == ["weight decay", OURS] and len(set(names)) == 7
    assert list(figure.data[0].x) == [4, 8, 16, 32, 64, 128, 256, 512]


def test_the_benchmark_says_what_the_chapter_on_training_says() -> None:
    for record in read_records("trainingbenchmark"):
        assert record.metrics["ratios"]["network as printed / ours, in bfloat16"] > 1.8
        printed, ours = (record.metrics["profile"][name] for name in ("as printed", "ours"))
        longest = "aten::convolution_backward"
        assert printed[longest] > sum(printed.values()) / 2
        assert printed[longest] > 3 * ours[longest]
