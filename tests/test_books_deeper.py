"""What the chapter on other optimisers puts into words is what the book's records say."""

from __future__ import annotations

import math
from statistics import fmean

import pytest

from convsim.evidence import forgetting
from convsim.evidence.deeper_tables import by_condition, rates_table, short_trainings, trainings
from convsim.evidence.forgetting import (
    after_epoch,
    finished,
    first_epochs,
    rate_after_step,
    rates_of,
)
from convsim.evidence.statistics import best_test, last_training, paired_differences
from convsim.evidence.sweeps import PAPERS
from convsim.experiments.forgetting import LEARNING_RATES, STARTS
from convsim.experiments.record import Record
from convsim.training.rates import LEAST, effective_rate, norm_at_rate

THIRD = 2


def seeds(optimizer: str, lr: float, start: str) -> list[Record]:
    records = finished()[optimizer, lr, start]
    assert [record.settings["run"]["seed"] for record in records] == [0, 1, 2]
    return records


def course(record: Record, layer: int = THIRD) -> dict[str, list[float]]:
    found: dict[str, list[float]] = [*record.metrics["layers"].values()][layer]
    return found


def mean_rates(optimizer: str, lr: float, start: str) -> list[float]:
    """At the start, after one step, and after the epoch."""
    found = [rates_of(record) for record in seeds(optimizer, lr, start)]
    return [fmean(rates[place] for rates in found) for place in (0, 1, -1)]


def gradients(start: str) -> list[float]:
    return [forgetting.unit_gradient(record) for record in seeds("SGD", 0.01, start)]


def test_the_defaults_gradient_predicts_every_first_step_from_its_directions() -> None:
    default = gradients("baseline")
    assert default == pytest.approx([7.8, 12.9, 9.3], abs=0.05)
    firsts = []
    for lr in LEARNING_RATES:
        for start in ("baseline", "scale"):
            for record, gradient in zip(seeds("SGD", lr, start), default, strict=True):
                before, after = rates_of(record)[:2]
                firsts.append(before)
                assert after == pytest.approx(rate_after_step(before, gradient), rel=0.03)
                turned = math.degrees(math.atan(before * gradient))
                assert course(record)["angle"][1] == pytest.approx(turned, abs=1)
    assert max(firsts) / min(firsts) > 1e4


def test_other_kernels_have_a_gradient_of_their_own() -> None:
    default, ours = gradients("baseline"), gradients("init")
    ratios = [a / b for a, b in zip(ours, default, strict=True)]
    assert ratios == pytest.approx([1, 5 / 6, 5 / 4], abs=0.025)
    off = [
        100 * (rates_of(record)[1] / rate_after_step(rates_of(record)[0], gradient) - 1)
        for record, gradient in zip(seeds("SGD", 1.0, "init"), default, strict=True)
    ]
    assert [round(per_cent) for per_cent in off] == [3, 42, -38]
    # Each has its own top, and Algorithm 1 puts the network near it.
    assert [round(1 / gradient, 2) for gradient in ours] == [0.13, 0.09, 0.08]
    assert round(mean_rates("SGD", 0.01, "init")[0], 2) == 0.10
    for record, gradient in zip(seeds("SGD", 0.01, "init"), ours, strict=True):
        assert rates_of(record)[1] > 0.95 / (2 * gradient)


def test_rates_far_beyond_the_top_end_low() -> None:
    paper, tenfold, largest = (mean_rates("SGD", lr, "init") for lr in (0.01, 0.1, 1.0))
    assert tenfold[0] == pytest.approx(1.0, abs=0.02)
    assert round(tenfold[1], 3) == 0.011
    assert tenfold[1] / paper[1] == pytest.approx(1 / 5, abs=0.02)
    assert [round(rate, 4) for rate in largest[1:]] == [0.0011, 0.0011]
    assert 2 < largest[-1] / mean_rates("SGD", 0.01, "baseline")[-1] < 2.5
    # Near the top the epoch brakes further, on the far right there is nothing left to brake.
    assert paper[-1] < 0.7 * paper[1]
    assert largest[-1] > 0.95 * largest[1]
    high = [rates_of(record) for record in seeds("SGD", 1.0, "baseline")]
    assert all(rates[1] > 0.03 for rates in high)
    fallen = sorted(rates[1] / rates[-1] for rates in high)
    assert fallen[0] > 2 and fallen[-1] == pytest.approx(40, rel=0.1)


def after(optimizer: str, lr: float, start: str, key: str) -> list[float]:
    """A reading of the first epoch, seed by seed."""
    return [after_epoch(record)[key] for record in seeds(optimizer, lr, start)]


