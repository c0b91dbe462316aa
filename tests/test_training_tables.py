"""Tables of the trainings: which records they read, and what they say about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from convsim.evidence import contrast_tables, costs, sweeps, training_figures, training_tables
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.contrasts import CONTRASTS
from convsim.experiments.record import read_records
from convsim.models import MODELS, ShallowCNN
from convsim.training import LOOP
from tests.made_up import COPY, LAYERS, save, save_training, training_metrics

BASELINE = TrainingSettings("baseline", epochs=3, data=COPY)
WANTED = ("baseline", "init", "regularise", "scale")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three conditions with four seeds, and one with one."""
    accuracies = {
        "baseline": (70.0, 71.0, 69.0, 70.5),
        "init": (75.0, 74.0, 74.5, 75.5),
        "regularise": (72.0, 72.5, 71.0, 73.0),
        "scale": (74.8,),
    }
    for condition, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            save_training(tmp_path, replace(BASELINE, condition=condition, seed=seed), accuracy)
    return tmp_path


def save_sweep(folder: Path, settings: TrainingSettings, accuracy: float = 80.0) -> None:
    for condition in WANTED:
        save_training(folder, replace(settings, condition=condition), accuracy)


def test_table_5_has_the_mean_and_deviation_over_seeds(folder: Path) -> None:
    table = training_tables.accuracy_table(folder=folder)
    assert table.columns == (
        *(("", "network"), ("", "condition"), ("", "epochs")),
        *(("best epoch, %", "paper"), ("best epoch, %", "ours")),
        *(("last epoch, %", "ours"), ("", "n")),
    )
    assert table.rows[0][:3] == ("CNN1", "baseline", "3")
    printed, best, last, n = table.rows[0][3:]
    values = np.array([70.0, 71.0, 69.0, 70.5])
    assert printed == "74.66"
    assert best == f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"
    assert last == f"{values.mean() - 0.5:.2f} ± {values.std(ddof=1):.2f}"
    assert n == "4"
    assert table.rows[3] == ("CNN2", "baseline", "3", "76.87", *["not recorded"] * 2, "0")
    assert table.rows[6][:4] == ("width 512", "baseline", "3", "79.78") and len(table.rows) == 7
    assert table.caption == "Test accuracy: Table 5 of the paper, 100 epochs, beside ours."
    assert table.source == (
        "Paper: Belmekki et al. (2024). Ours: CIFAR-10 (JPEG copy), 3 epochs, bfloat16, seed "
        f"0, 1, 2, 3; a machine; torch 9.8.7, training loop {LOOP}; recorded 2026-02-03; "
        "mean ± std over n seeds; 0 of 13 runs diverged."
    )


def test_other_data_do_not_stand_beside_the_papers(tmp_path: Path) -> None:
    save_sweep(tmp_path, replace(BASELINE, data="digits"))
    table = training_tables.accuracy_table(folder=tmp_path)
    assert [row[3] for row in table.rows] == ["–"] * 7
    assert table.rows[0][4] == "80.00"
    assert (
        table.caption
        == "Test accuracy on digits: Table 5 of the paper is of ShallowCNN on CIFAR-10."
    )
    for show in (training_tables.control_table, contrast_tables.contrast_table, costs.cost_table):
        assert "CNN1 on digits" in show(folder=tmp_path).caption
    for figure in (
        training_figures.contrast_figure(folder=tmp_path),
        training_figures.epochs_figure("loss", folder=tmp_path),
    ):
        assert " on digits" in figure.layout.meta["alt"]


def test_other_models_do_not_go_by_the_papers_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "AnotherCNN", ShallowCNN)
    other = replace(BASELINE, model="AnotherCNN")
    save_sweep(tmp_path, other)
    table = training_tables.accuracy_table(folder=tmp_path)
    assert [row[3] for row in table.rows] == ["–"] * 7
    assert table.rows[0][0] == "AnotherCNN, width 64"
    assert table.caption == (
        "Test accuracy of AnotherCNN: Table 5 of the paper is of ShallowCNN on CIFAR-10."
    )
    for show in (training_tables.control_table, contrast_tables.contrast_table, costs.cost_table):
        assert "AnotherCNN, width 64" in show(folder=tmp_path).caption
        assert "CNN1" not in show(folder=tmp_path).caption
    figure = training_figures.epochs_figure("loss", folder=tmp_path)
    assert figure.layout.annotations[0].text == "AnotherCNN, width 64: training loss"
    assert "AnotherCNN, width 64 init, 3 epochs, training loss: 0.667" in figure.layout.meta["alt"]
    # The paper's model comes first, even if less of it was trained on worse data.
    save_training(tmp_path, replace(BASELINE, data="digits"), 70.0)
    (record,) = sweeps.sweep_records(tmp_path)
    assert sweeps.model_of(record) == "ShallowCNN"


