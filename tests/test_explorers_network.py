"""The explorer of networks: its numbers by PyTorch and by the module's own functions."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from convsim import convolutional_similarity, feature_map_similarity
from convsim.explorers.network import NETWORKS, NetworkExplorer, stored
from convsim.explorers.packed import unpack
from convsim.models import cnn1
from convsim.pictures import PICTURES, picture


def network_of(explorer: NetworkExplorer) -> torch.nn.Module:
    """CNN1 with the packed weights, normalised by slopes and offsets."""
    model = cnn1().double().eval()
    steps = unpack(explorer.packed)
    with torch.no_grad():
        for block, at in zip(model.blocks, range(0, 16, 4), strict=True):
            conv, norm = block[0], block[1]
            conv.weight.copy_(steps[at]["weight"])
            conv.bias.zero_()
            norm.eps = 0.0
            norm.running_mean.zero_()
            norm.running_var.fill_(1)
            norm.weight.copy_(steps[at + 1]["slope"])
            norm.bias.copy_(steps[at + 1]["offset"])
        model.classifier.weight.copy_(steps[-1]["weight"])
        model.classifier.bias.copy_(steps[-1]["bias"])
    return model


@pytest.mark.parametrize("network", NETWORKS)
def test_probabilities_are_those_of_cnn1(network: str) -> None:
    explorer = NetworkExplorer(network=network, image="cat")
    with torch.no_grad():
        expected = network_of(explorer)(explorer.signal("cat")).softmax(1)[0]
    found = torch.tensor(explorer.readouts()["probabilities"])
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-7)


def test_the_lags_add_up_to_the_inner_product_of_the_maps() -> None:
    explorer = NetworkExplorer(image="truck", first=5, second=9)
    kernels = unpack(explorer.packed)[0]["weight"]
    maps = conv2d(explorer.signal("truck"), kernels, padding=2)[0]
    expected = feature_map_similarity(maps[4], maps[8], dims=2)
    terms = torch.tensor(explorer.readouts()["lag_terms"], dtype=torch.float64)
    assert terms.shape == (5, 5)
    torch.testing.assert_close(terms.sum(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layer", [1, 2, 4])
def test_scale_moves_the_loss_by_its_fourth_power_and_nothing_else(layer: int) -> None:
    plain = NetworkExplorer(layer=layer).readouts()
    large = NetworkExplorer(layer=layer, change="scale", factor=3).readouts()
    assert large["loss"] == pytest.approx(81 * plain["loss"])
    assert large["moved"] < 1e-9
    for name in ("kernel_cosine", "similarity", "map_cosine"):
        assert large[name] == pytest.approx(plain[name], abs=1e-9)


def test_orthogonal_kernels_are_orthogonal_where_taps_allow() -> None:
    found = NetworkExplorer(layer=3, change="orthogonal-kernels").readouts()
    assert found["kernel_cosine"] < 1e-5
    assert found["map_cosine"] > 0.1


def test_orthogonal_maps_are_orthogonal_over_the_ten_pictures() -> None:
    plain, changed = (
        [NetworkExplorer(layer=3, change=c, image=i).readouts()["map_cosine"] for i in PICTURES]
        for c in ("none", "orthogonal-maps")
    )
    assert sum(changed) < sum(plain) / 2


def test_the_removed_map_is_the_one_most_like_the_others() -> None:
    explorer = NetworkExplorer(layer=2, change="remove", image="dog")
    cosines = explorer.cosines("dog", 2).abs().sum(1)
    assert explorer.readouts()["removed"] == int(cosines.argmax()) + 1
    assert explorer.readouts()["moved"] > 0


def test_the_loss_is_the_modules() -> None:
    explorer = NetworkExplorer(layer=4)
    weight = unpack(explorer.packed)[12]["weight"]
    assert explorer.readouts()["loss"] == pytest.approx(float(convolutional_similarity(weight)))


def test_pictures_come_in_bytes_as_the_page_has_them() -> None:
    own = (255 * picture("bird")).round().int().tolist()
    a = NetworkExplorer(image="own", own=own).readouts()
    b = NetworkExplorer(image="bird").readouts()
    assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-12)


def test_a_longer_training_began_as_the_default() -> None:
    longer, default = (stored(n, "before") for n in ("longer", "default"))
    assert longer["data"] == default["data"] and longer["name"] == "longer-before"
