"""Differences between trained networks, paired by seed: the gains of Table 5, and the controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from convsim.evidence.statistics import (
    NOT_RECORDED,
    best_test,
    interval,
    interval_in_words,
    last_test,
    last_training,
    paired_differences,
    seeds_needed,
)
from convsim.evidence.sweeps import (
    Training,
    book_sweeps,
    model_of,
    named,
    network,
    of_width,
    pairs_of,
    runs_of,
)
from convsim.evidence.training_tables import epochs_of, not_recorded, provenance
from convsim.evidence.verdicts import EPOCHS, MARGIN, SEEDS
from convsim.experiments import paper
from convsim.experiments.contrasts import CONTRASTS
from convsim.experiments.record import RESULTS
from convsim.table import Table

POINTS = {"test, best epoch": best_test, "test, last": last_test, "training, last": last_training}
"""Accuracies whose differences are taken, and how tables head them."""
SETTLES = (
    "Seeds for ± 1: with so many the interval would reach a point to either side, if differences "
    "scatter as they have so far."
)
"""What the tables' count of seeds means."""


def gains_table(*, folder: Path = RESULTS) -> Table:
    """What each algorithm adds to the default in Table 5, paper beside ours, paired by seed.

    Raises:
        ValueError: if nothing is recorded.
    """
    sweeps = book_sweeps(folder)
    rows, used = [], []
    for (width, condition), printed in paper.ACCURACY.items():
        if condition == "baseline":
            continue
        runs, others = pairs_of(sweeps, (condition, "baseline"), width)
        claimed = printed - paper.ACCURACY[width, "baseline"]
        name = f"{network(width, model_of(sweeps[0][0]))}: {condition} − baseline"
        rows.append((name, f"{claimed:+.2f}", *difference_cells(runs, others)))
        used += runs + others
    return Table(
        columns=(
            *(("", "difference"), ("points", "paper, best epoch")),
            *(("points, ours", name) for name in POINTS),
            *(("", "epochs"), ("", "n"), ("", "best epoch says")),
        ),
        rows=tuple(rows),
        caption=f"Gains of Table 5, paper ({EPOCHS} epochs) beside ours, paired by seed: mean "
        "[95 % interval].",
        source=f"Paper: Belmekki et al. (2024). Ours: {provenance(_once(used))}{_settles(rows)}",
        prose=True,
    )


def contrast_table(width: int = 64, *, folder: Path = RESULTS) -> Table:
    """Differences of conditions in accuracy, paired by seed, with 95 % intervals.

    Each is taken in the first of :func:`~convsim.evidence.sweeps.book_sweeps` that has both.

    Raises:
        ValueError: if no training of this width is recorded.
    """
    sweeps = of_width(width, book_sweeps(folder), folder)
    rows, used, missing = [], [], []
    for pair, question in CONTRASTS.items():
        name = f"{pair[0]} − {pair[1]}"
        runs, others = pairs_of(sweeps, pair, width)
        if runs:
            rows.append((name, *difference_cells(runs, others), question))
            used += runs + others
        else:
            missing.append(name)
    return Table(
        columns=(
            *(("", "difference"), *(("points of accuracy", name) for name in POINTS)),
            *(("", "epochs"), ("", "n"), ("", "best epoch says"), ("", "what it is the effect of")),
        ),
        rows=tuple(rows),
        caption=f"Differences between conditions, {named(width, sweeps[0])}, paired by seed: mean "
        "[95 % interval].",
        source=provenance(_once(used)) + _settles(rows) + not_recorded(missing),
        prose=True,
    )


def differences_table(
    records: Sequence[Training], contrasts: Mapping[tuple[str, str], str], network: str
) -> Table:
    """Differences between conditions in accuracy, paired by seed, with 95 % intervals.

    Args:
        records: the trainings of one sweep and width.
        contrasts: pairs of conditions, and what their difference is the effect of.
        network: what was trained, in words.
    """
    width = records[0].settings["width"]
    rows = []
    missing = []
    for (first, second), question in contrasts.items():
        name = f"{first} − {second}"
        runs, others = (runs_of(records, condition, width) for condition in (first, second))
        differences = [
            paired_differences(runs, others, measure) for measure in (best_test, last_training)
        ]
        if not differences[0]:
            missing.append(name)
            continue
        cells = map(interval_in_words, differences)
        rows.append((name, *cells, str(len(differences[0])), question))
    return Table(
        columns=(
            ("", "difference"),
            *(("points of accuracy", "test, best epoch"), ("points of accuracy", "training, last")),
            *(("", "n"), ("", "what it is the effect of")),
        ),
        rows=tuple(rows),
        caption=f"Differences between conditions, {network}, paired by seed: mean [95 % interval].",
        source=provenance(records) + not_recorded(missing),
    )


def difference_cells(runs: Sequence[Training], others: Sequence[Training]) -> tuple[str, ...]:
    """Differences in every accuracy, of how many epochs and pairs, and what the first says."""
    differences = [paired_differences(runs, others, measure) for measure in POINTS.values()]
    epochs = str(epochs_of(runs)) if runs else "–"
    return *map(interval_in_words, differences), epochs, str(len(runs)), reading(differences[0])


def reading(differences: Sequence[float], margin: float = MARGIN) -> str:
    """What an interval of paired differences says about their sign, and about equality.

    Args:
        differences: in points, one a seed.
        margin: points within which two conditions count as equal.
    """
    bounds, n = interval(differences), len(differences)
    if bounds is None or n < SEEDS:
        return f"open, {n} of {SEEDS} seeds" if differences else NOT_RECORDED
    low, high = bounds
    if -margin <= low and high <= margin:
        return f"equal within {margin:g}"
    if low <= 0 <= high:
        return f"nothing yet; {seeds_needed(differences, margin)} seeds for ± {margin:g}"
    return "a gain" if low > 0 else "a loss"


def _settles(rows: Sequence[Sequence[str]]) -> str:
    """What a count of seeds means, if there is one."""
    return f" {SETTLES}" if any("seeds for" in cell for row in rows for cell in row) else ""


def _once(records: Iterable[Training]) -> list[Training]:
    """Records without repetition: a run can stand in several differences."""
    return list({id(record): record for record in records}.values())
