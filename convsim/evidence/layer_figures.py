"""What a descent does to whole layers: records in, figures out."""

from __future__ import annotations

import plotly.graph_objects as go

from convsim.experiments.record import matching_records, read_records
from convsim.figures import COLORS, SYMBOLS, finish, rounded, stacked


def layers_figure() -> go.Figure:
    """CNN1's layers along Algorithm 1 and along the scale-free descent."""
    panels = {
        "norm": "weight norm",
        "similarity": "L_CS",
        "normalized": "normalised similarity",
    }
    figure = stacked(list(panels.values()))
    said = []
    records = matching_records("descent")
    for record in sorted(records, key=lambda record: record.settings["scale_free"]):
        free = record.settings["scale_free"]
        for number, layer in enumerate(record.metrics["layers"].values()):
            name = f"layer {number + 1}, {'scale-free' if free else 'Algorithm 1'}"
            ends = (
                f"{panel} {layer[key][0]:.3g} to {layer[key][-1]:.3g}"
                for key, panel in panels.items()
            )
            said.append(f"{name}: {', '.join(ends)}")
            for row, key in enumerate(panels, start=1):
                figure.add_scatter(
                    x=record.metrics["steps"],
                    y=rounded(layer[key]),
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
    alt = "Weight norm, L_CS and normalised similarity of four layers over 500 steps. "
    return finish(figure, height=640, alt=alt + "; ".join(said) + ".")


def floor_figure() -> go.Figure:
    """How far L_CS falls at fixed norms, against the number of kernels, with the proven limit."""
    figure = go.Figure()
    said = []
    records = sorted(read_records("floor"), key=lambda record: record.settings["channels"])
    for number, record in enumerate(records):
        rows = record.metrics["rows"]
        falls = [max(100 * (1 - row["lowest"] / row["white"]), 1e-3) for row in rows]
        channels = record.settings["channels"]
        said.append(f"C = {channels}: {falls[0]:.0f} % for S = 2, {falls[-1]:.2g} % for the widest")
        figure.add_scatter(
            x=[row["kernels"] for row in rows],
            y=rounded(falls),
            name=f"measured, C = {channels}",
            mode="lines+markers",
            line={"color": COLORS[number]},
            marker={"symbol": SYMBOLS[number]},
        )
    taps = records[0].settings["size"] ** 2
    widths = [row["kernels"] for row in records[0].metrics["rows"]]
    figure.add_scatter(
        x=widths,
        y=rounded([min(100.0, 100 * (taps - 1) / (s - 1)) for s in widths]),
        name="no descent can do more",
        mode="lines",
        line={"color": "gray", "dash": "dash"},
    )
    figure.update_xaxes(title_text="kernels S", type="log")
    figure.update_yaxes(title_text="L_CS below the white value, %", type="log")
    alt = "Largest fall of L_CS at fixed kernel norms, in per cent of the white value, against S. "
    return finish(figure, height=400, alt=alt + "; ".join(said) + ", all below the proven limit.")
