"""Where a training run stands, in one safetensors file: weights, settings and history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import nn

from convsim.files import write_atomically


def save_checkpoint(
    path: Path,
    model: nn.Module,
    settings: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> None:
    """Write a model's weights and buffers, what it is trained with and how it went, in one step."""
    # Whatever memory format the weights have, the file holds them row by row.
    tensors = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    notes = {"settings": json.dumps(dict(settings)), "history": json.dumps(list(history))}
    write_atomically(path, safetensors.torch.save(tensors, metadata=notes))


def load_checkpoint(
    path: Path, model: nn.Module, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Load a checkpoint into a model and return its history; empty if there is no file.

    Raises:
        ValueError: if the file is damaged, or belongs to other settings or another model; the
            message says what to do.
    """
    if not path.exists():
        return []
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        theirs, history = json.loads(notes["settings"]), json.loads(notes["history"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read as a checkpoint ({error}); expected a file that convsim "
            "wrote: delete it to start the run again"
        ) from error
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
    return history
