"""Tables and the figure of every penalty, from records with known numbers and from real ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from convsim.evidence import penalty_figures, penalty_tables
from convsim.experiments import penalties, runner
from convsim.experiments.penalties import DECOV, NAMES, NONE, PenaltySettings
from convsim.experiments.penalty_pairs import ROWS
from convsim.experiments.record import read_records
from convsim.experiments.runner import Machine
from convsim.figures import COLORS
from convsim.penalties import OF_WEIGHTS
from tests.made_up import COPY, LAYERS, save, summary
from tests.small_sweeps import TEST, TRAIN, digits_are

OURS = PenaltySettings(NONE, data=COPY)


def save_pairs(folder: Path, **changes: Any) -> None:
    """Row n of each number of taps has numbers that end in n; the start is the same for all."""
    for number, row in enumerate(ROWS):
        n = number % 9
        metrics = {
            "reduced_percent": 60.0 + n,
            "correlation": summary(n / 10, 0.25),
            "cosine_before": summary(0.5, 0.2),
            "cosine_after": summary(0.4 + n / 100, 0.1),
            "centred_before": summary(0.3, 0.15),
            "centred_after": summary(0.01 * n, 0.05),
            "smaller_norm_before": summary(9.0, median=1.5),
            "smaller_norm_after": summary(9.0, median=0.1 * n),
            "larger_norm_before": summary(9.0, median=2.5),
            "larger_norm_after": summary(9.0, median=3.0 + n),
            "dead_percent": 2.0 * n,
            "diverged": n,
        }
        save(folder, "penaltypairs", row, metrics | changes)


def test_pairs_are_shown_beside_the_start_that_they_share(tmp_path: Path) -> None:
    save_pairs(tmp_path)
    table = penalty_tables.pairs_table(folder=tmp_path)
    assert [row[0] for row in table.rows] == ["the start", "kernel similarity", *NAMES]
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.rows[0] == ("the start", "", "", "0.50 ± 0.20", "0.30 ± 0.15", "1.50", "2.50", "")
    assert table.rows[4] == (
        *("SRIP", "63.0", "0.30 ± 0.25", "0.43 ± 0.10", "0.03 ± 0.05", "0.30", "6.00", "6.0"),
    )
    assert "9 taps" in table.caption and "n = 1000 episodes" in table.source
    assert "36 diverged" in table.source and "250 steps; full padding" in table.source
    assert "16 taps" in penalty_tables.pairs_table(16, folder=tmp_path).caption
    save_pairs(tmp_path, correlation=None)
    assert penalty_tables.pairs_table(3, folder=tmp_path).rows[1][2] == "undefined"


def test_what_is_not_recorded_of_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="taps is 4; expected one of 3, 9, 16"):
        penalty_tables.pairs_table(4, folder=tmp_path)
    save_pairs(tmp_path)
    (lost,) = (r for r in read_records("penaltypairs", tmp_path) if r.settings == vars(ROWS[4]))
    for path in tmp_path.glob("penaltypairs-*.json"):
        if f'"loss": "{lost.settings["loss"]}"' in path.read_text():
            path.unlink()
    with pytest.raises(ValueError, match="^OCNN on 3 taps is not recorded .* run `convsim run pen"):
        penalty_tables.pairs_table(3, folder=tmp_path)


def layers(size: float, *, overlap: float | None = None, cosine: float = 0.1) -> dict[str, Any]:
    """Layer n has n times the readings of the first."""
    found: dict[str, Any] = {}
    for n, name in enumerate(LAYERS, start=1):
        found[name] = {
            "kernel_cosine": cosine * n,
            "normalized": 0.1 * n * size,
            "correlation": 0.2 * n * size,
            "expected": 0.05 * n * size,
            "per_image": 0.08 * n * size,
            "dead": 0,
            "overlap": {"overlap": {"mean": overlap and overlap * n}},
            "penalties": {key: n * size * (i + 1) for i, key in enumerate(OF_WEIGHTS)},
        }
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of two seeds the second's fall twice as far; one penalty has no seed 1."""
    for seed in (0, 1):
        ours = replace(OURS, seed=seed)
        start = {"layers": layers(1.0, overlap=0.1)}
        save(tmp_path, "penalties", ours, start, data=COPY)
        after = layers(0.4 / (1 + seed), overlap=0.2, cosine=0.0)
        save(tmp_path, "penalties", replace(ours, penalty="SRIP"), {"layers": after}, data=COPY)
    dead = {"layers": layers(2.0, cosine=10.0)}
    save(tmp_path, "penalties", replace(OURS, penalty=DECOV), dead, data=COPY)
    # A seed without a start, and other data, have nothing to be compared with.
    save(tmp_path, "penalties", replace(OURS, penalty="OCNN", seed=7), dead, data=COPY)
    save(tmp_path, "penalties", replace(OURS, penalty="OCNN", data="digits"), dead, data="digits")
    return tmp_path


