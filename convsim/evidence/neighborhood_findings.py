"""What Bonet et al. (2022) report, by their abstract; measured with definitions of our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convsim.evidence.overlap_records import (
    TARGETS,
    LayerOverlap,
    last_measure,
    network_records,
    overlaps_of,
    regularization_of,
    regularized_records,
    target_of,
)
from convsim.evidence.statistics import (
    Correlation,
    exchanged_groups,
    less_group_means,
    spearman,
)
from convsim.evidence.sweeps import on_other_data
from convsim.evidence.verdicts import (
    AGREE,
    DIFFER,
    INCONCLUSIVE,
    MIXED,
    NOT_RUN,
    OPEN,
    UNREAD,
    Finding,
)
from convsim.experiments.record import RESULTS, read_records

CHAPTER = "neighbourhoods"
Networks = tuple[list[float], list[float], dict[str, list[float]]]


def neighborhood_findings(folder: Path = RESULTS) -> list[Finding]:
    """What Bonet et al. report, beside ours; "not run" without records on CIFAR-10 or a copy."""
    layers, networks = _baseline(folder), _networks(folder)
    return [
        _against_chance(layers),
        _with_depth(layers),
        _with_dropout(networks),
        _of_generalization(networks),
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
    """Each layer against its own level of chance, which falls with depth as well."""
    ratios = [
        tuple(value / layer.chance for value in (layer.mean, layer.low, layer.high))
        for layer in layers
        if layer.chance
    ]
    ours, verdict = NOT_RUN, OPEN
    if len(ratios) > 1:
        (first, *ends), (last, *others) = ratios[0], ratios[-1]
        ours = f"{first:.1f} times chance in the first layer, {last:.1f} in the last"
        apart = ends[0] > others[1] or others[0] > ends[1]
        verdict = AGREE if apart else INCONCLUSIVE
    return Finding("Overlap varies with depth", "yes", ours, verdict, CHAPTER)


def _with_dropout(networks: Networks) -> Finding:
    doses, overlaps, _ = networks
    found = _correlation(doses, overlaps)
    words, verdict = NOT_RUN, OPEN
    if found is not None:
        words = f"with dropout: ρ = {found.in_words}"
        verdict = AGREE if found.excludes_zero else INCONCLUSIVE
    return Finding("Overlap varies with regularisation", "yes", words, verdict, CHAPTER)


def _of_generalization(networks: Networks) -> Finding:
    """Two readings of the word, each over all doses and within a dose: do all four say yes?"""
    doses, overlaps, targets = networks
    words, answers = [], []
    for target, name in (("gap", "the gap"), ("test_error", "the test error")):
        values = targets.get(target, [])
        held = (less_group_means(some, doses) for some in (overlaps, values))
        found, within = _correlation(overlaps, values), _correlation(*held)
        if found is None or within is None:
            return Finding(_GENERALIZATION, "yes", NOT_RUN, OPEN, CHAPTER)
        words.append(
            f"{name} {found.in_words}{_by_dose(overlaps, values, doses)}, at fixed dropout "
            f"{within.in_words}"
        )
        answers += [found.excludes_zero, within.excludes_zero]
    verdict = AGREE if all(answers) else MIXED if any(answers) else INCONCLUSIVE
    return Finding(_GENERALIZATION, "yes", f"ρ with {'; '.join(words)}", verdict, CHAPTER)


def _by_dose(overlaps: list[float], values: list[float], doses: list[float]) -> str:
    """What doses that change places say, once all have equally many networks."""
    if len({doses.count(dose) for dose in doses}) > 1:
        return ""
    p, ways = exchanged_groups(overlaps, values, doses)
    return f" (p = {p:.2f} from the {ways} orders of the doses)"


_GENERALIZATION = "Overlap tells of generalisation"


def _networks(folder: Path) -> Networks:
    """Dropout, last-layer overlap and ``TARGETS`` of the regularised networks; empty if not run."""
    records = regularized_records(folder) if read_records("overlapregularized", folder) else []
    if on_other_data(records):
        records = []
    found = [(r, overlap) for r in records if (overlap := last_measure(r, "after")) is not None]
    return (
        [regularization_of(record)[0] for record, _ in found],
        [overlap for _, overlap in found],
        {target: [target_of(record, target) for record, _ in found] for target in TARGETS},
    )


def _correlation(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Spearman's; None for what has none, such as the first few of many networks."""
    has_one = len(x) >= 4 and len(set(x)) > 1 and len(set(y)) > 1
    return spearman(x, y) if has_one else None
