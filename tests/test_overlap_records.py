"""Which recorded neighbourhoods are shown together, and what is read from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from convsim.evidence.overlap_records import (
    last_measure,
    network_records,
    of_side,
    overlaps_of,
    regularization_of,
    regularized_records,
    target_of,
)
from convsim.evidence.overlap_tables import readings_table
from convsim.experiments.cifar10 import TrainingSettings
from convsim.models import MODELS, ShallowCNN
from convsim.training import LOOP
from tests.made_up import (
    COPY,
    OVERLAPS,
    RUN,
    SMALL,
    save_neighborhoods,
    save_network,
    save_regularized,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_neighborhoods(tmp_path)
    return tmp_path


def test_networks_are_sorted_trained_ones_first_then_as_conditions_are(folder: Path) -> None:
    found = [
        (record.settings["trained"], record.settings["run"]["condition"])
        for record in network_records(folder)
    ]
    assert found == [(True, "baseline"), (True, "scale"), (False, "baseline"), (False, "scale")]


@pytest.mark.parametrize(
    "worse",
    [
        replace(RUN, data="digits", epochs=90),
        replace(RUN, data="CIFAR-100", epochs=90),
        replace(RUN, epochs=19),
        replace(RUN, loop=1),
        replace(RUN, seed=1),
        replace(RUN, width=8, seed=1),
        replace(RUN, learning_rate=0.5, seed=1),
    ],
)
def test_networks_of_different_sweeps_are_never_mixed(
    folder: Path, worse: TrainingSettings
) -> None:
    for trained in (True, False):
        for condition in ("baseline", "init"):
            run = replace(worse, condition=condition)
            save_network(folder, run, OVERLAPS, trained=trained)
    runs = [record.settings["run"] for record in network_records(folder)]
    assert len(runs) == 4
    for key in ("data", "epochs", "seed", "width", "learning_rate"):
        assert {run[key] for run in runs} == {getattr(RUN, key)}


@pytest.mark.parametrize(
    "better",
    [replace(RUN, data="CIFAR-10", epochs=1), replace(RUN, epochs=21), replace(RUN, loop=LOOP + 1)],
)
def test_better_networks_replace_all(folder: Path, better: TrainingSettings) -> None:
    save_network(folder, better, OVERLAPS)
    (record,) = network_records(folder)
    assert record.settings["run"]["epochs"] == better.epochs


def test_the_papers_model_comes_first_and_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "AnotherCNN", ShallowCNN)
    save_network(tmp_path, replace(RUN, model="AnotherCNN", epochs=90), OVERLAPS)
    save_regularized(tmp_path, replace(SMALL, model="AnotherCNN"), 0.1)
    save_regularized(tmp_path, replace(SMALL, model="AnotherCNN", seed=1), 0.2)
    assert readings_table(folder=tmp_path).caption.startswith("AnotherCNN, width 64 after")
    save_network(tmp_path, replace(RUN, data="digits"), OVERLAPS)
    save_regularized(tmp_path, replace(SMALL, data="digits"), 0.3)
    (record,) = network_records(tmp_path)
    assert record.settings["run"]["data"] == "digits"
    (regularized,) = regularized_records(tmp_path)
    assert last_measure(regularized, "after") == 0.3


def test_other_measurements_of_the_same_networks_are_never_mixed(folder: Path) -> None:
    save_network(folder, RUN, OVERLAPS, k=5)
    save_network(folder, RUN, OVERLAPS, queries=7)
    assert len(network_records(folder)) == 4
    assert {record.settings["k"] for record in network_records(folder)} == {25}


def test_regularised_networks_are_sorted_and_of_one_kind(folder: Path) -> None:
    for seed in range(20):
        save_regularized(folder, replace(SMALL, seed=seed, data="digits"), 0.9)
    for seed in range(5):
        save_regularized(folder, replace(SMALL, seed=seed, epochs=99), 0.9)
    save_regularized(folder, replace(SMALL, loop=LOOP + 1), 0.9)
    records = regularized_records(folder)
    found = [(*regularization_of(r), r.settings["seed"]) for r in records]
    assert found == [
        (dropout, decay, seed) for dropout in (0, 0.3) for decay in (0, 5e-4) for seed in (0, 1, 2)
    ]
    assert {(r.settings["data"], r.settings["epochs"]) for r in records} == {(COPY, SMALL.epochs)}
    save_regularized(folder, replace(SMALL, data="CIFAR-10"), 0.9)
    assert len(regularized_records(folder)) == 1


def test_of_two_loops_with_as_many_networks_the_newer_one_counts(tmp_path: Path) -> None:
    for loop in (LOOP, LOOP + 1, 1):
        save_regularized(tmp_path, replace(SMALL, loop=loop), loop / 10)
    (record,) = regularized_records(tmp_path)
    assert last_measure(record, "after") == pytest.approx((LOOP + 1) / 10)


def test_an_overlap_without_an_interval_has_no_width(tmp_path: Path) -> None:
    save_network(tmp_path, RUN, OVERLAPS)
    (record,) = network_records(tmp_path)
    layer = record.metrics["layers"]["blocks.1.0"]["before"]
    layer["overlap"] |= {"low": None, "high": None}
    assert overlaps_of(record, "before")[2] == (0.3, 0.3, 0.3, 0.1)
    assert overlaps_of(record, "before")[1] == pytest.approx((0.4, 0.38, 0.43, 0.1))


def test_measures_are_read_from_their_side(folder: Path) -> None:
    record = regularized_records(folder)[0]  # number 10: overlap 0.20
    assert last_measure(record, "after") == pytest.approx(0.20)
    assert last_measure(record, "before") == pytest.approx(0.40)
    assert last_measure(record, "after", "redundancy") == pytest.approx(0.40)
    assert last_measure(record, "after", "neighbors") == pytest.approx(2.0)
    assert of_side(record.metrics, "before")["coverage"]["mean"] == pytest.approx(1.2)
    train, test = 5.0 + 10, 30.0 + (7 * 10) % 12
    assert target_of(record, "train_error") == train
    assert target_of(record, "test_error") == test
    assert target_of(record, "gap") == test - train
