"""What a descent does to whole layers: records in, figures out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from convsim.experiments.descent import (
    DESCENT,
    FLOOR,
    DescentMetrics,
    DescentSettings,
    FloorMetrics,
    FloorSettings,
    LayerDescent,
)
from convsim.experiments.record import RESULTS, Record, read_record, record_path
from convsim.figures import COLORS, SYMBOLS, finish, rounded, stacked
from convsim.floor import spectral_peak

PANELS = ("weight norm", "L_CS", "normalised similarity")
PARTS = ("numerator: ⟨A_i, A_j⟩", "denominator: ‖A_i‖²", "normalised similarity")


def layers_figure(*, folder: Path = RESULTS) -> go.Figure:
    """CNN1's layers along Algorithm 1 and along the scale-free descent.

    Raises:
        ValueError: if one of the two is not recorded.
    """
    figure = stacked(list(PANELS))
    records: list[Record[DescentMetrics]] = _recorded("descent", DESCENT, folder)
    said = []
    for record in records:
        free = record.settings["scale_free"]
        for number, layer in enumerate(record.metrics["layers"].values()):
            name = f"layer {number + 1}, {'scale-free' if free else 'Algorithm 1'}"
            curves = (layer["norm"], layer["similarity"], layer["normalized"])
            ends = (
                f"{panel} {curve[0]:.3g} to {curve[-1]:.3g}"
                for panel, curve in zip(PANELS, curves, strict=True)
            )
            said.append(f"{name}: {', '.join(ends)}")
            for row, curve in enumerate(curves, start=1):
                figure.add_scatter(
                    x=record.metrics["steps"],
                    y=rounded(curve),
                    name=name,
                    legendgroup=name,
                    showlegend=row == 1,
                    line={"color": COLORS[number], "dash": "dot" if free else "solid"},
                    row=row,
                    col=1,
                )
    for row in (1, 2):
        figure.update_yaxes(type="log", exponentformat="power", row=row)
    figure.update_yaxes(range=[0, 1.05], row=3)
    alt = (
        "Weight norm, L_CS and normalised similarity of four layers over "
        f"{records[0].metrics['steps'][-1]} steps. "
    )
    return finish(figure, height=640, alt=alt + "; ".join(said) + ".")


def parts_figure(number: int = 2, *, folder: Path = RESULTS) -> go.Figure:
    """One layer of CNN1 along both descents: the ratio's two parts, and random bands beside them.

    Args:
        number: of the layer, 2 to 4: the first has no other of its shape.
        folder: where the records lie.

    Raises:
        ValueError: if one of the two descents is not recorded.
    """
    figure = stacked(list(PARTS))
    records: list[Record[DescentMetrics]] = _recorded("descent", DESCENT, folder)
    name = list(records[0].metrics["layers"])[number - 1]
    algorithm_1, free = (record.metrics["layers"][name] for record in records)
    steps, bands = records[0].metrics["steps"], records[0].metrics["bands"][name]
    draws = len(bands["peak"])
    means = (fmean(bands["product"]), fmean(bands["peak"]), fmean(bands["normalized"]))
    peak, kernels = spectral_peak((3, 3)), records[0].settings["width"]
    fall = (kernels - peak) / (kernels - 1)
    lines: list[tuple[str, str, str, tuple[Sequence[float], ...]]] = [
        ("Algorithm 1", COLORS[0], "solid", _parts(algorithm_1)),
        ("scale-free", COLORS[1], "solid", _parts(free)),
        ("scale-free, with other layers", COLORS[1], "dot", ((), (), free["strangers"])),
        (f"random bands, mean of {draws} draws", COLORS[2], "dash", _level(means, steps)),
        ("proven limit", "gray", "dash", _level((fall, peak, fall / peak), steps)),
    ]
    said = []
    for title, color, dash, curves in lines:
        shown = [(panel, curve) for panel, curve in zip(PARTS, curves, strict=True) if curve]
        ends = (f"{panel} {curve[0]:.3g} to {curve[-1]:.3g}" for panel, curve in shown)
        said.append(f"{title}: {', '.join(ends)}")
        for panel, curve in shown:
            figure.add_scatter(
                x=steps,
                y=rounded(curve),
                name=title,
                legendgroup=title,
                showlegend=panel == shown[0][0],
                line={"color": color, "dash": dash},
                row=PARTS.index(panel) + 1,
                col=1,
            )
    figure.update_yaxes(rangemode="tozero")
    alt = f"Numerator, denominator and normalised similarity of layer {number}, at norms of 1. "
    return finish(figure, height=640, alt=alt + "; ".join(said) + ".")


def floor_figure(*, folder: Path = RESULTS) -> go.Figure:
    """How far L_CS falls at fixed norms, against the number of kernels, with the proven limit.

    Raises:
        ValueError: if a number of channels is not recorded.
    """
    figure = go.Figure()
    records: list[Record[FloorMetrics]] = _recorded("floor", FLOOR, folder)
    said = []
    peak = spectral_peak([records[0].settings["size"]] * 2)
    below = True
    for number, record in enumerate(records):
        rows = record.metrics["rows"]
        falls = [max(100 * (1 - row["lowest"] / row["white"]), 1e-3) for row in rows]
        limits = [_most(row["kernels"], peak) for row in rows]
        # Beyond rounding: two kernels can fall all the way, and do.
        below &= all(fall <= most + 1e-9 for fall, most in zip(falls, limits, strict=True))
        channels = record.settings["channels"]
        said.append(
            f"C = {channels}: {falls[0]:.0f} % for S = {rows[0]['kernels']}, {falls[-1]:.2g} % "
            "for the widest"
        )
        figure.add_scatter(
            x=[row["kernels"] for row in rows],
            y=rounded(falls),
            name=f"measured, C = {channels}",
            mode="lines+markers",
            line={"color": COLORS[number]},
            marker={"symbol": SYMBOLS[number]},
        )
    widths = [row["kernels"] for row in records[0].metrics["rows"]]
    figure.add_scatter(
        x=widths,
        y=rounded([_most(width, peak) for width in widths]),
        name="no descent can do more",
        mode="lines",
        line={"color": "gray", "dash": "dash"},
    )
    figure.update_xaxes(title_text="kernels S", type="log")
    figure.update_yaxes(title_text="L_CS below the white value, %", type="log")
    alt = "Largest fall of L_CS at fixed kernel norms, in per cent of the white value, against S. "
    return finish(
        figure,
        height=400,
        alt=alt + "; ".join(said) + (", all below the proven limit." if below else "."),
    )


def _parts(layer: LayerDescent) -> tuple[list[float], ...]:
    return layer["product"], layer["peak"], layer["normalized"]


def _level(values: Sequence[float], steps: Sequence[int]) -> tuple[list[float], ...]:
    return tuple([value] * len(steps) for value in values)


def _most(kernels: int, peak: float) -> float:
    """The proven limit: no L_CS at fixed norms lies further below the white value, in per cent."""
    return min(100.0, 100 * (peak - 1) / (kernels - 1))


def _recorded(
    experiment: str, rows: Sequence[DescentSettings] | Sequence[FloorSettings], folder: Path
) -> list[Record[Any]]:
    """The records of some settings, in their order."""
    paths = [record_path(experiment, row, folder) for row in rows]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} of {experiment} are not in {folder}; expected a record of each "
            "of its settings: run `convsim run descent`"
        )
    return [read_record(path) for path in paths]
