"""The two exact forms of the loss: against each other, against NumPy, and under torch's tools."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.similarity import GRID, peak_extra_bytes
from convsim import convolutional_similarity, power_spectrum, similarity_matrix
from convsim.spectrum import kernel_autocorrelations, others, sum_over_pairs

FORMS = ["gram", "fft"]


def random(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)


def numpy_similarity(weight: np.ndarray) -> tuple[float, np.ndarray]:
    """L_CS and its gradient through power spectra, in NumPy: no line shared with convsim."""
    axes = tuple(range(2, weight.ndim))
    size = [2 * n - 1 for n in weight.shape[2:]]
    transform = np.fft.fftn(weight, s=size, axes=axes)
    power = (np.abs(transform) ** 2).sum(axis=1)
    rest = power.sum(axis=0) - power
    gradient = np.fft.ifftn(2 * rest[:, None] * transform, axes=axes).real
    inside = (slice(None), slice(None), *(slice(n) for n in weight.shape[2:]))
    return (power * rest).sum() / 2 / np.prod(size), gradient[inside]


@pytest.mark.parametrize("shape", GRID)
def test_exact_at_every_shape_of_the_benchmark(shape: tuple[int, int, int]) -> None:
    s, c, n = shape
    weight = random(s, c, n, n).requires_grad_()
    value = convolutional_similarity(weight)
    value.backward()
    expected, gradient = numpy_similarity(weight.detach().numpy())
    assert value.item() == pytest.approx(expected, rel=1e-10)
    assert np.abs(weight.grad.numpy() - gradient).max() <= 1e-8 * np.abs(gradient).max()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "shape", [(3, 2, 1), (4, 3, 6), (2, 2, 40), (3, 2, 2, 3), (2, 3, 7, 6), (2, 2, 2, 3, 2)]
)
def test_both_forms_and_their_gradients(form: str, shape: tuple[int, ...]) -> None:
    weight = random(*shape).requires_grad_()
    value = sum_over_pairs(weight, form)
    (gradient,) = torch.autograd.grad(value, weight)
    expected, expected_gradient = numpy_similarity(weight.detach().numpy())
    assert value.item() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(
        gradient.numpy(), expected_gradient, atol=1e-11 * np.abs(expected_gradient).max()
    )


@pytest.mark.parametrize("form", FORMS)
def test_first_and_second_derivatives(form: str) -> None:
    weight = random(3, 2, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: kernel_autocorrelations(w, form), weight)
    assert torch.autograd.gradgradcheck(lambda w: kernel_autocorrelations(w, form), weight)
    assert torch.autograd.gradgradcheck(lambda w: sum_over_pairs(w, form), weight)


def test_many_taps_choose_the_transform_only_with_few_channels() -> None:
    def lag_0_position(channels: int) -> int:
        # The forms order the lags differently: lag 0 is the first of one, the middle of the other.
        return int(kernel_autocorrelations(random(1, channels, 11, 11)).argmax())

    assert lag_0_position(3) == 0
    assert lag_0_position(64) == 441 // 2


def test_a_small_row_beside_a_large_one_keeps_its_digits() -> None:
    for dtype, scale in ((torch.float32, 1e-9), (torch.float64, 1e-20)):
        rows = torch.tensor([[1.0, 2.0], [3.0 * scale, scale], [scale, scale]], dtype=dtype)
        expected = torch.tensor([4 * scale, 2 * scale], dtype=dtype)
        torch.testing.assert_close(others(rows)[0], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("form", FORMS)
def test_vmap_and_grad(form: str) -> None:
    weights = random(4, 3, 2, 3, 3)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return sum_over_pairs(weight, form)

    values = torch.func.vmap(loss)(weights)
    torch.testing.assert_close(values, torch.stack([loss(w) for w in weights]))
    gradients = torch.func.vmap(torch.func.grad(loss))(weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        _, expected = numpy_similarity(weight.numpy())
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(torch.func.grad(convolutional_similarity)(weights[0]), gradients[0])


@pytest.mark.parametrize("normalized", [False, True])
def test_compiles(normalized: bool) -> None:
    weight = random(8, 4, 3, 3, dtype=torch.float32).requires_grad_()
    compiled = torch.compile(
        lambda w: convolutional_similarity(w, normalized=normalized), fullgraph=True
    )
    value = compiled(weight)
    value.backward()
    gradient, weight.grad = weight.grad, None
    eager = convolutional_similarity(weight, normalized=normalized)
    eager.backward()
    torch.testing.assert_close(value, eager)
    torch.testing.assert_close(gradient, weight.grad)


def test_deterministic_to_the_last_bit() -> None:
    weight = random(64, 32, 3, 3, dtype=torch.float32).requires_grad_()
    runs = []
    for _ in range(3):
        (gradient,) = torch.autograd.grad(convolutional_similarity(weight), weight)
        runs.append(gradient)
    assert all(torch.equal(runs[0], run) for run in runs)


@pytest.mark.parametrize("axis", ["S", "C"])
def test_arithmetic_is_linear(axis: str) -> None:
    sizes, counts = (256, 512, 1024, 2560), []
    for size in sizes:
        s, c = (size, 8) if axis == "S" else (8, size)
        weight = torch.randn(s, c, 3, 3, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            convolutional_similarity(weight).backward()
        counts.append(counter.get_total_flops())
    slope = np.polyfit(np.log(sizes), np.log(counts), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "shape", [(64, 64, 3, 3), (128, 16, 5, 5), (16, 64, 7, 7), (64, 64, 11, 11), (64, 3, 11, 11)]
)
def test_memory_is_bounded(shape: tuple[int, ...]) -> None:
    weight = torch.randn(*shape, requires_grad=True)
    taps = weight.shape[2:].numel()
    gram = 4 * shape[0] * taps**2
    assert peak_extra_bytes(convolutional_similarity, weight) <= 3 * weight.nbytes + gram


def test_channels_last_weights() -> None:
    weight = random(6, 5, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    value = convolutional_similarity(weight)
    value.backward()
    expected, gradient = numpy_similarity(weight.detach().numpy())
    assert value.item() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(weight.grad.numpy(), gradient, rtol=1e-9)


def test_power_spectrum_is_the_squared_transform() -> None:
    weight = random(3, 2, 4)
    spectrum = power_spectrum(weight, size=16).numpy()
    expected = (np.abs(np.fft.fft(weight.numpy(), n=16)) ** 2).sum(axis=1)
    np.testing.assert_allclose(spectrum, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 2, 3, 2), (2, 1, 2, 2, 3)])
def test_overlap_of_spectra_is_the_similarity(shape: tuple[int, ...]) -> None:
    weight = random(*shape)
    spectra = power_spectrum(weight).flatten(1)
    overlap = spectra @ spectra.T / spectra.shape[1]
    torch.testing.assert_close(overlap, similarity_matrix(weight))


def test_power_spectrum_errors() -> None:
    with pytest.raises(
        ValueError, match="size is 3 and the kernel's size .4,.; expected at least 4"
    ):
        power_spectrum(random(2, 1, 4), size=3)
    with pytest.raises(ValueError, match="weight has dtype torch.int64; expected a floating-point"):
        power_spectrum(torch.ones(2, 1, 4, dtype=torch.long))


def test_a_first_use_in_inference_mode_leaves_gradients_alone() -> None:
    weight = random(3, 2, 13).requires_grad_()  # a kernel size that no other test has cached
    with torch.inference_mode():
        convolutional_similarity(weight)
    (gradient,) = torch.autograd.grad(convolutional_similarity(weight), weight, create_graph=True)
    gradient.square().sum().backward()
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-11, 1.0, 1e12, 1e30])
def test_the_normalized_form_is_scale_free_in_float32(scale: float) -> None:
    weight = random(5, 3, 3, 3).requires_grad_()
    expected = convolutional_similarity(weight, normalized=True)
    expected.backward()
    scaled = (scale * weight.detach()).float().requires_grad_()
    value = convolutional_similarity(scaled, normalized=True)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(scaled.grad.double() * scale, weight.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 5, 3, 3), (4, 3, 2, 5), (3, 2, 1, 1), (4, 1, 3, 3)])
def test_channels_last_weights_have_the_same_loss_and_gradient(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape, dtype=torch.float64).requires_grad_()
    last = weight.detach().clone(memory_format=torch.channels_last).requires_grad_()
    for normalized in (False, True):
        weight.grad = last.grad = None
        losses = [convolutional_similarity(w, normalized=normalized) for w in (weight, last)]
        for loss in losses:
            loss.backward()
        torch.testing.assert_close(losses[0], losses[1])
        torch.testing.assert_close(weight.grad, last.grad, rtol=1e-9, atol=1e-12)
    if shape[1] > 1:  # with one channel both formats are the same
        assert last.grad.stride() == last.stride()
    assert torch.autograd.gradcheck(convolutional_similarity, (last,))
    assert torch.autograd.gradgradcheck(convolutional_similarity, (last,))
