"""Records of trained networks in, figures out: the curves of Figures 1 to 3, and the contrasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import plotly.graph_objects as go
from PIL import ImageColor
from plotly.subplots import make_subplots

from convsim.evidence.statistics import best_test, interval, paired_differences
from convsim.evidence.sweeps import (
    Training,
    book_sweeps,
    first_with,
    model_of,
    network,
    of_width,
    on_other_data,
    pairs_of,
)
from convsim.experiments.conditions import CONDITIONS, KERNELS
from convsim.experiments.contrasts import CONTRASTS
from convsim.experiments.record import RESULTS
from convsim.figures import COLORS, finish, rounded

PAPER = ("baseline", "init", "regularise")
STYLES = {name: (COLORS[condition.color], condition.dash) for name, condition in CONDITIONS.items()}
"""Colour and dash of each condition."""
QUANTITIES = {
    "test_accuracy": "test accuracy, %",
    "train_accuracy": "training accuracy, %",
    "loss": "training loss",
    "similarity": "L_CS, sum over layers",
    "normalized": "normalised similarity",
    "norm": "weight norm, all layers",
    "rate": "learning rate / ‖w‖²",
}
_LOGARITHMIC = {"similarity", "norm", "rate"}


def epochs_figure(
    *quantities: str,
    shown: Sequence[str] = PAPER,
    logarithmic: bool = False,
    panel: int = 230,
    folder: Path = RESULTS,
) -> go.Figure:
    """What happened from epoch to epoch, a panel for each network and quantity.

    Args:
        quantities: keys of ``QUANTITIES``; ``normalized`` and ``rate`` are means of layers 2 to 4.
        shown: conditions drawn at first; the legend switches the others on.
        logarithmic: draw early epochs as wide as late ones.
        panel: height of each panel, in pixels.
        folder: where the records lie.

    Returns:
        A figure with a line for each condition, the mean over seeds in its longest sweep, and a
        band of one standard deviation to both sides where there are several.

    Raises:
        ValueError: for an unknown quantity, or if nothing is recorded.
    """
    unknown = set(quantities) - QUANTITIES.keys()
    if unknown or not quantities:
        raise ValueError(
            f"quantities are {', '.join(quantities) or 'none'}; expected some of "
            f"{', '.join(QUANTITIES)}"
        )
    sweeps = book_sweeps(folder)
    widths = sorted({run.settings["width"] for records in sweeps for run in records})
    names = {width: network(width, model_of(sweeps[0][0])) for width in widths}
    # The wide network has one condition only: it joins the panels of the others.
    panels = [(w, q) for w in widths if w != 512 or widths == [512] for q in quantities]
    figure = make_subplots(
        rows=len(panels),
        shared_xaxes=True,
        vertical_spacing=0.28 / (len(panels) + 2),
        subplot_titles=[f"{names[width]}: {QUANTITIES[quantity]}" for width, quantity in panels],
    )
    named: set[str] = set()
    said = []
    for row, (width, quantity) in enumerate(panels, start=1):
        for condition in KERNELS:
            runs = first_with(sweeps, condition, width)
            if not runs:
                continue
            options = {
                "legendgroup": condition,
                "visible": True if condition in shown else "legendonly",
                "row": row,
                "col": 1,
            }
            histories = [_history(run, quantity) for run in runs]
            last = _draw(figure, condition, histories, condition not in named, options)
            named.add(condition)
            epochs = runs[0].settings["epochs"]
            said.append(
                f"{names[width]} {condition}, {epochs} epochs, {QUANTITIES[quantity]}: {last:.3g}"
            )
        if quantity in _LOGARITHMIC:
            figure.update_yaxes(type="log", exponentformat="power", row=row)
    figure.update_xaxes(title_text="epoch", row=len(panels))
    if logarithmic:
        figure.update_xaxes(type="log", dtick="D2")
    return finish(
        figure,
        height=110 + panel * len(panels),
        alt=f"Lines over the epochs{on_other_data(sweeps[0])}, one a condition. At the end: "
        + "; ".join(said)
        + ".",
    )


def _draw(
    figure: go.Figure,
    condition: str,
    histories: Sequence[Sequence[float]],
    named: bool,
    options: dict[str, Any],
) -> float:
    """Draw the mean of some histories in a band of one deviation; return where the mean ends."""
    color, dash = STYLES[condition]
    mean = [fmean(values) for values in zip(*histories, strict=True)]
    options = {"x": list(range(1, len(mean) + 1)), "mode": "lines", **options}
    if len(histories) > 1:
        spread = [stdev(values) for values in zip(*histories, strict=True)]
        for sign, fill in ((1, None), (-1, "tonexty")):
            figure.add_scatter(
                y=rounded([m + sign * s for m, s in zip(mean, spread, strict=True)]),
                line={"width": 0, "color": color},
                fill=fill,
                fillcolor=f"rgba{(*ImageColor.getrgb(color), 0.2)}",
                showlegend=False,
                hoverinfo="skip",
                **options,
            )
    figure.add_scatter(
        y=rounded(mean),
        name=condition,
        showlegend=named,
        line={"color": color, "dash": dash},
        **options,
    )
    return mean[-1]


def contrast_figure(width: int = 64, *, folder: Path = RESULTS) -> go.Figure:
    """Differences between conditions in best test accuracy, with 95 % intervals over seeds.

    Raises:
        ValueError: if no training of this width is recorded.
    """
    sweeps = of_width(width, book_sweeps(folder), folder)
    longest = max(run.settings["epochs"] for run in sweeps[0])
    figure = go.Figure()
    said = []
    for (first, second), question in reversed(CONTRASTS.items()):
        runs, others = pairs_of(sweeps, (first, second), width)
        differences = paired_differences(runs, others, best_test)
        if not differences:
            continue
        mean, bounds = fmean(differences), interval(differences)
        epochs = runs[0].settings["epochs"]
        label = f"{first} − {second}"
        half = 0.0 if bounds is None else bounds[1] - mean
        spread = f" ± {half:.2f}" if bounds else ""
        said.append(f"{label} {mean:+.2f}{spread}, {epochs} epochs")
        figure.add_scatter(
            x=rounded([mean]),
            y=[label],
            error_x={"type": "data", "array": rounded([half]), "visible": bounds is not None},
            mode="markers",
            marker={
                "size": 11,
                "color": COLORS[0 if second == "baseline" else 1],
                # Hollow where trainings were shorter.
                "symbol": "circle" if epochs == longest else "circle-open",
            },
            showlegend=False,
            hovertemplate=f"{question}<br>%{{x:+.2f}} points, n = {len(differences)}, "
            f"{epochs} epochs<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": "gray", "dash": "dash"})
    figure.update_xaxes(title_text="points of test accuracy, best epoch")
    figure.update_yaxes(automargin=True)
    return finish(
        figure,
        height=110 + 42 * len(said),
        alt=f"Differences of best test accuracy between conditions{on_other_data(sweeps[0])}, in "
        "points: " + "; ".join(reversed(said)) + ".",
    )


def _history(run: Training, quantity: str) -> list[float]:
    """One number an epoch, made of the layers' where there is one for each."""
    epochs = run.metrics["epochs"]
    if quantity == "rate":
        rate = run.metrics["chosen"].get("lr", run.settings["learning_rate"])
        norms = zip(*epochs["norm"].values(), strict=True)
        return [rate * fmean(1 / norm**2 for norm in layers[1:]) for layers in norms]
    if quantity == "normalized":
        return [fmean(row[1:]) for row in zip(*epochs["normalized"].values(), strict=True)]
    if quantity == "similarity":
        return [sum(row) for row in zip(*epochs["similarity"].values(), strict=True)]
    if quantity == "norm":
        return [math.hypot(*row) for row in zip(*epochs["norm"].values(), strict=True)]
    of_epochs = {
        "loss": epochs["loss"],
        "train_accuracy": epochs["train_accuracy"],
        "test_accuracy": epochs["test_accuracy"],
    }
    return of_epochs[quantity]
