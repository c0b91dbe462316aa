"""Precision on a processor: bfloat16 with and without instructions for it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convsim.models import cnn1
from convsim.training import fit
from convsim.training.arithmetic import Rounded, autocast
from tests.tiny_networks import FEW, TEST, network

CPU = torch.device("cpu")


def gradients(model: nn.Module, *, rounded: bool | None) -> tuple[Tensor, list[Tensor]]:
    """Scores and gradients of a batch; rounded is None for float32."""
    torch.manual_seed(1)
    batch, labels = torch.randn(32, 3, 32, 32), torch.arange(32) % 10
    model.zero_grad()
    torch.manual_seed(2)  # dropout
    if rounded is None:
        scores = model(batch)
    elif rounded:
        with torch.autocast("cpu", torch.bfloat16), Rounded():
            scores = model(batch)
    else:
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(batch)
    cross_entropy(scores.float(), labels).backward()
    return scores.detach(), [p.grad for p in model.parameters() if p.grad is not None]


def apart(ours: list[Tensor], others: list[Tensor]) -> list[float]:
    pairs = zip(ours, others, strict=True)
    return [((a - b).norm() / b.norm()).item() for a, b in pairs]


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 8, 3), nn.Linear(5, 8)])
def test_one_layer_is_rounded_as_bfloat16_rounds_it(layer: nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        expected = layer(x)
        with Rounded():
            found = layer(x)
    assert found.dtype == expected.dtype == torch.bfloat16
    # Sums in another order: now and then the last of eight bits.
    torch.testing.assert_close(found, expected, rtol=2**-7, atol=1e-3)
    assert (found == expected).float().mean() > 0.98
    assert not torch.equal(found.float(), layer(x))


def test_a_step_is_that_of_bfloat16_and_not_of_float32() -> None:
    torch.manual_seed(0)
    model = cnn1()
    model(torch.randn(2, 3, 32, 32))  # what is made from the first batch
    (ours, ours_grad), (theirs, theirs_grad), (exact, exact_grad) = (
        gradients(model, rounded=rounded) for rounded in (True, False, None)
    )
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)
    assert (ours - exact).abs().max() > 2 * (ours - theirs).abs().max()
    for close, far in zip(
        apart(ours_grad, theirs_grad), apart(exact_grad, theirs_grad), strict=True
    ):
        assert close < 0.06
        assert close < far


@pytest.mark.parametrize("has", [True, False])
def test_the_processor_decides(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    call = Rounded.__torch_function__
    monkeypatch.setattr("convsim.training.arithmetic.computes_bfloat16", lambda: has)
    monkeypatch.setattr(
        Rounded, "__torch_function__", lambda *given: seen.append(given[1]) or call(*given)
    )
    with autocast(CPU, "float32"):
        assert nn.Conv2d(3, 8, 3)(torch.ones(1, 3, 4, 4)).dtype == torch.float32
    assert not seen
    with autocast(CPU, "bfloat16"):
        assert nn.Conv2d(3, 8, 3)(torch.ones(1, 3, 4, 4)).dtype == torch.bfloat16
    assert bool(seen) != has
    seen.clear()
    fit(network(), FEW, TEST, epochs=1, precision="bfloat16", progress=False)
    assert bool(seen) != has
