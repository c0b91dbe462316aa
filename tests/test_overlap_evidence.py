"""Neighbourhoods of made-up networks: which are shown together, and what is shown of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from scipy import stats

from convsim.evidence.overlap_figures import (
    depth_figure,
    generalization_figure,
    neighborhoods_picture,
)
from convsim.evidence.overlap_records import (
    last_measure,
    network_records,
    of_side,
    overlaps_of,
    regularization_of,
    regularized_records,
    target_of,
)
from convsim.evidence.overlap_tables import generalization, readings_table, regularized_table
from convsim.evidence.training_figures import STYLES
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.overlap import RegularizedSettings
from convsim.figures import COLORS
from convsim.neighborhoods.neighbors import Neighbors
from convsim.training import LOOP
from tests.made_up import COPY, save_network, save_regularized

RUN = TrainingSettings("baseline", epochs=20, data=COPY)
SMALL = RegularizedSettings(0.0, 0.0, 0, COPY)
OVERLAPS = (0.4, 0.3, 0.2, 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two networks, trained and not; and twelve regularised ones whose numbers differ."""
    for condition, times in {"scale": 1.2, "baseline": 1.0}.items():
        for trained in (False, True):
            values = [times * value * (1 if trained else 2) for value in OVERLAPS]
            run = replace(RUN, condition=condition)
            save_network(tmp_path, run, values, trained=trained)
    for n, (dropout, decay, seed) in enumerate(
        (dropout, decay, seed)
        for dropout in (0.3, 0.0)
        for decay in (5e-4, 0)
        for seed in (2, 0, 1)
    ):
        settings = replace(SMALL, dropout=dropout, weight_decay=decay, seed=seed)
        errors = {"train_error": 5.0 + n, "test_error": 30.0 + (7 * n) % 12}
        save_regularized(tmp_path, settings, 0.1 + n / 100, **errors)
    return tmp_path


def test_networks_are_sorted_trained_ones_first_then_as_conditions_are(folder: Path) -> None:
    found = [
        (record.settings["trained"], record.settings["run"]["condition"])
        for record in network_records(folder)
    ]
    assert found == [(True, "baseline"), (True, "scale"), (False, "baseline"), (False, "scale")]


@pytest.mark.parametrize(
    "worse",
    [
        replace(RUN, data="digits", epochs=90),
        replace(RUN, data="CIFAR-100", epochs=90),
        replace(RUN, epochs=19),
        replace(RUN, loop=1),
        replace(RUN, seed=1),
        replace(RUN, width=8, seed=1),
        replace(RUN, learning_rate=0.5, seed=1),
    ],
)
def test_networks_of_different_sweeps_are_never_mixed(
    folder: Path, worse: TrainingSettings
) -> None:
    for trained in (True, False):
        for condition in ("baseline", "init"):
            run = replace(worse, condition=condition)
            save_network(folder, run, OVERLAPS, trained=trained)
    runs = [record.settings["run"] for record in network_records(folder)]
    assert len(runs) == 4
    for key in ("data", "epochs", "seed", "width", "learning_rate"):
        assert {run[key] for run in runs} == {getattr(RUN, key)}


@pytest.mark.parametrize(
    "better",
    [replace(RUN, data="CIFAR-10", epochs=1), replace(RUN, epochs=21), replace(RUN, loop=LOOP + 1)],
)
def test_better_networks_replace_all(folder: Path, better: TrainingSettings) -> None:
    save_network(folder, better, OVERLAPS)
    (record,) = network_records(folder)
    assert record.settings["run"]["epochs"] == better.epochs


def test_other_measurements_of_the_same_networks_are_never_mixed(folder: Path) -> None:
    save_network(folder, RUN, OVERLAPS, k=5)
    save_network(folder, RUN, OVERLAPS, queries=7)
    assert len(network_records(folder)) == 4
    assert {record.settings["k"] for record in network_records(folder)} == {25}


def test_regularised_networks_are_sorted_and_of_one_kind(folder: Path) -> None:
    for seed in range(20):
        save_regularized(folder, replace(SMALL, seed=seed, data="digits"), 0.9)
    for seed in range(5):
        save_regularized(folder, replace(SMALL, seed=seed, epochs=99), 0.9)
    save_regularized(folder, replace(SMALL, loop=LOOP + 1), 0.9)
    records = regularized_records(folder)
    found = [(*regularization_of(r), r.settings["seed"]) for r in records]
    assert found == [
        (dropout, decay, seed) for dropout in (0, 0.3) for decay in (0, 5e-4) for seed in (0, 1, 2)
    ]
    assert {(r.settings["data"], r.settings["epochs"]) for r in records} == {(COPY, SMALL.epochs)}
    save_regularized(folder, replace(SMALL, data="CIFAR-10"), 0.9)
    assert len(regularized_records(folder)) == 1


