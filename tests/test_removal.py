"""What changes when channels are taken out one at a time: figures, controls, batches, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from convsim.report import removal
from convsim.report.removal import what_if_removed

pytestmark = pytest.mark.usefixtures("one_thread")

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(40, 2, 10, 10, generator=GENERATOR)  # more than are run at once
LABELS = torch.randint(3, (40,), generator=GENERATOR)


def network() -> Any:
    torch.manual_seed(1)
    layers = [nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 6, 3)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(216, 3))


def test_redundancy_is_the_greatest_correlation() -> None:
    model = network().eval()
    found = what_if_removed(model, IMAGES, layer="0", count=8)
    maps = model[0](IMAGES).detach().double().transpose(0, 1).flatten(1).numpy()
    alike = abs(np.corrcoef(maps)) - np.eye(8)
    order = [each.redundancy for each in found.redundant]
    assert order == sorted(order, reverse=True) and len({*order}) > 3
    assert {each.index for each in found.redundant} == set(range(8))
    for each in (*found.redundant, *found.random):
        assert each.redundancy == pytest.approx(alike.max(1)[each.index], abs=1e-6)
        assert each.like == alike.argmax(1)[each.index]


def test_what_is_alike_may_be_what_the_next_layer_subtracts() -> None:
    layers = nn.Conv2d(2, 4, 3, bias=False), nn.Conv2d(4, 1, 1, bias=False)
    model: Any = nn.Sequential(*layers)
    with torch.no_grad():
        model[0].weight[1] = 1.001 * model[0].weight[0]
        model[0].weight[3] = -model[0].weight[2]
        model[1].weight[:] = torch.tensor([1.0, -1.0, 0.0, 0.1]).view(1, 4, 1, 1)
    found = what_if_removed(model, IMAGES, layer="0", count=4).redundant
    assert all(1 - 1e-5 < each.redundancy <= 1 for each in found)
    change = {each.index: each.change for each in found}
    assert change[2] == 0 and min(change[0] or 0, change[1] or 0) > 1
    assert {each.index: each.like for each in found} == {0: 1, 1: 0, 2: 3, 3: 2}


def test_predictions_and_accuracy_are_those_of_a_loop() -> None:
    model = network().eval()
    found = what_if_removed(model, IMAGES, LABELS, layer="0", count=8, seed=3)
    guess = model(IMAGES).argmax(1)
    assert found.accuracy == pytest.approx(float((guess == LABELS).double().mean()))
    for each in found.redundant:
        blind = deepcopy(model)
        blind[3].weight.data[:, each.index] = 0
        other = blind(IMAGES).argmax(1)
        assert each.flipped == sum(int(a != b) for a, b in zip(guess, other, strict=True)) / 40
        right = [int((g == LABELS).sum()) for g in (guess, other)]
        assert each.accuracy_change == pytest.approx((right[1] - right[0]) / 40 * 100)
    assert any(each.flipped for each in found.redundant)


def test_images_may_come_in_any_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = what_if_removed(network(), IMAGES, LABELS, layer="0", count=3)
    pairs = TensorDataset(IMAGES, LABELS)
    batches: list[Any] = [[(IMAGES[:1], LABELS[:1]), (IMAGES[1:], LABELS[1:])]]
    batches += [DataLoader(pairs, 7), DataLoader(pairs, 7, shuffle=True)]
    same = [what_if_removed(network(), each, layer="0", count=3) for each in batches]
    same.append(what_if_removed(network(), IMAGES.split(9), LABELS.tolist(), layer="0", count=3))
    monkeypatch.setattr(removal, "NUMBERS_AT_ONCE", 1)  # one network after the other
    same.append(what_if_removed(network(), IMAGES, LABELS, layer="0", count=3))
    for found in same:
        assert (found.images, found.accuracy) == (40, whole.accuracy)
        for group in ("redundant", "random"):
            for one, other in zip(getattr(found, group), getattr(whole, group), strict=True):
                for exact in ("index", "like", "flipped"):
                    assert getattr(one, exact) == getattr(other, exact)
                assert one.change == pytest.approx(other.change, rel=1e-4)
                assert one.accuracy_change == pytest.approx(other.accuracy_change)
    plain = what_if_removed(network(), IMAGES, layer="0", count=3)
    assert plain.accuracy is None and plain.redundant[0].accuracy_change is None
    assert "accuracy" not in repr(plain) and "accuracy" in repr(whole)


def test_the_controls_are_drawn_from_the_living() -> None:
    model = network()
    with torch.no_grad():
        model[0].weight[2], model[0].bias[2] = 0, 1
        model[0].weight[2, 0, 1, 1] = 1e-7  # constant, but for rounding
        assert model[0](IMAGES)[:, 2].unique().numel() > 1
    found = [what_if_removed(model, IMAGES, layer="0", count=4, seed=seed) for seed in (0, 0, 1, 2)]
    drawn = [[each.index for each in one.random] for one in found]
    assert drawn[0] == drawn[1] and len({tuple(each) for each in drawn}) > 1
    assert all(len(set(each)) == 4 and 2 not in each for each in drawn)
    everything = what_if_removed(model, IMAGES, layer="0", count=8)
    assert everything.living == len(everything.redundant) == len(everything.random) == 7
    assert 2 not in {each.index for each in everything.redundant}


def test_the_model_is_left_as_it_was() -> None:
    model = network()
    model[3].eval()
    model.requires_grad_(False)
    weights, numbers = deepcopy(model.state_dict()), torch.get_rng_state()
    with torch.inference_mode():
        what_if_removed(model, DataLoader(TensorDataset(IMAGES), 8), layer="0", count=2)
    assert torch.equal(numbers, torch.get_rng_state())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [True] * 3 + [False] + [True] * 3
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_table_ends_in_two_medians() -> None:
    found = what_if_removed(network(), IMAGES, LABELS, layer="0", count=2)
    lines = repr(found).splitlines()
    assert lines[0].startswith("Sequential, layer '0': the 2 most redundant of 8 living channels")
    assert [line.split()[0] for line in lines[2:6]] == [
        *(str(each.index) for each in found.redundant),
        *("median", "median"),
    ]
    for line, group in zip(lines[4:6], (found.redundant, found.random), strict=True):
        assert f" {median(each.change or 0 for each in group):.3g} " in line
    assert "nothing was trained afterwards" in lines[-1] and "<table>" in found._repr_html_()
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["redundant"][0]["index"] == found.redundant[0].index and told["images"] == 40


def test_outputs_without_classes_have_no_predictions() -> None:
    whole = network()
    for model in (whole[:4], whole.append(nn.Linear(3, 1))):  # maps; a number
        found = what_if_removed(model, [(IMAGES, LABELS)], layer="0", count=2)
        assert found.accuracy is None and found.redundant[0].flipped is None
        assert (found.redundant[0].change or 0) > 0
        assert "predictions" not in repr(found).splitlines()[1]


class Aside(nn.Sequential):
    """Its last layer is not called."""

    def forward(self, images: Tensor) -> Any:
        return nn.Sequential(*self)[:-1](images)


class Pair(nn.Sequential):
    def forward(self, images: Tensor) -> Any:
        return images, images


def dead() -> Any:
    model = network()
    model[0].weight.data[1:] = 0
    return model


REFUSED: list[tuple[Callable[[], Any], Any, Any, dict[str, Any], str]] = [
    (
        network,
        IMAGES,
        None,
        {"layer": "00"},
        "no convolutional layer '00'; expected one of its 2 names, ",
    ),
    (
        network,
        IMAGES,
        None,
        {"layer": "1"},
        "no convolutional layer '1'; expected .*, such as '0', '3'",
    ),
    (network, IMAGES, None, {"count": 0}, "count is 0; expected a whole number of channels, 1 or"),
    (network, IMAGES, None, {"seed": -1}, "seed is -1; expected a whole number, 0 or more"),
    (network, [], None, {}, "images has no batch; expected one image at least"),
    (network, iter([IMAGES]), None, {}, "a list_iterator, which can be read once; expected batch"),
    (network, {"x": IMAGES}, None, {}, "images is a dict; expected a torch.Tensor"),
    (network, IMAGES[:, :1], None, {}, r"Sequential refused images of shape \(1, 1, 10, 10\)"),
    (network, IMAGES, LABELS[1:], {}, "labels has 39 entries for 40 images; expected one for e"),
    (network, [(IMAGES, LABELS)], LABELS, {}, "labels came twice, .* the argument labels out"),
    (network, [(IMAGES, LABELS / 2)], None, {}, r"labels of 40 images are torch.float32 of shape"),
    (network, [(IMAGES, "cat")], None, {}, "labels of 40 images are str; expected a whole number"),
    (lambda: network()[:4], IMAGES, None, {"layer": "3"}, r"go from \(1, 6, 6, 6\) to \(1, 5,"),
    (dead, IMAGES, None, {}, "layer '0' has 1 of 8 maps that are not constant .* expected 2"),
    (lambda: Aside(*network(), nn.Conv2d(1, 2, 1)), IMAGES, None, {"layer": "7"}, "not called"),
    (lambda: Pair(*network()), IMAGES, None, {}, "output of Pair is a tuple; expected a tensor: "),
]


@pytest.mark.parametrize(("make", "images", "labels", "options", "said"), REFUSED)
def test_what_cannot_be_measured_is_said(
    make: Callable[[], Any], images: Any, labels: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        what_if_removed(make(), images, labels, **{"layer": "0"} | options)


def test_torch_pruning_is_asked_for_where_it_is_needed_only() -> None:
    code = (
        "import sys; sys.modules['torch_pruning'] = None\n"
        "import torch\n"
        "from convsim.report.removal import what_if_removed\n"
        "try: what_if_removed(torch.nn.Conv2d(1, 2, 1), torch.ones(1, 1, 2, 2), layer='')\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch_pruning is not installed" in done.stdout
    assert "pip install 'convsim[pruning]'" in done.stdout
