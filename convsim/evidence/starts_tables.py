"""Trainings from the spectrum's starts: records in, tables out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from convsim.evidence.deeper_tables import by_condition, missing_error, trainings
from convsim.evidence.starts_rules import (
    EFFECTS,
    FAST,
    Runs,
    factorial_trainings,
    own_rate_trainings,
)
from convsim.evidence.statistics import (
    best_test,
    interval_in_words,
    last_training,
    mean_std,
    paired_differences,
)
from convsim.evidence.sweeps import PAPERS, Training
from convsim.evidence.training_tables import not_recorded, provenance
from convsim.experiments.conditions import OWN_RATE
from convsim.experiments.plan import FACTORIAL_EPOCHS, FEW, FEW_EPOCHS, SHORT_EPOCHS
from convsim.experiments.record import RESULTS
from convsim.experiments.spectra import FACTORIAL, OF_LAYERS, PARTS, SPREADS, WIDTHS, cell
from convsim.table import Table

PLACES = {"": "everywhere", "-low": "low half", "-high": "high half"}
_WIDTH_NAMES = {"": "wave", "wide-": "band"}


def factorial_table(folder: Path = RESULTS) -> Table:
    """Training accuracy after ten epochs by width, spread and place, and over the default.

    Raises:
        ValueError: if no training of the factorial is recorded.
    """
    runs = factorial_trainings(folder)
    kinds = [
        (_WIDTH_NAMES[width], spread, [cell(spread, width, part) for part in PARTS])
        for width in WIDTHS
        for spread in SPREADS
    ]
    kinds.append(("noise", "all", [f"noise{part}" for part in PARTS]))
    used, rows, missing = [], [], []
    for width, spread, names in kinds:
        cells = []
        for name in names:
            some = runs.get(name, [])
            used += some
            if not some:
                missing.append(name)
            gain = paired_differences(some, runs.get("baseline", []), last_training)
            over = f" ({fmean(gain):+.2f})" if gain else ""
            cells.append(mean_std([last_training(run) for run in some]) + over)
        rows.append((width, spread, *cells))
    if not used:
        raise missing_error("of the factorial", folder)
    own = runs.get("channel-bands", [])
    gain = paired_differences(own, runs.get("baseline", []), last_training)
    rows.append((
        "wave", "a channel its own", mean_std([last_training(run) for run in own])
        + (f" ({fmean(gain):+.2f})" if gain else ""), "–", "–",
    ))  # fmt: skip
    base = runs.get("baseline", [])
    return Table(
        columns=(
            ("", "width"),
            ("", "frequencies"),
            *(("training accuracy, % (over the default)", words) for words in PLACES.values()),
        ),
        rows=tuple(rows),
        caption=f"CNN1 after {FACTORIAL_EPOCHS} epochs at learning rate 0.01, by the start of its "
        f"kernels. The default: {mean_std([last_training(run) for run in base])} %.",
        source=provenance([*base, *used]) + not_recorded(missing),
    )


def effects_table(folder: Path = RESULTS) -> Table:
    """Each suspect by itself: mean, interval and verdict.

    Raises:
        ValueError: if no training of the factorial is recorded.
    """
    runs = factorial_trainings(folder)
    used = [run for name in FACTORIAL for run in runs.get(name, [])]
    if not used:
        raise missing_error("of the factorial", folder)
    rows = []
    for effect in EFFECTS:
        found = effect.differences(runs)
        rows.append((effect.what, interval_in_words(found), str(len(found)), effect.verdict(runs)))
    return Table(
        columns=(
            ("", "what differs"),
            ("", "points of training accuracy"),
            ("", "pairs"),
            ("", ""),
        ),
        rows=tuple(rows),
        caption="One thing at a time: pairs of starts that differ in it alone, over all else and "
        f"two seeds, with 95 % intervals. A gain or a loss excludes 0 and has {FAST} points or "
        f"more; none lies within {2 * FAST:g} of 0.",
        source=provenance(used),
    )


def layers_table(folder: Path = RESULTS) -> Table:
    """Bands in some layers alone.

    Raises:
        ValueError: if none is recorded.
    """
    runs = factorial_trainings(folder)
    names = (cell("random"), *OF_LAYERS)
    used = [run for name in OF_LAYERS for run in runs.get(name, [])]
    if not used:
        raise missing_error("with bands in some layers", folder)
    return _against(
        names, runs, "baseline", [*used, *runs.get("baseline", [])],
        f"Bands in some layers, CNN1 after {FACTORIAL_EPOCHS} epochs, against the default.",
    )  # fmt: skip


def own_rate_table(folder: Path = RESULTS) -> Table:
    """Every start at the learning rate that suits it, against the default at its own.

    Raises:
        ValueError: if none is recorded.
    """
    runs = own_rate_trainings(folder)
    used = [run for some in runs.values() for run in some]
    if not used:
        raise missing_error("at its own learning rate", folder)
    table = _against(
        tuple(OWN_RATE), runs, "baseline-own-rate", used,
        f"CNN1 after {SHORT_EPOCHS} epochs, each start at the best of its own four learning rates, "
        "by five epochs on held-out training images.",
    )  # fmt: skip
    rates = {name: _rate(some) for name, some in runs.items()}
    rows = tuple((row[0], rates.get(row[0], "–"), *row[1:]) for row in table.rows)
    columns = (table.columns[0], ("", "η"), *table.columns[1:])
    return Table(columns, rows, table.caption, table.source)


def _rate(runs: Sequence[Training]) -> str:
    return f"{runs[0].metrics['chosen']['lr']:g}"


ELSEWHERE = {
    f"CNN1, {FEW:,} images": {"model": PAPERS, "images": FEW, "epochs": FEW_EPOCHS},
    "CNN1, kernels of 5 × 5": {"model": "ShallowCNN-5x5", "epochs": FACTORIAL_EPOCHS},
    "CNN1 without batch normalisation": {"model": "KaimingCNN", "epochs": SHORT_EPOCHS},
    "ResNet-18, 10,000 images": {
        **{"model": "ResNet18", "images": 10_000, "epochs": 10},
        **{"learning_rate": 0.01, "batch_size": 128},
    },
}
"""Where else bands are tried, and the settings there."""
TRIED = ("random-bands", "gabor", "scale-free")


def elsewhere_table(folder: Path = RESULTS) -> Table:
    """Bands where they should matter more or less, against the default there.

    Raises:
        ValueError: if none is recorded.
    """
    rows, used = [], []
    for place, settings in ELSEWHERE.items():
        found = by_condition(
            trainings(folder, width=64, optimizer="SGD", **settings), ("baseline", *TRIED)
        )
        base = found.pop("baseline", [])
        for name, some in found.items():
            used += [*some, *base]
            rows.append((place, name, *_gains(some, base)))
    if not used:
        raise missing_error("with bands elsewhere", folder)
    return Table(
        columns=(("", "where"), ("", "start"), *_GAINS),
        rows=tuple(rows),
        caption="Starts from the spectrum elsewhere, against the default there, paired by seed.",
        source=provenance(used),
    )


_GAINS = (
    ("points over the default", "training, last"),
    ("points over the default", "test, best"),
    ("", "n"),
)


def _gains(runs: Sequence[Training], base: Sequence[Training]) -> tuple[str, str, str]:
    measures: tuple[Callable[[Training], float], ...] = (last_training, best_test)
    training, test = (paired_differences(runs, base, measure) for measure in measures)
    return interval_in_words(training), interval_in_words(test), str(len(test))


def _against(
    names: Sequence[str], runs: Runs, control: str, used: Sequence[Training], caption: str
) -> Table:
    base = runs.get(control, [])
    rows = [
        (
            name,
            mean_std([last_training(run) for run in runs[name]]),
            mean_std([best_test(run) for run in runs[name]]),
            *(("–", "–", str(len(base))) if name == control else _gains(runs[name], base)),
        )
        for name in dict.fromkeys((control, *names))
        if name in runs
    ]
    return Table(
        columns=(("", "start"), ("%", "training, last"), ("%", "test, best"), *_GAINS),
        rows=tuple(rows),
        caption=caption,
        source=provenance(used) + not_recorded([name for name in names if name not in runs]),
    )
