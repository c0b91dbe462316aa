"""Which trainings the book needs, in which order, and how far they are.

What decides most for its cost comes first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from convsim import models
from convsim.experiments.choices import grid
from convsim.experiments.cifar10 import TrainingSettings, settings_of
from convsim.experiments.conditions import CONDITIONS, PENALISED, SHRUNK
from convsim.experiments.processes import is_running
from convsim.experiments.record import RESULTS, read_records
from convsim.experiments.runner import CHECKPOINTS, Task, with_needs
from convsim.experiments.sweep import TRAINING
from convsim.training.checkpoint import read_history

CNN1, CNN2, WIDEST = 64, 128, 512
WIDTHS, SEEDS, EPOCHS = (CNN1, CNN2, WIDEST), 5, 100
EVERY = (
    *("baseline", "init", "regularise", "scale", "scale-free", "both", "decay", "learning-rate"),
    *("random-bands", "same-band", "balanced-bands", "random-bands-scale", "random-bands-rate"),
)
AT_DEFAULT = (
    *("orthogonal-kernels", "orthogonal-maps", "orthogonal-maps-first", "whitening-layer"),
    *("extra-layer", "deconvolution", "decov"),
)
AT_SCALE = tuple(SHRUNK)
POWER = ("orthogonal-maps-power", "orthogonal-maps-power-ridge")
VARIANTS = ("orthogonal-maps-ridge", "orthogonal-maps-raw", "orthogonal-maps-leading")
SHORT_EPOCHS, QUERIES = 20, 100
BANDS = ("random-bands", "same-band", "balanced-bands", "random-bands-rate", "random-bands-scale")


@dataclass(frozen=True)
class Group:
    """Runs that answer a question together.

    Attributes:
        question: what they are for.
        runs: in the order in which they start.
    """

    question: str
    runs: tuple[TrainingSettings, ...]


def _group(
    question: str, conditions: Sequence[str], seeds: Sequence[int], width: int = CNN1
) -> Group:
    # Seed by seed: differences are paired.
    runs = [TrainingSettings(c, width, seed, EPOCHS) for seed in seeds for c in conditions]
    return Group(question, tuple(runs))


def _short(question: str, conditions: Sequence[str], seeds: Sequence[int]) -> Group:
    runs = [
        TrainingSettings(condition, CNN1, seed, SHORT_EPOCHS, queries=QUERIES)
        for seed in seeds
        for condition in conditions
    ]
    return Group(question, tuple(runs))


BOOK = (
    _short("Do orthogonal feature maps help?", ("baseline", *AT_DEFAULT, *POWER), range(1)),
    _short("And at Algorithm 1's norms?", ("scale", *AT_SCALE), range(1)),
    _short("Both again", ("baseline", *AT_DEFAULT, "scale", *AT_SCALE, *POWER), range(1, 2)),
    _short("Which part of making them orthogonal matters?", VARIANTS, range(1)),
    _short("What do the penalties of others do?", tuple(PENALISED), range(2)),
    _group("Does Algorithm 1 help, and is it its scale?", ("baseline", "init", "scale"), range(3)),
    _group("Does Algorithm 2 help?", ("regularise",), range(3)),
    _group("Would a learning rate or weight decay do?", ("learning-rate", "decay"), range(3)),
    _group("Does lower similarity help?", ("scale-free", *BANDS, "both"), range(3)),
    _group("And in CNN2?", ("baseline", "init", "scale", "regularise"), range(1), CNN2),
    _group("More seeds for CNN1", EVERY, range(3, SEEDS)),
    _group("What does width alone buy?", ("baseline",), range(1), WIDEST),
)
"""The book's plan."""


def planned(data: str = "CIFAR-10") -> list[TrainingSettings]:
    """All runs of the book's plan on some data, given in words."""
    return [replace(run, data=data) for group in BOOK for run in group.runs]


