"""`convsim run beginnings` in miniature: ranks by an SVD, gradients by a loop of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from convsim.experiments import activations, beginnings, runner
from convsim.experiments.beginnings import AT_DEFAULT_NORMS, BEGINNINGS, BeginningSettings
from convsim.experiments.catalogue import ON_IMAGES
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.record import read_records
from convsim.experiments.runner import Machine
from convsim.layers import convolutional_layers
from tests.small_sweeps import LAYERS, TEST, TRAIN, digits_are

pytestmark = pytest.mark.usefixtures("one_thread")
BATCHES, SIZE = 3, 40


@pytest.fixture(autouse=True)
def few_digits(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(activations, "NEIGHBORS_OF", 60)
    with digits_are(TRAIN, TEST):
        yield


def settings_of(start: str = "random-bands", seed: int = 1) -> BeginningSettings:
    run = TrainingSettings(start, 6, seed, epochs=1, data="digits", batch_size=SIZE, iterations=5)
    return BeginningSettings(run, batches=BATCHES, pictures=50, queries=5)


def test_a_layers_rank_is_that_of_the_singular_values_of_its_maps() -> None:
    torch.manual_seed(0)
    maps = torch.randn(7, 5, 6, 4) + torch.randn(5, 1, 1)
    maps[:, 3] = 2 * maps[:, 1]
    rows = maps.double().numpy().swapaxes(0, 1).reshape(5, -1)
    values = np.linalg.svd(rows - rows.mean(axis=1, keepdims=True), compute_uv=False) ** 2
    expected = values.sum() ** 2 / (values**2).sum()
    assert beginnings.participation_ratio(maps) == pytest.approx(expected)
    assert 1 < expected < 4
    equal = torch.linalg.qr(torch.randn(30, 5)).Q.T[None, :, :, None]
    centred = equal - equal.mean(dim=2, keepdim=True)
    assert beginnings.participation_ratio(centred) == pytest.approx(5, rel=0.1)


def gradients_by_hand(settings: BeginningSettings) -> tuple[Any, list[dict[str, Tensor]]]:
    model, _ = initialise(settings.run, "cpu", train=TRAIN)
    model.train()
    indices = [round(i * (len(TRAIN) - 1) / (BATCHES * SIZE - 1)) for i in range(BATCHES * SIZE)]
    found = []
    for first in range(BATCHES):
        part = torch.tensor(indices[first::BATCHES])
        model.zero_grad()
        cross_entropy(model(TRAIN.normalized(part)), TRAIN.labels[part]).backward()
        found.append(
            {name: layer.weight.grad.clone() for name, layer in convolutional_layers(model)}
        )
    return model, found


def test_first_gradients_by_a_loop_of_their_own() -> None:
    settings = settings_of()
    metrics = beginnings.measure(settings, TRAIN, TEST)
    model, found = gradients_by_hand(settings)
    for name, layer in convolutional_layers(model):
        each = torch.stack([batch[name].flatten() for batch in found]).double()
        mean = each.mean(dim=0)
        measured = metrics["gradients"][name]
        norm = layer.weight.detach().double().norm()
        assert measured["size"] == pytest.approx((mean.norm() * norm).item(), rel=1e-4)
        signal = (mean.square().sum() / each.square().sum(dim=1).mean()).item()
        assert measured["signal"] == pytest.approx(signal, rel=1e-4)
        assert 0 < signal < 1


def test_sizes_do_not_depend_on_the_scale_and_batches_that_are_one_agree() -> None:
    model, _ = initialise(settings_of().run, "cpu", train=TRAIN)
    few = TRAIN.subset(torch.zeros(12, dtype=torch.long))  # one image, twelve times
    one = beginnings.first_gradients(model, few, 3, 4)
    with torch.no_grad():
        for _, layer in convolutional_layers(model):
            layer.weight.mul_(4)
    scaled = beginnings.first_gradients(model, TRAIN, BATCHES, SIZE)
    again, _ = initialise(settings_of().run, "cpu", train=TRAIN)
    plain = beginnings.first_gradients(again, TRAIN, BATCHES, SIZE)
    for name in LAYERS:
        assert one[name]["signal"] == pytest.approx(1, rel=1e-3)
        assert scaled[name]["size"] == pytest.approx(plain[name]["size"], rel=0.02)


def test_a_run_is_recorded_with_every_layers_numbers(tmp_path: Path) -> None:
    rows = [settings_of(), settings_of("baseline")]
    machine = Machine(None, "cpu", tmp_path, progress=False, command="a test")
    runner.run(beginnings.tasks(rows), machine)
    recorded = {r.settings["run"]["condition"]: r for r in read_records(BEGINNINGS.name, tmp_path)}
    assert set(recorded) == {"random-bands", "baseline"}
    bands, default = (recorded[name].metrics for name in ("random-bands", "baseline"))
    for metrics in (bands, default):
        for part in ("layers", "rank", "gradients"):
            assert list(metrics[part]) == LAYERS
        assert all(1 <= rank <= 6 for rank in metrics["rank"].values())
        assert all(state["overlap"] is not None for state in metrics["layers"].values())
    for name in LAYERS:
        narrow, wide = (m["layers"][name]["concentration"] for m in (bands, default))
        assert narrow > wide


def test_the_plan_is_every_start_at_the_defaults_norms_seed_by_seed(tmp_path: Path) -> None:
    rows = beginnings.plan(tmp_path, data="digits")
    assert [(row.run.condition, row.run.seed) for row in rows] == [
        (name, seed) for seed in (0, 1) for name in AT_DEFAULT_NORMS
    ]
    assert len(set(AT_DEFAULT_NORMS)) == len(AT_DEFAULT_NORMS) and {*AT_DEFAULT_NORMS} <= {
        *CONDITIONS
    }
    assert {(row.run.data, row.run.epochs, row.run.width) for row in rows} == {("digits", 1, 64)}
    assert str(rows[0]) == "before baseline, width 64, seed 0, 1 epochs"
    _, tasks = ON_IMAGES["beginnings"]
    assert [task.settings for task in tasks(tmp_path, "digits")] == rows
    small = replace(rows[0].run, width=4, iterations=2)
    default, _ = initialise(small, "cpu", train=TRAIN)
    for name in AT_DEFAULT_NORMS:
        model, _ = initialise(replace(small, condition=name), "cpu", train=TRAIN)
        pairs = zip(*map(convolutional_layers, (model, default)), strict=True)
        for (_, ours), (_, theirs) in pairs:
            ratio = ours.weight.norm() / theirs.weight.norm()
            assert ratio.item() == pytest.approx(1, rel=1e-3), name
