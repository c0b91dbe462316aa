"""Table 5's sweep in miniature: on digits, with narrow networks and two epochs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from convsim.data import digits
from convsim.experiments import (
    activations,
    images,
    networks,
    runner,
)
from convsim.experiments.cifar10 import TrainingSettings, measure
from convsim.experiments.conditions import CONDITIONS, OWN_RATE, PENALISED
from convsim.experiments.record import read_records, record_path
from convsim.experiments.runner import with_needs
from convsim.experiments.sweep import CHOICE, TRAINING
from convsim.models import ShallowCNN
from convsim.neighborhoods.summary import measure_neighborhoods
from convsim.training import LOOP, evaluate, loop
from tests.small_sweeps import (
    TEST,
    TRAIN,
    WIDTH,
    by_condition,
    checkpoints,
    contents,
    digits_are,
    layers_of,
    rows,
    run,
)

TWO_SEEDS = ("baseline", "learning-rate", "random-bands-rate")


@pytest.fixture(autouse=True, scope="module")
def few_digits(one_thread: None) -> Iterator[None]:
    with digits_are(TRAIN, TEST):
        yield


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, few_digits: None) -> Path:
    """The folder of a sweep of every condition, and of a second seed of some of them."""
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "WIDTH", WIDTH)
        run([*rows(), *rows(*TWO_SEEDS, seeds=2)], folder)
    return folder


def test_every_condition_has_a_complete_record(swept: Path) -> None:
    records = by_condition(swept)
    assert list(records) and set(records) == set(CONDITIONS)
    assert set(by_condition(swept, seed=1)) == set(TWO_SEEDS)
    for condition, record in records.items():
        assert record.data == record.settings["data"] == "digits"
        assert record.command == "a test"
        assert TrainingSettings(**record.settings).condition == condition
        metrics = record.metrics
        assert set(metrics) == {
            *("top_test_accuracy", "last_test_accuracy", "initialisation_seconds"),
            *("cosine_before", "cosine_after", "layers_before", "layers_after"),
            *("chosen", "epochs"),
        }
        layers = layers_of(condition)
        inside = ".convolution" if condition.startswith("deconvolution") else ""
        epochs = metrics["epochs"]
        assert epochs["epoch"] == [1, 2]
        for key in ("loss", "train_accuracy", "test_accuracy", "seconds"):
            assert len(epochs[key]) == 2 and all(type(v) is float for v in epochs[key])
        for key in ("similarity", "normalized", "norm"):
            assert list(epochs[key]) == [f"{name}{inside}" for name in layers]
            assert all(len(v) == 2 and min(v) > 0 for v in epochs[key].values())
        for key in ("before", "after"):
            cosines, states = metrics[f"cosine_{key}"], metrics[f"layers_{key}"]
            assert list(cosines) == list(states) == layers
            assert all(0 < v < 1 for v in cosines.values())
            assert cosines == {name: state["per_image"] for name, state in states.items()}
            assert all(state["overlap"] is None for state in states.values())  # no queries
        assert metrics["top_test_accuracy"] == max(epochs["test_accuracy"])
        assert metrics["last_test_accuracy"] == epochs["test_accuracy"][-1]
    assert not checkpoints(swept)


def test_a_search_serves_all_seeds_and_conditions_that_want_its_number(swept: Path) -> None:
    searches = {
        choice.settings["run"]["condition"]: choice for choice in read_records(CHOICE.name, swept)
    }
    count = 3 + len(PENALISED) + len(OWN_RATE)
    assert len(list(swept.glob(f"{CHOICE.name}-*.json"))) == len(searches) == count
    assert {search.settings["run"]["seed"] for search in searches.values()} == {0}
    rate = {"lr": searches["learning-rate"].metrics["choice"]}
    strength = {"decorrelation": searches["decov"].metrics["choice"]}
    expected = {
        "decay": {"weight_decay": searches["decay"].metrics["choice"]},
        **{"learning-rate": rate, "random-bands-rate": rate},
        **{"decov": strength, "decov-scale": strength},
        **{name: {"strength": searches[name].metrics["choice"]} for name in PENALISED},
        **{name: {"lr": searches[name].metrics["choice"]} for name in OWN_RATE},
    }
    for seed in (0, 1):
        for condition, record in by_condition(swept, seed).items():
            assert record.metrics["chosen"] == expected.get(condition, {})
    # Before it is there, it is one task, ahead of all that wait for it.
    tasks = with_needs(TRAINING.tasks(rows("random-bands-rate", "learning-rate", seeds=2)))
    assert [task.experiment for task in tasks] == [CHOICE, *[TRAINING] * 4]


def test_what_is_recorded_is_not_run_again(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr(runner, "perform", never)
    before = {path: path.stat().st_mtime_ns for path in swept.iterdir()}
    run(rows(), swept)
    assert {path: path.stat().st_mtime_ns for path in swept.iterdir()} == before
    with pytest.raises(AssertionError, match="run again"):
        run(rows("init", seeds=2), swept)


def test_regularised_weights_are_less_similar(swept: Path) -> None:
    records = by_condition(swept)

    def last(condition: str, key: str) -> list[float]:
        return [layer[-1] for layer in records[condition].metrics["epochs"][key].values()]

    assert sum(last("regularise", "similarity")) < 0.9 * sum(last("baseline", "similarity"))
    wanted = math.hypot(*last("regularise", "norm"))
    assert math.hypot(*last("decay", "norm")) == pytest.approx(wanted, rel=0.02)


def test_an_interrupted_sweep_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = rows("learning-rate", "baseline", epochs=2)
    run(some, tmp_path / "whole")
    written: list[Path] = []
    save = loop.save_checkpoint

    def stop(path: Path, *rest: Any) -> None:
        save(path, *rest)
        written.append(path)
        if len(written) == 5:  # in the midst of a learning rate's two epochs
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        run(some, tmp_path / "stopped")
    assert checkpoints(tmp_path / "stopped") == sorted(set(written))
    assert len(contents(tmp_path / "stopped")) < 3
    run(some, tmp_path / "stopped")
    # Two epochs of five rates and of two runs, and none of them twice.
    assert len(written) == 2 * 7
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert not checkpoints(tmp_path / "stopped")


def test_an_older_training_loop_is_not_run(tmp_path: Path) -> None:
    (old,) = rows("baseline", loop=1)
    message = (
        "baseline, width 4, seed 0, 2 epochs asks for version 1 of the training loop; expected "
        f"{LOOP}: older versions can be read, not run"
    )
    for call in (lambda: measure(old, TRAIN, TEST), lambda: run([old], tmp_path)):
        with pytest.raises(ValueError, match=message):
            call()
    assert not contents(tmp_path) and not checkpoints(tmp_path)


def test_a_diverged_run_is_recorded_and_stops_no_other(tmp_path: Path) -> None:
    # L_CS alone breaks: what needs Algorithm 2's run has nothing to aim at.
    run(rows("baseline", "regularise", "decay", "learning-rate", beta=1e30), tmp_path)
    records = by_condition(tmp_path)
    assert set(records) == {"baseline", "regularise", "decay", "learning-rate"}
    diverged = records["regularise"].metrics
    assert list(diverged) == ["diverged"] and "epoch 1: NaN or infinity" in diverged["diverged"]
    chain = records["decay"].metrics["diverged"]
    assert re.match(r"choice for .*decay, width 4, .* diverged: .*regularise, width 4, ", chain)
    assert chain.endswith(diverged["diverged"])
    for condition in ("baseline", "learning-rate"):
        assert "top_test_accuracy" in records[condition].metrics
    before = contents(tmp_path)
    run(rows("baseline", "regularise", "decay", "learning-rate", beta=1e30), tmp_path)
    assert contents(tmp_path) == before


PARALLEL = rows("init", "decay", epochs=1)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory, few_digits: None) -> Path:
    folder = tmp_path_factory.mktemp("one-process")
    with digits_are(*digits()):  # all of them, as in other processes
        run(PARALLEL, folder)
    return folder


def test_a_dask_cluster_records_the_same(
    one_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client, LocalCluster

    # Its look at the stack every 10 ms makes a worker five times as slow on a busy machine.
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "False")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        run(PARALLEL, tmp_path / "records", cluster=cluster.scheduler_address)
        with Client(cluster) as client:  # workers that hold the data have worked
            loaded = client.run(images.load.cache_info)
    assert sum(info.currsize for info in loaded.values()) > 0
    assert contents(tmp_path / "records") == contents(one_process)


def test_networks_of_four_conditions_are_kept(swept: Path) -> None:
    kept = {path.stem for path in swept.glob("*.safetensors")}
    expected = {
        record_path(TRAINING.name, row, swept).stem
        for row in [*rows(), *rows(*TWO_SEEDS, seeds=2)]
        if row.condition in networks.KEPT
    }
    assert len(kept) == 5 and kept == expected
    for condition in networks.KEPT:
        record = by_condition(swept)[condition]
        loaded = networks.load_network(record, swept)
        assert not loaded.training
        accuracy = evaluate(loaded, TEST)
        assert accuracy == pytest.approx(record.metrics["last_test_accuracy"], abs=0.7)
    settings = TrainingSettings(**record.settings)
    _, trained = measure(settings, TRAIN, TEST, progress=False)
    images = TEST.normalized(slice(0, 50))
    with torch.no_grad():
        expected_scores, scores = trained.eval()(images), loaded(images)
    torch.testing.assert_close(scores, expected_scores, atol=0.02, rtol=0.01)
    assert not torch.equal(scores, expected_scores)  # float16 on disk


def test_a_network_that_is_not_kept_says_which_are(swept: Path) -> None:
    with pytest.raises(
        ValueError,
        match="no network .* for .*decay, width 4, .*of width 64 and a condition of ",
    ):
        networks.load_network(by_condition(swept)["decay"], swept)


def test_a_kept_network_of_width_64_is_small() -> None:
    assert len(networks.compressed(ShallowCNN(64), TrainingSettings("init"))) <= 300_000


def test_layers_say_how_much_their_channels_overlap_if_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activations, "NEIGHBORS_OF", 60)
    (settings,) = rows("deconvolution", epochs=1, queries=5)
    metrics, trained = measure(settings, TRAIN, TEST, progress=False)
    outputs = activations.layer_activations(trained, TEST, 60)
    for name, state in metrics["layers_after"].items():
        expected = measure_neighborhoods(outputs[name, "after"], 5, activations.NEIGHBORS)
        assert state["overlap"] == expected
        assert metrics["layers_before"][name]["overlap"] != expected
