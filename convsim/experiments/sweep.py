"""Many trainings: which runs a sweep has, in which order, on how many processes or machines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
import safetensors.torch
import torch
from tqdm.auto import tqdm

from convsim.data import Images, cifar10, digits
from convsim.experiments.choices import choose_learning_rate, choose_weight_decay
from convsim.experiments.cifar10 import CONDITIONS, TrainingSettings, measure
from convsim.experiments.record import (
    RESULTS,
    Record,
    command_line,
    make_record,
    read_record,
    read_records,
    record_path,
    save_record,
)
from convsim.files import write_atomically
from convsim.models import ShallowCNN

WIDEST = 512
WIDTHS, SEEDS, EPOCHS = (64, 128, WIDEST), 5, 100
RECORDS, CHOICES = "table5", "table5choice"
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


def plan(
    *,
    conditions: Sequence[str] = tuple(CONDITIONS),
    widths: Sequence[int] = WIDTHS,
    seeds: int = SEEDS,
    epochs: int = EPOCHS,
    data: str = "CIFAR-10",
    precision: str = "bfloat16",
) -> list[TrainingSettings]:
    """The runs of a sweep; width 512 is the paper's one baseline with one seed."""
    return [
        TrainingSettings(condition, width, seed, epochs, data, precision)
        for width in widths
        for condition in (conditions if width != WIDEST else ("baseline",))
        for seed in range(seeds if width != WIDEST else 1)
    ]


def run(
    rows: Sequence[TrainingSettings],
    machine: Machine,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> None:
    """Run and record what has no record yet; continue what was stopped.

    Args:
        rows: the runs.
        machine: device, data and folders.
        jobs: processes side by side.
        cluster: address of a Dask scheduler; its workers read the data from the same path.
        progress: show a progress bar.
    """
    for stage in _stages(rows):
        missing = [task for task in stage if not _path(task, machine.folder).exists()]
        calls = [
            joblib.delayed(perform)(task, machine, _given(task, machine.folder)) for task in missing
        ]
        with (
            _backend(cluster),
            tqdm(total=len(missing), unit="run", disable=not (progress and missing)) as bar,
        ):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
            for task, record, network in parallel(calls):
                if network is not None:
                    write_atomically(_path(task, machine.folder).with_suffix(KEPT_AS), network)
                save_record(record, task, machine.folder)
                for left in _checkpoint(task, machine.folder).parent.glob(f"{_stem(task)}.*"):
                    left.unlink()
                bar.update()


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
    checkpoint = _checkpoint(task, machine.folder)
    options: dict[str, Any] = {"checkpoint": checkpoint, "progress": machine.progress}
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
        elif task.run.condition == "learning-rate":
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
    return _path(TrainingSettings(**record.settings), folder).with_suffix(KEPT_AS)


def load_network(record: Record, folder: Path = RESULTS) -> ShallowCNN:
    """The trained network that lies beside a record.

    Raises:
        ValueError: if none is kept for this run.
    """
    path = network_path(record, folder)
    if not path.exists():
        raise ValueError(
            f"no network is kept for {TrainingSettings(**record.settings)}; expected a condition "
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
    if task.condition in ("decay", "learning-rate"):
        return ChoiceSettings(replace(task, seed=0))
    return None


def _stages(rows: Sequence[TrainingSettings]) -> list[list[Task]]:
    """The rows and what they need: a task stands in a later stage than the one it needs."""
    depths: dict[Task, int] = {}

    def depth(task: Task) -> int:
        if task not in depths:
            need = _needs(task)
            depths[task] = 0 if need is None else depth(need) + 1
        return depths[task]

    deepest = max(map(depth, rows), default=-1)
    return [[task for task in depths if depths[task] == stage] for stage in range(deepest + 1)]


def _given(task: Task, folder: Path) -> dict[str, Any] | None:
    need = _needs(task)
    return None if need is None else read_record(_path(need, folder)).metrics


def _name(task: Task) -> str:
    return RECORDS if isinstance(task, TrainingSettings) else CHOICES


def _path(task: Task, folder: Path) -> Path:
    return record_path(_name(task), task, folder)


def _stem(task: Task) -> str:
    return _path(task, Path()).stem


def _checkpoint(task: Task, folder: Path) -> Path:
    return folder / ".checkpoints" / f"{_stem(task)}.safetensors"


@contextlib.contextmanager
def _backend(cluster: str | None) -> Iterator[None]:
    """Processes of this machine, or the workers of a Dask scheduler."""
    if cluster is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            "Dask is not installed; expected it for a cluster: run `pip install "
            "'convsim[cluster]'`, or leave --cluster out"
        ) from error
    with Client(cluster), joblib.parallel_config("dask"):
        yield


def standing(rows: Sequence[TrainingSettings], folder: Path = RESULTS) -> Iterator[str]:
    """A line for each run: its record, the longest shorter one, or that there is none.

    For a run on CIFAR-10 a copy of it counts, too, and the line says so.
    """
    records = read_records(RECORDS, folder)
    for row in rows:
        alike = [
            record
            for record in records
            if record.settings["data"].startswith(row.data)
            and all(record.settings[key] == getattr(row, key) for key in _SAME)
        ]
        best = max(alike, key=lambda record: record.settings["epochs"], default=None)
        if best is None:
            note = "missing"
        else:
            epochs = best.settings["epochs"]
            done = "done   " if epochs >= row.epochs else "missing"
            note = f"{done}  {epochs} epochs of {best.settings['data']}, {best.hardware}"
            if "diverged" in best.metrics:
                note += ", diverged"
        yield f"{str(row):<44}  {note}"


_SAME = ("condition", "width", "seed")
