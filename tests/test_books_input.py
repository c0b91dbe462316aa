"""What the chapter on the input and the answer put into words is what the book's records say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean

import pytest

from convsim.evidence import answer, input_tables
from convsim.evidence.statistics import best_test, interval, last_training, paired_differences
from convsim.experiments.inputs import PATCHES
from convsim.experiments.record import read_records
from convsim.experiments.sweep import CHOICE

FIRST, DEEPER = slice(0, 1), slice(1, None)


def after_steps(condition: str, step: int) -> list[float]:
    """Mean |correlation| of each layer's maps after some steps of training."""
    metrics = input_tables.step_records()[condition].metrics
    place = metrics["steps"].index(step)
    found = [layer[place]["correlation"] for layer in metrics["maps"].values()]
    return [value for value in found if value is not None]


def reading(condition: str, side: str, name: str, part: slice = DEEPER) -> float:
    runs = input_tables.runs_of(input_tables.input_records(), condition)
    values = [input_tables.reading_of(run.metrics[f"layers_{side}"], name, part) for run in runs]
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


def close(values: Sequence[float], printed: Sequence[float]) -> bool:
    return list(values) == pytest.approx(list(printed), abs=0.0051)


def test_whitened_kernels_turn_the_title_round() -> None:
    (record,) = read_records(PATCHES.name)
    ways = record.metrics["ways"]
    kernels, maps = ways["kernels orthogonal"], ways["maps orthogonal"]
    assert kernels["kernels"] < 1e-6 < 0.4 < kernels["seen"]
    assert maps["seen"] < 1e-6 < 0.3 < maps["kernels"]
    # Other images hardly matter, a single one does; ε gives up a little of both.
    assert maps["unseen"] < 0.05 < 0.1 < maps["per_image"] < kernels["per_image"] / 2
    small = ways["maps orthogonal, ε"]
    assert maps["seen"] < small["seen"] < 0.1 and small["kernels"] < maps["kernels"]


def test_orthogonality_is_gone_after_one_step_and_kept_if_the_power_is() -> None:
    assert close(after_steps("orthogonal-maps", 0)[:2], [0.12, 0.01])
    assert close(after_steps("orthogonal-maps", 1), [0.71, 0.41, 0.20, 0.13])
    assert close(after_steps("orthogonal-maps-scale", 1), [0.82, 0.54, 0.46, 0.49])
    for condition in ("baseline", "orthogonal-kernels"):
        before, after = (after_steps(condition, step) for step in (0, 1))
        assert max(abs(a - b) for a, b in zip(before, after, strict=True)) < 0.0025
    assert close(after_steps("orthogonal-maps-power", 196), [0.13, 0.10, 0.11, 0.10])
    assert close(after_steps("baseline", 196), [0.40, 0.21, 0.18, 0.14])
    damage = {
        name: after_steps(name, 1)[0] - after_steps(name, 0)[0]
        for name in ("orthogonal-maps", "orthogonal-maps-ridge")
    }
    assert 7 < damage["orthogonal-maps"] / damage["orthogonal-maps-ridge"] < 12
    assert after_steps("orthogonal-maps-leading", 1)[0] == pytest.approx(0.45, abs=0.005)


def test_orthogonal_maps_lie_where_the_input_is_weak() -> None:
    of = {
        name: next(iter(record.metrics["inputs"].values()))
        for name, record in input_tables.step_records().items()
    }
    default, whitened = of["baseline"], of["orthogonal-maps"]
    assert round(100 * default["weak"]) == round(100 * default["in_weak"]) == 63
    assert round(100 * whitened["in_weak"], 1) == 99.8
    assert default["gain"] / whitened["gain"] == pytest.approx(600, rel=0.05)
    lengths = (default["gain"] / of["orthogonal-maps-power"]["gain"]) ** 0.5
    assert lengths == pytest.approx(27, abs=0.5)
    assert of["orthogonal-maps-ridge"]["gain"] / whitened["gain"] == pytest.approx(10, rel=0.1)


def difference(first: str, second: str, measure: Callable[..., float]) -> float:
    """Points of accuracy, mean over the seeds that both have."""
    return fmean(by_seed(first, second, measure))


