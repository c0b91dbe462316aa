"""The descents of two kernels, from made-up records: tables and figures of Tables 1, 2, 3 and 6."""

from __future__ import annotations

from pathlib import Path

import pytest

from convsim.evidence import pair_figures, pair_tables
from convsim.experiments.pairs import TABLES
from convsim.experiments.record import RESULTS, read_record, record_path
from convsim.figures import COLORS
from tests.made_up import save, save_pairs, summary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for table in ("table1", "table2", "table6"):
        save_pairs(tmp_path, table)
    return tmp_path


def test_paper_and_ours_stand_beside_each_other(folder: Path) -> None:
    table = pair_tables.pairs_table("table1", folder=folder)
    assert table.columns == (
        ("", "N"),
        ("", "optimiser"),
        ("correlation", "paper"),
        ("correlation", "ours"),
        ("reduced, %", "paper"),
        ("reduced, %", "ours"),
        ("decrease, %", "paper"),
        ("decrease, %", "ours"),
        ("increase, %", "paper"),
        ("increase, %", "ours"),
        ("", "diverged, ours"),
    )
    assert [row[:2] for row in table.rows] == [
        (str(taps), name) for taps in (3, 9, 16) for name in ("Adam", "SGD")
    ]
    # The paper's Table 1, third row, beside record 2.
    assert table.rows[2][2:] == (
        *("0.54 ± 0.33", "0.52 ± 0.27"),
        *("82.0", "72.0"),
        *("86.12 ± 21.14", "82.00 ± 12.00"),
        *("175,200 ± 2,085,000", "12,350 ± 600", "2"),
    )
    assert table.caption.startswith("Minimising ⟨K₁, K₂⟩², feature maps with full padding;")
    assert table.source == (
        "Paper: Belmekki et al. (2024). Ours: n = 1000 episodes a row, seed 0, synthetic data, "
        "float64; a machine; torch 9.8.7; 21 s in all; recorded 2026-02-03."
    )


def test_captions_name_the_loss_and_the_padding(folder: Path) -> None:
    captions = {
        table: pair_tables.pairs_table(table, folder=folder).caption
        for table in ("table2", "table3", "table6")
    }
    assert captions["table2"] == captions["table3"]
    assert captions["table2"].startswith("Minimising L_CS, feature maps with full padding;")
    assert captions["table6"].startswith("Minimising L_CS, feature maps with valid padding;")


def test_tables_2_and_3_are_one_experiment(folder: Path) -> None:
    second, third = (pair_tables.pairs_table(t, folder=folder) for t in ("table2", "table3"))
    assert second == third
    assert second.rows[0][2] == "0.80 ± 0.27"
    assert pair_tables.pairs_table("table6", folder=folder).rows[0][2] == "0.80 ± 0.27"
    assert pair_tables.pairs_table("table6", folder=folder).rows[1][4] == "99.6"


def test_the_largest_difference_is_that_of_the_worst_row(folder: Path) -> None:
    # Table 1's correlations are 0.67, 0.35, 0.54, 0.25, 0.47, 0.54; ours are 0.50 to 0.55.
    # Its reductions are 91.8, 67.5, 82.0, 60.7, 77.6, 71.6; ours are 70 to 75.
    found = pair_tables.largest_difference("table1", folder=folder)
    assert found == {"correlation": 0.28, "reduced_percent": 21.8}
    # A row that lies 0.4567 and 23.456 points from the paper's 0.54 and 82.0.
    row = TABLES["table1"][2]
    metrics = read_record(record_path("pairs", row, folder)).metrics
    changes = {"correlation": summary(0.0833), "reduced_percent": 58.544}
    save(folder, "pairs", row, metrics | changes)
    found = pair_tables.largest_difference("table1", folder=folder)
    assert found == {"correlation": 0.46, "reduced_percent": 23.5}


