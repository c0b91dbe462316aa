"""`convsim run forgetting` in miniature: a first epoch against a loop of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import forgetting, runner
from convsim.experiments.catalogue import ON_IMAGES
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.forgetting import FORGETTING, ForgettingSettings
from convsim.experiments.record import read_records, record_path, restored, stored, to_six_digits
from convsim.experiments.runner import Machine
from convsim.layers import convolutional_layers
from convsim.similarity import convolutional_similarity
from tests.small_sweeps import LAYERS, TEST, TRAIN, digits_are
from tests.test_fit import pairwise

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = (0, 1, 2, 3, 5, 6)  # of eight
RATES = {"SGD": 0.2, "momentum": 0.05, "Adam": 0.01}
MAKERS: dict[str, Any] = {
    "SGD": lambda given: torch.optim.SGD(given, lr=0.2),
    "momentum": lambda given: torch.optim.SGD(given, lr=0.05, momentum=0.9),
    "Adam": lambda given: torch.optim.Adam(given, lr=0.01),
}


@pytest.fixture(autouse=True)
def few_digits(one_thread: None) -> Iterator[None]:
    with digits_are(TRAIN, TEST):
        yield


def settings_of(start: str = "baseline", optimizer: str = "SGD", **changed: Any) -> Any:
    run = TrainingSettings(
        start,
        4,
        seed=2,
        epochs=1,
        data="digits",
        precision="float32",
        batch_size=60,
        learning_rate=RATES[optimizer],
        iterations=10,
        optimizer=optimizer,
    )
    return ForgettingSettings(replace(run, **changed), STEPS)


def by_hand(settings: ForgettingSettings) -> tuple[dict[str, dict[str, list[float]]], list[float]]:
    """Every layer's readings after each step, and the losses."""
    run = settings.run
    model, _ = initialise(run, "cpu", train=TRAIN)
    model.zero_grad()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,unused-ignore]
    optimizer = MAKERS[run.optimizer](model.parameters())
    torch.manual_seed(run.seed * 1_000_003 + 1)
    order = torch.randperm(len(TRAIN))
    layers = {name: layer.weight for name, layer in convolutional_layers(model)}
    names = ("norm", "angle", "squared_gradients", "squared_steps", "similarity", "normalized")
    courses: dict[str, Any] = {name: {key: [] for key in names} for name in layers}
    first = {name: weight.detach().double().numpy().flatten() for name, weight in layers.items()}
    before, losses = dict(first), []
    sums = {name: [0.0, 0.0] for name in layers}

    def read() -> None:
        for name, weight in layers.items():
            now = weight.detach().double().numpy().flatten()
            if weight.grad is not None:
                sums[name][0] += float(np.square(weight.grad.double().numpy()).sum())
            sums[name][1] += float(np.square(now - before[name]).sum())
            before[name] = now
            cosine = now @ first[name] / np.linalg.norm(now) / np.linalg.norm(first[name])
            course = courses[name]
            course["norm"].append(np.linalg.norm(now))
            course["angle"].append(math.degrees(math.acos(min(cosine, 1.0))))
            course["squared_gradients"].append(sums[name][0])
            course["squared_steps"].append(sums[name][1])
            course["similarity"].append(pairwise(weight.detach()).item())
            scale_free = convolutional_similarity(weight.detach().double(), normalized=True)
            course["normalized"].append(scale_free.item())

    read()
    for index in order.split(run.batch_size):
        loss = cross_entropy(model(TRAIN.normalized(index)), TRAIN.labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        read()
    return courses, losses


@pytest.mark.parametrize(
    ("start", "optimizer"),
    [("baseline", "SGD"), ("init", "SGD"), ("scale", "momentum"), ("init", "Adam")],
)
def test_what_is_measured_is_what_a_loop_measures(start: str, optimizer: str) -> None:
    settings = settings_of(start, optimizer)
    found = forgetting.measure(settings, TRAIN, TEST)
    expected, losses = by_hand(settings)
    assert found["steps"] == list(STEPS)
    assert list(found["layers"]) == list(expected) == LAYERS
    for name, course in found["layers"].items():
        for key, values in expected[name].items():
            at = [values[step] for step in STEPS]
            # Adam makes steps of rounding errors where there are no gradients.
            loose: dict[str, Any] = {"rel": 0.05 if optimizer == "Adam" else 2e-3, "abs": 5e-4}
            assert course[key] == pytest.approx(at, **loose), (name, key)  # type: ignore[literal-required]
        assert course["squared_gradients"][0] == course["squared_steps"][0] == 0
        assert course["angle"][0] < 1e-9 < course["angle"][1] < course["angle"][-1]
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-3)


