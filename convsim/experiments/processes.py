"""Many runs, in order, each as soon as what it needs is there and there is a place for it.

A run that is stopped loses nothing: it is asked after every step whether to go on, and leaves a
checkpoint. One that is killed loses the epoch under way.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from multiprocessing import active_children
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from convsim.experiments.pools import SIGNALS, Lost, open_pool
from convsim.training.history import Stopped

Task = TypeVar("Task")
LOOK = 5  # seconds after which a pool is looked at again


def work_through(
    tasks: Sequence[Task],
    perform: Callable[..., Any],
    arguments: Callable[[Task], tuple[Any, ...]],
    finish: Callable[[Any], None],
    *,
    ready: Callable[[Task], bool],
    jobs: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> None:
    """Call ``perform(*arguments(task))`` for every task, and ``finish`` with what it returns.

    SIGTERM and Ctrl-C ask the runs to stop, see :func:`convsim.experiments.pools.stopping`, and
    wait for them; the second time they end at once. So does an error of one run ask the others,
    and is then raised.

    Args:
        tasks: in the order in which they are to start.
        perform: a function of a module; it runs in this process if ``jobs`` is 1.
        arguments: what it gets, asked for just before the start.
        finish: called in this process.
        ready: whether a task can start; one that cannot yet is passed over until it can.
        jobs: processes side by side, which share the processor's cores.
        cluster: address of a Dask scheduler, whose workers are used instead.
        progress: show a progress bar.

    Raises:
        ValueError: if there is no cluster at the address, or none with workers.
        convsim.experiments.pools.Lost: if a worker ended before its run did.
        convsim.training.history.Stopped: if a run was asked to stop.
        RuntimeError: if no task that is left can start.
    """
    waiting = list(tasks)
    running: dict[Future[Any], Task] = {}
    stopped: list[str] = []
    with (
        open_pool(jobs, cluster) as pool,
        _asking(pool.ask) as asked,
        tqdm(total=len(waiting), unit="run", disable=not (progress and waiting)) as bar,
    ):
        try:
            while (waiting and not asked.is_set()) or running:
                while len(running) < pool.places and not asked.is_set():
                    task = next(filter(ready, waiting), None)
                    if task is None:
                        break
                    waiting.remove(task)
                    running[pool.executor.submit(perform, *arguments(task))] = task
                if not running and not asked.is_set():
                    raise RuntimeError(
                        f"{waiting[0]} cannot start, and nothing it waits for is under way"
                    )
                for future in wait(running, LOOK, FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        finish(future.result())
                    except Stopped as reason:
                        stopped.append(f"{task}: {reason}")
                    else:
                        bar.update()
                pool.look()
        except Lost:
            raise
        except Exception:
            pool.ask()  # leaving waits for what is under way
            raise
    if asked.is_set():
        raise Stopped("; ".join(stopped) or "no run was under way")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, so that no other process runs experiments in it.

    Raises:
        ValueError: if one does.
        OSError: if the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # The system lets go of it when this process ends, however it ends.
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise ValueError(
            f"another process is running experiments in {folder}; expected to be the only one: "
            "wait for it, stop it with Ctrl-C or `kill`, or name another folder"
        ) from error


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock of :func:`alone_in`."""
    if not (folder / ".lock").exists():
        return False
    try:
        with alone_in(folder):
            return False
    except ValueError:
        return True


@contextlib.contextmanager
def _asking(ask: Callable[[], object]) -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; they ask the runs to stop, too."""
    asked = threading.Event()

    def handle(number: int, _frame: object) -> None:
        if asked.is_set():
            for child in active_children():
                child.kill()
            raise KeyboardInterrupt
        asked.set()
        ask()

    if threading.current_thread() is not threading.main_thread():  # only it may handle signals
        yield asked
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
