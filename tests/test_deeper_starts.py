"""Starts that are measured by their maps or by what an epoch makes of them: read off by hooks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from convsim import models
from convsim.experiments import cifar10
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.conditions import DEEPER
from convsim.layers import convolutional_layers
from convsim.training import fit
from tests.small_sweeps import TEST, TRAIN, layer_weights
from tests.test_input_conditions import COLORED

pytestmark = pytest.mark.usefixtures("one_thread")

UNIT = ["unit-variance", "init-unit-variance", "scale-free-unit-variance"]
ALIKE = {"unit-variance": "baseline", "init-unit-variance": "init"} | {
    "scale-free-unit-variance": "scale-free"
}


@cache
def initial(condition: str, model: str = "PlainCNN") -> nn.Module:
    settings = TrainingSettings(condition, width=6, seed=3, iterations=20, model=model)
    return initialise(settings, "cpu", train=COLORED)[0]


def variances(model: nn.Module) -> list[float]:
    """The mean variance of each layer's maps over all images and positions."""
    found: list[float] = []

    def look(_: nn.Module, __: object, maps: Tensor) -> None:
        found.append(maps.double().var((0, 2, 3), correction=0).mean().item())

    hooks = [layer.register_forward_hook(look) for _, layer in convolutional_layers(model)]
    with torch.no_grad():
        model.train()(COLORED.normalized(slice(None)))
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("model", ["PlainCNN", "KaimingCNN", "ShallowCNN"])
@pytest.mark.parametrize("condition", UNIT)
def test_maps_have_variance_1_in_every_layer(condition: str, model: str) -> None:
    assert variances(initial(condition, model)) == pytest.approx([1] * 4, rel=1e-3)
    assert max(abs(value - 1) for value in variances(initial("baseline", model))) > 0.1


@pytest.mark.parametrize("condition", UNIT)
def test_a_layer_is_scaled_as_a_whole_and_nothing_else_is_changed(condition: str) -> None:
    ours, start = initial(condition), initial(ALIKE[condition])
    factors = []
    for weight, before in zip(layer_weights(ours), layer_weights(start), strict=True):
        factors.append(weight.norm() / before.norm())
        torch.testing.assert_close(weight, before * factors[-1])
    # Algorithm 1 shrinks later layers most, and its weights differ from the default's.
    assert all(factor > 1.05 for factor in factors)
    default = dict(initial("baseline").named_parameters())
    convolved = {f"{name}.weight" for name, _ in convolutional_layers(ours)}
    for name, value in ours.named_parameters():
        if name not in convolved:
            assert torch.equal(value, default[name])
    if condition != "unit-variance":
        weight, other = layer_weights(ours)[1], layer_weights(initial("unit-variance"))[1]
        assert torch.cosine_similarity(weight.flatten(), other.flatten(), dim=0) < 0.999


RUN = TrainingSettings(
    "matched-rate", width=6, seed=3, data="digits", precision="float32", batch_size=30, rate=0.02
)
RATES = {  # of the norm, by hand
    "SGD": lambda lr, norm: lr / norm**2,
    "momentum": lambda lr, norm: 10 * lr / norm**2,
    "Adam": lambda lr, norm: lr / norm,
}


def after_an_epoch(settings: TrainingSettings) -> tuple[list[Tensor], list[Tensor]]:
    model, _ = initialise(settings, "cpu", train=TRAIN)
    start = [weight.clone() for weight in layer_weights(model)]
    fit(
        model,
        *(TRAIN, TEST),
        epochs=1,
        batch_size=settings.batch_size,
        lr=settings.learning_rate,
        seed=settings.seed,
        optimizer=settings.optimizer,
        progress=False,
    )
    return start, layer_weights(model)


@pytest.mark.parametrize(
    ("optimizer", "lr", "rate"),
    [("SGD", 0.05, 0.01), ("momentum", 0.01, 0.02), ("Adam", 0.01, 0.004)],
)
def test_an_epoch_leads_to_the_wanted_rate(optimizer: str, lr: float, rate: float) -> None:
    settings = replace(RUN, optimizer=optimizer, learning_rate=lr, rate=rate)
    start, weights = after_an_epoch(settings)
    found = [RATES[optimizer](lr, weight.norm().item()) for weight in weights]
    assert found == pytest.approx([rate] * 4, rel=0.03)
    default, _ = initialise(replace(settings, condition="baseline"), "cpu", train=TRAIN)
    for weight, before in zip(start, layer_weights(default), strict=True):
        torch.testing.assert_close(weight / weight.norm(), before / before.norm())
    # Without it the layers have other rates.
    _, usual = after_an_epoch(replace(settings, condition="baseline"))
    others = [RATES[optimizer](lr, weight.norm().item()) for weight in usual]
    assert max(abs(other / rate - 1) for other in others) > 0.3


def test_a_rate_that_no_start_leads_to_has_the_shortest_one() -> None:
    """A large rate wants a short weight, which an epoch of it makes long."""
    settings = replace(RUN, learning_rate=0.05, rate=1000.0)
    start, weights = after_an_epoch(settings)
    wanted = (0.05 / 1000) ** 0.5
    for weight, long in zip(start, weights, strict=True):
        assert weight.norm().item() == pytest.approx(0.1 * wanted, rel=1e-4)
        assert long.norm() > wanted


def test_an_epoch_is_tried_as_the_run_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's options, twice one epoch, on all its images; the network itself stays as it is."""
    tried: list[tuple[nn.Module, int, dict[str, object]]] = []

    def look(model: nn.Module, train: object, test: object, **options: object) -> list[object]:
        tried.append((model, len(train), options))  # type: ignore[arg-type]
        return []

    monkeypatch.setattr(cifar10, "fit", look)
    stops: list[int] = []
    settings = replace(RUN, optimizer="momentum", learning_rate=0.02, epochs=7, loop=2)
    model, _ = initialise(settings, "cpu", train=TRAIN, stop=lambda: bool(stops))
    assert [(count, options["epochs"]) for _, count, options in tried] == [(450, 1)] * 2
    for network, _, options in tried:
        assert network is not model
        wanted = {"lr": 0.02, "batch_size": 30, "seed": 3, "optimizer": "momentum", "beta": 0.0}
        assert {key: options[key] for key in wanted} == wanted
        assert options["precision"] == "float32" and callable(options["stop"])
        assert options.get("checkpoint") is None


@pytest.mark.parametrize("condition", [*DEEPER])
def test_what_needs_images_says_so(condition: str) -> None:
    settings = TrainingSettings(condition, width=3, iterations=1, model="PlainCNN")
    said = {
        "matched-rate": "^this start tries an epoch, and there are no training images; expected",
        "regularise-falling": None,
    }.get(condition, "^this start looks at training images, and none are given; expected some: pa")
    if said is None:
        model, _ = initialise(settings, "cpu")
        torch.manual_seed(0)
        default = models.plain_cnn(3)
        assert all(map(torch.equal, model.parameters(), default.parameters()))
        return
    with pytest.raises(ValueError, match=said):
        initialise(settings, "cpu")
