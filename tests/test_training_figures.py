"""Figures of the trainings, from made-up records: curves, bands, intervals, and their words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import scipy.stats

from convsim.evidence import training_figures
from convsim.evidence.input_tables import FAMILIES
from convsim.evidence.training_figures import STYLES
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS, KERNELS
from convsim.figures import COLORS
from tests.made_up import COPY, LAYERS, save_training, training_metrics

BASELINE = TrainingSettings("baseline", epochs=3, data=COPY)
EPOCHS = np.array([1, 2, 3])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Accuracies are highest in epoch 2; norms of the layers are 2, 4, 6, 8 over the epoch."""
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


def lines(figure: go.Figure) -> dict[tuple[str, str], Any]:
    """Named traces by condition and axis."""
    return {(line.name, line.yaxis): line for line in figure.data if line.name}


def test_a_line_is_the_mean_over_seeds(folder: Path) -> None:
    figure = training_figures.epochs_figure("test_accuracy", "train_accuracy", folder=folder)
    found = lines(figure)
    assert {axis for _, axis in found} == {"y", "y2"}
    mean = np.mean([70.0, 71.0, 69.0, 70.5]) - 0.5 * np.abs(EPOCHS - 2)
    baseline = found["baseline", "y"]
    np.testing.assert_allclose(baseline.y, mean, rtol=1e-4)
    assert list(baseline.x) == [1, 2, 3]
    assert list(found["init", "y2"].y) == [10.0, 20.0, 30.0]
    assert baseline.mode == "lines" and baseline.line.width is None
    assert (baseline.line.color, baseline.line.dash) == STYLES["baseline"]
    assert baseline.legendgroup == "baseline"
    assert figure.layout.annotations[0].text == "CNN1: test accuracy, %"
    assert figure.layout.annotations[1].text == "CNN1: training accuracy, %"
    assert figure.layout.xaxis2.title.text == "epoch"
    assert figure.layout.yaxis.type is None
    assert figure.layout.height == 110 + 2 * 230


def test_a_band_reaches_one_deviation_to_both_sides(folder: Path) -> None:
    figure = training_figures.epochs_figure("test_accuracy", folder=folder)
    upper, lower = (t for t in figure.data if not t.name and t.legendgroup == "baseline")
    deviation = np.std([70.0, 71.0, 69.0, 70.5], ddof=1)
    mean = np.array(lines(figure)["baseline", "y"].y)
    np.testing.assert_allclose(np.subtract(upper.y, mean), deviation, rtol=1e-3)
    np.testing.assert_allclose(np.subtract(mean, lower.y), deviation, rtol=1e-3)
    assert (upper.fill, lower.fill) == (None, "tonexty")
    assert lower.fillcolor == "rgba(0, 114, 178, 0.2)"  # #0072B2
    for edge in (upper, lower):
        assert edge.line.width == 0 and edge.showlegend is False and edge.hoverinfo == "skip"
        assert list(edge.x) == [1, 2, 3] and edge.mode == "lines" and edge.visible is True
    assert not [t for t in figure.data if not t.name and t.legendgroup == "scale"]  # one seed


def test_the_legend_names_each_condition_once_and_switches_the_controls_on(folder: Path) -> None:
    figure = training_figures.epochs_figure("test_accuracy", "loss", folder=folder)
    found = lines(figure)
    for condition in ("baseline", "init", "regularise", "scale"):
        assert found[condition, "y"].showlegend is True
        assert found[condition, "y2"].showlegend is False
        visible = "legendonly" if condition == "scale" else True
        assert found[condition, "y"].visible == visible
    shown = training_figures.epochs_figure("loss", shown=("scale",), folder=folder)
    assert lines(shown)["scale", "y"].visible is True
    assert lines(shown)["baseline", "y"].visible == "legendonly"


@pytest.mark.parametrize(
    ("quantity", "expected", "logarithmic"),
    [
        ("loss", 2 / EPOCHS, False),
        ("similarity", (100 + 200 + 300 + 400) / EPOCHS, True),
        ("normalized", (0.4 + 0.6 + 0.8) / 3 / EPOCHS, False),
        ("norm", np.sqrt(4 + 16 + 36 + 64) / EPOCHS, True),
        ("rate", 0.01 * np.mean([1 / 16, 1 / 36, 1 / 64]) * EPOCHS**2, True),
    ],
)
def test_layers_become_one_number_an_epoch(
    folder: Path, quantity: str, expected: np.ndarray, logarithmic: bool
) -> None:
    figure = training_figures.epochs_figure(quantity, folder=folder)
    np.testing.assert_allclose(lines(figure)["init", "y"].y, expected, rtol=1e-4)
    assert figure.layout.yaxis.type == ("log" if logarithmic else None)


def test_a_chosen_learning_rate_is_the_one_that_is_shown(tmp_path: Path) -> None:
    settings = replace(BASELINE, condition="learning-rate")
    save_training(tmp_path, settings, 70.0, chosen={"lr": 0.3})
    figure = training_figures.epochs_figure("rate", folder=tmp_path)
    expected = 0.3 * np.mean([1 / 16, 1 / 36, 1 / 64]) * EPOCHS**2
    np.testing.assert_allclose(lines(figure)["learning-rate", "y"].y, expected, rtol=1e-4)