def test_of_two_loops_with_as_many_networks_the_newer_one_counts(tmp_path: Path) -> None:
    for loop in (LOOP, LOOP + 1, 1):
        save_regularized(tmp_path, replace(SMALL, loop=loop), loop / 10)
    (record,) = regularized_records(tmp_path)
    assert last_measure(record, "after") == pytest.approx((LOOP + 1) / 10)


def test_readings_stand_layer_by_layer(folder: Path) -> None:
    table = readings_table(folder=folder)
    assert [" ".join(column).strip() for column in table.columns] == [
        *("condition", "layer", "weights L_CS", "weights normalised"),
        *("maps, |cos| whole", "maps, |cos| less mean", "overlap before", "overlap after"),
    ]
    assert [row[:2] for row in table.rows] == [
        (name, str(layer)) for name in ("baseline", "scale") for layer in (1, 2, 3, 4)
    ]
    assert table.rows[1][2:] == ("2.47e+03", "0.60", "0.35", "0.25", "0.300", "0.150")
    assert table.rows[4][-2:] == ("0.480", "0.240")
    untrained = readings_table(trained=False, folder=folder)
    assert untrained.rows[1][-2:] == ("0.600", "0.300")
    assert table.caption == "CNN1 after training: weights, feature maps, neighbourhoods."
    assert untrained.caption.startswith("CNN1 before training:")
    assert table.source == (
        "CIFAR-10 (JPEG copy), width 64, 20 epochs, seed 0; 500 queries among 2000 test images, "
        "k = 25; a machine; torch 9.8.7; recorded 2026-02-03."
    )


def test_networks_on_digits_are_said_to_be(tmp_path: Path) -> None:
    save_network(tmp_path, replace(RUN, data="digits", width=8), OVERLAPS)
    for seed, dropout in enumerate((0.0, 0.0, 0.3, 0.3)):
        settings = replace(SMALL, data="digits", seed=seed, dropout=dropout)
        save_regularized(tmp_path, settings, 0.1 + seed, test_error=20.0 + seed)
    assert readings_table(folder=tmp_path).caption.startswith("width 8 after training on digits:")
    assert "weight decay on digits;" in regularized_table(folder=tmp_path).caption
    assert "layer on digits." in depth_figure(folder=tmp_path).layout.meta["alt"]


def test_dead_layers_are_undefined_in_tables_and_left_out_of_figures(tmp_path: Path) -> None:
    save_network(tmp_path, RUN, (0.4, None, 0.2, None))
    rows = readings_table(folder=tmp_path).rows
    assert rows[1][5:] == ("undefined", "undefined", "undefined")
    line, chance = depth_figure(folder=tmp_path).data[:2]
    assert list(line.x) == list(chance.x) == [1, 3]
    assert list(line.y) == [0.4, 0.2]
    assert list(overlaps_of(network_records(tmp_path)[0], "after")) == [1, 3]


def test_an_overlap_without_an_interval_has_no_width(tmp_path: Path) -> None:
    save_network(tmp_path, RUN, OVERLAPS)
    (record,) = network_records(tmp_path)
    layer = record.metrics["layers"]["blocks.1.0"]["before"]
    layer["overlap"] |= {"low": None, "high": None}
    assert overlaps_of(record, "before")[2] == (0.3, 0.3, 0.3, 0.1)
    assert overlaps_of(record, "before")[1] == pytest.approx((0.4, 0.38, 0.43, 0.1))


def test_depth_is_drawn_with_intervals_and_chance(folder: Path) -> None:
    figure = depth_figure(folder=folder)
    titles = [title.text for title in figure.layout.annotations]
    assert titles == ["trained, before", "trained, after", "untrained, before", "untrained, after"]
    assert len(figure.data) == 4 * 3  # two networks and the chance of the baseline
    panels = {}
    for line in figure.data:
        panels.setdefault(line.yaxis, {})[line.name] = line
    base = panels["y"]["baseline"]
    assert list(base.x) == [1, 2, 3, 4] and list(base.y) == list(OVERLAPS)
    assert list(base.error_y.array) == pytest.approx([0.03] * 4)
    assert list(base.error_y.arrayminus) == pytest.approx([0.02] * 4)
    assert base.error_y.type == "data"
    assert list(panels["y2"]["baseline"].y) == [0.2, 0.15, 0.1, 0.05]
    assert list(panels["y3"]["baseline"].y) == [0.8, 0.6, 0.4, 0.2]
    assert list(panels["y4"]["scale"].y) == pytest.approx([0.48, 0.36, 0.24, 0.12])
    for name, panel in panels.items():
        assert list(panel) == ["baseline", "by chance", "scale"]
        assert {line.showlegend for line in panel.values()} == {name == "y"}
        assert list(panel["by chance"].y) == [0.1] * 4 and panel["by chance"].mode == "lines"
        assert (panel["scale"].line.color, panel["scale"].line.dash) == STYLES["scale"]
    assert base.legendgroup == "baseline" and panels["y"]["by chance"].legendgroup == "chance"
    assert figure.layout.yaxis.title.text == "overlap" and figure.layout.yaxis2.title.text is None
    assert figure.layout.yaxis.rangemode == "tozero"
    assert figure.layout.xaxis3.title.text == "layer" and figure.layout.xaxis.title.text is None
    assert {figure.layout[axis].dtick for axis in ("xaxis", "xaxis4")} == {1}
    alt = figure.layout.meta["alt"]
    assert "Overlap by layer. baseline trained, before: 0.400, 0.300, 0.200, 0.100; " in alt
    assert "scale untrained, after: 0.480, 0.360, 0.240, 0.120." in alt


