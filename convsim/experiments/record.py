"""One run, one record: a JSON file that says what was run, what came out, and where."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

import torch

from convsim.experiments.origin import (
    PACKAGE,
    command_of,
    commands_of,
    git_commit,
    hardware_in_words,
)
from convsim.files import in_words, write_atomically

Settings = TypeVar("Settings")
Metrics = TypeVar("Metrics")

RESULTS = PACKAGE / "results"
"""Where the book's own records lie, inside the package so that Colab has them too."""
CHECKSUM = "checksum"
"""The name of the checksum in a record's file; it is no part of what the record says."""


@dataclass(frozen=True)
class Record(Generic[Metrics]):
    """What one run was and what it measured.

    Attributes:
        experiment: name of the experiment, e.g. ``"pairs"``.
        settings: the fields of the run's settings.
        metrics: what was measured; each experiment has a type for it.
        data: the data, in words.
        started: UTC time of the start, ISO 8601.
        seconds: duration of the run.
        command: the command that asked for it, as a user types it.
        versions: versions of Python and of the packages that matter.
        commit: git commit of the code, ``+`` appended if files were changed; None outside git.
        hardware: the machine, in words.
    """

    experiment: str
    settings: dict[str, Any]
    metrics: Metrics
    data: str
    started: str
    seconds: float
    command: str
    versions: dict[str, str]
    commit: str | None
    hardware: str


def added(default: Any, *, before: Any) -> Any:
    """A field of settings that older records do not have, because ``before`` went without saying.

    Settings with that value are stored, and their records named, as if the field did not exist.
    """
    return field(default=default, metadata={"before": before})


def stored(settings: Any) -> dict[str, Any]:
    """Settings (a frozen dataclass, perhaps with others inside) as a record holds them."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {
        f.name: stored(values[f.name]) if is_dataclass(values[f.name]) else values[f.name]
        for f in fields(settings)
        if "before" not in f.metadata or values[f.name] != f.metadata["before"]
    }


def restored(kind: type[Settings], settings: Mapping[str, Any]) -> Settings:
    """The settings that a record holds; fields that were added later have their earlier value."""
    types = get_type_hints(kind)
    values: dict[str, Any] = {
        f.name: f.metadata["before"]
        for f in fields(kind)  # type: ignore[arg-type]
        if "before" in f.metadata
    }
    for name, value in settings.items():
        if is_dataclass(types.get(name)):
            values[name] = restored(types[name], value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except TypeError as error:  # a field too many, or one too few
        raise ValueError(
            f"settings with {', '.join(settings)} are no {kind.__name__} ({error}); expected "
            f"{', '.join(types)}: a later version of convsim wrote them, install that one"
        ) from error


def record_path(experiment: str, settings: Any, folder: Path = RESULTS) -> Path:
    """Path of the record of ``settings`` (a frozen dataclass): experiment and hash of settings."""
    return folder / _name(experiment, stored(settings))


def _name(experiment: str, settings: Mapping[str, Any]) -> str:
    return f"{experiment}-{_digest(settings)[:10]}.json"


def _digest(value: Any) -> str:
    """SHA-256 of a value as JSON: numbers to their last digit, names in alphabetical order."""
    canonical = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def make_record(
    experiment: str,
    settings: Any,
    metrics: Mapping[str, Any],
    *,
    data: str,
    started: datetime,
    device: torch.device | str = "cpu",
    command: str | None = None,
) -> Record[Any]:
    """Put a run's record together, where and when it has just ended.

    Args:
        experiment: name of the experiment.
        settings: frozen dataclass; its hash names the file.
        metrics: JSON-ready numbers, finite or None; they are rounded to six digits.
        data: the data, in words.
        started: time zone aware start of the run.
        device: where the run computed.
        command: the command that asked for the run; by default :func:`command_of` says.
    """
    return Record(
        experiment=experiment,
        settings=stored(settings),
        metrics=to_six_digits(metrics),
        data=data,
        started=started.astimezone(timezone.utc).isoformat(timespec="seconds"),
        seconds=round((datetime.now(timezone.utc) - started).total_seconds(), 2),
        command=command or command_of(experiment),
        versions={name: version(name) for name in ("convsim", "torch", "numpy")}
        | {"python": platform.python_version()},
        commit=git_commit(),
        hardware=hardware_in_words(torch.device(device)),
    )


def to_six_digits(value: Any) -> Any:
    """Numbers to six digits, in containers too: the one place where results are rounded."""
    if isinstance(value, Mapping):
        return {key: to_six_digits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_six_digits(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def save_record(record: Record[Any], settings: Any, folder: Path = RESULTS) -> Path:
    """Write a record in one atomic step and return its path.

    Raises:
        ValueError: if a metric is NaN or infinite; undefined numbers are written as None.
        OSError: if it cannot be written; the error names the path.
    """
    path = record_path(record.experiment, settings, folder)
    try:
        text = record_text(record)
    except ValueError as error:
        raise ValueError(
            f"a metric of {record.experiment} is NaN or infinite; expected finite numbers, or "
            "None for what is undefined"
        ) from error
    write_atomically(path, text)
    return path


def record_text(record: Record[Any]) -> str:
    """A record as its file holds it: JSON with a checksum of all that is said.

    The checksum is the SHA-256 of the record without it, as JSON with sorted names.
    """
    said = json.loads(json.dumps(asdict(record), allow_nan=False))  # as it will be read
    return json.dumps(said | {CHECKSUM: _digest(said)}, indent=1, allow_nan=False) + "\n"


def write_record(
    experiment: str,
    settings: Any,
    metrics: Mapping[str, Any],
    *,
    data: str,
    started: datetime,
    device: torch.device | str = "cpu",
    folder: Path = RESULTS,
) -> Path:
    """Put a run's record together and write it: ``make_record`` and ``save_record`` in one."""
    record = make_record(experiment, settings, metrics, data=data, started=started, device=device)
    return save_record(record, settings, folder)


