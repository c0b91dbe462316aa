"""Where a training run stands, in one safetensors file: weights, settings and history."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from convsim.files import write_atomically

_GENERATOR = "generator of random numbers"  # no module's name has a space in it


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
    history: Sequence[Mapping[str, Any]],
    underway: Underway | None = None,
) -> None:
    """Write a model's weights and buffers, what it is trained with and how it went, in one step."""
    # Whatever memory format the weights have, the file holds them row by row.
    tensors = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    notes = {"settings": dict(settings), "history": list(history)}
    if underway is not None:
        assert underway.generator is not None
        tensors[_GENERATOR] = underway.generator
        notes["underway"] = {key: getattr(underway, key) for key in ("losses", "right", "seconds")}
    texts = {key: json.dumps(note) for key, note in notes.items()}
    write_atomically(path, safetensors.torch.save(tensors, metadata=texts))


def load_checkpoint(
    path: Path, model: nn.Module, settings: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], Underway]:
    """Load a checkpoint into a model; its epochs, and the one under way. Empty without a file.

    Raises:
        ValueError: if the file is damaged, or belongs to other settings or another model; the
            message says what to do.
    """
    if not path.exists():
        return [], Underway()
    with _opened(path) as file:
        notes = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        theirs, history = json.loads(notes["settings"]), json.loads(notes["history"])
        underway = Underway(**json.loads(notes.get("underway", "{}")))
        underway.generator = tensors.pop(_GENERATOR, None)
    other = {key: (theirs.get(key), value) for key, value in settings.items()}
    other = {key: pair for key, pair in other.items() if pair[0] != pair[1]}
    if other:
        listed = ", ".join(f"{key} {a!r}, not {b!r}" for key, (a, b) in other.items())
        raise ValueError(
            f"{path} belongs to another run ({listed}); expected the same settings: delete it to "
            "start again, or name another file"
        )
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            f"{path} belongs to another model ({str(error).splitlines()[-1].strip()}); expected "
            f"a {type(model).__name__} of the same shape: delete it to start again"
        ) from error
    assert isinstance(history, list)
    return history, underway


def read_history(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a checkpoint's run is trained with, and its epochs so far, without the weights.

    Raises:
        ValueError: if the file is damaged.
    """
    with _opened(path) as file:
        notes = file.metadata() or {}
        return json.loads(notes["settings"]), json.loads(notes["history"])


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file; whatever is wrong with it or its notes, the message says what to do."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read as a checkpoint ({error}); expected a file that convsim "
            "wrote: delete it to start the run again"
        ) from error
