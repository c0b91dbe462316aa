"""Two states of a network side by side."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import nn

from convsim import redundancy_report
from convsim.report.comparison import READINGS, compare

torch.manual_seed(0)
IMAGES = torch.rand(2, 2, 8, 8)


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 3, 1))


def test_what_moved_is_the_difference_of_two_reports() -> None:
    before, after = network(), network()
    with torch.no_grad():
        after[2].weight.normal_()
    found = compare(before, after, IMAGES)
    reports = [redundancy_report(model, IMAGES).layers for model in (before, after)]
    assert [change.name for change in found.layers] == ["0", "2", "3"]
    for change, first, then in zip(found.layers, *reports, strict=True):
        assert (change.before, change.after) == (first, then)
        for reading, by in change.moved.items():
            assert by == getattr(then, reading) - getattr(first, reading)
    first, second, last = found.layers
    assert first.most is None and set(first.moved.values()) == {0.0}
    assert second.most == max(READINGS, key=lambda reading: abs(second.moved[reading]))
    assert "normalized_similarity" not in last.moved  # one tap
    assert last.moved["kernel_cosine"] == 0 and last.moved["feature_map_cosine"] != 0
    text = repr(found)
    assert text.splitlines()[0] == "Sequential, and then Sequential: 3 layers of both"
    assert f"{reports[0][1].correlation:.2f} → {reports[1][1].correlation:.2f}" in text
    row = next(line for line in text.splitlines() if line.startswith("2 "))
    assert row.endswith(" ".join(READINGS[second.most]))
    assert "<table>" in found._repr_html_()


def test_a_scaled_layer_has_turned_nowhere() -> None:
    before, after = network(), network()
    with torch.no_grad():
        after[0].weight.mul_(2)
    change = compare(before, after).layers[0]
    assert change.most is None
    row = repr(compare(before, after)).splitlines()[2]
    assert row.split()[:5] == ["0", "×", "2", "×", "16"]
    assert "feature maps" not in repr(compare(before, after))


def test_layers_of_one_side_are_named() -> None:
    before, after = network(), deepcopy(network())
    before.add_module("old", nn.Conv2d(3, 3, 1))
    after.add_module("added", nn.Conv2d(3, 3, 1))
    found = compare(before, after)
    assert (found.gone, found.new) == (("old",), ("added",))
    assert "Only in Sequential: old. Only in Sequential: added." in repr(found)


def test_a_dead_layer_has_no_factor() -> None:
    before, after = network(), network()
    with torch.no_grad():
        before[0].weight.zero_()
    change = compare(before, after).layers[0]
    assert change.moved == {} and change.most is None
    assert repr(compare(before, after)).splitlines()[2].split()[1:3] == ["–", "–"]


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, torch.compile, lambda model: torch.compile(nn.DataParallel(model))]
)
def test_a_wrapper_changes_no_name(wrap: Callable[[nn.Module], nn.Module]) -> None:
    before, after = network(), network()
    with torch.no_grad():
        after[2].weight.normal_()
    expected = compare(before, after).layers
    for pair in ((before, wrap(after)), (nn.DataParallel(before), wrap(after))):
        found = compare(*pair)
        assert found.layers == expected or pair[0] is not before
        assert [layer.moved for layer in found.layers] == [layer.moved for layer in expected]
        assert (found.gone, found.new) == ((), ())
    [alone] = compare(before[0], wrap(after[0])).layers
    assert alone.name == "" and not alone.most
    # A name is left alone where it is the same on both sides, or one layer is outside.
    inside = nn.ModuleDict({"module": network()})
    assert [layer.name for layer in compare(inside, inside).layers][0] == "module.0"
    with pytest.raises(ValueError, match="no layer of the same name, such as '0' and 'module.0'"):
        compare(network(), nn.ModuleDict({"module": network(), "other": nn.Conv2d(2, 4, 3)}))


def test_what_cannot_be_compared() -> None:
    other = nn.Sequential()
    other.add_module("other", nn.Conv2d(2, 4, 3))
    with pytest.raises(ValueError, match="no layer of the same name, such as '0' and 'other'"):
        compare(network(), other)
    reports = [redundancy_report(network(), IMAGES[..., :size]) for size in (8, 7)]
    with pytest.raises(ValueError, match=r"shapes \(2, 2, 8, 8\) and \(2, 2, 8, 7\); expected the"):
        compare(*reports)
    with pytest.raises(ValueError, match="has no Conv1d"):
        compare(network(), nn.Sequential(nn.ReLU()))
