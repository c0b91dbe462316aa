"""Nothing is left out of a report without a reason."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from convsim import redundancy_report
from convsim.report.readings import RedundancyReport


class Own(nn.Module):
    """A convolution of one's own, whose weight convsim cannot know."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight, padding=1)


class Net(nn.Module):
    """A convolution with two names, one that is not called, and what is no row."""

    def __init__(self) -> None:
        super().__init__()
        self.first = parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1))
        self.norm = nn.BatchNorm2d(4)
        self.own = Own()
        self.again = self.first
        self.up = nn.ConvTranspose2d(4, 2, 2)
        self.spare = nn.Conv2d(4, 4, 1)
        self.head = nn.LazyLinear(10)
        self.classify = nn.Linear(10, 2)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.up(self.own(self.relu(self.norm(self.first(x)))))
        found: Tensor = self.classify(self.head(maps.mean((2, 3))))
        return found


def reasons(report: RedundancyReport) -> dict[str, str]:
    return {left.name: left.reason for left in report.unmeasured}


def test_every_module_with_weights_is_a_row_or_has_a_reason() -> None:
    model = Net()
    report = redundancy_report(model)
    assert [layer.name for layer in report.layers] == ["first", "spare"]
    found = reasons(report)
    assert [*found] == ["norm", "own", "again", "up", "head", "classify"]
    assert found["norm"] == found["classify"] == "no convolution"
    assert found["own"].endswith("does not know, with a weight of shape (4, 4, 3, 3)")
    assert found["again"] == "the same layer as first"
    assert found["up"].startswith("transposed convolution")
    assert found["head"] == "its weight has no shape yet: run the model once"
    text = repr(report)
    assert "Not measured: own (of a class that" in text
    assert text.endswith("1 BatchNorm2d, 1 Linear (no convolution).")

    model(torch.rand(1, 3, 8, 8))
    report = redundancy_report(model, torch.rand(2, 3, 8, 8))
    assert reasons(report)["head"] == "no convolution"
    assert reasons(report)["spare"] == "not called with these images: its kernels only"
    assert "first" not in reasons(report)
    assert report.to_dict()["unmeasured"][-1] == {
        "name": "spare",
        "kind": "Conv2d",
        "reason": "not called with these images: its kernels only",
    }


@pytest.mark.parametrize("model", [nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv1d(1, 2, 3))])
def test_nothing_is_said_where_nothing_is_left_out(model: nn.Module) -> None:
    report = redundancy_report(model)
    assert report.unmeasured == ()
    assert "Not measured" not in repr(report)


def test_a_packed_weight_is_no_parameter() -> None:
    class PackedConv2d(nn.Module):
        pass

    report = redundancy_report(nn.Sequential(nn.Conv2d(1, 2, 3), PackedConv2d()))
    assert reasons(report)["1"].startswith("its weight is no parameter, but packed or quantised")


def test_a_scripted_model_says_as_much() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 4, 2))
    expected = redundancy_report(model).unmeasured
    assert [left.name for left in expected] == ["1", "2"]
    assert redundancy_report(torch.jit.script(model)).unmeasured == expected


@pytest.mark.filterwarnings("ignore:.*quantiz")
def test_quantised_layers_have_weights_of_their_own() -> None:
    plain = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 5), nn.LSTM(4, 4)])
    quantised = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear, nn.LSTM})
    expected = redundancy_report(plain).unmeasured
    assert [(left.name, left.kind) for left in expected] == [("2", "Linear"), ("3", "LSTM")]
    assert redundancy_report(quantised).unmeasured == expected


def test_tokens_positions_and_scales_are_no_missed_convolutions() -> None:
    class Block(nn.Module):
        def __init__(self, *shape: int) -> None:
            super().__init__()
            self.own, self.inner = nn.Parameter(torch.ones(shape)), nn.Conv2d(1, 2, 1)

    def reason(*shape: int) -> str:
        [left] = redundancy_report(Block(*shape)).unmeasured
        return left.reason

    for shape in ((1, 1, 8), (1, 7, 8), (8, 1, 1)):
        assert reason(*shape) == "no convolution"
    for shape in ((2, 1, 3), (2, 3, 1), (4, 4, 3, 3)):
        assert reason(*shape).endswith(f"does not know, with a weight of shape {shape}")


def test_a_single_kernel_is_told_by_the_name_of_its_class() -> None:
    class OwnConv(nn.Module):
        def __init__(self, *shape: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(shape))

    def reason(module: nn.Module) -> str:
        left, *_ = redundancy_report(nn.Sequential(nn.Conv2d(1, 2, 1), module)).unmeasured
        return left.reason

    kernel = OwnConv(1, 3, 5, 5)
    assert reason(kernel).endswith("does not know, with a weight of shape (1, 3, 5, 5)")
    assert reason(OwnConv(1, 1, 1, 1)) == "no convolution"
    # Around other layers it may be a network's token.
    kernel.inner = nn.Linear(2, 2)
    assert reason(kernel) == "no convolution"
