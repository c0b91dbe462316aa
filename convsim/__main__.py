"""The ``convsim`` command: run the book's experiments, see what is recorded, report on a model."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from convsim.experiments import descent, overlap, pairs, plan, runner
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.images import DATA_SETS, source_of
from convsim.experiments.record import RESULTS
from convsim.experiments.runner import Machine, Task
from convsim.experiments.sweep import TRAINING
from convsim.model_files import report_of
from convsim.models import MODELS
from convsim.training.arithmetic import PRECISIONS
from convsim.training.history import Stopped


def _group(words: str) -> typer.Typer:
    return typer.Typer(
        help=words, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


app = _group("Run the experiments of the book on feature maps, and measure your own models.")
running = _group("Run what is not recorded yet. Stop it at any time: what is done is kept.")
listing = _group("List the runs of an experiment, done and missing.")
app.add_typer(running, name="run")
app.add_typer(listing, name="status")

PLANNED_ON = "CIFAR-10"
"""The data of the book's plan; on other data the same runs are listed one by one."""
EXPERIMENTS: dict[str, tuple[str, list[Task]]] = {
    **{
        table: ("Two kernels and a descent, 1,000 times.", pairs.PAIRS.tasks(rows))
        for table, rows in pairs.TABLES.items()
    },
    "descent": ("Whole layers under Algorithm 1.", descent.DESCENTS.tasks(descent.DESCENT)),
    "floor": ("How far L_CS falls at fixed norms.", descent.FLOORS.tasks(descent.FLOOR)),
}
"""The experiments that need no images: by name, in words, and their runs."""

Results = Annotated[Path, typer.Option(help="Folder of the records.")]
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
Model = Annotated[
    str, typer.Argument(help="A .safetensors or TorchScript file, or a torchvision model's name.")
]
Seed = Annotated[int, typer.Option(help="Seed of the random weights of a torchvision model.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _add(name: str, words: str) -> None:
    """The two commands of an experiment without images."""

    @running.command(name, help=words)
    def run_it(results: Results = RESULTS, jobs: Jobs = 1) -> None:
        tasks = EXPERIMENTS[name][1]
        with _told():
            runner.run(tasks, Machine(folder=results, progress=jobs == 1), jobs=jobs)
        _echo(runner.standing(tasks, results))

    @listing.command(name, help=words)
    def list_it(results: Results = RESULTS) -> None:
        _echo(runner.standing(EXPERIMENTS[name][1], results))


for _name, (_words, _) in EXPERIMENTS.items():
    _add(_name, _words)


@running.command("table5")
def run_table5(
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
    """Networks trained under conditions; without the first six options, the book's plan."""
    with _told():
        machine = _machine(data_dir, device, results, jobs)
        source = source_of(data, data_dir)
        chosen = _selected(conditions, widths, seeds, epochs, model, precision, source)
        if chosen is None and data != PLANNED_ON:
            chosen = plan.planned(source)
        tasks = TRAINING.tasks(plan.planned(source) if chosen is None else chosen)
        runner.run(tasks, machine, jobs=jobs, cluster=cluster)
        _echo(plan.report(chosen, results))


@listing.command("table5")
def list_table5(
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
    with _told():
        chosen = _selected(conditions, widths, seeds, epochs, model, precision, data)
        if chosen is None and data != PLANNED_ON:
            chosen = plan.planned(data)
        _echo(plan.report(chosen, results))


@running.command("overlap")
def run_overlap(
    data: Data = PLANNED_ON,
    data_dir: DataDir = None,
    device: Device = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    results: Results = RESULTS,
) -> None:
    """Neighbourhoods in the channels of trained networks."""
    with _told():
        machine = _machine(data_dir, device, results, jobs)
        tasks = overlap.tasks(overlap.plan(results, data=source_of(data, data_dir)))
        runner.run(tasks, machine, jobs=jobs, cluster=cluster)
    _echo(runner.standing(tasks, results))


@listing.command("overlap")
def list_overlap(results: Results = RESULTS) -> None:
    """Neighbourhoods in the channels of trained networks."""
    _echo(runner.standing(overlap.tasks(overlap.plan(results)), results))


@app.command()
def report(model: Model, seed: Seed = 0, as_json: AsJson = False) -> None:
    """Measure every convolutional layer of a model: L_CS and the similarity of its kernels.

    A safetensors file holds numbers only. A TorchScript file is a program: open one you trust.
    Pickles (torch.save) are not opened.
    """
    with _told():
        measured = report_of(model, seed)
    text = json.dumps(measured.to_dict(), indent=1, allow_nan=False) if as_json else repr(measured)
    typer.echo(text)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What was wrong with the input, as a message and not as a traceback."""
    try:
        yield
    except (ValueError, ImportError) as error:
        raise typer.BadParameter(str(error)) from error
    except Stopped as reason:
        typer.echo(f"stopped ({reason}); the same command goes on from there", err=True)
        raise typer.Exit(130) from reason  # as after Ctrl-C


def _machine(data_dir: Path | None, device: str | None, results: Path, jobs: int) -> Machine:
    """Where to run, if the device is there; None is the GPU if there is one."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device {device!r} cannot be used ({str(error).splitlines()[0]}); expected cpu, or a "
            "GPU that PyTorch sees, such as cuda"
        ) from error
    return Machine(data_dir, device, results, progress=jobs == 1)


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _selected(
    conditions: str | None,
    widths: str | None,
    seeds: int | None,
    epochs: int | None,
    model: str | None,
    precision: str | None,
    data: str,
) -> list[TrainingSettings] | None:
    """The runs that the options name; None if they name none."""
    options: dict[str, Any] = {
        "conditions": None
        if conditions is None
        else [part.strip() for part in conditions.split(",")],
        "widths": None if widths is None else _whole_numbers(widths),
        "seeds": seeds,
        "epochs": epochs,
        "model": model,
        "precision": precision,
    }
    named = {key: value for key, value in options.items() if value is not None}
    return plan.selected(data=data, **named) if named else None


def _whole_numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"widths are {text!r}; expected whole numbers such as 64,128")
    return [int(part) for part in parts]


def main() -> None:
    """Entry point of the ``convsim`` command."""
    app()


if __name__ == "__main__":
    main()
