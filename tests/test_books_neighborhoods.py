"""What the chapter on neighbourhoods puts into words is what the book's records say."""

from __future__ import annotations

import numpy as np
import pytest

from convsim.evidence.overlap_records import (
    last_measure,
    network_records,
    overlaps_of,
    regularization_of,
    regularized_records,
)
from convsim.evidence.overlap_tables import generalization, generalization_by_dose
from convsim.evidence.statistics import spearman
from convsim.experiments.activations import SIDES


def of_book(key: str, *, trained: bool) -> dict[str, list[float]]:
    """By condition, a number of each layer: a measure's, or a side's mean overlap."""
    found = {}
    for record in network_records():
        if record.settings["trained"] == trained:
            found[record.settings["run"]["condition"]] = [
                layer[key]["overlap"]["mean"]
                if key in SIDES
                else layer["weights"].get(key, layer.get(key))
                for layer in record.metrics["layers"].values()
            ]
    return found


def test_the_books_records_say_what_the_chapter_says() -> None:
    similarity = of_book("similarity", trained=False)
    assert all(
        low < high / 1e4
        for low, high in zip(similarity["init"][1:], similarity["baseline"][1:], strict=True)
    )
    for side in SIDES:
        start, end = (of_book(side, trained=trained) for trained in (False, True))
        # Neighbourhoods do not see scale, see Algorithm 1 hardly, and scale-free clearly.
        assert start["scale"] == pytest.approx(start["baseline"], abs=1e-3)
        for mine, default in zip(start["init"], start["baseline"], strict=True):
            assert default < mine < 1.12 * default
        for mine, default in zip(start["scale-free"][1:], start["baseline"][1:], strict=True):
            assert mine < default / 2
        # Training brings the conditions together; scale-free stays lowest.
        for layer in range(4):
            for condition in ("baseline", "init", "scale"):
                assert end[condition][layer] < start[condition][layer]
                assert end["scale-free"][layer] < end[condition][layer]
            assert end["scale-free"][layer] > start["scale-free"][layer]
        # Depth: overlap falls from layer to layer, trained or not.
        for values in (*start.values(), *end.values()):
            assert values == sorted(values, reverse=True)
        for condition in ("init", "scale"):
            assert end[condition][2] < end["baseline"][2]
    for trained in (True, False):
        before, after = (of_book(side, trained=trained) for side in SIDES)
        for condition in before:
            pairs = zip(after[condition], before[condition], strict=True)
            assert all(bent < straight for bent, straight in pairs)
    chance = [
        record.metrics["layers"]["blocks.3.0"][side]
        for record in network_records()
        if record.settings["run"]["condition"] == "scale-free" and not record.settings["trained"]
        for side in SIDES
    ]
    assert all(1.5 < one["overlap"]["mean"] / one["overlap_chance"] < 2.5 for one in chance)


def test_depth_against_chance_is_what_the_chapter_says_it_is() -> None:
    for record in network_records():
        if record.settings["run"]["condition"] != "baseline":
            continue
        for side in SIDES:
            layers = list(overlaps_of(record, side).values())
            ratios = [layer.mean / layer.chance for layer in layers]
            if record.settings["trained"]:  # about six times to three or four, beyond intervals
                assert 5.5 < ratios[0] < 7 and 3 < ratios[-1] < 4
                assert ratios == sorted(ratios, reverse=True)
                assert layers[0].low / layers[0].chance > layers[-1].high / layers[-1].chance
            else:  # the first stands out, the others are level
                assert max(ratios[1:]) / min(ratios[1:]) < 1.2
                assert ratios[0] > 1.15 * max(ratios[1:])


def test_doses_that_change_places_show_nothing() -> None:
    for target in ("test_error", "gap"):
        for side in SIDES:
            p, orders = generalization_by_dose(target, side=side)
            assert orders == 6 and p > 0.1


def test_the_mean_picture_is_what_the_chapter_says_it_is() -> None:
    raw, without = (of_book(key, trained=True) for key in ("cosine", "cosine_without_mean"))
    for condition in ("init", "scale"):
        assert raw[condition][2] > 1.5 * raw["baseline"][2]
        assert without[condition][2] == pytest.approx(without["baseline"][2], abs=0.02)


def test_what_the_chapter_says_of_dropout_and_generalisation() -> None:
    runs = regularized_records()
    assert len(runs) >= 18
    overlaps = [[last_measure(r, side) for r in runs] for side in SIDES]
    dropout = [r.settings["dropout"] for r in runs]
    for values in overlaps:
        assert spearman(dropout, values).low > 0
    errors = {
        strength: np.mean(
            [r.metrics["test_error"] for r in runs if r.settings["dropout"] == strength]
        )
        for strength in set(dropout)
    }
    assert errors[0.1] < errors[0.0] and errors[0.1] < errors[0.3]
    for strength in set(dropout):  # weight decay does nothing that can be seen
        with_it, without = (
            [last_measure(r, "after") for r in runs if regularization_of(r) == (strength, decay)]
            for decay in (5e-4, 0.0)
        )
        assert abs(np.mean(with_it) - np.mean(without)) < 2 * np.std(with_it + without)
    for side in SIDES:
        with_error = generalization(side=side)
        assert with_error.low < 0 < with_error.high
        assert generalization("gap", side=side).high < -0.5
        for target in ("test_error", "gap"):
            alone = generalization(target, side=side, within=True)
            assert alone.low < 0 < alone.high and abs(alone.rho) < 0.3
