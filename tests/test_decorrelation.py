"""DeCov's penalty against NumPy's correlations, and what it does in a training."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convsim.training import fit, loop, terms
from convsim.training.checkpoint import save_checkpoint
from convsim.training.decorrelation import mean_squared_correlation, outputs_of
from convsim.training.history import Stopped
from tests.tiny_networks import FEW, TEST, TRAIN, assert_same_bits, network, tiny, untimed, weights

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape: int) -> Tensor:
    white = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return white.cumsum(1) + 5


def reference(maps: Tensor) -> float:
    """The mean square beside the diagonal of NumPy's correlation coefficients."""
    rows = maps.detach().double().transpose(0, 1).flatten(1).numpy()
    return float(np.square(np.corrcoef(rows))[~np.eye(len(rows), dtype=bool)].mean())


@pytest.mark.parametrize("shape", [(30, 4), (6, 5, 7), (4, 3, 5, 6), (2, 6, 3, 4, 5)])
def test_it_is_the_mean_square_of_numpys_correlations(shape: tuple[int, ...]) -> None:
    maps = noise(*shape)
    assert mean_squared_correlation(maps).item() == pytest.approx(reference(maps), rel=1e-4)
    # Whatever a map is multiplied by, and whatever is added to it.
    changed = maps * torch.linspace(-3, 2.5, shape[1]).view(-1, *[1] * (len(shape) - 2)) - 7
    assert mean_squared_correlation(changed).item() == pytest.approx(reference(maps), rel=1e-3)
    half = mean_squared_correlation(maps.bfloat16())
    assert half.dtype == torch.float32 and half.item() == pytest.approx(reference(maps), rel=0.1)


def test_it_lies_between_0_and_1() -> None:
    wave = torch.arange(8.0)
    alike = torch.stack([wave, -3 * wave + 1, 0.1 * wave])[None]
    assert mean_squared_correlation(alike).item() == pytest.approx(1, abs=1e-5)
    apart = torch.fft.fft(torch.eye(8)).real[1:4][None]  # cosines of three frequencies
    assert mean_squared_correlation(apart).item() == pytest.approx(0, abs=1e-10)
    assert mean_squared_correlation(noise(5, 1, 8)).item() == 0  # one map has no pair


@pytest.mark.parametrize("value", [0.0, 0.3, -100.1])
def test_a_constant_map_is_uncorrelated(value: float) -> None:
    maps = noise(6, 4, 289)
    expected = reference(maps[:, 1:]) * (3 * 2) / (4 * 3)
    maps[:, 0] = value
    maps.requires_grad_()
    found = mean_squared_correlation(maps)
    assert found.item() == pytest.approx(expected, rel=1e-4)
    found.backward()
    assert maps.grad is not None
    largest = maps.grad.abs().amax((0, 2))
    assert largest[1:].min() > 1e3 * largest[0]


def test_its_gradient_is_that_of_finite_differences() -> None:
    maps = noise(4, 3, 5).requires_grad_()
    mean_squared_correlation(maps).backward()
    assert maps.grad is not None
    step = 1e-5
    for index in ((0, 0, 0), (1, 2, 3), (3, 1, 4), (2, 0, 2)):
        values = []
        for sign in (1, -1):
            moved = maps.detach().double().clone()
            moved[index] += sign * step
            values.append(reference(moved))
        slope = (values[0] - values[1]) / (2 * step)
        assert maps.grad[index].item() == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_outputs_are_kept_while_they_are_asked_for() -> None:
    model = tiny()
    layers = [("0", model[0]), ("3", model[3])]
    with pytest.raises(KeyError), outputs_of(layers) as outputs:
        model(FEW.normalized(slice(0, 2)))
        shapes = [tuple(maps.shape) for maps in outputs]
        raise KeyError
    assert shapes == [(2, 4, 8, 8), (2, 5, 6, 6)]
    assert not any(module._forward_hooks for module in model.modules())


def by_hand(strength: float) -> nn.Sequential:
    """Two epochs of the tiny model with the penalty on every fourth image, by torch.corrcoef."""
    model = tiny()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for number in (1, 2):
        torch.manual_seed(number)  # seed 0
        order = torch.randperm(len(FEW))
        for start in range(0, len(FEW), 40):
            index = order[start : start + 40]
            first = model[0](FEW.normalized(index))
            second = model[3](model[2](model[1](first)))
            loss = cross_entropy(model[5](model[4](second)), FEW.labels[index])
            for maps in (first, second):
                matrix = torch.corrcoef(maps[::4].transpose(0, 1).flatten(1))
                above = torch.triu_indices(*matrix.shape, 1)
                loss = loss + strength * matrix[above[0], above[1]].square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_fit_is_sgd_on_the_sum(strength: float) -> None:
    ours, theirs = tiny(), by_hand(strength)
    options: dict[str, Any] = {"epochs": 2, "lr": 0.05, "batch_size": 40, "progress": False}
    fit(ours, FEW, TEST, decorrelation=strength, **options)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(
            value, theirs.state_dict()[name], rtol=1e-3, atol=1e-4, check_stride=False
        )
    if strength:  # and the comparison sees it
        assert (by_hand(0.0)[3].weight - theirs[3].weight).abs().max() > 1e-2