def test_what_diverged_wholly_is_none_and_has_no_correlation(folder: Path) -> None:
    gone = dict.fromkeys(("correlation", "decrease_percent", "increase_percent", "increase_tail"))
    save_pairs(folder, "table6", cosine_before=None, cosine_after=None, **gone)
    row = pair_tables.pairs_table("table6", folder=folder).rows[0]
    assert (row[3], row[7], row[8], row[9]) == ("none", "none", "0 ± 0", "none")
    assert pair_tables.increase_table("table6", folder=folder).rows[0][2:4] == ("0", "too few")
    found = pair_tables.largest_difference("table6", folder=folder)
    assert found == {"correlation": 0.0, "reduced_percent": 30.0}


def test_the_cosine_table_has_what_the_printed_ones_leave_out(folder: Path) -> None:
    table = pair_tables.cosine_table("table1", "table2", folder=folder)
    assert [name for _, name in table.columns] == [
        *("minimised", "N", "optimiser"),
        *("before", "after", "fell, %", "before", "after", "after"),
    ]
    assert [group for group, _ in table.columns] == [
        *[""] * 3,
        *["|cos(F₁, F₂)|"] * 3,
        *("smaller norm", "smaller norm", "larger norm"),
    ]
    assert len(table.rows) == 12
    assert table.rows[1] == (
        *("⟨K₁, K₂⟩²", "3", "SGD"),
        *("0.61 ± 0.10", "0.31 ± 0.20", "41.0", "2", "1.5", "3"),
    )
    assert table.rows[11][:3] == ("L_CS", "16", "SGD")
    assert "42 s in all" in table.source


def test_a_folder_without_records_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="6 of 6 rows of table1 .* run `convsim run table1`"):
        pair_tables.pair_records("table1", tmp_path)
    with pytest.raises(ValueError, match="table is 'table9'; expected one of table1, table2"):
        pair_tables.pair_records("table9")
    assert not pair_tables.is_recorded("table1", tmp_path)


