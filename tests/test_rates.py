"""Effective learning rates: closed forms, steps that are made, and epochs that are simulated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convsim.training.optimizers import OPTIMIZERS, SGDP
from convsim.training.rates import LEAST, effective_rate, norm_at_rate, norm_before

STEPS = 98  # of an epoch of CIFAR-10


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [("SGD", 0.03 / 4), ("momentum", 0.3 / 4), ("SGDP", 0.3 / 4), ("Adam", 0.03 / 2)],
)
def test_rates_by_their_formulas(optimizer: str, rate: float) -> None:
    assert effective_rate(optimizer, 0.03, 2.0) == pytest.approx(rate)
    assert norm_at_rate(optimizer, 0.03, rate) == pytest.approx(2.0)
    assert effective_rate(optimizer, 0.0, 2.0) == 0


MAKERS: dict[str, Any] = {
    "SGD": torch.optim.SGD,
    "momentum": lambda given, lr: torch.optim.SGD(given, lr=lr, momentum=0.9),
    "SGDP": lambda given, lr: SGDP(given, lr=lr, momentum=0.9),
    "Adam": torch.optim.Adam,
}


def turned(optimizer: str, lr: float, norm: float) -> float:
    """The angle by which a weight turns in 100 steps on a loss of its direction alone."""
    generator = torch.Generator().manual_seed(0)
    start, slope = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    weight = nn.Parameter((norm * start / start.norm())[None])
    maker = MAKERS[optimizer]([weight], lr=lr)
    for _ in range(100):
        maker.zero_grad()
        ((weight / weight.norm()) @ slope).sum().backward()
        maker.step()
    return math.acos(torch.cosine_similarity(weight[0].detach(), start, dim=0).item())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_of_one_rate_turn_alike_whatever_their_norm(optimizer: str) -> None:
    lr, rate = 1e-4, 1e-6
    norm = norm_at_rate(optimizer, lr, rate)
    angle = turned(optimizer, lr, norm)
    longer = norm_at_rate(optimizer, 7 * lr, rate)
    assert longer > 2 * norm
    assert turned(optimizer, 7 * lr, longer) == pytest.approx(angle, rel=0.01)
    # Twice the rate turns twice as far.
    assert turned(optimizer, lr, norm_at_rate(optimizer, lr, 2 * rate)) == pytest.approx(
        2 * angle, rel=0.03
    )


def test_momentum_makes_ten_steps_of_one() -> None:
    """All but the first steps, in which it gathers."""
    rate = 1e-6
    slow, quick = (turned(name, 1e-4, norm_at_rate(name, 1e-4, rate)) for name in ("SGD", "SGDP"))
    assert 0.88 * slow < quick < slow


def after_epoch(optimizer: str, norm: float, growth: float) -> float:
    """Steps as SGD makes them, of a gradient that falls as 1 / ‖w‖; Adam's have one length."""
    square = norm**2
    for _ in range(STEPS):
        square += growth if optimizer == "Adam" else growth / square
    return math.sqrt(square)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("growth", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("tried", [0.7, 1.0, 2.0])
def test_an_epoch_leads_from_the_norm_before_to_the_wanted_one(
    optimizer: str, growth: float, tried: float
) -> None:
    wanted = 1.5
    start = norm_before(optimizer, wanted, tried, after_epoch(optimizer, tried, growth))
    assert start < wanted
    assert after_epoch(optimizer, start, growth) == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_norm_that_an_epoch_passes_from_anywhere_has_the_shortest_start(optimizer: str) -> None:
    assert LEAST == 0.1
    assert norm_before(optimizer, 0.5, 1.0, 3.0) == pytest.approx(0.05)
    # And one that an epoch does not change is its own.
    assert norm_before(optimizer, 0.5, 3.0, 3.0) == pytest.approx(0.5)
    # A norm that an epoch lowers has a longer one.
    assert norm_before(optimizer, 0.5, 3.0, 2.9) > 0.5


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "a", None, True])
def test_what_is_no_rate_is_refused(value: Any) -> None:
    said = rf" is {value!r}; expected a finite number, 0 or more"
    with pytest.raises(ValueError, match=f"^lr{said}$"):
        effective_rate("SGD", value, 1.0)
    with pytest.raises(ValueError, match=f"^norm{said}$"):
        effective_rate("SGD", 0.1, value)
    with pytest.raises(ValueError, match=f"^lr{said}$"):
        norm_at_rate("SGD", value, 1.0)
    with pytest.raises(ValueError, match=f"^rate{said}$"):
        norm_at_rate("SGD", 0.1, value)


@pytest.mark.parametrize("nothing", [0, 0.0, np.float64(0)])
def test_no_weight_has_no_rate(nothing: float) -> None:
    said = r" is .*; expected a finite number above 0$"
    with pytest.raises(ValueError, match=f"^norm{said}"):
        effective_rate("Adam", 0.1, nothing)
    with pytest.raises(ValueError, match=f"^rate{said}"):
        norm_at_rate("Adam", 0.1, nothing)
    with pytest.raises(ValueError, match=f"^lr{said}"):
        norm_at_rate("Adam", nothing, 0.1)
