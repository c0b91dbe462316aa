"""Table 5's sweep in miniature: a part of the digits, narrow networks, two epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from convsim.data import Images, digits
from convsim.experiments import images, plan, sweep
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.record import Record, read_records
from convsim.experiments.runner import Machine
from convsim.experiments.sweep import CHOICE, TRAINING
from convsim.layers import convolutional_layers

LAYERS = [f"blocks.{i}.0" for i in range(4)]
WIDTH = 4
TRAIN, TEST = (
    part.subset(slice(0, count)) for part, count in zip(digits(), (450, 150), strict=True)
)
SMALL: dict[str, Any] = {"iterations": 40, "beta": 0.05, "learning_rate": 0.05, "batch_size": 128}


@contextmanager
def digits_are(train: Images, test: Images) -> Iterator[None]:
    """Let experiments in this process find these images when they ask for the digits."""
    some = images.DataSet(lambda _: (train, test), lambda _: "digits", needs_folder=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(images.DATA_SETS, "digits", some)
        images.load.cache_clear()
        yield
    images.load.cache_clear()


def rows(*conditions: str, seeds: int = 1, epochs: int = 2, **changed: Any) -> list[Any]:
    planned = plan.selected(
        conditions=conditions or tuple(CONDITIONS),
        widths=(WIDTH,),
        seeds=seeds,
        epochs=epochs,
        data="digits",
        precision="float32",
    )
    return [replace(row, **SMALL | changed) for row in planned]


def run(some: Sequence[TrainingSettings], folder: Path, **options: Any) -> None:
    machine = Machine(None, "cpu", folder, progress=False, command="a test")
    sweep.run(some, machine, progress=False, **options)


def untimed(value: Any) -> Any:
    """Metrics without durations, which differ from run to run."""
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if "seconds" not in k}
    return value


def contents(folder: Path) -> dict[str, tuple[Any, Any]]:
    """What must not depend on where and when a run was computed, by file name."""
    return {
        path.name: (record.settings, untimed(record.metrics))
        for name in (TRAINING.name, CHOICE.name)
        for path, record in zip(
            sorted(folder.glob(f"{name}-*.json")), read_records(name, folder), strict=True
        )
    }


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / ".checkpoints").glob("*.safetensors"))


def by_condition(folder: Path, seed: int = 0) -> dict[str, Record]:
    records = read_records(TRAINING.name, folder)
    return {r.settings["condition"]: r for r in records if r.settings["seed"] == seed}


def layer_weights(model: nn.Module) -> list[Tensor]:
    return [layer.weight.detach() for _, layer in convolutional_layers(model)]


def layers_of(condition: str) -> list[str]:
    """Names of a network's convolutions: some conditions put one ahead of the first."""
    if condition.removesuffix("-scale") in ("whitening-layer", "extra-layer"):
        return ["blocks.0.0.0", "blocks.0.0.2", *LAYERS[1:]]
    return LAYERS
