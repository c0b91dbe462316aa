"""How the layers of a network are named, called and run, while their maps are made orthogonal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
import torch
from torch import Tensor, nn

from convsim.whitening import input_autocorrelations, orthogonalize_maps
from tests.test_whitening import images

pytestmark = pytest.mark.usefixtures("one_thread")


class ByKeyword(nn.Module):
    """Calls its layers by keyword, or as usual; and not too fast for another thread."""

    def __init__(self, *, named: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv1d(3, 4, 3), nn.Conv1d(4, 4, 3)
        self.named = named

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = layer(input=x) if self.named else layer(x)
            sleep(0.02)
        return x


def test_layers_can_be_called_by_keyword() -> None:
    batch = images(40, 3, 12)
    found, expected = (
        orthogonalize_maps(ByKeyword(named=named), batch).state_dict() for named in (True, False)
    )
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert not torch.equal(found["second.weight"], ByKeyword().second.weight)


def test_names_from_a_generator_are_read_once_and_count() -> None:
    batch = images(40, 3, 12)
    found = orthogonalize_maps(ByKeyword(), batch, layers=(name for name in ["second"]))
    expected = orthogonalize_maps(ByKeyword(), batch, layers=["second"])
    assert torch.equal(found.second.weight, expected.second.weight)
    assert not torch.equal(found.second.weight, ByKeyword().second.weight)
    assert torch.equal(found.first.weight, ByKeyword().first.weight)
    with pytest.raises(
        ValueError, match=r"layers is 'first'; .* list of names: pass \[\"first\"\]"
    ):
        orthogonalize_maps(ByKeyword(), batch, layers="first")


def test_a_lazy_layer_is_named() -> None:
    model = nn.Sequential(nn.Conv1d(3, 4, 3), nn.LazyConv1d(4, 3))
    with pytest.raises(ValueError, match="^layer '1': weight holds no numbers yet; expected an in"):
        orthogonalize_maps(model, images(40, 3, 12))


def test_an_expanded_weight_is_named() -> None:
    model = nn.Sequential(nn.Conv1d(3, 4, 3))
    model[0].weight = nn.Parameter(torch.ones(1, 3, 3).expand(4, 3, 3))
    with pytest.raises(ValueError, match="^layer '0': weight of shape .* is an expanded tensor"):
        orthogonalize_maps(model, images(40, 3, 12))


def test_threads_take_turns() -> None:
    model, batches = ByKeyword(), [images(20, 3, 12), 5 - images(40, 3, 12)]
    expected = [input_autocorrelations(model, batch) for batch in batches]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda batch: input_autocorrelations(model, batch), batches))
    for ours, theirs in zip(found, expected, strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert model.training and not model.first._forward_pre_hooks
