"""The book's question, answered from records: which redundancy goes with how a network trains."""

from __future__ import annotations

from pathlib import Path

from convsim.evidence.input_tables import READINGS, input_records, reading_of
from convsim.evidence.statistics import (
    UNDEFINED,
    best_test,
    interval_in_words,
    last_training,
    paired_differences,
)
from convsim.evidence.sweeps import Training, named, runs_of
from convsim.evidence.training_tables import not_recorded, provenance
from convsim.experiments.record import RESULTS
from convsim.table import Table

CHANGES = {
    ("orthogonal-kernels", "baseline"): "kernels",
    ("orthogonal-maps", "baseline"): "maps, at the start",
    ("orthogonal-maps-power", "baseline"): "maps, at the start, power kept",
    ("orthogonal-maps-power-ridge", "baseline"): "the same, weak directions left alone",
    ("deconvolution", "baseline"): "maps, at every step",
    ("decov", "baseline"): "maps, by a penalty",
    ("scale", "baseline"): "nothing but scale",
    ("orthogonal-maps-scale", "scale"): "maps, at the start, small weights",
    ("decov-scale", "scale"): "maps, by a penalty, small weights",
}
"""Pairs of conditions, and what the first makes less redundant than the second."""
SHOWN = ("normalized", "correlation", "overlap")
"""The three redundancies: of kernels, of maps, of the neighbourhoods in the data."""
DEEPER = slice(1, None)
"""Layers 2 to 4: the first has more kernels than its input has dimensions."""


def answer_table(*, folder: Path = RESULTS) -> Table:
    """Each change of redundancy: the three readings after training, and what it did to accuracy.

    Raises:
        ValueError: if no training with orthogonal maps is recorded.
    """
    records = input_records(folder)
    width = records[0].settings["width"]
    rows, missing = [], []
    for (first, second), words in CHANGES.items():
        runs, others = (runs_of(records, name, width) for name in (first, second))
        differences = [
            paired_differences(runs, others, measure) for measure in (best_test, last_training)
        ]
        if not differences[0]:
            missing.append(f"{first} − {second}")
            continue
        readings = [f"{_after(others, key)} → {_after(runs, key)}" for key in SHOWN]
        cells = map(interval_in_words, differences)
        rows.append((words, f"{first} − {second}", *readings, *cells, str(len(differences[0]))))
    return Table(
        columns=(
            *(("", "made less redundant"), ("", "difference")),
            *(("after training", READINGS[key]) for key in SHOWN),
            *(("points of accuracy", "test, best epoch"), ("points of accuracy", "training, last")),
            ("", "n"),
        ),
        rows=tuple(rows),
        caption=f"{named(width, records)}: normalised similarity of the kernels (L̄), mean "
        "|correlation| of the maps (centred) and overlap of neighbourhoods in layers 2 to 4, "
        "without and with the change; differences paired by seed: mean [95 % interval].",
        source=provenance(records) + not_recorded(missing),
        prose=True,
    )


def _after(runs: list[Training], key: str) -> str:
    values = [reading_of(run.metrics["layers_after"], key, DEEPER) for run in runs]
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else UNDEFINED