def test_contrasts_have_students_interval_and_name_what_is_missing(folder: Path) -> None:
    table = contrast_tables.contrast_table(folder=folder)
    assert table.columns == (
        ("", "difference"),
        *(("points of accuracy", name) for name in ("test, best epoch", "test, last")),
        *(("points of accuracy", "training, last"), ("", "epochs"), ("", "n")),
        *(("", "best epoch says"), ("", "what it is the effect of")),
    )
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == ["scale − baseline", "init − scale", "regularise − baseline"]
    assert rows["scale − baseline"][1:-1] == (
        *("+4.80 [n = 1]", "+4.80 [n = 1]", "+0.00 [n = 1]"),
        *("3", "1", "open, 1 of 3 seeds"),
    )
    found = scipy.stats.ttest_1samp([2.0, 1.5, 2.0, 2.5], 0).confidence_interval(0.95)
    assert rows["regularise − baseline"][1:] == (
        *[f"+2.00 [{found.low:+.2f} to {found.high:+.2f}]"] * 2,
        "+0.00 [+0.00 to +0.00]",
        *("3", "4", "a gain", "Algorithm 2"),
    )
    shown = table.source.partition(" Not recorded: ")[2]
    expected = [f"{a} − {b}" for a, b in CONTRASTS if f"{a} − {b}" not in rows]
    assert shown == ", ".join(expected) + "." and "regularise − decay" in shown
    assert table.caption.startswith("Differences between conditions, CNN1, paired by seed")


def test_controls_are_means_of_the_deeper_layers(folder: Path) -> None:
    table = training_tables.control_table(folder=folder)
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == ["baseline", "init", "regularise", "scale"]
    # Norms of the layers: 2, 4, 6, 8 over the epoch; similarities 0.2, 0.4, 0.6, 0.8 likewise.
    assert rows["scale"] == (
        *("scale", "3", "30.00", "74.80", "74.30"),
        *(f"{np.sqrt(120):.2f}", f"{np.sqrt(120) / 3:.2f}", "1"),
    )
    assert rows["baseline"][2] == "30.00 ± 0.00"
    assert [" ".join(column).strip() for column in table.columns] == [
        *("condition", "epochs", "accuracy, % training", "accuracy, % test, best"),
        *("accuracy, % test, last", "weight norm epoch 1", "weight norm last epoch", "n"),
    ]
    assert "Not recorded: scale-free, both, decay" in table.source
    assert table.caption == "CNN1 under every condition."
    maps = training_tables.maps_table(folder=folder)
    assert {row[0]: row for row in maps.rows}["scale"] == (
        *("scale", "3", f"{0.6 / 3:.2f}", "0.20", "0.30", "1"),
    )
    assert [" ".join(column).strip() for column in maps.columns] == [
        *("condition", "epochs", "kernels, normalised last epoch"),
        *("feature maps, |cos| before", "feature maps, |cos| after", "n"),
    ]
    assert maps.source == table.source
    assert maps.caption == "CNN1 under every condition; means of layers 2 to 4."


def test_a_table_without_gaps_mentions_none(folder: Path) -> None:
    for condition in {name for pair in CONTRASTS for name in pair}:
        save_training(folder, replace(BASELINE, condition=condition, seed=0), 70.0)
    source = contrast_tables.contrast_table(folder=folder).source
    assert source.endswith(contrast_tables.SETTLES) and "runs diverged. Seeds" in source


def test_layers_whose_maps_are_dead_have_no_cosine(tmp_path: Path) -> None:
    dead = dict.fromkeys(LAYERS)
    half = dict(zip(LAYERS, (0.9, 0.1, None, 0.5), strict=True))
    save_training(tmp_path, BASELINE, 70.0, cosine_before=dead, cosine_after=half)
    (row,) = training_tables.maps_table(folder=tmp_path).rows
    assert row[3:5] == ("undefined", "0.30")


def test_the_sweep_that_says_most_is_chosen(folder: Path) -> None:
    def data_and_epochs() -> set[tuple[str, int]]:
        records = sweeps.sweep_records(folder)
        return {(r.settings["data"], r.settings["epochs"]) for r in records}

    assert data_and_epochs() == {(COPY, 3)}
    save_sweep(folder, replace(BASELINE, data="digits", epochs=9), 99.0)
    assert data_and_epochs() == {(COPY, 3)}
    save_training(folder, replace(BASELINE, epochs=100), 80.0)  # one condition replaces nothing
    assert data_and_epochs() == {(COPY, 3)}
    save_sweep(folder, replace(BASELINE, epochs=100))
    assert data_and_epochs() == {(COPY, 100)}
    save_sweep(folder, replace(BASELINE, data="CIFAR-10", epochs=5))
    assert data_and_epochs() == {("CIFAR-10", 5)}