def test_layers_are_shown_at_the_start_and_after_each_penalty(folder: Path) -> None:
    table = penalty_tables.layers_table(folder=folder)
    rows = {row[:2]: row[2:] for row in table.rows}
    assert [row[0] for row in table.rows[::2]] == ["the start", "SRIP", "DeCov"]
    assert rows["the start", "1"] == ("0.100", "0.100", "0.200", "0.050", "0.080", "0.100")
    # Layers 2, 3 and 4; 0.4 and 0.2 of the start.
    assert rows["SRIP", "2 to 4"][1:3] == ("0.090", "0.180")
    assert rows["SRIP", "2 to 4"][5] == "0.600" and rows["DeCov", "1"][5] == "undefined"
    assert "seeds 0, 1" in table.source and table.source.count(COPY) == 1
    assert "Not recorded: soft orthogonality, mutual coherence, OCNN," in table.source


def test_values_are_shares_of_those_at_the_start(folder: Path) -> None:
    table = penalty_tables.values_table(folder=folder)
    assert [name for _, name in table.columns] == ["minimised", *OF_WEIGHTS]
    assert table.rows == (("SRIP", *["0.30"] * 7), ("DeCov", *["2.00"] * 7))


def test_the_figure_has_a_cell_for_every_penalty_and_reading(folder: Path) -> None:
    figure = penalty_figures.matrix_figure(folder=folder)
    (cells,) = figure.data
    assert list(cells.y) == ["SRIP", "DeCov"] and list(cells.x)[1] == "L̄"
    assert [list(row) for row in cells.text] == [
        ["0.00", "0.30", "0.30", "0.30", "2.00"],
        ["100.00", "2.00", "2.00", "2.00", ""],
    ]
    fell = pytest.approx(math.log2(0.3), rel=1e-4)
    assert [list(row) for row in cells.z] == [[-3, fell, fell, fell, 1], [3, 1, 1, 1, None]]
    assert (cells.zmin, cells.zmax) == (-3, 3)
    assert [color for _, color in cells.colorscale] == [COLORS[0], "#f7f7f7", COLORS[1]]
    assert cells.customdata[0][1] == "0.30 ± 0.11 of the start, n = 8"
    title = figure.layout.xaxis.title.text
    assert "4 layers of CNN1, 2 seeds" in title and COPY in title
    alt = figure.layout.meta["alt"]
    assert "SRIP: kernels' cosine 0.00, normalised similarity 0.30, correlation of maps 0.30" in alt
    assert alt.endswith("overlap of neighbourhoods undefined.")


def test_without_a_start_there_is_nothing_to_show(tmp_path: Path) -> None:
    save(tmp_path, "penalties", replace(OURS, penalty="SRIP"), {"layers": layers(1.0)})
    for make in (
        penalty_tables.layers_table,
        penalty_tables.values_table,
        penalty_figures.matrix_figure,
    ):
        with pytest.raises(ValueError, match="no start of the penalties .* run `convsim run pen"):
            make(folder=tmp_path)


def test_from_images_to_the_figure(tmp_path: Path, one_thread: None) -> None:
    """Two descents on the digits, and the cells that plain arithmetic on their layers gives."""
    small = PenaltySettings(NONE, data="digits", width=5, iterations=30, pictures=60, queries=3)
    rows = [replace(small, penalty=name) for name in (NONE, "soft orthogonality", DECOV)]
    with digits_are(TRAIN, TEST):
        machine = Machine(folder=tmp_path, progress=False, command="a test")
        runner.run(penalties.tasks(rows), machine, progress=False)
    recorded = {r.settings["penalty"]: r for r in read_records("penalties", tmp_path)}
    start, *after = (recorded[row.penalty].metrics["layers"] for row in rows)
    figure = penalty_figures.matrix_figure(folder=tmp_path)
    (cells,) = figure.data
    assert list(cells.y) == ["soft<br>orthogonality", "DeCov"]
    for text, found in zip(cells.text, after, strict=True):
        for column, key in enumerate(("kernel_cosine", "normalized", "correlation", "per_image")):
            shares = [found[name][key] / start[name][key] for name in start]
            assert float(text[column]) == pytest.approx(fmean(shares), abs=6e-3)
        overlaps = [
            found[name]["overlap"]["overlap"]["mean"] / start[name]["overlap"]["overlap"]["mean"]
            for name in start
        ]
        assert float(text[4]) == pytest.approx(fmean(overlaps), abs=6e-3)
    # What it minimised fell: the cosine of kernels here, the correlation of maps there.
    assert float(cells.text[0][0]) < 0.5 and float(cells.text[1][2]) < 0.9
    assert "4 layers of CNN1, 1 seed<br>digits" in figure.layout.xaxis.title.text