def test_a_large_rate_forgets_and_there_was_nothing_to_forget() -> None:
    angles = [fmean(after("SGD", lr, "init", "angle")) for lr in (0.01, 0.3)]
    assert [round(angle) for angle in angles] == [44, 84]
    assert max(after("SGD", 0.01, "init", "similarity_after")) < 1
    ends = after("SGD", 0.3, "init", "similarity_after")
    assert ends == pytest.approx([12_000, 70_000, 70_000], rel=0.05)
    assert fmean(after("SGD", 0.01, "baseline", "similarity_before")) == pytest.approx(
        900, rel=0.02
    )
    for start in STARTS:
        assert round(fmean(after("SGD", 0.01, start, "normalized_before")), 2) == 0.94
    for (optimizer, lr, _), records in finished().items():
        if optimizer == "SGD" and lr <= 0.3:
            for run in map(after_epoch, records):
                assert abs(run["normalized_after"] - run["normalized_before"]) < 0.07


def leads(optimizer: str, lr: float, first: str, second: str) -> list[float]:
    """Points of accuracy in the first epoch, seed by seed."""
    ours, others = (after(optimizer, lr, start, "accuracy") for start in (first, second))
    return [a - b for a, b in zip(ours, others, strict=True)]


def test_the_lead_in_the_first_epoch_is_tied_to_one_learning_rate() -> None:
    lead = {lr: leads("SGD", lr, "init", "baseline") for lr in LEARNING_RATES}
    assert [round(points, 1) for points in lead[0.01]] == [2.0, 0.0, 0.4]
    means = [fmean(lead[lr]) for lr in (0.01, 0.03, 0.1)]
    assert means == pytest.approx([0.8, -4.6, -7.0], abs=0.05)
    assert max(*lead[0.03], *lead[0.1]) < 0
    assert fmean(leads("SGD", 0.01, "init", "scale")) == pytest.approx(0.5, abs=0.05)


def test_momentum_raises_the_norm_and_with_it_what_was_minimised() -> None:
    grown: dict[str, list[float]] = {}
    for optimizer in ("SGD", "momentum", "SGDP"):
        for record in seeds(optimizer, 0.01, "scale"):
            of = course(record)
            grown.setdefault(optimizer, []).append((of["norm"][-1] / of["norm"][0]) ** 2)
            growth = of["norm"][-1] ** 2 - of["norm"][0] ** 2
            factor = 0.1 if optimizer == "momentum" else 0.01
            first = record.settings["run"]["seed"] == 0
            if optimizer != "SGDP":
                predicted = factor**2 * of["squared_gradients"][-1]
                exact = 1e-3 if optimizer == "SGD" else 0.01 if first else 0.02
                assert growth == pytest.approx(predicted, rel=exact)
    rounded = {name: [round(value) for value in values] for name, values in grown.items()}
    assert rounded["momentum"][0] == 119 and sorted(rounded["momentum"])[::2] == [97, 177]
    assert sorted(rounded["SGD"]) == [3, 3, 4] and max(grown["SGDP"]) < 4.5
    ends = {
        name: fmean(after(name, 0.01, "init", "similarity_after"))
        for name in ("momentum", "SGD", "SGDP")
    }
    start = fmean(after("SGD", 0.01, "init", "similarity_before"))
    assert start == pytest.approx(0.45, abs=0.005)
    assert ends["momentum"] == pytest.approx(750, rel=0.03)
    assert ends["SGD"] == pytest.approx(0.73, abs=0.005)
    assert ends["SGDP"] == pytest.approx(1, abs=0.1) and ends["SGDP"] / start < 2.2
    assert fmean(after("SGDP", 0.01, "init", "rate_after")) == pytest.approx(0.28, abs=0.005)
    assert math.floor(fmean(after("SGDP", 0.01, "init", "angle"))) == 76


def test_under_momentum_the_default_leads_the_first_epoch() -> None:
    ahead = [
        leads(name, lr, "baseline", "init")
        for name, lr in (("momentum", 0.01), ("Adam", 0.001), ("SGDP", 0.01))
    ]
    assert [fmean(points) for points in ahead] == pytest.approx([11, 8.7, 4], abs=0.1)
    assert min(map(min, ahead)) > 0
    assert round(mean_rates("momentum", 0.01, "baseline")[0], 3) == 0.005
    assert round(mean_rates("momentum", 0.01, "init")[0], 1) == 1.0


def test_no_first_epoch_diverged() -> None:
    assert first_epochs() == finished()


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
    # The words say that the tuned rate is in the plan.
    assert len(rows) == 5 and {row[-1] for row in rows.values()} == {"1"}


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
