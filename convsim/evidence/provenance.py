"""All records in, one table an experiment out: how every number of the book was made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convsim.experiments.record import RESULTS, Record, read_record
from convsim.table import Table

EXPERIMENTS = {
    "pairs": (
        "Two kernels and a descent, 1,000 times (kernel orthogonality, Convolutional Similarity)"
    ),
    "penaltypairs": "Two kernels and a descent on every penalty, 1,000 times (relatives)",
    "descent": (
        "Whole layers under Algorithm 1 and its scale-free form "
        "(Convolutional Similarity, linear time)"
    ),
    "floor": "How far a layer's loss can fall at fixed norms (linear time)",
    "benchmark": "What each form of the loss costs (linear time)",
    "penaltybenchmark": "What each penalty costs (relatives)",
    "table5": "CNN1 and ResNet-18, trained in several ways (training, scale or similarity, the "
    "input, deeper)",
    "table5choice": "Numbers that some of these trainings need (scale or similarity, the input)",
    "trainingbenchmark": "What a step of training costs (training)",
    "maps": "Feature maps of trained networks, raw and centred (scale or similarity)",
    "inputpatches": "Kernels on the patches of CIFAR-10 (the input)",
    "inputsteps": "Feature maps in the first steps of training (the input)",
    "forgetting": "The first epoch step by step, under several optimisers (deeper)",
    "beginnings": "Networks before their training (starts)",
    "penalties": "Every penalty in every layer of CNN1, norms held (relatives)",
    "overlap": "Neighbourhoods in the channels of trained networks (neighbourhoods)",
    "overlapregularized": "Networks with dropout and weight decay (neighbourhoods)",
    "overlapbenchmark": "What the neighbourhoods cost (neighbourhoods)",
    "reportbenchmark": "What a report on a large model costs (measure)",
}
"""What each experiment asks, and the chapters that print its records."""
TRAININGS = ("table5", "table5choice", "overlapregularized")
"""Experiments whose oldest records do not say that they had version 1 of the training loop."""
PER_RECORD = ("data", "hardware", "started", "seconds", "commit", "command")
"""Where, when and how a record was made: columns of their own."""
USUALLY = 0.8
"""Share of records with one value of a setting, from which on the others are the special ones."""


def all_records(folder: Path = RESULTS) -> dict[str, list[tuple[str, Record[Any]]]]:
    """Every record in ``folder`` with its file's name, by experiment, in the order of the book.

    Raises:
        ValueError: if there is none, or if an experiment is not one of ``EXPERIMENTS``.
    """
    found: dict[str, list[tuple[str, Record[Any]]]] = {name: [] for name in EXPERIMENTS}
    for path in sorted(folder.glob("*.json")):
        record = read_record(path)
        if record.experiment not in found:
            raise ValueError(
                f"{path.name} is of the experiment {record.experiment!r}; expected one of "
                f"{', '.join(EXPERIMENTS)}: name a new one in convsim/evidence/provenance.py"
            )
        found[record.experiment].append((path.name, record))
    if not any(found.values()):
        raise ValueError(f"no record lies in {folder}: `convsim run NAME` writes them")
    return {name: records for name, records in found.items() if records}


def overview_table(folder: Path = RESULTS) -> Table:
    """The experiments: how many records each has, and what all of them took."""
    experiments = all_records(folder)
    rows = []
    for name, named in experiments.items():
        records = [record for _, record in named]
        # The benchmarks name their seed with their data.
        seeds = {_flat(record.settings).get("seed", "in the data") for record in records}
        rows.append(
            (
                name,
                EXPERIMENTS[name],
                str(len(records)),
                ", ".join(sorted(seeds)),
                f"{sum(map(_seconds, records)) / 60:,.1f}",
            )
        )
    return Table(
        columns=(("", "experiment"), ("", "what it asks"), ("", "n"), ("", "seeds"), ("", "min")),
        rows=tuple(rows),
        caption="The experiments, their records and the minutes that these took together.",
        source=f"{sum(len(named) for named in experiments.values())} records.",
        prose=True,
    )


def record_tables(folder: Path = RESULTS) -> list[Table]:
    """One table for each experiment, one row for each record.

    What all records of an experiment have in common stands once, under the table.
    """
    return [_record_table(name, named) for name, named in all_records(folder).items()]


def _record_table(name: str, named: Sequence[tuple[str, Record[Any]]]) -> Table:
    described = [_describe(record) for _, record in named]
    usual = _gather(described)
    keys = list(dict.fromkeys(key for description in described for key in description))
    values = {key: [description.get(key, "") for description in described] for key in keys}
    shared = {key: cells[0] for key, cells in values.items() if len(set(cells)) == 1}
    own = [key for key in keys if key not in shared]
    rows = [(file, *(values[key][row] for key in own)) for row, (file, _) in enumerate(named)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return Table(
        columns=(("", "record"), *(("", key) for key in own)),
        rows=tuple(sorted(rows, key=lambda row: [_in_order(cell) for cell in row[1:]])),
        caption=f"{name}: {EXPERIMENTS[name]}.",
        source=f"All: {_in_words(shared)}." + (f" Usually: {_in_words(usual)}." if usual else ""),
        # Versions and commands are sentences, and wrap where a line would not hold them.
        prose=sum(widths) > 120,
    )


def _describe(record: Record[Any]) -> dict[str, str]:
    """A record in words: its settings, then where, when and how it was made."""
    versions = ", ".join(f"{package} {version}" for package, version in record.versions.items())
    settings = _flat(record.settings)
    if record.experiment in TRAININGS:
        settings = {"loop": "1", **settings}
    return {
        **settings,
        "data": record.data,
        "hardware": record.hardware,
        "started": record.started[:16].replace("T", " "),
        "seconds": f"{seconds:,.0f}" if (seconds := _seconds(record)) >= 10 else f"{seconds:.2f}",
        "versions": versions,
        "commit": _short(record.commit) if record.commit else "outside git",
        "command": record.command,
    }


def _seconds(record: Record[Any]) -> float:
    """How long a run took, at least.

    The clock of a training that was stopped and resumed is that of its last part; its epochs have
    their own.
    """
    epochs = record.metrics.get("epochs", {})
    steps = epochs.get("seconds", ()) if isinstance(epochs, dict) else ()
    return max(record.seconds, sum(steps))


def _gather(described: Sequence[dict[str, str]]) -> dict[str, str]:
    """Put what is special about some records, such as another optimiser, into a last column.

    That is what only some of them state, and what is otherwise in a few; how it is in all the
    others is returned.
    """
    stated = Counter(key for description in described for key in description)
    some = [key for key, records in stated.items() if records < len(described)]
    usual = {}
    for key in stated.keys() - {*some, *PER_RECORD}:
        ((value, count), *others) = Counter(each[key] for each in described).most_common()
        if others and count >= USUALLY * len(described):
            usual[key] = value
    some += [key for key in stated if key in usual]
    if some:
        for description in described:
            own = {key: description.pop(key) for key in some if key in description}
            other = [f"{key}: {text}" for key, text in own.items() if text != usual.get(key)]
            description["besides"] = "; ".join(other)
    return {key: usual[key] for key in stated if key in usual}


def _in_words(settings: dict[str, str]) -> str:
    return "; ".join(f"{key}: {text}" for key, text in settings.items())


def _short(commit: str) -> str:
    # "+": the checkout had changes that were not committed.
    return commit[:7] + ("+" if commit.endswith("+") else "")


def _flat(settings: dict[str, Any]) -> dict[str, str]:
    """Settings by name; those of a run inside a run stand beside them."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        flat.update(
            _flat(value) if isinstance(value, dict) else {key.replace("_", " "): str(value)}
        )
    return flat


def _in_order(text: str) -> tuple[float, str]:
    """Sort numbers by value, and words after them."""
    try:
        return float(text.replace(",", "")), ""
    except ValueError:
        return math.inf, text
