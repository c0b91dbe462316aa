"""Which recorded neighbourhoods are shown together, and what is read from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from convsim.evidence.sweeps import PAPERS, data_rank
from convsim.experiments.activations import SIDES
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.overlap import (
    LayerReadings,
    NetworkMetrics,
    OverlapSettings,
    RegularizedMetrics,
    RegularizedSettings,
)
from convsim.experiments.record import RESULTS, Record, read_records, restored
from convsim.neighborhoods.summary import Neighborhoods

Network = Record[NetworkMetrics]
Regularized = Record[RegularizedMetrics]
TARGETS = {
    "test_error": "test error",
    "gap": "generalisation gap, test error less training error",
    "train_error": "training error",
}


class LayerOverlap(NamedTuple):
    """Overlap of a layer's channels.

    Attributes:
        mean: over queries.
        low: lower end of its 95 % interval; the mean if it has none.
        high: upper end.
        chance: overlap of permuted channels, None where it is undefined.
    """

    mean: float
    low: float
    high: float
    chance: float | None


def network_records(folder: Path = RESULTS) -> list[Network]:
    """The neighbourhoods of the networks of one sweep of Table 5, trained ones first.

    These networks and their measurements have all settings in common but the condition. Of several
    such groups it is the one of the paper's model rather than of another one, on CIFAR-10 rather
    than on a copy of it, and on that rather than on other data; then the one with the most epochs,
    the newer training loop, the most networks and the lowest seed.

    Raises:
        ValueError: if nothing is recorded.
    """
    sweeps: dict[OverlapSettings, list[Network]] = {}
    for record in read_records("overlap", folder):
        settings = restored(OverlapSettings, record.settings)
        run = replace(settings.run, condition="baseline")
        shared = replace(settings, run=run, trained=True)
        sweeps.setdefault(shared, []).append(record)
    if not sweeps:
        raise ValueError(
            f"no neighbourhoods are recorded in {folder}; expected records of overlap: run "
            "`convsim run overlap`"
        )

    def merit(shared: OverlapSettings) -> tuple[bool, int, int, int, int, int]:
        run, found = shared.run, len(sweeps[shared])
        return run.model == PAPERS, data_rank(run.data), run.epochs, run.loop, found, -run.seed

    conditions = list(CONDITIONS)
    return sorted(
        sweeps[max(sweeps, key=merit)],
        key=lambda record: (
            not record.settings["trained"],
            conditions.index(record.settings["run"]["condition"]),
        ),
    )


def regularized_records(folder: Path = RESULTS) -> list[Regularized]:
    """The networks with dropout and weight decay, from the weakest to the strongest.

    They have all settings in common but these two and the seed. Model and data are chosen as by
    :func:`network_records`; then the group with more networks counts, and if both have as many,
    the newer training loop.

    Raises:
        ValueError: if nothing is recorded.
    """
    plans: dict[RegularizedSettings, list[Regularized]] = {}
    for record in read_records("overlapregularized", folder):
        settings = restored(RegularizedSettings, record.settings)
        shared = replace(settings, dropout=0.0, weight_decay=0.0, seed=0)
        plans.setdefault(shared, []).append(record)
    if not plans:
        raise ValueError(
            f"no regularised networks are recorded in {folder}; expected records of overlap: run "
            "`convsim run overlap`"
        )

    def merit(shared: RegularizedSettings) -> tuple[bool, int, int, int]:
        rank, found = data_rank(shared.data), len(plans[shared])
        return shared.model == PAPERS, rank, found, shared.loop

    return sorted(
        plans[max(plans, key=merit)],
        key=lambda record: (*regularization_of(record), record.settings["seed"]),
    )


def target_of(record: Regularized, target: str) -> float:
    """One of ``TARGETS`` of a network, in per cent.

    Raises:
        ValueError: for an unknown target.
    """
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}; expected one of {', '.join(TARGETS)}")
    if target == "gap":
        return record.metrics["test_error"] - record.metrics["train_error"]
    return record.metrics["test_error" if target == "test_error" else "train_error"]


def regularization_of(record: Regularized) -> tuple[float, float]:
    """Dropout and weight decay of a run."""
    return record.settings["dropout"], record.settings["weight_decay"]


def of_side(readings: LayerReadings | RegularizedMetrics, side: str) -> Neighborhoods:
    """Neighbourhoods ``"before"`` or ``"after"`` the non-linearity.

    Raises:
        ValueError: for an unknown side.
    """
    if side not in SIDES:
        raise ValueError(f"side is {side!r}; expected one of {', '.join(SIDES)}")
    return readings["before"] if side == "before" else readings["after"]


def overlaps_of(record: Network, side: str) -> dict[int, LayerOverlap]:
    """By number, the layers of a network that have an overlap; a dead layer has none."""
    found = {}
    for number, layer in enumerate(record.metrics["layers"].values(), start=1):
        neighborhoods = of_side(layer, side)
        mean, low, high = (neighborhoods["overlap"][key] for key in ("mean", "low", "high"))
        if mean is not None:
            low, high = (mean if end is None else end for end in (low, high))
            found[number] = LayerOverlap(mean, low, high, neighborhoods["overlap_chance"])
    return found


def last_measure(record: Regularized, side: str, measure: str = "overlap") -> float | None:
    """Mean over queries of a measure in the last layer; None where it is undefined.

    Args:
        record: the network.
        side: ``"before"`` or ``"after"`` the non-linearity.
        measure: ``"overlap"``, ``"redundancy"`` or ``"neighbors"``.

    Raises:
        ValueError: for an unknown side or measure.
    """
    found = of_side(record.metrics, side)
    means = {
        "overlap": found["overlap"]["mean"],
        "redundancy": found["redundancy"]["mean"],
        "neighbors": found["neighbors"]["mean"],
    }
    if measure not in means:
        raise ValueError(f"measure is {measure!r}; expected one of {', '.join(means)}")
    return means[measure]
