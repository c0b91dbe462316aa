"""Trainings with every optimiser, and with β that follows the loss: by hand, stopped, refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from convsim.layers import convolutional_layers
from convsim.training import fit, loop
from convsim.training.checkpoint import load_checkpoint, save_checkpoint
from convsim.training.history import Stopped
from convsim.training.optimizers import OPTIMIZERS, make_optimizer
from convsim.training.tensors import read_tensors, tensors_file
from tests.small_sweeps import layer_weights
from tests.test_fit import pairwise
from tests.test_optimizers import sgdp_by_hand
from tests.tiny_networks import FEW, TEST, assert_same_bits, network, untimed

pytestmark = pytest.mark.usefixtures("one_thread")

OPTIONS: dict[str, Any] = {"lr": 0.05, "batch_size": 40, "progress": False}
REMEMBERING = [name for name in OPTIMIZERS if name != "SGD"]


def small(confident: float = 1.0) -> nn.Sequential:
    """No gradient is nothing but rounding, of which Adam would make steps.

    Hence no bias ahead of the batch normalisation, and kernels that see more than one value: a
    digit's pixels are 4 × 4 squares.
    """
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 5, stride=4, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(125, 10)),
    )
    model.get_parameter("5.weight").data *= confident
    return model


def moved(
    name: str, weight: np.ndarray, gradient: np.ndarray, memory: dict[str, Any]
) -> np.ndarray:
    """A parameter after a step, by the formulas of each optimiser; ``memory`` is updated."""
    lr = OPTIONS["lr"]
    if name == "SGD":
        return weight - lr * gradient
    if name == "Adam":
        t = memory["t"] = memory.get("t", 0) + 1
        memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * gradient
        memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * gradient**2
        mean, square = memory["m"] / (1 - 0.9**t), memory["v"] / (1 - 0.999**t)
        return weight - lr * mean / (np.sqrt(square) + 1e-8)
    before = memory.get("p", np.zeros_like(gradient))
    if name == "SGDP" and gradient.ndim > 1:
        weight, memory["p"], case = sgdp_by_hand(weight, gradient, before, lr)
        memory.setdefault("cases", []).append(case)
        return weight
    memory["p"] = 0.9 * before + gradient
    return weight - lr * memory["p"]


def by_hand(
    name: str, beta: float = 0.0, *, follows: bool = False, confident: float = 1.0
) -> tuple[nn.Sequential, dict[str, dict[str, Any]]]:
    """Two epochs; the model, and what the optimiser remembers of each parameter."""
    model = small(confident)
    memories: dict[str, dict[str, Any]] = {key: {} for key, _ in model.named_parameters()}
    for number in (1, 2):
        torch.manual_seed(number)  # seed 0
        order = torch.randperm(len(FEW))
        for start in range(0, len(FEW), 40):
            index = order[start : start + 40]
            loss = cross_entropy(model(FEW.normalized(index)), FEW.labels[index])
            factor = beta * loss.item() / math.log(10) if follows else beta
            loss = loss + factor * sum(
                pairwise(layer.weight) for _, layer in convolutional_layers(model)
            )
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for key, value in model.named_parameters():
                    assert value.grad is not None
                    numbers = value.double().numpy(), value.grad.double().numpy()
                    value.copy_(torch.from_numpy(moved(name, *numbers, memories[key])))
    return model, memories


def assert_close(ours: nn.Module, theirs: nn.Module) -> None:
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(
            value, theirs.state_dict()[key], rtol=1e-3, atol=2e-5, check_stride=False
        )


def distance(one: nn.Sequential, other: nn.Sequential) -> float:
    pairs = zip(layer_weights(one), layer_weights(other), strict=True)
    return max((weight - another).abs().max().item() for weight, another in pairs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_is_a_loop_with_the_optimisers_formulas(name: str) -> None:
    ours = small()
    fit(ours, FEW, TEST, epochs=2, optimizer=name, **OPTIONS)
    theirs, memories = by_hand(name)
    assert_close(ours, theirs)
    others = [by_hand(other)[0] for other in OPTIMIZERS if other != name]
    assert min(distance(ours, other) for other in others) > 5e-4  # the comparison tells them apart
    if name == "SGDP":  # the first layer's scale does not matter, the last one's does
        assert set(memories["0.weight"]["cases"]) == {"kernels"}
        assert "plain" in memories["5.weight"]["cases"]


def test_beta_follows_the_loss_as_a_number() -> None:
    """Sure of what it does not know, a network has a loss far from a guess's."""
    for follows in (True, False):
        ours = small(confident=20)
        fit(ours, FEW, TEST, epochs=2, beta=0.02, beta_follows_loss=follows, **OPTIONS)
        same, other = (
            by_hand("SGD", 0.02, follows=so, confident=20)[0] for so in (follows, not follows)
        )
        assert_close(ours, same)
        assert distance(ours, other) > 5e-3


def test_beta_that_follows_is_nothing_without_beta() -> None:
    ours, plain = small(), small()
    fit(ours, FEW, TEST, epochs=1, beta_follows_loss=True, **OPTIONS)
    fit(plain, FEW, TEST, epochs=1, **OPTIONS)
    assert_same_bits(ours, plain)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [2, 3, 5])  # in an epoch, at its end, in the next one
def test_a_stopped_run_continues_to_the_same_bits(name: str, steps: int, tmp_path: Path) -> None:
    path, asked = tmp_path / "run.safetensors", [0]
    options = OPTIONS | {"epochs": 3, "optimizer": name}

    def stop() -> bool:
        asked[0] += 1
        return asked[0] == steps

    with pytest.raises(Stopped):
        fit(network(), FEW, TEST, checkpoint=path, stop=stop, **options)
    continued, never_stopped = network(seed=9), network()
    history = fit(continued, FEW, TEST, checkpoint=path, **options)
    assert untimed(history) == untimed(fit(never_stopped, FEW, TEST, **options))
    assert_same_bits(continued, never_stopped)


