"""Many trainings: which runs a sweep has, what each needs, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from convsim.data import Images, cifar10, digits
from convsim.experiments.choices import choose_learning_rate, choose_weight_decay
from convsim.experiments.cifar10 import CONDITIONS, TrainingSettings, measure, settings_of
from convsim.experiments.record import (
    RESULTS,
    Record,
    command_line,
    make_record,
    read_record,
    record_path,
    save_record,
)
from convsim.experiments.runner import alone_in, stopping, work_through
from convsim.files import write_atomically
from convsim.models import ShallowCNN

RECORDS, CHOICES, CHECKPOINTS = "table5", "table5choice", ".checkpoints"
KEPT_WIDTH, KEPT_AS = 64, ".safetensors"
KEPT = ("baseline", "init", "scale", "scale-free")
"""Conditions whose network of width 64 and seed 0 is kept beside its record."""


@dataclass(frozen=True)
class ChoiceSettings:
    """A search for the number that a condition needs.

    Attributes:
        run: the run with seed 0; other seeds take its choice over.
    """

    run: TrainingSettings

    def __str__(self) -> str:
        return f"choice for {self.run}"


Task = TrainingSettings | ChoiceSettings


@dataclass(frozen=True)
class Machine:
    """Where runs compute, and from which images.

    Attributes:
        data_dir: folder of CIFAR-10; None for the digits.
        device: ``"cpu"``, ``"cuda"``, …
        folder: where records lie.
        tensorboard: folder to log to, or None.
        progress: show each run's progress.
        command: what asked for the runs, for their records.
    """

    data_dir: Path | None
    device: str
    folder: Path = field(default_factory=lambda: RESULTS)
    tensorboard: Path | None = None
    progress: bool = True
    command: str = field(default_factory=command_line)


def run(
    rows: Sequence[TrainingSettings],
    machine: Machine,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> None:
    """Run and record what has no record yet, in the order of the rows; continue what was stopped.

    Args:
        rows: the runs.
        machine: device, data and folders.
        jobs: processes side by side.
        cluster: address of a Dask scheduler; its workers read the data from the same path.
        progress: show a progress bar.

    Raises:
        ValueError: if another process is at work in the folder.
        convsim.training.history.Stopped: if SIGTERM or Ctrl-C came.
    """

    def recorded(task: Task | None) -> bool:
        return task is None or path_of(task, machine.folder).exists()

    def finish(result: tuple[Task, Record, bytes | None]) -> None:
        task, record, network = result
        if network is not None:
            write_atomically(path_of(task, machine.folder).with_suffix(KEPT_AS), network)
        save_record(record, task, machine.folder)
        for left in checkpoint_of(task, machine.folder).parent.glob(f"{_stem(task)}.*"):
            left.unlink()

    with alone_in(machine.folder / CHECKPOINTS):
        work_through(
            [task for task in tasks_of(rows) if not recorded(task)],
            perform,
            lambda task: (task, machine, _given(task, machine.folder)),
            finish,
            ready=lambda task: recorded(_needs(task)),
            jobs=jobs,
            cluster=cluster,
            progress=progress,
        )


def perform(
    task: Task, machine: Machine, given: dict[str, Any] | None = None
) -> tuple[Task, Record, bytes | None]:
    """Carry one task out; nothing but checkpoints is written here, which may be far away.

    Args:
        task: a run, or the search for a number that other runs need.
        machine: device, data and folders.
        given: metrics of the task that this one needs, if there is one.

    Returns:
        The task, its record, and the network as safetensors if it is to be kept. A run that
        diverged has a record, too: its only metric is ``diverged``, which says where.
    """
    started = datetime.now(timezone.utc)
    train, test = load(machine.data_dir, machine.device)
    checkpoint = checkpoint_of(task, machine.folder)
    options: dict[str, Any] = {
        "checkpoint": checkpoint,
        "progress": machine.progress,
        "stop": stopping,
    }
    network = None
    metrics: dict[str, Any]
    try:
        if given and "diverged" in given:
            raise FloatingPointError(f"{_needs(task)} diverged: {given['diverged']}")
        if isinstance(task, TrainingSettings):
            choice = given["choice"] if given else None
            board = machine.tensorboard and machine.tensorboard / checkpoint.stem
            metrics, model = measure(task, train, test, choice=choice, tensorboard=board, **options)
            if task.width == KEPT_WIDTH and task.seed == 0 and task.condition in KEPT:
                network = _compressed(model, task)
        elif CONDITIONS[task.run.condition].chosen == "lr":
            metrics = choose_learning_rate(task.run, train, **options)
        else:
            assert given is not None
            metrics = choose_weight_decay(task.run, train, test, target=given, **options)
    except FloatingPointError as error:
        metrics = {"diverged": str(error)}
    record = make_record(
        _name(task),
        task,
        metrics,
        data=train.source,
        started=started,
        device=machine.device,
        command=machine.command,
    )
    return task, record, network


@lru_cache(maxsize=1)
def load(data_dir: Path | None, device: str) -> tuple[Images, Images]:
    """Training and test images on a device; kept, so that the runs of a process share them."""
    train, test = digits() if data_dir is None else cifar10(data_dir)
    return train.to(device), test.to(device)


def network_path(record: Record, folder: Path = RESULTS) -> Path:
    """Where the network of a training lies, if it is kept."""
    return path_of(settings_of(record), folder).with_suffix(KEPT_AS)


def load_network(record: Record, folder: Path = RESULTS) -> ShallowCNN:
    """The trained network that lies beside a record.

    Raises:
        ValueError: if none is kept for this run.
    """
    path = network_path(record, folder)
    if not path.exists():
        raise ValueError(
            f"no network is kept for {settings_of(record)}; expected a condition "
            f"of {', '.join(KEPT)}, width {KEPT_WIDTH} and seed 0: run `convsim run table5`"
        )
    weights = safetensors.torch.load_file(path)
    model = ShallowCNN(record.settings["width"], classes=len(weights["classifier.bias"]))
    model.load_state_dict({name: value.to(torch.float32) for name, value in weights.items()})
    return model.eval()


def _compressed(model: ShallowCNN, settings: TrainingSettings) -> bytes:
    """Weights in float16, statistics of batch normalisation in float32: 240 KB for width 64."""
    halved = {name for name, _ in model.named_parameters()}
    tensors = {
        name: (value.half() if name in halved else value).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    return safetensors.torch.save(tensors, metadata={"run": str(settings), "data": settings.data})


def _needs(task: Task) -> Task | None:
    """The task whose result a task cannot do without."""
    if isinstance(task, ChoiceSettings):
        tuned = task.run
        return replace(tuned, condition="regularise") if tuned.condition == "decay" else None
    # One search for all seeds, and for all conditions that want the same number.
    searches = {"weight_decay": "decay", "lr": "learning-rate"}
    chosen = CONDITIONS[task.condition].chosen
    if chosen is None:
        return None
    return ChoiceSettings(replace(task, seed=0, condition=searches[chosen]))


def tasks_of(rows: Sequence[TrainingSettings]) -> list[Task]:
    """The rows in their order, each after what it needs."""
    found: dict[Task, None] = {}

    def add(task: Task) -> None:
        if (need := _needs(task)) is not None:
            add(need)
        found.setdefault(task)

    for row in rows:
        add(row)
    return list(found)


def _given(task: Task, folder: Path) -> dict[str, Any] | None:
    need = _needs(task)
    return None if need is None else read_record(path_of(need, folder)).metrics


def _name(task: Task) -> str:
    return RECORDS if isinstance(task, TrainingSettings) else CHOICES


def path_of(task: Task, folder: Path) -> Path:
    return record_path(_name(task), task, folder)


def _stem(task: Task) -> str:
    return path_of(task, Path()).stem


def checkpoint_of(task: Task, folder: Path) -> Path:
    return folder / CHECKPOINTS / f"{_stem(task)}.safetensors"