@pytest.mark.parametrize("condition", WANTED)
def test_each_wanted_condition_counts(tmp_path: Path, condition: str) -> None:
    """A sweep that lacks one is no match for a worse one that has all."""
    save_sweep(tmp_path, replace(BASELINE, data="digits"))
    for other in (*WANTED, "both"):
        if other != condition:
            save_training(tmp_path, replace(BASELINE, condition=other), 80.0)
    chosen = sweeps.sweep_records(tmp_path)
    assert {record.settings["data"] for record in chosen} == {"digits"}
    save_training(tmp_path, replace(BASELINE, condition=condition), 80.0)
    chosen = sweeps.sweep_records(tmp_path)
    assert {record.settings["data"] for record in chosen} == {COPY} and len(chosen) == 5


def test_of_two_sweeps_alike_the_larger_one_is_chosen(folder: Path) -> None:
    save_sweep(folder, replace(BASELINE, precision="float32"), 99.0)
    chosen = sweeps.sweep_records(folder)
    assert len(chosen) == 13 and {r.settings["precision"] for r in chosen} == {"bfloat16"}


@pytest.mark.parametrize(
    "other",
    [
        {"learning_rate": 0.1},
        {"batch_size": 64},
        {"iterations": 5},
        {"beta": 0.5},
        {"precision": "float32"},
        {"data": "CIFAR-10 (another copy)"},
        {"epochs": 2},
    ],
)
def test_runs_with_other_settings_are_no_seeds_of_a_sweep(
    folder: Path, other: dict[str, object]
) -> None:
    save_training(folder, replace(BASELINE, seed=9, **other), 99.0)  # type: ignore[arg-type]
    assert len(sweeps.sweep_records(folder)) == 13
    assert training_tables.accuracy_table(folder=folder).rows[0][-1] == "4"


def test_versions_of_the_training_loop_do_not_mix(folder: Path) -> None:
    save_sweep(folder, replace(BASELINE, loop=1), 99.0)
    records = sweeps.sweep_records(folder)
    assert len(records) == 13 and {record.settings["loop"] for record in records} == {LOOP}
    # With more epochs the older ones say more, and are marked.
    save_sweep(folder, replace(BASELINE, epochs=50, loop=1), 99.0)
    assert len(sweeps.sweep_records(folder)) == 4
    assert "training loop 1;" in training_tables.accuracy_table(folder=folder).source


def test_the_longest_sweep_stands_first_and_shorter_ones_add_what_it_lacks(folder: Path) -> None:
    longer = replace(BASELINE, epochs=50)
    save_training(folder, replace(longer, condition="init"), 90.0)
    lengths = [records[0].settings["epochs"] for records in sweeps.book_sweeps(folder)]
    assert lengths == [3], "there is nothing to compare it with"
    save_training(folder, longer, 80.0)
    first, second = sweeps.book_sweeps(folder)
    assert len(first) == 2 and len(second) == 13
    save_sweep(folder, replace(BASELINE, epochs=20, loop=1), 99.0)
    assert sweeps.book_sweeps(folder)[1][0].settings["epochs"] == 20, "it adds as many, longer"
    save_training(folder, replace(BASELINE, condition="both"), 60.0)
    lengths = [records[0].settings["epochs"] for records in sweeps.book_sweeps(folder)]
    assert lengths == [50, 3], "and now fewer"
    rows = {row[0]: row for row in contrast_tables.contrast_table(folder=folder).rows}
    assert rows["both − scale"][4] == "3" and rows["regularise − baseline"][4] == "3"
    gains = {row[0]: row for row in contrast_tables.gains_table(folder=folder).rows}
    assert gains["CNN1: init − baseline"][1:3] == ("+4.50", "+10.00 [n = 1]")
    assert gains["CNN1: init − baseline"][5:] == ("50", "1", "open, 1 of 3 seeds")
    assert gains["CNN2: init − baseline"][1:] == (
        "+5.46",
        *["not recorded"] * 3,
        "–",
        "0",
        "not recorded",
    )
    printed = [row[3] for row in training_tables.accuracy_table(folder=folder).rows]
    assert printed[:7].count("–") == 0 and set(printed[7:]) == {"–"} and len(printed) == 10
    alt = training_figures.epochs_figure("loss", folder=folder).layout.meta["alt"]
    assert "CNN1 init, 50 epochs" in alt and "CNN1 both, 3 epochs" in alt
    points = {p.y[0]: p for p in training_figures.contrast_figure(folder=folder).data}
    symbols = {name: points[name].marker.symbol for name in ("both − scale", "init − scale")}
    assert set(symbols.values()) == {"circle-open"}


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([], "not recorded"),
        ([3.0], "open, 1 of 3 seeds"),
        ([3.0, 3.1], "open, 2 of 3 seeds"),
        ([-3.0, -3.1, -3.2], "a loss"),
        ([0.1, -0.1, 0.0], "equal within 1"),
        ([0.3, 0.4, 0.5], "equal within 1"),
        ([1.3, 1.4, 1.5], "a gain"),
        ([1.0, 3.0, -1.0], "nothing yet; 18 seeds for ± 1"),
    ],
)
def test_what_an_interval_says(differences: list[float], said: str) -> None:
    assert contrast_tables.reading(differences) == said


