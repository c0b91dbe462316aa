"""Networks that train in a moment, and how two trainings are compared."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from convsim.data import Images, digits
from convsim.models import ShallowCNN
from convsim.training import fit
from convsim.training.history import Epoch

TRAIN, TEST = digits()
FEW = TRAIN.subset(slice(0, 96))


def network(width: int = 4, seed: int = 0) -> ShallowCNN:
    torch.manual_seed(seed)
    return ShallowCNN(width)


def tiny() -> nn.Sequential:
    """Two convolutions with biases, batch normalisation, and a layer that is none."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(180, 10)),
    )


def with_dropout() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.Flatten(), nn.Dropout(), nn.Linear(256, 10)
    )


def train_tiny(images: Images, **options: Any) -> tuple[nn.Sequential, list[Epoch]]:
    model = tiny()
    return model, fit(model, images, TEST, progress=False, **options)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same_bits(ours: nn.Module, theirs: nn.Module) -> None:
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name


def untimed(history: list[Epoch]) -> list[dict[str, Any]]:
    return [asdict(replace(epoch, seconds=0.0)) for epoch in history]
