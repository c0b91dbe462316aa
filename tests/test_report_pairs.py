"""One layer in full: matrices of its pairs, in an order, with what is dead by index."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsim import redundancy_report, similarity_matrix
from convsim.report import pairs_of_layer
from convsim.report.pairs import LayerPairs, Pair


def layer_with_families() -> nn.Conv2d:
    """Twelve kernels in three families that alternate, of which one is dead."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(2, 12, 3, bias=False)
    families = torch.linalg.qr(torch.randn(18, 3, generator=generator))[0].T
    noise = 0.05 * torch.randn(12, 18, generator=generator)
    signs = torch.tensor([1.0, -1.0]).repeat(6)[:, None]
    with torch.no_grad():
        layer.weight.copy_((signs * (families.repeat(4, 1) + noise)).view(12, 2, 3, 3))
        layer.weight[7] = 0
    return layer


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(3, 2, 20, 20, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def pairs(images: Tensor) -> LayerPairs:
    return pairs_of_layer(nn.Sequential(layer_with_families(), nn.ReLU()), "0", images)


def test_the_means_of_the_matrices_are_the_reports(pairs: LayerPairs, images: Tensor) -> None:
    (layer,) = redundancy_report(nn.Sequential(layer_with_families()), images).layers
    alive = [n for n in range(12) if n != 7]
    for name, matrix in pairs.matrices.items():
        values = matrix[alive][:, alive]
        assert matrix.shape == (12, 12) and torch.equal(matrix, matrix.T)
        assert torch.allclose(values.diag(), torch.ones(11, dtype=torch.float64))
        assert not matrix[7].any()
        mean = values.abs()[tuple(torch.triu_indices(11, 11, 1))].mean()
        assert getattr(layer, name) == pytest.approx(mean.item(), rel=1e-4)


def test_the_matrices_are_those_of_numpy(pairs: LayerPairs, images: Tensor) -> None:
    layer = layer_with_families()
    alive = [n for n in range(12) if n != 7]
    maps = layer(images).detach().double().transpose(0, 1).flatten(1)[alive].numpy()
    found = pairs.matrices["correlation"][alive][:, alive]
    assert np.allclose(found, np.corrcoef(maps), atol=1e-5)
    gram = similarity_matrix(layer.weight.detach().double())[alive][:, alive]
    size = gram.diag().sqrt()
    expected = gram / torch.outer(size, size)
    assert torch.allclose(pairs.matrices["normalized_similarity"][alive][:, alive], expected)


def test_an_order_brings_families_together(pairs: LayerPairs) -> None:
    for by in ("kernel_cosine", "correlation", None):
        order = pairs.order(by=by)
        assert sorted(order) == list(range(12)) and order[-1] == 7, "what is dead comes last"
        families = [n % 3 for n in order[:-1]]
        changes = sum(a != b for a, b in zip(families, families[1:], strict=False))
        assert changes == 2, families


def test_the_most_similar_pairs_come_first(pairs: LayerPairs) -> None:
    best = pairs.most_similar(by="kernel_cosine")
    assert len(best) == 10
    assert [abs(pair.value) for pair in best] == sorted((abs(p.value) for p in best), reverse=True)
    assert all(pair.first % 3 == pair.second % 3 for pair in best)
    for pair in best:  # of one family, with signs that alternate
        assert (pair.value > 0) == (pair.first % 2 == pair.second % 2)
    assert len(pairs.most_similar(1000)) == 66
    text = repr(pairs)
    assert "Kernels that are zero: 7. Maps that are zero: 7." in text
    assert len(text.splitlines()) == 1 + 1 + 10 + 1
    assert "<td>" in pairs._repr_html_()


def test_without_images_and_of_one_tap() -> None:
    layer = nn.Conv2d(3, 4, 1)
    found = pairs_of_layer(layer, "")
    assert [*found.matrices] == ["kernel_cosine"] and found.dead_kernels == ()
    with pytest.raises(ValueError, match="no matrix 'correlation'; expected one of kernel_cosine"):
        found.most_similar(by="correlation")
    with pytest.raises(ValueError, match="count is 0; expected a whole number"):
        found.most_similar(0)
    alone = pairs_of_layer(nn.Conv2d(3, 1, 1), "")
    assert alone.most_similar() == [] and alone.order() == [0]


def test_a_heat_map_for_each_matrix_in_one_order(pairs: LayerPairs) -> None:
    figure = pairs.plot()
    assert len(figure.data) == 4 and "heat maps" in figure.layout.meta["alt"]
    order = [str(n) for n in pairs.order()]
    for drawn, matrix in zip(figure.data, pairs.matrices.values(), strict=True):
        assert list(drawn.x) == list(drawn.y) == order
        first, last = int(order[0]), int(order[3])
        assert drawn.z[0][3] == pytest.approx(matrix[first, last].item(), abs=0.006)


def test_errors() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 3)
            self.other = nn.Conv2d(2, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)

    model, images = Unused(), torch.rand(1, 2, 5, 5)
    with pytest.raises(ValueError, match="no convolutional layer 'con'; expected .*'conv'"):
        pairs_of_layer(model, "con", images)
    with pytest.raises(ValueError, match="'other' is not called with these images; expected"):
        pairs_of_layer(model, "other", images)
    assert pairs_of_layer(model, "conv", [(images, torch.zeros(1))]).most_similar(1) == [
        Pair(*pairs_of_layer(model, "conv", images).most_similar(1)[0])
    ]
