"""What the commands share: groups that remember their words, messages in place of tracebacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import typer

from convsim.experiments.pools import Lost
from convsim.files import in_words
from convsim.training.history import Stopped


class _Words(typer.core.TyperGroup):
    """Keeps the words of the command, for the records of its runs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if ctx.parent is None:
            ctx.obj = ["convsim", *args]
        return super().parse_args(ctx, args)


def group(words: str) -> typer.Typer:
    return typer.Typer(
        cls=_Words, help=words, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


@contextlib.contextmanager
def told() -> Iterator[None]:
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


def usable(device: str) -> str:
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
