"""Trainings on some images, with other optimisers and networks: what they are, names and words."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convsim.experiments import cifar10
from convsim.experiments.cifar10 import TrainingSettings, measure
from convsim.experiments.networks import KEPT, is_kept
from convsim.experiments.record import record_path, restored, stored
from convsim.experiments.sweep import TRAINING
from convsim.models import ShallowCNN, plain_cnn
from convsim.training import evaluate, fit
from tests.small_sweeps import TEST, TRAIN, by_condition, digits_are, layer_weights, rows, run

pytestmark = pytest.mark.usefixtures("one_thread")

BASELINE = TrainingSettings("baseline")
NAMES = Path(__file__).with_name("records.txt").read_text().split()
SPECIAL: dict[str, dict[str, Any]] = {
    "Adam": {"optimizer": "Adam"},
    "momentum": {"optimizer": "momentum"},
    "10,000 images": {"images": 10_000},
    "ResNet18": {"model": "ResNet18"},
    "rate 0.005": {"rate": 0.005},
    "learning rate 0.001": {"learning_rate": 0.001},
    "batches of 64": {"batch_size": 64},
    "200 steps": {"iterations": 200},
    "5,000 held out": {"held_out": 5_000},
    "KaimingCNN, SGDP, learning rate 0.1, 500 images": {
        "images": 500,
        "learning_rate": 0.1,
        "optimizer": "SGDP",
        "model": "KaimingCNN",
    },
}
USUAL = "baseline, width 64, seed 0, 100 epochs"


@pytest.mark.parametrize(("words", "changed"), SPECIAL.items(), ids=SPECIAL)
def test_a_run_says_what_is_special_about_it(words: str, changed: dict[str, Any]) -> None:
    assert str(replace(BASELINE, **changed)) == f"{words}, {USUAL}"


def test_an_ordinary_run_says_what_it_always_said() -> None:
    assert str(BASELINE) == USUAL
    # These were never said, and stay unsaid.
    silent: dict[str, Any] = {
        "data": "digits",
        "precision": "float32",
        "beta": 0.5,
        "queries": 100,
        "loop": 1,
    }
    assert str(replace(BASELINE, **silent)) == USUAL
    run = TrainingSettings("init", 128, 4, 20)
    assert str(run) == "init, width 128, seed 4, 20 epochs"


def name_of(settings: dict[str, Any]) -> str:
    text = json.dumps(settings, sort_keys=True)
    return f"table5-{hashlib.sha256(text.encode()).hexdigest()[:10]}.json"


BEFORE: dict[str, Any] = {
    **{"condition": "baseline", "width": 64, "seed": 0, "epochs": 20, "precision": "bfloat16"},
    **{"data": "CIFAR-10 (JPEG copy)", "batch_size": 512, "learning_rate": 0.01},
    **{"iterations": 500, "beta": 0.001, "loop": 2, "queries": 100},
}
"""What the record of an ordinary run holds, field by field, since before there were others."""


def test_records_of_ordinary_runs_keep_their_names() -> None:
    run = TrainingSettings("baseline", epochs=20, data="CIFAR-10 (JPEG copy)", queries=100)
    assert stored(run) == BEFORE
    name = record_path("table5", run, Path()).name
    assert name == name_of(BEFORE) and name in NAMES
    assert restored(TrainingSettings, BEFORE) == run
    found = restored(TrainingSettings, BEFORE)
    assert (found.optimizer, found.images, found.rate) == ("SGD", 0, 0.01)
    for field, value in (("optimizer", "Adam"), ("images", 100), ("rate", 0.02)):
        changed: dict[str, Any] = {field: value}
        other = replace(run, **changed)
        assert stored(other) == BEFORE | {field: value}
        assert record_path("table5", other, Path()).name == name_of(BEFORE | {field: value})


def test_an_unknown_optimiser_is_refused() -> None:
    said = "^'RMSprop' is no optimizer; expected one of SGD, momentum, Adam, SGDP$"
    with pytest.raises(ValueError, match=said):
        replace(BASELINE, optimizer="RMSprop")


def test_ordinary_is_sgd_on_all_images() -> None:
    for changed in ({}, {"model": "ResNet18"}, {"learning_rate": 1.0}, {"width": 4}):
        assert replace(BASELINE, **changed).ordinary
    for changed in ({"optimizer": "momentum"}, {"optimizer": "SGDP"}, {"images": 1}):
        assert not replace(BASELINE, **changed).ordinary


def test_networks_of_special_runs_are_not_kept() -> None:
    assert KEPT == ("baseline", "init", "scale", "scale-free")
    for condition in KEPT:
        run = TrainingSettings(condition)
        assert is_kept(run) and is_kept(replace(run, seed=1))
        for changed in (
            *({"optimizer": "momentum"}, {"images": 100}, {"model": "PlainCNN"}),
            *({"model": "ResNet18"}, {"width": 128}),
        ):
            assert not is_kept(replace(run, **changed)), changed
    assert not is_kept(TrainingSettings("unit-variance"))


@pytest.mark.parametrize("count", [0, 1, 45, 449, 450, 5000])
def test_a_run_trains_on_that_many_images_evenly_spread(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def stop(_: Any, *images: Any, **__: Any) -> None:
        given.extend(images)
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar10, "fit", stop)
    settings = replace(BASELINE, width=2, images=count, data="digits")
    numbered = replace(TRAIN, labels=torch.arange(450))
    with pytest.raises(KeyboardInterrupt):
        measure(settings, numbered, TEST)
    train, test = given
    index = train.labels.numpy()
    assert len(index) == (min(count, 450) or 450) and index[0] == 0
    assert torch.equal(train.pixels, TRAIN.pixels[train.labels])
    if len(index) > 1:
        gaps = np.diff(index)
        assert index[-1] == 449 and gaps.min() > 0 and np.ptp(gaps) <= 1
    assert test is TEST


def test_special_runs_are_trained_and_recorded_beside_ordinary_ones(tmp_path: Path) -> None:
    plain, kept = rows("baseline", "matched-rate", epochs=1)
    some = [
        plain,
        replace(kept, optimizer="momentum", learning_rate=0.01, images=200),
        replace(rows("unit-variance", epochs=1)[0], model="PlainCNN", optimizer="Adam"),
    ]
    with digits_are(TRAIN, TEST):
        run(some, tmp_path)
    found = by_condition(tmp_path)
    assert set(found) == {"baseline", "matched-rate", "unit-variance"}
    for row in some:
        record = found[row.condition]
        assert TRAINING.path(row, tmp_path).exists()
        assert restored(TrainingSettings, record.settings) == row
        assert len(record.metrics["epochs"]["norm"]["blocks.3.0"]) == 1
    assert not {"optimizer", "images", "rate", "model"} & found["baseline"].settings.keys()


def test_what_is_special_reaches_the_training() -> None:
    """A run with all of it is the same as ``fit`` on the images by hand."""
    (row,) = rows("baseline", epochs=2)
    row = replace(row, model="PlainCNN", optimizer="momentum", images=150, learning_rate=0.02)
    metrics, trained = measure(row, TRAIN, TEST, progress=False)
    torch.manual_seed(row.seed)
    model = plain_cnn(row.width)
    index = torch.linspace(0, 449, 150).round().long()
    history = fit(
        model,
        TRAIN.subset(index),
        TEST,
        epochs=2,
        lr=0.02,
        batch_size=row.batch_size,
        optimizer="momentum",
        progress=False,
    )
    assert all(map(torch.equal, layer_weights(trained), layer_weights(model)))
    assert metrics["epochs"]["loss"] == [epoch.loss for epoch in history]
    assert metrics["last_test_accuracy"] == history[-1].test_accuracy


def test_a_resnet_can_be_trained_and_measured() -> None:
    few, seen = TRAIN.subset(slice(0, 48)), TEST.subset(slice(0, 24))
    settings = TrainingSettings(
        "baseline",
        epochs=1,
        data="digits",
        precision="float32",
        batch_size=24,
        model="ResNet18",
        images=40,
        pictures=8,
    )
    metrics, model = measure(settings, few, seen, progress=False)
    assert len(metrics["cosine_after"]) == len(layer_weights(model)) == 20
    assert metrics["epochs"]["norm"].keys() == metrics["cosine_after"].keys()


def test_images_held_out_are_not_trained_on_and_are_tested_after_each_epoch() -> None:
    settings = replace(BASELINE, width=4, epochs=2, batch_size=64, held_out=30, pictures=8)
    metrics, model = measure(settings, TRAIN, TEST, progress=False)
    apart = torch.zeros(len(TRAIN), dtype=torch.bool)
    apart[torch.linspace(0, len(TRAIN) - 1, 30).round().long()] = True
    torch.manual_seed(0)
    other = ShallowCNN(4)
    options: dict[str, Any] = {"epochs": 2, "batch_size": 64, "precision": "bfloat16"}
    fit(other, TRAIN.subset(~apart), TEST, progress=False, **options)
    for (name, ours), theirs in zip(
        model.state_dict().items(), other.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=name)
    found = metrics["epochs"]["held_out_accuracy"]
    assert len(found) == 2
    assert found[-1] == evaluate(model, TRAIN.subset(apart), precision="bfloat16")
    plain, _ = measure(replace(settings, held_out=0), TRAIN, TEST, progress=False)
    assert "held_out_accuracy" not in plain["epochs"]


def test_a_training_with_images_held_out_goes_on_with_the_same(tmp_path: Path) -> None:
    path = tmp_path / "here.safetensors"
    some = TRAIN.subset(slice(0, 50))
    options: dict[str, Any] = {"batch_size": 64, "progress": False, "checkpoint": path}
    torch.manual_seed(0)
    first = fit(ShallowCNN(4), TRAIN, TEST, epochs=1, held_out=some, **options)
    again = fit(ShallowCNN(4), TRAIN, TEST, epochs=2, held_out=some, **options)
    assert again[:1] == first and again[1].held_out_accuracy is not None
    with pytest.raises(ValueError, match="belongs to another run .held_out 50, not 0."):
        fit(ShallowCNN(4), TRAIN, TEST, epochs=2, **options)
    with pytest.raises(ValueError, match="held_out is a Tensor; expected convsim.data.Images"):
        fit(ShallowCNN(4), TRAIN, TEST, epochs=2, held_out=TRAIN.pixels, **options)  # type: ignore[arg-type]
