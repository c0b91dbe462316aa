"""Results that do not fit their dtype: computed in another way, or refused, but never NaN."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convsim import (
    autocorrelate,
    convolutional_similarity,
    cross_correlate,
    feature_map_similarity,
    kernel_similarity,
    model_similarity,
    power_spectrum,
    similarity_matrix,
)

Function = Callable[[Tensor], Tensor]
OF_A_WEIGHT = [convolutional_similarity, similarity_matrix, power_spectrum]


OF_SIGNALS: list[Function] = [
    lambda x: feature_map_similarity(x[0, 0], x[0, 0]),
    lambda x: kernel_similarity(x[0, 0], x[0, 0]),
    lambda x: cross_correlate(x[0, 0], x[0, 0]),
    lambda x: autocorrelate(x[0, 0]),
]


@pytest.mark.parametrize("function", OF_A_WEIGHT)
@pytest.mark.parametrize(
    ("dtype", "size", "fits"),
    [
        (torch.float32, 1e20, 1e5),
        (torch.float64, 1e160, 1e30),
        (torch.float16, 3e3, 1.0),
        (torch.bfloat16, 1e20, 1e5),
    ],
)
def test_a_finite_weight_gives_a_number_or_a_sentence(
    function: Function, dtype: torch.dtype, size: float, fits: float
) -> None:
    assert function(torch.full((2, 1, 3), fits, dtype=dtype)).isfinite().all()
    with pytest.raises(ValueError) as raised:
        function(torch.full((2, 1, 3), size, dtype=dtype))
    said = str(raised.value)
    assert f"overflows {dtype}, with numbers as large as" in said and "in weight; expected" in said
    assert said.endswith("call double()") == (dtype != torch.float64)


@pytest.mark.parametrize("function", OF_SIGNALS)
def test_finite_signals_give_a_number_or_a_sentence(function: Function) -> None:
    ones = torch.ones(2, 1, 3)
    torch.testing.assert_close(function(1e15 * ones), 1e30 * function(ones))
    with pytest.raises(ValueError, match=r"overflows torch.float32, with numbers as large as 3e"):
        function(3e38 * ones)


def test_products_that_cancel_have_their_value() -> None:
    f1, f2 = torch.tensor([1e30, 1e30]), torch.tensor([1e30, -1e30])
    assert feature_map_similarity(f1, f2).item() == 0
    assert math.isnan(feature_map_similarity(f1, f2, check_finite=False).item())


def test_large_and_small_kernels_have_a_loss_that_fits() -> None:
    """Fourth powers overflow and vanish on the way; the sum is 3 · 9 whatever c, for 1/c and c."""
    weight = torch.ones(2, 1, 3) * torch.tensor([1e15, 1e-15]).view(2, 1, 1)
    expected = convolutional_similarity(torch.ones(2, 1, 3)).item()
    weight = torch.stack([weight[0] * 1e10, weight[1] * 1e-10]).requires_grad_()
    loss = convolutional_similarity(weight)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, weight)
    # Homogeneous of degree 2 in each kernel: ⟨K, gradient⟩ = 2 L.
    assert (weight.double() * gradient.double()).sum((1, 2)).tolist() == pytest.approx(
        [2 * expected] * 2, rel=1e-5
    )
    assert convolutional_similarity(weight, check_finite=False).isfinite().logical_not()


def test_a_layer_that_overflows_is_named() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Conv1d(2, 2, 3))
    nn.init.constant_(model[1].weight, 1e20)
    with pytest.raises(ValueError, match="^layer '1': L_CS overflows torch.float32"):
        model_similarity(model)


def test_a_compiled_function_looks_at_no_value() -> None:
    compiled = torch.compile(convolutional_similarity, fullgraph=True, backend="eager")
    assert not compiled(torch.full((2, 1, 3), 1e20)).isfinite()
