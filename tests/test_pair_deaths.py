"""Increases without a mean and kernels that die: what is measured, and what tables show of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from convsim.evidence import pair_figures, pair_tables
from convsim.experiments import episodes, pairs, paper
from convsim.experiments.record import RESULTS, read_record, record_path
from convsim.figures import COLORS
from tests.made_up import save, save_pairs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for table in ("table1", "table2"):
        save_pairs(tmp_path, table)
    return tmp_path


@pytest.mark.parametrize("index", [0.5, 2.0])
def test_hills_estimate_finds_the_index_of_a_power_law(index: float) -> None:
    uniform = np.random.default_rng(0).uniform(size=40_000)
    ratios = torch.tensor(uniform ** (-1 / index))  # at least 1: all of them rose
    tail = episodes.tail_of(100 * (ratios - 1))
    assert tail is not None
    assert tail["index"] == pytest.approx(index, abs=3 * tail["standard_error"])
    assert tail["largest"] == 10_000
    assert tail["standard_error"] == pytest.approx(tail["index"] / 100)


def test_ranks_and_blocks_of_the_increases() -> None:
    change = torch.full((250,), -50.0, dtype=torch.float64)
    change[:40] = torch.arange(40.0, 0.0, -1.0, dtype=torch.float64)
    change[200] = 1000.0
    tail = episodes.tail_of(change)
    assert tail is not None
    assert tail["rank"][:3] == [1, 2, 3] and tail["rank"][-1] == 41
    assert tail["increase_percent"][:3] == [1000.0, 40.0, 39.0]
    assert tail["increase_percent"][-1] == 1.0
    assert tail["block_means"] == [20.5, None, 1000.0]
    assert episodes.tail_of(change[:19]) is None


def test_a_descent_in_small_steps_keeps_the_difference_and_kills_the_smaller_kernel() -> None:
    row = pairs.PairSettings("convolutional similarity", 3, "SGD", 0.02, 4000, episodes=40)
    metrics = pairs.measure(row)
    assert metrics["dead_percent"] > 75
    assert metrics["dead_smaller_percent"] == 100
    assert metrics["drift_percent"]["q95"] < 2
    coarse = pairs.measure(replace(row, learning_rate=0.2, iterations=400))
    assert coarse["drift_percent"]["q50"] > 5 * metrics["drift_percent"]["q50"]
    assert metrics["curve"]["dead_percent"][0] == 0
    assert metrics["curve"]["dead_percent"][-1] == metrics["dead_percent"]
    dead, live = metrics["cosine_after_dead"], metrics["cosine_after_live"]
    assert dead["n"] == 40 * metrics["dead_percent"] / 100 == 40 - live["n"]
    both = (dead["n"] * dead["mean"] + live["n"] * live["mean"]) / 40
    assert both == pytest.approx(metrics["cosine_after"]["mean"])


def test_paths_go_from_the_first_norms_to_the_last() -> None:
    row = pairs.PairSettings("convolutional similarity", 4, "SGD", 0.05, 30, episodes=5)
    paths = np.array(pairs.measure(row)["paths"])
    generator = torch.Generator().manual_seed(0)
    start = 2 * torch.rand((5, 2, 4), dtype=torch.float64, generator=generator) - 1
    assert paths[:, 0] == pytest.approx(start.norm(dim=2).numpy())
    assert (np.diff(paths, axis=1) < 1e-12).all()  # both norms fall
    assert len(paths) == 5 and 10 < paths.shape[1] <= 31
    after = np.sort(paths[:, -1], axis=1).mean(axis=0)
    metrics = pairs.measure(row)
    assert after[0] == pytest.approx(metrics["smaller_norm_after"]["mean"])
    assert after[1] == pytest.approx(metrics["larger_norm_after"]["mean"])


def test_the_increase_table_names_tail_and_extremes(folder: Path) -> None:
    table = pair_tables.increase_table("table1", folder=folder)
    assert [name for _, name in table.columns][2:] == [
        *("that rose", "median", "of the sum, %", "least", "most", "index ± standard error"),
    ]
    # 1e6 of the sum 9 * 12345.6
    assert table.rows[2] == (
        *("9", "Adam", "9", "102", "900", "7", "1,235,000", "0.52 ± 0.10 (7)"),
    )


def test_rises_are_counted_and_compared_by_fishers_test(folder: Path) -> None:
    found = pair_tables.rises("table3", folder=folder)
    # Nine rises and n divergences in row n, of the made-up records.
    assert (found["paper"], found["ours"], found["diverged"]) == (0, 54, 15)
    expected = stats.fisher_exact([[54, 5946], [0, 6000]]).pvalue
    assert found["p"] == pytest.approx(expected, rel=0.05)
    assert found["p_with_diverged"] < found["p"]
    assert pair_tables.rises("table1", folder=folder)["paper"] == 1488
    save_pairs(folder, "table2", increase_percent=None, diverged=0)
    found = pair_tables.rises("table2", folder=folder)
    assert (found["ours"], found["p"]) == (0, 1.0)


def test_the_death_table_tells_dead_from_live(folder: Path) -> None:
    last = pairs.TABLES["table1"][5]
    metrics = read_record(record_path("pairs", last, folder)).metrics
    none = {"dead_percent": 0.0, "dead_smaller_percent": None, "cosine_after_dead": None}
    save(folder, "pairs", last, metrics | none)
    table = pair_tables.death_table("table1", "table2", folder=folder)
    assert len(table.rows) == 12
    assert table.rows[1] == (
        *("⟨K₁, K₂⟩²", "3", "SGD", "51.0", "61", "4", "0.21 ± 0.10", "0.11 ± 0.05"),
    )
    assert table.rows[5][3:7] == ("0.0", "none", "8", "none")


def test_the_increase_figure_draws_shares_and_a_line_of_slope_a_half(folder: Path) -> None:
    figure = pair_figures.increase_figure("table1", folder=folder)
    assert len(figure.data) == 7
    row, slope = figure.data[3], figure.data[6]
    assert row.name == "N = 9, SGD" and row.line.color == COLORS[1] and row.line.dash == "dot"
    assert list(row.x) == [1e6, 1e4, 23.0]
    assert list(row.y) == pytest.approx([1 / 30, 0.1, 1.0], rel=1e-4)
    x, y = np.log10(slope.x), np.log10(slope.y)
    assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(-0.5, abs=1e-4)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert "N = 16 SGD 0.55." in figure.layout.meta["alt"]
    save_pairs(folder, "table1", increase_tail=None)
    assert len(pair_figures.increase_figure("table1", folder=folder).data) == 1


def test_the_phase_portrait_has_paths_and_hyperbolas(folder: Path) -> None:
    figure = pair_figures.phase_portrait(9, folder=folder)
    curves, adam, sgd = figure.data[:2], figure.data[2:4], figure.data[4:]
    for curve, difference in zip(curves, (3, -3), strict=True):
        x, y = np.array(curve.x), np.array(curve.y)
        assert x**2 - y**2 == pytest.approx(difference, abs=1e-3)
        assert min(x[-1], y[-1]) == 0
    assert (curves[0].x[0], curves[0].y[0]) == (2, 1)
    assert {line.name for line in adam} == {"Adam"} and {line.name for line in sgd} == {"SGD"}
    assert list(sgd[1].x) == [1.0, 0.9, 0.8] and list(sgd[1].y) == [2.0, 1.5, 0.7]
    assert [line.showlegend for line in figure.data] == [True, False] * 3
    alt = figure.layout.meta["alt"]
    assert (
        "with SGD the kernel that began as the smaller one ends so in 1 of 2" in alt
        and "of 2 pairs" in alt
    )


def of(table: str) -> list[episodes.PairMetrics]:
    return [read_record(record_path("pairs", row, RESULTS)).metrics for row in pairs.TABLES[table]]


def test_the_recorded_increases_say_what_the_chapter_says() -> None:
    factors = []
    for metrics, printed in zip(of("table1"), paper.PAIRS["table1"], strict=True):
        ours, theirs = metrics["increase_percent"], printed.increase_percent
        factors.append(ours["mean"] / theirs[0])
        assert ours["std"] > 4 * ours["mean"] and theirs[1] > 4 * theirs[0]
        tail = metrics["increase_tail"]
        assert abs(tail["index"] - 0.5) < 2 * tail["standard_error"]
        assert tail["index"] + 5 * tail["standard_error"] < 1
        assert len(tail["block_means"]) == 10
    assert min(factors) < 1 < max(factors)
    apart = [max(factor, 1 / factor) for factor in factors]
    assert (round(min(apart), 1), round(max(apart))) == (1.7, 21)
    found = pair_tables.rises("table3")
    assert found == {
        **{"paper": 0, "ours": 7, "diverged": 2, "episodes": 6000},
        **{"p": 0.016, "p_with_diverged": 0.0039},
    }
    assert of("table2")[1]["diverged"] == of("table2")[2]["diverged"] == 0
    assert {of("table2")[n]["diverged"] for n in (3, 5)} == {1}  # both with SGD
    found = pair_tables.rises("table6")
    assert found["p"] > 0.5


def test_the_recorded_deaths_say_what_the_chapter_says() -> None:
    adam, sgd = of("table2")[::2], of("table2")[1::2]
    assert [round(row["dead_percent"]) for row in adam] == [92, 50, 28]
    for row, gentle in zip(adam, sgd, strict=True):
        assert gentle["dead_percent"] < row["dead_percent"]
        assert row["dead_smaller_percent"] <= 100 / 3
        assert gentle["dead_smaller_percent"] > 90
        assert 2 < gentle["drift_percent"]["q50"] < 5
        assert row["drift_percent"]["q50"] > 10
    shares = [row["dead_percent"] for row in sgd]
    assert shares == sorted(shares, reverse=True)
    for row in of("table2")[2:]:
        live = row["cosine_after_live"]["mean"]
        assert live < 0.065
        assert 2.5 < row["cosine_after_dead"]["mean"] / live < 6.5
    killed = sum(row["dead_percent"] * 10 for row in of("table1"))
    assert round(killed) == 1
