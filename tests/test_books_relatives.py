"""What the chapter on relatives puts into words is what the book's records say."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean

import pytest

from convsim.evidence import penalised, penalty_tables
from convsim.evidence.statistics import best_test, interval, last_training, paired_differences
from convsim.evidence.sweeps import runs_of
from convsim.experiments.choices import WEIGHTS
from convsim.experiments.conditions import PENALISED
from convsim.experiments.penalties import NAMES, NONE
from convsim.experiments.record import read_records
from convsim.training.history import Epochs

BANSAL = ("soft orthogonality", "mutual coherence", "SRIP")


def pair_mean(penalty: str, key: str, taps: int = 9) -> float:
    summary = penalty_tables.pair_records(taps)[penalty].metrics[key]  # type: ignore[literal-required]
    return float(summary["mean"])


def test_at_lag_0_three_names_are_one_thing() -> None:
    every = ("kernel similarity", *BANSAL)
    assert pair_mean("kernel similarity", "cosine_before") == pytest.approx(0.48, abs=0.005)
    assert pair_mean("kernel similarity", "centred_before") == pytest.approx(0.29, abs=0.005)
    raw = [pair_mean(name, "cosine_after") for name in every]
    assert (min(raw), max(raw)) == pytest.approx((0.43, 0.47), abs=0.005)
    assert max(pair_mean(name, "centred_after") for name in every) < 0.125


def test_ocnn_and_orthoreg_make_two_kernels_maps_more_alike() -> None:
    assert pair_mean("OCNN", "cosine_after") == pytest.approx(0.55, abs=0.005)
    records = penalty_tables.pair_records()
    longest = records["OCNN"].metrics["larger_norm_after"]
    assert longest is not None and longest["q50"] < 1  # shorter than it would like
    assert pair_mean("OrthoReg", "cosine_after") == pytest.approx(0.89, abs=0.005)


def test_convolutional_similarity_lowers_the_raw_cosine_most() -> None:
    records = penalty_tables.pair_records()
    ours = ("L_CS", "normalised similarity")
    others = [pair_mean(name, "cosine_after") for name in records if name not in ours]
    assert max(pair_mean(name, "cosine_after") for name in ours) < min(others)
    assert pair_mean("normalised similarity", "cosine_after") == pytest.approx(0.03, abs=0.005)
    assert [round(records[name].metrics["dead_percent"]) for name in ours] == [42, 0]
    assert pair_mean("DeCov", "centred_after") < 0.005
    assert pair_mean("DeCov", "cosine_after") == pytest.approx(0.21, abs=0.005)
    assert pair_mean("normalised similarity", "cosine_after", 3) == pytest.approx(0.21, abs=0.005)
    assert pair_mean("normalised similarity", "cosine_after", 16) == pytest.approx(0.02, abs=0.005)
    assert round(penalty_tables.pair_records(3)["L_CS"].metrics["dead_percent"]) == 90
    three = [pair_mean(name, "cosine_after", 3) for name in ("L_CS", "kernel similarity", *BANSAL)]
    assert three[0] == pytest.approx(0.49, abs=0.005) and three[0] == max(three)


READINGS = ("kernel_cosine", "normalized", "correlation", "per_image", "overlap")
OURS = ("L_CS", "normalised similarity")


def left(penalty: str, reading: str) -> float:
    """What a descent leaves of a reading, as a share of the start: mean of layers and seeds."""
    return fmean(penalty_tables.ratios(penalty, reading, penalty_tables.layer_records()))


def deeper(penalty: str, reading: str) -> float:
    """A reading's mean over layers 2 to 4 and seeds."""
    records = penalty_tables.layer_records()[penalty].values()
    layers = [layer for r in records for layer in [*r.metrics["layers"].values()][1:]]
    values = [penalty_tables.reading_of(layer, reading) for layer in layers]
    return fmean(value for value in values if value is not None)


def test_penalties_on_kernels_move_kernels_and_nothing_else() -> None:
    assert all(len(seeds) == 2 for seeds in penalty_tables.layer_records().values())
    assert deeper(NONE, "kernel_cosine") == pytest.approx(0.033, abs=5e-4)
    assert all(deeper(name, "kernel_cosine") < 0.0015 for name in ("soft orthogonality", "OCNN"))
    for name in (*BANSAL, "OCNN", "OrthoReg"):
        assert left(name, "kernel_cosine") < 0.9
        assert all(abs(left(name, reading) - 1) < 0.06 for reading in READINGS[1:])
    # The one that is not at its end: of its own value half is left.
    own = [left(name, name) for name in BANSAL]
    assert own[1] == max(own) and own[1] > 0.45