@pytest.mark.parametrize("quantity", ["loss", "similarity", "normalized", "norm", "rate"])
def test_a_record_that_lacks_an_epoch_is_an_error(tmp_path: Path, quantity: str) -> None:
    epochs = training_metrics(BASELINE, 70.0)["epochs"]
    values = epochs["norm" if quantity == "rate" else quantity]
    (values if quantity == "loss" else values[LAYERS[2]]).pop()
    save_training(tmp_path, BASELINE, 70.0, epochs=epochs)
    save_training(tmp_path, replace(BASELINE, seed=1), 71.0)
    with pytest.raises(ValueError, match="zip"):
        training_figures.epochs_figure(quantity, folder=tmp_path)


def test_two_seeds_have_a_band(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((70.0, 72.0)):
        save_training(tmp_path, replace(BASELINE, seed=seed), accuracy)
    figure = training_figures.epochs_figure("test_accuracy", folder=tmp_path)
    upper, lower, mean = figure.data
    assert list(mean.y) == [70.5, 71.0, 70.5]
    np.testing.assert_allclose(np.subtract(upper.y, lower.y), 2 * np.sqrt(2), rtol=1e-3)


def test_where_the_lines_end_is_said(folder: Path) -> None:
    alt = training_figures.epochs_figure("test_accuracy", "loss", folder=folder).layout.meta["alt"]
    assert alt.startswith("Lines over the epochs, one a condition. At the end: CNN1 baseline, 3")
    assert "CNN1 init, 3 epochs, test accuracy, %: 74.2; CNN1 regularise" in alt
    assert alt.endswith("CNN1 scale, 3 epochs, training loss: 0.667.")
    shown = training_figures.epochs_figure("loss", logarithmic=True, folder=folder)
    assert shown.layout.xaxis.type == "log"


def test_the_wide_network_has_panels_only_where_it_is_alone(folder: Path, tmp_path: Path) -> None:
    wide = replace(BASELINE, width=512)
    save_training(folder, wide, 80.0)
    save_training(folder, replace(BASELINE, width=128), 81.0)
    titles = [
        title.text
        for title in training_figures.epochs_figure("loss", folder=folder).layout.annotations
    ]
    assert titles == ["CNN1: training loss", "CNN2: training loss"]
    alone = tmp_path / "alone"
    alone.mkdir()
    save_training(alone, wide, 80.0)
    figure = training_figures.epochs_figure("loss", folder=alone)
    assert [title.text for title in figure.layout.annotations] == ["width 512: training loss"]
    assert list(lines(figure)["baseline", "y"].y) == [2.0, 1.0, 0.66667]


def test_figures_refuse_what_they_do_not_know(folder: Path) -> None:
    with pytest.raises(ValueError, match="quantities are speed; expected some of test_accuracy"):
        training_figures.epochs_figure("speed", folder=folder)
    with pytest.raises(ValueError, match="quantities are loss, speed; expected"):
        training_figures.epochs_figure("loss", "speed", folder=folder)
    with pytest.raises(ValueError, match="quantities are none"):
        training_figures.epochs_figure(folder=folder)
    with pytest.raises(ValueError, match="no training of width 128"):
        training_figures.contrast_figure(128, folder=folder)


def test_contrasts_are_drawn_with_their_intervals(folder: Path) -> None:
    figure = training_figures.contrast_figure(folder=folder)
    points = {trace.y[0]: trace for trace in figure.data}
    # Drawn from below: the first contrast is the highest.
    assert list(points) == ["regularise − baseline", "init − scale", "scale − baseline"]
    point = points["regularise − baseline"]
    assert list(point.x) == [2.0]
    differences = np.array([2.0, 1.5, 2.0, 2.5])
    half = scipy.stats.t.ppf(0.975, 3) * differences.std(ddof=1) / 2
    assert point.error_x.array[0] == pytest.approx(half, rel=1e-4)
    assert point.error_x.visible is True and point.error_x.type == "data"
    assert point.mode == "markers" and point.showlegend is False
    assert point.hovertemplate == "Algorithm 2<br>%{x:+.2f} points, n = 4, 3 epochs<extra></extra>"
    single = points["scale − baseline"]
    assert single.error_x.visible is False and list(single.error_x.array) == [0.0]
    assert single.marker.color == COLORS[0] and points["init − scale"].marker.color == COLORS[1]
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1, line.line.color, line.line.dash) == (0, 0, "gray", "dash")
    assert figure.layout.xaxis.title.text == "points of test accuracy, best epoch"
    assert figure.layout.yaxis.automargin is True
    assert figure.layout.height == 110 + 3 * 42
    assert figure.layout.meta["alt"] == (
        "Differences of best test accuracy between conditions, in points: "
        "scale − baseline +4.80, 3 epochs; init − scale +0.20, 3 epochs; "
        f"regularise − baseline +2.00 ± {half:.2f}, 3 epochs."
    )


def test_contrasts_are_of_one_width(folder: Path) -> None:
    for condition, accuracy in {"baseline": 60.0, "scale": 67.0}.items():
        save_training(folder, replace(BASELINE, condition=condition, width=128), accuracy)
    (point,) = training_figures.contrast_figure(128, folder=folder).data
    assert (point.y[0], point.x[0]) == ("scale − baseline", 7.0)


def test_no_two_conditions_look_alike_without_colours() -> None:
    for drawn_together in (KERNELS, FAMILIES["baseline"]):
        dashes = [STYLES[name][1] for name in drawn_together]
        assert len(set(dashes)) == len(dashes) > 9
    assert set(STYLES) == set(CONDITIONS)