def test_strengths_have_a_row_each(folder: Path) -> None:
    table = regularized_table(folder=folder)
    assert [row[:2] for row in table.rows] == [
        *(("0", "0"), ("0", "0.0005"), ("0.3", "0"), ("0.3", "0.0005")),
    ]
    # Networks 9, 10 and 11: training errors 14 to 16, overlaps 0.19 to 0.21.
    assert table.rows[0][2] == "15.0 ± 1.0"
    tests = [30 + (7 * n) % 12 for n in (9, 10, 11)]
    assert table.rows[0][3] == f"{np.mean(tests):.1f} ± {np.std(tests, ddof=1):.1f}"
    assert table.rows[0][4:] == ("0.400 ± 0.020", "0.200 ± 0.010", "2.00 ± 0.10", "3")
    assert [" ".join(column).strip() for column in table.columns] == [
        *("dropout", "weight decay", "error, % training", "error, % test"),
        *("last layer's overlap before", "last layer's overlap after", "neighbours", "n"),
    ]
    assert table.source.endswith("recorded 2026-02-03. Mean ± std over n seeds.")
    assert table.source.startswith("CIFAR-10 (JPEG copy), width 32, 15 epochs, seed 0, 1, 2; 500 q")


def test_dead_networks_enter_no_mean_and_no_point(folder: Path) -> None:
    before = generalization(folder=folder)
    save_regularized(folder, replace(SMALL, dropout=0.9), None)
    assert regularized_table(folder=folder).rows[-1][2:] == (
        *("10.0", "40.0", "undefined", "undefined", "undefined", "1"),
    )
    assert generalization(folder=folder) == before
    figure = generalization_figure(folder=folder)
    assert figure.layout.meta["alt"].startswith("12 networks, overlap in the last layer after")


@pytest.mark.parametrize("target", ["test_error", "gap", "train_error"])
@pytest.mark.parametrize(("side", "measure"), [("after", "overlap"), ("before", "neighbors")])
def test_generalisation_is_spearmans_rho(
    folder: Path, target: str, side: str, measure: str
) -> None:
    overlaps = [0.1 + n / 100 for n in range(12)]
    train, test = [5.0 + n for n in range(12)], [30.0 + (7 * n) % 12 for n in range(12)]
    gap = list(np.subtract(test, train))
    errors = {"test_error": test, "gap": gap, "train_error": train}[target]
    found = generalization(target, measure, side=side, folder=folder)
    assert found.rho == pytest.approx(stats.spearmanr(overlaps, errors).statistic)
    assert found.n == 12
    # Within one dropout: the first six networks have 0.3, the others 0.
    x, y = (
        np.asarray(values) - np.repeat([np.mean(values[:6]), np.mean(values[6:])], 6)
        for values in (overlaps, errors)
    )
    within = generalization(target, measure, side=side, within=True, folder=folder)
    expected = stats.spearmanr(x.round(9), y.round(9)).statistic
    assert within.rho == pytest.approx(expected, abs=0.03)


def test_measures_are_read_from_their_side(folder: Path) -> None:
    record = regularized_records(folder)[0]  # number 10: overlap 0.20
    assert last_measure(record, "after") == pytest.approx(0.20)
    assert last_measure(record, "before") == pytest.approx(0.40)
    assert last_measure(record, "after", "redundancy") == pytest.approx(0.40)
    assert last_measure(record, "after", "neighbors") == pytest.approx(2.0)
    assert of_side(record.metrics, "before")["coverage"]["mean"] == pytest.approx(1.2)
    train, test = 5.0 + 10, 30.0 + (7 * 10) % 12
    assert target_of(record, "train_error") == train
    assert target_of(record, "test_error") == test
    assert target_of(record, "gap") == test - train


