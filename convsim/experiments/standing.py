"""How far the trainings are that the book needs, and how long the rest takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from convsim import models
from convsim.experiments.choices import grid
from convsim.experiments.cifar10 import TrainingSettings, settings_of
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.plan import BOOK, Group
from convsim.experiments.processes import is_running
from convsim.experiments.record import RESULTS, read_records
from convsim.experiments.runner import CHECKPOINTS, Task, with_needs
from convsim.experiments.sweep import TRAINING
from convsim.training.checkpoint import read_history

ALL_IMAGES = 50_000  # of CIFAR-10


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        run: its settings, with the data that it was found on.
        state: ``"done"``, ``"running"``, ``"stopped"`` or ``"missing"``.
        epochs: epochs done.
        note: data and hardware of a record, in words.
    """

    run: TrainingSettings
    state: str
    epochs: int = 0
    note: str = ""

    def __str__(self) -> str:
        far = f"{self.epochs} of {self.run.epochs} epochs" if self.epochs else ""
        return f"{str(self.run):<48}  {self.state:<8} {far:<18} {self.note}".rstrip()


def standing(rows: Sequence[TrainingSettings], folder: Path = RESULTS) -> list[Standing]:
    """How far each run is: by its record, by its checkpoint, or by a record of fewer epochs.

    For a run on CIFAR-10 one on a copy of it counts, too.
    """
    busy = is_running(folder / CHECKPOINTS)
    underway = _underway(folder)  # first: a run that ends now is in one of them, or in both
    records = [(settings_of(r), r) for r in read_records(TRAINING.name, folder)]

    def stand(row: TrainingSettings) -> Standing:
        best = Standing(row, "missing")
        for settings, record in records:
            if (
                settings.data.startswith(row.data)
                and settings.epochs > best.epochs
                and (replace(settings, data=row.data, epochs=row.epochs) == row)
            ):
                note = f"{settings.data}, {record.hardware}"
                note += ", diverged" if "diverged" in record.metrics else ""
                state = "done" if settings.epochs >= row.epochs else "missing"
                best = Standing(replace(row, data=settings.data), state, settings.epochs, note)
        if best.state != "done":
            for data in {data for data, _ in underway.values() if data.startswith(row.data)}:
                stem = Task(TRAINING, replace(row, data=data)).path().stem
                if stem in underway:
                    state = "running" if busy else "stopped"
                    best = Standing(replace(row, data=data), state, len(underway[stem][1]), data)
        return best

    return [stand(row) for row in rows]


def report(rows: Sequence[TrainingSettings] | None = None, folder: Path = RESULTS) -> Iterator[str]:
    """Lines for a reader: some runs, or the book's plan group by group, and the time they take."""
    groups = BOOK if rows is None else (Group("", tuple(rows)),)
    for number, group in enumerate(groups, start=1):
        if rows is None:
            yield f"{number}. {group.question}"
        yield from map(str, standing(group.runs, folder))
    found = standing([run for group in groups for run in group.runs], folder)
    states = [each.state for each in found]
    counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    hours = hours_left(found, folder)
    if "done" in states and hours == 0:
        yield f"{counts}: nothing is left to run."
    elif hours is None:
        yield f"{counts}. How long the rest takes is known after the first epoch."
    else:
        yield (
            f"{counts}. The rest takes one process about {hours:.0f} hours, as fast as the epochs "
            "under way here."
        )


def hours_left(found: Sequence[Standing], folder: Path = RESULTS) -> float | None:
    """Hours of one process for what is not done, from the seconds of the epochs under way.

    A network that has none is taken to cost in proportion to its multiplications. None if no epoch
    is under way although something is left.
    """
    left = [each for each in found if each.state != "done"]
    if not left:
        return 0.0
    seconds = {kind: median(values) for kind, values in _seconds(found, folder).items() if values}
    if not seconds:
        return None
    known = max(seconds, key=lambda kind: _work(*kind))
    rate = seconds[known] / _work(*known)
    begun = {each.run: each.epochs for each in left if each.state != "missing"}
    # What waits will be on the data of what does not, whose searches it takes over.
    data = next(each.run.data for each in found if each.state != "missing")
    waiting = [replace(each.run, data=data) for each in left if each.state == "missing"]
    total = 0.0
    for task in with_needs(TRAINING.tasks([*begun, *waiting])):
        if task.path(folder).exists():
            continue
        if task.experiment == TRAINING:
            run = task.settings
            epochs = run.epochs - begun.get(run, 0)
        else:
            run = task.settings.run
            epochs = _searched(run)
        kind = _kind(run)
        total += epochs * seconds.get(kind, rate * _work(*kind))
    return total / 3600


def _searched(run: TrainingSettings) -> int:
    """Epochs that a search for a condition's number takes."""
    option = CONDITIONS[run.condition].chosen
    if option is None or option == "weight_decay":
        return 3 * run.epochs  # as many attempts as it usually takes
    values, epochs = grid(option)
    return len(values) * min(epochs, run.epochs)


def _underway(folder: Path) -> dict[str, tuple[str, list[float]]]:
    """Data and seconds of the epochs that every checkpoint holds, by the stem of its name."""
    found = {}
    for path in sorted((folder / CHECKPOINTS).glob("*.safetensors")):
        with contextlib.suppress(FileNotFoundError):  # its run has just ended
            settings, epochs = read_history(path)
            found[path.stem] = settings["data"], [epoch.seconds for epoch in epochs]
    return found


Kind = tuple[str, int, int]
"""Of epochs that take equally long: a model, its width, and the number of training images."""


def _kind(run: TrainingSettings) -> Kind:
    return run.model, run.width, run.images or ALL_IMAGES


def _seconds(found: Sequence[Standing], folder: Path) -> dict[Kind, list[float]]:
    """Seconds of every epoch under way."""
    underway = _underway(folder)
    seconds: dict[Kind, list[float]] = {}
    for each in found:
        stem = Task(TRAINING, each.run).path().stem
        seconds.setdefault(_kind(each.run), []).extend(underway.get(stem, ("", []))[1])
    return seconds


@cache
def _work(model: str, width: int, images: int) -> int:
    """Floating-point operations of an epoch's forward passes."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        models.build(model, width).eval()(torch.empty(1, 3, 32, 32))
    return int(counter.get_total_flops() * images)
