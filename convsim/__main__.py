"""The ``convsim`` command: run the book's experiments, see what is recorded, report on a model."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from convsim.data import cifar10_source
from convsim.experiments import descent, overlap, pairs, plan, sweep
from convsim.experiments.cifar10 import CONDITIONS, TrainingSettings
from convsim.experiments.record import RESULTS, read_record, record_path
from convsim.model_files import report_of
from convsim.training.history import Stopped

app = typer.Typer(
    help="Run the experiments of the book on feature maps, and measure your own models.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
# Name on the command line: what the records are called, the runs, and how to run them.
EXPERIMENTS: dict[str, tuple[str, tuple[Any, ...], Callable[..., None]]] = {
    **{table: ("pairs", rows, pairs.run) for table, rows in pairs.TABLES.items()},
    "descent": ("descent", descent.DESCENT, descent.run),
    "floor": ("floor", descent.FLOOR, descent.run),
}
TRAINING, OVERLAP = "table5", "overlap"  # the experiments with options
ON_IMAGES = f"{TRAINING}, {OVERLAP}"
EVERY_CONDITION = ",".join(CONDITIONS)
EVERY_NAME = [*EXPERIMENTS, TRAINING, OVERLAP]
Name = Annotated[str, typer.Argument(help=f"One of {', '.join(EVERY_NAME)}.")]
Results = Annotated[Path, typer.Option(help="Folder of the records.")]
Conditions = Annotated[str | None, typer.Option(help=f"{TRAINING}: some of {EVERY_CONDITION}.")]
Widths = Annotated[str | None, typer.Option(help=f"{TRAINING}: widths; 512 adds one baseline.")]
Seeds = Annotated[int | None, typer.Option(help=f"{TRAINING}: number of seeds.", min=1)]
Epochs = Annotated[int | None, typer.Option(help=f"{TRAINING}: epochs of a training.", min=1)]
Arithmetic = Annotated[str, typer.Option(help=f"{TRAINING}: float32, tf32 or bfloat16.")]
DataDir = Annotated[
    Path | None,
    typer.Option(help=f"{ON_IMAGES}: folder of CIFAR-10; without it scikit-learn's digits."),
]
Device = Annotated[
    str | None, typer.Option(help=f"{ON_IMAGES}: cpu, cuda, …; the GPU, if there is one.")
]
Jobs = Annotated[int, typer.Option(help=f"{ON_IMAGES}: networks side by side.", min=1)]
Cluster = Annotated[str | None, typer.Option(help=f"{TRAINING}: address of a Dask scheduler.")]
Board = Annotated[Path | None, typer.Option(help=f"{TRAINING}: folder for TensorBoard.")]
Model = Annotated[
    str, typer.Argument(help="A .safetensors or TorchScript file, or a torchvision model's name.")
]
Seed = Annotated[int, typer.Option(help="Seed of the random weights of a torchvision model.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    name: Name,
    results: Results = RESULTS,
    conditions: Conditions = None,
    widths: Widths = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    precision: Arithmetic = "bfloat16",
    data_dir: DataDir = None,
    device: Device = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    tensorboard: Board = None,
) -> None:
    """Run what is not recorded yet. Stop it at any time: what is done is kept.

    Without conditions, widths, seeds and epochs, table5 is the plan that its status shows.
    """
    if name in (TRAINING, OVERLAP):
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        machine = sweep.Machine(data_dir, device, results, tensorboard, progress=jobs == 1)
        with _told():
            _check_device(device)
            data = "digits" if data_dir is None else cifar10_source(data_dir)
            if name == TRAINING:
                chosen = _selected(conditions, widths, seeds, epochs, precision, data)
                training = plan.planned(data) if chosen is None else chosen
                sweep.run(training, machine, jobs=jobs, cluster=cluster)
                _echo(plan.report(chosen, results))
            else:
                networks = overlap.plan(results, data=data)
                overlap.run(networks, machine, jobs=jobs)
                _echo(overlap.standing(networks, results))
    else:
        _, rows, run_rows = _experiment(name)
        run_rows(rows, folder=results)
        status(name, results)


@app.command()
def status(
    name: Name,
    results: Results = RESULTS,
    conditions: Conditions = None,
    widths: Widths = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
) -> None:
    """List the runs of an experiment, done and missing."""
    if name == TRAINING:
        with _told():
            chosen = _selected(conditions, widths, seeds, epochs, "bfloat16", "CIFAR-10")
            _echo(plan.report(chosen, results))
        return
    if name == OVERLAP:
        _echo(overlap.standing(overlap.plan(results), results))
        return
    records, rows, _ = _experiment(name)
    for row in rows:
        path = record_path(records, row, results)
        if path.exists():
            record = read_record(path)
            note = f"done     {path.name}  {record.started}  {record.seconds:.0f} s"
        else:
            note = "missing"
        typer.echo(f"{str(row):<48}  {note}")


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


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device {device!r} cannot be used ({str(error).splitlines()[0]}); expected cpu, or a "
            "GPU that PyTorch sees, such as cuda"
        ) from error


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _selected(
    conditions: str | None,
    widths: str | None,
    seeds: int | None,
    epochs: int | None,
    precision: str,
    data: str,
) -> list[TrainingSettings] | None:
    """The runs that the options name; None if they name none."""
    if all(option is None for option in (conditions, widths, seeds, epochs)):
        return None
    options: dict[str, Any] = {"seeds": seeds, "epochs": epochs}
    if conditions is not None:
        options["conditions"] = [part.strip() for part in conditions.split(",")]
    if widths is not None:
        parts = [part.strip() for part in widths.split(",")]
        if not all(part.isdecimal() for part in parts):
            raise ValueError(f"widths are {widths!r}; expected whole numbers such as 64,128")
        options["widths"] = [int(part) for part in parts]
    named = {key: value for key, value in options.items() if value is not None}
    return plan.selected(data=data, precision=precision, **named)


def _experiment(name: str) -> tuple[str, tuple[Any, ...], Callable[..., None]]:
    if name not in EXPERIMENTS:
        raise typer.BadParameter(f"{name!r} is no experiment; expected {', '.join(EVERY_NAME)}")
    return EXPERIMENTS[name]


def main() -> None:
    """Entry point of the ``convsim`` command."""
    app()


if __name__ == "__main__":
    main()