def test_correlations_end_lower_and_hooks_are_gone() -> None:
    found = []
    for strength in (0.0, 3.0):
        model = network(8)
        options: dict[str, Any] = {"epochs": 4, "lr": 0.02, "batch_size": 100, "progress": False}
        fit(model, TRAIN, TEST, decorrelation=strength, **options)
        layers = [(str(i), model.blocks[i][0]) for i in range(4)]
        with torch.no_grad(), outputs_of(layers) as outputs:
            model.train()(TEST.normalized(slice(None)))
            found.append([reference(maps) for maps in outputs])
        assert not any(module._forward_hooks for module in model.modules())
    assert sum(found[1]) < 0.5 * sum(found[0])
    assert all(low < high for high, low in zip(*found, strict=True))


def test_none_of_it_trains_to_the_same_bits_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"epochs": 2, "batch_size": 32, "lr": 0.05, "progress": False}
    ours, theirs = network(), network()
    history = fit(ours, FEW, TEST, decorrelation=0.0, **options)

    def never(_: Tensor) -> Tensor:
        raise AssertionError("a penalty of nothing is not computed")

    monkeypatch.setattr(terms, "mean_squared_correlation", never)
    assert untimed(fit(theirs, FEW, TEST, **options)) == untimed(history)
    assert_same_bits(ours, theirs)


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, after: int) -> None:
    options: dict[str, Any] = {"epochs": 2, "batch_size": 32, "lr": 0.05, "progress": False}
    options |= {"decorrelation": 2.0}
    whole, steps = network(), []
    history = fit(whole, FEW, TEST, on_step=steps.append, **options)
    assert steps == list(range(2 * 3 + 1))  # before the first, and after each
    path = tmp_path / "run.safetensors"
    made: list[int] = []
    with pytest.raises(Stopped):
        fit(
            *(network(), FEW, TEST),
            **(options | {"checkpoint": path, "on_step": made.append}),
            stop=lambda: made[-1] == after,
        )
    assert made == list(range(after + 1))
    again = network(seed=9)
    resumed: list[int] = []
    continued = fit(again, FEW, TEST, checkpoint=path, on_step=resumed.append, **options)
    assert resumed == list(range(after, 2 * 3 + 1))
    assert untimed(continued) == untimed(history)
    assert_same_bits(again, whole)
    with pytest.raises(ValueError, match=r"another run \(decorrelation 2.0, not 1.0\); expected"):
        fit(network(), FEW, TEST, checkpoint=path, **(options | {"decorrelation": 1.0}))
    finished: list[int] = []
    fit(network(), FEW, TEST, checkpoint=path, on_step=finished.append, **options)
    assert finished == [6]


def test_a_checkpoint_from_before_the_penalty_is_one_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"batch_size": 32, "progress": False}
    path = tmp_path / "old.safetensors"

    def as_before(path: Path, model: nn.Module, settings: dict[str, Any], *rest: Any) -> None:
        old = {key: value for key, value in settings.items() if key != "decorrelation"}
        save_checkpoint(path, model, old, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", as_before)
        first = fit(network(), FEW, TEST, epochs=1, checkpoint=path, **options)
    whole, continued = network(), network(seed=9)
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes(path.read_bytes())
    history = fit(continued, FEW, TEST, epochs=2, checkpoint=path, **options)
    assert replace(history[0], seconds=0.0) == replace(first[0], seconds=0.0)
    assert untimed(history) == untimed(fit(whole, FEW, TEST, epochs=2, **options))
    assert_same_bits(continued, whole)
    with pytest.raises(ValueError, match=r"another run \(decorrelation 0.0, not 0.5\)"):
        fit(deepcopy(whole), FEW, TEST, epochs=2, decorrelation=0.5, checkpoint=copied, **options)


def test_settings_out_of_range_change_nothing() -> None:
    model = network()
    before = weights(model)
    for value in (-0.5, float("nan"), "much"):
        with pytest.raises(ValueError, match=f"decorrelation is {value!r}; expected a finite num"):
            fit(model, FEW, TEST, decorrelation=value, progress=False)  # type: ignore[arg-type]
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())