def test_sgd_lengthens_weights_behind_a_batch_normalisation_by_its_steps() -> None:
    for start in ("baseline", "init"):
        for course in forgetting.measure(settings_of(start), TRAIN, TEST)["layers"].values():
            squares = np.square(course["norm"])
            steps = np.array(course["squared_steps"])
            np.testing.assert_allclose(squares - squares[0], steps, rtol=0.02, atol=1e-5)
            # A step is the gradient times the learning rate.
            assert steps == pytest.approx(0.2**2 * np.array(course["squared_gradients"]), rel=1e-3)
            assert steps[-1] > 1e-3
    course = forgetting.measure(settings_of(optimizer="momentum"), TRAIN, TEST)["layers"][LAYERS[1]]
    grown = course["norm"][-1] ** 2 - course["norm"][0] ** 2
    assert grown > 1.5 * course["squared_steps"][-1]


def test_the_plan_is_each_start_under_each_optimiser_seed_by_seed(tmp_path: Path) -> None:
    rates = [*(("SGD", lr) for lr in (0.01, 0.03, 0.1, 0.3, 1.0)), ("momentum", 0.01)]
    rates += [("SGDP", 0.01), ("Adam", 0.001)]
    wanted = [
        (seed, start, *optimizer)
        for seed in (0, 1, 2)
        for optimizer in rates
        for start in ("baseline", "init", "scale")
    ]
    rows = forgetting.plan(tmp_path)
    runs = [row.run for row in rows]
    assert len(set(rows)) == len(wanted) == 3 * 24
    assert [(r.seed, r.condition, r.optimizer, r.learning_rate) for r in runs] == wanted
    usual: dict[str, Any] = {"condition": "init", "optimizer": "SGD", "learning_rate": 0.01}
    expected = TrainingSettings("init", epochs=1)
    assert {replace(run, **usual, seed=0) for run in runs} == {expected}
    # An epoch of CIFAR-10 has 98 steps, of which the first are watched most closely.
    assert {row.steps for row in rows} == {rows[0].steps}
    assert rows[0].steps[:7] == (0, 1, 2, 3, 4, 5, 6) and rows[0].steps[-1] == math.ceil(5e4 / 512)
    assert list(rows[0].steps) == sorted(set(rows[0].steps))
    assert str(rows[0]) == "first epoch of baseline, width 64, seed 0, 1 epochs"
    assert {row.run.data for row in forgetting.plan(tmp_path, data="digits")} == {"digits"}
    assert restored(ForgettingSettings, stored(rows[5])) == rows[5]
    assert [task.settings for task in ON_IMAGES["forgetting"][1](tmp_path, None)] == rows


def small_plan(folder: Path, *, data: str | None = None) -> list[ForgettingSettings]:
    some = [settings_of(), settings_of("init", "Adam"), settings_of(learning_rate=1e30)]
    return [replace(row, run=replace(row.run, data=data or "digits")) for row in some]


def test_the_command_runs_what_is_missing_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "plan", small_plan)
    rows = small_plan(tmp_path)
    machine = Machine(folder=tmp_path, progress=False, command="a test")
    runner.run(forgetting.tasks(rows[:1]), machine, progress=False)
    first = record_path("forgetting", rows[0], tmp_path)
    written = first.stat().st_mtime_ns
    options = ["forgetting", "--results", str(tmp_path)]
    run = ["run", *options, "--data", "digits", "--device", "cpu"]
    listed = CliRunner().invoke(app, ["status", *options])
    assert [line.split()[-1] == "missing" for line in listed.output.splitlines()] == [
        *(False, True, True)
    ]
    result = CliRunner().invoke(app, run)
    assert result.exit_code == 0, result.output
    assert first.stat().st_mtime_ns == written
    records = {record.settings["run"]["condition"]: record for record in read_records_of(tmp_path)}
    assert records["init"].metrics == to_six_digits(forgetting.measure(rows[1], TRAIN, TEST))
    assert records["init"].command.startswith("convsim run forgetting") and len(records) == 2
    monkeypatch.setattr(runner, "perform", lambda *_: pytest.fail("run again"))
    assert CliRunner().invoke(app, run).exit_code == 0
    listed = CliRunner().invoke(app, ["status", *options])
    for line, row in zip(listed.output.splitlines(), rows, strict=True):
        assert line.startswith(f"{row}  done     {FORGETTING.path(row).name}")


def read_records_of(folder: Path) -> list[Any]:
    return [r for r in read_records("forgetting", folder) if "diverged" not in r.metrics]


def test_a_run_that_diverged_is_recorded_as_such(tmp_path: Path) -> None:
    """At a watched step, and between those: the first is said at once, the other at the end."""
    early = small_plan(tmp_path)[2]
    late = replace(early, steps=(0,))
    machine = Machine(folder=tmp_path, progress=False, command="a test")
    runner.run(forgetting.tasks([early, late]), machine, progress=False)
    found = {len(r.settings["steps"]): r.metrics for r in read_records("forgetting", tmp_path)}
    assert set(found[6]) == set(found[1]) == {"diverged"}
    assert found[6]["diverged"].startswith("step 1: L_CS overflows torch.float32, with numbers as")
    assert found[1]["diverged"].startswith("epoch 1: NaN or infinity in ")
    assert {r.run.data for r in forgetting.plan(tmp_path)} == {"digits"}
