"""Networks without batch normalisation, and ResNet-18: what they compute and start from."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convsim.layers import convolutional_layers
from convsim.models import MODELS, ShallowCNN, build, kaiming_cnn, plain_cnn
from tests.test_models import BATCH, LABELS

pytestmark = pytest.mark.usefixtures("one_thread")


class Printed(nn.Module):
    """Table 4 without its batch normalisations, line by line."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (3, width, width, width):
            layers += [nn.Conv2d(channels, width, 3, padding=2), nn.LeakyReLU(0.2), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(9 * width, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


def pair() -> tuple[list[tuple[nn.Parameter, nn.Parameter]], ShallowCNN, Printed]:
    """Both networks in float64 with the same numbers, and their parameters side by side."""
    torch.manual_seed(0)
    ours, theirs = plain_cnn(5).double(), Printed(5).double()
    parameters = zip(ours.parameters(), theirs.parameters(), strict=True)
    pairs = [(own, other) for own, other in parameters]
    with torch.no_grad():
        for own, other in pairs:
            own.copy_(other.view_as(own))
    return pairs, ours, theirs


def test_a_plain_cnn_computes_the_printed_network() -> None:
    pairs, ours, theirs = pair()
    torch.testing.assert_close(ours(BATCH), theirs(BATCH), rtol=1e-12, atol=1e-12)
    for model in (ours, theirs):
        cross_entropy(model(BATCH), LABELS).backward()
    assert len(pairs) == 10
    for own, other in pairs:
        assert own.grad is not None and other.grad is not None
        assert other.grad.abs().max() > 1e-6
        torch.testing.assert_close(own.grad.view_as(other.grad), other.grad, rtol=1e-9, atol=1e-12)


def test_it_has_no_batch_normalisation_and_as_many_numbers_as_the_printed_one() -> None:
    kinds = [type(module) for module in plain_cnn(64).modules()]
    assert nn.BatchNorm2d not in kinds and kinds.count(nn.MaxPool2d) == 4
    counts = [sum(p.numel() for p in model.parameters()) for model in (plain_cnn(64), Printed(64))]
    # CNN1's 118,858 are 512 more: a scale and a shift for each of 256 maps.
    assert counts == [118_858 - 512] * 2
    assert all(p.requires_grad for p in plain_cnn(4).parameters())


def biases(model: nn.Module) -> list[Tensor]:
    return [p.detach() for name, p in model.named_parameters() if name.endswith(".bias")][:4]


def test_a_plain_cnns_numbers_start_as_pytorchs_do() -> None:
    torch.manual_seed(0)
    model = plain_cnn(200)
    weights = [layer.weight.detach() for _, layer in convolutional_layers(model)]
    for weight, bias, channels in zip(weights, biases(model), (3, 200, 200, 200), strict=True):
        bound = (9 * channels) ** -0.5
        for numbers in (weight, bias):  # uniform up to the bound
            assert 0.97 * bound < numbers.abs().max() <= bound
            assert numbers.std() == pytest.approx(bound / 3**0.5, rel=0.1)
            assert numbers.mean().abs() < 0.2 * bound


def test_kaimings_weights_have_his_deviation_and_biases_are_zero() -> None:
    torch.manual_seed(0)
    model = kaiming_cnn(100)
    weights = [layer.weight.detach() for _, layer in convolutional_layers(model)]
    for weight in (*weights, model.classifier.weight.detach()):
        # Of a leaky ReLU's output, (1 + 0.2²) / 2 of the power is left.
        expected = (2 / (1.04 * weight[0].numel())) ** 0.5
        chance = (2 * weight.numel()) ** -0.5
        assert weight.std().item() == pytest.approx(expected, rel=4 * chance)
        assert weight.abs().max() > 2.5 * expected  # normal, not uniform
    assert all((bias == 0).all() for bias in biases(model))
    assert (model.classifier.bias == 0).all()
    assert kaiming_cnn(3, 7)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def powers(model: nn.Module) -> list[float]:
    """Mean square of each convolution's maps on noise."""
    found: list[float] = []
    for _, layer in convolutional_layers(model):
        layer.register_forward_hook(lambda _, __, maps: found.append(maps.square().mean().item()))
    with torch.no_grad():
        model(torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    return found


def test_kaimings_maps_keep_their_power_and_the_defaults_lose_it() -> None:
    torch.manual_seed(0)
    kept, lost = powers(kaiming_cnn(64)), powers(plain_cnn(64))
    # Roughly: pooling takes maxima, and padding brings zeros.
    ratios = [after / before for before, after in zip(kept, kept[1:], strict=False)]
    assert len(ratios) == 3 and all(0.5 < ratio < 3 for ratio in ratios)
    assert lost[3] < 0.02 * lost[0]


def test_resnet_18_is_torchvisions() -> None:
    torch.manual_seed(3)
    ours = build("ResNet18", 64)
    torch.manual_seed(3)
    theirs = torchvision.models.resnet18(weights=None, num_classes=10)
    assert sum(p.numel() for p in ours.parameters()) == 11_181_642
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)


def side_of_first_block(model: nn.Module) -> int:
    sides: list[int] = []
    first = model.get_submodule("layer1")
    first.register_forward_hook(lambda _, given, __: sides.append(given[0].shape[-1]))
    with torch.no_grad():
        assert model.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    return sides[0]


def test_the_start_for_small_images_keeps_their_pixels() -> None:
    torch.manual_seed(0)
    usual, small = build("ResNet18", 64), build("ResNet18-CIFAR", 64)
    assert (side_of_first_block(usual), side_of_first_block(small)) == (8, 32)
    # 3 · 64 weights a tap, 9 taps in place of 49.
    assert sum(p.numel() for p in small.parameters()) == 11_181_642 - 192 * 40 == 11_173_962
    first, unchanged = small.get_parameter("conv1.weight"), usual.get_parameter("conv1.weight")
    assert first.shape == (64, 3, 3, 3) and unchanged.shape == (64, 3, 7, 7)
    # As torchvision starts its convolutions: normal, by the taps that a number goes out to.
    assert first.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert unchanged.std().item() == pytest.approx((2 / (64 * 49)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", ["ResNet18", "ResNet18-CIFAR"])
@pytest.mark.parametrize("width", [1, 65, 128])
def test_a_resnet_of_another_width_is_refused(name: str, width: int) -> None:
    with pytest.raises(ValueError, match=f"^width is {width}; expected 64, as ResNet-18 has it$"):
        build(name, width)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_built(name: str) -> None:
    model = build(name, 64, 7).eval()
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert len(convolutional_layers(model)) == (20 if "ResNet" in name else 4)


def test_an_unknown_model_is_refused() -> None:
    said = "'LeNet' is no model; expected one of ShallowCNN, ShallowCNN-5x5, PlainCNN, "
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        build("LeNet", 64)


def test_torchvision_is_asked_for_where_it_is_needed_only() -> None:
    """It is an extra, and its import takes seconds."""
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "from convsim import models\n"
        "models.build('PlainCNN', 2)\n"
        "try: models.build('ResNet18', 64)\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'convsim[data]'" in done.stdout
