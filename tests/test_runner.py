"""What becomes of runs when the command is stopped or killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import sweep
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.processes import alone_in
from convsim.experiments.record import read_record, record_path, stored
from convsim.training.checkpoint import read_history
from tests.patience import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("one_thread")


COMMAND = ["run", "table5", "--conditions", "baseline,regularise", "--widths", "1"]
COMMAND += ["--seeds", "1", "--epochs", "10", "--precision", "float32", "--device", "cpu"]
COMMAND += ["--data", "digits"]


def command(folder: Path, *options: str) -> list[str]:
    return [*COMMAND, "--results", str(folder), *options]


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untimed(each) for key, each in value.items() if "seconds" not in key}
    return value


def recorded(folder: Path) -> dict[str, Any]:
    """What must not depend on what a run went through, by file name."""
    records = {path.name: read_record(path) for path in folder.glob("*.json")}
    return {name: (each.settings, untimed(each.metrics)) for name, each in records.items()}


def epochs_in(folder: Path) -> int:
    """Epochs that the checkpoints hold: of two runs, 20 at the end."""
    found = (folder / ".checkpoints").glob("*.safetensors")
    return sum(len(read_history(path)[1]) for path in found)


def in_an_epoch(folder: Path) -> list[int]:
    """Steps of the epoch under way, in each checkpoint that has one."""
    steps = []
    for path in (folder / ".checkpoints").glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            if "underway" in file.metadata():
                steps.append(len(json.loads(file.metadata()["underway"])["losses"]))
    return steps


@contextlib.contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command with two workers, all of which write to one pipe: it ends when they have."""
    process = subprocess.Popen(
        [sys.executable, "-m", "convsim", *command(folder, "--jobs", "2")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        print(process.communicate()[0])
        raise


def wait_for(epochs: int, folder: Path, process: subprocess.Popen[str]) -> None:
    assert wait_until(lambda: epochs_in(folder) >= epochs or process.poll() is not None)
    assert process.poll() is None


@dataclass
class Survived:
    """A folder in which the command was killed, then stopped, then left alone."""

    folder: Path
    refused: Any
    code: int
    output: str
    steps: list[int]
    last: Any


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Survived:
    folder = tmp_path_factory.mktemp("survived")
    with started(folder) as process:
        wait_for(1, folder, process)
        refused = CliRunner().invoke(app, command(folder))
        moment = random.randrange(3), random.uniform(0, 0.1)
        print("killed after", moment)
        wait_for(1 + moment[0], folder, process)
        time.sleep(moment[1])
        process.kill()
        process.wait()
        with alone_in(folder / ".checkpoints"):  # free at once
            process.communicate(timeout=30)  # and soon no worker is left
    before = epochs_in(folder)
    assert 1 <= before < 12
    with started(folder) as process:
        wait_for(before + 2, folder, process)
        os.killpg(process.pid, signal.SIGTERM)  # as Ctrl-C reaches them all
        output, _ = process.communicate(timeout=PATIENCE)
    steps = in_an_epoch(folder)
    last = CliRunner().invoke(app, command(folder, "--jobs", "2"))
    return Survived(folder, refused, process.returncode, output, steps, last)


def test_a_second_command_in_the_folder_is_refused(survived: Survived) -> None:
    assert survived.refused.exit_code == 2
    text = " ".join(re.findall(r"[^\s│]+", survived.refused.output))
    assert "another process is running experiments in" in text
    assert "stop it with Ctrl-C or `kill`, or name another folder" in text


def test_sigterm_stops_the_command_in_the_midst_of_an_epoch(survived: Survived) -> None:
    assert survived.code == 130, survived.output
    run = r"(baseline|regularise), width 1, seed 0, 10 epochs: stopped in epoch \d+ of 10"
    message = rf"stopped \({run}; {run}\); the same command goes on from there$"
    assert re.search(message, survived.output.rstrip())
    # Both runs have an epoch under way; one of the digits has three steps.
    assert len(survived.steps) == 2 and set(survived.steps) <= {1, 2, 3}


def test_what_was_killed_and_stopped_comes_to_the_same_numbers(
    survived: Survived, tmp_path: Path
) -> None:
    assert survived.last.exit_code == 0, survived.last.output
    assert "2 done: nothing is left to run." in survived.last.stdout
    assert CliRunner().invoke(app, command(tmp_path)).exit_code == 0  # one process, left alone
    expected = recorded(tmp_path)
    assert len(expected) == 2
    for condition in ("baseline", "regularise"):
        run = TrainingSettings(condition, 1, 0, 10, "digits", "float32")
        settings, metrics = expected[record_path("table5", run).name]
        assert settings == stored(run) and len(set(metrics["epochs"]["loss"])) == 10
    assert recorded(survived.folder) == expected
    assert not list((survived.folder / ".checkpoints").glob("*.safetensors"))


def test_when_all_is_done_no_data_are_loaded(
    survived: Survived, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(sweep, "load", load)
    before = {path: path.stat().st_mtime_ns for path in survived.folder.iterdir()}
    result = CliRunner().invoke(app, command(survived.folder))
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in survived.folder.iterdir()} == before
    result = CliRunner().invoke(app, command(survived.folder, "--seeds", "2"))
    assert str(result.exception) == "loaded"


def test_without_dask_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = CliRunner().invoke(app, command(tmp_path, "--cluster", "x:1"))
    assert result.exit_code == 2
    assert "pip install 'convsim[cluster]'" in " ".join(result.output.split())
