"""Where a training run stands, in one safetensors file: weights, settings and history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convsim.files import write_atomically
from convsim.training.history import Epoch, not_finite
from convsim.training.optimizers import load_state_tensors, state_tensors
from convsim.training.tensors import read_tensors, tensors_file

_GENERATOR = "generator of random numbers"  # no module's name has a space in it
_OPTIMIZER = "optimizer "
_ADDED: dict[str, Any] = {
    **{"decorrelation": 0.0, "penalty": None, "strength": 0.0},
    **{"optimizer": "SGD", "beta_follows_loss": False, "held_out": 0},
}
"""Settings that older checkpoints do not name, with what they meant then."""
_AGAIN = "delete it to start the run again"


@dataclass
class Underway:
    """An epoch that is not over: what its steps came to, and where the random numbers stand.

    Attributes:
        losses: loss of each step so far.
        right: how many images of each step were classified rightly.
        seconds: time spent in earlier parts of the epoch.
        generator: state of the generator of random numbers on the training's device.
    """

    losses: list[float] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    seconds: float = 0.0
    generator: Tensor | None = None


def save_checkpoint(
    path: Path,
    model: nn.Module,
    settings: Mapping[str, Any],
    history: Sequence[Epoch],
    underway: Underway | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Write a model's weights and buffers, what it is trained with and how it went, in one step.

    What the optimiser remembers is written with them, if one is given.

    Raises:
        OSError: if it cannot be written; the error names the path.
    """
    tensors = dict(model.state_dict())
    if optimizer is not None:
        tensors |= {_OPTIMIZER + name: value for name, value in state_tensors(optimizer).items()}
    notes = {"settings": dict(settings), "history": [asdict(epoch) for epoch in history]}
    if underway is not None:
        assert underway.generator is not None
        tensors[_GENERATOR] = underway.generator
        notes["underway"] = {key: getattr(underway, key) for key in ("losses", "right", "seconds")}
    write_atomically(path, tensors_file(tensors, notes))


def load_checkpoint(
    path: Path,
    model: nn.Module,
    settings: Mapping[str, Any],
    optimizer: torch.optim.Optimizer | None = None,
) -> tuple[list[Epoch], Underway]:
    """Load a checkpoint into a model and an optimiser; its epochs, and the one under way.

    Both are empty without a file.

    Raises:
        ValueError: if the file is damaged or holds NaN or infinity, or belongs to other settings
            or another model; the message says what to do.
    """
    if not path.exists():
        return [], Underway()
    tensors, notes = _read(path)
    underway = Underway(**notes["underway"], generator=tensors.pop(_GENERATOR, None))
    other = {key: (notes["settings"].get(key), value) for key, value in settings.items()}
    other = {key: pair for key, pair in other.items() if pair[0] != pair[1]}
    if other:
        listed = ", ".join(f"{key} {a!r}, not {b!r}" for key, (a, b) in other.items())
        raise ValueError(
            f"{path} belongs to another run ({listed}); expected the same settings: delete it to "
            "start again, or name another file"
        )
    if broken := not_finite(tensors):
        raise ValueError(
            f"{path} holds NaN or infinity in {broken[0]!r}; expected finite numbers, as in every "
            f"checkpoint that convsim writes: {_AGAIN}"
        )
    remembered = {name for name in tensors if name.startswith(_OPTIMIZER)}
    state = {name.removeprefix(_OPTIMIZER): tensors.pop(name) for name in remembered}
    if optimizer is not None:
        load_state_tensors(optimizer, state)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            f"{path} belongs to another model ({str(error).splitlines()[-1].strip()}); expected "
            f"a {type(model).__name__} of the same shape: delete it to start again"
        ) from error
    return notes["history"], underway


def read_history(path: Path) -> tuple[dict[str, Any], list[Epoch]]:
    """What a checkpoint's run is trained with, and its epochs so far.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is damaged.
    """
    _, notes = _read(path)
    return notes["settings"], notes["history"]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and notes of a checkpoint, the epochs of its history as such."""
    tensors, notes = read_tensors(path, kind="checkpoint", remedy=_AGAIN)
    try:
        rows = notes["history"]
        if not isinstance(rows, list):
            raise TypeError(f"history is {rows!r}")
        return tensors, {
            "settings": _ADDED | dict(notes["settings"]),
            "history": [_epoch(n, row) for n, row in enumerate(rows, start=1)],
            "underway": _underway(notes.get("underway"), tensors),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no checkpoint of this version ({type(error).__name__}: {error}); expected "
            f"settings, whole epochs, and the steps of one under way: {_AGAIN}"
        ) from error


def _epoch(number: int, row: Mapping[str, Any]) -> Epoch:
    epoch = Epoch(**row)
    layers = {name: row[name] for name in ("similarity", "normalized", "norm")}
    optional = {"held_out_accuracy"} if epoch.held_out_accuracy is None else set()
    numbers = [value for name, value in row.items() if name not in layers.keys() | optional]
    whole = all(isinstance(of, dict) and _are_numbers([*of.values()]) for of in layers.values())
    if epoch.epoch != number or not (whole and _are_numbers(numbers)):
        raise ValueError(f"epoch {number} is {row}")
    return epoch


def _underway(note: Mapping[str, Any] | None, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The steps of an epoch under way, without the generator; none if there is no such epoch."""
    if (note is None) != (_GENERATOR not in tensors):
        raise ValueError("an epoch under way needs its steps and the state of the random numbers")
    if note is None:
        return {}
    steps = Underway(**note)
    alike = len(steps.losses) == len(steps.right)
    if not (alike and _are_numbers([*steps.losses, *steps.right, steps.seconds])):
        raise ValueError(f"the epoch under way is {dict(note)}")
    return dict(note)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
