"""Records of trained networks in, figures out: the curves of Figures 1 to 3, and the contrasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import plotly.graph_objects as go
from PIL import ImageColor
from plotly.subplots import make_subplots

from convsim.evidence.training_tables import (
    CONTRASTS,
    NETWORKS,
    best_test,
    interval,
    paired_differences,
    runs_of,
    sweep_records,
)
from convsim.experiments.record import RESULTS, Record
from convsim.figures import COLORS, finish, rounded

PAPER = ("baseline", "init", "regularise")
# Condition: colour and dash. Related conditions share a colour; no two share a dash, for readers
# and printers who see no colours.
STYLES = {
    "baseline": (COLORS[0], "solid"),
    "init": (COLORS[1], "12px,3px"),
    "regularise": (COLORS[2], "9px,3px,2px,3px,2px,3px"),
    "scale": (COLORS[1], "5px,5px"),
    "scale-free": (COLORS[3], "2px,3px"),
    "both": (COLORS[3], "9px,3px,2px,3px"),
    "decay": (COLORS[2], "5px,2px"),
    "learning-rate": (COLORS[0], "16px,4px"),
    "random-bands": (COLORS[4], "20px,3px"),
    "same-band": (COLORS[5], "3px,3px"),
    "balanced-bands": (COLORS[4], "14px,3px,3px,3px"),
    "random-bands-rate": (COLORS[0], "7px,7px"),
    "random-bands-scale": (COLORS[1], "3px,6px"),
}
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
    *quantities: str, shown: Sequence[str] = PAPER, folder: Path = RESULTS
) -> go.Figure:
    """What happened from epoch to epoch, a panel for each network and quantity.

    Args:
        quantities: keys of ``QUANTITIES``; ``normalized`` and ``rate`` are means of layers 2 to 4.
        shown: conditions drawn at first; the legend switches the others on.
        folder: where the records lie.

    Returns:
        A figure with a line for each condition, the mean over seeds, and a band of one standard
        deviation to both sides where there are several.

    Raises:
        ValueError: for an unknown quantity, or if nothing is recorded.
    """
    unknown = set(quantities) - QUANTITIES.keys()
    if unknown or not quantities:
        raise ValueError(
            f"quantities are {', '.join(quantities) or 'none'}; expected some of "
            f"{', '.join(QUANTITIES)}"
        )
    records = sweep_records(folder)
    widths = [w for w in NETWORKS if any(r.settings["width"] == w for r in records)]
    # The wide network has one condition only: it joins the panels of the others.
    panels = [(w, q) for w in widths if w != 512 or widths == [512] for q in quantities]
    figure = make_subplots(
        rows=len(panels),
        shared_xaxes=True,
        vertical_spacing=0.28 / (len(panels) + 2),
        subplot_titles=[f"{NETWORKS[width]}: {QUANTITIES[quantity]}" for width, quantity in panels],
    )
    named: set[str] = set()
    said = []
    for row, (width, quantity) in enumerate(panels, start=1):
        for condition, (color, dash) in STYLES.items():
            runs = runs_of(records, condition, width)
            if not runs:
                continue
            histories = [_history(run, quantity) for run in runs]
            mean = [fmean(values) for values in zip(*histories, strict=True)]
            common = {
                "x": list(range(1, len(mean) + 1)),
                "legendgroup": condition,
                "visible": True if condition in shown else "legendonly",
            }
            if len(runs) > 1:
                spread = [stdev(values) for values in zip(*histories, strict=True)]
                for sign, fill in ((1, None), (-1, "tonexty")):
                    edge = [m + sign * s for m, s in zip(mean, spread, strict=True)]
                    figure.add_scatter(
                        y=rounded(edge),
                        mode="lines",
                        line={"width": 0, "color": color},
                        fill=fill,
                        fillcolor=f"rgba{(*ImageColor.getrgb(color), 0.2)}",
                        showlegend=False,
                        hoverinfo="skip",
                        row=row,
                        col=1,
                        **common,
                    )
            figure.add_scatter(
                y=rounded(mean),
                name=condition,
                mode="lines",
                showlegend=condition not in named,
                line={"color": color, "dash": dash},
                row=row,
                col=1,
                **common,
            )
            named.add(condition)
            said.append(f"{NETWORKS[width]} {condition} {QUANTITIES[quantity]}: {mean[-1]:.3g}")
        if quantity in _LOGARITHMIC:
            figure.update_yaxes(type="log", exponentformat="power", row=row)
    figure.update_xaxes(title_text="epoch", row=len(panels))
    return finish(
        figure,
        height=110 + 230 * len(panels),
        alt="Lines over the epochs, one a condition. At the end: " + "; ".join(said) + ".",
    )


def contrast_figure(width: int = 64, *, folder: Path = RESULTS) -> go.Figure:
    """Differences between conditions in best test accuracy, with 95 % intervals over seeds."""
    records = [record for record in sweep_records(folder) if record.settings["width"] == width]
    figure = go.Figure()
    said = []
    for (first, second), question in reversed(CONTRASTS.items()):
        differences = paired_differences(records, first, second, width, best_test)
        if not differences:
            continue
        mean, bounds = fmean(differences), interval(differences)
        label = f"{first} − {second}"
        half = 0.0 if bounds is None else bounds[1] - mean
        said.append(f"{label} {mean:+.2f}" + (f" ± {half:.2f}" if bounds else ""))
        figure.add_scatter(
            x=rounded([mean]),
            y=[label],
            error_x={"type": "data", "array": rounded([half]), "visible": bounds is not None},
            mode="markers",
            marker={"size": 11, "color": COLORS[0 if second == "baseline" else 1]},
            showlegend=False,
            hovertemplate=f"{question}<br>%{{x:+.2f}} points, n = {len(differences)}"
            "<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": "gray", "dash": "dash"})
    figure.update_xaxes(title_text="points of test accuracy, best epoch")
    figure.update_yaxes(automargin=True)
    return finish(
        figure,
        height=110 + 42 * len(said),
        alt="Differences of best test accuracy between conditions, in points: "
        + "; ".join(reversed(said))
        + ".",
    )


def _history(run: Record, quantity: str) -> list[float]:
    """One number an epoch, made of the layers' where there is one for each."""
    epochs = run.metrics["epochs"]
    rate = run.metrics["chosen"].get("lr", run.settings["learning_rate"])
    values = epochs["norm" if quantity == "rate" else quantity]
    if not isinstance(values, dict):
        return list(values)
    rows = zip(*values.values(), strict=True)
    if quantity == "rate":
        return [rate * fmean(1 / norm**2 for norm in row[1:]) for row in rows]
    if quantity == "normalized":
        return [fmean(row[1:]) for row in rows]
    return [sum(row) if quantity == "similarity" else math.hypot(*row) for row in rows]
