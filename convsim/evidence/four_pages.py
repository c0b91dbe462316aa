"""The book's trainings on a page: every difference that its answer rests on, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from convsim.evidence.contrast_tables import SETTLES, difference_cells
from convsim.evidence.deeper_tables import LEARNING_RATES, short_trainings
from convsim.evidence.input_tables import input_records
from convsim.evidence.penalised import penalised_records
from convsim.evidence.sweeps import Training, book_sweeps, pairs_of
from convsim.evidence.training_tables import provenance
from convsim.experiments.record import RESULTS, read_records
from convsim.table import Table

Sweeps = Sequence[Sequence[Training]]
LONGEST = {
    ("init", "baseline"): "Algorithm 1",
    ("scale", "baseline"): "shorter weights, and nothing else",
    ("init", "scale"): "what Algorithm 1 adds to that",
    ("regularise", "baseline"): "Algorithm 2",
    ("scale-free", "baseline"): "less similar kernels, length held",
    ("both", "scale"): "the same on short weights",
}
"""Differences of the first paper's experiment and its controls, and what makes them."""
INPUT = {
    ("orthogonal-kernels", "baseline"): "orthogonal kernels",
    ("orthogonal-maps", "baseline"): "uncorrelated maps at the start",
    ("orthogonal-maps-power", "baseline"): "the same, power of the maps held",
    ("deconvolution", "baseline"): "uncorrelated inputs at every step",
    ("decov", "baseline"): "a penalty on correlated maps",
}
PENALTIES = {
    ("soft-orthogonality", "baseline"): "a penalty on kernels: soft orthogonality",
    ("ocnn", "baseline"): "a penalty on kernels: OCNN",
    ("normalised-similarity", "baseline"): "a penalty on kernels: normalised similarity",
}
SHRUNK = ("scale", "baseline")


def results_table(*, folder: Path = RESULTS) -> Table:
    """What each change did to CNN1: differences in accuracy, paired by seed.

    Raises:
        ValueError: if one of the book's experiments with trainings has no record.
    """
    rows, used = [], []

    def add(words: str, pair: tuple[str, str], sweeps: Sweeps) -> None:
        runs, others = pairs_of(sweeps, pair)
        cells = difference_cells(runs, others)
        rows.append((words, f"{pair[0]} − {pair[1]}", *cells))
        used.extend([*runs, *others])

    for differences, sweeps in (
        (LONGEST, book_sweeps(folder)),
        (INPUT, [input_records(folder)]),
        (PENALTIES, [penalised_records(folder)]),
    ):
        for pair, words in differences.items():
            add(words, pair, sweeps)
    for name in LEARNING_RATES:
        of_starts = short_trainings(name, folder)
        flat = [run for runs in of_starts.values() for run in runs]
        add(f"shorter weights, under {name}", SHRUNK, [flat])
    return Table(
        columns=(
            *(("", "what changes"), ("", "difference"), ("points of accuracy", "test, best epoch")),
            *(("points of accuracy", "test, last"), ("points of accuracy", "training, last")),
            *(("", "epochs"), ("", "n"), ("", "best epoch says")),
        ),
        rows=tuple(rows),
        caption="CNN1 after each change: differences in accuracy, paired by seed, mean "
        "[95 % interval].",
        source=f"{provenance(list({id(run): run for run in used}.values()))} {SETTLES}",
        prose=True,
    )


def cost_table(*, folder: Path = RESULTS) -> Table:
    """What the trainings took, by length: every epoch counts as the median one of its run.

    So pauses of a machine do not count. A run used one core.

    Raises:
        ValueError: if no training is recorded.
    """
    by_length: dict[int, list[float]] = {}
    for run in read_records("table5", folder):
        if "diverged" not in run.metrics:
            seconds = run.metrics["epochs"]["seconds"]
            hours = median(seconds) * len(seconds) / 3600
            by_length.setdefault(run.settings["epochs"], []).append(hours)
    if not by_length:
        raise ValueError(f"no training is recorded in {folder}: run `convsim run table5`")
    return Table(
        columns=(
            *(("", "epochs"), ("", "trainings"), ("hours", "one training, one core")),
            ("hours", "all, two cores"),
        ),
        rows=tuple(
            (
                str(epochs),
                str(len(hours)),
                f"{min(hours):.1f} to {max(hours):.1f}",
                f"{sum(hours) / 2:.0f}",
            )
            for epochs, hours in sorted(by_length.items(), reverse=True)
        ),
        caption="Time of the recorded trainings.",
        source="Steps only, without tests. No GPU was used.",
    )
