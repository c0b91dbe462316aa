"""The ``convsim`` command: run the book's experiments, see what is recorded, report on a model."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from convsim.experiments import (
    plan,
    runner,
    standing,
)
from convsim.experiments.catalogue import EXPERIMENTS, ON_IMAGES, PLANNED_ON
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.images import DATA_SETS, data_set, source_of
from convsim.experiments.origin import command_line
from convsim.experiments.pools import Lost
from convsim.experiments.record import RESULTS
from convsim.experiments.runner import Machine
from convsim.experiments.sweep import TRAINING
from convsim.files import in_words
from convsim.models import MODELS
from convsim.report.files import report_of
from convsim.training.arithmetic import PRECISIONS
from convsim.training.history import Stopped


class _Words(typer.core.TyperGroup):
    """Keeps the words of the command, for the records of its runs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if ctx.parent is None:
            ctx.obj = ["convsim", *args]
        return super().parse_args(ctx, args)


def _group(words: str) -> typer.Typer:
    return typer.Typer(
        cls=_Words, help=words, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


app = _group("Run the experiments of the book on feature maps, and measure your own models.")
running = _group("Run what is not recorded yet. Stop it at any time: what is done is kept.")
listing = _group("List the runs of an experiment, done and missing.")
app.add_typer(running, name="run")
app.add_typer(listing, name="status")

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
Weights = Annotated[Path | None, typer.Option(help="A .safetensors file with its state_dict.")]
Images = Annotated[Path | None, typer.Option(help="Folder of pictures, or a .npy of (B, C, H, W).")]
RunsOn = Annotated[str, typer.Option("--device", help="Where a named model runs: cpu, cuda, …")]
BatchSize = Annotated[int, typer.Option(help="Images at once.", min=1)]
Limit = Annotated[int | None, typer.Option(help="Take the first so many images.", min=1)]
Version = Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, a line a layer.")]
AsLatex = Annotated[bool, typer.Option("--latex", help="Print a table for LaTeX with booktabs.")]
AsHtml = Annotated[bool, typer.Option("--html", help="Print a page of HTML that sorts itself.")]
Against = Annotated[bool, typer.Option("--against-random", help="Print it beside random kernels.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it, too, into this .png, .svg or .pdf.")]


@app.callback(invoke_without_command=True)
def convsim(version_only: Version = False) -> None:
    if version_only:
        typer.echo(f"convsim {version('convsim')}")
        raise typer.Exit


def _add(name: str, words: str) -> None:
    """The two commands of an experiment without images."""

    @running.command(name, help=words)
    def run_it(context: typer.Context, results: Results = RESULTS, jobs: Jobs = 1) -> None:
        tasks = EXPERIMENTS[name][1]
        with _told():
            runner.run(tasks, _machine(context, None, "cpu", results, jobs), jobs=jobs)
            _echo(runner.standing(tasks, results))

    @listing.command(name, help=words)
    def list_it(results: Results = RESULTS) -> None:
        with _told():
            _look_into(results)
            _echo(runner.standing(EXPERIMENTS[name][1], results))


for _name, (_words, _) in EXPERIMENTS.items():
    _add(_name, _words)


@running.command("table5")
def run_table5(
    context: typer.Context,
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
        machine = _machine(context, data_dir, device, results, jobs)
        source = source_of(data, data_dir)
        chosen = _selected(conditions, widths, seeds, epochs, model, precision, source)
        if chosen is None and data != PLANNED_ON:
            chosen = plan.planned(source)
        tasks = TRAINING.tasks(plan.planned(source) if chosen is None else chosen)
        runner.run(tasks, machine, jobs=jobs, cluster=cluster)
        _echo(standing.report(chosen, results))


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
        _look_into(results)
        data_set(data)
        chosen = _selected(conditions, widths, seeds, epochs, model, precision, data)
        if chosen is None and data != PLANNED_ON:
            chosen = plan.planned(data)
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
        with _told():
            machine = _machine(context, data_dir, device, results, jobs)
            tasks = ON_IMAGES[name][1](results, source_of(data, data_dir))
            runner.run(tasks, machine, jobs=jobs, cluster=cluster)
            _echo(runner.standing(tasks, results))

    @listing.command(name, help=words)
    def list_it(results: Results = RESULTS) -> None:
        with _told():
            _look_into(results)
            _echo(runner.standing(ON_IMAGES[name][1](results, None), results))


for _name, (_words, _plan) in ON_IMAGES.items():
    _add_on_images(_name, _words)


@app.command()
def report(
    model: Model,
    seed: Seed = 0,
    weights: Weights = None,
    images: Images = None,
    limit: Limit = None,
    batch_size: BatchSize = 16,
    device: RunsOn = "cpu",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_latex: AsLatex = False,
    as_html: AsHtml = False,
    against_random: Against = False,
    plot: Plot = None,
) -> None:
    """Measure every convolutional layer of a model: L_CS and the similarity of its kernels.

    Of a torchvision model, with random weights or --weights, --images adds its feature maps'.

    A safetensors file holds numbers only. A TorchScript file is a program: open one you trust.
    Pickles (torch.save) are not opened.
    """
    forms = {"json": as_json, "csv": as_csv, "latex": as_latex, "html": as_html}
    forms["against-random"] = against_random
    chosen = [name for name, wanted in forms.items() if wanted]
    with _told():
        if len(chosen) > 1:
            raise ValueError(f"--{' and --'.join(chosen)} were asked for; expected one of them")
        measured = report_of(
            model,
            seed,
            weights=weights,
            images=images,
            device=_usable(device),
            batch_size=batch_size,
            limit=limit,
            progress=sys.stderr.isatty(),
        )
        if plot is not None:
            measured.save_plot(plot)
    if chosen == ["json"]:
        typer.echo(json.dumps(measured.to_dict(), indent=1, allow_nan=False))
    elif against_random:
        typer.echo(repr(measured.against_random()))
    elif chosen:
        typer.echo(getattr(measured, f"to_{chosen[0]}")(), nl=False)
    else:
        typer.echo(repr(measured))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What went wrong outside the program, as a message and not as a traceback."""
    try:
        yield
    except (ValueError, ImportError, Lost) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from error
    except BrokenPipeError:
        raise  # who reads has read enough
    except OSError as error:
        typer.echo(f"Error: {in_words(error)}", err=True)
        raise typer.Exit(2) from error
    except Stopped as reason:
        typer.echo(f"stopped ({reason}); the same command goes on from there", err=True)
        raise typer.Exit(130) from reason  # as after Ctrl-C


def _machine(
    context: typer.Context, data_dir: Path | None, device: str | None, results: Path, jobs: int
) -> Machine:
    """Where to run, if the device is there; None is the GPU if there is one."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    command = command_line(context.find_root().obj)
    return Machine(data_dir, _usable(device), results, progress=jobs == 1, command=command)


def _usable(device: str) -> str:
    """A device that is there."""
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ValueError(
            f"device {device!r} cannot be used ({reason}); expected cpu, or a GPU that PyTorch "
            "sees, such as cuda"
        ) from error
    return device


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
