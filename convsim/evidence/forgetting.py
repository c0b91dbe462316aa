"""Records of first epochs in: how effective rates forget their start, and weights Algorithm 1."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from convsim.evidence.statistics import distinct
from convsim.evidence.sweeps import data_rank
from convsim.evidence.training_tables import not_recorded
from convsim.experiments.forgetting import FORGETTING, LEARNING_RATES, OTHERS, STARTS
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.figures import COLORS, finish, rounded
from convsim.table import Table
from convsim.training.optimizers import OPTIMIZERS
from convsim.training.rates import effective_rate

Kind = tuple[str, float, str]
"""Of a first epoch: optimiser, learning rate and start."""
KINDS: list[Kind] = [
    (optimizer, rate, start)
    for optimizer, rate in [*(("SGD", rate) for rate in LEARNING_RATES), *OTHERS.items()]
    for start in STARTS
]
LAYER = 2
"""The layer that figures show, counted from 0: the third of four."""


def first_epochs(folder: Path = RESULTS) -> dict[Kind, list[Record[Any]]]:
    """The recorded first epochs by seed, those on the best data; those that diverged, too.

    Raises:
        ValueError: if none is recorded.
    """
    records = read_records(FORGETTING.name, folder)
    if not records:
        raise ValueError(
            f"no record of forgetting lies in {folder}; expected one: run `convsim run forgetting`"
        )
    best = max(data_rank(record.data) for record in records)
    found: dict[Kind, list[Record[Any]]] = {}
    for record in sorted(records, key=lambda record: record.settings["run"]["seed"]):
        if data_rank(record.data) == best:
            found.setdefault(_kind(record), []).append(record)
    return {kind: found[kind] for kind in KINDS if kind in found}


def _kind(record: Record[Any]) -> Kind:
    run = record.settings["run"]
    return run.get("optimizer", "SGD"), run["learning_rate"], run["condition"]


def rates_of(record: Record[Any], layer: int = LAYER) -> list[float]:
    """The effective learning rate of a layer after each of the recorded numbers of steps."""
    optimizer, lr, _ = _kind(record)
    norms = [*record.metrics["layers"].values()][layer]["norm"]
    return [effective_rate(optimizer, lr, norm) for norm in norms]


def unit_gradient(record: Record[Any], layer: int = LAYER) -> float:
    """γ: the norm of the first step's gradient, as it would be at norm 1 of the weight, ‖g‖ ‖w‖."""
    course = [*record.metrics["layers"].values()][layer]
    first = record.metrics["steps"].index(1)
    return float(course["squared_gradients"][first] ** 0.5 * course["norm"][0])


def rate_after_step(rate: float, gradient: float) -> float:
    r"""The effective rate after a step of SGD: :math:`r / (1 + \gamma^2 r^2)`, 1 / (2 γ) at most.

    The gradient g is orthogonal to w, so :math:`\|w'\|^2 = \|w\|^2 + \eta^2 \|g\|^2`.

    Args:
        rate: r, :math:`\eta / \|w\|^2` before it.
        gradient: γ, :math:`\|g\| \|w\|`.

    Example:
        >>> rate_after_step(0.5, 2.0), rate_after_step(50.0, 2.0) < 0.005
        (0.25, True)
    """
    return rate / (1 + (gradient * rate) ** 2)


def finished(folder: Path = RESULTS) -> dict[Kind, list[Record[Any]]]:
    """The first epochs that did not diverge."""
    found = {
        kind: [record for record in records if "diverged" not in record.metrics]
        for kind, records in first_epochs(folder).items()
    }
    return {kind: records for kind, records in found.items() if records}


def rate_figure(folder: Path = RESULTS) -> go.Figure:
    """Effective rates of SGD before the first step, after it, and after the epoch.

    A curve a seed takes γ from the default at the smallest learning rate.

    Raises:
        ValueError: if nothing, or not that run, is recorded.
    """
    records = finished(folder)
    source = "SGD", LEARNING_RATES[0], "baseline"
    if source not in records:
        raise ValueError(
            f"the first epoch of {source[2]} with learning rate {source[1]} is not recorded in "
            f"{folder}; expected it: run `convsim run forgetting`"
        )
    gradients = [unit_gradient(record) for record in records[source]]
    courses = [
        (start, [(rates_of(record), record.metrics["steps"].index(1)) for record in some])
        for (optimizer, _, start), some in records.items()
        if optimizer == "SGD"
    ]
    firsts = [rates[0] for _, some in courses for rates, _ in some]
    low, high = math.log10(min(firsts)), math.log10(max(firsts))
    grid = [10 ** (low + (high - low) * part / 100) for part in range(101)]
    figure = go.Figure()
    for number, gradient in enumerate(gradients):
        figure.add_scatter(
            x=rounded(grid),
            y=rounded([rate_after_step(rate, gradient) for rate in grid]),
            name="r / (1 + γ² r²)",
            legendgroup="curve",
            showlegend=number == 0,
            mode="lines",
            line={"color": "gray", "dash": "2px,3px"},
        )
    said = []
    for number, start in enumerate(STARTS):
        for words, symbol in (("one step", "circle-open"), ("one epoch", "x")):
            points = [
                [(rates[0], rates[first if words == "one step" else -1]) for rates, first in some]
                for name, some in courses
                if name == start
            ]
            figure.add_scatter(
                x=rounded([x for seeds in points for x, _ in seeds]),
                y=rounded([y for seeds in points for _, y in seeds]),
                name=f"{start}, {words}",
                mode="markers",
                marker={"color": COLORS[number], "symbol": symbol, "size": 9 + number},
            )
            for seeds in points:
                x, y = map(fmean, zip(*seeds, strict=True))
                said.append(f"{start} {x:.2g}, after {words} {y:.2g}")
    figure.update_xaxes(title_text="effective rate at the start", type="log", dtick=1)
    figure.update_yaxes(
        title_text="effective rate<br>after a step, an epoch",
        type="log",
        dtick=1,
        exponentformat="power",
    )
    return finish(
        figure,
        height=460,
        alt="Points along curves, one a seed, that rise and fall again: the effective rate of "
        "layer 3 after the first step over that before it. Highest at "
        f"{', '.join(f'{1 / gradient:.2g}' for gradient in gradients)}. " + "; ".join(said) + ".",
    )