@pytest.mark.parametrize(
    "show",
    [
        lambda folder: pair_tables.pairs_table("table1", folder=folder),
        lambda folder: pair_tables.largest_difference("table1", folder=folder),
        lambda folder: pair_tables.cosine_table("table1", folder=folder),
        lambda folder: pair_figures.descent_figure("table1", folder=folder),
        lambda folder: pair_figures.cosine_figure(folder=folder),
        lambda folder: pair_tables.increase_table("table1", folder=folder),
        lambda folder: pair_tables.rises("table1", folder=folder),
        lambda folder: pair_tables.death_table("table1", folder=folder),
        lambda folder: pair_figures.increase_figure("table1", folder=folder),
        lambda folder: pair_figures.phase_portrait(folder=folder),
    ],
)
def test_no_table_and_no_figure_falls_back_on_the_books_records(show, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are not in"):
        show(tmp_path)


def test_rows_that_are_missing_are_counted(folder: Path) -> None:
    record_path("pairs", TABLES["table1"][4], folder).unlink()
    assert not pair_tables.is_recorded("table1", folder)
    assert pair_tables.is_recorded("table2", folder)
    with pytest.raises(ValueError, match=r"1 of 6 rows of table1 are not in"):
        pair_tables.pairs_table("table1", folder=folder)


def test_the_descent_has_a_line_a_row_in_each_of_three_panels(folder: Path) -> None:
    figure = pair_figures.descent_figure("table1", folder=folder)
    assert len(figure.data) == 18
    third = figure.data[9:12]  # N = 9 with SGD
    assert list(third[0].y) == [1.0, 0.5, 1e-16]  # zero has no logarithm
    assert list(third[1].y) == pytest.approx([1.0, 0.28, 1e-16], abs=0)
    assert list(third[2].y) == pytest.approx([0.63, 0.4, 0.33])
    assert all(list(line.x) == [0, 5, 10] for line in third)
    assert {line.name for line in third} == {"N = 9, SGD"}
    assert len({line.legendgroup for line in third}) == 1
    assert len({line.legendgroup for line in figure.data}) == 6
    assert [line.showlegend for line in third] == [True, False, False]
    assert [line.yaxis for line in third] == ["y", "y2", "y3"]
    assert {line.line.color for line in third} == {COLORS[1]}
    assert [line.line.dash for line in figure.data[::3]] == ["solid", "dot"] * 3
    assert [line.line.color for line in figure.data[::6]] == list(COLORS[:3])
    axes = (figure.layout.yaxis, figure.layout.yaxis2, figure.layout.yaxis3)
    assert [axis.type for axis in axes] == ["log", "log", None]
    assert axes[2].range == (0, 0.7) and axes[0].range is axes[1].range is None
    assert [axis.exponentformat for axis in axes] == ["power", "power", None]
    assert figure.layout.height == 620
    assert [title.text for title in figure.layout.annotations] == [
        *("loss, relative", "⟨F₁, F₂⟩², relative", "|cos(F₁, F₂)|"),
    ]
    alt = figure.layout.meta["alt"]
    assert "medians of 1000 episodes" in alt
    assert "N = 3 Adam 0.60 to 0.30, " in alt and alt.endswith("N = 16 SGD 0.65 to 0.35.")


def test_the_cosine_figure_joins_before_and_after(folder: Path) -> None:
    figure = pair_figures.cosine_figure(folder=folder)
    lines = {line.y[0]: line for line in figure.data}
    assert list(lines)[0] == "L_CS, N = 16, SGD" and list(lines)[-1] == "⟨K₁, K₂⟩², N = 3, Adam"
    assert len(lines) == 12
    line = lines["L_CS, N = 9, Adam"]
    assert list(line.x) == [0.62, 0.32] and line.y[1] == line.y[0]
    assert list(line.marker.symbol) == ["circle-open", "circle"]
    assert line.hovertemplate == "%{x:.3f}<br>fell in 42 %<extra></extra>"
    assert line.mode == "lines+markers"
    assert line.legendgroup == "L_CS" and line.name == "minimising L_CS"
    shown = [(name, one.showlegend) for name, one in lines.items()]
    assert [name for name, in_legend in shown if in_legend] == [
        *("L_CS, N = 16, SGD", "⟨K₁, K₂⟩², N = 16, SGD"),
    ]
    of_kernels = lines["⟨K₁, K₂⟩², N = 3, Adam"]
    assert line.line.color == COLORS[0] and of_kernels.line.color == COLORS[1]
    assert figure.layout.xaxis.range == (0, 0.7)
    title = figure.layout.xaxis.title.text
    assert title == "mean |cos(F₁, F₂)|: open before, filled after"
    alt = figure.layout.meta["alt"]
    assert "L_CS, N = 16, SGD 0.65 to 0.35; " in alt
    assert alt.endswith("⟨K₁, K₂⟩², N = 3, Adam 0.60 to 0.30.")


def test_a_row_without_a_cosine_is_left_out(folder: Path) -> None:
    last = TABLES["table2"][-1]
    metrics = dict(read_record(record_path("pairs", last, folder)).metrics)
    save(folder, "pairs", last, metrics | {"cosine_after": None})
    figure = pair_figures.cosine_figure(folder=folder)
    assert len(figure.data) == 11
    assert figure.data[0].y[0] == "L_CS, N = 16, Adam" and figure.data[0].showlegend
    save(folder, "pairs", last, metrics | {"cosine_before": None, "cosine_after": summary(0.1)})
    assert len(pair_figures.cosine_figure(folder=folder).data) == 11


def test_the_books_table_shows_the_books_records() -> None:
    table = pair_tables.pairs_table("table1")
    metrics = read_record(record_path("pairs", TABLES["table1"][3], RESULTS)).metrics
    row = table.rows[3]
    assert row[:3] == ("9", "SGD", "0.25 ± 0.87")
    assert row[3] == f"{metrics['correlation']['mean']:.2f} ± {metrics['correlation']['std']:.2f}"
    assert row[5] == f"{metrics['reduced_percent']:.1f}"
