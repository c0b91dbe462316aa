"""Records of the conditions that bring the input in: tables of their maps and accuracies."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from convsim.evidence.contrast_tables import differences_table
from convsim.evidence.statistics import UNDEFINED, distinct
from convsim.evidence.sweeps import PAPERS, Training, data_rank, named, runs_of
from convsim.evidence.training_tables import not_recorded, provenance
from convsim.experiments.activations import LayerState
from convsim.experiments.cifar10 import TrainingSettings, settings_of
from convsim.experiments.conditions import INPUT, SHRUNK
from convsim.experiments.contrasts import INPUT_CONTRASTS
from convsim.experiments.inputs import PATCHES, STEPS, StepMetrics
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.experiments.sweep import CHOICE
from convsim.table import Table

FAMILIES = {"baseline": ("baseline", *INPUT), "scale": ("scale", *SHRUNK)}
"""The conditions at the default's norms and at Algorithm 1's, each after what they start from."""
LAYERS = 4
"""Those of the networks; what a condition puts ahead of them is left out."""
READINGS = {
    "per_image": "image",
    "expected": "all",
    "correlation": "centred",
    "normalized": "L̄",
    "overlap": "overlap",
}
"""Of a layer, and how tables head them."""


def input_records(folder: Path = RESULTS) -> list[Training]:
    """The trainings of one sweep under the conditions that bring the input in, and of its bases.

    Of several sweeps it is that on the better data, then the one with the most epochs, and the
    most runs.

    Raises:
        ValueError: if none is recorded.
    """
    return best_sweep({name for family in FAMILIES.values() for name in family}, FAMILIES, folder)


def best_sweep(
    wanted: Container[str], bases: Container[str], folder: Path = RESULTS
) -> list[Training]:
    """The ordinary trainings under some conditions whose layers were measured, of one sweep.

    Args:
        wanted: the conditions.
        bases: those among them that alone make no sweep.
        folder: where the records lie.

    Raises:
        ValueError: if none is recorded.
    """
    sweeps: dict[TrainingSettings, list[Training]] = {}
    for record in read_records("table5", folder):
        if record.settings["condition"] in wanted and "layers_after" in record.metrics:
            shared = replace(settings_of(record), condition="baseline", seed=0)
            if not shared.ordinary:
                continue
            sweeps.setdefault(shared, []).append(record)
    sweeps = {
        shared: records
        for shared, records in sweeps.items()
        if any(record.settings["condition"] not in bases for record in records)
    }
    if not sweeps:
        raise ValueError(
            f"no training under such a condition is recorded in {folder}; expected records of "
            "table5: run `convsim run table5`"
        )
    best = max(
        sweeps, key=lambda s: (s.model == PAPERS, data_rank(s.data), s.epochs, len(sweeps[s]))
    )
    return sweeps[best]


def maps_table(family: str = "baseline", *, folder: Path = RESULTS) -> Table:
    """Readings of maps and kernels before and after training, for the first layer and the others.

    Args:
        family: a key of ``FAMILIES``.
        folder: where the records lie.

    Raises:
        ValueError: as :func:`input_records`.
    """
    records = input_records(folder)
    width = records[0].settings["width"]
    rows, missing = [], []
    for condition in FAMILIES[family]:
        runs = runs_of(records, condition, width)
        if not runs:
            missing.append(condition)
            continue
        for words, part in (("1", slice(0, 1)), (f"2 to {LAYERS}", slice(1, None))):
            sides = (
                _readings([run.metrics[side] for run in runs], part)
                for side in ("layers_before", "layers_after")
            )
            rows.append((condition, words, *(cell for side in sides for cell in side)))
    return Table(
        columns=(
            *(("", "condition"), ("", "layers")),
            *(("before training", name) for name in READINGS.values()),
            *(("after training", name) for name in READINGS.values()),
        ),
        rows=tuple(rows),
        caption=f"Feature maps of {named(width, records)}, mean |cos| of pairs of channels in one "
        "test image, over all images and positions, and centred; normalised similarity of the "
        "kernels; overlap of the channels' neighbourhoods.",
        source=provenance(records) + not_recorded(missing),
    )


def _readings(runs: Sequence[Mapping[str, LayerState]], part: slice) -> Iterable[str]:
    for name in READINGS:
        values = [reading for run in runs if (reading := reading_of(run, name, part)) is not None]
        yield f"{fmean(values):.2f}" if values else UNDEFINED


def reading_of(layers: Mapping[str, LayerState], name: str, part: slice) -> float | None:
    """Mean of one of ``READINGS`` over some of a network's layers; None if one is undefined."""
    values = [layer_reading(layer, name) for layer in [*layers.values()][-LAYERS:][part]]
    defined = [value for value in values if value is not None]
    return fmean(defined) if len(defined) == len(values) else None


