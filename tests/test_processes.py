"""Runs side by side: in which order they start, and how they are asked to stop."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch

from convsim.experiments import pools
from convsim.experiments.pools import SIGNALS, stopping
from convsim.experiments.processes import alone_in, is_running, work_through
from convsim.training.history import Stopped
from tests.patience import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert not stopping()  # what this process does next is something else
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
    pools._set_asked(False)  # the worker was this process, which other tests run in