def by_seed(first: str, second: str, measure: Callable[..., float]) -> list[float]:
    records = input_tables.input_records()
    runs, others = (input_tables.runs_of(records, name) for name in (first, second))
    return paired_differences(runs, others, measure)


def seeds(first: str, second: str) -> int:
    records = input_tables.input_records()
    runs, others = (input_tables.runs_of(records, name) for name in (first, second))
    return len(paired_differences(runs, others, best_test))


def test_orthogonal_maps_gain_nothing_and_cost_something_if_they_last() -> None:
    both = best_test, last_training
    for other in ("baseline", "orthogonal-kernels"):
        assert seeds("orthogonal-maps", other) == 2
        assert all(abs(difference("orthogonal-maps", other, of)) < 0.5 for of in both)
    test, training = (by_seed("orthogonal-maps-power", "baseline", of) for of in both)
    assert all(-6 < gain < -3.75 for gain in test) and len(test) == 2
    assert all(-2.05 < gain < -1 for gain in training)
    quieter, level = (by_seed("orthogonal-maps-power-ridge", "baseline", of) for of in both)
    assert quieter == pytest.approx([-2, -2], abs=0.2)
    assert fmean(level) == pytest.approx(-0.3, abs=0.1)
    for cost, less in ((test, quieter), (training, level)):
        assert fmean(less) / fmean(cost) < 0.5


def test_of_the_variants_one_loses_and_in_training_alone() -> None:
    gains = {
        name: [
            difference(f"orthogonal-maps-{name}", "orthogonal-maps", of)
            for of in (best_test, last_training)
        ]
        for name in ("raw", "ridge", "leading")
    }
    assert all(abs(test) < 1 for test, _ in gains.values())
    assert abs(gains["raw"][1]) < 0.1
    assert gains["ridge"][1] == pytest.approx(1.5, abs=0.1)
    assert -3.5 < gains["leading"][1] < -3
    (above,) = by_seed("orthogonal-maps-ridge", "baseline", last_training)
    assert above == pytest.approx(1, abs=0.1)


def test_maps_start_uncorrelated_and_end_as_everybodys() -> None:
    assert close(
        [reading("orthogonal-maps", "before", "correlation", part) for part in (FIRST, DEEPER)],
        [0.12, 0.01],
    )
    assert close(
        [reading("baseline", "before", "correlation", part) for part in (FIRST, DEEPER)],
        [0.47, 0.20],
    )
    for condition in ("baseline", "orthogonal-kernels", "orthogonal-maps"):
        for side in ("before", "after"):
            assert reading(condition, side, "normalized") > 0.98
    after = reading("orthogonal-maps", "after", "correlation")
    assert after > 0.95 * reading("baseline", "after", "correlation")
    first = reading("orthogonal-maps", "after", "correlation", FIRST)
    assert first > reading("baseline", "after", "correlation", FIRST)
    # Less alike, and more of one opinion.
    for name in ("orthogonal-maps-power", "orthogonal-maps-power-ridge"):
        for side in ("before", "after"):
            for part in (FIRST, DEEPER):
                assert reading(name, side, "correlation", part) < reading(
                    "baseline", side, "correlation", part
                )
                assert reading(name, side, "overlap", part) > reading(
                    "baseline", side, "overlap", part
                )


def test_whitening_at_every_step_fits_faster_and_a_penalty_changes_little() -> None:
    (search,) = (
        record.metrics
        for record in read_records(CHOICE.name)
        if record.settings["run"]["condition"] == "decov"
    )
    tried = sorted(search["tried"], key=lambda row: row["decorrelation"])
    for weaker, stronger in pairwise(tried):
        pairs = zip(weaker["correlation"], stronger["correlation"], strict=True)
        assert all(weak > strong for weak, strong in pairs)
    accuracies = [row["accuracy"] for row in tried]
    assert max(accuracies) - min(accuracies) < 1.25 and search["choice"] == 0.1
    assert close(
        [reading("decov", "after", "correlation", part) for part in (FIRST, DEEPER)], [0.31, 0.12]
    )
    assert close(
        [reading("baseline", "after", "correlation", part) for part in (FIRST, DEEPER)],
        [0.36, 0.15],
    )
    assert all(abs(difference("decov", "baseline", of)) < 1 for of in (best_test, last_training))
    for gain in by_seed("deconvolution", "baseline", last_training):
        assert gain == pytest.approx(7.5, abs=0.25)
    assert difference("deconvolution", "baseline", best_test) < 0
    for name in ("orthogonal-maps-power", "orthogonal-maps-power-ridge"):
        first = reading(name, "after", "correlation", FIRST)
        assert first < reading("deconvolution", "after", "correlation", FIRST)
        deeper = reading(name, "after", "correlation")
        assert deeper < reading("deconvolution", "after", "correlation") + 0.04
        assert difference(name, "baseline", last_training) < 0
    first_layer = next(iter(input_tables.step_records()["baseline"].metrics["inputs"].values()))
    assert first_layer["condition"] == pytest.approx(180_000, rel=0.03)


