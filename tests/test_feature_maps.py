"""Cosines between feature maps against loops, and the model left as it was."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsim import feature_maps, redundancy_report


class Net(nn.Module):
    """Grouped, dilated, single-kernel, shared and uncalled layers, and layers with a state."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.grouped = nn.Conv2d(4, 6, (3, 2), groups=2, dilation=2)
        self.single = nn.Conv2d(6, 1, 1)
        self.shared = nn.Conv2d(1, 1, 1)
        self.twice = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 1, 1))
        self.again = self.twice[0]
        self.uncalled = nn.Conv1d(2, 3, 2)
        self.turned = nn.ConvTranspose2d(1, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(torch.relu_(self.norm(self.first(x))))
        x = self.single(self.grouped(x))
        x = self.twice(x)
        return self.turned(self.again(x)[:, :1])


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 2, 9, 8, generator=torch.Generator().manual_seed(1))


def loop_cosine(rows: np.ndarray) -> tuple[list[float], int]:
    """|cos| of every pair of rows, dead ones left out and counted."""
    flat = [row.ravel().astype(np.float64) for row in rows]
    alive = [row for row in flat if row.any()]
    cosines = [
        abs(float(a @ b)) / math.sqrt(float(a @ a) * float(b @ b))
        for a, b in combinations(alive, 2)
    ]
    return cosines, len(flat) - len(alive)


def test_feature_maps_against_loops(
    net: Net, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        net.first.weight[2] = 0
        net.first.bias[2] = 0  # type: ignore[index]
    net.eval()
    first = net.first(images)
    grouped = net.grouped(torch.relu(net.norm(first)))
    single = net.single(grouped)
    once = net.twice[0](single)
    twice = net.again(net.twice[1](once))

    def mean(maps: Tensor) -> tuple[float, int]:
        pairs, dead = zip(*(loop_cosine(image) for image in maps.detach().numpy()), strict=True)
        return float(np.mean(sum(pairs, []))), sum(dead)

    expected = {
        "first": mean(first),
        "grouped": mean(grouped),
        "single": (None, 0),  # one channel has no pair
        "shared": (None, None),
        "twice.0": ((mean(once)[0] + mean(twice)[0]) / 2, 0),
        "twice.1": (None, 0),
        "uncalled": (None, None),
    }
    assert expected["first"][1] == len(images)
    for numbers in (2**22, 70, 1):  # all at once, images in turn, rows in turn
        monkeypatch.setattr(feature_maps, "NUMBERS_AT_ONCE", numbers)
        for layer in redundancy_report(net, images).layers:
            cosine, dead = expected[layer.name]
            assert layer.dead_feature_maps == dead
            assert (layer.feature_map_cosine is None) == (cosine is None)
            if cosine is not None:
                assert layer.feature_map_cosine == pytest.approx(cosine, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_cosines_at_any_scale(scale: float) -> None:
    rows = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]]) * scale
    cosine, dead = feature_maps.mean_absolute_cosine(rows)
    assert cosine == pytest.approx((0.6 + 0.8 + 0.0) / 3)
    assert dead == 1
    assert feature_maps.mean_absolute_cosine(torch.zeros(2, 3, 4)) == (None, 6)


def snapshot(model: nn.Module) -> tuple[Any, ...]:
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    return state, modes, hooks


def assert_untouched(model: nn.Module, before: tuple[Any, ...]) -> None:
    state, modes, hooks = snapshot(model)
    assert (modes, hooks) == before[1:]
    assert all(torch.equal(state[name], value) for name, value in before[0].items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_model_is_left_as_it_was(net: Net, images: Tensor) -> None:
    net.train()
    net.drop.eval()
    net.first.register_forward_hook(lambda *_: None)
    before = snapshot(net)
    assert net.norm.training and not net.drop.training
    redundancy_report(net, images)
    assert_untouched(net, before)
    with pytest.raises(ValueError, match="refused images"):
        redundancy_report(net, torch.rand(1, 5, 9, 8))
    assert_untouched(net, before)


def test_in_place_activations_come_after_the_feature_maps() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 4, 3)
    batch = torch.rand(2, 1, 6, 6)
    plain = redundancy_report(conv, batch).layers[0].feature_map_cosine
    rectified = redundancy_report(nn.Sequential(conv, nn.ReLU(inplace=True)), batch)
    assert rectified.layers[0].feature_map_cosine == plain


@pytest.mark.parametrize("in_place", [True, False])
def test_compiled_models_are_measured_too(in_place: bool) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3)).eval()
    batch = torch.rand(2, 1, 6, 6)
    expected = redundancy_report(model, batch).layers[0].feature_map_cosine
    if in_place:
        model.compile(backend="eager")
        compiled: nn.Module = model
    else:
        compiled = torch.compile(model, backend="eager")  # type: ignore[assignment]
    with torch.no_grad():
        compiled(batch)  # as the report runs it, so that the code is ready and sees no new hook
    assert redundancy_report(compiled, batch).layers[0].feature_map_cosine == expected
