"""Network Deconvolution: roots against SciPy, patches by unfold, and trainings that go on."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power
from torch import Tensor, nn
from torch.nn.functional import conv2d, unfold

from convsim.layers import convolutional_layers
from convsim.training import fit
from convsim.training.deconvolution import (
    EPS,
    Deconvolution,
    deconvolve,
    folded,
    inverse_root,
)
from convsim.training.history import Stopped
from tests.tiny_networks import FEW, TEST, assert_same_bits, network, untimed

pytestmark = pytest.mark.usefixtures("one_thread")


def covariance(size: int, smallest: float) -> np.ndarray:
    generator = np.random.default_rng(0)
    turn, _ = np.linalg.qr(generator.standard_normal((size, size)))
    return turn @ np.diag(np.linspace(smallest, 1.0, size)) @ turn.T


def images(count: int = 40) -> Tensor:
    """Noise that is a little correlated, with a mean."""
    white = torch.randn(count, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return white + 0.4 * white.roll(1, 3) + 0.3 * white.roll(1, 1) + 2


def layer(**options: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, 6, 2, **options)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 300.0])
def test_the_inverse_root_is_scipys_for_a_good_condition(scale: float) -> None:
    sigma = scale * covariance(8, 0.5)
    expected = fractional_matrix_power(sigma + EPS * np.eye(8), -0.5)
    found = inverse_root(torch.tensor(sigma))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_weak_directions_are_not_quite_whitened() -> None:
    sigma = covariance(8, 1e-4)
    root = inverse_root(torch.tensor(sigma)).numpy()
    white = np.linalg.eigvalsh(root @ sigma @ root)
    assert white.min() < 0.5 and 0.9 < white.max() < 1.001


def test_maps_in_training_are_whitened_patches() -> None:
    plain = layer(bias=False)
    with torch.no_grad():
        plain.weight.copy_(torch.linalg.qr(plain.weight.flatten(1).T)[0].T.reshape(6, 3, 2, 2))
    maps = Deconvolution(plain).train()(images())
    rows = maps.detach().transpose(0, 1).flatten(1).double().numpy()
    np.testing.assert_allclose(np.cov(rows), np.eye(6), atol=0.03)
    before = plain(images()).detach().transpose(0, 1).flatten(1).double().numpy()
    assert np.abs(np.cov(before) - np.eye(6)).max() > 0.3


@pytest.mark.parametrize(
    "options", [{}, {"padding": 1, "stride": 2}, {"dilation": 2, "bias": False}]
)
def test_the_kernels_are_those_of_the_batchs_covariance(options: dict[str, Any]) -> None:
    batch, plain = images(), layer(**options)
    space = {key: value for key, value in options.items() if key != "bias"}
    rows = unfold(batch, 2, **space).transpose(1, 2).flatten(0, 1).double().numpy()
    root = inverse_root(torch.from_numpy(np.cov(rows.T, bias=True))).float()
    kernels = (plain.weight.detach().flatten(1) @ root).view_as(plain.weight)
    found = Deconvolution(plain).train()(batch)
    expected = conv2d(batch, kernels, plain.bias, **space)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_evaluation_uses_the_running_mean_of_the_inverse_roots() -> None:
    deconvolution = Deconvolution(layer()).train()
    expected = torch.eye(12)
    for batch in (images(), 3 * images(), images() / 2):
        rows = unfold(batch, 2).transpose(1, 2).flatten(0, 1).double().numpy()
        root = inverse_root(torch.from_numpy(np.cov(rows.T, bias=True))).float()
        expected = 0.9 * expected + 0.1 * root
        deconvolution(batch)
    torch.testing.assert_close(deconvolution.whitening, expected, rtol=1e-3, atol=1e-3)
    before = deconvolution.whitening.clone()
    kernels = (deconvolution.convolution.weight.flatten(1) @ before).view(6, 3, 2, 2)
    found = deconvolution.eval()(images())
    torch.testing.assert_close(found, conv2d(images(), kernels, deconvolution.convolution.bias))
    assert torch.equal(deconvolution.whitening, before)


def test_the_gradient_is_that_of_a_constant_root() -> None:
    deconvolution = Deconvolution(layer(bias=False)).train()
    batch = images().requires_grad_()
    output = deconvolution(batch)
    output.square().sum().backward()
    rows = unfold(batch.detach(), 2).transpose(1, 2).flatten(0, 1).double().numpy()
    root = inverse_root(torch.from_numpy(np.cov(rows.T, bias=True))).float()
    weight = deconvolution.convolution.weight.detach().clone().requires_grad_()
    again = images().requires_grad_()
    conv2d(again, (weight.flatten(1) @ root).view_as(weight)).square().sum().backward()
    for ours, theirs in ((deconvolution.convolution.weight, weight), (batch, again)):
        assert ours.grad is not None and theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-2, atol=1e-2)


def deconvolved(width: int = 4, seed: int = 0) -> nn.Module:
    model = network(width, seed)
    deconvolve(model, FEW.normalized(slice(0, 64)))
    return model


def test_a_network_has_seen_its_images_and_folds_to_plain_layers() -> None:
    model = deconvolved().eval()
    start = network()
    assert [name for name, _ in convolutional_layers(model)] == [
        f"{name}.convolution" for name, _ in convolutional_layers(start)
    ]
    first = model.get_submodule("blocks.0.0")
    assert isinstance(first, Deconvolution)
    padded = nn.functional.pad(FEW.normalized(slice(0, 64)), (2, 2, 2, 2))
    rows = unfold(padded, 3).transpose(1, 2).flatten(0, 1).double()
    assert rows.shape[0] > 8192  # of which some are looked at
    sigma = torch.from_numpy(np.cov(rows.numpy().T, bias=True))
    root = inverse_root(sigma).float()
    assert (first.whitening - root).norm() < 0.3 * root.norm()
    plain = folded(model)
    assert {type(x) for _, x in convolutional_layers(plain)} == {
        type(x) for _, x in convolutional_layers(start)
    }
    assert [name for name, _ in convolutional_layers(plain)] == [
        name for name, _ in convolutional_layers(start)
    ]
    batch = TEST.normalized(slice(0, 20))
    with torch.no_grad():
        scores = model(batch)
        torch.testing.assert_close(plain(batch), scores, rtol=1e-5, atol=1e-5)
        assert (start.eval()(batch) - scores).abs().max() > 0.01
    assert isinstance(model.get_submodule("blocks.0.0"), Deconvolution)  # a copy was folded
    assert folded(start) is start


@pytest.mark.parametrize("training", [True, False])
def test_putting_it_in_leaves_the_mode_as_it_was(training: bool) -> None:
    model = network().train(training)
    deconvolve(model, FEW.normalized(slice(0, 64)))
    assert all(module.training is training for module in model.modules())


def test_groups_and_a_bare_layer_are_refused() -> None:
    with pytest.raises(ValueError, match="the convolution has 3 groups; expected 1: whiten the"):
        Deconvolution(nn.Conv2d(3, 6, 3, groups=3))
    with pytest.raises(ValueError, match="model is a convolution; expected a network: wrap it in"):
        deconvolve(layer(), images())
    with pytest.raises(ValueError, match="ReLU has no Conv1d, Conv2d or Conv3d layer; expected"):
        deconvolve(nn.ReLU(), images())
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, groups=2))
    with pytest.raises(ValueError, match="the convolution has 2 groups"):
        deconvolve(model, images())
    assert isinstance(model[0], nn.Conv2d)  # nothing is half done
    normed = nn.Sequential(nn.Conv2d(3, 6, 3), nn.utils.parametrizations.weight_norm(layer()))
    with pytest.raises(
        ValueError, match="layer '1' computes its weight from other tensors; expected"
    ):
        deconvolve(normed, images())


@pytest.mark.parametrize("after", [2, 4])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, after: int, precision: str) -> None:
    options: dict[str, Any] = {"epochs": 2, "batch_size": 32, "lr": 0.05, "progress": False}
    options |= {"precision": precision}
    whole = deconvolved()
    start = deepcopy(whole)
    history = fit(whole, FEW, TEST, **options)
    path, steps = tmp_path / "run.safetensors", iter(range(1, 100))
    with pytest.raises(Stopped):
        fit(start, FEW, TEST, checkpoint=path, stop=lambda: next(steps) == after, **options)
    again = deconvolved(seed=9)
    assert untimed(fit(again, FEW, TEST, checkpoint=path, **options)) == untimed(history)
    assert_same_bits(again, whole)
    whitenings = [value for name, value in whole.state_dict().items() if "whitening" in name]
    assert [value.dtype for value in whitenings] == [torch.float32] * 4


def test_a_state_dict_carries_the_running_mean() -> None:
    model, other = deconvolved().eval(), deconvolved(seed=9).eval()
    other.load_state_dict(model.state_dict())
    batch = TEST.normalized(slice(0, 20))
    assert torch.equal(other(batch), model(batch))