def test_the_answer_sets_algorithm_1_beside_a_mere_shrinking() -> None:
    longest = [record for record in read_records("table5") if record.settings["epochs"] == 100]
    runs, others = (input_tables.runs_of(longest, name) for name in ("init", "scale"))
    differences = paired_differences(runs, others, best_test)
    assert len(differences) == 2
    assert fmean(differences) == pytest.approx(0.07, abs=0.005)
    assert interval(differences) == pytest.approx((-9.7, 9.9), abs=0.06)


def test_a_layer_that_whitens_gains_in_training_and_test_is_undecided() -> None:
    for other, gain in (("baseline", 3.5), ("extra-layer", 2.5)):
        assert difference("whitening-layer", other, last_training) == pytest.approx(gain, abs=0.25)
    first, second = zip(
        *(by_seed("whitening-layer", other, best_test) for other in ("baseline", "extra-layer")),
        strict=True,
    )
    assert abs(first[0]) < 0.5 and first[1] < -1
    assert list(second) == pytest.approx([2, 2], abs=0.25)


AT_SCALE = (
    *("orthogonal-kernels", "orthogonal-maps-first", "orthogonal-maps"),
    *("whitening-layer", "deconvolution", "decov"),
)


def test_at_algorithm_1s_norms_the_order_in_training_is_the_same() -> None:
    gains = {name: by_seed(f"{name}-scale", "scale", last_training) for name in AT_SCALE}
    assert all(len(of_seeds) == 2 for of_seeds in gains.values())
    for name, low, high in (
        ("orthogonal-kernels", -0.5, 0.5),
        ("decov", -0.75, 0.75),
        ("orthogonal-maps-first", -2.5, -1.5),
        ("orthogonal-maps", -6, -3),
        ("whitening-layer", 4.5, 5.5),
        ("deconvolution", 13, 14.5),
    ):
        assert all(low < gain < high for gain in gains[name]), name
    runs = input_tables.runs_of(input_tables.input_records(), "deconvolution-scale")
    assert fmean(map(last_training, runs)) == pytest.approx(98, abs=0.5)


def test_a_lead_in_test_was_the_bad_luck_of_one_run() -> None:
    first, second = zip(
        *(by_seed(f"{name}-scale", "scale", best_test) for name in AT_SCALE), strict=True
    )
    assert sum(gain > 1.5 for gain in first) == len(first) - 1 and max(first) < 5
    left = [after for before, after in zip(first, second, strict=True) if before > 1.5]
    assert sorted(left)[-2:] == pytest.approx([1, 1], abs=0.1) and sorted(left)[-3] < 0
    runs = input_tables.runs_of(input_tables.input_records(), "scale")
    one, other = map(best_test, runs)
    assert other - one == pytest.approx(2.4, abs=0.05)
    maps = by_seed("orthogonal-maps-scale", "scale", best_test)
    assert maps[0] > 1 and maps[1] < 0


def test_the_only_gain_in_training_and_in_test_is_that_of_scale() -> None:
    others = {
        first for first, second in answer.CHANGES if second == "baseline" and first != "scale"
    }
    gains = {
        name: min(difference(name, "baseline", of) for of in (best_test, last_training))
        for name in others | {"scale"}
    }
    assert gains.pop("scale") > 2.5 and max(gains.values()) < 0.75
