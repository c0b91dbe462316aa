"""Workers that die and clusters that are not there: one sentence, and in seconds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import pools, processes, runner
from convsim.experiments.pools import Lost
from convsim.experiments.processes import work_through
from tests.patience import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("one_thread")

SCHEDULER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=int(sys.argv[1]), threads_per_worker=1, dashboard_address=None,
                      local_directory=sys.argv[2]) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def die(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out


def wait_for_ever(mark: str) -> None:
    Path(mark).touch()
    time.sleep(10 * PATIENCE)


def work(perform: Any, task: str = "task", **options: Any) -> None:
    finished: list[Any] = []
    work_through(
        [task],
        perform,
        lambda task: (task,),
        finished.append,
        ready=bool,
        progress=False,
        **options,
    )


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A Dask cluster in other processes, and its address."""
    words = [sys.executable, "-c", SCHEDULER, str(workers), str(folder)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_worker_that_is_killed_is_a_sentence() -> None:
    message = (
        "a worker process was killed, as the system does when memory runs out; expected it to live "
        "as long as its run: ask for fewer than 2 jobs, and the same command goes on from the last "
        "checkpoints"
    )
    with pytest.raises(Lost, match=f"^{message}$"):
        work(die, jobs=2)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:1", "nowhere", "", "tcp://", "foo://a:1", "127.0.0.1:port", "tls://127.0.0.1:1"],
)
def test_a_cluster_that_is_not_there_is_a_sentence(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pools.CONNECT <= 10
    monkeypatch.setattr(pools, "CONNECT", 1)
    words = ["run", "table5", "--data", "digits", "--cluster", address, "--results", str(tmp_path)]
    started = time.monotonic()
    result = CliRunner().invoke(app, words)
    assert time.monotonic() - started < 30
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"Error: no cluster answers at '{address}' (")
    assert result.stderr.endswith("or leave --cluster out\n") and result.stderr.count("\n") == 1


def test_a_cluster_without_workers_is_a_sentence(tmp_path: Path) -> None:
    with cluster(0, tmp_path) as (address, _):
        message = f"the cluster at {address} has no workers; expected at least one: start some with"
        with pytest.raises(ValueError, match=re.escape(message)):
            work(die, cluster=address)


def test_workers_of_a_cluster_that_die_are_a_sentence(tmp_path: Path) -> None:
    with cluster(1, tmp_path) as (address, _):
        message = f"workers of the cluster at {address} ended before their runs did, .*; expected"
        with pytest.raises(Lost, match=message):
            work(die, cluster=address)


def test_a_cluster_that_is_switched_off_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CONNECT", 2)
    mark = tmp_path / "mark"
    with cluster(1, tmp_path) as (address, process):

        def switch_off() -> None:
            assert wait_until(mark.exists)
            os.killpg(process.pid, signal.SIGKILL)

        threading.Thread(target=switch_off).start()
        with pytest.raises(Lost, match=f"the cluster at {address}"):
            work(wait_for_ever, str(mark), cluster=address)


def test_a_cluster_that_loses_its_last_worker_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(pools, "WITHOUT_WORKERS", 1)
    monkeypatch.setattr(processes, "LOOK", 0.2)
    mark = tmp_path / "mark"
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    ) as local:

        def take_away() -> None:
            assert wait_until(mark.exists)
            local.scale(0)

        threading.Thread(target=take_away).start()
        address = local.scheduler_address
        with pytest.raises(Lost, match=f"the cluster at {address} has had no worker for 1 seconds"):
            work(wait_for_ever, str(mark), cluster=address)


def test_the_command_says_that_a_worker_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: Any, **__: Any) -> None:
        work(die, jobs=2)

    monkeypatch.setattr(runner, "work_through", lose)
    result = CliRunner().invoke(app, ["run", "floor", "--results", str(tmp_path)])
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: a worker process was killed, as the system does when")
    assert result.stderr.count("\n") == 1
