"""Records of feature maps in, a table out: raw and centred cosines, before and after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from convsim.evidence.statistics import UNDEFINED
from convsim.evidence.sweeps import PAPERS, data_rank, network, on_other_data
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.maps import LayerMaps, MapMetrics, MapSettings
from convsim.experiments.record import RESULTS, Record, read_records, restored
from convsim.table import Table


def map_records(folder: Path = RESULTS) -> dict[str, dict[bool, Record[MapMetrics]]]:
    """By condition, the maps of a network before (False) and after its training (True).

    The networks of one sweep: that on the best data, then with the most conditions for which both
    are recorded, then with the most epochs, the newer loop and the lowest seed.

    Raises:
        ValueError: if nothing is recorded.
    """
    sweeps: dict[MapSettings, dict[str, dict[bool, Record[MapMetrics]]]] = {}
    for record in read_records("maps", folder):
        settings = restored(MapSettings, record.settings)
        run = settings.run
        shared = replace(settings, run=replace(run, condition="baseline"), trained=True)
        if run.model == PAPERS:
            sweeps.setdefault(shared, {}).setdefault(run.condition, {})[settings.trained] = record
    whole = {
        shared: {name: pair for name, pair in found.items() if len(pair) == 2}
        for shared, found in sweeps.items()
    }
    if not any(whole.values()):
        raise ValueError(
            f"no feature maps are recorded in {folder}; expected records of maps: run "
            "`convsim run maps`"
        )

    def merit(shared: MapSettings) -> tuple[int, int, int, int, int]:
        run = shared.run
        return data_rank(run.data), len(whole[shared]), run.epochs, run.loop, -run.seed

    best = whole[max((shared for shared in whole if whole[shared]), key=merit)]
    return {name: best[name] for name in CONDITIONS if name in best}


def correlations_of(
    run: Mapping[str, Any], trained: bool, folder: Path = RESULTS
) -> dict[str, float | None]:
    """Centred cosines of a network's layers, by their names; empty if they are not recorded.

    Args:
        run: settings of its training, as a record holds them.
        trained: after its training, or before.
        folder: where the records lie.
    """
    for record in read_records("maps", folder):
        if (record.settings["run"], record.settings["trained"]) == (run, trained):
            layers: dict[str, LayerMaps] = record.metrics["layers"]
            return {name: layer["correlation"] for name, layer in layers.items()}
    return {}


def centred_table(folder: Path = RESULTS) -> Table:
    """Raw and centred cosines of every layer's maps, before and after training.

    Raises:
        ValueError: as :func:`map_records`.
    """
    found = map_records(folder)
    rows = []
    for condition, pair in found.items():
        before, after = (pair[trained].metrics["layers"] for trained in (False, True))
        for number, name in enumerate(before, start=1):
            cells = (*_cells(before[name]), *_cells(after[name]))
            rows.append((condition, str(number), *cells))
    records = [record for pair in found.values() for record in pair.values()]
    run = restored(MapSettings, records[0].settings)
    return Table(
        columns=(
            *(("", "condition"), ("", "layer")),
            *(("before training", name) for name in _NAMES),
            *(("after training", name) for name in _NAMES),
        ),
        rows=tuple(rows),
        caption=f"Feature maps of {network(run.run.width)}, mean |cos| of pairs of channels: in "
        "one image, over all images and positions, and the last less each map's mean.",
        source=f"{run.images} test images, {run.run.epochs} epochs, seed {run.run.seed}, training "
        f"loop {run.run.loop}; {run.run.data}{on_other_data(records)}.",
    )


_NAMES = ("image", "all", "centred")


def _cells(layer: LayerMaps) -> tuple[str, ...]:
    values = (layer["per_image"], layer["expected"], layer["correlation"])
    return tuple(UNDEFINED if value is None else f"{value:.2f}" for value in values)