@pytest.mark.parametrize("name", REMEMBERING)
def test_a_run_that_is_prolonged_keeps_its_momenta(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    options = OPTIONS | {"optimizer": name}
    fit(network(), FEW, TEST, epochs=1, checkpoint=path, **options)
    prolonged, at_once = network(seed=9), network()
    fit(prolonged, FEW, TEST, epochs=2, checkpoint=path, **options)
    fit(at_once, FEW, TEST, epochs=2, **options)
    assert_same_bits(prolonged, at_once)


def test_a_checkpoint_belongs_to_its_optimiser_and_to_what_beta_does(tmp_path: Path) -> None:
    options = OPTIONS | {"epochs": 1, "checkpoint": tmp_path / "run.safetensors"}
    fit(network(), FEW, TEST, optimizer="momentum", **options)
    for name in ("SGD", "Adam", "SGDP"):
        said = rf"another run \(optimizer 'momentum', not '{name}'\); expected the same settings"
        with pytest.raises(ValueError, match=said):
            fit(network(), FEW, TEST, optimizer=name, **options)
    with pytest.raises(ValueError, match=r"run \(beta_follows_loss False, not True\); expected"):
        fit(network(), FEW, TEST, optimizer="momentum", beta_follows_loss=True, **options)


def test_an_older_checkpoint_goes_on_as_sgd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.safetensors"

    def as_before(path: Path, model: nn.Module, settings: dict[str, Any], *rest: Any) -> None:
        new = {"optimizer", "beta_follows_loss"}
        history, underway, _ = rest
        save_checkpoint(path, model, {k: settings[k] for k in settings.keys() - new}, history)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", as_before)
        fit(network(), FEW, TEST, epochs=1, checkpoint=path, **OPTIONS)
    assert "optimizer" not in read_tensors(path, kind="", remedy="")[1]["settings"]
    with pytest.raises(ValueError, match=r"another run \(optimizer 'SGD', not 'momentum'\)"):
        fit(network(), FEW, TEST, epochs=2, checkpoint=path, optimizer="momentum", **OPTIONS)
    continued, at_once = network(seed=9), network()
    fit(continued, FEW, TEST, epochs=2, checkpoint=path, **OPTIONS)
    fit(at_once, FEW, TEST, epochs=2, **OPTIONS)
    assert_same_bits(continued, at_once)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", REMEMBERING)
def test_a_checkpoint_with_nan_in_a_momentum_is_refused(
    name: str, value: float, tmp_path: Path
) -> None:
    path = tmp_path / "run.safetensors"
    options = OPTIONS | {"optimizer": name, "checkpoint": path}
    fit(network(), FEW, TEST, epochs=1, **options)
    tensors, notes = read_tensors(path, kind="", remedy="")
    key = "optimizer 0 exp_avg_sq" if name == "Adam" else "optimizer 0 momentum_buffer"
    assert tensors[key].shape == (4, 3, 3, 3)
    tensors[key].view(-1)[5] = value
    path.write_bytes(tensors_file(tensors, notes))
    with pytest.raises(ValueError, match=f"^{path} holds NaN or infinity in '{key}'; expected fin"):
        fit(network(), FEW, TEST, epochs=2, **options)


def test_a_flipped_bit_in_a_momentum_is_said(tmp_path: Path) -> None:
    path, model, settings = tmp_path / "run.safetensors", small(), {"lr": 0.02}
    optimizer = make_optimizer("momentum", model, convolutional_layers(model), lr=0.02)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    save_checkpoint(path, model, settings, [], optimizer=optimizer)
    whole = path.read_bytes()
    pattern = np.ones(5, np.float32).tobytes()  # momenta of 1; scales of BN are not five
    place = whole.index(pattern * 3, 8 + int.from_bytes(whole[:8], "little"))
    for bit in (0, 4, 30):
        damaged = bytearray(whole)
        damaged[place + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(
            ValueError, match=f"^{path} cannot be read as a checkpoint .*; expected"
        ):
            load_checkpoint(path, small(), settings, optimizer)
    path.write_bytes(whole)
    assert load_checkpoint(path, small(), settings, optimizer)[0] == []


@pytest.mark.parametrize("name", ["sgd", "RMSprop", "", None, 1])
def test_an_unknown_optimiser_is_refused_in_words(name: Any) -> None:
    said = f"^optimizer is {name!r}; expected one of SGD, momentum, Adam, SGDP$"
    with pytest.raises(ValueError, match=said):
        fit(network(), FEW, TEST, epochs=1, optimizer=name, **OPTIONS)


@pytest.mark.parametrize("name", ["Adam", "SGDP"])
def test_weight_decay_is_refused_where_it_is_no_gradient(name: str) -> None:
    said = f"^weight_decay is 0.1 with the optimizer '{name}'; expected 0, or SGD or momentum"
    with pytest.raises(ValueError, match=said):
        fit(network(), FEW, TEST, epochs=1, optimizer=name, weight_decay=0.1, **OPTIONS)
    # With momentum it is what torch's SGD makes of it, on convolutions.
    decayed, plain = network(), network()
    for model, decay in ((decayed, 0.1), (plain, 0.0)):
        fit(model, FEW, TEST, epochs=1, optimizer="momentum", weight_decay=decay, **OPTIONS)
    for short, long in zip(layer_weights(decayed), layer_weights(plain), strict=True):
        assert short.norm() < 0.999 * long.norm()
