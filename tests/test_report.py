"""The report on a model: every number against NumPy and SciPy, the text, the errors."""

from __future__ import annotations

import json
import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import convsim
from convsim.report import redundancy_report, weights_report
from convsim.report.baseline import Readings
from convsim.report.readings import LayerReport


@pytest.fixture
def net() -> nn.Module:
    """Plain, grouped and dilated, and single kernels, a layer with two names, a transposed one."""
    torch.manual_seed(0)
    model = nn.Sequential()
    model.first = nn.Conv2d(2, 4, 3, padding=1)
    model.grouped = nn.Conv2d(4, 6, (3, 2), groups=2, dilation=2)
    model.single = nn.Conv2d(6, 1, 1)
    model.deep = nn.Sequential(nn.Conv2d(1, 1, 1))
    model.again = model.deep[0]
    model.turned = nn.ConvTranspose2d(1, 2, 2)
    return model


NAMES = ["first", "grouped", "single", "deep.0"]


def pairwise_similarity(weight: np.ndarray) -> float:
    """Equation 10 as it is printed: every pair of kernels and of channels, SciPy correlating."""
    return sum(
        float((correlate(first, second, mode="full") ** 2).sum())
        for one, other in combinations(weight, 2)
        for first in one
        for second in other
    )


def mean_cosine(rows: np.ndarray) -> float:
    unit = np.stack([row.ravel() / np.linalg.norm(row) for row in rows.astype(np.float64)])
    return float(np.abs(unit @ unit.T)[np.triu_indices(len(unit), 1)].mean())


def assert_weights_match(layer: LayerReport, weight: Tensor) -> None:
    kernels = weight.detach().double().numpy()
    alive = np.stack([kernel for kernel in kernels if kernel.any()])
    assert (layer.kernels, layer.channels, *layer.kernel_size) == kernels.shape
    assert layer.weight_norm == pytest.approx(math.sqrt((kernels**2).sum()))
    assert layer.similarity == pytest.approx(pairwise_similarity(kernels), rel=1e-9)
    assert layer.dead_kernels == len(kernels) - len(alive)
    if len(alive) < 2:
        assert layer.kernel_cosine is layer.normalized_similarity is None
        return
    assert layer.kernel_cosine == pytest.approx(mean_cosine(alive), rel=1e-5)
    own = [
        math.sqrt(sum(np.sum(correlate(a, b, mode="full") ** 2) for a in kernel for b in kernel))
        for kernel in alive
    ]  # ‖A_i‖² = Σ ‖K_i[c1] ⋆ K_i[c2]‖²
    shares = [
        pairwise_similarity(np.stack([alive[i], alive[j]])) / (own[i] * own[j])
        for i, j in combinations(range(len(alive)), 2)
    ]
    assert layer.normalized_similarity == pytest.approx(np.mean(shares), rel=1e-9)


def test_weights_against_loops(net: nn.Module) -> None:
    with torch.no_grad():
        net.get_parameter("grouped.weight")[1] = 0
    report = convsim.redundancy_report(net)
    assert [layer.name for layer in report.layers] == NAMES
    assert [layer.groups for layer in report.layers] == [1, 2, 1, 1]
    for layer in report.layers:
        assert_weights_match(layer, net.get_parameter(f"{layer.name}.weight"))
        assert layer.feature_map_cosine is layer.dead_feature_maps is None
    assert [layer.dead_kernels for layer in report.layers] == [0, 1, 0, 0]
    total = float(convsim.model_similarity(net).detach())
    assert report.total_similarity == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("conv", [nn.Conv1d(3, 4, 5), nn.Conv2d(3, 4, 2), nn.Conv3d(2, 3, 2)])
def test_a_layer_by_itself_in_every_dimension(conv: nn.Conv1d) -> None:
    (layer,) = redundancy_report(conv).layers
    assert layer.name == ""
    assert_weights_match(layer, conv.weight)
    batch = torch.rand(2, conv.in_channels, *[6] * len(layer.kernel_size))
    (of_batch,) = redundancy_report(conv, batch).layers
    (of_one,) = redundancy_report(conv, batch[0]).layers  # unbatched, as PyTorch allows
    expected = [mean_cosine(maps) for maps in conv(batch).detach().numpy()]
    assert of_batch.feature_map_cosine == pytest.approx(np.mean(expected), rel=1e-5)
    assert of_one.feature_map_cosine == pytest.approx(expected[0], rel=1e-5)


