"""What Bonet et al. (2022) report, by their abstract; measured with definitions of our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convsim.evidence.overlap_records import (
    LayerOverlap,
    last_measure,
    network_records,
    overlaps_of,
    regularization_of,
    regularized_records,
    target_of,
)
from convsim.evidence.statistics import Correlation, less_group_means, spearman
from convsim.evidence.training_tables import on_other_data
from convsim.evidence.verdicts import AGREE, DIFFER, INCONCLUSIVE, NOT_RUN, OPEN, UNREAD, Finding
from convsim.experiments.record import RESULTS, read_records

CHAPTER = "neighbourhoods"


def neighborhood_findings(folder: Path = RESULTS) -> list[Finding]:
    """What Bonet et al. report, beside ours; "not run" without records on CIFAR-10 or a copy."""
    layers = _baseline(folder)
    by_dropout, gap, within = _correlations(folder)
    return [
        _against_chance(layers),
        _with_depth(layers),
        Finding(
            "Overlap varies with regularisation",
            "yes",
            f"with dropout: ρ = {by_dropout.in_words}" if by_dropout else NOT_RUN,
            _whether(by_dropout),
            CHAPTER,
        ),
        Finding(
            "Overlap tells of generalisation",
            "yes",
            f"ρ with the gap {gap.in_words}; at fixed dropout {within.in_words}"
            if gap and within
            else NOT_RUN,
            _whether(gap),
            CHAPTER,
        ),
        Finding("Figures and tables", "printed", UNREAD, OPEN, CHAPTER),
    ]


def _baseline(folder: Path) -> list[LayerOverlap]:
    """Overlaps after the non-linearity in the layers of the trained baseline; none if not run."""
    if not read_records("overlap", folder):
        return []
    for record in network_records(folder):
        trained, run = record.settings["trained"], record.settings["run"]
        if trained and run["condition"] == "baseline" and not on_other_data([record]):
            return list(overlaps_of(record, "after").values())
    return []


def _against_chance(layers: Sequence[LayerOverlap]) -> Finding:
    pairs = [(layer, layer.chance) for layer in layers if layer.chance]
    ours, verdict = NOT_RUN, OPEN
    if pairs:
        ratios = [layer.mean / chance for layer, chance in pairs]
        ours = f"{min(ratios):.1f} to {max(ratios):.1f} times chance"
        above = all(layer.low > chance for layer, chance in pairs)
        below = any(layer.high < chance for layer, chance in pairs)
        verdict = AGREE if above else DIFFER if below else INCONCLUSIVE
    return Finding("Channels overlap significantly", "yes", ours, verdict, CHAPTER)


def _with_depth(layers: Sequence[LayerOverlap]) -> Finding:
    ours, verdict = NOT_RUN, OPEN
    if layers:
        first, last = layers[0], layers[-1]
        ours = f"{first.mean:.3f} in the first layer, {last.mean:.3f} in the last"
        apart = first.low > last.high or last.low > first.high
        verdict = AGREE if apart else INCONCLUSIVE
    return Finding("Overlap varies with depth", "yes", ours, verdict, CHAPTER)


def _correlations(folder: Path) -> tuple[Correlation | None, ...]:
    """Of last-layer overlap: with dropout, with the gap, and with the gap at fixed dropout."""
    if not read_records("overlapregularized", folder):
        return None, None, None
    records = regularized_records(folder)
    if on_other_data(records):
        return None, None, None
    points = [
        (regularization_of(record)[0], overlap, target_of(record, "gap"))
        for record in records
        if (overlap := last_measure(record, "after")) is not None
    ]
    dropouts, overlaps, gaps = ([point[part] for point in points] for part in (0, 1, 2))
    held = (less_group_means(values, dropouts) for values in (overlaps, gaps))
    return _correlation(dropouts, overlaps), _correlation(overlaps, gaps), _correlation(*held)


def _correlation(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Spearman's; None for what has none, such as the first few of many networks."""
    has_one = len(x) >= 4 and len(set(x)) > 1 and len(set(y)) > 1
    return spearman(x, y) if has_one else None


def _whether(correlation: Correlation | None) -> str:
    if correlation is None:
        return OPEN
    return AGREE if correlation.excludes_zero else INCONCLUSIVE