def test_decov_moves_maps_and_the_opinions_are_shared_more() -> None:
    assert deeper(NONE, "correlation") == pytest.approx(0.20, abs=0.005)
    assert deeper("DeCov", "correlation") == pytest.approx(0.007, abs=5e-4)
    assert abs(left("DeCov", "normalized") - 1) < 0.005
    assert left("DeCov", "overlap") == pytest.approx(1.12, abs=0.005)


def test_convolutional_similarity_with_norms_held_moves_everything() -> None:
    for name in OURS:
        assert all(0.25 < left(name, reading) < 0.5 for reading in READINGS)
        for other in set(NAMES) - {*OURS}:
            assert left(other, "overlap") > 0.95
            if other != "DeCov":
                assert left(other, "correlation") > 0.95
    assert left("L_CS", "L_CS") == pytest.approx(0.96, abs=0.005)
    assert all(5 < left(name, "OrthoReg") < 6.5 for name in OURS)
    assert all(2.8 < left(name, "OCNN") < 3.5 for name in OURS)


def accuracies(penalty: str) -> list[float]:
    """Held-out accuracy in the search, from the weakest strength to the strongest."""
    tried = penalised.searches()[penalty].metrics["tried"]
    return [row["accuracy"] for row in sorted(tried, key=lambda row: row["strength"])]


def test_stronger_penalties_slow_the_training_where_they_pull_at_every_kernel() -> None:
    found = {name: accuracies(name) for name in PENALISED}
    for name, cost in (("soft-orthogonality", 5), ("ocnn", 10)):
        assert all(a > b for a, b in pairwise(found[name]))
        assert found[name][0] - found[name][-1] == pytest.approx(cost, abs=0.5)
    for name in ("mutual-coherence", "srip", "orthoreg", "normalised-similarity"):
        assert max(found[name]) - min(found[name]) < 1
    ordinary = fmean(found["normalised-similarity"])
    first, second, *more = found["similarity"]
    assert ordinary - second == pytest.approx(5, abs=0.25)
    assert all(value - ordinary == pytest.approx(0.5, abs=0.2) for value in more)
    assert ordinary > first
    for name in ("soft-orthogonality", "ocnn"):
        assert penalised.searches()[name].metrics["choice"] == min(WEIGHTS)


def test_penalties_on_kernels_leave_a_training_where_it_was_but_for_our_own() -> None:
    records = penalised.penalised_records()
    base = runs_of(records, "baseline")
    for name in PENALISED:
        runs = runs_of(records, name)
        assert abs(fmean(paired_differences(runs, base, last_training))) < 0.5
        gain = fmean(paired_differences(runs, base, best_test))
        assert -0.25 < gain < 1 or name == "similarity"
    assert all(len(runs_of(records, name)) == 2 for name in PENALISED)
    away = {}
    for name in PENALISED:
        for measure in (best_test, last_training):
            differences = paired_differences(runs_of(records, name), base, measure)
            bounds = interval(differences)
            assert bounds is not None
            if not bounds[0] <= 0 <= bounds[1]:
                away[name, measure] = round(fmean(differences), 1)
    assert away == {
        ("orthoreg", best_test): 0.7,
        ("normalised-similarity", best_test): 0.4,
        ("mutual-coherence", last_training): -0.2,
    }


def test_the_loss_of_the_book_jumps_and_the_best_epoch_is_a_lucky_draw() -> None:
    records = penalised.penalised_records()
    base = runs_of(records, "baseline")
    behind, lead = [], []
    for ours in runs_of(records, "similarity"):
        (others,) = [run for run in base if run.settings["seed"] == ours.settings["seed"]]
        short, usual = (run.metrics["epochs"] for run in (ours, others))
        ratio = norm(usual) / norm(short)
        assert ratio > 5 and ratio**2 == pytest.approx(30, abs=2.5)
        assert short["train_accuracy"][4] - usual["train_accuracy"][4] == pytest.approx(4, abs=0.3)
        assert sum(abs(b - a) > 10 for a, b in pairwise(short["test_accuracy"])) >= 3
        behind.append(fmean(usual["test_accuracy"][-10:]) - fmean(short["test_accuracy"][-10:]))
        lead += paired_differences([ours], [others], best_test)
    assert sorted(behind) == [pytest.approx(5, abs=0.5), pytest.approx(12, abs=0.5)]
    first, second = lead
    assert -4 < first < -3.5 and 2 < second < 3


def norm(epochs: Epochs) -> float:
    """Of all convolutions' weights together, after the last epoch."""
    return math.hypot(*(layer[-1] for layer in epochs["norm"].values()))


def test_in_wide_layers_the_fast_form_is_the_cheapest_by_far() -> None:
    (record,) = read_records("penaltybenchmark")
    times = {name: row["square_ms"]["512"] for name, row in record.metrics["penalties"].items()}
    others = [times[name] for name in (*BANSAL, "OCNN", "OrthoReg")]
    assert min(others) > 10 * times["L_CS"]
    assert 200 < times["OCNN"] / times["L_CS"] < 1000
