"""Tables of made-up neighbourhoods, and how they go with generalisation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from convsim.evidence.overlap_figures import (
    depth_figure,
    generalization_figure,
)
from convsim.evidence.overlap_records import (
    network_records,
    overlaps_of,
    regularized_records,
)
from convsim.evidence.overlap_tables import generalization, readings_table, regularized_table
from tests.made_up import (
    OVERLAPS,
    RUN,
    SMALL,
    save_neighborhoods,
    save_network,
    save_regularized,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_neighborhoods(tmp_path)
    return tmp_path


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
    message = "no trained network is recorded in .*; expected one: run `convsim run overlap`$"
    with pytest.raises(ValueError, match=message):
        readings_table(folder=only)
    (trained := tmp_path / "trained").mkdir()
    save_network(trained, RUN, OVERLAPS)
    with pytest.raises(ValueError, match="no untrained network is recorded in"):
        readings_table(trained=False, folder=trained)
    save_regularized(only, SMALL, None)
    with pytest.raises(ValueError, match="got 0 and 0 values"):
        generalization(folder=only)
