"""Damaged records, checkpoints and networks: what came, what was expected, what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from convsim.training import fit
from convsim.training.checkpoint import load_checkpoint, read_history
from convsim.training.history import Stopped
from convsim.training.tensors import read_tensors, tensors_file
from tests import bit_flips
from tests.bit_flips import EPOCHS, KINDS, SETTINGS, flip
from tests.tiny_networks import FEW, TEST, network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_said_or_harmless(kind: str, tmp_path: Path) -> None:
    """A thousand of them in tests/published."""
    path, read = KINDS[kind](tmp_path)
    assert flip(path, read, flips=40, seed=1) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_off_is_said(kind: str, tmp_path: Path) -> None:
    path, read = KINDS[kind](tmp_path)
    whole = path.read_bytes()
    for length in (0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"^{path} .*; expected .*delete"):
            read()
    path.write_bytes(whole + b"x")
    with pytest.raises(ValueError, match=f"^{path} .*; expected .*delete"):
        read()


# Tensors with notes.


def test_tensors_and_notes_come_back(tmp_path: Path) -> None:
    tensors = {
        "matrix": torch.randn(3, 4).t(),
        "halves": torch.randn(5).to(torch.bfloat16),
        "number": torch.tensor(7),
        "nothing": torch.zeros(0, 2),
        "flags": torch.tensor([True, False]),
    }
    notes = {"list": [1, 2.5, None], "words": "ü", "deep": {"a": {"b": 1e-20}}}
    path = tmp_path / "file.safetensors"
    path.write_bytes(tensors_file(tensors, notes))
    read, said = read_tensors(path, kind="file", remedy="delete it")
    assert said == notes and read.keys() == tensors.keys()
    for name, value in tensors.items():
        assert read[name].dtype == value.dtype and torch.equal(read[name], value)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, notes: tensors.update(a=torch.ones(2, 3).t()),  # its bytes are the same
        lambda tensors, notes: tensors.update(a=tensors["a"].view(torch.int32)),
        lambda tensors, notes: tensors.update(b=tensors.pop("a")),
        lambda tensors, notes: tensors["a"].view(-1)[0].add_(1e-6),
        lambda tensors, notes: notes.update(x=2),
        lambda tensors, notes: notes.update(y=1),
    ],
    ids=["shape", "type", "name", "value", "note", "another note"],
)
def test_the_checksum_is_of_everything(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]
) -> None:
    import safetensors.torch
    from safetensors import safe_open

    tensors, notes = {"a": torch.ones(2, 3)}, {"x": 1}
    path = tmp_path / "file.safetensors"
    path.write_bytes(tensors_file(tensors, notes))
    with safe_open(path, framework="pt") as file:
        checksum = file.metadata()["checksum"]
    change(tensors, notes)
    texts = {name: json.dumps(note) for name, note in notes.items()} | {"checksum": checksum}
    rows = {name: value.contiguous() for name, value in tensors.items()}
    path.write_bytes(safetensors.torch.save(rows, metadata=texts))
    with pytest.raises(ValueError, match="as a file .its checksum differs.; .* unchanged: do it"):
        read_tensors(path, kind="file", remedy="do it")
    path.write_bytes(safetensors.torch.save(rows, metadata={"x": "1"}))
    with pytest.raises(ValueError, match=r"\(its checksum is missing\)"):
        read_tensors(path, kind="file", remedy="do it")


def test_a_folder_in_place_of_a_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path} cannot be used .Is a directory.; expected a"):
        read_tensors(tmp_path, kind="file", remedy="")


# Checkpoints whose checksum is right, and which no training has written.


@pytest.mark.parametrize(
    "changed",
    [
        {"history": {}},
        {"history": "epochs"},
        {"history": 3},
        {"history": [{"seconds": 1.0}]},
        {"history": [asdict(EPOCHS[1])]},
        {"history": [asdict(EPOCHS[0]) | {"loss": "low"}]},
        {"history": [asdict(EPOCHS[0]) | {"norm": [1.0]}]},
        {"history": [asdict(EPOCHS[0]) | {"norm": {"a": None}}]},
        {"settings": [1]},
        {"settings": None},
        {"underway": {"losses": [1.0], "right": [1], "seconds": 0.0}},  # without random numbers
        {"underway": []},
    ],
    ids=str,
)
def test_notes_of_the_wrong_shape_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = tmp_path / "run.safetensors"
    notes = {"settings": SETTINGS, "history": [asdict(epoch) for epoch in EPOCHS]} | changed
    path.write_bytes(tensors_file(network().state_dict(), notes))
    message = f"^{path} is no checkpoint of this version .*; expected settings, whole epochs, and"
    for read in (lambda: load_checkpoint(path, network(), SETTINGS), lambda: read_history(path)):
        with pytest.raises(ValueError, match=message):
            read()


@pytest.mark.parametrize(
    "steps",
    [{"losses": [1.0]}, {"right": [1, 2, 3]}, {"losses": ["a"]}, {"seconds": "1"}, {"x": 1}],
)
def test_steps_of_the_wrong_shape_are_refused(tmp_path: Path, steps: dict[str, Any]) -> None:
    path, _ = bit_flips.checkpoint(tmp_path)
    tensors, notes = read_tensors(path, kind="", remedy="")
    path.write_bytes(tensors_file(tensors, notes | {"underway": notes["underway"] | steps}))
    with pytest.raises(ValueError, match="is no checkpoint of this version"):
        read_history(path)


@pytest.mark.parametrize("name", ["classifier.weight", "blocks.1.1.running_var"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_with_nan_is_refused_and_no_run_diverges_of_it(
    tmp_path: Path, name: str, value: float
) -> None:
    path, model = tmp_path / "run.safetensors", network()
    fit(model, FEW, TEST, epochs=1, batch_size=48, checkpoint=path, progress=False)
    tensors, notes = read_tensors(path, kind="", remedy="")
    tensors[name].view(-1)[0] = value
    path.write_bytes(tensors_file(tensors, notes))
    with pytest.raises(ValueError, match=f"{path} holds NaN or infinity in '{name}'; expected fin"):
        fit(network(), FEW, TEST, epochs=2, batch_size=48, checkpoint=path, progress=False)


@pytest.mark.parametrize("buffer", [False, True])
def test_what_is_not_finite_is_not_saved(tmp_path: Path, buffer: bool) -> None:
    path, model = tmp_path / "run.safetensors", network()
    options: dict[str, Any] = {"epochs": 3, "batch_size": 48, "checkpoint": path}
    steps: list[int] = []

    def stop() -> bool:
        steps.append(1)
        if len(steps) == 3:  # the first of the second epoch
            norm = model.blocks[1][1]
            (norm.running_mean if buffer else norm.weight.data)[0] = float("nan")
        return len(steps) == 3

    with pytest.raises(FloatingPointError, match="epoch 2: NaN or infinity in .* 'blocks.1.1'"):
        fit(model, FEW, TEST, stop=stop, progress=False, **options)
    settings, epochs = read_history(path)  # that of the first epoch is still there
    assert len(epochs) == 1
    assert len(fit(network(), FEW, TEST, progress=False, **options)) == 3


def test_random_numbers_of_another_device_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    options: dict[str, Any] = {"epochs": 1, "batch_size": 48, "checkpoint": path}
    with pytest.raises(Stopped):
        fit(network(), FEW, TEST, stop=lambda: True, progress=False, **options)
    tensors, notes = read_tensors(path, kind="", remedy="")
    name = "generator of random numbers"
    path.write_bytes(tensors_file(tensors | {name: tensors[name][:16].clone()}, notes))
    with pytest.raises(ValueError, match="was left within an epoch on another kind of device; exp"):
        fit(network(), FEW, TEST, progress=False, **options)
