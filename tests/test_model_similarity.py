"""Convolutional Similarity of whole models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsim import convolutional_similarity, model_similarity
from tests.test_similarity import pairwise_similarity


def test_model_counts_every_convolution() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(2, 3, 4), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv3d(1, 2, 2), nn.ReLU()
    ).double()
    expected = sum(pairwise_similarity(model[i].weight) for i in (0, 1, 3))
    torch.testing.assert_close(model_similarity(model), expected)
    model_similarity(model).backward()
    assert all(model[i].weight.grad.abs().sum() > 0 for i in (0, 1, 3))


def test_grouped_convolution_equals_its_dense_form() -> None:
    layer = nn.Conv2d(4, 6, 3, groups=2).double()
    dense = torch.zeros(6, 4, 3, 3, dtype=torch.float64)
    dense[:3, :2], dense[3:, 2:] = layer.weight[:3].detach(), layer.weight[3:].detach()
    torch.testing.assert_close(model_similarity(layer).detach(), pairwise_similarity(dense))


def test_dilated_convolution_equals_its_stretched_form() -> None:
    layer = nn.Conv2d(2, 3, 3, dilation=2).double()
    stretched = torch.zeros(3, 2, 5, 5, dtype=torch.float64)
    stretched[:, :, ::2, ::2] = layer.weight.detach()
    torch.testing.assert_close(model_similarity(layer).detach(), pairwise_similarity(stretched))


def test_a_weight_of_two_layers_counts_once() -> None:
    first, second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    assert model_similarity(model).item() == convolutional_similarity(first.weight).item()


def test_model_names_a_layer_without_numbers() -> None:
    with pytest.raises(ValueError, match="layer '0': weight holds no numbers yet"):
        model_similarity(nn.Sequential(nn.LazyConv2d(4, 3)))


def test_shared_layer_counts_once() -> None:
    layer = nn.Conv1d(2, 2, 3)
    torch.testing.assert_close(
        model_similarity(nn.Sequential(layer, layer)), model_similarity(layer)
    )


def test_model_without_convolution() -> None:
    with pytest.raises(ValueError, match="Linear has no Conv1d, Conv2d or Conv3d layer; expected"):
        model_similarity(nn.Linear(2, 2))


def test_model_names_the_layer_that_diverged() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Conv1d(2, 2, 3))
    nn.init.constant_(model[1].weight, float("inf"))
    with pytest.raises(ValueError, match="layer '1': weight of shape .* has 12 NaN or infinite"):
        model_similarity(model)
