"""Feature maps made orthogonal in whole networks, seen by plain passes; and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from convsim import redundancy_report
from convsim.layers import convolutional_layers
from convsim.models import ShallowCNN
from convsim.patches import expected_gram
from convsim.whitening import input_autocorrelations, orthogonalize_maps

pytestmark = pytest.mark.usefixtures("one_thread")


def images(*shape: int) -> Tensor:
    """Smooth images with a mean, all channels different."""
    generator = torch.Generator().manual_seed(1)
    white = torch.randn(shape, generator=generator)
    return (white.cumsum(-1) + white.cumsum(2)) / 4 + 0.3


def shallow() -> tuple[nn.Module, Tensor]:
    return ShallowCNN(16), images(40, 3, 32, 32)


def residual() -> tuple[nn.Module, Tensor]:
    model = resnet18(num_classes=10)
    model.layer3 = model.layer4 = nn.Identity()  # 4,608 taps take a minute
    model.fc = nn.Linear(128, 10)
    return model, images(12, 3, 64, 64)


def line() -> tuple[nn.Module, Tensor]:
    first = nn.Conv1d(2, 6, 5, stride=2, padding=2, padding_mode="circular")
    second = nn.Conv1d(6, 8, 3, groups=2, padding="same", padding_mode="reflect")
    return nn.Sequential(first, nn.BatchNorm1d(6), nn.ReLU(), second), images(50, 2, 40)


def volume() -> tuple[nn.Module, Tensor]:
    first, second = nn.Conv3d(1, 4, 2, dilation=2), nn.Conv3d(4, 5, (1, 2, 2), bias=False)
    return nn.Sequential(first, nn.ReLU(), nn.Dropout(), second), images(30, 1, 8, 8, 8)


NETWORKS = {"shallow": shallow, "line": line, "volume": volume}


def make(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return {**NETWORKS, "residual": residual}[name]()


def outputs(model: nn.Module, batch: Tensor) -> dict[str, np.ndarray]:
    """Every layer's maps as rows, with statistics of the batch and without dropout."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            found[name] = output.detach().double().transpose(0, 1).flatten(1).numpy().copy()

        return hook

    for module in model.modules():
        module.train(isinstance(module, nn.modules.batchnorm._BatchNorm))
    handles = [x.register_forward_hook(keep(name)) for name, x in convolutional_layers(model)]
    model(batch)
    for handle in handles:
        handle.remove()
    return found


def correlations(rows: np.ndarray, groups: int) -> np.ndarray:
    """|correlation| of the pairs of maps of the same group."""
    found = np.abs(np.corrcoef(rows))
    size = len(rows) // groups
    pairs = [(i, j) for i in range(len(rows)) for j in range(i) if i // size == j // size]
    return np.array([found[pair] for pair in pairs])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_has_uncorrelated_maps(name: str) -> None:
    model, batch = make(name)
    start = {name: layer.weight.detach().clone() for name, layer in convolutional_layers(model)}
    before = outputs(model, batch)
    assert orthogonalize_maps(model, batch) is model
    after = outputs(model, batch)
    for key, layer in convolutional_layers(model):
        assert correlations(before[key], layer.groups).max() > 0.1
        assert correlations(after[key], layer.groups).max() < 2e-3
        norms = layer.weight.detach().flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, start[key].flatten(1).norm(dim=1), rtol=1e-5, atol=0)


def test_a_residual_network_too_where_its_input_has_directions_enough() -> None:
    model, batch = make("residual")
    before = outputs(model, batch)
    orthogonalize_maps(model, batch)
    after = outputs(model, batch)
    for key in before:
        was, now = (correlations(found[key], 1) for found in (before, after))
        # The shortcut has 128 kernels of 64 taps: a tight frame.
        assert now.max() < 5e-3 or key == "layer2.0.downsample.0"
        assert np.square(now).mean() < 0.5 * np.square(was).mean()


def test_without_centring_the_maps_are_orthogonal_with_their_means() -> None:
    model, batch = make("volume")
    orthogonalize_maps(model, batch, centered=False)
    for key, rows in outputs(model, batch).items():
        bias = dict(convolutional_layers(model))[key].bias
        raw = rows if bias is None else rows - bias.detach().double().numpy()[:, None]
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        gram = np.abs(unit @ unit.T)[np.triu_indices(len(raw), 1)]
        assert gram.max() < 1e-4 < 0.05 < correlations(rows, 1).max()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("training", [True, False])
def test_everything_else_is_left_to_the_bit(name: str, training: bool) -> None:
    model, batch = make(name)
    model.train(training)
    next(model.children()).train(not training)  # modes need not be alike
    next(model.parameters()).requires_grad_(False)
    modes = [module.training for module in model.modules()]
    asking = [parameter.requires_grad for parameter in model.parameters()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    changed = {f"{key}.weight" for key, _ in convolutional_layers(model)}
    torch.manual_seed(5)
    random = torch.get_rng_state()
    input_autocorrelations(model, batch)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    orthogonalize_maps(model, batch)
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]) == (key not in changed), key
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == asking
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_only_the_layers_that_are_named_are_changed() -> None:
    (model, batch), (start, _) = make("shallow"), make("shallow")
    orthogonalize_maps(model, batch, layers=["blocks.2.0"])
    same = [
        torch.equal(ours.weight, theirs.weight)
        for (_, ours), (_, theirs) in zip(*map(convolutional_layers, (model, start)), strict=True)
    ]
    assert same == [True, True, False, True]
    assert correlations(outputs(model, batch)["blocks.2.0"], 1).max() < 2e-3


