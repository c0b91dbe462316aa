"""Runs side by side: in which order, and what becomes of them when they are stopped or killed."""

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import sweep
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.processes import SIGNALS, alone_in, is_running, stopping, work_through
from convsim.experiments.record import read_record, record_path, stored
from convsim.training.checkpoint import read_history
from convsim.training.history import Stopped

PATIENCE = 240  # seconds, on a machine that is busy


def wait_until(holds: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Sums in the same order in every process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("MKL_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


# In one process.


def in_order(tasks: str, needs: dict[str, str] | None = None) -> str:
    """Letters in the order in which they were carried out, each after the one that it needs."""
    done: list[str] = []
    work_through(
        tasks,
        str.upper,
        lambda task: (task,),
        done.append,
        ready=lambda task: (needs or {}).get(task, "").upper() in ["", *done],
        progress=False,
    )
    return "".join(done)


def test_tasks_start_in_order_once_what_they_need_is_there() -> None:
    assert in_order("") == ""
    assert in_order("abc") == "ABC"
    assert in_order("cab", {"c": "b"}) == "ABC"
    assert in_order("dcab", {"d": "c", "c": "a"}) == "ACDB"


def test_what_can_never_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="b cannot start, and nothing it waits for is under way"):
        in_order("abc", {"b": "x"})


def alone(perform: Callable[[str], Any], ready: Callable[[str], bool] = bool) -> None:
    """Perform two tasks in this process."""
    tasks = ["first", "second"]
    work_through(tasks, perform, lambda task: (task,), print, ready=ready, progress=False)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_the_run_to_stop(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    asked: list[bool] = []

    def perform(task: str) -> None:
        asked.append(stopping())
        os.kill(os.getpid(), number)
        asked.append(stopping())
        raise Stopped("after a step")

    with pytest.raises(Stopped, match="^first: after a step$"):
        alone(perform)
    assert asked == [False, True]  # and the second did not start
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_signal_between_runs_is_no_error_and_a_second_one_ends_at_once() -> None:
    def interrupt(times: int) -> Callable[[str], bool]:
        def ready(task: str) -> bool:
            for _ in range(times if task == "first" else 0):
                os.kill(os.getpid(), signal.SIGTERM)
            return False

        return ready

    with pytest.raises(Stopped, match="^no run was under way$"):
        alone(str, ready=interrupt(1))
    with pytest.raises(KeyboardInterrupt):
        alone(str, ready=interrupt(2))


def test_only_one_process_is_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert not is_running(folder) and not folder.exists()
    message = (
        f"another process is running experiments in {folder}; expected to be the only one: wait "
        "for it, stop it with Ctrl-C or `kill`, or name another folder"
    )
    with alone_in(folder):
        assert is_running(folder)
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"), alone_in(folder):
            pass
        with alone_in(tmp_path):  # another folder
            pass
    assert not is_running(folder)
    with alone_in(folder):
        pass


# In several processes.


def perform(name: str, folder: Path) -> tuple[str, int]:
    """What a worker does; it leaves a file of its name when it starts."""
    (folder / name).touch()
    if name == "first":  # ends only if a later one starts meanwhile
        assert wait_until((folder / "later").exists)
    if name == "fails":
        assert wait_until((folder / "waits").exists)
        raise ZeroDivisionError("of the task")
    if name == "deaf":
        assert wait_until((folder / "release").exists)
    if name == "waits":
        assert wait_until(stopping)
        (folder / "asked").touch()
        raise Stopped("asked")
    return name, torch.get_num_threads()


@dataclass
class Seen:
    """What a parent saw of its workers."""

    folder: Path
    started: list[str] = field(default_factory=list)
    finished: list[tuple[str, int]] = field(default_factory=list)
    error: str = ""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Seen:
    seen = Seen(tmp_path_factory.mktemp("seen"))
    needs = {"second": "first", "fails": "second", "waits": "second", "last": "fails"}

    def arguments(task: str) -> tuple[str, Path]:
        seen.started.append(task)
        for child in active_children():  # as Ctrl-C in a terminal does, while they start and later
            assert child.pid is not None
            os.kill(child.pid, signal.SIGINT)
            os.kill(child.pid, signal.SIGTERM)
        return task, seen.folder

    def ready(task: str) -> bool:
        return task not in needs or needs[task] in [name for name, _ in seen.finished]

    torch.set_num_threads(4)
    try:
        work_through(
            ["first", "second", "later", "fails", "waits", "last"],
            perform,
            arguments,
            seen.finished.append,
            ready=ready,
            jobs=2,
            progress=False,
        )
    except ZeroDivisionError as error:
        seen.error = str(error)
    finally:
        torch.set_num_threads(1)
    return seen


def test_a_task_waits_for_what_it_needs_while_later_ones_start(seen: Seen) -> None:
    assert seen.started == ["first", "later", "second", "fails", "waits"]
    assert {name for name, _ in seen.finished} == {"first", "later", "second"}


def test_workers_heed_no_signal_and_share_the_threads(seen: Seen) -> None:
    assert seen.finished and {threads for _, threads in seen.finished} == {4 // 2}


def test_an_error_is_raised_and_the_others_are_asked_to_stop(seen: Seen) -> None:
    assert seen.error == "of the task"
    assert (seen.folder / "asked").exists()
    assert not active_children()


def test_a_second_signal_kills_the_workers() -> None:
    def arguments(task: str) -> tuple[int]:
        if task == "second":
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        return (60,)  # seconds of sleep

    started, tasks = time.monotonic(), ["first", "second"]
    with pytest.raises(KeyboardInterrupt):
        work_through(tasks, time.sleep, arguments, print, ready=bool, jobs=2, progress=False)
    assert not active_children() and time.monotonic() - started < 60


def test_a_dask_cluster_is_asked_to_stop_and_then_left(tmp_path: Path) -> None:
    from distributed import LocalCluster

    def work(task: str, signals: int) -> None:
        def arguments(number: int) -> tuple[str, Path]:
            if number == 2:
                assert wait_until((tmp_path / task).exists)
                for _ in range(signals):
                    os.kill(os.getpid(), signal.SIGTERM)
            return task, tmp_path

        address = cluster.scheduler_address
        options: dict[str, Any] = {"ready": bool, "cluster": address, "progress": False}
        work_through([1, 2], perform, arguments, print, **options)

    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=None,
        local_directory=str(tmp_path),
    ) as cluster:
        with pytest.raises(Stopped, match="^1: asked; 2: asked$|^2: asked; 1: asked$"):
            work("waits", 1)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            work("deaf", 2)
        assert time.monotonic() - started < PATIENCE
        (tmp_path / "release").touch()


def test_without_dask_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = CliRunner().invoke(app, command(tmp_path, "--cluster", "x:1"))
    assert result.exit_code == 2
    assert "pip install 'convsim[cluster]'" in " ".join(result.output.split())


# The command.

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
