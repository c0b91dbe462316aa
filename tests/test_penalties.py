"""Every penalty against a definition that shares no code with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from orthogonium.layers.conv.AOC import AdaptiveOrthoConv2d
from scipy.linalg import circulant, svdvals
from torch import Tensor

from convsim import convolutional_similarity
from convsim import penalties as module
from convsim.operators import circular_operator
from convsim.patches import expected_gram, patch_autocorrelation
from convsim.penalties import decov, mutual_coherence, ocnn, orthoreg, soft_orthogonality, srip

OF_WEIGHTS = (soft_orthogonality, mutual_coherence, srip, ocnn, orthoreg)
SHAPES = ((8, 3, 3, 3), (2, 1, 5), (20, 2, 3), (12, 1, 2, 2, 2), (1, 4, 3), (6, 5, 1, 1))


def weight_of(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator) / 3


@pytest.mark.parametrize("shape", SHAPES)
def test_penalties_of_the_gram_matrix_are_those_of_the_singular_values(
    shape: tuple[int, ...],
) -> None:
    weight = weight_of(shape)
    squares = svdvals(weight.flatten(1).numpy()) ** 2
    assert soft_orthogonality(weight).item() == pytest.approx(((squares - 1) ** 2).sum(), rel=1e-12)
    assert srip(weight).item() == pytest.approx(abs(squares - 1).max(), rel=1e-12)
    rows = weight.flatten(1).numpy()
    if len(rows) > rows.shape[1]:
        rows = rows.T
    entries = [
        abs(float(np.dot(a, b)) - (i == j)) for i, a in enumerate(rows) for j, b in enumerate(rows)
    ]
    assert mutual_coherence(weight).item() == pytest.approx(max(entries), rel=1e-12)


def operator(weight: Tensor, size: int, stride: int) -> np.ndarray:
    """Matrix of a convolution with circular padding on signals, or on square images."""
    kernels = weight.numpy()
    blocks = []
    for kernel in kernels:
        row = []
        for channel in kernel:
            if channel.ndim == 1:
                row.append(_circulant(channel, size)[::stride])
            else:  # a sum over the rows of the kernel of Kronecker products
                shifts = np.eye(len(channel))
                matrix = sum(
                    np.kron(_circulant(shift, size)[::stride], _circulant(taps, size)[::stride])
                    for shift, taps in zip(shifts, channel, strict=True)
                )
                row.append(matrix)
        blocks.append(np.hstack(row))
    return np.vstack(blocks)


def _circulant(taps: np.ndarray, size: int) -> np.ndarray:
    return circulant(np.pad(taps, (0, size - len(taps)))).T


@pytest.mark.parametrize(
    ("shape", "stride", "size"),
    [
        ((4, 3, 3), 1, 12),
        ((8, 3, 3), 2, 12),
        ((3, 4, 5), 3, 15),
        ((5, 3, 3, 3), 1, 6),
        ((10, 2, 3, 3), 2, 8),  # more kernels than C · stride²
        ((4, 2, 2, 2), 3, 9),  # a stride beyond the kernel's size
    ],
)
def test_ocnn_is_the_distance_of_the_operator(
    shape: tuple[int, ...], stride: int, size: int
) -> None:
    weight = weight_of(shape)
    matrix = operator(weight, size, stride)
    kernels, channels, *taps = shape
    positions = (size // stride) ** len(taps)
    excess = matrix @ matrix.T - np.eye(len(matrix))
    value = ocnn(weight, stride=stride).item()
    assert value == pytest.approx((excess**2).sum() / positions, rel=1e-12)
    # In Achour et al.'s form, from the singular values, what no kernels can go below is taken off.
    squares = svdvals(matrix)[: min(matrix.shape)] ** 2
    least = max(0, kernels - channels * stride ** len(taps))
    assert value - least == pytest.approx(((squares - 1) ** 2).sum() / positions, rel=1e-9)


def test_ocnn_is_zero_for_an_exactly_orthogonal_layer() -> None:
    for inputs, outputs, stride in ((3, 3, 1), (4, 2, 1), (3, 6, 2)):
        torch.manual_seed(0)
        layer = AdaptiveOrthoConv2d(
            inputs, outputs, 3, stride=stride, padding="same" if stride == 1 else 1,
            padding_mode="circular", bias=False,
        )  # fmt: skip
        weight = layer.weight.detach()  # orthogonal to a few iterations' precision
        assert ocnn(weight, stride=stride).item() < 1e-3 < ocnn(weight.roll(1, 2), stride=stride)


def test_ocnn_and_convolutional_similarity_agree_for_one_channel_only() -> None:
    for channels in (1, 3):
        weight = weight_of((6, channels, 3, 3))
        own = sum(ocnn(weight[i : i + 1]).item() for i in range(6))
        between = ocnn(weight).item() - own
        similarity = 2 * convolutional_similarity(weight).item()
        assert (between == pytest.approx(similarity, rel=1e-12)) == (channels == 1)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("taps", [(3,), (4,), (2, 5), (1, 3, 2)])
def test_the_operator_is_pytorchs_layer(taps: tuple[int, ...], stride: int) -> None:
    weight, size = weight_of((3, 2, *taps)), 6
    kind = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[len(taps) - 1]
    layer = kind(2, 3, taps, padding="same", padding_mode="circular", bias=False).double()
    layer.weight.data = weight
    image = weight_of((1, 2, *[size] * len(taps)), seed=1)
    every = (slice(None), slice(None), *[slice(None, None, stride)] * len(taps))
    maps = layer(image)[every].flatten()  # PyTorch has no stride with "same"
    matrix = circular_operator(weight, size, stride=stride)
    torch.testing.assert_close(matrix @ image.flatten(), maps)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 2, 3, 3), (2, 1, 2, 2, 2)])
def test_a_pairs_share_is_that_of_the_operators(shape: tuple[int, ...]) -> None:
    weight = weight_of(shape)
    size = 2 * shape[-1] - 1
    positions = size ** (len(shape) - 2)
    first, second = circular_operator(weight, size).split(positions)
    inside, across = ((m**2).sum().item() for m in (first.T @ second, first @ second.T))
    assert inside / positions == pytest.approx(convolutional_similarity(weight).item(), rel=1e-12)
    between = ocnn(weight) - ocnn(weight[:1]) - ocnn(weight[1:])
    assert across / positions == pytest.approx(between.item() / 2, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 2}, "size is 2; expected a whole number of samples, 3 or more"),
        ({"size": 5.0}, "size is 5.0; expected a whole number"),
        ({"size": 5, "stride": 0}, "stride is 0; expected a whole number, 1 or more"),
    ],
)
def test_operators_that_do_not_exist_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        circular_operator(torch.ones(2, 1, 3), **options)
    with pytest.raises(ValueError, match="NaN or infinite"):
        circular_operator(torch.full((2, 1, 3), torch.nan), 5)


@pytest.mark.parametrize("shape", SHAPES)
def test_orthoreg_is_the_sum_over_ordered_pairs(shape: tuple[int, ...]) -> None:
    weight = weight_of(shape)
    rows = weight.flatten(1).numpy()
    total = 0.0
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if i != j:
                cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                total += float(np.logaddexp(0, 10 * (cosine - 1)))
    assert orthoreg(weight).item() == pytest.approx(total, rel=1e-12)
    assert orthoreg(7 * weight).item() == pytest.approx(total, rel=1e-12)
    assert orthoreg(weight, sharpness=0).item() == pytest.approx(
        len(rows) * (len(rows) - 1) * np.log(2)
    )


@pytest.mark.parametrize("shape", [(50, 4), (5, 3, 20), (4, 6, 5, 7), (2, 3, 4, 3, 5)])
def test_decov_is_that_of_numpys_covariance(shape: tuple[int, ...]) -> None:
    maps = weight_of(shape) + 5
    channels = maps.movedim(1, 0).flatten(1).numpy()
    covariance = np.cov(channels, bias=True)
    expected = ((covariance**2).sum() - (np.diag(covariance) ** 2).sum()) / 2
    assert decov(maps).item() == pytest.approx(expected, rel=1e-10)


def test_decov_of_a_layers_maps_is_that_of_the_inputs_autocorrelation() -> None:
    images, weight = weight_of((4, 3, 9, 9)) + 1, weight_of((5, 3, 3, 3), seed=1)
    gram = expected_gram(weight, patch_autocorrelation(images, (3, 3), centered=True))
    off = gram - torch.diag(gram.diagonal())
    maps = torch.nn.functional.conv2d(images, weight)
    assert decov(maps).item() == pytest.approx(off.square().sum().item() / 2, rel=1e-10)


@pytest.mark.parametrize("penalty", OF_WEIGHTS)
def test_gradients(penalty: Callable[..., Tensor]) -> None:
    for shape in ((3, 2, 3), (5, 1, 2, 2)):
        weight = weight_of(shape).requires_grad_()
        assert torch.autograd.gradcheck(penalty, weight)
    batch = torch.stack([weight_of((4, 2, 3), seed=seed) for seed in range(3)])
    values = torch.func.vmap(lambda w: penalty(w, check_finite=False))(batch)
    torch.testing.assert_close(values, torch.stack([penalty(w) for w in batch]))


def test_gradient_of_decov() -> None:
    assert torch.autograd.gradcheck(decov, weight_of((3, 4, 5)).requires_grad_())


@pytest.mark.parametrize("penalty", OF_WEIGHTS)
def test_half_precision_is_summed_in_float32(penalty: Callable[..., Tensor]) -> None:
    weight = weight_of((16, 8, 3, 3)).half()
    value = penalty(weight)
    assert value.dtype == torch.float16
    assert value.item() == pytest.approx(penalty(weight.double()).item(), rel=2e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("penalty", module.OF_WEIGHTS.values(), ids=module.OF_WEIGHTS)
def test_autocast_rounds_no_penalty(penalty: Callable[..., Tensor], dtype: torch.dtype) -> None:
    weight = weight_of((8, 3, 3, 3)).float().requires_grad_()
    exact = penalty(weight)
    for check_finite in (True, False):
        with torch.autocast("cpu", dtype):
            value = penalty(weight, check_finite=check_finite)
        assert value.dtype == torch.float32 and value.item() == exact.item()
        gradients = (torch.autograd.grad(v, weight, retain_graph=True)[0] for v in (value, exact))
        assert torch.equal(*gradients)


@pytest.mark.parametrize("penalty", OF_WEIGHTS)
def test_what_overflows_on_the_way_is_computed_once_more(penalty: Callable[..., Tensor]) -> None:
    weight = weight_of((4, 3, 3)).float() * 1e25
    if penalty is orthoreg:  # it does not depend on the norms
        assert penalty(weight).item() == pytest.approx(penalty(weight.double()).item())
        return
    with pytest.raises(ValueError, match=r"the penalty overflows torch.float32"):
        penalty(weight)
    assert penalty(weight, check_finite=False).isfinite().logical_not()
    assert penalty(weight.double()).item() > 1e49


@pytest.mark.parametrize("penalty", OF_WEIGHTS)
def test_bad_weights_are_refused(penalty: Callable[..., Tensor]) -> None:
    for weight, words in (
        (torch.full((2, 1, 3), torch.nan), "NaN or infinite"),
        (torch.ones(3, 3), "expected at least 3"),
        (torch.ones(2, 1, 3, dtype=torch.int64), "floating-point"),
        (torch.ones(1, 1, 1, 1, 1, 1), "expected 3 to 5"),
    ):
        with pytest.raises(ValueError, match=words):
            penalty(weight)
    if penalty is not orthoreg:
        with pytest.raises(ValueError, match="the penalty overflows"):
            penalty(torch.full((2, 1, 3), 3e38))


def test_bad_options_are_refused() -> None:
    weight = torch.ones(2, 1, 3)
    with pytest.raises(ValueError, match="stride is 0; expected a whole number, 1 or more"):
        ocnn(weight, stride=0)
    with pytest.raises(ValueError, match="sharpness is -1; expected a finite number, 0 or more"):
        orthoreg(weight, sharpness=-1)
    with pytest.raises(ValueError, match="feature_maps has 1 NaN or infinite values|of shape"):
        decov(torch.tensor([[1.0, torch.nan]]))
    with pytest.raises(ValueError, match="feature_maps has shape"):
        decov(torch.ones(3))


def test_a_dead_kernel_has_no_gradient_of_orthoreg_that_is_not_finite() -> None:
    weight = weight_of((4, 2, 3))
    weight[1] = 0
    weight.requires_grad_()
    value = orthoreg(weight)
    value.backward()
    assert weight.grad is not None and weight.grad.isfinite().all()
    pair = np.logaddexp(0, -10)
    live = orthoreg(weight.detach()[[0, 2, 3]]).item()
    assert value.item() == pytest.approx(live + 6 * pair, rel=1e-12)