def test_every_network_is_a_point_under_each_target(folder: Path) -> None:
    figure = generalization_figure(folder=folder)
    assert len(figure.data) == 3 * 4
    first = figure.data[0]  # no dropout, no decay: networks 9, 10, 11, by seed 0, 1, 2
    assert list(first.x) == [0.2, 0.21, 0.19]
    assert list(first.y) == [30 + (7 * n) % 12 for n in (10, 11, 9)]
    assert list(figure.data[8].y) == [15, 16, 14]
    assert list(figure.data[4].y) == [30 + (7 * n) % 12 - 5 - n for n in (10, 11, 9)]
    assert [t.name for t in figure.data[:4]] == [
        *("dropout 0", "dropout 0 and decay", "dropout 0.3", "dropout 0.3 and decay"),
    ]
    assert [t.marker.symbol for t in figure.data[:4]] == ["circle", "diamond-open"] * 2
    assert [t.marker.color for t in figure.data[:4]] == [COLORS[0]] * 2 + [COLORS[1]] * 2
    assert [t.showlegend for t in figure.data] == [True] * 4 + [False] * 8
    assert len({t.legendgroup for t in figure.data}) == 4 and first.mode == "markers"
    assert [t.yaxis for t in figure.data[::4]] == ["y", "y2", "y3"]
    titles = [title.text for title in figure.layout.annotations]
    assert titles == ["test error", "generalisation gap", "training error"]
    assert figure.layout.xaxis3.title.text == "overlap after the non-linearity"
    assert figure.layout.yaxis2.title.text == "%"
    alt = figure.layout.meta["alt"]
    assert alt.startswith("12 networks, overlap in the last layer after the non-linearity ")
    for target in ("test_error", "gap", "train_error"):
        assert str(generalization(target, folder=folder)) in alt
    before = generalization_figure(side="before", folder=folder)
    assert list(before.data[0].x) == [0.4, 0.42, 0.38]
    assert "last layer before the non-linearity" in before.layout.meta["alt"]


def test_what_is_not_known_or_not_recorded_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="target is 'loss'; expected one of test_error, gap, tr"):
        generalization("loss", folder=folder)
    with pytest.raises(ValueError, match="side is 'above'; expected one of before, after"):
        generalization(side="above", folder=folder)
    with pytest.raises(ValueError, match="measure is 'cosine'; expected one of overlap, redund"):
        generalization(measure="cosine", folder=folder)
    empty = tmp_path / "empty"
    for show in (network_records, lambda folder: readings_table(folder=folder)):
        with pytest.raises(ValueError, match="no neighbourhoods .* run `convsim run overlap`"):
            show(empty)
    for show in (regularized_records, lambda folder: generalization(folder=folder)):
        with pytest.raises(ValueError, match="no regularised networks .* `convsim run overlap`"):
            show(empty)
    (only := tmp_path / "only").mkdir()
    save_network(only, RUN, OVERLAPS, trained=False)
    with pytest.raises(ValueError, match="no trained network is recorded in"):
        readings_table(folder=only)
    save_regularized(only, SMALL, None)
    with pytest.raises(ValueError, match="got 0 and 0 values"):
        generalization(folder=only)


def test_pictures_show_the_query_and_then_its_neighbours() -> None:
    weights = torch.tensor([[0.2, 0.0, 0.5, 0.3]], dtype=torch.float64)
    found = Neighbors(
        indices=torch.tensor([[4, 1, 0, 2]]),
        weights=weights,
        error=torch.zeros(1),
        defined=torch.ones(1, dtype=torch.bool),
        points=6,
    )
    pixels = torch.arange(6.0)[:, None, None].expand(6, 2, 2)
    few = Neighbors(found.indices, torch.tensor([[0.0, 0, 0.25, 0]]), *[torch.ones(1)] * 2, 6)
    drawn = neighborhoods_picture(pixels, {"all": (3, found), "few": (5, few)}, columns=3).axes
    assert len(drawn) == 2 * 4
    assert [axis.get_title() for axis in drawn] == [
        *("all", "0.50", "0.30", "0.20", "few", "0.25", "", ""),
    ]
    shown = [float(np.asarray(axis.images[0].get_array()).max()) for axis in drawn if axis.images]
    assert shown == [3, 0, 2, 4, 5, 0]
    assert not any(axis.axison for axis in drawn)
    assert {axis.images[0].get_cmap().name for axis in drawn if axis.images} == {"gray"}
    assert len(neighborhoods_picture(pixels, {"all": (3, found)}).axes) == 9
    two = neighborhoods_picture(pixels, {"all": (3, found)}, columns=2).axes
    assert [axis.get_title() for axis in two] == ["all", "0.50", "0.30"]
    plt.close("all")
