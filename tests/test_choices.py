"""The numbers that three conditions search for before they run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from convsim.data import Images
from convsim.experiments import choices
from convsim.experiments.activations import map_cosines
from convsim.experiments.cifar10 import initialise, measure
from convsim.experiments.record import read_records
from convsim.experiments.sweep import CHOICE
from convsim.training import fit
from tests.small_sweeps import TEST, TRAIN, by_condition, digits_are, layer_weights, rows, run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def few_digits() -> Iterator[None]:
    with digits_are(TRAIN, TEST):
        yield


def test_the_weight_decay_ends_at_the_wanted_norm(tmp_path: Path) -> None:
    train, test = TRAIN, TEST
    options: dict[str, Any] = {"beta": 1.0, "learning_rate": 0.05, "batch_size": 64}
    (regularised,), (decayed,) = (rows(name, **options) for name in ("regularise", "decay"))
    target, _ = measure(regularised, train, test, progress=False)
    found = choices.choose_weight_decay(
        decayed, train, test, target=target, checkpoint=tmp_path / "x.safetensors", progress=False
    )
    wanted = math.hypot(*(layer[-1] for layer in target["epochs"]["norm"].values()))
    assert found["norm_wanted"] == pytest.approx(wanted)
    assert 1 < len(found["tried"]) <= choices.ATTEMPTS
    # By training anew, outside the search.
    model, _ = initialise(decayed, "cpu")
    assert math.hypot(*(w.norm().item() for w in layer_weights(model))) > 1.1 * wanted
    options = {"lr": 0.05, "batch_size": 64, "weight_decay": found["choice"], "progress": False}
    fit(model, train, test, epochs=2, **options)
    reached = math.hypot(*(w.norm().item() for w in layer_weights(model)))
    assert reached == pytest.approx(wanted, rel=0.02)


def test_the_next_decay_brackets_and_interpolates() -> None:
    weak, strong = {"decay": 1e-3, "norm": 10.0}, {"decay": 1e-1, "norm": 5.0}
    following = choices.next_decay
    assert following([weak, {"decay": 2e-3, "norm": 9.0}], 7.0) == pytest.approx(8e-3)
    assert following([strong, {"decay": 4e-2, "norm": 6.0}], 7.0) == pytest.approx(1e-2)
    # Half way between the logarithms of the norms is half way between those of the decays.
    assert following([weak, strong], math.sqrt(50)) == pytest.approx(1e-2)
    # Never closer to an end than a tenth of the way.
    assert following([weak, strong], 9.99) == pytest.approx(1e-3 * 100**0.1)
    assert following([weak, strong], 5.0) == pytest.approx(1e-3 * 100**0.9)
    # Only the closest attempts on either side count.
    far = [{"decay": 1e-5, "norm": 11.0}, {"decay": 1.0, "norm": 1.0}]
    assert following([*far, weak, strong], math.sqrt(50)) == pytest.approx(1e-2)


def test_the_learning_rate_is_the_best_on_images_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(rows("learning-rate"), tmp_path)
    (record,) = read_records(CHOICE.name, tmp_path)
    choice = record.metrics
    assert [row["lr"] for row in choice["tried"]] == [0.01, 0.03, 0.1, 0.3, 1.0]
    best = max(choice["tried"], key=lambda row: row["accuracy"])
    assert choice["choice"] == best["lr"]
    assert (choice["images_held_out"], choice["epochs"]) == (45, 2)

    seen: list[Images] = []
    epochs: list[int] = []
    queries: list[int] = []

    def accuracy(settings: Any, rest: Images, held_out: Images, **options: Any) -> Any:
        seen.extend((rest, held_out))
        epochs.append(settings.epochs)
        queries.append(settings.queries)
        layers = {"a": {"correlation": options["choice"]}, "b": {"correlation": None}}
        return {"top_test_accuracy": -abs(options["choice"] - 0.1), "layers_after": layers}, None

    monkeypatch.setattr(choices, "measure", accuracy)
    (settings,) = rows("learning-rate", epochs=12, queries=10)
    found = choices.choose_of_grid("lr", settings, TRAIN, checkpoint=tmp_path / "x.safetensors")
    assert found["choice"] == 0.1
    assert [row["correlation"] for row in found["tried"]] == [
        [row["lr"], None] for row in found["tried"]
    ]
    assert epochs == [10] * 5 and found["epochs"] == 10  # a long run's search stays short
    assert queries == [0] * 5  # nor does it look at neighbourhoods
    rest, held_out = seen[:2]
    assert (len(rest), len(held_out)) == (405, 45)

    def count(images: Images) -> Counter[tuple[bytes, int]]:
        pictures = (picture.numpy().tobytes() for picture in images.pixels)
        return Counter(zip(pictures, images.labels.tolist(), strict=True))

    # Together they are the training images, each once.
    assert count(rest) + count(held_out) == count(TRAIN)


def test_a_learning_rate_that_diverges_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "LEARNING_RATES", (1e30, 0.02))
    run(rows("learning-rate"), tmp_path / "one")
    (choice,) = read_records(CHOICE.name, tmp_path / "one")
    assert choice.metrics["choice"] == 0.02
    first, second = choice.metrics["tried"]
    assert first["accuracy"] is None and first["diverged"].startswith("epoch 1: NaN")
    assert second["accuracy"] > 0
    assert by_condition(tmp_path / "one")["learning-rate"].metrics["chosen"] == {"lr": 0.02}
    monkeypatch.setattr(choices, "LEARNING_RATES", (1e30,))
    run(rows("learning-rate", "baseline"), tmp_path / "none")
    (choice,) = read_records(CHOICE.name, tmp_path / "none")
    assert choice.metrics == {"diverged": "every lr of (1e+30,) diverged"}
    records = by_condition(tmp_path / "none")
    assert "every lr" in records["learning-rate"].metrics["diverged"]
    assert "top_test_accuracy" in records["baseline"].metrics


def test_decov_takes_the_strength_that_is_best_on_images_held_out(tmp_path: Path) -> None:
    run(rows("decov", "decov-scale"), tmp_path)
    (search,) = read_records(CHOICE.name, tmp_path)
    tried = {row["decorrelation"]: row for row in search.metrics["tried"]}
    assert list(tried) == [0.1, 1.0, 10.0]
    # By training anew, outside the search, on the images that it leaves.
    order = torch.randperm(450, generator=torch.Generator().manual_seed(0))
    held_out, rest = TRAIN.subset(order[:45]), TRAIN.subset(order[45:])
    (settings,) = rows("decov")
    options = {"lr": 0.05, "batch_size": 128, "epochs": 2, "progress": False}
    for strength, row in tried.items():
        model, _ = initialise(settings, "cpu")
        history = fit(model, rest, held_out, decorrelation=strength, **options)
        best = max(epoch.test_accuracy for epoch in history)
        assert row["accuracy"] == pytest.approx(best, rel=1e-5)
        found = map_cosines(model, held_out, settings.pictures).values()
        correlations = [layer.correlation for layer in found]
        assert row["correlation"] == pytest.approx(correlations, rel=1e-5)
    best = max(tried, key=lambda strength: tried[strength]["accuracy"])
    for condition in ("decov", "decov-scale"):
        assert by_condition(tmp_path)[condition].metrics["chosen"] == {"decorrelation": best}
