"""``convsim report``: the redundancy of a model's layers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from convsim.commands.shared import told, usable
from convsim.report.files import report_of

Model = Annotated[
    str, typer.Argument(help="A .safetensors or TorchScript file, or a torchvision model's name.")
]
Seed = Annotated[int, typer.Option(help="Seed of the random weights of a torchvision model.")]
Weights = Annotated[Path | None, typer.Option(help="A .safetensors file with its state_dict.")]
Images = Annotated[Path | None, typer.Option(help="Folder of pictures, or a .npy of (B, C, H, W).")]
RunsOn = Annotated[str, typer.Option("--device", help="Where a named model runs: cpu, cuda, …")]
BatchSize = Annotated[int, typer.Option(help="Images at once.", min=1)]
Limit = Annotated[int | None, typer.Option(help="Take the first so many images.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, a line a layer.")]
AsLatex = Annotated[bool, typer.Option("--latex", help="Print a table for LaTeX with booktabs.")]
AsHtml = Annotated[bool, typer.Option("--html", help="Print a page of HTML that sorts itself.")]
Against = Annotated[bool, typer.Option("--against-random", help="Print it beside random kernels.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it, too, into this .png, .svg or .pdf.")]


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
    with told():
        if len(chosen) > 1:
            raise ValueError(f"--{' and --'.join(chosen)} were asked for; expected one of them")
        measured = report_of(
            model,
            seed,
            weights=weights,
            images=images,
            device=usable(device),
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
