"""Why some starts are faster: networks before their training beside what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from convsim.evidence.deeper_tables import trainings
from convsim.evidence.input_tables import layer_reading
from convsim.evidence.starts_rules import DIVERSE
from convsim.evidence.statistics import distinct, spearman
from convsim.evidence.sweeps import PAPERS, data_rank
from convsim.evidence.training_tables import not_recorded
from convsim.experiments.beginnings import AT_DEFAULT_NORMS, BEGINNINGS
from convsim.experiments.plan import FACTORIAL_EPOCHS
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.experiments.spectra import NOISE, PARTS, WIDTHS, cell
from convsim.figures import COLORS, finish, rounded
from convsim.table import Table

_OF_LAYERS = {
    "normalized": "normalised similarity",
    "concentration": "concentration of the spectra",
    "per_image": "mean |cos| of maps, one image",
    "expected": "mean |cos| of maps, expected",
    "correlation": "mean |correlation| of maps",
    "overlap": "overlap of neighbourhoods",
}
_OF_GRADIENTS = {"size": "size of the gradient", "signal": "signal of the gradient"}
PREDICTORS = _OF_LAYERS | {"rank": "directions of the maps"} | _OF_GRADIENTS
"""What a layer is before its training, in words."""
SHOWN = (
    *("baseline", "noise-high", "channel-bands", "same-band", "scale-free", "orthogonal-maps"),
    *("random-bands", "even-bands", "random-wide-bands", "random-bands-low", "random-bands-high"),
)
"""The starts of the table of beginnings."""
SHOWN_PREDICTORS = {
    "correlation": ("maps, mean |correlation|", 2),
    "rank": ("their directions", 0),
    "normalized": ("normalised similarity", 2),
    "overlap": ("overlap of neighbourhoods", 3),
    "size": ("gradient, size", 1),
    "signal": ("and signal", 2),
}
"""And its columns, with their digits."""
LEVEL = 0.05
"""Of the tests of all predictors together: each has its share of it."""
FAMILIES = {
    "bands, several": tuple(cell(s, w, p) for s in DIVERSE for w in WIDTHS for p in PARTS),
    "bands, one a layer": tuple(cell("same", w, p) for w in WIDTHS for p in PARTS),
    "noise": tuple(NOISE),
}
OTHER = "other"
_SIDES: tuple[Literal["layers_before", "layers_after"], ...] = ("layers_before", "layers_after")
SYMBOLS = ("circle", "square", "diamond", "cross")


def accuracies(folder: Path = RESULTS) -> dict[str, float]:
    """Training accuracy after ten epochs at learning rate 0.01, by start, the mean over seeds."""
    found: dict[str, dict[int, float]] = {}
    for record in trainings(folder, model=PAPERS, width=64, optimizer="SGD", images=0):
        settings, epochs = record.settings, record.metrics["epochs"]["train_accuracy"]
        if settings["condition"] in AT_DEFAULT_NORMS and len(epochs) >= FACTORIAL_EPOCHS:
            of = found.setdefault(settings["condition"], {})
            of.setdefault(settings["seed"], epochs[FACTORIAL_EPOCHS - 1])
    return {name: fmean(of.values()) for name, of in found.items()}


def beginnings(folder: Path = RESULTS) -> dict[str, dict[str, float]]:
    """Every predictor of every start, the mean over layers and seeds; undefined ones left out.

    Raises:
        ValueError: if nothing is recorded.
    """
    values: dict[str, dict[str, list[float]]] = {}
    for record in _recorded(folder):
        of = values.setdefault(record.settings["run"]["condition"], {})
        for key in PREDICTORS:
            layers = [_read(record.metrics, layer, key) for layer in record.metrics["layers"]]
            known = [value for value in layers if value is not None]
            if len(known) == len(layers):
                of.setdefault(key, []).append(fmean(known))
    return {name: {key: fmean(some) for key, some in of.items()} for name, of in values.items()}


def _recorded(folder: Path) -> list[Record[Any]]:
    """The beginnings, on the best data that there are."""
    records: list[Record[Any]] = read_records(BEGINNINGS.name, folder)
    if not records:
        raise ValueError(
            f"no network before its training is recorded in {folder}; expected some: run `convsim "
            "run beginnings`"
        )
    best = max(data_rank(record.data) for record in records)
    return [record for record in records if data_rank(record.data) == best]


def _read(metrics: Mapping[str, Any], layer: str, key: str) -> float | None:
    if key in _OF_LAYERS:
        return layer_reading(metrics["layers"][layer], key)
    value: float = metrics["rank"][layer] if key == "rank" else metrics["gradients"][layer][key]
    return value


def beginnings_table(folder: Path = RESULTS) -> Table:
    """What networks are like before their training, and their accuracy after ten epochs of it.

    Raises:
        ValueError: if nothing is recorded.
    """
    before, after = beginnings(folder), accuracies(folder)
    known = [name for name in SHOWN if name in before]
    records = [r for r in _recorded(folder) if r.settings["run"]["condition"] in known]
    seeds = distinct([r.settings["run"]["seed"] for r in records])
    data, machines = distinct([r.data for r in records]), distinct([r.hardware for r in records])
    rows = (
        (
            name,
            *(_cell(before[name].get(key), n) for key, (_, n) in SHOWN_PREDICTORS.items()),
            _cell(after.get(name), 1),
        )
        for name in sorted(known, key=lambda name: -before[name]["rank"])
    )
    return Table(
        columns=(
            ("", "start"),
            *(("before the training", words) for words, _ in SHOWN_PREDICTORS.values()),
            ("after ten epochs", "accuracy, %"),
        ),
        rows=tuple(rows),
        caption="CNN1 from several starts at the norms of the default, means over layers.",
        source=f"{data}, means over seeds {seeds}; {machines}. Accuracy on training images, "
        "mean of the recorded seeds; — where there is none."
        + not_recorded([name for name in SHOWN if name not in before]),
    )


def _cell(value: float | None, digits: int) -> str:
    return "—" if value is None else f"{value:.{digits}f}"


def predictors_table(folder: Path = RESULTS) -> Table:
    """Which number before the training goes with accuracy after ten epochs, over all starts.

    Raises:
        ValueError: if nothing is recorded.
    """
    before, after = beginnings(folder), accuracies(folder)
    both, rows = before.keys() & after.keys(), []
    for key, words in PREDICTORS.items():
        names = [name for name in before if name in both and key in before[name]]
        found = spearman([before[n][key] for n in names], [after[n] for n in names])
        counts = "yes" if found.p < LEVEL / len(PREDICTORS) else "no"
        rows.append((words, found.in_words, f"{found.p:.2g}", str(found.n), counts))
    rows.sort(key=lambda row: -abs(float(row[1].split()[0])))
    return Table(
        columns=(
            *(("", "before training, mean over layers"), ("", "ρ with accuracy after ten epochs")),
            *(("", "p"), ("", "starts"), ("", "counts")),
        ),
        rows=tuple(rows),
        caption="Rank correlations over starts at the default's norms. One counts if p is below "
        f"{LEVEL:g} divided by the {len(PREDICTORS)} that are tried.",
        source=f"Means of the recorded seeds of {len(both)} starts."
        + not_recorded([name for name in AT_DEFAULT_NORMS if name not in both]),
    )


def predictors_figure(folder: Path = RESULTS) -> go.Figure:
    """Accuracy after ten epochs over each number before the training; a point a start.

    Raises:
        ValueError: if nothing is recorded.
    """
    before, after = beginnings(folder), accuracies(folder)
    columns = 3
    figure = make_subplots(
        rows=-(-len(PREDICTORS) // columns),
        cols=columns,
        shared_yaxes=True,
        subplot_titles=[*PREDICTORS.values()],
        horizontal_spacing=0.03,
        vertical_spacing=0.12,
    )
    for number, family in enumerate((*FAMILIES, OTHER)):
        for place, key in enumerate(PREDICTORS):
            names = [
                name
                for name in before
                if name in after and key in before[name] and _family(name) == family
            ]
            figure.add_scatter(
                x=rounded([before[name][key] for name in names]),
                y=rounded([after[name] for name in names]),
                text=names,
                name=family,
                legendgroup=family,
                showlegend=place == 0,
                mode="markers",
                marker={"size": 8, "color": COLORS[number], "symbol": SYMBOLS[number]},
                hovertemplate="%{text}<br>%{x:.3g}: %{y:.2f} %<extra></extra>",
                row=place // columns + 1,
                col=place % columns + 1,
            )
    figure.update_yaxes(title_text="accuracy, %", col=1)
    ranked = sorted(after, key=lambda name: -after[name])
    return finish(
        figure,
        height=900,
        alt="Points, one a start: training accuracy after ten epochs over "
        + ", ".join(PREDICTORS.values())
        + f". Fastest: {ranked[0]}, {after[ranked[0]]:.1f} %; slowest: {ranked[-1]}, "
        f"{after[ranked[-1]]:.1f} %.",
    )


def _family(name: str) -> str:
    return next((family for family, members in FAMILIES.items() if name in members), OTHER)
