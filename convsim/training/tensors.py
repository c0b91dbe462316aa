"""Files of tensors, with notes in JSON and a checksum: what checkpoints and kept networks are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from convsim.files import in_words

CHECKSUM = "checksum"


def tensors_file(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> bytes:
    """The content of a safetensors file: tensors, and notes that can be JSON."""
    texts = {name: json.dumps(note) for name, note in notes.items()}
    # Whatever memory format they have, the file holds them row by row, and shared ones twice.
    rows = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    return safetensors.torch.save(rows, metadata=texts | {CHECKSUM: _checksum(rows, texts)})


def read_tensors(path: Path, *, kind: str, remedy: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and notes of a file.

    Args:
        path: of the file.
        kind: what it is, in words.
        remedy: what to do if it is damaged.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is not as it was written, or cannot be read.
    """
    try:
        # All at once: safe_open would open it twice, and a run may replace it in between.
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)
        length = int.from_bytes(content[:8], "little")
        texts = dict(json.loads(content[8 : 8 + length]).get("__metadata__") or {})
        expected = texts.pop(CHECKSUM)
        if expected != _checksum(tensors, texts):
            raise ValueError("its checksum differs")
        return tensors, {name: json.loads(text) for name, text in texts.items()}
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(in_words(error)) from error
    except (SafetensorError, KeyError, ValueError) as error:
        reason = "its checksum is missing" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{path} cannot be read as a {kind} ({reason}); expected a file that convsim wrote, "
            f"unchanged: {remedy}"
        ) from error


def _checksum(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    """SHA-256 of the notes, of the tensors' names, types and shapes, and of their bytes."""
    names = sorted(tensors)
    shapes = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in names]
    digest = hashlib.sha256(json.dumps([texts, shapes], sort_keys=True).encode())
    for name in names:
        digest.update(tensors[name].flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
