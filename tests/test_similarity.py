"""Convolutional Similarity against its pairwise definition, and the identity behind it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.signal
import torch
from torch import nn

from convsim import (
    autocorrelate,
    convolutional_similarity,
    cross_correlate,
    feature_map_similarity,
    kernel_similarity,
    similarity_matrix,
)


def random(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape) + len(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def pairwise_matrix(weight: torch.Tensor) -> torch.Tensor:
    """Equation 10 as it stands: one full correlation per pair of kernels and of channels."""
    kernels, channels = weight.shape[:2]
    dims = weight.ndim - 2
    total = [[torch.zeros((), dtype=weight.dtype)] * kernels for _ in range(kernels)]
    for i, j in itertools.product(range(kernels), repeat=2):
        for c1, c2 in itertools.product(range(channels), repeat=2):
            # torch's own convolution is an oracle that shares no line with convsim.
            correlate = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}
            lags = correlate[dims](
                weight[i, c1][None, None],
                weight[j, c2][None, None],
                padding=tuple(n - 1 for n in weight.shape[2:]),
            )
            total[i][j] = total[i][j] + lags.square().sum()
    return torch.stack([torch.stack(row) for row in total])


def pairwise_similarity(weight: torch.Tensor) -> torch.Tensor:
    return pairwise_matrix(weight).triu(diagonal=1).sum()


SHAPES = [
    (4, 3, 5),
    (3, 2, 4),
    (2, 1, 1),
    (5, 1, 16),
    (4, 3, 3, 3),
    (3, 2, 2, 4),
    (3, 1, 5, 5),
    (3, 2, 2, 3, 2),
    (2, 1, 3, 3, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_value_and_gradient_equal_the_pairwise_definition(shape: tuple[int, ...]) -> None:
    ours, theirs = random(*shape).requires_grad_(), random(*shape).requires_grad_()
    value, expected = convolutional_similarity(ours), pairwise_similarity(theirs)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    value.backward()
    expected.backward()
    scale = theirs.grad.abs().max()
    assert (ours.grad - theirs.grad).abs().max() <= 1e-8 * scale
    torch.testing.assert_close(
        similarity_matrix(ours), pairwise_matrix(theirs), rtol=1e-10, atol=1e-12
    )


def test_gradient_by_finite_differences() -> None:
    weight = random(3, 2, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(convolutional_similarity, weight)
    assert torch.autograd.gradcheck(lambda w: convolutional_similarity(w, normalized=True), weight)


@pytest.mark.parametrize("shape", [(1, 3, 5), (1, 1, 3, 3)])
@pytest.mark.parametrize("normalized", [False, True])
def test_a_single_kernel_is_similar_to_nothing(shape: tuple[int, ...], normalized: bool) -> None:
    weight = random(*shape).requires_grad_()
    value = convolutional_similarity(weight, normalized=normalized)
    assert value == 0
    value.backward()
    assert weight.grad.eq(0).all()


def test_a_nearly_dead_kernel_keeps_its_digits() -> None:
    weight = random(2, 3, 3, 3)
    weight[1] *= 1e-9
    torch.testing.assert_close(
        convolutional_similarity(weight), pairwise_similarity(weight), rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("shape", [(4, 3, 5), (3, 2, 3, 3)])
def test_normalized_is_the_mean_cosine_of_pairs(shape: tuple[int, ...]) -> None:
    weight = random(*shape)
    matrix = pairwise_matrix(weight).numpy()
    cosines = [
        matrix[i, j] / np.sqrt(matrix[i, i] * matrix[j, j])
        for i, j in itertools.combinations(range(shape[0]), 2)
    ]
    value = convolutional_similarity(weight, normalized=True)
    assert value.item() == pytest.approx(np.mean(cosines), rel=1e-12)
    rescaled = weight * torch.tensor([0.1, 7.0, 3.0, 2.0])[: shape[0]].view(
        -1, *[1] * (len(shape) - 1)
    )
    assert convolutional_similarity(rescaled, normalized=True).item() == pytest.approx(value.item())


def test_normalized_leaves_dead_kernels_out() -> None:
    weight = random(3, 2, 3)
    with_dead = torch.cat([weight, torch.zeros(2, 2, 3, dtype=weight.dtype)]).requires_grad_()
    value = convolutional_similarity(with_dead, normalized=True)
    torch.testing.assert_close(value, convolutional_similarity(weight, normalized=True))
    value.backward()
    assert torch.isfinite(with_dead.grad).all()


def test_homogeneous_of_degree_four() -> None:
    weight = random(4, 2, 3, 3)
    torch.testing.assert_close(
        convolutional_similarity(3 * weight), 81 * convolutional_similarity(weight)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision(dtype: torch.dtype) -> None:
    weight = (0.1 * random(16, 8, 3, 3)).to(dtype)
    value = convolutional_similarity(weight)
    assert value.dtype == dtype
    exact = convolutional_similarity(weight.double())
    assert abs(value.double() - exact) <= 2 * torch.finfo(dtype).eps * exact


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_equals_cpu() -> None:
    weight = random(16, 8, 3, 3)
    value = convolutional_similarity(weight.cuda())
    assert value.is_cuda
    torch.testing.assert_close(value.cpu(), convolutional_similarity(weight))


@pytest.mark.parametrize("normalized", [False, True])
def test_a_backward_pass_under_autocast_is_not_rounded(normalized: bool) -> None:
    weight = torch.randn(16, 4, 3, 3, requires_grad=True)
    matrix = similarity_matrix(weight)
    value = convolutional_similarity(weight, normalized=normalized)
    (exact,) = torch.autograd.grad(value, weight)
    with torch.autocast("cpu", torch.bfloat16):
        value = convolutional_similarity(weight, normalized=normalized)
        (gradient,) = torch.autograd.grad(value, weight)
        assert torch.equal(similarity_matrix(weight), matrix)
    assert torch.equal(gradient, exact)


def test_transforms_work_unchecked() -> None:
    weights = random(5, 3, 2, 4)
    batched = torch.func.vmap(lambda w: convolutional_similarity(w, check_finite=False))(weights)
    torch.testing.assert_close(batched, torch.stack([convolutional_similarity(w) for w in weights]))


# The identity, Equation 3, and its forms.


@pytest.mark.parametrize(("m", "n"), [((30,), (5,)), ((12, 9), (3, 4)), ((5, 6, 4), (2, 3, 2))])
def test_identity(m: tuple[int, ...], n: tuple[int, ...]) -> None:
    dims = len(m)
    x, k1, k2 = random(*m), random(*n), random(*n).flip(-1)
    f1, f2 = (cross_correlate(x, k, dims=dims) for k in (k1, k2))
    lags = cross_correlate(k1, k2, dims=dims)
    signal = scipy.signal.correlate(x.numpy(), x.numpy())
    centre = tuple(slice(mi - ni, mi + ni - 1) for mi, ni in zip(m, n, strict=True))
    right = (lags * torch.from_numpy(signal[centre].copy())).sum()
    torch.testing.assert_close(feature_map_similarity(f1, f2, dims=dims), right)


def test_identity_with_channels_against_a_double_loop() -> None:
    x, k1, k2 = random(3, 20), random(3, 4), random(3, 4).flip(0)
    f1, f2 = (cross_correlate(x, k).sum(0) for k in (k1, k2))
    total = 0.0
    for c1, c2 in itertools.product(range(3), repeat=2):
        for i, j in itertools.product(range(4), repeat=2):
            lag = i - j
            overlap = [x[c1, p] * x[c2, p - lag] for p in range(20) if 0 <= p - lag < 20]
            total += (k1[c1, i] * k2[c2, j] * sum(overlap)).item()
    assert feature_map_similarity(f1, f2).item() == pytest.approx(total, rel=1e-12)
    kernels = cross_correlate(k1[:, None], k2[None])
    signals = cross_correlate(x[:, None], x[None])[..., 20 - 4 : 20 + 3]
    assert (kernels * signals).sum().item() == pytest.approx(total, rel=1e-12)


def test_loss_bounds_the_feature_map_similarity() -> None:
    x, weight = random(40), random(2, 1, 5)
    f1, f2 = (cross_correlate(x, weight[i, 0]) for i in (0, 1))
    bound = convolutional_similarity(weight).sqrt() * autocorrelate(x, max_lag=4).norm()
    assert abs(feature_map_similarity(f1, f2)) <= bound


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (torch.ones(2, 3), "weight has shape (2, 3), 2 axes; expected at least 3"),
        (
            torch.ones(1, 1, 1, 1, 1, 1),
            "6 axes; expected 3 to 5, (S, C, *kernel_size) with one to three kernel axes",
        ),
        (torch.ones(2, 1, 3, dtype=torch.int32), "weight has dtype torch.int32; expected a float"),
        (torch.ones(0, 1, 3), "weight has shape (0, 1, 3) and no elements"),
        (torch.full((2, 1, 3), float("nan")), "weight of shape (2, 1, 3) has 6 NaN or infinite"),
    ],
)
@pytest.mark.parametrize("function", [convolutional_similarity, similarity_matrix])
def test_weight_errors(function, weight: torch.Tensor, text: str) -> None:
    with pytest.raises(ValueError) as error:
        function(weight)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("function", "names"), [(feature_map_similarity, "f1 f2"), (kernel_similarity, "k1 k2")]
)
def test_inner_product_errors(function, names: str) -> None:
    first, second = names.split()
    text = f"{first} has spatial size (3,) and {second} (4,); expected equal sizes on the last 1"
    with pytest.raises(ValueError) as error:
        function(torch.ones(3), torch.ones(4))
    assert text in str(error.value)
    with pytest.raises(ValueError, match=f"{second} has dtype torch.int64"):
        function(torch.ones(3), torch.arange(3))


def test_inner_products_broadcast() -> None:
    a, b = random(4, 1, 3, 5), random(2, 3, 5)
    expected = torch.einsum("aij,bij->ab", a[:, 0], b)
    torch.testing.assert_close(feature_map_similarity(a, b, dims=2), expected)
    torch.testing.assert_close(kernel_similarity(a, b, dims=2), expected)
