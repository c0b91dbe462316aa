"""`convsim run overlap` in miniature, on digits: networks, records, tables, figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from torch.nn.functional import leaky_relu
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.data import digits, spread
from convsim.evidence.overlap_figures import depth_figure, generalization_figure
from convsim.evidence.overlap_records import network_records, regularized_records
from convsim.evidence.overlap_tables import generalization, readings_table, regularized_table
from convsim.experiments import activations, images, networks, overlap, plan, runner, sweep
from convsim.experiments.overlap import OverlapSettings, RegularizedSettings
from convsim.experiments.record import RESULTS, read_records, to_six_digits
from convsim.experiments.runner import Machine
from convsim.experiments.sweep import TRAINING
from convsim.map_cosines import mean_absolute_cosine
from convsim.models import ShallowCNN
from convsim.neighborhoods import summary
from convsim.neighborhoods.overlap import channel_overlap, channelwise_neighbors

WIDTH = 4
TRAIN, TEST = (
    part.subset(slice(0, count)) for part, count in zip(digits(), (300, 120), strict=True)
)
SMALL: dict[str, Any] = {"images": 60, "queries": 12, "k": 6}


@pytest.fixture(autouse=True, scope="module")
def few_images() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        few = images.DataSet(lambda _: (TRAIN, TEST), lambda _: "digits", needs_folder=False)
        patch.setitem(images.DATA_SETS, "digits", few)
        images.load.cache_clear()
        yield
    images.load.cache_clear()
    torch.set_num_threads(threads)


def machine(folder: Path) -> Machine:
    return Machine(None, "cpu", folder, progress=False, command="a test")


def measure(rows: Sequence[overlap.Settings], folder: Path, change: Any = None) -> None:
    tasks = overlap.tasks([(change or small)(row) for row in rows])
    runner.run(tasks, machine(folder), progress=False)


def small(row: overlap.Settings) -> overlap.Settings:
    row = replace(row, **SMALL)
    if isinstance(row, RegularizedSettings):
        row = replace(row, width=WIDTH, train_images=100, epochs=1, batch_size=25)
    return row


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, few_images: None) -> Path:
    """Two kept networks, trained for an epoch, and everything that `overlap` says of them."""
    folder = tmp_path_factory.mktemp("overlap")
    rows = [
        replace(row, batch_size=100, iterations=20)
        for row in plan.selected(
            conditions=("baseline", "init"), widths=(WIDTH,), seeds=1, epochs=1, data="digits"
        )
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "WIDTH", WIDTH)
        sweep.run(rows, machine(folder), progress=False)
    measure(overlap.plan(folder), folder)
    return folder


def test_the_plan_has_kept_networks_before_and_after_and_three_seeds_of_each_strength(
    recorded: Path,
) -> None:
    rows = overlap.plan(recorded)
    networks = [row for row in rows if isinstance(row, OverlapSettings)]
    others = [row for row in rows if isinstance(row, RegularizedSettings)]
    assert {(row.run.condition, row.trained) for row in networks} == {
        ("baseline", True),
        ("baseline", False),
        ("init", True),
        ("init", False),
    }
    assert {(row.dropout, row.weight_decay) for row in others} == {
        (d, w) for d in (0.0, 0.1, 0.3) for w in (0.0, 5e-4)
    }
    assert len(others) == 18 and {row.seed for row in others} == {0, 1, 2}
    assert {row.data for row in others} == {"digits"}
    assert len(overlap.plan(recorded, data="CIFAR-10")) == 18  # no network of such data is kept


def test_records_hold_every_reading_of_every_layer(recorded: Path) -> None:
    records = read_records(overlap.NETWORKS.name, recorded)
    assert len(records) == 4
    for record in records:
        assert list(record.metrics["layers"]) == [f"blocks.{i}.0" for i in range(4)]
        for layer in record.metrics["layers"].values():
            assert set(layer["weights"]) == {"similarity", "normalized", "norm"}
            assert 0 < layer["cosine_without_mean"] < 1
            for side in activations.SIDES:
                found = layer[side]
                assert 0 < found["overlap"]["low"] <= found["overlap"]["mean"] <= 1
                assert 0 <= found["redundancy"]["mean"] <= 1 - 1 / WIDTH
                assert 0 < found["coverage_chance"] < found["coverage"]["mean"] <= 1
                assert 1 <= found["neighbors"]["mean"] <= 6
                assert found["undefined"] == 0


def test_a_record_is_what_the_measures_say_of_the_kept_network(recorded: Path) -> None:
    of_table5 = {r.settings["condition"]: r for r in read_records(TRAINING.name, recorded)}
    network = networks.load_network(of_table5["init"], recorded)
    images = TEST.normalized(spread(len(TEST), 60, TEST.pixels.device))
    with torch.no_grad():
        for block in network.blocks[:2]:
            block[1].train().momentum = 1.0
        inputs = network.blocks[0](images)
        before = network.blocks[1][1](network.blocks[1][0](inputs))
    for side, x in (("before", before), ("after", leaky_relu(before, 0.2))):
        found = channelwise_neighbors(x, spread(60, 12, x.device), 6)
        record = next(
            r
            for r in read_records(overlap.NETWORKS.name, recorded)
            if r.settings["trained"] and r.settings["run"]["condition"] == "init"
        )
        got = record.metrics["layers"]["blocks.1.0"][side]["overlap"]["mean"]
        assert got == pytest.approx(channel_overlap(found.channels).by_query.mean, abs=1e-5)


def test_a_picture_that_all_images_share_leaves_cosine_and_neighborhoods() -> None:
    x = torch.randn(40, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    shared = x + 5 * torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    assert mean_absolute_cosine(shared.flatten(2))[0] > 0.9
    own, without = map(summary.cosine_without_mean_picture, (x, shared))
    assert own is not None and own == pytest.approx(without, abs=1e-5) and own < 0.4
    assert summary.cosine_without_mean_picture(torch.ones(5, 3, 2, 2)) is None
    before, after = (channelwise_neighbors(y.double(), k=5).channels for y in (x, shared))
    torch.testing.assert_close(before.weights, after.weights, atol=1e-4, rtol=0)


def test_networks_with_dropout_train_with_it_and_are_measured_without(recorded: Path) -> None:
    records = {
        (r.settings["dropout"], r.settings["weight_decay"], r.settings["seed"]): r.metrics
        for r in read_records(overlap.REGULARIZED.name, recorded)
    }
    assert len(records) == 18
    assert records[0.0, 0.0, 0] != records[0.3, 0.0, 0] != records[0.3, 0.0, 1]
    model = ShallowCNN(WIDTH, dropout=0.3)
    assert sum(isinstance(module, torch.nn.Dropout) for module in model.modules()) == 4
    assert model.state_dict().keys() == ShallowCNN(WIDTH).state_dict().keys()
    again = small(RegularizedSettings(0.3, 5e-4, 0, "digits"))
    assert isinstance(again, RegularizedSettings)
    measured = to_six_digits(overlap.measure_regularized(again, TRAIN, TEST))
    assert measured == records[0.3, 5e-4, 0]
    strong = replace(again, weight_decay=5.0)  # 5e-4 needs more than four steps to be felt
    assert overlap.measure_regularized(strong, TRAIN, TEST) != records[0.3, 5e-4, 0]
    with pytest.raises(ValueError, match="dropout is 1.0; expected a probability"):
        ShallowCNN(WIDTH, dropout=1.0)


def test_what_is_recorded_is_not_run_again(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it was run again")

    monkeypatch.setattr(runner, "perform", refuse)
    measure(overlap.plan(recorded), recorded)
    with pytest.raises(AssertionError, match="run again"):
        measure(overlap.plan(recorded)[:1], recorded, lambda row: row)


def test_tables_and_figures_show_the_records(recorded: Path) -> None:
    records = network_records(recorded)
    assert [r.settings["trained"] for r in records] == [True, True, False, False]
    table = readings_table(folder=recorded)
    assert len(table.rows) == 2 * 4 == len(readings_table(trained=False, folder=recorded).rows)
    layer = records[1].metrics["layers"]["blocks.2.0"]
    row = table.rows[6]
    assert row[:2] == ("init", "3")
    assert row[3] == f"{layer['weights']['normalized']:.2f}"
    assert row[7] == f"{layer['after']['overlap']['mean']:.3f}"
    assert "digits, width 4, 1 epochs, seed 0; 12 queries among 60 test images" in table.source
    assert len(regularized_table(folder=recorded).rows) == 6
    depth = depth_figure(folder=recorded)
    line = next(t for t in depth.data if t.name == "init")
    assert line.y[2] == pytest.approx(layer["before"]["overlap"]["mean"], rel=1e-3)
    scatter = generalization_figure(folder=recorded)
    assert sum(len(trace.x) for trace in scatter.data) == 3 * 18
    for figure in (depth, scatter):
        assert figure.layout.meta["alt"]


def test_digits_do_not_mix_with_cifar10(recorded: Path, tmp_path: Path) -> None:
    for name in (overlap.NETWORKS.name, overlap.REGULARIZED.name):
        for path in [*RESULTS.glob(f"{name}-*.json"), *recorded.glob(f"{name}-*.json")]:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    for records in (network_records, regularized_records):
        of_book = [record.settings for record in records()]
        assert [record.settings for record in records(tmp_path)] == of_book
        assert len(list(tmp_path.glob("overlap*"))) > len(of_book)


def test_the_correlation_is_spearmans(recorded: Path) -> None:
    runs = [r.metrics for r in read_records(overlap.REGULARIZED.name, recorded)]
    x = [run["after"]["overlap"]["mean"] for run in runs]
    y = [run["test_error"] for run in runs]
    found = generalization(folder=recorded)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.low <= found.rho <= found.high and found.n == 18
    gaps = [run["test_error"] - run["train_error"] for run in runs]
    of_gap = generalization("gap", folder=recorded)
    assert of_gap.rho == pytest.approx(stats.spearmanr(x, gaps).statistic)
    with pytest.raises(ValueError, match="target is 'loss'; expected one of test_error, gap"):
        generalization("loss", folder=recorded)


def test_the_command_says_what_is_missing(recorded: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["status", "overlap", "--results", str(recorded)])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert len(lines) == 4 + 18 and all("missing" in line for line in lines)  # the large sizes
    small_ones = overlap.tasks([small(row) for row in overlap.plan(recorded)])
    done = list(runner.standing(small_ones, recorded))
    assert all(re.search(r"done .* digits$", line) for line in done)
    with pytest.raises(ValueError, match="run `convsim run overlap`"):
        network_records(tmp_path)
    with pytest.raises(ValueError, match="run `convsim run overlap`"):
        generalization(folder=tmp_path)