def layer_reading(layer: LayerState, name: str) -> float | None:
    """One of ``READINGS`` of a layer; None if it is undefined or was not asked for."""
    if name == "overlap":
        return None if layer["overlap"] is None else layer["overlap"]["overlap"]["mean"]
    value: float | None = layer[name]  # type: ignore[literal-required]
    return value


def accuracy_table(*, folder: Path = RESULTS) -> Table:
    """Differences in accuracy that the input makes, paired by seed, with 95 % intervals.

    Raises:
        ValueError: as :func:`input_records`.
    """
    records = input_records(folder)
    width = records[0].settings["width"]
    return differences_table(records, INPUT_CONTRASTS, named(width, records))


def patch_table(folder: Path = RESULTS) -> Table:
    """Kernels chosen in several ways, and how alike their maps are.

    Raises:
        ValueError: if nothing is recorded.
    """
    record = best_record(PATCHES.name, folder)
    settings = record.settings
    rows = [
        (name, *(_two_digits(way[key]) for key in ("kernels", "seen", "unseen", "per_image")))
        for name, way in record.metrics["ways"].items()
    ]
    return Table(
        columns=(
            *(("", "kernels"), ("", "of kernels")),
            *(("of maps", "these images"), ("of maps", "other images")),
            ("of maps", "one other image"),
        ),
        rows=tuple(rows),
        caption=f"{settings['kernels']} kernels of {settings['size']} × {settings['size']} taps in "
        "three channels: mean |cos| of the pairs.",
        source=f"R of {settings['images']:,} training images, seed {settings['seed']}, ε = "
        f"{settings['eps']:g} of R's mean diagonal; other images: as many test images. "
        f"{record.data}.",
    )


def best_record(experiment: str, folder: Path = RESULTS) -> Record[Any]:
    """The record of an experiment on the better data.

    Raises:
        ValueError: if nothing is recorded.
    """
    found = read_records(experiment, folder)
    if not found:
        raise ValueError(
            f"no record of {experiment} lies in {folder}; expected one: run `convsim run input`"
        )
    return max(found, key=lambda record: data_rank(record.data))


def step_records(folder: Path = RESULTS) -> dict[str, Record[StepMetrics]]:
    """The recorded first steps of trainings by condition, those on the best data.

    Raises:
        ValueError: if nothing is recorded.
    """
    best = data_rank(best_record(STEPS.name, folder).data)
    found = {
        record.settings["run"]["condition"]: record
        for record in read_records(STEPS.name, folder)
        if data_rank(record.data) == best
    }
    return {name: found[name] for family in FAMILIES.values() for name in family if name in found}


def gain_table(folder: Path = RESULTS) -> Table:
    """Where in the image's spectrum the kernels of each start lie in the first layer.

    Raises:
        ValueError: if nothing is recorded.
    """
    records = step_records(folder)
    rows = []
    for condition, record in records.items():
        layer = next(iter(record.metrics["inputs"].values()))
        ratio = layer["condition"]
        rows.append(
            (
                condition,
                UNDEFINED if ratio is None else f"{ratio:,.0f}",
                f"{layer['weak']:.0%}",
                f"{layer['in_weak']:.1%}",
                f"{layer['gain']:.3g}",
            )
        )
    data = distinct(record.data for record in records.values())
    return Table(
        columns=(
            *(("", "condition"), ("input", "condition of R")),
            *(("input", "weak directions"), ("kernels", "in weak directions")),
            ("maps", "gain"),
        ),
        rows=tuple(rows),
        caption="The input of the first layer, and where its kernels lie before training. The weak "
        "directions are those that together hold 1 % of the input's power.",
        source=f"CNN1, R centred, of 1,000 training images; seed 0; {data}.",
    )


def search_table(folder: Path = RESULTS) -> Table:
    """What each strength of the penalty on correlations came to, in the search for one.

    Raises:
        ValueError: if the search is not recorded.
    """
    found = [
        record
        for record in read_records(CHOICE.name, folder)
        if record.settings["run"]["condition"] == "decov" and "tried" in record.metrics
    ]
    if not found:
        raise ValueError(
            f"no search for the strength of decov lies in {folder}; expected one: run `convsim run "
            "table5 --conditions decov`"
        )
    record = max(found, key=lambda record: data_rank(record.data))
    rows = [
        (
            f"{row['decorrelation']:g}",
            "diverged" if row["accuracy"] is None else f"{row['accuracy']:.2f}",
            *(_two_digits(value) for value in row.get("correlation", [None] * LAYERS)),
        )
        for row in record.metrics["tried"]
    ]
    return Table(
        columns=(
            *(("", "strength"), ("", "accuracy, %")),
            *(("|correlation| of the maps", f"layer {n}") for n in range(1, LAYERS + 1)),
        ),
        rows=tuple(rows),
        caption=f"The search for the strength of decov: {record.metrics['epochs']} epochs on nine "
        "tenths of the training images; accuracy on the tenth that is held out.",
        source=f"Chosen: {record.metrics['choice']:g}. {record.data}, seed 0.",
    )


def _two_digits(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"
