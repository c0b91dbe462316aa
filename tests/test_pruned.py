"""A network without a channel is one in which nobody reads it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convsim.models import build
from convsim.report.pruned import without_channel
from convsim.report.removal import what_if_removed

pytestmark = pytest.mark.usefixtures("one_thread")


def settled(model: Any) -> Any:
    """With normalisations as after a training."""
    for norm in (each for each in model.modules() if isinstance(each, nn.BatchNorm2d)):
        for spread, offset in ((norm.weight, norm.bias), (norm.running_var, norm.running_mean)):
            spread.data.uniform_(0.5, 1.5)  # type: ignore[union-attr]
            offset.data.normal_(std=0.3)  # type: ignore[union-attr]
    return model


def chain(*, bias: bool) -> nn.Sequential:
    layers = [nn.Conv2d(3, 8, 3, bias=bias), nn.BatchNorm2d(8), nn.ReLU(inplace=True)]
    layers += [nn.Conv2d(8, 6, 3, bias=bias), nn.LeakyReLU(), nn.Flatten()]
    return settled(nn.Sequential(*layers, nn.Linear(6 * 28 * 28, 3)))


def line() -> nn.Sequential:
    """Of signals rather than images."""
    layers = [nn.Flatten(2), nn.Conv1d(3, 8, 3), nn.PReLU(8), nn.MaxPool1d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8 * 511, 3))


def vision(name: str) -> Any:
    return getattr(pytest.importorskip("torchvision").models, name)(num_classes=5)


STAGE = ("layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1", "layer2.0.downsample.0")
SQUEEZED = ("features.4.block.2.fc1", "features.4.block.3.0")
# A network, a layer, how many weights of each reader read a channel, and what goes with it.
CASES: list[tuple[Callable[[], Any], str, dict[str, int], tuple[str, ...], int]] = [
    (lambda: chain(bias=False), "0", {"3": 1}, (), 3 * 9 + 2 + 6 * 9),
    (lambda: chain(bias=True), "3", {"6": 28**2}, (), 8 * 9 + 1 + 3 * 28**2),
    (line, "1", {"5": 511}, (), 3 * 3 + 1 + 1 + 3 * 511),
    (lambda: settled(build("ShallowCNN", 64)), "blocks.3.0", {"classifier": 9}, (), 669),
    (lambda: build("PlainCNN", 16), "blocks.0.0", {"blocks.1.0": 1}, (), 3 * 9 + 1 + 16 * 9),
    (
        lambda: settled(vision("resnet18")),
        "layer1.0.conv2",
        dict.fromkeys(STAGE, 1),
        ("conv1", "layer1.1.conv2"),
        (3 * 49 + 2 * 64 * 9 + 3 * 2) + (2 * 64 * 9 + 128 * 9 + 128),
    ),
    (
        lambda: vision("mobilenet_v3_small"),
        "features.4.block.0.0",
        dict.fromkeys(SQUEEZED, 1),
        ("features.4.block.1.0", "features.4.block.2.fc2"),
        (24 + 2) + (25 + 2) + (24 + 24 + 1) + 40,
    ),
]


@pytest.mark.parametrize(("make", "layer", "readers", "coupled", "parameters"), CASES)
def test_a_channel_that_is_gone_is_one_that_nobody_reads(
    make: Callable[[], Any],
    layer: str,
    readers: dict[str, int],
    coupled: tuple[str, ...],
    parameters: int,
) -> None:
    torch.manual_seed(1)
    model = make().eval()
    images = torch.rand(3, 3, 32, 32)
    found = what_if_removed(model, images, layer=layer, count=2)
    for one in (*found.redundant, *found.random):
        blind = deepcopy(model)
        with torch.no_grad():
            for name, width in readers.items():
                weight = blind.get_submodule(name).weight
                weight[:, one.index * width : (one.index + 1) * width] = 0
            before, expected = model(images), blind(images)
            after = without_channel(model, layer, one.index, images[:1])(images)
        assert (after - expected).norm() < 1e-5 * expected.norm()
        change = float((expected - before).norm() / before.norm())
        assert one.change == pytest.approx(change, rel=1e-3, abs=1e-6)
        assert (one.coupled, one.parameters) == (coupled, parameters)
    assert max(one.change or 0 for one in found.redundant) > 1e-3


class Turned(nn.Sequential):
    def forward(self, images: Tensor) -> Tensor:
        turned = self[0](images).permute(0, 2, 3, 1)
        return nn.functional.relu(self[1](turned.flatten(1)))


class Untraced(nn.Sequential):
    def forward(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self[0](images).numpy())


def normed() -> nn.Module:
    layer = nn.Conv2d(3, 4, 3)
    layer.cache = layer.weight * 2
    return nn.Sequential(layer, nn.Flatten())


def parametrized() -> nn.Module:
    reader = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 2, 3))
    return nn.Sequential(nn.Conv2d(3, 4, 3), reader)


def grouped(groups: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, outputs, 3, groups=groups), nn.ReLU())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: grouped(2, 4),
            "channel 1 of layer '0' of Sequential cannot be taken out .Conv2d keeps",
        ),
        (
            lambda: grouped(4, 8),
            "Conv2d keeps its channels in groups of one size.; expected one th",
        ),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 1, 1)),
            "GroupNorm keeps its channels in groups",
        ),
        (lambda: Turned(nn.Conv2d(3, 4, 3), nn.Linear(144, 2)), "axes changed before they are fl"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3)), r"from \(1, 4, 6, 6\) to \(1, 3, 6, 6\)"),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.PixelShuffle(2), nn.Conv2d(1, 2, 3)),
            "cannot be taken out .a layer has no other one",
        ),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.PixelShuffle(2), nn.Conv2d(2, 2, 3)),
            "cannot be taken out .RuntimeError: ",
        ),
        (
            lambda: Untraced(nn.Conv2d(3, 4, 3)),
            "torch-pruning cannot trace Untraced .*RuntimeError: .*; expected a network that auto",
        ),
        (parametrized, "ParametrizedConv2d computes its weight: remove its parametrization first"),
        (normed, "Sequential cannot be copied .RuntimeError: .*; expected a model that copy"),
    ],
)
def test_what_cannot_be_taken_out_is_said(make: Callable[[], nn.Module], said: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){said}"):
        without_channel(make(), "0", 1, torch.rand(1, 3, 8, 8))


def test_a_depthwise_layer_has_no_groups_to_keep() -> None:
    model: Any = grouped(4, 4).append(nn.Conv2d(4, 1, 1))
    images = torch.rand(1, 3, 8, 8)
    pruned: Any = without_channel(model, "0", 1, images)
    assert [tuple(each.weight.shape[:2]) for each in pruned if hasattr(each, "weight")] == [
        *((3, 3), (3, 1), (1, 3)),
    ]
    with torch.no_grad():
        model[3].weight[:, 1] = 0
        torch.testing.assert_close(pruned(images), model(images))


def test_what_stays_whole_is_not_copied() -> None:
    model: Any = chain(bias=True)
    pruned: Any = without_channel(model, "0", 1, torch.rand(1, 3, 32, 32))
    assert pruned[6].weight.data_ptr() == model[6].weight.data_ptr()
    assert pruned[3].weight.data_ptr() != model[3].weight.data_ptr()
    assert not pruned.training and model.training
