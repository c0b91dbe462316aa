"""Tables and figures of other optimisers and networks, from records with known numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convsim.evidence import deeper_figures, deeper_tables, resnet
from convsim.experiments.cifar10 import TrainingSettings
from tests.made_up import COPY, LAYERS, save, training_metrics


def save_run(folder: Path, condition: str, accuracy: float, **changes: Any) -> None:
    """A training of 20 epochs with this best test accuracy, and ten points more in training."""
    chosen = changes.pop("chosen", {})
    settings = TrainingSettings(condition, **{"epochs": 20, "data": COPY, **changes})
    metrics = training_metrics(settings, accuracy)
    metrics["epochs"]["train_accuracy"] = [*range(settings.epochs - 1), accuracy + 10]
    metrics["epochs"]["norm"] = {name: [0.5] * (settings.epochs - 1) + [2.0] for name in LAYERS}
    before, after = (
        {name: {"normalized": a, "correlation": b} for name in LAYERS}
        for a, b in ((0.75, 0.5), (0.5, None))
    )
    metrics |= {"chosen": chosen, "layers_before": before, "layers_after": after}
    save(folder, "table5", settings, metrics, data=COPY)


EVERYTHING: list[tuple[Callable[[Path], Any], str]] = [
    (deeper_tables.optimizers_table, "under other optimisers"),
    (deeper_tables.rates_table, "of matched-rate"),
    (lambda folder: deeper_tables.plain_table("PlainCNN", folder), "of PlainCNN"),
    (deeper_tables.unit_table, "of PlainCNN from maps of variance 1 at 0.01"),
    (
        lambda folder: deeper_tables.unit_table(folder, again=True),
        "of PlainCNN from maps of variance 1 at 0.03",
    ),
    (deeper_figures.falling_figure, "of regularise-falling"),
    (deeper_figures.lead_figure, "of PlainCNN that can be compared"),
    (resnet.grid_table, "of ResNet-18"),
    (resnet.grid_figure, "of ResNet-18"),
    (resnet.steps_figure, "of ResNet-18"),
    (resnet.steps_table, "of ResNet-18"),
    (resnet.rates_table, "of ResNet-18"),
]


@pytest.mark.parametrize(("show", "what"), EVERYTHING)
def test_what_is_not_recorded_is_said(tmp_path: Path, show: Any, what: str) -> None:
    # Ordinary trainings are there; they are something else.
    save_run(tmp_path, "baseline", 50)
    save_run(tmp_path, "regularise", 50)
    with pytest.raises(ValueError, match=f"no training {what} is recorded in .*: run `convsim run"):
        show(tmp_path)


def test_each_optimiser_is_compared_with_itself(tmp_path: Path) -> None:
    for start, plain, adam in (("baseline", 60, 65), ("init", 64, 66), ("scale", 63, 68)):
        save_run(tmp_path, start, plain)
        save_run(tmp_path, start, adam, optimizer="Adam", learning_rate=0.001)
        save_run(tmp_path, start, 99, optimizer="Adam", learning_rate=0.01)  # not of the plan
        save_run(tmp_path, start, 98, loop=1)
        save_run(tmp_path, start, 97, width=32)
        save_run(tmp_path, start, 96, held_out=5_000)
        save_run(tmp_path, start, 95, images=5_000, epochs=60)  # no shorter one in its first epochs
    save_run(tmp_path, "baseline", 60, queries=100)  # the same training, measured otherwise
    rows = {
        row[0]: row for row in deeper_tables.optimizers_table(tmp_path).rows if "test" in row[2]
    }
    none = "[n = 1]"
    assert rows["SGD"][3:] == ("60.00", f"+4.00 {none}", f"+3.00 {none}", f"+1.00 {none}")
    assert rows["Adam"][3:] == ("65.00", f"+1.00 {none}", f"+3.00 {none}", f"-2.00 {none}")
    assert rows["momentum"][3:] == ("not recorded",) * 4


def test_rates_are_those_of_the_norms_and_of_the_chosen_learning_rate(tmp_path: Path) -> None:
    common: dict[str, Any] = {"optimizer": "momentum"}
    save_run(tmp_path, "scale", 61, **common)
    save_run(tmp_path, "learning-rate", 64, chosen={"lr": 0.1}, **common)
    save_run(tmp_path, "matched-rate", 63, rate=0.02, **common)
    table = deeper_tables.rates_table(tmp_path)
    assert table.rows == (  # η / (1 − μ) by 0.25 and by 4
        ("scale", "0.01", "0.4", "0.025", "61.00", "71.00", "1"),
        ("learning-rate", "0.1", "4", "0.25", "64.00", "74.00", "1"),
        ("matched-rate, 0.02", "0.01", "0.4", "0.025", "63.00", "73.00", "1"),
    )
    assert table.source.endswith("Not recorded: baseline, matched-rate, 0.005, matched-rate, 0.01.")


def test_plain_networks_are_compared_with_the_default_of_their_kind(tmp_path: Path) -> None:
    for seed, (base, free) in enumerate(((50, 52), (51, 55))):
        save_run(tmp_path, "baseline", base, model="PlainCNN", seed=seed)
        save_run(tmp_path, "scale-free", free, model="PlainCNN", seed=seed)
    save_run(tmp_path, "baseline", 70, model="KaimingCNN")
    save_run(tmp_path, "unit-variance", 60, model="PlainCNN")
    save_run(tmp_path, "init", 20, model="PlainCNN")
    save_run(tmp_path, "unit-variance", 70, model="PlainCNN", learning_rate=0.03)
    save_run(tmp_path, "scale-free-unit-variance", 72, model="PlainCNN", learning_rate=0.03)
    first, second = deeper_tables.plain_table("PlainCNN", tmp_path).rows
    assert first[:5] == ("baseline", "50.50 ± 0.71", "60.50 ± 0.71", "0", "0")
    assert first[5:] == ("0.75", "0.50", "0.50", "undefined", "2")
    assert second[0] == "scale-free" and second[3].startswith("+3.00 [")
    unit = deeper_tables.unit_table(tmp_path).rows
    assert [row[0] for row in unit] == ["unit-variance", "init"]
    assert unit[1][3] == "-40.00 [n = 1]"
    again = deeper_tables.unit_table(tmp_path, again=True).rows
    assert [row[0] for row in again] == ["unit-variance", "scale-free-unit-variance"]
    assert again[1][1] == "72.00" and again[1][3] == "+2.00 [n = 1]"


def test_the_falling_weight_is_drawn_beside_the_held_one(tmp_path: Path) -> None:
    for name, accuracy in (("regularise", 60), ("regularise-falling", 62)):
        save_run(tmp_path, name, accuracy)
    figure = deeper_figures.falling_figure(tmp_path)
    ends = {(t.name, t.yaxis): t.y[-1] for t in figure.data}
    assert ends["regularise", "y2"] == 70 and ends["regularise-falling", "y2"] == 72
    assert ends["regularise", "y"] == pytest.approx(0.1)  # the loss, 2 by the epoch
    assert ends["regularise", "y3"] == pytest.approx(100 * (1 + 2 + 3 + 4) / 20)


def test_a_lead_is_drawn_seed_by_seed_and_rate_by_rate(tmp_path: Path) -> None:
    for seed, (base, free) in enumerate(((50, 52), (51, 55))):
        save_run(tmp_path, "baseline", base, model="PlainCNN", learning_rate=0.1, seed=seed)
        save_run(tmp_path, "scale-free", free, model="PlainCNN", learning_rate=0.1, seed=seed)
    save_run(tmp_path, "random-bands", 99, model="PlainCNN", learning_rate=0.1, seed=2)
    for name, accuracy in (("unit-variance", 60), ("scale-free-unit-variance", 59)):
        save_run(tmp_path, name, accuracy, model="PlainCNN", learning_rate=0.03)
    figure = deeper_figures.lead_figure(tmp_path)
    assert [title.text for title in figure.layout.annotations] == [
        "the default's norms, η = 0.1",
        "maps of variance 1, η = 0.03",
    ]
    ends = [(line.name, line.yaxis, line.y[0], line.y[-1]) for line in figure.data]
    assert ends == [
        ("scale-free", "y", 0, 2),
        ("scale-free", "y", 0, 4),
        ("scale-free-unit-variance", "y2", 0, -1),
    ]
    assert [line.showlegend for line in figure.data] == [True, False, True]


def save_resnet(folder: Path, start: str, accuracy: float, **changes: Any) -> None:
    some = {"model": "ResNet18", "images": 10_000, "epochs": 10, "iterations": 200}
    save_run(folder, start, accuracy, **some | changes)


def test_figure_4_is_a_grid_with_a_control(tmp_path: Path) -> None:
    for lr, gain in ((0.001, 20), (0.01, 3)):
        for start, more in (("baseline", 0), ("init", gain), ("scale", gain - 1)):
            save_resnet(tmp_path, start, 30 + more, learning_rate=lr, batch_size=128)
            save_resnet(
                tmp_path, start, 90, learning_rate=lr, batch_size=128, model="ResNet18-CIFAR"
            )
    save_resnet(tmp_path, "init", 40, learning_rate=0.01, batch_size=64, iterations=10)
    one, trained, two, _ = resnet.grid_table(tmp_path).rows
    none = "[n = 1]"
    place = ("0.001", "128", "test, best")
    assert one == (*place, "30.00", f"+20.00 {none}", f"+19.00 {none}", f"+1.00 {none}")
    assert trained == (*place[:2], "training, last", "40.00", *one[4:])
    assert two[:2] == ("0.01", "128") and two[4] == f"+3.00 {none}"
    lines = {trace.name: trace for trace in resnet.grid_figure(tmp_path).data}
    assert [*lines["init"].x] == [0.001, 0.01] and [*lines["init"].y] == [50, 33]
    # All images say more than some, once they are there.
    save_resnet(tmp_path, "baseline", 60, learning_rate=0.1, batch_size=64, images=0, epochs=50)
    assert resnet.grid_table(tmp_path).rows[0][:4] == ("0.1", "64", "test, best", "60.00")


def test_trainings_stand_in_the_order_of_their_effective_rate(tmp_path: Path) -> None:
    place = {"batch_size": 128, "learning_rate": 0.01}
    save_resnet(tmp_path, "baseline", 50, **place)
    save_resnet(tmp_path, "baseline", 40, **place | {"learning_rate": 0.001})
    save_resnet(tmp_path, "init", 30, **place | {"batch_size": 64}, iterations=10)
    save_resnet(tmp_path, "random-bands", 90, **place)
    for seed, accuracy in ((0, 60), (1, 62)):
        save_resnet(tmp_path, "scale", accuracy, **place, seed=seed)
    # Norms are 1/2 after the first epoch and 2 after the last.
    table = resnet.rates_table(tmp_path)
    assert [row[:6] for row in table.rows] == [
        ("128", "0.001", "baseline", "–", "0.004", "0.00025"),
        ("128", "0.01", "baseline", "–", "0.04", "0.0025"),
        ("128", "0.01", "scale", "200", "0.04", "0.0025"),
        ("64", "0.01", "init", "10", "0.04", "0.0025"),
    ]
    assert table.rows[2][6:] == ("61.00 ± 1.41", "71.00 ± 1.41", "2")


def test_figure_5_begins_with_the_baseline_on_both_lines(tmp_path: Path) -> None:
    place = {"learning_rate": 0.01, "batch_size": 64}
    save_resnet(tmp_path, "baseline", 50, **place)
    for steps, init, scale in ((10, 54, 53), (200, 58, 58)):
        save_resnet(tmp_path, "init", init, **place, iterations=steps)
        if steps == 10:
            save_resnet(tmp_path, "scale", scale, **place, iterations=steps)
    save_resnet(tmp_path, "init", 90, learning_rate=0.01, batch_size=128)
    figure = resnet.steps_figure(tmp_path)
    lines = {(trace.name, trace.yaxis): trace for trace in figure.data}
    assert [*lines["init", "y"].x] == [0, 10, 200] and [*lines["init", "y"].y] == [50, 54, 58]
    assert [*lines["scale", "y"].x] == [0, 10] and [*lines["scale", "y"].y] == [50, 53]
    assert [*lines["scale", "y2"].y] == [60, 63], "in training, ten points above test"
    table = resnet.steps_table(tmp_path)
    cells = [row[:2] + tuple(cell.partition(" [")[0] for cell in row[2:]) for row in table.rows]
    ten = ("+4.00", "+3.00", "+1.00")
    most = ("+8.00", "not recorded", "not recorded")
    assert cells == [
        *(("10", accuracy, *ten) for accuracy in ("test, best", "training, last")),
        *(("200", accuracy, *most) for accuracy in ("test, best", "training, last")),
    ]
    assert table.source.endswith("Not recorded: scale, 200 steps.")
