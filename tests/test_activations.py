"""What the layers of a network answer, whatever the network is."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.models import resnet18

from convsim.data import digits, spread
from convsim.experiments import activations
from convsim.experiments.activations import layer_activations, with_statistics_of
from convsim.layers import convolutional_layers
from convsim.models import ShallowCNN
from tests.small_sweeps import layer_weights

_, TEST = digits()
FEW = TEST.subset(slice(0, 150))
LAYERS = [f"blocks.{i}.0" for i in range(4)]
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


def test_cosines_are_those_of_the_convolution_without_its_bias() -> None:
    torch.manual_seed(0)
    model = ShallowCNN(6)
    for _, layer in convolutional_layers(model):
        assert layer.bias is not None
        nn.init.uniform_(layer.bias, 2, 3)  # would make all maps alike
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measured = activations.cosines(model, FEW)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training and all(
        m.momentum == 0.1 for m in model.modules() if hasattr(m, "momentum")
    )
    # All 150 test images: fewer than the number compared.
    images = (FEW.pixels.float() - FEW.mean) / FEW.std
    maps = conv2d(images, layer_weights(model)[0], padding=2).flatten(2).double()
    total = 0.0
    for i in range(6):
        for j in range(i):
            dot = (maps[:, i] * maps[:, j]).sum(1)
            total += (dot / maps[:, i].norm(dim=1) / maps[:, j].norm(dim=1)).abs().mean().item()
    assert measured["blocks.0.0"] == pytest.approx(total / 15, abs=2e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_cosines_do_not_see_the_scale_of_a_layer(layer: str) -> None:
    torch.manual_seed(0)
    model = ShallowCNN(6)
    shrunk = deepcopy(model)
    layer_weights(shrunk)[LAYERS.index(layer)].mul_(0.1)
    before, after = activations.cosines(model, FEW), activations.cosines(shrunk, FEW)
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        assert after[name] == pytest.approx(before[name], abs=2e-5)
    for name in LAYERS:  # later layers see it through the epsilon of batch normalisation
        assert after[name] == pytest.approx(before[name], abs=5e-3)


def test_images_are_spread_over_the_set() -> None:
    index = spread(10_000, 512, torch.device("cpu"))
    assert len(set(index.tolist())) == 512 and index[[0, -1]].tolist() == [0, 9999]
    assert spread(3, 512, torch.device("cpu")).tolist() == [0, 1, 2]
