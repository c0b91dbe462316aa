"""The weight that a layer convolves with, whichever way torch.nn.utils computes it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from convsim import convolutional_similarity, model_similarity, redundancy_report
from convsim.layers import convolutional_layers, current_weight, with_torchscript
from convsim.report.files import report_of
from convsim.state_dicts import stored_forms

Change = Callable[[nn.Module], object]


def old_weight_norm(layer: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(layer)


WAYS: dict[str, Change] = {
    "plain": lambda layer: None,
    "weight norm": parametrizations.weight_norm,
    "weight norm, a hook": old_weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "spectral norm, a hook": nn.utils.spectral_norm,
    "a pruning mask": lambda layer: prune.random_unstructured(layer, "weight", 0.5),
}
SCRIPTED = ["plain", "weight norm"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def network(way: str) -> nn.Module:
    """Two layers, the first changed; then its parameters, as a step of training would."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 5, (1, 2)))
    WAYS[way](model[0])
    with torch.no_grad():
        for parameter in model[0].parameters():
            parameter += torch.rand_like(parameter)
    return model.train()


def convolved_with(layer: nn.Module) -> Tensor:
    """A layer's weight, from what it makes of one lit pixel at a time."""
    pixels = torch.eye(3 * 9).view(27, 3, 3, 3)
    with torch.no_grad():
        return layer.eval()(pixels).flatten(1).T.reshape(4, 3, 3, 3)


def test_it_is_the_weight_that_the_layer_would_convolve_with(way: str) -> None:
    layer = network(way)[0]
    before = copy.deepcopy(layer.state_dict())
    found = current_weight(layer)
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name]), f"{name} was changed"
    assert all(module.training for module in layer.modules())
    torch.testing.assert_close(found.detach(), convolved_with(layer))


def test_similarity_and_its_gradient_are_those_of_this_weight(way: str) -> None:
    model = network(way)
    total, report = model_similarity(model), redundancy_report(model)
    total.backward()
    expected = sum(
        convolutional_similarity(weight).item()
        for weight in (convolved_with(model[0]), model[2].weight)
    )
    assert total.item() == pytest.approx(expected, rel=1e-4)
    assert report.total_similarity == pytest.approx(expected, rel=1e-4)
    assert all(parameter.grad is not None for parameter in model[0].parameters())


def test_a_file_of_tensors_gives_the_same(way: str, tmp_path: Path) -> None:
    model = network(way)
    path = tmp_path / "model.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    of_file, of_model = report_of(str(path)).layers, redundancy_report(model).layers
    assert [layer.name for layer in of_file] == ["0", "2"]
    for one, other in zip(of_file, of_model, strict=True):
        assert one.similarity == pytest.approx(other.similarity, rel=1e-5)
        assert one.kernel_cosine == pytest.approx(other.kernel_cosine, rel=1e-5)


@pytest.mark.parametrize("way", SCRIPTED)
def test_torchscript_gives_the_same(way: str, tmp_path: Path) -> None:
    model = network(way)
    path = tmp_path / "model.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(model), str(path))
    of_file, of_model = report_of(str(path)).layers, redundancy_report(model).layers
    assert [layer.name for layer in of_file] == ["0", "2"]
    for one, other in zip(of_file, of_model, strict=True):
        assert one.similarity == pytest.approx(other.similarity, rel=1e-5)


def test_a_weight_computed_in_an_unknown_way_is_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(parametrizations.orthogonal(nn.Conv2d(3, 4, 2)), nn.Conv2d(4, 5, 3))
    assert len(redundancy_report(model).layers) == 2
    path = tmp_path / "model.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    report = report_of(str(path))
    assert [layer.name for layer in report.layers] == ["1"]
    assert report.note.endswith("Not measured, since computed in an unknown way: 0.")


def test_stored_parts_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    parts = {"a.weight_v": torch.rand(4, 3, 3), "a.weight_g": torch.rand(5, 1, 1)}
    save_file(parts, path)
    with pytest.raises(ValueError, match=r"layer 'a': weight_v, weight_g have the shapes \(4, 3"):
        report_of(str(path))


def test_forms_are_found_by_all_their_names() -> None:
    assert stored_forms(["b10.weight", "b2.weight_orig", "b2.weight_mask", "b2.bias"]) == {
        "b2": ("weight_orig", "weight_mask"),
        "b10": ("weight",),
    }
    assert stored_forms(["weight", "a.weights", "a.weighting.x"]) == {"": ("weight",)}
    twice = ["parametrizations.weight.original", "parametrizations.weight.1.mask"]
    assert stored_forms([f"a.{name}" for name in twice]) == {"a": None}


@pytest.mark.parametrize("find", [convolutional_layers, with_torchscript])
@pytest.mark.parametrize("given", [None, {"0.weight": torch.ones(2, 1, 3)}, [nn.Conv2d(1, 1, 1)]])
def test_only_a_module_has_layers(find: Callable[..., object], given: object) -> None:
    with pytest.raises(ValueError, match=f"model is a {type(given).__name__}; expected a torch.nn"):
        find(given)
