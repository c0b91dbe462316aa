"""Many runs, in order, on several processes, each as soon as what it needs is there.

A run that is stopped loses nothing: it is asked after every step whether to go on, and leaves a
checkpoint. One that is killed loses the epoch under way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, TypeVar

import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from convsim.training.history import Stopped

Task = TypeVar("Task")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked: Any = threading.Event()  # in a worker process, the event of its parent


def stopping() -> bool:
    """Whether the runs of this process have been asked to stop."""
    return bool(_asked.is_set())


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

    SIGTERM and Ctrl-C ask the runs to stop, see :func:`stopping`, and wait for them; the second
    time they end at once. So does an error of one run ask the others, and is then raised.

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
        convsim.training.history.Stopped: if a run was asked to stop.
        RuntimeError: if no task that is left can start.
    """
    waiting = list(tasks)
    running: dict[Future[Any], Task] = {}
    stopped: list[str] = []
    with (
        _pool(jobs, cluster) as (pool, places, ask),
        _asking(ask) as asked,
        tqdm(total=len(waiting), unit="run", disable=not (progress and waiting)) as bar,
    ):
        try:
            while (waiting and not asked.is_set()) or running:
                while len(running) < places and not asked.is_set():
                    task = next(filter(ready, waiting), None)
                    if task is None:
                        break
                    waiting.remove(task)
                    running[pool.submit(perform, *arguments(task))] = task
                if not running and not asked.is_set():
                    raise RuntimeError(
                        f"{waiting[0]} cannot start, and nothing it waits for is under way"
                    )
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        finish(future.result())
                    except Stopped as reason:
                        stopped.append(f"{task}: {reason}")
                    else:
                        bar.update()
        except Exception:
            ask()  # leaving waits for what is under way
            raise
    if asked.is_set():
        raise Stopped("; ".join(stopped) or "no run was under way")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, so that no other process runs experiments in it.

    Raises:
        ValueError: if one does.
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


class _Processes(ProcessPoolExecutor):
    """Its processes get no signal while they start, when they would die of it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            return super().submit(fn, *args, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Here(Executor):
    """Runs a task in this process, when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def _pool(jobs: int, cluster: str | None) -> Iterator[tuple[Executor, int, Callable[[], None]]]:
    """Where tasks run, how many at once, and how to ask them to stop."""
    if cluster is not None:
        with _dask(cluster) as of_cluster:
            yield of_cluster
    elif jobs == 1:
        _asked.clear()
        yield _Here(), 1, _asked.set
    else:
        context = get_context("spawn")  # a forked process cannot use a GPU
        event = context.Event()
        threads = max(1, torch.get_num_threads() // jobs)
        with _Processes(
            jobs, context, initializer=_begin_worker, initargs=(event, threads, os.getpid())
        ) as pool:
            yield pool, jobs, event.set


def _begin_worker(event: Any, threads: int, parent: int) -> None:
    """A worker listens to its parent alone, and ends with it."""
    global _asked
    _asked = event
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    torch.set_num_threads(threads)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)  # the parent was killed: nobody would take the result

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _asking(ask: Callable[[], None]) -> Iterator[threading.Event]:
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


@contextlib.contextmanager
def _dask(cluster: str) -> Iterator[tuple[Executor, int, Callable[[], None]]]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            "Dask is not installed; expected it for a cluster: run `pip install "
            "'convsim[cluster]'`, or leave --cluster out"
        ) from error
    # A call is a run: calls with equal arguments are not the same one.
    with Client(cluster) as client, client.get_executor(pure=False) as pool:
        client.run(_set_asked, False)
        try:
            yield pool, sum(client.ncores().values()), lambda: client.run(_set_asked, True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False)
            raise


def _set_asked(value: bool) -> None:
    """Ask the runs of a Dask worker to stop, or take it back."""
    if value:
        _asked.set()
    else:
        _asked.clear()
