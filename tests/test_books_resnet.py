"""What the chapter on other optimisers says of ResNet-18 is what its records say."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from convsim.evidence import resnet
from convsim.evidence.statistics import best_test, last_training
from convsim.evidence.sweeps import Training
from convsim.experiments.forgetting import STARTS

CELLS = [(0.001, 128), (0.01, 64), (0.01, 128)]
"""Of Figure 4, those of which the words speak."""


def resnets() -> dict[tuple[float, int], dict[str, Training]]:
    """The recorded cells of Figure 4, a training a start."""
    recorded = resnet.cells()
    assert [*recorded] == CELLS, "the words say that these are recorded"
    for runs in recorded.values():
        assert {name: len(some) for name, some in runs.items()} == dict.fromkeys(STARTS, 1)
    alone = {at: {name: some[0] for name, some in runs.items()} for at, runs in recorded.items()}
    settings = [run.settings for runs in alone.values() for run in runs.values()]
    assert {(of["images"], of["epochs"]) for of in settings} == {(10_000, 10)}
    return alone


def by_epoch(
    run: Training, quantity: Literal["train_accuracy", "test_accuracy"]
) -> npt.NDArray[np.float64]:
    return np.array(run.metrics["epochs"][quantity])


def test_at_a_low_rate_a_resnet_gains_much_in_training_from_mere_shrinking() -> None:
    one = resnets()[0.001, 128]
    default, prepared, shrunk = (one[name] for name in STARTS)
    assert round(last_training(default)) == 53
    assert round(last_training(prepared) - last_training(default)) == 43
    assert round(last_training(shrunk) - last_training(default)) == 42
    assert round(best_test(prepared) - best_test(default)) == 1
    assert round(best_test(shrunk) - best_test(default)) == 5
    jumps = []
    for run in (prepared, shrunk):
        test = by_epoch(run, "test_accuracy")
        assert test.argmax() == 3 and by_epoch(run, "train_accuracy")[6] > 90
        jumps.append(abs(np.diff(test)).max())
    assert [round(jump) for jump in sorted(jumps)] == [10, 14]
    rising = by_epoch(default, "test_accuracy")
    assert (np.diff(rising) > 0).all()
    assert round(rising[-1] - by_epoch(prepared, "test_accuracy")[-1]) == 7


def test_at_the_higher_rate_a_resnet_loses_in_training_and_jumps_in_test() -> None:
    found, ahead, behind, best = resnets(), [], [], {}
    for place in CELLS[1:]:
        default = found[place]["baseline"]
        assert round(last_training(default)) in (95, 96)
        for name in ("init", "scale"):
            run = found[place][name]
            lead = by_epoch(run, "train_accuracy") - by_epoch(default, "train_accuracy")
            assert (lead[:4] > 0).all()
            ahead.append(lead.max())
            behind.append(lead[-1])
            best[name, place] = best_test(run) - best_test(default)
    assert round(max(ahead)) == 9
    assert [round(min(behind)), round(max(behind))] == [-8, -6]
    assert round(best.pop(("scale", CELLS[1]))) == 4 and max(map(abs, best.values())) < 1
    jumps = abs(np.diff(by_epoch(found[CELLS[1]]["scale"], "test_accuracy")))
    assert round(jumps.max()) == 19


def test_a_resnet_shows_no_part_of_similarity() -> None:
    leads = []
    for runs in resnets().values():
        prepared, shrunk = (by_epoch(runs[name], "train_accuracy") for name in ("init", "scale"))
        assert abs(prepared - shrunk).max() < 3.3
        leads.append(best_test(runs["init"]) - best_test(runs["scale"]))
    assert [round(min(leads)), round(max(leads))] == [-4, -1]


def test_a_resnets_training_follows_the_effective_rate() -> None:
    rows = resnet.rates_table().rows
    assert len(rows) == 13
    for batch in ("128", "64"):
        points = [(float(row[4]), float(row[7])) for row in rows if row[0] == batch]
        assert points == sorted(points, key=lambda point: point[0])
        level = [accuracy for rate, accuracy in points if 3.5e-5 < rate < 7.5e-5]
        beyond = [accuracy for rate, accuracy in points if rate >= 2e-4]
        assert min(level) > 94.5 and max(beyond) < 92.5
        assert len(level) == 3 and len(beyond) in (2, 4)
    slow, at_top = (row for row in rows if row[0] == "128" and row[2] == "baseline")
    assert float(at_top[4]) == pytest.approx(10 * float(slow[4]), rel=0.05)
    of = {tuple(row[:4]): float(row[4]) for row in rows}
    for name in ("init", "scale"):
        assert round(of["128", "0.001", name, "200"] / float(slow[4])) == 19
        ten = of["64", "0.01", name, "10"] / of["64", "0.01", "baseline", "–"]
        assert ten == pytest.approx(1.5, abs=0.1)
    falls = [1 - float(row[5]) / float(row[4]) for row in rows]
    assert 0.2 < max(falls) < 0.25
    growth = [
        norms[-1] / norms[0]
        for run in resnet.resnet_trainings()
        for layer, norms in run.metrics["epochs"]["norm"].items()
        if layer.startswith("layer4")
    ]
    assert 1.04 < max(growth) < 1.05


def test_figure_5_has_no_gain_to_follow() -> None:
    rows: dict[str, dict[str, list[float]]] = {}
    for row in resnet.steps_table().rows:
        rows.setdefault(row[0], {})[row[1]] = [float(cell.partition(" [")[0]) for cell in row[2:]]
    assert [*rows] == ["10", "60", "200"]
    assert max(map(abs, rows["10"]["training, last"])) < 0.15
    assert min(rows["10"]["test, best"]) > -1.3 and max(rows["10"]["test, best"]) < -0.5
    later = [rows[steps] for steps in ("60", "200")]
    training = [gain for row in later for gain in row["training, last"][:2]]
    assert [round(min(training)), round(max(training))] == [-8, -3]
    test = [gain for row in later for gain in row["test, best"][:2]]
    assert [round(min(test)), round(max(test))] == [-1, 4]
    assert max(abs(row["training, last"][2]) for row in rows.values()) < 2.2
