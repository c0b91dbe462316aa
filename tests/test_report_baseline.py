"""Readings beside those of random kernels, and beside what no kernels can go below."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.models import resnet18

from convsim import convolutional_similarity, redundancy_report
from convsim.floor import cosine_floor
from convsim.map_cosines import map_cosines
from convsim.photographs import PHOTOGRAPHS, photograph
from convsim.report.baseline import (
    random_kernels,
    random_readings,
    scatter_of_mean,
    share_of_the_way,
)
from convsim.report.readings import LayerReport, RedundancyReport
from convsim.report.table import READINGS
from convsim.similarity import unit


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.stack([photograph(name, 64, colour=True) for name in PHOTOGRAPHS]).float()


@pytest.fixture(scope="module")
def random_network(images: Tensor) -> RedundancyReport:
    torch.manual_seed(0)
    return redundancy_report(resnet18(), images)


def test_a_random_network_reads_as_random(random_network: RedundancyReport) -> None:
    """Three standard deviations: of 114 numbers that are not independent, one may be outside."""
    layers = random_network.layers
    found = [layer.is_as_random(reading) for layer in layers for reading in READINGS]
    assert found.count(None) == 2 * 3  # L_CS and the normalised form of the 1 x 1 kernels
    assert found.count(False) <= 1
    assert found.count(True) >= 113


def test_what_is_alike_is_called_so(images: Tensor) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 64, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[:1] + 0.03 * layer.weight)  # one kernel, with noise
    (alike,) = redundancy_report(layer, images).layers
    assert alike.is_as_random("correlation") is False
    way = alike.share_of_the_way("kernel_cosine")
    assert way is not None and way < -1
    text = repr(redundancy_report(layer, images).against_random())
    assert "more alike" in text
    nn.init.orthogonal_(layer.weight)  # 27 directions and no more
    (orthogonal,) = redundancy_report(layer).layers
    way = orthogonal.share_of_the_way("kernel_cosine")
    assert orthogonal.is_as_random("kernel_cosine") is False and way is not None and way > 0.1


def test_random_kernels_have_the_norms_and_leave_random_numbers_alone() -> None:
    weight = torch.randn(5, 2, 3, 3) * torch.tensor([1e-30, 1.0, 1e3, 0.0, 2.0]).view(-1, 1, 1, 1)
    state = torch.get_rng_state()
    drawn, chosen = random_kernels(weight)
    assert torch.equal(torch.get_rng_state(), state) and chosen.tolist() == [*range(5)]
    expected = weight.double().flatten(1).norm(dim=1)
    torch.testing.assert_close(drawn.flatten(1).norm(dim=1), expected)
    assert torch.equal(drawn, random_kernels(weight)[0])
    assert not torch.equal(drawn, random_kernels(weight, seed=1)[0])
    cosine = (unit(drawn[[1]].flatten(1)) * unit(weight[[1]].double().flatten(1))).sum()
    assert abs(cosine) < 0.9
    many = torch.randn(600, 1, 3)
    drawn, chosen = random_kernels(many)
    assert 64 < len(drawn) <= 128
    norms = many.double()[chosen].flatten(1).norm(dim=1)
    torch.testing.assert_close(drawn.flatten(1).norm(dim=1), norms)
    assert len(random_kernels(many, groups=2)[0]) == 600


def test_readings_of_random_kernels_are_means_over_their_pairs() -> None:
    weight = torch.randn(400, 3, 3, 3) * torch.rand(400, 1, 1, 1)
    readings, scatter = random_readings(weight)
    torch.manual_seed(5)
    other = torch.randn(weight.shape)
    other = other * (weight.flatten(1).norm(dim=1) / other.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
    (there,) = redundancy_report(layer_of(other)).layers
    for reading in ("similarity", "normalized_similarity", "kernel_cosine"):
        expected, away = getattr(there, reading), getattr(scatter, reading)
        assert getattr(readings, reading) == pytest.approx(expected, abs=3 * away)
        assert away < 0.05 * expected
    assert random_readings(torch.zeros(3, 1, 2))[0].kernel_cosine is None


def layer_of(weight: Tensor) -> nn.Module:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False)
    layer.weight = nn.Parameter(weight)
    return layer


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2, "padding": 1, "bias": False},
        {"padding": "same", "dilation": 2, "padding_mode": "reflect"},
        {"groups": 3},
    ],
    ids=str,
)
def test_random_maps_are_those_of_random_kernels_on_the_layers_own_input(
    images: Tensor, options: dict[str, object]
) -> None:
    torch.manual_seed(1)
    before = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
    layer = nn.Conv2d(6, 9, 3, **options)  # type: ignore[arg-type]
    model = nn.Sequential(before, layer)
    state = torch.get_rng_state()
    found = redundancy_report(model, images).layers[1]
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        other = copy.deepcopy(layer)
        other.weight.copy_(random_kernels(layer.weight, groups=layer.groups)[0])
        maps = map_cosines(other(before(images)).flatten(2))
    assert found.random.feature_map_cosine == pytest.approx(maps.per_image, rel=1e-5)
    assert found.random.expected_cosine == pytest.approx(maps.expected, rel=1e-5)
    assert found.random.correlation == pytest.approx(maps.correlation, rel=1e-5)
    similarity = convolutional_similarity(other.weight.detach())
    assert found.random.similarity == pytest.approx(similarity.item(), rel=0.05)


def test_some_kernels_stand_for_many(images: Tensor) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 600, 3)
    (found,) = redundancy_report(layer, images).layers
    drawn = torch.randn(layer.weight.shape) / math.sqrt(3 * layer.weight[0].numel())
    maps = conv2d(images, drawn, layer.bias)
    whole = map_cosines(maps.flatten(2))
    scatter = found.scatter.correlation
    assert scatter is not None and whole.correlation is not None
    assert found.random.correlation == pytest.approx(whole.correlation, abs=3 * scatter)


def test_means_over_pairs_scatter_as_said() -> None:
    generator = torch.Generator().manual_seed(0)
    stretched = torch.tensor([9.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]).sqrt()

    def mean_cosine() -> tuple[float, float]:
        rows = torch.randn(20, 8, generator=generator) * stretched
        products = (rows @ rows.T).double()
        scatter = scatter_of_mean(products, 20)
        mean = map_cosines(rows[None]).expected
        assert scatter is not None and mean is not None
        return mean, scatter

    means, said = zip(*(mean_cosine() for _ in range(400)), strict=True)
    seen = float(torch.tensor(means).std()) * math.sqrt(2)  # of a difference between two of them
    assert sum(said) / len(said) == pytest.approx(seen, rel=0.15)
    assert scatter_of_mean(torch.eye(2), 20) is None


def test_floors_of_cosines_are_reached_and_not_passed() -> None:
    basis = torch.eye(3).repeat(4, 1)[None]  # 12 vectors in 3 dimensions
    assert map_cosines(basis).per_image == pytest.approx(cosine_floor(12, 3))
    for vectors, dimensions in ((4, 2), (7, 3), (30, 4), (5, 9)):
        generator = torch.Generator().manual_seed(vectors)
        rows = torch.randn(50, vectors, dimensions, generator=generator)
        assert min(map_cosines(each[None]).per_image or 0 for each in rows) >= cosine_floor(
            vectors, dimensions
        )
    assert cosine_floor(1, 1) == 0
    with pytest.raises(ValueError, match="dimensions is 0; expected a whole number"):
        cosine_floor(3, 0)


def test_floors_of_maps_know_dimensions_and_bias() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 8, 8)

    def floors(layer: nn.Module) -> LayerReport:
        return redundancy_report(layer, images).layers[0]

    plain = floors(nn.Conv2d(1, 20, 2, bias=False))  # 4 taps, 49 positions
    assert plain.floors.expected_cosine == cosine_floor(20, 4) == plain.floors.correlation
    assert plain.floors.kernel_cosine == cosine_floor(20, 4)
    with_bias = floors(nn.Conv2d(1, 20, 2))
    assert with_bias.floors.expected_cosine == cosine_floor(20, 5)
    assert with_bias.floors.correlation == cosine_floor(20, 4)
    few = floors(nn.Conv2d(1, 90, 7, bias=False))  # 49 taps, but 4 positions
    assert few.floors.feature_map_cosine == cosine_floor(90, 4)
    assert few.floors.expected_cosine == cosine_floor(90, 8)
    assert few.floors.correlation == cosine_floor(90, 7)
    assert (few.feature_map_cosine or 0) >= (few.floors.feature_map_cosine or 1)

    class Squared(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).square()

    assert floors(Squared(1, 20, 2)).floors.expected_cosine == 0


def test_share_of_the_way() -> None:
    assert share_of_the_way(0.4, 0.4, 0.2) == 0 and share_of_the_way(0.2, 0.4, 0.2) == 1
    assert share_of_the_way(0.6, 0.4, 0.2) == pytest.approx(-1)
    assert share_of_the_way(None, 0.4, 0.2) is share_of_the_way(0.4, 0.2, 0.2) is None


def test_the_table_has_words_for_every_share(random_network: RedundancyReport) -> None:
    table = random_network.against_random()
    assert len(table.rows) == 20 * 6 - 3 * 2  # 1 x 1 kernels have no L_CS and no normalised form
    assert [name for _, name in table.columns] == [
        *("layer", "reading", "here", "random", "floor", "way"),
    ]
    assert all(row[-1].endswith(" %, as random") for row in table.rows)
    first = random_network.layers[0]
    assert table.rows[0][2] == f"{first.similarity:.4g}"
    weights_only = redundancy_report(nn.Conv2d(3, 8, 3)).against_random()
    assert [row[1] for row in weights_only.rows] == ["L_CS", "normalised", "kernels |cos|"]
    assert weights_only.rows[0][0] == "(the model)"


def test_two_kernels_have_no_scatter_and_so_no_word() -> None:
    layer = nn.Conv2d(3, 2, 3)
    ways = [row[-1] for row in redundancy_report(layer).against_random().rows]
    assert all(way.endswith(" %") or way == "–" for way in ways)
