"""One loop for all experiments: plan, skip what is recorded, run, resume, record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from convsim.experiments.processes import alone_in, work_through
from convsim.experiments.record import (
    RESULTS,
    Record,
    make_record,
    read_record,
    record_path,
    save_record,
)
from convsim.files import write_atomically
from convsim.training.checkpoint import read_history

CHECKPOINTS = ".checkpoints"


@dataclass(frozen=True)
class Machine:
    """Where runs compute, and from which images.

    Attributes:
        data_dir: folder of the images, for data sets that need one.
        device: ``"cpu"``, ``"cuda"``, …
        folder: where records lie.
        progress: show each run's progress.
        command: what asked for the runs, for their records; by default each run's own command.
    """

    data_dir: Path | None = None
    device: str = "cpu"
    folder: Path = field(default_factory=lambda: RESULTS)
    progress: bool = True
    command: str | None = None


class Measured(NamedTuple):
    """What a run came to.

    Attributes:
        metrics: JSON-ready numbers, finite or None; the record rounds them.
        data: the data, in words.
        network: a trained network as safetensors, if it is to be kept.
    """

    metrics: Mapping[str, Any]
    data: str
    network: bytes | None = None


@dataclass(frozen=True)
class Place:
    """What a run is given beside its settings.

    Attributes:
        machine: device, data and folders.
        checkpoint: a file to continue from; names that begin with its stem are the run's, too.
        given: metrics of the run that this one needs; empty if there is none.
    """

    machine: Machine
    checkpoint: Path
    given: Mapping[str, Any]


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True)
class Experiment:
    """What all runs of one kind share.

    Attributes:
        name: of their records.
        measure: carries one out, from its settings; a function of a module. Nothing but
            checkpoints is written there, which may be far away.
        needs: the task whose record a run cannot do without, from its settings.
        check: raises a ValueError for settings that the machine cannot carry out; asked before the
            first run starts, and whether runs are carried out in the process that asks.
        command: what a user types for a run, from its settings; None if its name says it.
    """

    name: str
    measure: Callable[[Any, Place], Measured]
    needs: Callable[[Any], Task | None] = _nothing
    check: Callable[[Any, Machine, bool], None] = _nothing
    command: Callable[[Any], str | None] = _nothing

    def path(self, settings: Any, folder: Path = RESULTS) -> Path:
        """Of the record of some settings."""
        return record_path(self.name, settings, folder)

    def tasks(self, rows: Sequence[Any]) -> list[Task]:
        """A task for each of some settings."""
        return [Task(self, row) for row in rows]


@dataclass(frozen=True)
class Task:
    """One run.

    Attributes:
        experiment: what kind it is.
        settings: a frozen dataclass, whose hash names the record.
    """

    experiment: Experiment
    settings: Any

    def __str__(self) -> str:
        return str(self.settings)

    def path(self, folder: Path = RESULTS) -> Path:
        """Of its record."""
        return self.experiment.path(self.settings, folder)

    def checkpoint(self, folder: Path = RESULTS) -> Path:
        """Of its checkpoint."""
        return folder / CHECKPOINTS / f"{self.path().stem}.safetensors"

    def checkpoints(self, folder: Path = RESULTS) -> list[Path]:
        """All that are there: a search has one for each of its trainings."""
        return sorted((folder / CHECKPOINTS).glob(f"{self.path().stem}.*"))

    def needs(self) -> Task | None:
        """The task whose record this one cannot do without."""
        return self.experiment.needs(self.settings)


def with_needs(tasks: Sequence[Task]) -> list[Task]:
    """The tasks in their order, each after what it needs."""
    found: dict[Task, None] = {}

    def add(task: Task) -> None:
        if (need := task.needs()) is not None:
            add(need)
        found.setdefault(task)

    for task in tasks:
        add(task)
    return list(found)


def run(
    tasks: Sequence[Task],
    machine: Machine,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> None:
    """Run and record what has no record yet, in the order of the tasks; continue what was stopped.

    Args:
        tasks: the runs; what they need is run before them.
        machine: device, data and folders.
        jobs: processes side by side.
        cluster: address of a Dask scheduler; its workers read the data from the same path.
        progress: show a progress bar.

    Raises:
        ValueError: if another process is at work in the folder, a record or checkpoint in it is
            damaged, or a run cannot be carried out here.
        OSError: if the folder cannot be written; what is recorded stays.
        convsim.experiments.pools.Lost: if a worker ended before its run did.
        convsim.training.history.Stopped: if SIGTERM or Ctrl-C came.
    """
    folder = machine.folder
    wanted = with_needs(tasks)
    done: dict[Task, Mapping[str, Any]] = {}  # their metrics

    def given(task: Task) -> tuple[Task, Machine, Mapping[str, Any]]:
        need = task.needs()
        return task, machine, {} if need is None else done[need]

    def finish(result: tuple[Task, Record[Any], bytes | None]) -> None:
        task, record, network = result
        if network is not None:
            write_atomically(task.path(folder).with_suffix(".safetensors"), network)
        done[task] = read_record(save_record(record, task.settings, folder)).metrics
        for path in task.checkpoints(folder):
            path.unlink()

    with alone_in(folder / CHECKPOINTS):
        for task in wanted:
            if (path := task.path(folder)).exists():
                done[task] = read_record(path).metrics
        left = [task for task in wanted if task not in done]
        # Whatever cannot be done is said now, and not after hours.
        for task in left:
            task.experiment.check(task.settings, machine, jobs == 1 and cluster is None)
            for path in task.checkpoints(folder):
                read_history(path)
        work_through(
            left,
            perform,
            given,
            finish,
            ready=lambda task: (need := task.needs()) is None or need in done,
            jobs=jobs,
            cluster=cluster,
            progress=progress,
        )


def perform(
    task: Task, machine: Machine, given: Mapping[str, Any]
) -> tuple[Task, Record[Any], bytes | None]:
    """Carry one task out.

    Args:
        task: a run.
        machine: device, data and folders.
        given: metrics of the task that this one needs, if there is one.

    Returns:
        The task, its record, and the network as safetensors if it is to be kept.
    """
    started = datetime.now(timezone.utc)
    place = Place(machine, task.checkpoint(machine.folder), given)
    measured = task.experiment.measure(task.settings, place)
    record = make_record(
        task.experiment.name,
        task.settings,
        measured.metrics,
        data=measured.data,
        started=started,
        device=machine.device,
        command=machine.command or task.experiment.command(task.settings),
    )
    return task, record, measured.network


def standing(tasks: Sequence[Task], folder: Path = RESULTS) -> Iterator[str]:
    """A line for each run: its record, or that there is none."""
    if not tasks:
        yield (
            "no runs: they need trained networks, and none is kept beside these records; "
            "convsim run table5 trains and keeps some"
        )
    for task in tasks:
        path = task.path(folder)
        note = "missing"
        if path.exists():
            record = read_record(path)
            note = f"done     {path.name}  {record.started}  {record.seconds:.0f} s  {record.data}"
        yield f"{str(task):<48}  {note}"
