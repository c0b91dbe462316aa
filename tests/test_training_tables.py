"""Tables and figures of the trainings: which records they read, and what they say about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

from convsim.evidence import costs, training_figures, training_tables
from convsim.experiments.cifar10 import CONDITIONS, TrainingSettings, initialise, settings_of
from convsim.experiments.record import read_records, stored, write_record
from convsim.experiments.sweep import KEPT, load_network
from convsim.figures import rounded
from convsim.similarity import convolutional_layers
from convsim.training import LOOP

LAYERS = ("blocks.0.0", "blocks.1.0", "blocks.2.0", "blocks.3.0")
BASELINE = TrainingSettings("baseline", epochs=3, data="CIFAR-10 (JPEG copy)")


def write(folder: Path, settings: TrainingSettings, accuracy: float, **changes: Any) -> None:
    """A record of made-up numbers that grow from epoch to epoch."""
    steps = np.arange(1, settings.epochs + 1)
    test = accuracy - 0.5 * np.abs(steps - 2)  # best in epoch 2
    layers = {
        key: {name: list(size * (1 + i) / steps) for i, name in enumerate(LAYERS)}
        for key, size in {"similarity": 100.0, "normalized": 0.2, "norm": 2.0}.items()
    }
    metrics: dict[str, Any] = {
        "top_test_accuracy": max(test),
        "last_test_accuracy": test[-1],
        "initialisation_seconds": 1.5,
        "cosine_before": dict(zip(LAYERS, (0.9, 0.1, 0.2, 0.3), strict=True)),
        "cosine_after": dict(zip(LAYERS, (0.9, 0.2, 0.3, 0.4), strict=True)),
        "chosen": {},
        "epochs": {
            "epoch": steps.tolist(),
            "loss": list(2.0 / steps),
            "train_accuracy": list(10.0 * steps),
            "test_accuracy": list(test),
            "seconds": [4.0 + (settings.condition == "regularise")] * settings.epochs,
            **layers,
        },
    }
    started = datetime.now(timezone.utc)
    write_record(
        "table5", settings, metrics | changes, data=settings.data, started=started, folder=folder
    )


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
            write(tmp_path, replace(BASELINE, condition=condition, seed=seed), accuracy)
    return tmp_path


def test_table_5_has_the_mean_and_deviation_over_seeds(folder: Path) -> None:
    table = training_tables.accuracy_table(folder=folder)
    printed, best, last, n = table.rows[0][2:]
    values = np.array([70.0, 71.0, 69.0, 70.5])
    assert printed == "74.66"
    assert best == f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"
    assert last == f"{values.mean() - 0.5:.2f} ± {values.std(ddof=1):.2f}"
    assert n == "4"
    assert table.rows[3][3:] == ("not recorded", "not recorded", "0")  # CNN2
    assert "CIFAR-10 (JPEG copy), 3 epochs, bfloat16, seed 0, 1, 2, 3" in table.source
    assert "0 of 13 runs diverged" in table.source


def test_differences_are_paired_by_seed_with_students_interval(folder: Path) -> None:
    records = training_tables.sweep_records(folder)
    differences = training_tables.paired_differences(
        records, "init", "baseline", 64, training_tables.best_test
    )
    assert differences == pytest.approx([5.0, 3.0, 5.5, 5.0])
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert training_tables.interval(differences) == pytest.approx(tuple(expected))
    assert training_tables.interval([1.0]) is None
    words = training_tables.interval_in_words
    assert words([1.0]) == "+1.00 [one seed, no interval]"
    assert words([]) == "not recorded"
    assert words([1.0, 1.0]) == "+1.00 [+1.00 to +1.00]"


def test_contrasts_name_what_is_missing(folder: Path) -> None:
    table = training_tables.contrast_table(folder=folder)
    rows = {row[0]: row for row in table.rows}
    assert rows["scale − baseline"][1] == "+4.80 [one seed, no interval]"
    assert rows["scale − baseline"][3] == "1"
    assert list(rows) == ["scale − baseline", "init − scale", "regularise − baseline"]
    shown = table.source.partition("Not recorded: ")[2]
    expected = [f"{a} − {b}" for a, b in training_tables.CONTRASTS if f"{a} − {b}" not in rows]
    assert shown == ", ".join(expected) + "." and "regularise − decay" in shown


def test_controls_show_layers_2_to_4(folder: Path) -> None:
    table = training_tables.control_table(folder=folder)
    rows = {row[0]: row for row in table.rows}
    accuracy, first, last, similarity, before, after = rows["scale"][2:8]
    assert accuracy == "74.80"
    # Layers have 2, 4, 6 and 8 in the first epoch, and a third of it in the last.
    assert first == f"{np.sqrt(4 + 16 + 36 + 64):.2f}"
    assert last == f"{np.sqrt(4 + 16 + 36 + 64) / 3:.2f}"
    assert similarity == f"{0.2 * (2 + 3 + 4) / 3 / 3:.2f}"
    assert (before, after) == ("0.20", "0.30")
    assert list(rows) == ["baseline", "init", "regularise", "scale"]
    assert "Not recorded: scale-free, both, decay, " in table.source


def test_costs_are_against_the_baseline(folder: Path) -> None:
    rows = {row[0]: row for row in costs.cost_table(folder=folder).rows}
    assert rows["regularise"][1:] == ("1.5", "5.00", "+1.00", "+25 %")
    assert rows["baseline"][2:] == ("4.00", "+0.00", "+0 %")
    assert "decay" not in rows


def test_the_sweep_that_says_most_is_read(folder: Path) -> None:
    def data_and_epochs() -> set[tuple[str, int]]:
        records = training_tables.sweep_records(folder)
        return {(r.settings["data"], r.settings["epochs"]) for r in records}

    assert data_and_epochs() == {("CIFAR-10 (JPEG copy)", 3)}
    for condition in ("baseline", "init", "regularise"):
        write(folder, replace(BASELINE, condition=condition, data="digits", epochs=9), 99.0)
    assert data_and_epochs() == {("CIFAR-10 (JPEG copy)", 3)}
    write(folder, replace(BASELINE, epochs=100), 80.0)  # a condition alone replaces nothing
    assert data_and_epochs() == {("CIFAR-10 (JPEG copy)", 3)}
    for condition in ("init", "regularise"):
        write(folder, replace(BASELINE, condition=condition, epochs=100), 80.0)
    assert data_and_epochs() == {("CIFAR-10 (JPEG copy)", 100)}
    for condition in ("baseline", "init", "regularise"):
        write(folder, replace(BASELINE, condition=condition, data="CIFAR-10", epochs=5), 80.0)
    assert data_and_epochs() == {("CIFAR-10", 5)}


def test_versions_of_the_training_loop_do_not_mix(folder: Path) -> None:
    table = training_tables.accuracy_table(folder=folder)
    assert f"training loop {LOOP};" in table.source
    for condition in ("baseline", "init", "regularise"):
        write(folder, replace(BASELINE, condition=condition, loop=1), 99.0)
    records = training_tables.sweep_records(folder)
    assert len(records) == 13 and {record.settings["loop"] for record in records} == {LOOP}
    # With more epochs the older ones say more, and are marked.
    for condition in ("baseline", "init", "regularise"):
        write(folder, replace(BASELINE, condition=condition, epochs=50, loop=1), 99.0)
    assert len(training_tables.sweep_records(folder)) == 3
    assert "training loop 1;" in training_tables.accuracy_table(folder=folder).source


def test_diverged_runs_are_counted_and_enter_no_mean(folder: Path) -> None:
    settings = replace(BASELINE, seed=4)
    started = datetime.now(timezone.utc)
    write_record(
        "table5", settings, {"diverged": "epoch 1"}, data="x", started=started, folder=folder
    )
    table = training_tables.accuracy_table(folder=folder)
    assert table.rows[0][-1] == "4"
    assert "1 of 14 runs diverged" in table.source


def test_benchmark_ratios_stand_a_column_a_machine(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no benchmark of training is recorded .* `make bench`"):
        costs.training_table(folder=tmp_path)
    metrics = {"ratios": {"DataLoader / fit": 1.2345, "step with beta / without": 1.01}}
    settings = replace(BASELINE, data="random images")
    started = datetime.now(timezone.utc)
    path = write_record(
        "trainingbenchmark", settings, metrics, data="x", started=started, folder=tmp_path
    )
    path.write_text(path.read_text().replace('"epochs": 3', '"images": 5000'))
    table = costs.training_table(folder=tmp_path)
    assert table.rows == (("DataLoader / fit", "1.23"), ("step with beta / without", "1.01"))
    assert "5,000 random images" in table.source and "threads" in table.columns[1][1]


def test_a_profile_names_the_longest_operators_and_sums_the_rest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no benchmark of training is recorded"):
        costs.profile_table(folder=tmp_path)
    printed = {"aten::convolution_backward": 500.0, "aten::fill_": 40.0, "aten::add": 6.0}
    ours = {"aten::fill_": 30.0, "aten::convolution_backward": 90.0, "aten::pad": 3.0}
    metrics = {"profile": {"as printed": printed, "ours": ours}}
    write_record(
        "trainingbenchmark",
        BASELINE,
        metrics,
        data="x",
        started=datetime.now(timezone.utc),
        folder=tmp_path,
    )
    assert costs.profile_table(2, folder=tmp_path).rows == (
        ("convolution_backward", "500", "90"),
        ("fill_", "40", "30"),
        ("all others", "6", "3"),
        ("together", "546", "123"),
    )


def test_nothing_recorded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no training is recorded .* run `convsim run table5`"):
        training_tables.sweep_records(tmp_path)


def test_curves_have_a_mean_and_a_band(folder: Path) -> None:
    figure = training_figures.epochs_figure("test_accuracy", "rate", folder=folder)
    lines = {(t.name, t.yaxis): t for t in figure.data if t.name}
    baseline = lines["baseline", "y"]
    mean = np.mean([70.0, 71.0, 69.0, 70.5]) - 0.5 * np.abs(np.arange(1, 4) - 2)
    np.testing.assert_allclose(baseline.y, mean, rtol=1e-4)
    edges = [t for t in figure.data if not t.name and t.legendgroup == "baseline"]
    deviation = np.std([70.0, 71.0, 69.0, 70.5], ddof=1)
    np.testing.assert_allclose(np.subtract(edges[0].y, edges[1].y), 2 * deviation, rtol=1e-3)
    assert not [t for t in figure.data if not t.name and t.legendgroup == "scale"]  # one seed
    # Layers 2 to 4 have norms 4, 6 and 8 over the epoch.
    expected = [0.01 * np.mean([1 / (k / e) ** 2 for k in (4, 6, 8)]) for e in (1, 2, 3)]
    np.testing.assert_allclose(lines["init", "y2"].y, rounded(expected), rtol=1e-4)
    assert baseline.visible is True
    assert lines["scale", "y"].visible == "legendonly"
    assert "CNN1 init test accuracy, %: 74.2" in figure.layout.meta["alt"]


def test_figures_refuse_what_they_do_not_know(folder: Path) -> None:
    with pytest.raises(ValueError, match="quantities are speed; expected some of test_accuracy"):
        training_figures.epochs_figure("speed", folder=folder)
    with pytest.raises(ValueError, match="quantities are none"):
        training_figures.epochs_figure(folder=folder)


def test_contrasts_are_drawn_with_their_intervals(folder: Path) -> None:
    figure = training_figures.contrast_figure(folder=folder)
    points = {trace.y[0]: trace for trace in figure.data}
    assert points["regularise − baseline"].x[0] == pytest.approx(2.0)
    differences = np.array([2.0, 1.5, 2.0, 2.5])
    half = scipy.stats.t.ppf(0.975, 3) * differences.std(ddof=1) / 2
    assert points["regularise − baseline"].error_x.array[0] == pytest.approx(half, rel=1e-3)
    assert points["scale − baseline"].error_x.visible is False
    assert "regularise − decay" not in points


def test_settings_of_the_records_can_be_read_again(folder: Path) -> None:
    for record in training_tables.sweep_records(folder):
        assert stored(settings_of(record)) == record.settings


def test_the_benchmark_says_what_chapter_6_says() -> None:
    for record in read_records("trainingbenchmark"):
        assert record.metrics["ratios"]["network as printed / ours, in bfloat16"] > 1.8
        printed, ours = (record.metrics["profile"][name] for name in ("as printed", "ours"))
        longest = "aten::convolution_backward"
        assert printed[longest] > sum(printed.values()) / 2
        assert printed[longest] > 3 * ours[longest]


def test_the_books_records_say_what_chapter_7_says() -> None:
    records = training_tables.sweep_records()

    def gain(first: str, second: str) -> float:
        """Points of training accuracy after the last epoch, mean over seeds."""
        return float(
            np.mean(
                training_tables.paired_differences(
                    records, first, second, 64, training_tables.last_training
                )
            )
        )

    def deep(condition: str, key: str, epoch: int | None = None) -> float:
        """Mean of layers 2 to 4 over seeds."""
        runs = training_tables.runs_of(records, condition)
        of_layers = [
            run.metrics["epochs"][key] if epoch is not None else run.metrics[key] for run in runs
        ]
        values = [list(layers.values())[1:] for layers in of_layers]
        return float(np.mean([v if epoch is None else v[epoch] for row in values for v in row]))

    # Scale: most of Algorithm 1's gain. Similarity: something, but less. Both: no more than scale.
    assert gain("scale", "baseline") > 2
    assert abs(gain("init", "scale")) < gain("scale", "baseline") / 4
    assert 0 < gain("scale-free", "baseline") < gain("scale", "baseline") / 4
    assert gain("both", "scale") < gain("scale-free", "baseline")
    early = training_tables.paired_differences(
        records,
        "scale-free",
        "baseline",
        64,
        lambda run: run.metrics["epochs"]["train_accuracy"][2],
    )
    assert np.mean(early) > gain("scale-free", "baseline")
    # Low similarity is kept at the default scale and forgotten at the small one.
    assert deep("scale-free", "normalized", -1) < 0.5
    assert deep("both", "normalized", 1) > 0.75
    # Feature maps before: no less alike than the default's. After: more alike.
    assert deep("scale", "cosine_before") == pytest.approx(deep("baseline", "cosine_before"), 1e-2)
    assert deep("init", "cosine_before") > 0.9 * deep("baseline", "cosine_before")
    assert deep("scale-free", "cosine_before") < 0.75 * deep("baseline", "cosine_before")
    assert deep("scale-free", "cosine_after") > 0.85 * deep("baseline", "cosine_after")
    for condition in ("init", "scale"):
        assert deep(condition, "cosine_after") > deep("baseline", "cosine_after")
        assert _rate(records, condition) > 50 * _rate(records, "baseline")


def test_small_kernels_turn_and_large_ones_do_not() -> None:
    records = training_tables.sweep_records()
    kept = {}
    for condition in KEPT:
        run = training_tables.runs_of(records, condition)[0]
        start, _ = initialise(TrainingSettings(**run.settings), "cpu")
        before, after = (
            torch.cat([layer.weight.flatten() for _, layer in convolutional_layers(model)[1:]])
            for model in (start, load_network(run))
        )
        kept[condition] = torch.cosine_similarity(before, after, dim=0).item()
    assert kept["baseline"] > 0.9 and kept["scale-free"] > 0.9
    assert kept["init"] < 0.5 and kept["scale"] < 0.5


def _rate(records: list[Any], condition: str) -> float:
    """Effective learning rate of layer 3 after the first epoch, up to the learning rate."""
    runs = training_tables.runs_of(records, condition)
    return float(np.mean([1 / run.metrics["epochs"]["norm"][LAYERS[2]][0] ** 2 for run in runs]))


def test_no_two_conditions_look_alike_without_colours() -> None:
    dashes = [dash for _, dash in training_figures.STYLES.values()]
    assert len(set(dashes)) == len(dashes)
    assert set(training_figures.STYLES) == set(CONDITIONS)