def test_kernels_of_one_tap_have_cosines_and_no_normalised_form() -> None:
    """It is 1 for any of them; the maps' cosines are their kernels', if the input is white."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 1, bias=False)
    white = torch.randn(64, 3, 64, 64)
    (layer,) = redundancy_report(conv, white).layers
    kernels = conv.weight.detach().flatten(1).numpy()
    assert layer.normalized_similarity is None
    assert layer.kernel_cosine == pytest.approx(mean_cosine(kernels), rel=1e-5)
    assert layer.expected_cosine == pytest.approx(layer.kernel_cosine, abs=0.01)
    mixed = torch.einsum("dc,bchw->bdhw", torch.randn(3, 3), white)
    report = redundancy_report(conv, mixed)
    # The expected inner products are K R Kᵀ, with R = E[P Pᵀ] over the pixels P of all images.
    pixels = mixed.double().permute(1, 0, 2, 3).flatten(1).numpy()
    gram = kernels @ (pixels @ pixels.T) @ kernels.T
    size = np.sqrt(np.diag(gram))
    expected = np.abs(gram / np.outer(size, size))[np.triu_indices(4, 1)].mean()
    assert report.layers[0].expected_cosine == pytest.approx(expected, rel=1e-4)
    assert abs(expected - report.layers[0].kernel_cosine) > 0.05
    assert "1 × 1 kernels: L_CS is a matter of norms alone, and the normalised" in repr(report)
    assert "1 × 1 kernels" not in repr(redundancy_report(nn.Conv2d(3, 4, 3)))


def test_the_floor_is_the_proven_share_of_the_loss(net: nn.Module) -> None:
    """At norms of 1 the bound is (S - κ) S / 2; κ is 3 / 2 for two taps, 15 / 7 for three."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 12, (2, 3), bias=False)
    with torch.no_grad():
        conv.weight /= conv.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    bound = 12 * (12 - 1.5 * 15 / 7) / 2
    (layer,) = redundancy_report(conv).layers
    assert layer.floor == pytest.approx(bound / layer.similarity, rel=1e-6)
    assert 0.5 < layer.floor < 1
    assert f"{layer.floor:.1%}" in repr(layer)
    with torch.no_grad():
        conv.weight *= 1e-30  # its L_CS is below the smallest float32
    (faint,) = redundancy_report(conv).layers
    assert faint.floor == pytest.approx(layer.floor, rel=1e-6)
    # Four kernels of 3 × 3 taps are too few for a bound; for one tap it would say nothing.
    first, grouped, *of_one_tap = (layer.floor for layer in redundancy_report(net).layers)
    assert first is None and 0 < grouped < 1 and of_one_tap == [None, None]
    (wide,) = redundancy_report(nn.Conv2d(3, 9, 1)).layers
    assert wide.floor is None


def test_a_dead_layer_has_no_cosine_and_one_live_kernel_has_no_pair() -> None:
    conv = nn.Conv2d(1, 3, 2, bias=False)
    nn.init.zeros_(conv.weight)
    (dead,) = redundancy_report(conv, torch.ones(2, 1, 4, 4)).layers
    assert (dead.similarity, dead.weight_norm, dead.dead_kernels) == (0.0, 0.0, 3)
    assert dead.normalized_similarity is dead.kernel_cosine is dead.feature_map_cosine is None
    assert dead.expected_cosine is None
    assert dead.dead_feature_maps == 6
    with torch.no_grad():
        conv.weight[0] = 1
    (layer,) = redundancy_report(conv, torch.ones(2, 1, 4, 4)).layers
    assert layer.normalized_similarity is layer.kernel_cosine is layer.feature_map_cosine is None
    assert layer.dead_feature_maps == 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3).to(dtype)
    with torch.no_grad():
        conv.weight *= 30  # L_CS is far above the largest float16
    batch = torch.rand(2, 2, 6, 6).to(dtype)
    (layer,) = redundancy_report(conv, batch).layers
    assert_weights_match(layer, conv.weight)
    assert layer.similarity > 65504
    with torch.no_grad():
        maps = [mean_cosine(image) for image in conv(batch).float().numpy()]
    assert layer.feature_map_cosine == pytest.approx(np.mean(maps), rel=1e-5)


