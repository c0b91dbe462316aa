"""What does not depend on size: normalised similarity and unit vectors; and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsim import (
    convolutional_similarity,
    feature_map_similarity,
    kernel_similarity,
    model_similarity,
    similarity_matrix,
)
from convsim.layers import convolutional_layers
from convsim.similarity import unit


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("scale", [1e-35, 1e-20, 1.0, 1e20, 1e35])
def test_vectors_of_any_size_come_to_norm_1(scale: float) -> None:
    vectors = random(3, 4, 5).float()
    vectors[1, 2] = 0
    found = unit(scale * vectors)
    expected = vectors / vectors.norm(dim=-1, keepdim=True).where(vectors.any(-1, True), 1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert found[1, 2].eq(0).all()
    torch.testing.assert_close(unit(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(unit(torch.tensor([[-2.0]])), torch.tensor([[-1.0]]))


@pytest.mark.parametrize("sizes", [(1.0, 1.0, 1.0), (1e-15, 1.0, 1e15), (1e-30, 1e-30, 1e-30)])
def test_the_normalised_form_sees_kernels_of_any_size(sizes: tuple[float, ...]) -> None:
    weight = random(3, 2, 3, 3).float()
    value = convolutional_similarity(weight, normalized=True)
    resized = weight * torch.tensor(sizes).view(3, 1, 1, 1)
    torch.testing.assert_close(convolutional_similarity(resized, normalized=True), value)


def test_kernels_of_one_tap_are_wholly_similar() -> None:
    """Wherever the tap stands: their autocorrelations are one number at lag 0."""
    weight = torch.eye(3)[:, None] * torch.tensor([1.0, 0.5, 2.0]).view(3, 1, 1)
    assert convolutional_similarity(weight, normalized=True).item() == 1.0
    assert convolutional_similarity(weight).item() == pytest.approx(0.25 + 4 + 1)


def test_a_pair_counts_whole_and_dead_kernels_not_at_all() -> None:
    pair = torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]])
    expected = 1 / 3  # ⟨(1, 2, 1), (-1, 2, -1)⟩ over their norms: 2 / 6
    assert convolutional_similarity(pair, normalized=True).item() == pytest.approx(expected)
    dead = torch.cat([pair, torch.zeros(3, 1, 2)])
    assert convolutional_similarity(dead, normalized=True).item() == pytest.approx(expected)
    for weight in (dead[2:], dead[1:3]):
        assert convolutional_similarity(weight, normalized=True).item() == 0


@pytest.mark.parametrize("function", [feature_map_similarity, kernel_similarity])
@pytest.mark.parametrize("place", [0, 1])
def test_nan_is_refused_unless_that_is_switched_off(function, place: int) -> None:
    arguments = [torch.ones(3), torch.ones(3)]
    arguments[place] = torch.tensor([1.0, float("nan"), 1.0])
    with pytest.raises(ValueError, match=r"of shape \(3,\) has 1 NaN or infinite"):
        function(*arguments)
    assert function(*arguments, check_finite=False).isnan()


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [(feature_map_similarity, "f1", "f2"), (kernel_similarity, "k1", "k2")],
)
def test_refusals_name_both_arguments(function, first: str, second: str) -> None:
    with pytest.raises(ValueError, match=f"^{first} has dtype torch.int64"):
        function(torch.arange(3), torch.ones(3))
    with pytest.raises(ValueError, match=f"^{first} is torch.float64 on cpu and {second} is torch"):
        function(torch.ones(3).double(), torch.ones(3))
    with pytest.raises(ValueError, match=rf"axes \(2,\) of {first} and \(3,\) of {second} do not"):
        function(torch.ones(2, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match=rf"^{second} has shape \(3,\), 1 axes; expected at least"):
        function(torch.ones(3, 3), torch.ones(3), dims=2)
    with pytest.raises(ValueError, match="dims is 4; expected 1, 2 or 3"):
        function(torch.ones(3), torch.ones(3), dims=4)


@pytest.mark.parametrize("function", [convolutional_similarity, similarity_matrix])
def test_infinite_weights_pass_unchecked_and_are_named_checked(function) -> None:
    weight = torch.ones(2, 1, 3)
    weight[0, 0, 0] = float("inf")
    assert not torch.isfinite(function(weight, check_finite=False)).all()
    with pytest.raises(ValueError, match="weight of shape .* has 1 NaN or infinite values"):
        function(weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_results_have_the_weights_dtype(dtype: torch.dtype) -> None:
    weight = (0.1 * random(3, 2, 3)).to(dtype)
    assert similarity_matrix(weight).dtype == dtype
    for normalized in (True, False):
        assert convolutional_similarity(weight, normalized=normalized).dtype == dtype


def test_layers_of_several_dtypes_are_added_in_the_first_ones() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 3).double(), nn.Conv1d(2, 2, 3).half())
    total = model_similarity(model)
    assert total.dtype == torch.float64
    expected = sum(convolutional_similarity(layer.weight).item() for layer in model)
    assert total.item() == pytest.approx(expected, rel=1e-6)


def test_layers_are_found_by_name_each_once_and_in_order() -> None:
    shared = nn.Conv2d(1, 1, 1)
    model = nn.Sequential(nn.Conv3d(1, 1, 1), nn.Sequential(shared, nn.ReLU()), shared)
    assert [name for name, _ in convolutional_layers(model)] == ["0", "1.0"]
    assert convolutional_layers(model)[1][1] is shared
    with pytest.raises(ValueError, match="at least one: pass the part of the network that holds"):
        convolutional_layers(nn.ReLU())
