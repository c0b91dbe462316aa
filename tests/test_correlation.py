"""Cross-correlation against SciPy, in every mode and dimension, and the texts of its errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from convsim import autocorrelate, cross_correlate

SIZES = [
    ((9,), (4,)),
    ((9,), (3,)),
    ((1,), (1,)),
    ((300,), (200,)),  # large enough for the FFT
    ((7, 6), (3, 2)),
    ((40, 38), (20, 21)),  # likewise
    ((4, 5, 6), (2, 3, 2)),
]


def random(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape) + len(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("signal", "kernel"), SIZES)
def test_equals_scipy(signal: tuple[int, ...], kernel: tuple[int, ...], mode: str) -> None:
    x, k = random(*signal), random(*kernel)
    ours = cross_correlate(x, k, mode=mode, dims=len(signal))
    theirs = scipy.signal.correlate(x.numpy(), k.numpy(), mode=mode, method="direct")
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-12 * max(scale, 1))


@pytest.mark.parametrize("mode", ["full", "same"])
def test_kernel_may_be_longer_than_the_signal(mode: str) -> None:
    x, k = random(5), random(9)
    theirs = scipy.signal.correlate(x.numpy(), k.numpy(), mode=mode)
    np.testing.assert_allclose(cross_correlate(x, k, mode=mode).numpy(), theirs, atol=1e-12)


def test_leading_axes_broadcast() -> None:
    x, k = random(5, 1, 20), random(3, 4)
    batched = cross_correlate(x, k)
    assert batched.shape == (5, 3, 23)
    for i in range(5):
        for j in range(3):
            torch.testing.assert_close(batched[i, j], cross_correlate(x[i, 0], k[j]))


@pytest.mark.parametrize("sizes", [((12,), (5,)), ((200,), (150,))])
def test_gradients(sizes: tuple[tuple[int], tuple[int]]) -> None:
    x, k = (random(*size).requires_grad_() for size in sizes)
    if sizes[0] == (12,):
        assert torch.autograd.gradcheck(lambda a, b: cross_correlate(a, b), (x, k))
    # d/dk Σ_n c[n] (x ⋆ k)[n] is the correlation written out as a double loop.
    c = random(sizes[0][0] + sizes[1][0] - 1)
    (c * cross_correlate(x, k)).sum().backward()
    n_taps = sizes[1][0]
    expected = [
        sum(
            c[n].item() * x[n + j - n_taps + 1].item()
            for n in range(len(c))
            if 0 <= n + j - n_taps + 1 < len(x)
        )
        for j in (0, 1, n_taps - 1)
    ]
    np.testing.assert_allclose(k.grad[[0, 1, n_taps - 1]].numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [((20,), (5,)), ((300,), (200,))])
def test_every_float_dtype_keeps_its_dtype(
    dtype: torch.dtype, sizes: tuple[tuple[int], tuple[int]]
) -> None:
    x, k = random(*sizes[0], dtype=dtype), random(*sizes[1], dtype=dtype)
    out = cross_correlate(x, k)
    assert out.dtype == dtype
    exact = cross_correlate(x.double(), k.double())
    tolerance = 8 * torch.finfo(dtype).eps * exact.abs().max()
    assert (out.double() - exact).abs().max() <= tolerance


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_equals_cpu() -> None:
    x, k = random(3, 30, 30), random(5, 5)
    gpu = cross_correlate(x.cuda(), k.cuda(), dims=2)
    assert gpu.is_cuda
    torch.testing.assert_close(gpu.cpu(), cross_correlate(x, k, dims=2))


@pytest.mark.parametrize("size", [(7,), (5, 6), (3, 4, 5), (150,), (14, 13)])
def test_autocorrelation_is_the_self_correlation(size: tuple[int, ...]) -> None:
    x = random(*size)
    full = scipy.signal.correlate(x.numpy(), x.numpy(), mode="full", method="direct")
    np.testing.assert_allclose(autocorrelate(x, dims=len(size)).numpy(), full, atol=1e-11)


def test_autocorrelation_up_to_a_lag() -> None:
    x = random(6, 7)
    full = autocorrelate(x, dims=2)
    torch.testing.assert_close(autocorrelate(x, max_lag=2, dims=2), full[3:8, 4:9])
    beyond = autocorrelate(x[0], max_lag=9)
    assert beyond.shape == (19,)
    assert beyond[:3].eq(0).all()
    torch.testing.assert_close(beyond[3:16], autocorrelate(x[0]))


ONES = torch.ones(4)
BAD = [
    ({"dims": 4}, "dims is 4; expected 1, 2 or 3 spatial axes"),
    ({"mode": "reflect"}, "mode is 'reflect'; expected one of 'full', 'same', 'valid'"),
    ({"x": [1.0, 2.0]}, "x is a list; expected a torch.Tensor: use torch.as_tensor(x)"),
    (
        {"x": torch.arange(4)},
        "x has dtype torch.int64; expected a floating-point dtype: call x.float() or x.double()",
    ),
    ({"kernel": torch.tensor(1.0)}, "kernel has shape (), 0 axes; expected at least 1"),
    ({"dims": 2}, "x has shape (4,), 1 axes; expected at least 2: add the missing axes"),
    ({"x": torch.ones(0)}, "x has shape (0,) and no elements; expected at least one"),
    (
        {"x": torch.tensor([1.0, float("nan"), float("inf")])},
        "x of shape (3,) has 2 NaN or infinite values; expected finite numbers: look for",
    ),
    (
        {"kernel": ONES.double()},
        "x is torch.float32 on cpu and kernel is torch.float64 on cpu; expected the same dtype "
        "and device: call kernel.to(x)",
    ),
    (
        {"x": torch.ones(2, 4), "kernel": torch.ones(3, 4)},
        "the leading axes (2,) of x and (3,) of kernel do not broadcast; expected equal sizes",
    ),
    (
        {"kernel": torch.ones(5), "mode": "valid"},
        "the kernel of spatial size (5,) is longer than the signal of spatial size (4,), so mode "
        "'valid' has no output; expected at most the signal's size on every axis: shorten",
    ),
]


@pytest.mark.parametrize(("arguments", "text"), BAD)
def test_error_texts(arguments: dict, text: str) -> None:
    with pytest.raises(ValueError) as error:
        cross_correlate(**{"x": ONES, "kernel": ONES} | arguments)
    assert text in str(error.value)


def test_negative_lag() -> None:
    with pytest.raises(ValueError, match="max_lag is -1; expected a whole number of lags"):
        autocorrelate(ONES, max_lag=-1)