def read_record(path: Path) -> Record[Any]:
    """Read one record.

    Raises:
        ValueError: if the file is not there, or is not a record as it was written, under its own
            name; the message says what to do.
    """
    run = commands_of(path.stem.rpartition("-")[0])
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"{path} is not there; expected a record: run {run}") from error
    except OSError as error:
        raise ValueError(in_words(error)) from error
    try:
        return _record(content, path.name)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a complete record ({error}); expected the JSON that convsim wrote, "
            f"unchanged: delete the file and run {run} again"
        ) from error


def _record(content: bytes, name: str) -> Record[Any]:
    """The record that a file of this name holds; all that can be wrong is an error here."""
    said = json.loads(content.decode())
    if not isinstance(said, dict):
        raise TypeError("it holds no names")
    checksum = said.pop(CHECKSUM, None)
    record: Record[Any] = Record(**said)
    if checksum != _digest(said):
        raise ValueError("its checksum is missing" if checksum is None else "its checksum differs")
    if name != (own := _name(record.experiment, record.settings)):
        raise ValueError(f"it is the record {own}")
    return record


def read_records(experiment: str, folder: Path = RESULTS) -> list[Record[Any]]:
    """All records of an experiment, in the order of their file names."""
    return [read_record(path) for path in sorted(folder.glob(f"{experiment}-*.json"))]


def matching_records(experiment: str, folder: Path = RESULTS, **settings: Any) -> list[Record[Any]]:
    """The records of an experiment that have the given settings.

    Raises:
        ValueError: if there is none.
    """
    found = [
        record
        for record in read_records(experiment, folder)
        if all(record.settings[key] == value for key, value in settings.items())
    ]
    if not found:
        raise ValueError(
            f"no record of {experiment} with {settings} lies in {folder}; expected one: run "
            f"{commands_of(experiment)}"
        )
    return found