def growth_figure(start: str = "scale", folder: Path = RESULTS) -> go.Figure:
    """Squared norm over the first epoch under SGD, momentum and SGDP at one learning rate.

    It is the first seed's. Dotted is what the gradients alone predict: the sum of their squares,
    times η² / (1 − μ)².

    Raises:
        ValueError: if nothing of it is recorded.
    """
    records = finished(folder)
    figure = go.Figure()
    said = []
    for number, optimizer in enumerate(("SGD", "momentum", "SGDP")):
        some = records.get((optimizer, LEARNING_RATES[0], start))
        if not some:
            continue
        course = [*some[0].metrics["layers"].values()][LAYER]
        momentum = OPTIMIZERS[optimizer][1].get("momentum", 0.0)
        factor = (LEARNING_RATES[0] / (1 - momentum)) ** 2
        squares = [norm**2 for norm in course["norm"]]
        predicted = [squares[0] + factor * total for total in course["squared_gradients"]]
        for y, dash, shown in ((squares, "solid", True), (predicted, "2px,3px", False)):
            figure.add_scatter(
                x=some[0].metrics["steps"],
                y=rounded(y),
                name=optimizer,
                legendgroup=optimizer,
                showlegend=shown,
                mode="lines",
                line={"color": COLORS[number], "dash": dash},
            )
        said.append(f"{optimizer} {squares[-1]:.3g}, predicted {predicted[-1]:.3g}")
    if not said:
        raise ValueError(
            f"no first epoch of {start} is recorded in {folder}; expected some: run `convsim run "
            "forgetting`"
        )
    figure.update_xaxes(title_text="step of the first epoch")
    figure.update_yaxes(title_text="‖w‖² of layer 3", type="log", exponentformat="power")
    return finish(
        figure,
        height=380,
        alt=f"Lines over the first epoch from {start}: the squared norm of layer 3, and dotted what"
        " the gradients predict. At its end: " + "; ".join(said) + ".",
    )


def forgetting_table(folder: Path = RESULTS) -> Table:
    """What a first epoch does to the weights, and to what Algorithm 1 has made of them.

    Raises:
        ValueError: if nothing is recorded.
    """
    records = first_epochs(folder)
    alive = finished(folder)
    rows = []
    for kind in records:
        optimizer, lr, start = kind
        head = optimizer, f"{lr:g}", start
        if kind not in alive:
            rows.append((*head, *["diverged"] * 8, "0"))
            continue
        runs = [after_epoch(record) for record in alive[kind]]
        mean = {key: fmean(run[key] for run in runs) for key in runs[0]}
        rows.append(
            (
                *head,
                *(f"{mean[key]:.2g}" for key in ("rate_before", "rate_after")),
                f"{mean['angle']:.0f}°",
                *(_two_digits(mean[key]) for key in ("similarity_before", "similarity_after")),
                *(f"{mean[key]:.2f}" for key in ("normalized_before", "normalized_after")),
                f"{mean['accuracy']:.1f}",
                str(len(runs)),
            )
        )
    used = [record for some in records.values() for record in some]
    seeds = distinct(record.settings["run"]["seed"] for record in used)
    return Table(
        columns=(
            *(("", "optimiser"), ("", "η"), ("", "start")),
            *(("effective rate", "start"), ("effective rate", "after")),
            ("weights", "turned"),
            *(("L_CS", "start"), ("L_CS", "after")),
            *(("L̄", "start"), ("L̄", "after")),
            *(("accuracy", "training"), ("", "n")),
        ),
        rows=tuple(rows),
        caption="The first epoch of CNN1: effective learning rate of the third layer, the angle by "
        "which the weights turned (mean over the layers), L_CS (summed), normalised similarity "
        "(mean), and accuracy in this epoch; means over n seeds.",
        source=f"{distinct(record.data for record in used)}, seed {seeds}; "
        f"{distinct(record.hardware for record in used)}."
        + not_recorded([" ".join(map(str, kind)) for kind in KINDS if kind not in records]),
    )


def _two_digits(number: float) -> str:
    """Two significant digits, written out: ``0.47``, ``7,700,000``."""
    rounded_to = f"{number:.2g}"
    return f"{float(rounded_to):,.0f}" if number >= 10 else rounded_to


def after_epoch(record: Record[Any]) -> dict[str, float]:
    """What the table shows of one first epoch."""
    layers = [*record.metrics["layers"].values()]
    rates = rates_of(record)
    found = {"accuracy": record.metrics["train_accuracy"]}
    found["angle"] = fmean(layer["angle"][-1] for layer in layers)
    for side, at in (("before", 0), ("after", -1)):
        found[f"rate_{side}"] = rates[at]
        found[f"similarity_{side}"] = sum(layer["similarity"][at] for layer in layers)
        found[f"normalized_{side}"] = fmean(layer["normalized"][at] for layer in layers)
    return found
