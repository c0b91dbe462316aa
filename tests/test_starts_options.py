"""What starts and floors refuse, one sentence each, and what a refusal leaves as it was."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsim import starts
from convsim.balance import balanced_bands
from convsim.bands import band_kernels, draw_frequencies, noise_kernels
from convsim.floor import sharpest_kernel, spectral_peak
from tests.test_bands import numpy_norms, seeded


def weight() -> Tensor:
    return torch.randn(4, 2, 5, 5, generator=seeded(0))


def network(*sizes: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Conv2d(2, 2, size) for size in sizes))


def states(model: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in model.state_dict().values()]


DRAWS: dict[str, Callable[[Any], Tensor]] = {
    "random_bands_": lambda g: starts.random_bands_(weight(), generator=g),
    "even_bands_": lambda g: starts.even_bands_(weight(), generator=g),
    "flat_bands_": lambda g: starts.flat_bands_(weight(), generator=g),
    "gabor_": lambda g: starts.gabor_(weight(), generator=g),
    "draw_frequencies": lambda g: draw_frequencies(3, 2, generator=g),
    "band_kernels": lambda g: band_kernels(weight(), torch.ones(1, 2), generator=g),
    "noise_kernels": lambda g: noise_kernels(weight(), (0.0, 0.5), generator=g),
    "balanced_bands": lambda g: balanced_bands(weight(), generator=g),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize(
    ("generator", "seed"), [(0, 0), (5, 5), (False, 0), ("cpu", 0), (np.random.default_rng(1), 0)]
)
def test_what_is_no_generator_is_never_ignored(
    draw: Callable[[Any], Tensor], generator: Any, seed: int
) -> None:
    said = (
        f"generator is {generator!r}; expected a torch.Generator: pass "
        f"torch.Generator().manual_seed({seed})"
    )
    with pytest.raises(ValueError, match=re.escape(said)):
        draw(generator)


@pytest.mark.parametrize(
    "between", [0.5, None, ("a", "b"), "ab", (0.5,), (0, 0.5, 1), (0, None), {0: 0, 1: 1}]
)
def test_between_is_two_shares(between: Any) -> None:
    for call in (
        lambda: starts.random_bands_(weight(), between=between),
        lambda: starts.expected_similarity([3], between=between),
        lambda: noise_kernels(weight(), between, generator=seeded(0)),
    ):
        with pytest.raises(ValueError, match=re.escape(f"between is {between!r}; expected two sh")):
            call()


@pytest.mark.parametrize("window", ["a", None, True, -1, math.nan, [0.2]])
def test_a_window_is_a_number(window: Any) -> None:
    said = f"window is {window!r}; expected a finite share of the size, above 0"
    with pytest.raises(ValueError, match=re.escape(said)):
        starts.gabor_(weight(), window=window)


@pytest.mark.parametrize(
    "function",
    [starts.expected_similarity, sharpest_kernel, spectral_peak],
    ids=lambda f: f.__name__,
)
def test_a_kernel_size_is_a_list(function: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match=r"^kernel_size is 3; expected .*: pass \[3, 3\]"):
        function(3)
    with pytest.raises(ValueError, match="^an entry of kernel_size is '3'; expected a whole"):
        function("33")
    np.testing.assert_array_equal(function(size for size in (3, 3)), function([3, 3]))


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (["even"], {}, r"start is 'even'; expected a function of a weight: pass one of convsim"),
        (
            [starts.gabor_],
            {"wdth": 1},
            r"gabor_ does not take the options \['wdth'\] \(.*'wdth'\); expected some of \['window",
        ),
        ([nn.init.orthogonal_], {"width": 1}, r"orthogonal_ does not take .* \['gain', 'gen"),
        ([], {"layers": "0"}, r"layers is '0'; expected a list of names: pass \[\"0\"\]"),
        ([], {"layers": 3}, r"layers is 3; expected a list of names: pass \[\"conv1\"\]"),
        ([], {"layers": ["0", 1]}, "layers has 1, which is no convolution of the model; expected"),
        ([], {"layers": [["0"]]}, r"layers has \['0'\], which is no convolution of the model"),
        ([], {"generator": 0}, "layer '0': generator is 0; expected a torch.Generator"),
    ],
)
def test_what_apply_refuses(arguments: list[Any], options: dict[str, Any], said: str) -> None:
    model = network(5, 5)
    before = states(model)
    with pytest.raises(ValueError, match=f"^{said}"):
        starts.apply_(model, *arguments, **options)
    assert all(map(torch.equal, states(model), before))


def test_a_start_that_is_written_in_c_says_itself_what_it_takes() -> None:
    filled = starts.apply_(network(3), torch.detach_)
    assert filled[0].weight.shape == (2, 2, 3, 3)


def test_names_from_a_generator_are_read_once_and_count() -> None:
    found = starts.apply_(network(3, 3, 3), layers=(n for n in "20"), generator=seeded(0))
    expected = starts.apply_(network(3, 3, 3), layers=["0", "2"], generator=seeded(0))
    assert all(map(torch.equal, states(found), states(expected)))
    same = list(map(torch.equal, states(found), states(network(3, 3, 3))))
    assert same == [False, True, True, True, False, True]  # weights and biases


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_half_way_changes_nothing(error: BaseException) -> None:
    model = network(7, 3)
    before = states(model)
    with pytest.raises(ValueError, match=r"^layer '1': the kernels' size is \(3, 3\)"):
        starts.apply_(model, starts.gabor_)
    assert all(map(torch.equal, states(model), before))

    def stop(weight: Tensor) -> Tensor:
        nn.init.zeros_(weight)
        if weight.shape[-1] == 3:
            raise error
        return weight

    with pytest.raises(type(error)):
        starts.apply_(model, stop)
    assert all(map(torch.equal, states(model), before))


def test_a_lazy_layer_is_named() -> None:
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.LazyConv2d(2, 3))
    before = model[0].weight.detach().clone()
    with pytest.raises(ValueError, match="^layer '1': weight holds no numbers yet; expected an in"):
        starts.apply_(model)
    assert torch.equal(model[0].weight, before)
    starts.apply_(model, layers=["0"])
    assert not torch.equal(model[0].weight, before)


def test_an_expanded_tensor_has_no_place_for_each_element() -> None:
    expanded = torch.ones(4, 2, 1, 1).expand(4, 2, 5, 5)
    said = (
        r"weight of shape \(4, 2, 5, 5\) is an expanded tensor, .*: call .*weight.clone\(\) first"
    )
    for start in (starts.random_bands_, starts.even_bands_, starts.flat_bands_, starts.gabor_):
        with pytest.raises(ValueError, match=f"^{said}"):
            start(expanded)
        assert start(expanded.clone(), generator=seeded(0)).isfinite().all()
    model = network(5)
    model[0].weight = nn.Parameter(model[0].weight[:1].detach().expand(2, 2, 5, 5))
    with pytest.raises(ValueError, match=r"^layer '0': weight of shape .* is an expanded tensor"):
        starts.apply_(model)


@pytest.mark.parametrize("size", [(8, 8), (8, 7), (6,)])
@pytest.mark.parametrize("window", [0.002, 1e-5, 1e-200])
def test_a_narrow_window_leaves_the_middle_of_an_even_kernel(
    size: tuple[int, ...], window: float
) -> None:
    like = torch.randn(4, 2, *size, dtype=torch.float64, generator=seeded(0))
    norms = numpy_norms(like)
    found = starts.gabor_(like, window=window, generator=seeded(1))
    np.testing.assert_allclose(numpy_norms(found), norms, rtol=1e-12)
    middle = found[(..., *(slice((n - 1) // 2, n // 2 + 1) for n in size))]
    np.testing.assert_allclose(numpy_norms(middle), norms, rtol=1e-12)
    # As far as the window goes, it is the one that a slightly wider one tends to.
    wider = starts.gabor_(like.clone(), window=0.02, generator=seeded(1))
    np.testing.assert_allclose(found, wider, atol=1e-3)
