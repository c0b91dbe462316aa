"""Records of other optimisers and networks in, tables out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from convsim.evidence.input_tables import layer_reading
from convsim.evidence.statistics import (
    UNDEFINED,
    best_test,
    interval_in_words,
    last_training,
    mean_std,
    paired_differences,
)
from convsim.evidence.sweeps import PAPERS, Training, data_rank, first_epochs
from convsim.evidence.training_tables import not_recorded, provenance
from convsim.experiments.cifar10 import settings_of
from convsim.experiments.forgetting import OTHERS, STARTS
from convsim.experiments.plan import AGAIN, AGAIN_RATE, HELD, RATES, SHORT_EPOCHS, UNIT
from convsim.experiments.record import RESULTS, read_records
from convsim.experiments.sweep import TRAINING
from convsim.table import Table
from convsim.training import LOOP
from convsim.training.rates import effective_rate

LEARNING_RATES = {"SGD": 0.01} | OTHERS
"""Of each optimiser in trainings of ``SHORT_EPOCHS``."""
PAIRS = (("init", "baseline"), ("scale", "baseline"), ("init", "scale"))
"""Differences that say what Algorithm 1 does, and what of it is shrinking."""


def trainings(folder: Path = RESULTS, **wanted: Any) -> list[Training]:
    """The trainings with some settings, those on the best data; none that diverged.

    Args:
        folder: where the records lie.
        wanted: fields of ``TrainingSettings``; the loop is today's, and no images are held out.
    """
    wanted = {"loop": LOOP, "held_out": 0} | wanted
    found = [
        record
        for record in read_records(TRAINING.name, folder)
        if "diverged" not in record.metrics
        and all(getattr(settings_of(record), key) == value for key, value in wanted.items())
    ]
    best = max((data_rank(record.data) for record in found), default=0)
    return [record for record in found if data_rank(record.data) == best]


def short_trainings(optimizer: str, folder: Path = RESULTS) -> dict[str, list[Training]]:
    """CNN1 under an optimiser and its learning rate, by start; one training a seed.

    Where only a longer one is recorded, its first epochs stand for it.
    """
    common: dict[str, Any] = {"model": PAPERS, "width": 64, "optimizer": optimizer, "images": 0}
    common["learning_rate"] = LEARNING_RATES[optimizer]
    found = trainings(folder, epochs=SHORT_EPOCHS, **common)
    # A longer training began as a shorter one would have.
    longer = (run for run in trainings(folder, **common) if run.settings["epochs"] > SHORT_EPOCHS)
    return by_condition([*found, *(first_epochs(run, SHORT_EPOCHS) for run in longer)], STARTS)


def by_condition(
    records: Sequence[Training], conditions: Sequence[str]
) -> dict[str, list[Training]]:
    """The trainings of some conditions; of several of one seed, which differ in what was measured,
    the first."""
    found: dict[str, dict[int, Training]] = {name: {} for name in conditions}
    for record in records:
        if (name := record.settings["condition"]) in found:
            found[name].setdefault(record.settings["seed"], record)
    return {name: [of[seed] for seed in sorted(of)] for name, of in found.items() if of}


def optimizers_table(folder: Path = RESULTS) -> Table:
    """What Algorithm 1 and its shrinking do under each optimiser.

    Raises:
        ValueError: if no training under another optimiser than SGD is recorded.
    """
    found = {name: short_trainings(name, folder) for name in LEARNING_RATES}
    used = [run for runs in found.values() for some in runs.values() for run in some]
    if not any(found[name] for name in OTHERS):
        raise missing_error("under other optimisers", folder)
    rows = []
    for name, runs in found.items():
        base = runs.get("baseline", [])
        for measure, words in ((best_test, "test, best"), (last_training, "training, last")):
            differences = (
                paired_differences(runs.get(a, []), runs.get(b, []), measure) for a, b in PAIRS
            )
            rows.append(
                (
                    name,
                    f"{LEARNING_RATES[name]:g}",
                    words,
                    mean_std([measure(run) for run in base]),
                    *map(interval_in_words, differences),
                )
            )
    return Table(
        columns=(
            *(("", "optimiser"), ("", "η"), ("", "accuracy"), ("%", "baseline")),
            *(("points", f"{a} − {b}") for a, b in PAIRS),
        ),
        rows=tuple(rows),
        caption=f"CNN1 after {SHORT_EPOCHS} epochs under each optimiser: accuracy from the default "
        "initialisation, and differences between starts, paired by seed.",
        source=provenance(used),
    )


def rates_table(folder: Path = RESULTS) -> Table:
    """Momentum from norms chosen for an effective rate, against what is not chosen so.

    Raises:
        ValueError: if no training from such norms is recorded.
    """
    common: dict[str, Any] = {"model": PAPERS, "width": 64, "epochs": SHORT_EPOCHS}
    common["optimizer"] = "momentum"
    rows, used = [], []
    plain = short_trainings("momentum", folder)
    groups = [(name, plain.get(name, [])) for name in ("baseline", "scale")]
    tuned = trainings(folder, condition="learning-rate", **common)
    groups.append(("learning-rate", tuned))
    for rate in RATES:
        runs = trainings(folder, condition="matched-rate", rate=rate, **common)
        groups.append((f"matched-rate, {rate:g}", runs))
        used += runs
    if not used:
        raise missing_error("of matched-rate", folder)
    for name, runs in groups:
        if not runs:
            continue
        used += runs
        lr = runs[0].metrics["chosen"].get("lr", runs[0].settings["learning_rate"])
        rows.append(
            (
                name,
                f"{lr:g}",
                *(f"{fmean(_rates(run, lr, epoch)):.3g}" for run in runs[:1] for epoch in (0, -1)),
                mean_std([best_test(run) for run in runs]),
                mean_std([last_training(run) for run in runs]),
                str(len(runs)),
            )
        )
    return Table(
        columns=(
            *(("", "start"), ("", "η"), ("effective rate after", "1 epoch")),
            ("effective rate after", f"{SHORT_EPOCHS} epochs"),
            *(("accuracy, %", "test, best"), ("accuracy, %", "training, last"), ("", "n")),
        ),
        rows=tuple(rows),
        caption="CNN1 under SGD with momentum 0.9: mean effective learning rate of the layers after"
        " the first and the last epoch, and accuracy.",
        source=provenance(used) + not_recorded([name for name, runs in groups if not runs]),
    )


def _rates(run: Training, lr: float, epoch: int) -> list[float]:
    norms = (of_layer[epoch] for of_layer in run.metrics["epochs"]["norm"].values())
    return [effective_rate("momentum", lr, norm) for norm in norms]


def plain_table(model: str, folder: Path = RESULTS) -> Table:
    """Networks without batch normalisation under the conditions that leave their scale alone.

    Args:
        model: ``"PlainCNN"`` or ``"KaimingCNN"``.
        folder: where the records lie.

    Raises:
        ValueError: if none of them is recorded.
    """
    found = trainings(folder, model=model, epochs=SHORT_EPOCHS)
    runs = by_condition(found, HELD)
    if not runs:
        raise missing_error(f"of {model}", folder)
    return _differences_from(
        "baseline", HELD, runs, f"{model}: starts of lower similarity, every kernel's norm held"
    )


def unit_table(folder: Path = RESULTS, *, again: bool = False) -> Table:
    """The same where every layer's maps begin with variance 1, and where nothing makes up for
    Algorithm 1's shrinking.

    Args:
        folder: where the records lie.
        again: at the higher learning rate, at which some of them are trained once more.

    Raises:
        ValueError: if none of them is recorded.
    """
    usual = (*UNIT, "init", "scale"), LEARNING_RATES["SGD"]
    names, rate = (AGAIN, AGAIN_RATE) if again else usual
    found = trainings(folder, model="PlainCNN", epochs=SHORT_EPOCHS, learning_rate=rate)
    runs = by_condition(found, names)
    if not runs:
        raise missing_error(f"of PlainCNN from maps of variance 1 at {rate}", folder)
    words = f"PlainCNN at a learning rate of {rate}: starts whose maps have variance 1"
    return _differences_from(
        "unit-variance", names, runs, words if again else f"{words}, and two others"
    )


def _differences_from(
    base: str, names: Sequence[str], runs: dict[str, list[Training]], words: str
) -> Table:
    """Accuracies of some conditions, their differences from one of them, and readings of layers."""
    rows = []
    for name in names:
        if name not in runs:
            continue
        some = runs[name]
        differences = (
            ["0"] * 2
            if name == base
            else [
                interval_in_words(paired_differences(some, runs.get(base, []), measure))
                for measure in (best_test, last_training)
            ]
        )
        rows.append(
            (
                name,
                *(mean_std([of(run) for run in some]) for of in (best_test, last_training)),
                *differences,
                *_deep(some, "normalized"),
                *_deep(some, "correlation"),
                str(len(some)),
            )
        )
    return Table(
        columns=(
            ("", "start"),
            *(("accuracy, %", "test, best"), ("accuracy, %", "training, last")),
            *((f"points against {base}", "test"), (f"points against {base}", "training")),
            *(("L̄", "before"), ("L̄", "after")),
            *(("correlation", "before"), ("correlation", "after")),
            ("", "n"),
        ),
        rows=tuple(rows),
        caption=f"{words}. Accuracy after {SHORT_EPOCHS} epochs, differences paired by seed; "
        "normalised similarity and mean |correlation| of the maps, layers 2 to 4.",
        source=provenance([run for some in runs.values() for run in some])
        + not_recorded([name for name in names if name not in runs]),
    )


def _deep(runs: Sequence[Training], reading: str) -> list[str]:
    """Mean of a reading over the layers after the first, before and after training."""
    cells = []
    for side in ("layers_before", "layers_after"):
        layers = [layer for run in runs for layer in [*run.metrics[side].values()][1:]]
        values = [layer_reading(layer, reading) for layer in layers]
        known = [value for value in values if value is not None]
        cells.append(f"{fmean(known):.2f}" if known else UNDEFINED)
    return cells


def missing_error(what: str, folder: Path) -> ValueError:
    """What to say where a table has nothing to show."""
    return ValueError(
        f"no training {what} is recorded in {folder}; expected some: run `convsim run table5`"
    )
