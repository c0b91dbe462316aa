"""What the chapter on other optimisers puts into words is what the book's records say."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

import numpy as np
import pytest

from convsim.evidence.deeper_tables import by_condition, rates_table, short_trainings, trainings
from convsim.evidence.forgetting import finished
from convsim.evidence.statistics import best_test, last_training, paired_differences
from convsim.evidence.sweeps import PAPERS
from convsim.experiments.record import Record, read_records
from convsim.training.rates import LEAST, effective_rate, norm_at_rate


def lead(optimizer: str, first: str, second: str) -> tuple[list[float], list[float]]:
    """Differences in test and in training accuracy, seed by seed."""
    runs = short_trainings(optimizer)
    of, to = runs[first], runs[second]
    return paired_differences(of, to, best_test), paired_differences(of, to, last_training)


def test_momentum_turns_the_lead_in_training_around() -> None:
    for optimizer in ("momentum", "SGDP"):
        runs = short_trainings(optimizer)
        assert all(len(runs[start]) == 1 for start in ("baseline", "init", "scale"))
    (_,), (behind,) = lead("momentum", "scale", "baseline")
    assert behind == pytest.approx(-7.5, abs=0.5)
    (level,), (behind,) = lead("SGDP", "scale", "baseline")
    assert round(level) == -2 and round(behind) == -10
    (level,), (_,) = lead("SGDP", "init", "baseline")
    assert -4 < level < -3.5
    tests, trainings = lead("SGD", "scale", "baseline")
    assert min(trainings) > 6.5 and max(trainings) > 7
    assert max(tests) - min(tests) == pytest.approx(1.9, abs=0.1)
    assert max(trainings) - min(trainings) == pytest.approx(0.9, abs=0.1)


def test_under_adam_algorithm_1_has_no_lead() -> None:
    (test,), (training,) = lead("Adam", "init", "baseline")
    assert abs(test) < 0.5 and round(training) == -1
    (test,), (training,) = lead("Adam", "scale", "baseline")
    assert 0.5 < test < 1 and round(training) == -1


def test_the_two_short_starts_part_in_both_directions() -> None:
    (test,), (training,) = lead("momentum", "init", "scale")
    assert test == pytest.approx(1.5, abs=0.1) and training == pytest.approx(2.6, abs=0.1)
    (test,), (training,) = lead("SGDP", "init", "scale")
    assert test == pytest.approx(-1.6, abs=0.1) and training == pytest.approx(-1.2, abs=0.1)
    (test,), (training,) = lead("Adam", "init", "scale")
    assert abs(test) < 1 and abs(training) < 1


def test_where_kernels_end_most_dissimilar_algorithm_1_does_not_lead() -> None:
    def normalized(optimizer: str, start: str) -> list[float]:
        (run,) = short_trainings(optimizer)[start]
        return [layer["normalized"] for layer in run.metrics["layers_after"].values()]

    for start in ("init", "scale"):
        projected = normalized("SGDP", start)
        for name in ("momentum", "Adam"):
            others = zip(normalized(name, start)[:3], projected[:3], strict=True)
            assert all(low < other for other, low in others)
        default = zip(normalized("SGDP", "baseline"), projected, strict=True)
        assert all(low < other for other, low in default)


def test_a_beta_that_falls_leaves_longer_weights_and_calms_nothing() -> None:
    found = trainings(model="ShallowCNN", width=64, epochs=20, optimizer="SGD")
    runs = by_condition(found, ("baseline", "regularise", "regularise-falling"))
    (falling,), (second,), (default, *_) = (
        runs[name] for name in ("regularise-falling", "regularise", "baseline")
    )
    assert {run.settings["seed"] for run in (falling, second, default)} == {0}

    def last(run: Record, key: str) -> list[float]:
        return [values[-1] for values in run.metrics["epochs"][key].values()]

    assert [round(norm, 1) for norm in last(falling, "norm")] == [3.7] * 4
    assert sum(last(second, "norm")) / 4 == pytest.approx(3.0, abs=0.05)
    assert sum(last(falling, "similarity")) > 2 * sum(last(second, "similarity"))
    assert last_training(default) < last_training(falling) < last_training(second)
    assert last_training(second) - last_training(default) == pytest.approx(0.8, abs=0.05)
    assert best_test(falling) - best_test(default) == pytest.approx(1, abs=0.1)
    assert best_test(falling) - best_test(second) == pytest.approx(1.5, abs=0.1)
    for run in (falling, second, default):
        course = run.metrics["epochs"]["train_accuracy"]
        assert all(before < after for before, after in zip(course, course[1:], strict=False))
        tests = run.metrics["epochs"]["test_accuracy"]
        jumps = [abs(a - b) for a, b in zip(tests, tests[1:], strict=False)]
        assert max(jumps) > 2


def test_a_norm_was_chosen_for_a_rate_and_led_to_it() -> None:
    rows = {row[0]: row for row in rates_table().rows}
    default, short = rows["baseline"], rows["scale"]
    low, middle = rows["matched-rate, 0.005"], rows["matched-rate, 0.01"]
    assert float(low[2]) == pytest.approx(0.005, abs=5e-5)
    assert round(float(middle[2]), 4) == 0.0098
    assert round(float(default[2]), 4) == pytest.approx(0.0045, abs=1e-4)
    assert round(float(short[2]), 3) == 0.022
    assert abs(float(low[4]) - float(default[4])) < 0.1, "level in test"
    assert float(low[5]) - float(default[5]) == pytest.approx(0.5, abs=0.05)
    assert float(middle[4]) - float(default[4]) == pytest.approx(0.5, abs=0.05)
    assert float(middle[5]) - float(default[5]) == pytest.approx(1.1, abs=0.1)
    for matched in (low, middle):
        assert float(matched[5]) - float(short[5]) == pytest.approx(8.3, abs=0.4)
    assert len(rows) == 6 and {row[-1] for row in rows.values()} == {"1"}


def test_the_tuned_rate_under_momentum_is_the_usual_one() -> None:
    (choice,) = (
        record
        for record in read_records("table5choice")
        if record.settings["run"].get("optimizer") == "momentum"
    )
    tried = {trial["lr"]: trial["accuracy"] for trial in choice.metrics["tried"]}
    assert list(tried) == [0.01, 0.03, 0.1, 0.3, 1.0]
    assert (choice.metrics["epochs"], choice.metrics["images_held_out"]) == (10, 5_000)
    assert choice.metrics["choice"] == 0.01
    assert tried[0.01] - tried[0.03] == pytest.approx(0.1, abs=0.05)
    assert tried[0.3] is None and tried[1.0] is None
    rows = {row[0]: row for row in rates_table().rows}
    tuned, default, middle = (
        [float(cell) for cell in rows[name][4:6]]
        for name in ("learning-rate", "baseline", "matched-rate, 0.01")
    )
    assert rows["learning-rate"][1] == rows["baseline"][1] == "0.01"
    for once, again in zip(tuned, default, strict=True):
        assert again - once == pytest.approx(0.2, abs=0.05)
    for test, training in (tuned, default):
        assert middle[0] - test == pytest.approx(0.6, abs=0.15)
        assert middle[1] - training == pytest.approx(1.25, abs=0.15)


def test_a_rate_above_the_ceiling_was_asked_for_in_vain() -> None:
    tried = finished()["momentum", 0.01, "baseline"][0].metrics["layers"].values()
    growths = [layer["norm"][-1] ** 4 - layer["norm"][0] ** 4 for layer in tried]
    first, *ceilings = [effective_rate("momentum", 0.01, growth**0.25) for growth in growths]
    assert first > 0.02, "its wish is under its ceiling"
    assert [round(rate, 3) for rate in ceilings] == [0.014, 0.014, 0.013]

    def after_first_epoch(rate: float) -> list[float]:
        settings = {"model": PAPERS, "width": 64, "epochs": 20, "optimizer": "momentum"}
        [run] = trainings(condition="matched-rate", rate=rate, **settings)
        layers = run.metrics["epochs"]["norm"].values()
        return [effective_rate("momentum", 0.01, norms[0]) for norms in layers]

    lower, higher = after_first_epoch(0.01), after_first_epoch(0.02)
    assert higher[0] == pytest.approx(0.02, abs=5e-4)
    assert all(0.0045 < rate < 0.0085 for rate in higher[1:])
    assert all(high < low for low, high in zip(lower[1:], higher[1:], strict=True))
    shortest = LEAST * norm_at_rate("momentum", 0.01, 0.02)
    assert effective_rate("momentum", 0.01, shortest) == pytest.approx(2)

    rows = {row[0]: row for row in rates_table().rows}
    default, short, asked = (rows[n] for n in ("baseline", "scale", "matched-rate, 0.02"))
    assert float(asked[5]) - float(default[5]) == pytest.approx(-10, abs=0.5)
    assert float(asked[4]) - float(default[4]) == pytest.approx(-1, abs=0.3)
    assert abs(float(asked[5]) - float(short[5])) < 2.5


def plain(rate: float, names: Iterable[str]) -> dict[str, list[Record]]:
    """CNN1 without batch normalisation, by start."""
    return by_condition(trainings(model="PlainCNN", epochs=20, learning_rate=rate), [*names])


def deep(run: Record, side: str, key: str) -> float:
    """The mean of layers 2 to 4 before or after the training."""
    return fmean([layer[key] for layer in run.metrics[side].values()][1:])


def course(run: Record, key: str = "train_accuracy") -> np.ndarray:
    return np.array(run.metrics["epochs"][key])


def test_without_batch_normalisation_less_alike_kernels_lead_for_a_while() -> None:
    less = ("scale-free", "random-bands", "balanced-bands")
    found = plain(0.1, ("baseline", "same-band", *less))
    assert {name: [run.settings["seed"] for run in some] for name, some in found.items()} == {
        name: [0, 1] for name in ("baseline", "same-band", *less)
    }
    before, after, most, last, tests = [], [], [], [], []
    for name in less:
        for run, default in zip(found[name], found["baseline"], strict=True):
            assert deep(default, "layers_before", "normalized") == pytest.approx(0.99, abs=5e-3)
            assert deep(default, "layers_after", "normalized") == pytest.approx(0.94, abs=5e-3)
            before.append(round(deep(run, "layers_before", "normalized"), 2))
            after.append(round(deep(run, "layers_after", "normalized"), 2))
            assert deep(run, "layers_before", "correlation") < 0.17
            alike = deep(default, "layers_after", "correlation")
            assert deep(run, "layers_after", "correlation") == pytest.approx(alike, abs=0.02)
            lead = course(run) - course(default)
            assert lead[3:12].min() > 1 and lead[-4:].max() < 1.5
            most.append(round(lead[3:12].max(), 1))
            last.append(round(lead[-1], 1))
            tests.append(round(best_test(run) - best_test(default), 1))
            assert abs(np.diff(course(run, "test_accuracy")[10:])).max() > max(1.9, tests[-1])
    assert (min(before), max(before), min(after), max(after)) == (0.25, 0.37, 0.51, 0.64)
    assert most == [3.9, 3.0, 2.8, 2.1, 2.1, 2.0]
    assert last[:2] == [0.3, -0.5] and (min(last[2:]), max(last[2:])) == (0.5, 0.8)
    assert tests[:2] == [0, 0.7] and (min(tests[2:]), max(tests[2:])) == (0.9, 1.9)
    for same, default in zip(found["same-band"], found["baseline"], strict=True):
        assert round(deep(same, "layers_before", "normalized"), 2) == 1
        assert (course(same) < course(default)).all()
    behind = paired_differences(found["same-band"], found["baseline"], last_training)
    assert [round(points, 1) for points in behind] == [-5.4, -3.5]


def test_at_variance_1_algorithm_1_is_level_and_less_alike_kernels_lead() -> None:
    names = ("unit-variance", "init-unit-variance", "scale-free-unit-variance", "init", "scale")
    found = plain(0.01, names)
    default, algorithm, free = (found[name] for name in names[:3])
    seeds = [[run.settings["seed"] for run in found[name]] for name in names]
    assert seeds[:3] == [[0, 1]] * 3 and all(0 in of for of in seeds[3:])
    apart = paired_differences(algorithm, default, last_training)
    assert [round(lead, 1) for lead in apart] == [0.1, -0.2]
    behind = paired_differences(algorithm, default, best_test)
    assert behind == pytest.approx([-0.5, -1], abs=0.06)
    for run in (*found["init"], *found["scale"]):
        assert course(run).max() < 10.1 and course(run, "test_accuracy").max() < 10.1
        of_layer = run.metrics["epochs"]["norm"].values()
        assert all(14 < 4.7 / norms[0] < 16 for norms in [*of_layer][1:])
    training = paired_differences(free, default, last_training)
    assert [round(lead, 1) for lead in training] == [2.4, 3.2]
    tests = paired_differences(free, default, best_test)
    assert [round(lead, 1) for lead in tests] == [1.8, 3.1]
    for run, other, reached in zip(free, default, (16, 15), strict=True):
        assert (course(run) > course(other)).all()
        for side in ("layers_before", "layers_after"):
            assert deep(run, side, "normalized") == pytest.approx(0.25, abs=0.01)
            assert deep(run, side, "correlation") < deep(other, side, "correlation") - 0.02
        when = np.interp(last_training(other), course(run), np.arange(1, 21))
        assert round(float(when)) == reached


def test_the_lead_without_batch_normalisation_melts_once_two_thirds_are_learnt() -> None:
    less = ("scale-free", "random-bands", "balanced-bands", "scale-free-unit-variance")
    late = []
    for rate, base in ((0.1, "baseline"), (0.01, "unit-variance"), (0.03, "unit-variance")):
        found = plain(rate, (base, *less))
        partners = {run.settings["seed"]: course(run) for run in found.pop(base)}
        for run in (run for some in found.values() for run in some):
            default = partners[run.settings["seed"]]
            lead = (course(run) - default)[3:]
            early = lead[default[3:] < 200 / 3]
            assert early.min() > 0.95 and early.max() < 4.05
            if rate == 0.01:
                assert len(early) == len(lead)
            else:
                late.append(lead[-1])
    assert late and max(late) < 1

    names = ("unit-variance", "scale-free-unit-variance")
    default, free = (plain(0.03, names)[name] for name in names)
    [ahead] = [course(a) - course(b) for a, b in zip(free, default, strict=True)]
    assert (round(ahead.max(), 1), round(ahead[-1], 1)) == (2.5, 0.4)
    [[before, after], [other, level]] = (
        [round(deep(run, side, "correlation"), 2) for side in ("layers_before", "layers_after")]
        for run in (*free, *default)
    )
    assert (before, after, other, level) == (0.12, 0.17, 0.26, 0.18)
    assert round(deep(free[0], "layers_after", "normalized"), 2) == 0.27
    assert round(deep(default[0], "layers_after", "normalized"), 2) == 0.99
