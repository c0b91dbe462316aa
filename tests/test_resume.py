"""Trainings that are stopped or killed go on from their checkpoint to the same bits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

from convsim.training import LOOP, fit
from convsim.training.checkpoint import read_history
from convsim.training.history import Epoch, Stopped
from tests.tiny_networks import (
    FEW,
    TEST,
    TRAIN,
    assert_same_bits,
    network,
    untimed,
    with_dropout,
)

pytestmark = pytest.mark.usefixtures("one_thread")

KILLED = """
import sys, torch
from pathlib import Path
from convsim.data import digits
from convsim.models import ShallowCNN
from convsim.training import fit
torch.set_num_threads(1)
torch.manual_seed(0)
train, test = digits()
fit(ShallowCNN(4), train.subset(slice(0, 300)), test, epochs=1000, lr=0.05, batch_size=64,
    beta=0.01, progress=False, checkpoint=Path(sys.argv[1]))
"""


def with_shared_kernels() -> nn.Sequential:
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(3, 4, 3, stride=4), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)]
    convolutions[2].weight = convolutions[1].weight
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(256, 10))


def epochs_in(path: Path) -> int:
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        return len(json.loads(file.metadata()["history"]))


def test_a_killed_run_continues_to_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as process:
        deadline = time.monotonic() + 120
        while epochs_in(path) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    epochs = epochs_in(path) + 2
    options: dict[str, Any] = {"epochs": epochs, "lr": 0.05, "batch_size": 64, "beta": 0.01}
    train = TRAIN.subset(slice(0, 300))
    continued = network(seed=9)  # whatever it starts from, the file decides
    history = fit(continued, train, TEST, checkpoint=path, progress=False, **options)
    assert len(history) == epochs
    never_killed = network()
    expected = fit(never_killed, train, TEST, progress=False, **options)
    assert untimed(history) == untimed(expected)
    assert_same_bits(continued, never_killed)
    # A finished run is read, not run again.
    finished = network(seed=10)
    assert fit(finished, train, TEST, checkpoint=path, progress=False, **options) == history
    assert_same_bits(finished, never_killed)


@pytest.mark.parametrize("make", [network, with_dropout, with_shared_kernels])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_run_stopped_in_an_epoch_continues_to_the_same_bits(
    make: Any, steps: int, tmp_path: Path
) -> None:
    path = tmp_path / "run.safetensors"
    options: dict[str, Any] = {"epochs": 3, "batch_size": 32, "beta": 0.01, "progress": False}
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(asked))
        return len(asked) == steps

    with pytest.raises(Stopped, match=f"stopped in epoch {(steps + 2) // 3} of 3"):
        fit(make(), FEW, TEST, checkpoint=path, stop=stop, **options)
    assert len(asked) == steps  # it is left after that step
    settings, history = read_history(path)
    assert len(history) == (steps - 1) // 3 and settings["loop"] == LOOP
    with safe_open(path, framework="pt") as file:
        assert len(json.loads(file.metadata()["underway"])["losses"]) == (steps - 1) % 3 + 1
    continued, never_stopped = make(), make()
    history = fit(continued, FEW, TEST, checkpoint=path, **options)
    assert untimed(history) == untimed(fit(never_stopped, FEW, TEST, **options))
    assert_same_bits(continued, never_stopped)


def test_without_a_checkpoint_a_stop_is_only_a_stop() -> None:
    with pytest.raises(Stopped, match="stopped in epoch 1 of 2"):
        fit(network(), FEW, TEST, epochs=2, batch_size=32, progress=False, stop=lambda: True)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    fit(network(), FEW, TEST, epochs=2, batch_size=48, checkpoint=path, progress=False)
    return path


def resume(path: Path, model: nn.Module | None = None, **changed: Any) -> list[Epoch]:
    options = {"epochs": 3, "batch_size": 48} | changed
    return fit(model or network(), FEW, TEST, checkpoint=path, progress=False, **options)


def test_a_damaged_checkpoint_says_what_to_do(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    for damaged in (b"", whole[:50], whole[:-40], b"no tensors" * 100):
        checkpoint.write_bytes(damaged)
        with pytest.raises(
            ValueError, match="cannot be read as a checkpoint .* delete it to start the run again"
        ):
            resume(checkpoint)
        with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
            read_history(checkpoint)
    checkpoint.write_bytes(whole)
    assert len(resume(checkpoint)) == 3


def test_a_checkpoint_of_another_run_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"belongs to another run \(lr 0.01, not 0.1\); expected"):
        resume(checkpoint, lr=0.1)
    with pytest.raises(ValueError, match=r"\(beta 0.0, not 0.5, seed 0, not 7\)"):
        resume(checkpoint, beta=0.5, seed=7)
    with pytest.raises(ValueError, match=r"\(images 96, not 1500\)"):
        fit(network(), TRAIN, TEST, batch_size=48, checkpoint=checkpoint, progress=False)
    with pytest.raises(ValueError, match=r"belongs to another model \(.*size mismatch.*ShallowCNN"):
        resume(checkpoint, network(5))
    with pytest.raises(ValueError, match="holds 2 epochs; expected 1 at the most: ask for more"):
        resume(checkpoint, epochs=1)


def test_a_checkpoint_of_another_version_of_the_loop_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convsim.training.loop.LOOP", LOOP + 1)
    with pytest.raises(ValueError, match=rf"\(loop {LOOP}, not {LOOP + 1}\); expected the same"):
        resume(checkpoint)
