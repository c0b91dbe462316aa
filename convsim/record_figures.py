"""Records in, figures out."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from convsim.experiments.record import Record, read_records
from convsim.figures import COLORS, SYMBOLS, finish, rounded
from convsim.tables import pair_records, row_name


def descent_figure(table: str) -> go.Figure:
    """Medians over episodes along the descent: loss, ⟨F1, F2⟩² and |cos(F1, F2)|."""
    panels = {
        "loss": "loss, relative",
        "similarity": "⟨F₁, F₂⟩², relative",
        "cosine": "|cos(F₁, F₂)|",
    }
    figure = _stacked(list(panels.values()))
    for number, record in enumerate(pair_records(table)):
        curve = record.metrics["curve"]
        taps, optimizer = row_name(record)
        for panel, key in enumerate(panels, start=1):
            figure.add_scatter(
                x=curve["step"],
                y=[max(value, 1e-16) for value in curve[key]],
                name=f"N = {taps}, {optimizer}",
                legendgroup=str(number),
                showlegend=panel == 1,
                line={"color": COLORS[number // 2], "dash": ("solid", "dot")[number % 2]},
                row=panel,
                col=1,
            )
    figure.update_yaxes(type="log", exponentformat="power", row=1)
    figure.update_yaxes(type="log", exponentformat="power", row=2)
    figure.update_yaxes(range=[0, 0.7], row=3)
    ends = ", ".join(
        f"N = {r.settings['taps']} {r.settings['optimizer']} "
        f"{r.metrics['curve']['cosine'][0]:.2f} to {r.metrics['curve']['cosine'][-1]:.2f}"
        for r in pair_records(table)
    )
    return finish(
        figure,
        height=620,
        alt="Three stacked line charts over the steps of the descent, medians of 1000 episodes: "
        f"the loss, the squared inner product of the feature maps, and |cos|. |cos|: {ends}.",
    )


def cosine_figure() -> go.Figure:
    """|cos(F1, F2)| before and after each descent, Table 1's loss above Table 2's."""
    figure = go.Figure()
    described = []
    for table, label in (("table2", "L_CS"), ("table1", "⟨K₁, K₂⟩²")):
        for record in reversed(pair_records(table)):
            taps, optimizer = row_name(record)
            row = f"{label}, N = {taps}, {optimizer}"
            before, after = (
                record.metrics[f"cosine_{when}"]["mean"] for when in ("before", "after")
            )
            described.append(f"{row} {before:.2f} to {after:.2f}")
            first = len(described) == 1
            figure.add_scatter(
                x=rounded([before, after]),
                y=[row, row],
                mode="lines+markers",
                line={"color": COLORS[table == "table1"], "width": 3},
                marker={"symbol": ["circle-open", "circle"], "size": 11},
                name="minimising " + label,
                legendgroup=label,
                showlegend=first or len(described) == 7,
                hovertemplate="%{x:.3f}"
                + f"<br>fell in {record.metrics['cosine_fell_percent']:.0f} %"
                "<extra></extra>",
            )
    figure.update_xaxes(title_text="mean |cos(F₁, F₂)|: open before, filled after", range=[0, 0.7])
    return finish(
        figure,
        height=460,
        alt="Mean absolute cosine of the two feature maps before and after each descent. "
        + "; ".join(described)
        + ".",
    )


def layers_figure() -> go.Figure:
    """CNN1's layers along Algorithm 1 and along the scale-free descent."""
    panels = {
        "norm": "weight norm",
        "similarity": "L_CS",
        "normalized": "normalised similarity",
    }
    figure = _stacked(list(panels.values()))
    said = []
    for record in _named("descent", scale_free=False) + _named("descent", scale_free=True):
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


def benchmark_figure() -> go.Figure:
    """Forward and backward time against width, for every form, on the CPU."""
    (record,) = _named("benchmark", device="cpu")
    figure = go.Figure()
    said = []
    for number, form in enumerate(dict.fromkeys(row["form"] for row in record.metrics["times"])):
        rows = [
            row
            for row in record.metrics["times"]
            if row["form"] == form and row["shape"][0] == row["shape"][1] and row["shape"][2] == 3
        ]
        last = rows[-1]
        said.append(f"{form} {last['median_ms']:.3g} ms at {last['shape'][0]}")
        figure.add_scatter(
            x=[row["shape"][0] for row in rows],
            y=rounded([row["median_ms"] for row in rows]),
            name=form,
            mode="lines+markers",
            line={"color": COLORS[number % len(COLORS)], "dash": ("solid", "dot")[number // 6]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)]},
        )
    figure.update_xaxes(title_text="S = C, 3 × 3 kernels", type="log")
    figure.update_yaxes(title_text="forward + backward, ms", type="log", exponentformat="power")
    alt = "Median time against the width of the layer, both axes logarithmic. "
    return finish(figure, height=440, alt=alt + "; ".join(said) + ".")


def _stacked(titles: list[str]) -> go.Figure:
    """Panels one above the other, over one axis of steps."""
    figure = make_subplots(
        rows=len(titles), shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.08
    )
    figure.update_xaxes(title_text="step", row=len(titles))
    return figure


def _named(experiment: str, **settings: object) -> list[Record]:
    """Records of an experiment with the given settings; an error if there is none."""
    found = [
        record
        for record in read_records(experiment)
        if all(record.settings[key] == value for key, value in settings.items())
    ]
    if not found:
        raise ValueError(
            f"no record of {experiment} with {settings}; expected one in convsim/results: "
            "run `convsim run NAME`, or `make bench` for the benchmark"
        )
    return found
