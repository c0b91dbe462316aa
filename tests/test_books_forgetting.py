"""What the chapter on other optimisers says of first epochs is what the book's records say."""

from __future__ import annotations

import math
from statistics import fmean

import pytest

from convsim.evidence import forgetting
from convsim.evidence.forgetting import (
    after_epoch,
    finished,
    first_epochs,
    rate_after_step,
    rates_of,
)
from convsim.experiments.forgetting import LEARNING_RATES, STARTS
from convsim.experiments.record import Record

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
