"""A file that is replaced while it is read is the old one or the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from convsim.training.tensors import read_tensors, tensors_file


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    old, new = (tensors_file({"weight": torch.tensor([n])}, {"number": n}) for n in (0.0, 1.0))
    path.write_bytes(old)
    from_file, read_bytes = torch.UntypedStorage.from_file, Path.read_bytes

    def replaced_before(*arguments: Any, **options: Any) -> Any:
        path.write_bytes(new)  # as a training does that has come to the end of its epoch
        return from_file(*arguments, **options)

    def replaced_after(path: Path) -> bytes:
        content = read_bytes(path)
        path.write_bytes(new)
        return content

    # safetensors.safe_open opens a file for its header, and again for its tensors.
    monkeypatch.setattr(torch.UntypedStorage, "from_file", replaced_before)
    monkeypatch.setattr(Path, "read_bytes", replaced_after)
    tensors, notes = read_tensors(path, kind="checkpoint", remedy="again")
    assert tensors["weight"].tolist() == [notes["number"]] == [0.0]
