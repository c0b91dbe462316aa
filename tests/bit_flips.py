"""Single bits that flip in a record, a checkpoint or a network, and what comes of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.networks import compressed, load_network, network_path
from convsim.experiments.record import RESULTS, read_record
from convsim.models import ShallowCNN
from convsim.training.checkpoint import Underway, load_checkpoint, save_checkpoint
from convsim.training.history import Epoch
from tests.made_up import save

Readable = tuple[Path, Callable[[], Any]]
SETTINGS = {"lr": 0.01, "data": "digits", "images": 96}
EPOCHS = [
    Epoch(number, 2.0 / number, 50.0, 49.5, *({f"blocks.{i}.0": i / 3} for i in range(3)), 1.5)
    for number in (1, 2)
]


def record(folder: Path) -> Readable:
    source = min(RESULTS.glob("pairs-*.json"))
    path = folder / source.name
    path.write_bytes(source.read_bytes())
    return path, lambda: read_record(path)


def checkpoint(folder: Path) -> Readable:
    path, model = folder / "run.safetensors", ShallowCNN(1)
    underway = Underway([1.5, 1.25], [3, 4], 0.5, torch.get_rng_state())
    save_checkpoint(path, model, SETTINGS, EPOCHS, underway)

    def read() -> Any:
        loaded = ShallowCNN(1)
        epochs, steps = load_checkpoint(path, loaded, SETTINGS)
        assert steps.generator is not None
        return epochs, vars(steps) | {"generator": steps.generator.tolist()}, numbers(loaded)

    return path, read


def network(folder: Path) -> Readable:
    settings = TrainingSettings("init", width=1)
    save(folder, "table5", settings, {})
    record = read_record(next(folder.glob("table5-*.json")))
    path = network_path(record, folder)
    path.write_bytes(compressed(ShallowCNN(1), settings))
    return path, lambda: numbers(load_network(record, folder))


def numbers(model: torch.nn.Module) -> dict[str, Any]:
    return {name: value.tolist() for name, value in model.state_dict().items()}


KINDS = {"record": record, "checkpoint": checkpoint, "network": network}


def flip(path: Path, read: Callable[[], Any], flips: int, seed: int = 0) -> int:
    """Flip bits, one at a time, and return how many of the files were refused.

    Each gives the right value or a sentence with the path and the remedy; any other error is
    raised.
    """
    whole, expected, refused = path.read_bytes(), read(), 0
    for bit in random.Random(seed).sample(range(8 * len(whole)), flips):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert read() == expected, f"bit {bit} changed what is read"
        except ValueError as error:
            refused += 1
            text = str(error)
            assert text.startswith(f"{path} ") and "; expected " in text and "delete" in text, text
            assert "\n" not in text, text
    path.write_bytes(whole)
    assert read() == expected
    return refused
