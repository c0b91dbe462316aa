"""Trained networks that are kept beside their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from convsim import models
from convsim.experiments.cifar10 import TrainingSettings, settings_of
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.record import RESULTS, Record, record_path
from convsim.training.tensors import read_tensors, tensors_file

WIDTH = 64
"""The width of which networks are kept, those of some conditions."""
RECORDS = "table5"
KEPT = tuple(name for name, condition in CONDITIONS.items() if condition.kept)


def is_kept(settings: TrainingSettings) -> bool:
    """Whether the network of a run is kept."""
    usual = settings.ordinary and settings.model == "ShallowCNN"
    return usual and settings.width == WIDTH and settings.condition in KEPT


def network_path(record: Record[Any], folder: Path = RESULTS) -> Path:
    """Where the network of a training lies, if it is kept."""
    return record_path(RECORDS, settings_of(record), folder).with_suffix(".safetensors")


def load_network(record: Record[Any], folder: Path = RESULTS) -> nn.Module:
    """The trained network that lies beside a record, in evaluation mode.

    Raises:
        ValueError: if none is kept for this run, or the file is damaged or of another one.
    """
    settings, path = settings_of(record), network_path(record, folder)
    if not path.exists():
        raise ValueError(
            f"no network is kept for {settings}; expected one beside its record, of width {WIDTH} "
            f"and a condition of {', '.join(KEPT)}: run `convsim run table5`"
        )
    remedy = f"delete it and {path.with_suffix('.json').name}, and run `convsim run table5` again"
    weights, notes = read_tensors(path, kind="network", remedy=remedy)
    if notes != _notes(settings):
        raise ValueError(f"{path} is of {notes}; expected {_notes(settings)}: {remedy}")
    classes = len(next(value for value in weights.values() if value.ndim == 2))  # one linear layer
    model = models.build(settings.model, settings.width, classes)
    model.load_state_dict({name: value.to(torch.float32) for name, value in weights.items()})
    return model.eval()


def _notes(settings: TrainingSettings) -> dict[str, str]:
    return {"run": str(settings), "data": settings.data}


def compressed(model: nn.Module, settings: TrainingSettings) -> bytes:
    """Weights in float16, statistics of batch normalisation in float32: 240 KB for width 64."""
    halved = {name for name, _ in model.named_parameters()}
    tensors = {
        name: value.half() if name in halved else value
        for name, value in model.state_dict().items()
    }
    return tensors_file(tensors, _notes(settings))
