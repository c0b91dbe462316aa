"""``convsim run`` and ``convsim status``: the book's experiments, done and missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from convsim.commands.shared import group, told, usable
from convsim.experiments import plan, runner, standing
from convsim.experiments.catalogue import EXPERIMENTS, ON_IMAGES, PLANNED_ON
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.images import DATA_SETS, data_set, source_of
from convsim.experiments.origin import command_line
from convsim.experiments.record import RESULTS
from convsim.experiments.runner import Machine
from convsim.experiments.sweep import TRAINING
from convsim.models import MODELS
from convsim.training.arithmetic import PRECISIONS

running = group("Run what is not recorded yet. Stop it at any time: what is done is kept.")
listing = group("List the runs of an experiment, done and missing.")

Results = Annotated[Path, typer.Option(help="Folder of the records.")]
Questions = Annotated[
    str | None, typer.Option(help="Some of the plan's questions, as status counts them: 8,18.")
]
Conditions = Annotated[str | None, typer.Option(help=f"Some of {','.join(CONDITIONS)}.")]
Widths = Annotated[str | None, typer.Option(help="Widths of the model; 512 adds one baseline.")]
Seeds = Annotated[int | None, typer.Option(help="Number of seeds.", min=1)]
Epochs = Annotated[int | None, typer.Option(help="Epochs of a training.", min=1)]
Network = Annotated[str | None, typer.Option(help=f"One of {', '.join(MODELS)}.")]
Precision = Annotated[str | None, typer.Option(help=f"One of {', '.join(PRECISIONS)}.")]
Data = Annotated[str, typer.Option(help=f"One of {', '.join(DATA_SETS)}.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the images.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, …; the GPU, if there is one.")]
Jobs = Annotated[int, typer.Option(help="Runs side by side.", min=1)]
Cluster = Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")]


def _add(name: str, words: str) -> None:
    """The two commands of an experiment without images."""

    @running.command(name, help=words)
    def run_it(context: typer.Context, results: Results = RESULTS, jobs: Jobs = 1) -> None:
        tasks = EXPERIMENTS[name][1]
        with told():
            runner.run(tasks, _machine(context, None, "cpu", results, jobs), jobs=jobs)
            _echo(runner.standing(tasks, results))

    @listing.command(name, help=words)
    def list_it(results: Results = RESULTS) -> None:
        with told():
            _look_into(results)
            _echo(runner.standing(EXPERIMENTS[name][1], results))


for _name, (_words, _) in EXPERIMENTS.items():
    _add(_name, _words)


@running.command("table5")
def run_table5(
    context: typer.Context,
    questions: Questions = None,
    conditions: Conditions = None,
    widths: Widths = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    model: Network = None,
    precision: Precision = None,
    data: Data = PLANNED_ON,
    data_dir: DataDir = None,
    device: Device = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    results: Results = RESULTS,
) -> None:
    """Networks trained under conditions; without the first seven options, the book's plan."""
    with told():
        machine = _machine(context, data_dir, device, results, jobs)
        source = source_of(data, data_dir)
        chosen = _selected(
            source, data, questions, conditions, widths, seeds, epochs, model, precision
        )
        tasks = TRAINING.tasks(plan.planned(source) if chosen is None else chosen)
        runner.run(tasks, machine, jobs=jobs, cluster=cluster)
        _echo(standing.report(chosen, results))


@listing.command("table5")
def list_table5(
    questions: Questions = None,
    conditions: Conditions = None,
    widths: Widths = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    model: Network = None,
    precision: Precision = None,
    data: Data = PLANNED_ON,
    results: Results = RESULTS,
) -> None:
    """Networks trained under conditions, and the time that is left; by default the book's plan."""
    with told():
        _look_into(results)
        data_set(data)
        chosen = _selected(
            data, data, questions, conditions, widths, seeds, epochs, model, precision
        )
        _echo(standing.report(chosen, results))


def _add_on_images(name: str, words: str) -> None:
    """The two commands of an experiment with images, whose plan depends on what is recorded."""

    @running.command(name, help=words)
    def run_it(
        context: typer.Context,
        data: Data = PLANNED_ON,
        data_dir: DataDir = None,
        device: Device = None,
        jobs: Jobs = 1,
        cluster: Cluster = None,
        results: Results = RESULTS,
    ) -> None:
        with told():
            machine = _machine(context, data_dir, device, results, jobs)
            tasks = ON_IMAGES[name][1](results, source_of(data, data_dir))
            runner.run(tasks, machine, jobs=jobs, cluster=cluster)
            _echo(runner.standing(tasks, results))

    @listing.command(name, help=words)
    def list_it(results: Results = RESULTS) -> None:
        with told():
            _look_into(results)
            _echo(runner.standing(ON_IMAGES[name][1](results, None), results))


for _name, (_words, _plan) in ON_IMAGES.items():
    _add_on_images(_name, _words)


def _machine(
    context: typer.Context, data_dir: Path | None, device: str | None, results: Path, jobs: int
) -> Machine:
    """Where to run, if the device is there; None is the GPU if there is one."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    command = command_line(context.find_root().obj)
    return Machine(data_dir, usable(device), results, progress=jobs == 1, command=command)


def _look_into(results: Path) -> None:
    """Refuse to list a folder that is not there: it was not meant."""
    if not results.is_dir():
        found = "a file" if results.exists() else "not there"
        raise ValueError(
            f"{results} is {found}; expected a folder of records: name another one, or let "
            "`convsim run` make it"
        )


def _echo(lines: Iterable[str]) -> None:
    for line in list(lines):  # all of them, or none but a message
        typer.echo(line)


def _selected(
    source: str,
    data: str,
    questions: str | None,
    conditions: str | None,
    widths: str | None,
    seeds: int | None,
    epochs: int | None,
    model: str | None,
    precision: str | None,
) -> list[TrainingSettings] | None:
    """The runs that the options name; None for the whole plan on the data that it is made for."""
    options: dict[str, Any] = {
        "conditions": None
        if conditions is None
        else [part.strip() for part in conditions.split(",")],
        "widths": None if widths is None else _whole_numbers(widths, "widths", "64,128"),
        "seeds": seeds,
        "epochs": epochs,
        "model": model,
        "precision": precision,
    }
    named = {key: value for key, value in options.items() if value is not None}
    if questions is not None:
        if named:
            raise ValueError(
                f"questions come with {', '.join(named)}; expected one or the other: the plan says "
                "what each of its questions needs"
            )
        return plan.planned(source, _whole_numbers(questions, "questions", "8,18"))
    if named:
        return plan.selected(data=source, **named)
    return None if data == PLANNED_ON else plan.planned(source)


def _whole_numbers(text: str, what: str, such: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"{what} are {text!r}; expected whole numbers such as {such}")
    return [int(part) for part in parts]