class Twice(nn.Module):
    """One layer is called twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.unused = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.again(torch.relu(self.again(self.first(x))))


def test_a_layer_takes_the_input_of_its_first_call_and_stays_if_it_has_none() -> None:
    torch.manual_seed(0)
    model, batch = Twice(), images(30, 3, 10, 10)
    unused = model.unused.weight.detach().clone()
    assert list(input_autocorrelations(model, batch)) == ["first", "again"]
    orthogonalize_maps(model, batch)
    assert torch.equal(model.unused.weight, unused)
    called = model.again(model.first(batch)).detach().transpose(0, 1).flatten(1)
    assert correlations(called.double().numpy(), 1).max() < 1e-4


def test_an_image_without_a_batch_axis_is_one() -> None:
    for shape in ((1, 3, 24, 24), (3, 24, 24)):
        torch.manual_seed(0)
        model = orthogonalize_maps(
            nn.Sequential(nn.Conv2d(3, 6, 3)), images(1, 3, 24, 24).view(shape)
        )
        rows = model(images(1, 3, 24, 24)).detach().double()[0].flatten(1).numpy()
        assert correlations(rows, 1).max() < 1e-3


@pytest.mark.parametrize("name", ["shallow", "residual", "volume"])
def test_r_and_the_weights_say_what_the_report_measures_on_the_maps(name: str) -> None:
    model, batch = make(name)
    outputs(model, batch)  # the running statistics …
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    model.train()(batch)  # … are those of the batch, which the report uses
    for _, layer in convolutional_layers(model):
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    model.train()(batch)
    weights = dict(convolutional_layers(model))
    raw, centred = (input_autocorrelations(model, batch, centered=c) for c in (False, True))
    rows = {row.name: row for row in redundancy_report(model, batch).layers}
    assert list(rows) == list(raw) == list(centred) == list(weights)
    for key, row in rows.items():
        for R, measured in ((raw, row.expected_cosine), (centred, row.correlation)):
            gram = expected_gram(weights[key].weight, R[key])
            scale = gram.diagonal().rsqrt()
            cosines = (scale[:, None] * gram * scale).abs()
            above = torch.triu_indices(*gram.shape, 1)
            assert cosines[above[0], above[1]].mean().item() == pytest.approx(measured, rel=2e-3)


def normed(layer: nn.Module) -> nn.Module:
    return nn.utils.parametrizations.weight_norm(layer)


REFUSED: dict[str, tuple[nn.Module, Tensor, dict[str, Any], str]] = {
    "no such layer": (
        *(ShallowCNN(2), images(2, 3, 32, 32), {"layers": ["blocks.7"]}),
        "^layers has 'blocks.7', which is no convolution of the model; expected some of 'blocks.0",
    ),
    "no convolution": (nn.ReLU(), images(2, 3, 8), {}, "^ReLU has no Conv1d, Conv2d or Conv3d"),
    "weight norm": (
        *(nn.Sequential(normed(nn.Conv1d(3, 2, 3))), images(2, 3, 8), {}),
        "^layer '0' computes its weight from other tensors; expected a plain weight",
    ),
    "other channels": (
        *(nn.Sequential(nn.Conv1d(3, 2, 3)), images(2, 4, 8), {}),
        r"^layer '0': its input has shape \(2, 4, 8\); expected 3 channels and 1 spatial axes",
    ),
    "no image": (
        *(nn.Sequential(nn.Linear(4, 3), nn.Conv1d(3, 2, 3)), images(2, 5, 8), {}),
        r"^Sequential refused images of shape \(2, 5, 8\) \(RuntimeError: .*; expected a batch",
    ),
    "constant": (
        *(nn.Sequential(nn.Conv1d(3, 2, 3)), torch.full((50, 3, 8), 0.3), {}),
        "^layer '0': 2 kernels of 9 taps make maps that span 0 dimensions; expected 1: replace",
    ),
    "too small": (
        *(nn.Sequential(nn.Conv1d(3, 2, 3), nn.Conv1d(2, 2, 9)), images(40, 3, 8), {}),
        r"^layer '1': the padded maps have \(6,\) positions, a kernel reaches over \(9,\)",
    ),
    "eps": (
        *(nn.Sequential(nn.Conv1d(3, 2, 3)), images(2, 3, 8), {"eps": -1}),
        "eps is -1; expected a finite number, 0 or more",
    ),
}


@pytest.mark.parametrize(("model", "batch", "options", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(
    model: nn.Module, batch: Tensor, options: dict[str, Any], text: str
) -> None:
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=text):
        orthogonalize_maps(model, batch, **options)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_failure_in_the_last_layer_restores_the_first() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.Conv1d(4, 2, 3))
    with torch.no_grad():
        model[2].weight[1] = model[2].weight[0]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="^layer '2': 2 kernels of 12 taps make maps that span 1"):
        orthogonalize_maps(model, images(40, 3, 8))
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_a_failure_that_is_no_sentence_restores_them_too() -> None:
    class Stops(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise KeyboardInterrupt

    model = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), Stops())
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(KeyboardInterrupt):
        orthogonalize_maps(model, images(40, 3, 8))
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert model.training and not model[0]._forward_pre_hooks
