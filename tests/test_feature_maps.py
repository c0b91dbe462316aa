"""Cosines between feature maps against loops, and the model left as it was."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsim import map_cosines, redundancy_report
from convsim.feature_maps import feature_map_cosines
from convsim.map_cosines import MapSums


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
        monkeypatch.setattr(map_cosines, "NUMBERS_AT_ONCE", numbers)
        for layer in redundancy_report(net, images).layers:
            cosine, dead = expected[layer.name]
            assert layer.dead_feature_maps == dead
            assert (layer.feature_map_cosine is None) == (cosine is None)
            if cosine is not None:
                assert layer.feature_map_cosine == pytest.approx(cosine, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_cosines_at_any_scale(scale: float) -> None:
    rows = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]]) * scale
    cosine, dead = map_cosines.mean_absolute_cosine(rows)
    assert cosine == pytest.approx((0.6 + 0.8 + 0.0) / 3)
    assert dead == 1
    assert map_cosines.mean_absolute_cosine(torch.zeros(2, 3, 4)) == (None, 6)


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


@pytest.mark.parametrize("sizes", [[8], [1, 7], [3, 3, 2]])
@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
def test_batches_are_measured_as_if_they_were_one(sizes: list[int], scale: float) -> None:
    torch.manual_seed(0)
    first, second = nn.Conv2d(2, 5, 3), nn.Conv2d(5, 4, 1)
    between = nn.Conv2d(4, 5, 1, bias=False)
    model = nn.Sequential(first, nn.ReLU(), second, between, second)  # called twice
    with torch.no_grad():
        first.weight.mul_(scale)
        first.bias.mul_(scale)
        first.weight[2] = 0  # constant, by its bias alone
        second.bias.zero_()
    images = 3 + torch.randn(8, 2, 6, 6)  # with a mean that is larger than what is around it
    layers = {"first": first, "second": second}
    found = feature_map_cosines(model, layers, (batch for batch in images.split(sizes)))
    maps = [first(images).detach()]
    maps += [second(maps[0].relu()).detach()]
    maps += [second(between(maps[1])).detach()]
    expected = [[numpy_cosines(each)] for each in maps]
    for reading, of in zip(found, (expected[0], expected[1] + expected[2]), strict=True):
        for name, value in reading._asdict().items():
            if name != "dead":
                mean = np.mean([each[name] for each in of])
                assert value == pytest.approx(mean, rel=1e-4)
    assert [reading.dead for reading in found] == [0, 0]


def numpy_cosines(maps: Tensor) -> dict[str, float]:
    """All readings in float64, by NumPy alone; a map with no variance is left out."""
    x = maps.double().numpy()
    images = [mean_of_pairs(image.reshape(len(image), -1)) for image in x]
    rows = x.swapaxes(0, 1).reshape(x.shape[1], -1)
    centred = rows - rows.mean(1, keepdims=True)
    varies = centred.std(1) > 1e-6 * np.abs(rows).mean(1)
    return {
        "per_image": float(np.mean(images)),
        "expected": mean_of_pairs(rows),
        "correlation": mean_of_pairs(centred[varies]),
    }


def mean_of_pairs(rows: np.ndarray) -> float:
    norms = np.linalg.norm(rows, axis=1)
    cosines = np.abs(rows @ rows.T) / np.outer(norms, norms)
    return float(cosines[np.triu_indices(len(rows), 1)].mean())


def test_no_batch_and_a_bad_one() -> None:
    layer = nn.Conv2d(1, 2, 1)
    with pytest.raises(ValueError, match="images has no batch; expected one at least: a generator"):
        feature_map_cosines(layer, {"": layer}, iter(()))
    with pytest.raises(ValueError, match="batch 1 of images .*finite"):
        feature_map_cosines(
            layer, {"": layer}, [torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), torch.nan)]
        )
    assert layer.training


def test_memory_does_not_grow_with_the_number_of_batches() -> None:
    sums = MapSums()
    for _ in range(3):
        sums.add(torch.rand(2, 6, 50))
    kept = [value for value in vars(sums).values() if isinstance(value, Tensor)]
    assert sum(value.numel() for value in kept) == 6 + 2 * 6 * 6


def test_threads_take_turns() -> None:
    class Slow(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            for layer in self:
                x = layer(x)
                sleep(0.02)  # and another thread runs
            return x

    torch.manual_seed(0)
    model = Slow(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
    batches = [torch.rand(size, 1, 8, 8) for size in (2, 3)]
    expected = [redundancy_report(model, batch) for batch in batches]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda batch: redundancy_report(model, batch), batches))
    assert [report.layers for report in found] == [report.layers for report in expected]
    assert all(module.training for module in model.modules())
