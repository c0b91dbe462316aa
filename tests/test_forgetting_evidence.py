"""Figures and the table of first epochs, from records with known numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from convsim.evidence import forgetting
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.forgetting import FORGETTING, ForgettingSettings
from tests.made_up import COPY, LAYERS, save

STEPS = (0, 1, 5)


def course(norms: tuple[float, ...], gradients: tuple[float, ...]) -> dict[str, list[float]]:
    return {
        "norm": [*norms],
        "angle": [0.0, 10.0, 30.0],
        "squared_gradients": [*gradients],
        "squared_steps": [0.0, 1.0, 2.0],
        "similarity": [8.0, 4.0, 312.0],
        "normalized": [0.5, 0.4, 0.25],
    }


def save_epoch(
    folder: Path,
    start: str,
    norms: tuple[float, ...] = (2.0, 2.5, 4.0),
    gradients: tuple[float, ...] = (0.0, 3.0, 9.0),
    **changes: Any,
) -> None:
    diverged = changes.pop("diverged", None)
    run = TrainingSettings(start, epochs=1, data=COPY, **changes)
    metrics: dict[str, Any] = {
        "steps": [*STEPS],
        "layers": {name: course(norms, gradients) for name in LAYERS},
        "loss": 2.0,
        "train_accuracy": 37.25,
        "test_accuracy": 40.0,
    }
    if diverged:
        metrics = {"diverged": diverged}
    save(folder, FORGETTING.name, ForgettingSettings(run, STEPS), metrics, data=COPY)


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data if trace.showlegend is not False}


def test_rates_stand_on_the_curve_that_the_default_gives(tmp_path: Path) -> None:
    for draw in (forgetting.rate_figure, forgetting.growth_figure, forgetting.forgetting_table):
        with pytest.raises(ValueError, match="no record of forgetting lies in"):
            draw(folder=tmp_path)
    save_epoch(tmp_path, "scale", (0.5, 1.0, 2.0))
    with pytest.raises(ValueError, match="the first epoch of baseline with learning rate 0.01"):
        forgetting.rate_figure(tmp_path)
    save_epoch(tmp_path, "baseline")
    save_epoch(tmp_path, "scale", (0.5, 3.0, 5.0), learning_rate=0.1)
    save_epoch(tmp_path, "scale", diverged="epoch 1", learning_rate=1.0)
    save_epoch(tmp_path, "scale", optimizer="momentum")  # of another formula
    figure = forgetting.rate_figure(tmp_path)
    shown = traces(figure)
    power = 3.0 * 2.0**2  # ‖g‖² ‖w‖² of the default's first step
    curve = shown["r / (1 + γ² r²)"]
    assert max(curve.y) == pytest.approx(1 / (2 * math.sqrt(power)), rel=0.01)
    for x, y in zip(curve.x, curve.y, strict=True):
        assert y == pytest.approx(x / (1 + power * x * x), rel=1e-3)
    assert [*shown["scale, one step"].x] == pytest.approx([0.01 / 0.25, 0.1 / 0.25])
    assert [*shown["scale, one step"].y] == pytest.approx([0.01, 0.1 / 9], rel=1e-4)
    assert [*shown["scale, one epoch"].y] == pytest.approx([0.01 / 4, 0.1 / 25], rel=1e-4)
    assert [*shown["baseline, one step"].y] == pytest.approx([0.01 / 6.25], rel=1e-4)
    assert f"Highest at {12**-0.5:.2g}" in figure.layout.meta["alt"]
    # Every seed is drawn, with a curve of its own, and the words say the mean.
    save_epoch(tmp_path, "scale", (1.0, 2.0, 4.0), seed=1)
    save_epoch(tmp_path, "baseline", (2.0, 2.5, 4.0), (0.0, 4.0, 9.0), seed=1)
    figure = forgetting.rate_figure(tmp_path)
    curves = [max(trace.y) for trace in figure.data if trace.legendgroup == "curve"]
    assert curves == pytest.approx([1 / (2 * 12**0.5), 1 / (2 * 4)], rel=0.01)
    assert "Highest at 0.29, 0.25." in figure.layout.meta["alt"]
    assert sorted(traces(figure)["scale, one step"].x) == pytest.approx([0.01, 0.04, 0.4])
    assert figure.layout.meta["alt"].count("after one step") == 3
    assert "scale 0.025, after one step 0.0063;" in figure.layout.meta["alt"]


def test_growth_is_drawn_beside_what_the_gradients_predict(tmp_path: Path) -> None:
    save_epoch(tmp_path, "baseline")
    with pytest.raises(ValueError, match="no first epoch of scale is recorded"):
        forgetting.growth_figure(folder=tmp_path)
    for optimizer in ("SGD", "momentum", "Adam"):
        save_epoch(tmp_path, "scale", (0.5, 1.0, 2.0), (0.0, 3.0, 9.0), optimizer=optimizer)
    drawn = {(t.name, t.showlegend): [*t.y] for t in forgetting.growth_figure(folder=tmp_path).data}
    assert {name for name, _ in drawn} == {"SGD", "momentum"}
    for name, rate in (("SGD", 0.01), ("momentum", 0.1)):  # η / (1 − μ)
        assert drawn[name, True] == pytest.approx([0.25, 1, 4])
        expected = [0.25 + rate**2 * total for total in (0, 3, 9)]
        assert drawn[name, False] == pytest.approx(expected, rel=1e-4)


def test_the_table_says_what_a_first_epoch_left(tmp_path: Path) -> None:
    save_epoch(tmp_path, "init", (0.5, 1.0, 2.0))
    save_epoch(tmp_path, "scale", diverged="epoch 1", learning_rate=1.0)
    save_epoch(tmp_path, "baseline", optimizer="Adam", learning_rate=0.001)
    save_epoch(tmp_path, "init", (0.5, 1.0, 4.0), seed=2)  # a quarter of the rate
    table = forgetting.forgetting_table(tmp_path)
    first = (
        "SGD",
        "0.01",
        "init",
        "0.04",
        "0.0016",
        "30°",
        "32",
        "1,200",
        "0.50",
        "0.25",
        "37.2",
        "2",
    )
    assert table.rows == (
        first,
        ("SGD", "1", "scale", *["diverged"] * 8, "0"),
        ("Adam", "0.001", "baseline", "0.0005", "0.00025", *first[5:-1], "1"),
    )
    missing = table.source.partition("Not recorded: ")[2].split(", ")
    assert "seed 0, 2;" in table.source
    assert len(missing) == 24 - 3 and missing[0] == "SGD 0.01 baseline"
