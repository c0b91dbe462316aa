"""The ``convsim`` command: run the book's experiments, see what is recorded, report on a model."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from convsim.commands.experiments import listing, running
from convsim.commands.report import report
from convsim.commands.shared import group

app = group("Run the experiments of the book on feature maps, and measure your own models.")
app.add_typer(running, name="run")
app.add_typer(listing, name="status")
app.command()(report)

Version = Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)]


@app.callback(invoke_without_command=True)
def convsim(version_only: Version = False) -> None:
    if version_only:
        typer.echo(f"convsim {version('convsim')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the ``convsim`` command."""
    app()


if __name__ == "__main__":
    main()