def selected(
    *,
    conditions: Sequence[str] = tuple(CONDITIONS),
    widths: Sequence[int] = WIDTHS,
    seeds: int = SEEDS,
    epochs: int = EPOCHS,
    data: str = "CIFAR-10",
    precision: str = "bfloat16",
    model: str = "ShallowCNN",
) -> list[TrainingSettings]:
    """Every condition with every width and seed; width 512 is the paper's one baseline."""
    return [
        TrainingSettings(condition, width, seed, epochs, data, precision, model=model)
        for width in widths
        for condition in (conditions if width != WIDEST else ("baseline",))
        for seed in range(seeds if width != WIDEST else 1)
    ]


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        run: its settings, with the data that it was found on.
        state: ``"done"``, ``"running"``, ``"stopped"`` or ``"missing"``.
        epochs: epochs done.
        note: data and hardware of a record, in words.
    """

    run: TrainingSettings
    state: str
    epochs: int = 0
    note: str = ""

    def __str__(self) -> str:
        far = f"{self.epochs} of {self.run.epochs} epochs" if self.epochs else ""
        return f"{str(self.run):<48}  {self.state:<8} {far:<18} {self.note}".rstrip()


def standing(rows: Sequence[TrainingSettings], folder: Path = RESULTS) -> list[Standing]:
    """How far each run is: by its record, by its checkpoint, or by a record of fewer epochs.

    For a run on CIFAR-10 one on a copy of it counts, too.
    """
    busy = is_running(folder / CHECKPOINTS)
    underway = _underway(folder)  # first: a run that ends now is in one of them, or in both
    records = [(settings_of(r), r) for r in read_records(TRAINING.name, folder)]

    def stand(row: TrainingSettings) -> Standing:
        best = Standing(row, "missing")
        for settings, record in records:
            if (
                settings.data.startswith(row.data)
                and settings.epochs > best.epochs
                and (replace(settings, data=row.data, epochs=row.epochs) == row)
            ):
                note = f"{settings.data}, {record.hardware}"
                note += ", diverged" if "diverged" in record.metrics else ""
                state = "done" if settings.epochs >= row.epochs else "missing"
                best = Standing(replace(row, data=settings.data), state, settings.epochs, note)
        if best.state != "done":
            for data in {data for data, _ in underway.values() if data.startswith(row.data)}:
                stem = Task(TRAINING, replace(row, data=data)).path().stem
                if stem in underway:
                    state = "running" if busy else "stopped"
                    best = Standing(replace(row, data=data), state, len(underway[stem][1]), data)
        return best

    return [stand(row) for row in rows]


def report(rows: Sequence[TrainingSettings] | None = None, folder: Path = RESULTS) -> Iterator[str]:
    """Lines for a reader: some runs, or the book's plan group by group, and the time they take."""
    groups = BOOK if rows is None else (Group("", tuple(rows)),)
    for number, group in enumerate(groups, start=1):
        if rows is None:
            yield f"{number}. {group.question}"
        yield from map(str, standing(group.runs, folder))
    found = standing([run for group in groups for run in group.runs], folder)
    states = [each.state for each in found]
    counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    hours = hours_left(found, folder)
    if "done" in states and hours == 0:
        yield f"{counts}: nothing is left to run."
    elif hours is None:
        yield f"{counts}. How long the rest takes is known after the first epoch."
    else:
        yield (
            f"{counts}. The rest takes one process about {hours:.0f} hours, as fast as the epochs "
            "under way here."
        )


def hours_left(found: Sequence[Standing], folder: Path = RESULTS) -> float | None:
    """Hours of one process for what is not done, from the seconds of the epochs under way.

    A width that has none is taken to cost in proportion to its number of parameters. None if no
    epoch is under way although something is left.
    """
    left = [each for each in found if each.state != "done"]
    if not left:
        return 0.0
    seconds = {kind: median(values) for kind, values in _seconds(found, folder).items() if values}
    if not seconds:
        return None
    known = max(seconds, key=lambda kind: _parameters(*kind))
    rate = seconds[known] / _parameters(*known)
    begun = {each.run: each.epochs for each in left if each.state != "missing"}
    # What waits will be on the data of what does not, whose searches it takes over.
    data = next(each.run.data for each in found if each.state != "missing")
    waiting = [replace(each.run, data=data) for each in left if each.state == "missing"]
    total = 0.0
    for task in with_needs(TRAINING.tasks([*begun, *waiting])):
        if task.path(folder).exists():
            continue
        if task.experiment == TRAINING:
            run = task.settings
            epochs = run.epochs - begun.get(run, 0)
        else:
            run = task.settings.run
            epochs = _searched(run)
        kind = run.model, run.width
        total += epochs * seconds.get(kind, rate * _parameters(*kind))
    return total / 3600


def _searched(run: TrainingSettings) -> int:
    """Epochs that a search for a condition's number takes."""
    option = CONDITIONS[run.condition].chosen
    if option is None or option == "weight_decay":
        return 3 * run.epochs  # as many attempts as it usually takes
    values, epochs = grid(option)
    return len(values) * min(epochs, run.epochs)


def _underway(folder: Path) -> dict[str, tuple[str, list[float]]]:
    """Data and seconds of the epochs that every checkpoint holds, by the stem of its name."""
    found = {}
    for path in sorted((folder / CHECKPOINTS).glob("*.safetensors")):
        with contextlib.suppress(FileNotFoundError):  # its run has just ended
            settings, epochs = read_history(path)
            found[path.stem] = settings["data"], [epoch.seconds for epoch in epochs]
    return found


def _seconds(found: Sequence[Standing], folder: Path) -> dict[tuple[str, int], list[float]]:
    """Seconds of every epoch under way, by model and width."""
    underway = _underway(folder)
    seconds: dict[tuple[str, int], list[float]] = {}
    for each in found:
        stem = Task(TRAINING, each.run).path().stem
        seconds.setdefault((each.run.model, each.run.width), []).extend(
            underway.get(stem, ("", []))[1]
        )
    return seconds


def _parameters(model: str, width: int) -> int:
    return sum(p.numel() for p in models.build(model, width).parameters())