ONES = torch.ones(2, 1, 4, 4)


def dead_kernel() -> nn.Module:
    conv = nn.Conv2d(1, 3, 2, bias=False)
    with torch.no_grad():
        conv.weight[1] = 0
    return conv


def test_centred_maps_are_compared_as_numpy_compares_them() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 4, 3)
    with torch.no_grad():
        conv.bias += 5  # it makes all maps alike, until their means are gone
    batch = torch.rand(3, 2, 8, 8)
    (layer,) = redundancy_report(conv, batch).layers
    rows = conv(batch).detach().double().permute(1, 0, 2, 3).flatten(1).numpy()
    expected = np.abs(np.corrcoef(rows))[np.triu_indices(4, 1)].mean()
    assert layer.correlation == pytest.approx(expected, rel=1e-4)
    assert layer.expected_cosine == pytest.approx(mean_cosine(rows), rel=1e-4)
    assert layer.expected_cosine > 0.9 > layer.correlation


def test_maps_that_are_constant_have_no_correlation() -> None:
    conv = nn.Conv2d(1, 2, 1)
    (layer,) = redundancy_report(conv, 0.1 * ONES).layers
    assert layer.expected_cosine == pytest.approx(1.0) and layer.correlation is None


def test_report_prints_and_is_ready_for_json(net: nn.Module) -> None:
    report = redundancy_report(net, torch.rand(3, 2, 9, 8))
    text = repr(report)
    lines = text.splitlines()
    assert lines[0] == "Sequential: 4 convolutional layers, images of shape (3, 2, 9, 8)"
    assert lines[1].split()[:8] == [
        *("layer", "S", "C", "size", "‖weight‖", "L_CS", "floor", "normalised"),
    ]
    assert lines[3].startswith("grouped  6  2, 2 groups  3 × 2  ")
    assert lines[4].split()[-6:] == ["–"] * 6
    assert "dead" not in lines[1] and "dead" in repr(redundancy_report(dead_kernel(), ONES))
    assert lines[6].split() == ["total", f"{report.total_similarity:.4g}"]
    # The guide: a line for each group of columns, one on how to judge, and one on 1 × 1 kernels.
    begin = ("‖weight‖", "normalised", "kernels", "feature maps", "How much", "1 × 1", "Not meas")
    assert all(line.startswith(words) for line, words in zip(lines[7:], begin, strict=True))
    starts = {line.index(cell) for line, cell in zip(lines[1:4], ["C", "2 ", "2, 2"], strict=True)}
    assert len(starts) == 1, "columns stand below their headings"
    assert str(report) == text and "nan" not in text
    assert "feature maps" not in repr(redundancy_report(net))
    assert repr(report.layers[1]).splitlines()[2].startswith("grouped  6  2, 2 groups")
    page = report._repr_html_()
    assert page.count("<tr>") == 2 + 4 + 1
    assert '<th colspan="3" scope="colgroup">feature maps</th>' in page
    assert "<td>grouped</td>" in report.layers[1]._repr_html_()
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain == report.to_dict()
    keys = ["model", "images", "note", "total_similarity", "layers", "unmeasured"]
    assert list(plain) == keys
    assert plain["images"] == [3, 2, 9, 8]
    assert (
        plain["layers"][1] | {"kernels": 6, "groups": 2, "kernel_size": [3, 2]}
        == (plain["layers"][1])
    )
    assert plain["layers"][2]["kernel_cosine"] is None


def nan_weight() -> nn.Module:
    conv = nn.Conv2d(1, 2, 2)
    nn.init.constant_(conv.weight, math.nan)
    return nn.Sequential(conv)


