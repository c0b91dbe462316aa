"""Networks as text: what a page computes is what PyTorch computes, and errors name the module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsim.explorers.forward import run
from convsim.explorers.network import NetworkExplorer
from convsim.explorers.packed import LEVELS, pack, unpack
from convsim.models import cnn1

WHITE = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
LETTERS = list("abcdefghij")


def settled(model: nn.Module, channels: int = 3) -> nn.Module:
    """A network whose normalisations have seen something."""
    for _ in range(5):
        model(torch.randn(16, channels, 32, 32) + 1)
    return model.eval()


def small() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 6, 5, padding=1, bias=True), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(6, 4, 3), nn.LeakyReLU(0.3), nn.Dropout(0.5)),
        *(nn.Flatten(), nn.Linear(4 * 13 * 13, 10)),
    )


@pytest.mark.parametrize("make", [cnn1, small])
def test_a_packed_network_answers_as_the_network_with_its_weights(make) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model = settled(make())
    packed = pack(model, classes=LETTERS, **WHITE)
    steps = unpack(packed)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for layer, step in zip(layers, (s for s in steps if "weight" in s), strict=True):
            rows = layer.weight.flatten(1)
            error = (step["weight"].flatten(1) - rows).abs().amax(1)
            assert (error <= rows.abs().amax(1) / LEVELS / 2 * (1 + 1e-5)).all(), "half a level"
            layer.weight.copy_(step["weight"])
        x = torch.randn(2, 3, 32, 32)
        expected = model.double()(x.double())
    torch.testing.assert_close(run(steps, x.double())[-1], expected, rtol=1e-5, atol=1e-5)


def test_a_scale_is_the_kernels_own() -> None:
    model = small()
    with torch.no_grad():
        model[0][0].weight[0] *= 1e-4
    step = unpack(pack(model.eval(), classes=LETTERS, **WHITE))[0]
    torch.testing.assert_close(
        step["weight"][0].float(), model[0][0].weight[0].detach(), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Conv2d(3, 2, 3), "the network is a Conv2d; expected Conv2d .stride 1, no groups"),
        (nn.Sequential(nn.Conv2d(3, 2, 3, stride=2)), r"^0 has stride \(2, 2\); expected a plain"),
        (nn.Sequential(nn.Conv2d(3, 3, 3, groups=3)), "^0 has 3 groups"),
        (nn.Sequential(nn.Conv2d(3, 2, (1, 3))), r"a kernel of \(1, 3\)"),
        (nn.Sequential(nn.Sequential(nn.Tanh())), r"^0.0 is Tanh\(\); expected Conv2d"),
        (nn.Sequential(nn.MaxPool2d(3)), "2 × 2 only"),
        (nn.Sequential(nn.Conv2d(1, 2, 3)), "a convolution of 1 channels, gets 3"),
        (nn.Sequential(nn.Conv2d(3, 2, 3)), "does not end in a linear layer"),
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 10)), "a linear layer of 5 inputs, gets 3072"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 4)), "4 outputs and 10 classes are named"),
        (nn.Sequential(nn.Conv2d(3, 2, 40)), "after step 1 no pixel is left"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 1000)), "more than 300,000 weights"),
    ],
)
def test_what_cannot_be_packed_is_named(model: nn.Module, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pack(model, classes=LETTERS, **WHITE)


def test_channels_have_a_mean_and_a_deviation_each() -> None:
    with pytest.raises(ValueError, match="mean has 3 channels and std 2"):
        pack(small(), classes=LETTERS, mean=[0, 0, 0], std=[1, 1])


def test_without_a_model_there_is_no_network_of_ones_own() -> None:
    with pytest.raises(Exception, match=r"no model is given; expected NetworkExplorer\(model\)"):
        NetworkExplorer(network="own")
