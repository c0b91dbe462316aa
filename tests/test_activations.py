"""What the layers of a network answer, whatever the network is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from convsim.data import digits
from convsim.experiments.activations import layer_activations, with_statistics_of
from convsim.models import ShallowCNN
from convsim.similarity import convolutional_layers

_, TEST = digits()
COUNT = 6


def test_the_layers_of_a_residual_network_share_one_non_linearity_a_block() -> None:
    torch.manual_seed(0)
    model = resnet18(num_classes=10)
    found = layer_activations(model, TEST, COUNT)
    names = [name for name, _ in convolutional_layers(model)]
    assert [name for name, side in found if side == "before"] == names
    for name in names:
        torch.testing.assert_close(found[name, "after"], found[name, "before"].relu())
    # Against a pass of our own: what enters the first convolution of a block, and what leaves.
    ready = with_statistics_of(model, TEST.normalized(torch.linspace(0, 296, COUNT).round().long()))
    seen: list[Tensor] = []
    ready.layer2[0].bn1.register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    with torch.no_grad():
        ready(TEST.normalized(torch.linspace(0, 296, COUNT).round().long()))
    torch.testing.assert_close(found["layer2.0.conv1", "before"], seen[0])


def test_a_leaky_relu_keeps_its_slope() -> None:
    torch.manual_seed(0)
    found = layer_activations(ShallowCNN(3), TEST, COUNT)
    before, after = found["blocks.2.0", "before"], found["blocks.2.0", "after"]
    torch.testing.assert_close(after, torch.where(before > 0, before, 0.2 * before))
    assert (before < 0).any()


def test_without_normalisation_the_convolution_itself_counts() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Conv2d(4, 2, 3))
    found = layer_activations(model, TEST, COUNT)
    assert {name for name, _ in found} == {"0", "2"}
    after = nn.functional.gelu(found["2", "before"])  # the only one that is named
    torch.testing.assert_close(found["2", "after"], after)
    torch.testing.assert_close(found["2", "before"], model[2](found["0", "after"]))


def test_a_network_without_non_linearity_is_refused() -> None:
    with pytest.raises(ValueError, match="Conv2d has no non-linearity among its modules; expected"):
        layer_activations(nn.Conv2d(3, 4, 3), TEST, COUNT)
