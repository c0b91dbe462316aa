"""Records of every penalty in, tables out: on two kernels, and on the layers of CNN1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from convsim.evidence.input_tables import layer_reading
from convsim.evidence.statistics import UNDEFINED, distinct, spread
from convsim.evidence.sweeps import data_rank
from convsim.evidence.training_tables import not_recorded
from convsim.experiments.episodes import Summary
from convsim.experiments.penalties import DECOV, NAMES, NONE, PenalizedLayer
from convsim.experiments.penalty_pairs import ROWS, TAPS, PenaltyPairMetrics
from convsim.experiments.record import RESULTS, Record, read_record, read_records, record_path
from convsim.penalties import OF_WEIGHTS
from convsim.table import Table

READINGS = {
    "kernel_cosine": "kernels",
    "normalized": "L̄",
    "correlation": "maps, centred",
    "expected": "maps, all",
    "per_image": "maps, image",
    "overlap": "overlap",
}
"""Of a layer, and how tables head them."""
Layers = dict[str, PenalizedLayer]


def pair_records(taps: int = 9, folder: Path = RESULTS) -> dict[str, Record[PenaltyPairMetrics]]:
    """The records of every penalty on two kernels of some taps, by the penalty's name.

    Raises:
        ValueError: for other numbers of taps, or if a row is not recorded yet.
    """
    if taps not in TAPS:
        raise ValueError(f"taps is {taps!r}; expected one of {', '.join(map(str, TAPS))}")
    rows = [row for row in ROWS if row.taps == taps]
    paths = {row.loss: record_path("penaltypairs", row, folder) for row in rows}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} on {taps} taps is not recorded in {folder}; expected a record "
            "of every penalty: run `convsim run penaltypairs`"
        )
    return {name: read_record(path) for name, path in paths.items()}


def pairs_table(taps: int = 9, *, folder: Path = RESULTS) -> Table:
    """What each penalty does to two kernels and to their maps, beside the start that all share.

    Raises:
        ValueError: as :func:`pair_records`.
    """
    records = [*pair_records(taps, folder).items()]
    start = records[0][1].metrics
    first = ("the start", "", "", *_pair_cells(start, "before"), "")
    rows = [
        (
            name,
            f"{record.metrics['reduced_percent']:.1f}",
            _mean_std(record.metrics["correlation"]),
            *_pair_cells(record.metrics, "after"),
            f"{record.metrics['dead_percent']:.1f}",
        )
        for name, record in records
    ]
    settings = records[0][1].settings
    diverged = sum(record.metrics["diverged"] for _, record in records)
    return Table(
        columns=(
            *(("", "minimised"), ("⟨F₁, F₂⟩²", "fell, %"), ("⟨F₁, F₂⟩²", "correlation")),
            *(("|cos(F₁, F₂)|", "raw"), ("|cos(F₁, F₂)|", "centred")),
            *(("norms", "smaller"), ("norms", "larger"), ("", "dead, %")),
        ),
        rows=(first, *rows),
        caption=f"Two kernels of {taps} taps under every penalty: mean ± std of episodes, median "
        "norms. Correlation is that of the loss with ⟨F₁, F₂⟩² along an episode; centred maps are "
        "less their means; a kernel is dead below 1 % of its start.",
        source=f"n = {settings['episodes']} episodes a row, the same for all, seed "
        f"{settings['seed']}; {settings['optimizer']}, learning rate {settings['learning_rate']}, "
        f"{settings['iterations']} steps; {settings['padding']} padding; {diverged} diverged. "
        f"Synthetic data, float64; {distinct(record.hardware for _, record in records)}.",
    )


def _pair_cells(metrics: PenaltyPairMetrics, side: str) -> tuple[str, ...]:
    of: dict[str, Any] = {**metrics}
    cosines = (_mean_std(of[f"{name}_{side}"]) for name in ("cosine", "centred"))
    return *cosines, *(_median(of[f"{name}_norm_{side}"]) for name in ("smaller", "larger"))


def layer_records(folder: Path = RESULTS) -> dict[str, dict[int, Record[Any]]]:
    """The records of CNN1's layers by penalty and seed, those on the best data, the start first.

    Seeds whose start is not recorded are left out.

    Raises:
        ValueError: if no start is recorded.
    """
    records = read_records("penalties", folder)
    best = max((data_rank(record.settings["data"]) for record in records), default=0)
    found: dict[str, dict[int, Record[Any]]] = {name: {} for name in (NONE, *NAMES)}
    for record in sorted(records, key=lambda record: record.settings["seed"]):
        if data_rank(record.settings["data"]) == best:
            found[record.settings["penalty"]][record.settings["seed"]] = record
    if not found[NONE]:
        raise ValueError(
            f"no start of the penalties is recorded in {folder}; expected one: run `convsim run "
            "penalties`"
        )
    return {
        name: {seed: record for seed, record in seeds.items() if seed in found[NONE]}
        for name, seeds in found.items()
    }


def ratios(penalty: str, reading: str, records: dict[str, dict[int, Record[Any]]]) -> list[float]:
    """A reading after the descent by that at the start: a number for every layer and seed.

    Args:
        penalty: one of ``convsim.experiments.penalties.NAMES``.
        reading: a key of ``READINGS``, or the name of a penalty on weights, for its value.
        records: those of :func:`layer_records`.
    """
    found = []
    for seed, record in records[penalty].items():
        start: Layers = records[NONE][seed].metrics["layers"]
        for name, layer in record.metrics["layers"].items():
            before, after = reading_of(start[name], reading), reading_of(layer, reading)
            if before and after is not None:
                found.append(after / before)
    return found


def reading_of(layer: PenalizedLayer, reading: str) -> float | None:
    """One reading of a layer, named as for :func:`ratios`; None if it is undefined."""
    if reading in layer["penalties"]:
        return layer["penalties"][reading]
    return layer_reading(layer, reading)


def layers_table(*, folder: Path = RESULTS) -> Table:
    """Readings of kernels and maps at the start and after each penalty, first layer and others.

    Raises:
        ValueError: as :func:`layer_records`.
    """
    records = layer_records(folder)
    rows = []
    for name, seeds in records.items():
        for words, part in (("1", slice(0, 1)), ("2 to 4", slice(1, None))):
            if seeds:
                cells = (_mean_reading([*seeds.values()], key, part) for key in READINGS)
                rows.append((name if name != NONE else "the start", words, *cells))
    return Table(
        columns=(
            *(("", "minimised"), ("", "layers")),
            *(("", heading) for heading in READINGS.values()),
        ),
        rows=tuple(rows),
        caption="The layers of CNN1 under every penalty, norms held: mean |cos| of pairs of "
        "kernels; normalised similarity; mean |cos| of pairs of feature maps, centred and over "
        "all images, raw, and in one image; overlap of the channels' neighbourhoods.",
        source=layer_provenance(records),
    )


def _mean_reading(records: Sequence[Record[Any]], reading: str, part: slice) -> str:
    layers = [layer for record in records for layer in [*record.metrics["layers"].values()][part]]
    values = [reading_of(layer, reading) for layer in layers]
    defined = [value for value in values if value is not None]
    return f"{fmean(defined):.3f}" if len(defined) == len(values) else UNDEFINED


def values_table(*, folder: Path = RESULTS) -> Table:
    """What each descent does to the value of every penalty on weights, as a share of the start.

    Raises:
        ValueError: as :func:`layer_records`.
    """
    records = layer_records(folder)
    rows = [
        (
            name,
            *(
                f"{fmean(found):.2f}" if (found := ratios(name, value, records)) else UNDEFINED
                for value in OF_WEIGHTS
            ),
        )
        for name in NAMES
        if records[name]
    ]
    return Table(
        columns=(("", "minimised"), *(("value of", name) for name in OF_WEIGHTS)),
        rows=tuple(rows),
        caption="Every penalty's value after the descent on each, by its value at the start: mean "
        "over layers and seeds.",
        source=layer_provenance(records),
    )


def layer_provenance(records: dict[str, dict[int, Record[Any]]]) -> str:
    """Where the numbers come from: network, steps, seeds, data; and what is not recorded."""
    found = [record for seeds in records.values() for record in seeds.values()]
    settings = found[0].settings
    return (
        f"CNN1, untrained; Adam, learning rate {settings['learning_rate']:g}, "
        f"{settings['iterations']} steps a layer, every kernel's norm held; {DECOV} from "
        f"{settings['seen']:,} training images; maps of {settings['pictures']} test images, "
        f"neighbourhoods of {settings['queries']}; seeds {distinct(records[NONE])}; "
        f"{distinct(record.data for record in found)}."
        + not_recorded([name for name, seeds in records.items() if not seeds])
    )


def _mean_std(summary: Summary | None) -> str:
    return UNDEFINED if summary is None else spread(summary["mean"], summary["std"])


def _median(summary: Summary | None) -> str:
    return UNDEFINED if summary is None else f"{summary['q50']:.2f}"
