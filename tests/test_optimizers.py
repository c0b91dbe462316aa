"""SGDP against a loop in NumPy, and the other optimisers against torch's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsim.layers import convolutional_layers
from convsim.models import plain_cnn
from convsim.training.optimizers import (
    OPTIMIZERS,
    SGDP,
    load_state_tensors,
    make_optimizer,
    state_tensors,
)
from tests.tiny_networks import network, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (4, 2, 3, 3)
LENGTHS = np.array([[1.0], [1.0], [2.0], [2.0]])  # of the kernels
# Just below and just above 0.1 / √18 = 0.0236; a whole layer's bound is 0.1 / √72 = 0.0118.
COSINES = {
    "kernels": [0.0225, -0.0225, 0.0225, 0.0225],
    "layer": [0.0245, -0.0245, 0.03, -0.03],
    "plain": [-0.0245, -0.0225, -0.0225, -0.0225],
}


def along(weight: np.ndarray, step: np.ndarray) -> np.ndarray:
    return (weight * step).sum() / (weight * weight).sum() * weight


def cosine(weight: np.ndarray, other: np.ndarray) -> float:
    return abs((weight * other).sum()) / np.linalg.norm(weight) / np.linalg.norm(other)


def sgdp_by_hand(
    weight: np.ndarray, gradient: np.ndarray, momentum: np.ndarray, lr: float
) -> tuple[np.ndarray, np.ndarray, str]:
    """Weight and momentum after a step as the paper writes it, and which case it was."""
    momentum = 0.9 * momentum + gradient
    step, case = momentum, "plain"
    kernels = range(len(weight))
    if max(cosine(weight[i], gradient[i]) for i in kernels) < 0.1 / weight[0].size ** 0.5:
        step = momentum - np.stack([along(weight[i], momentum[i]) for i in kernels])
        case = "kernels"
    elif cosine(weight, gradient) < 0.1 / weight.size**0.5:
        step, case = momentum - along(weight, momentum), "layer"
    return weight - lr * step, momentum, case


def gradient_at(weight: np.ndarray, cosines: list[float], rng: np.random.Generator) -> np.ndarray:
    """One gradient a kernel, as long as that and at these cosines with it."""
    rows = []
    for kernel, slant in zip(weight, cosines, strict=True):
        random = rng.normal(size=kernel.shape)
        across = random - along(kernel, random)
        unit, other = kernel / np.linalg.norm(kernel), across / np.linalg.norm(across)
        rows.append(np.linalg.norm(kernel) * (slant * unit + (1 - slant**2) ** 0.5 * other))
    return np.stack(rows)


@pytest.mark.parametrize("cases", [[name] * 5 for name in COSINES] + [[*COSINES] * 2])
def test_sgdp_is_the_papers_loop(cases: list[str]) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4, 18))
    weight = (rows / np.linalg.norm(rows, axis=1, keepdims=True) * LENGTHS).reshape(SHAPE)
    ours = nn.Parameter(torch.from_numpy(weight).contiguous(memory_format=torch.channels_last))
    momentum, lr = np.zeros(SHAPE), 1e-3
    optimizer = SGDP([ours], lr=lr, momentum=0.9)
    for wanted in cases:
        gradient = gradient_at(weight, COSINES[wanted], rng)
        ours.grad = torch.from_numpy(gradient)
        optimizer.step()
        weight, momentum, case = sgdp_by_hand(weight, gradient, momentum, lr)
        assert case == wanted
        np.testing.assert_allclose(ours.detach(), weight, rtol=1e-12, atol=1e-14)
        # What is left out of a step stays in the momentum.
        kept = optimizer.state[ours]["momentum_buffer"]
        np.testing.assert_allclose(kept, momentum, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(6,), (6, 1, 1)])
def test_sgdp_moves_biases_as_momentum_does(shape: tuple[int, ...]) -> None:
    start = torch.tensor([1.0, 1.0, -1.0, 1.0, 0.5, 2.0]).view(shape)
    found = []
    for kind in (SGDP, torch.optim.SGD):
        bias = nn.Parameter(start.clone())
        optimizer = kind([bias], lr=0.1, momentum=0.9)
        for number in range(4):
            random = torch.randn(shape, generator=torch.Generator().manual_seed(number))
            # Orthogonal to the bias as it is, which the momentum of earlier steps is not.
            now = bias.detach()
            bias.grad = random - (random * now).sum() / now.square().sum() * now
            optimizer.step()
        found.append(bias.detach())
    assert torch.equal(*found) and not torch.equal(found[0], start)


def scale_free_loss(weight: Tensor, images: Tensor, targets: Tensor) -> Tensor:
    """Each map is normalised: the scale of no kernel matters."""
    maps = nn.functional.conv2d(images, weight)
    maps = (maps - maps.mean((0, 2, 3), keepdim=True)) / maps.std((0, 2, 3), keepdim=True)
    return (maps.relu() - targets).square().mean()


def growth(name: str) -> tuple[float, float]:
    """By how much the norm's square grows in 30 steps, and the sum of the steps' own squares."""
    generator = torch.Generator().manual_seed(0)
    images, targets, start = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((20, 2, 6, 6), (20, 4, 4, 4), SHAPE)
    )
    layer = nn.Conv2d(2, 4, 3, bias=False, dtype=torch.float64)
    layer.weight = nn.Parameter(start.clone())
    optimizer = make_optimizer(name, layer, [("", layer)], lr=2.0)
    steps, before = 0.0, start
    for _ in range(30):
        optimizer.zero_grad()
        scale_free_loss(layer.weight, images, targets).backward()
        optimizer.step()
        weight = layer.weight.detach().clone()
        steps += (weight - before).square().sum().item()
        before = weight
    return (before.square().sum() - start.square().sum()).item(), steps


def test_sgdp_lengthens_weights_by_its_steps_alone_and_momentum_by_more() -> None:
    for name in ("SGD", "SGDP"):
        grown, steps = growth(name)
        assert steps > 0.01 and grown == pytest.approx(steps, rel=1e-9)
    grown, steps = growth("momentum")
    assert grown > 2 * steps


OWN: dict[str, Any] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.05),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(
        parameters, lr=0.05, betas=(0.9, 0.999), eps=1e-8, weight_decay=0
    ),
}


def give_gradients(model: nn.Module, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("name", OWN)
def test_the_others_are_torchs_own(name: str) -> None:
    ours, theirs = tiny(), tiny()
    pairs = (
        (ours, make_optimizer(name, ours, convolutional_layers(ours), lr=0.05)),
        (theirs, OWN[name](theirs.parameters())),
    )
    for model, optimizer in pairs:
        for number in range(4):
            give_gradients(model, number)
            optimizer.step()
    for found, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(found, expected)
    assert {*OWN, "SGDP"} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_is_given_once(name: str) -> None:
    for model in (tiny(), plain_cnn(3), network(3)):
        optimizer = make_optimizer(name, model, convolutional_layers(model), lr=0.1)
        given = [p for group in optimizer.param_groups for p in group["params"]]
        assert len(given) == len(set(given)) and set(given) == set(model.parameters())
        assert {group["lr"] for group in optimizer.param_groups} == {0.1}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_shared_weight_is_given_once_and_makes_one_step(name: str) -> None:
    shared, alone = (nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)) for _ in range(2))
    shared[1].weight = shared[0].weight
    alone.load_state_dict(shared.state_dict())
    for model in (shared, alone):
        optimizer = make_optimizer(name, model, convolutional_layers(model), lr=0.1)
        model[0].weight.grad = torch.ones_like(model[0].weight)
        optimizer.step()
    order = [id(value) for group in optimizer.param_groups for value in group["params"]]
    assert order[:2] == [id(layer.weight) for layer in alone]
    assert torch.equal(shared[0].weight, alone[0].weight)


@pytest.mark.parametrize("name", ["SGD", "momentum"])
def test_weight_decay_touches_the_weights_of_convolutions_only(name: str) -> None:
    model, start = tiny(), tiny()
    optimizer = make_optimizer(name, model, convolutional_layers(model), 0.1, weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    before = dict(start.named_parameters())
    for key, value in model.named_parameters():
        factor = 0.95 if key in ("0.weight", "3.weight") else 1.0
        torch.testing.assert_close(value, factor * before[key])


def momenta(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [
        value
        for parameter in model.parameters()
        for _, value in sorted(optimizer.state[parameter].items())
        if value is not None
    ]


@pytest.mark.parametrize(("name", "count"), [("SGD", 0), ("momentum", 1), ("Adam", 3), ("SGDP", 1)])
def test_what_is_remembered_goes_over_to_another_optimiser(name: str, count: int) -> None:
    one, other = tiny(), tiny()
    first, second = (
        make_optimizer(name, model, convolutional_layers(model), lr=0.05) for model in (one, other)
    )
    give_gradients(one, 0)
    first.step()
    other.load_state_dict(one.state_dict())
    tensors = state_tensors(first)
    assert len(tensors) == count * len([*one.parameters()])
    load_state_tensors(second, {key: value.clone() for key, value in tensors.items()})
    assert len(momenta(one, first)) == len(tensors)
    for found, expected in zip(momenta(other, second), momenta(one, first), strict=True):
        assert torch.equal(found, expected) and found is not expected
    for model, optimizer in ((one, first), (other, second)):
        give_gradients(model, 1)
        optimizer.step()
    for found, expected in zip(other.parameters(), one.parameters(), strict=True):
        assert torch.equal(found, expected)