def test_an_epoch_is_chosen_by_images_held_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no training with images held out is recorded"):
        training_tables.chosen_epoch_table(folder=tmp_path)
    held = replace(BASELINE, held_out=5_000)
    for condition, accuracy in (("baseline", 70.0), ("init", 75.0)):
        settings = replace(held, condition=condition)
        # In test the second of three epochs is the best; here the first is.
        epochs = training_metrics(settings, accuracy)["epochs"] | {
            "held_out_accuracy": [60.0, 59.0, 60.0]
        }
        save_training(tmp_path, settings, accuracy, epochs=epochs)
    save_training(tmp_path, replace(BASELINE, condition="init"), 99.0)
    table = training_tables.chosen_epoch_table(folder=tmp_path)
    assert table.rows == (
        ("baseline", "70.00", "69.50", "69.50", "1"),
        ("init", "75.00", "74.50", "74.50", "1"),
        ("init − baseline", *["+5.00 [n = 1]"] * 3, "1"),
    )
    assert "5,000 training images held out" in table.caption
    assert table.source.endswith("Not recorded: scale.")
    assert [len(sweep) for sweep in sweeps.book_sweeps(tmp_path)] == [1], "they make no sweep"


def test_diverged_runs_are_counted_and_enter_no_mean(folder: Path) -> None:
    save_training(folder, replace(BASELINE, seed=4), None)
    table = training_tables.accuracy_table(folder=folder)
    assert table.rows[0][-1] == "4"
    assert "1 of 14 runs diverged" in table.source


def test_runs_are_those_of_a_condition_and_width_by_seed(tmp_path: Path) -> None:
    for seed in (2, 0, 1):
        save_training(tmp_path, replace(BASELINE, seed=seed), 70.0)
    save_training(tmp_path, replace(BASELINE, width=128), 70.0)
    save_training(tmp_path, replace(BASELINE, condition="init"), 70.0)
    records = read_records("table5", tmp_path)
    seeds = [run.settings["seed"] for run in sweeps.runs_of(records, "baseline")]
    assert seeds == [0, 1, 2]
    (wide,) = sweeps.runs_of(records, "baseline", 128)
    assert wide.settings["width"] == 128
    assert training_tables.control_table(128, folder=tmp_path).rows[0][-1] == "1"
    assert "CNN2 under" in training_tables.control_table(128, folder=tmp_path).caption
    save_training(tmp_path, replace(BASELINE, condition="scale", width=128), 77.0)
    (row,) = contrast_tables.contrast_table(128, folder=tmp_path).rows
    assert row[:2] == ("scale − baseline", "+7.00 [n = 1]")


def test_several_machines_and_days_are_all_named(folder: Path) -> None:
    (record, *_) = sweeps.sweep_records(folder)
    settings = replace(BASELINE, seed=7)
    changes = {"hardware": "another", "versions": {"torch": "9.9"}, "started": "2026-05-06T00"}
    save(folder, "table5", settings, record.metrics, **changes)
    source = training_tables.accuracy_table(folder=folder).source
    assert "; a machine, another; torch 9.8.7, 9.9, training loop" in source
    assert "recorded 2026-05-06;" in source


def test_how_much_data_say_and_what_networks_are_called() -> None:
    names = ("CIFAR-10", COPY, "digits", "CIFAR-100")
    assert [sweeps.data_rank(name) for name in names] == [2, 1, 0, 0]
    assert [sweeps.network(w) for w in (64, 128, 512, 7)] == [
        *("CNN1", "CNN2", "width 512", "width 7"),
    ]


def test_nothing_recorded_is_an_error(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ValueError, match="no training is recorded .* run `convsim run table5`"):
        sweeps.sweep_records(tmp_path / "empty")
    message = "no training of width 128 .* expected 64: run `convsim run table5 --widths 128`"
    for show in (training_tables.control_table, contrast_tables.contrast_table):
        with pytest.raises(ValueError, match=message):
            show(128, folder=folder)
