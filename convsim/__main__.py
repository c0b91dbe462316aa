"""The ``convsim`` command: run the book's experiments and see which are recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsim.experiments import pairs
from convsim.experiments.record import RESULTS, read_record, record_path

app = typer.Typer(
    help="Run the experiments of the book on feature maps, one record a run.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help=f"One of {', '.join(pairs.TABLES)}.")]
Results = Annotated[Path, typer.Option(help="Folder of the records.")]


@app.command()
def run(name: Name, results: Results = RESULTS) -> None:
    """Run what is not recorded yet. Stop it at any time: finished runs are kept."""
    rows = _rows(name)
    pairs.run(rows, folder=results)
    status(name, results)


@app.command()
def status(name: Name, results: Results = RESULTS) -> None:
    """List the runs of an experiment, done and missing."""
    for row in _rows(name):
        path = record_path("pairs", row, results)
        if path.exists():
            record = read_record(path)
            note = f"done     {path.name}  {record.started}  {record.seconds:.0f} s"
        else:
            note = "missing"
        typer.echo(f"{row.loss}, {row.padding}, N={row.taps:<2} {row.optimizer:<4}  {note}")


def _rows(name: str) -> tuple[pairs.PairSettings, ...]:
    if name not in pairs.TABLES:
        raise typer.BadParameter(f"{name!r} is no experiment; expected {', '.join(pairs.TABLES)}")
    return pairs.TABLES[name]


def main() -> None:
    """Entry point of the ``convsim`` command."""
    app()


if __name__ == "__main__":
    main()
