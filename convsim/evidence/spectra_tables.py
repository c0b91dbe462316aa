"""What a training makes of spectra: how narrow kernels are before it and after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, cast

from convsim.evidence.deeper_tables import LEARNING_RATES, by_condition, missing_error, trainings
from convsim.evidence.input_tables import reading_of
from convsim.evidence.starts_rules import factorial_trainings
from convsim.evidence.starts_tables import ELSEWHERE
from convsim.evidence.statistics import mean_std
from convsim.evidence.sweeps import PAPERS, Training
from convsim.evidence.training_tables import provenance
from convsim.experiments.activations import LayerState
from convsim.experiments.plan import CNN1, FACTORIAL_EPOCHS, SHORT_EPOCHS
from convsim.experiments.record import RESULTS
from convsim.table import Table

WATCHED = ("baseline", "random-bands", "random-wide-bands", "same-band", "noise-low", "scale-free")
"""The starts whose spectra are followed through the factorial."""
FOLLOWED = ("baseline", "scale", "random-bands")
"""The starts whose spectra are followed through other trainings: white, short and narrow."""
READ: tuple[Literal["concentration", "normalized"], ...] = ("concentration", "normalized")
_SIDES: tuple[Literal["layers_before", "layers_after"], ...] = ("layers_before", "layers_after")
_SCALE = "concentration of their spectra (1 is white, 2.7 a wave of 3 × 3 taps)"


def widening_table(folder: Path = RESULTS) -> Table:
    """How narrow the spectra are before a training of the factorial and after it.

    Raises:
        ValueError: if no training of the factorial is recorded.
    """
    runs = factorial_trainings(folder)
    some = {name: runs[name] for name in WATCHED if name in runs}
    if not some:
        raise missing_error("of the factorial", folder)
    rows = []
    for name, of in some.items():
        for words, part in (("1", slice(0, 1)), ("2 to 4", slice(1, None))):
            cells = []
            for key in READ:
                for side in _SIDES:
                    values = [reading_of(run.metrics[side], key, part) for run in of]
                    known = [value for value in values if value is not None]
                    cells.append(mean_std(known))
            rows.append((name, words, *cells))
    return Table(
        columns=(
            *(("", "start"), ("", "layers")),
            *(("concentration", side) for side in ("before", "after")),
            *(("L̄", side) for side in ("before", "after")),
        ),
        rows=tuple(rows),
        caption=f"Kernels of CNN1 before and after {FACTORIAL_EPOCHS} epochs: {_SCALE}, and "
        "normalised similarity.",
        source=provenance([run for of in some.values() for run in of]),
    )


def narrowing_table(folder: Path = RESULTS) -> Table:
    """How narrow the spectra are before and after trainings that turn the weights.

    Raises:
        ValueError: if no such training is recorded with its spectra.
    """
    common: dict[str, Any] = {"width": CNN1}
    groups: list[tuple[str, dict[str, Any]]] = [
        (
            f"CNN1, {optimizer}",
            {"model": PAPERS, "epochs": SHORT_EPOCHS, "optimizer": optimizer, "learning_rate": lr},
        )
        for optimizer, lr in LEARNING_RATES.items()
    ]
    place = "ResNet-18, 10,000 images"
    groups.append((place, {"optimizer": "SGD", **ELSEWHERE[place]}))
    rows, used = [], []
    for words, settings in groups:
        found = by_condition(trainings(folder, **common, **settings), FOLLOWED)
        for name, runs in found.items():
            seen = [run for run in runs if _has_spectra(run)]
            if seen:
                rows.append((words, name, *_changes(seen), str(len(seen))))
                used += seen
    if not used:
        raise missing_error("with its spectra", folder)
    parts = ("first layer", "the others")
    return Table(
        columns=(
            *(("", "training"), ("", "start")),
            *(("concentration", part) for part in parts),
            *(("L̄ × concentration", part) for part in parts),
            ("", "n"),
        ),
        rows=tuple(rows),
        caption=f"Kernels before → after a training: {_SCALE}, and its product with the normalised "
        "similarity (1 if the layer as a whole is white, more if its kernels gather); means over "
        "layers and seeds.",
        source=provenance(used),
    )


def _has_spectra(run: Training) -> bool:
    """Whether the record says how narrow each layer was; older ones do not."""
    return all(
        layers and all(layer.get("concentration") is not None for layer in layers.values())
        for layers in (run.metrics.get(side) for side in _SIDES)
    )


def _changes(runs: Sequence[Training]) -> list[str]:
    cells = []
    for measure in (_narrow, _gathered):
        for part in (slice(0, 1), slice(1, None)):
            ends = (
                fmean(
                    measure(layer) for run in runs for layer in [*run.metrics[side].values()][part]
                )
                for side in _SIDES
            )
            cells.append(" → ".join(f"{value:.2f}" for value in ends))
    return cells


def _narrow(layer: LayerState) -> float:
    return cast(float, layer["concentration"])


def _gathered(layer: LayerState) -> float:
    """About the concentration of the layer's mean spectrum, and exactly that if its kernels are
    many, of one norm and equally narrow."""
    return _narrow(layer) * layer["normalized"]
