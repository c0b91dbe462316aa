"""Where runs are carried out: in this process, in several, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CONNECT, WITHOUT_WORKERS = 10, 30  # seconds that a cluster is waited for
_asked: Any = threading.Event()  # in a worker process, the event of its parent


class Lost(Exception):
    """A worker ended before its run did; the message says what to do."""


@dataclass(frozen=True)
class Pool:
    """Where runs are carried out.

    Attributes:
        executor: takes them.
        places: how many at once.
        ask: asks those under way to stop.
        look: raises :class:`Lost` if nobody is there any more to carry them out.
    """

    executor: Executor
    places: int
    ask: Callable[[], object]
    look: Callable[[], None] = lambda: None


def stopping() -> bool:
    """Whether the runs of this process have been asked to stop."""
    return bool(_asked.is_set())


@contextlib.contextmanager
def open_pool(jobs: int, cluster: str | None) -> Iterator[Pool]:
    """This process if ``jobs`` is 1, other processes if it is more, or the workers of a cluster.

    Raises:
        ValueError: if there is no cluster at the address, or none with workers.
        Lost: if a worker ended before its run did.
    """
    if cluster is not None:
        with _dask(cluster) as pool:
            yield pool
    elif jobs == 1:
        _asked.clear()
        try:
            yield Pool(_Here(), 1, _asked.set)
        finally:
            _asked.clear()  # whoever runs something in this process next has not been asked
    else:
        with _processes(jobs) as pool:
            yield pool


class _Here(Executor):
    """Runs a task in this process, when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(ProcessPoolExecutor):
    """Its processes get no signal while they start, when they would die of it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            return super().submit(fn, *args, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _processes(jobs: int) -> Iterator[Pool]:
    context = get_context("spawn")  # a forked process cannot use a GPU
    event = context.Event()
    threads = max(1, torch.get_num_threads() // jobs)
    try:
        with _Processes(
            jobs, context, initializer=_begin_worker, initargs=(event, threads, os.getpid())
        ) as pool:
            yield Pool(pool, jobs, event.set)
    except BrokenProcessPool as error:
        raise Lost(
            "a worker process was killed, as the system does when memory runs out; expected it to "
            f"live as long as its run: ask for fewer than {jobs} jobs, and the same command goes "
            "on from the last checkpoints"
        ) from error


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
def _dask(cluster: str) -> Iterator[Pool]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise ImportError(
            "Dask is not installed; expected it for a cluster: run `pip install "
            "'convsim[cluster]'`, or leave --cluster out"
        ) from error
    again = "and the same command goes on from the last checkpoints"
    with _connected(Client, cluster) as client:
        # Restarted workers may be away for a while.
        last_seen = time.monotonic()

        def look() -> None:
            nonlocal last_seen
            workers = 0
            with contextlib.suppress(OSError):  # the scheduler is away
                workers = len(client.ncores()) if client.status == "running" else 0
            if workers:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > WITHOUT_WORKERS:
                raise Lost(
                    f"the cluster at {cluster} has had no worker for {WITHOUT_WORKERS} seconds; "
                    f"expected at least one: start it again, {again}"
                )

        def ask() -> None:
            with contextlib.suppress(OSError):  # nobody is there
                client.run(_set_asked, True, on_error="ignore")

        # A call is a run: calls with equal arguments are not the same one.
        pool = client.get_executor(pure=False)
        try:
            yield Pool(pool, sum(client.ncores().values()), ask, look)
            pool.shutdown()
        except (KeyboardInterrupt, Lost):
            pool.shutdown(wait=False)
            raise
        except (KilledWorker, CancelledError) as error:
            pool.shutdown(wait=False)
            raise Lost(
                f"workers of the cluster at {cluster} ended before their runs did, as they do when "
                f"memory runs out; expected them to live longer: give them more, {again}"
            ) from error
        except Exception:
            pool.shutdown()  # waits for what is under way
            raise


@contextlib.contextmanager
def _connected(client: Any, cluster: str) -> Iterator[Any]:
    """A client of a cluster that has workers, none of which has been asked to stop."""
    # A client that failed before closes itself when it is collected. If that happens while the
    # next one starts, each waits for the other for ever.
    gc.collect()
    try:
        connected = client(cluster, timeout=CONNECT)
    # What is not Dask at the other end is taken for messages of any kind and length.
    except (OSError, ValueError, TypeError, MemoryError) as error:
        raise ValueError(
            f"no cluster answers at {cluster!r} ({error}); expected the address of a Dask "
            "scheduler such as tcp://host:8786: start one with `dask scheduler`, or leave "
            "--cluster out"
        ) from error
    with connected:
        if not connected.ncores():
            raise ValueError(
                f"the cluster at {cluster} has no workers; expected at least one: start some "
                f"with `dask worker {cluster}`"
            )
        connected.run(_set_asked, False)
        yield connected


def _set_asked(value: bool) -> None:
    """Ask the runs of a Dask worker to stop, or take it back."""
    if value:
        _asked.set()
    else:
        _asked.clear()