def huge_weight() -> nn.Module:
    conv = nn.Conv2d(1, 2, 2, dtype=torch.float64)
    nn.init.constant_(conv.weight, 1e100)
    return conv


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        ({}, None, r"model is a dict; expected a torch.nn.Module: build the model, load its"),
        (nn.Linear(2, 2), None, r"Linear has no Conv1d, Conv2d or Conv3d layer; expected at least"),
        (nan_weight(), None, r"layer '0': weight of shape \(2, 1, 2, 2\) has 8 NaN or infinite"),
        (
            huge_weight(),
            None,
            r"layer '': L_CS overflows torch.float64, with numbers",
        ),
        (nn.LazyConv2d(2, 3), None, r"layer '': weight holds no numbers yet; expected an init"),
        (nn.Conv2d(1, 2, 2, device="meta"), None, "layer '': weight holds no numbers yet"),
        (nn.Conv2d(1, 2, 2), [[1.0]], "images is a float; expected a torch.Tensor"),
        (
            nn.Conv2d(1, 2, 2),
            torch.ones(1, 1, 4, 4, dtype=torch.uint8),
            r"images has dtype torch.uint8; expected a floating-point dtype: call images.float\(\)",
        ),
        (
            nn.Conv2d(1, 2, 2),
            torch.full((1, 1, 4, 4), math.nan),
            r"images of shape \(1, 1, 4, 4\) has 16 NaN or infinite values; expected finite",
        ),
        (
            nn.Sequential(nn.Conv2d(4, 2, 2, groups=2)),
            torch.ones(5, 3, 4, 4),
            r"Sequential refused images of shape \(5, 3, 4, 4\), torch.float32 on cpu "
            r"\(RuntimeError: .*\); its first convolution, '0', has a weight of shape "
            r"\(2, 2, 2, 2\), torch.float32 on cpu, and takes \(B, 4, H, W\): pass a batch",
        ),
        (
            nn.Conv3d(1, 2, 2).half(),
            torch.ones(1, 1, 3, 3, 3),
            r"torch.float32 on cpu .*torch.float16 on cpu, and takes \(B, 1, D, H, W\)",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 2, 2)),
            torch.full((1, 1, 4, 4), 3e38),
            r"the output of layer '0' of shape \(1, 2, 3, 3\) has \d+ NaN or infinite values",
        ),
    ],
)
def test_errors_say_what_to_do(model: Any, images: Any, message: str) -> None:
    if isinstance(images, Tensor) and images.max() > 1e38:
        nn.init.ones_(model[0].weight)
    with pytest.raises(ValueError, match=message):
        redundancy_report(model, images)


def test_no_weights_at_all() -> None:
    with pytest.raises(ValueError, match="x.safetensors holds no convolution weight; expected"):
        weights_report([], model="x.safetensors")


def numbers(layer: LayerReport) -> list[Any]:
    of = [layer, layer.random, layer.floors, layer.scatter]
    return [
        value for each in of for value in vars(each).values() if not isinstance(value, Readings)
    ]


def test_batches_give_the_report_of_all_images(net: nn.Module, capsys: Any) -> None:
    images = torch.rand(5, 2, 9, 9)
    expected = redundancy_report(net, images)
    labels = torch.arange(5)
    loader = DataLoader(TensorDataset(images, labels), batch_size=2)
    found = redundancy_report(net, loader, progress=True)
    assert "3/3" in capsys.readouterr().err
    assert found.images == expected.images == (5, 2, 9, 9)
    for ours, theirs in zip(found.layers, expected.layers, strict=True):
        for one, other in zip(numbers(ours), numbers(theirs), strict=True):
            # A scatter is a difference, which rounding moves more.
            assert one == (pytest.approx(other, rel=1e-4) if isinstance(other, float) else other)
    with pytest.raises(ValueError, match="images has no batch"):
        redundancy_report(net, [])
    with pytest.raises(ValueError, match="batch 1 of images is a str; expected"):
        redundancy_report(net, [images, "next"])
