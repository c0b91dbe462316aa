"""One run, one record: a JSON file that says what was run, what came out, and where."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

import torch

from convsim.files import write_atomically

Settings = TypeVar("Settings")
Metrics = TypeVar("Metrics")

RESULTS = Path(__file__).resolve().parent.parent / "results"
"""Where the book's own records lie, inside the package so that Colab has them too."""


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
        command: the command line of the process.
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
    return kind(**values)


def record_path(experiment: str, settings: Any, folder: Path = RESULTS) -> Path:
    """Path of the record of ``settings`` (a frozen dataclass): experiment and hash of settings."""
    canonical = json.dumps(stored(settings), sort_keys=True, allow_nan=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:10]
    return folder / f"{experiment}-{digest}.json"


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
        command: the command that asked for the run, if it is not that of this process.
    """
    return Record(
        experiment=experiment,
        settings=stored(settings),
        metrics=to_six_digits(metrics),
        data=data,
        started=started.astimezone(timezone.utc).isoformat(timespec="seconds"),
        seconds=round((datetime.now(timezone.utc) - started).total_seconds(), 2),
        command=command or command_line(),
        versions={name: version(name) for name in ("convsim", "torch", "numpy")}
        | {"python": platform.python_version()},
        commit=_git_commit(),
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
    """
    path = record_path(record.experiment, settings, folder)
    try:
        text = json.dumps(asdict(record), indent=1, allow_nan=False)
    except ValueError as error:
        raise ValueError(
            f"a metric of {record.experiment} is NaN or infinite; expected finite numbers, or "
            "None for what is undefined"
        ) from error
    write_atomically(path, text + "\n")
    return path


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
        ValueError: if the file is not a complete record; the message says what to do.
    """
    try:
        return Record(**json.loads(path.read_text()))
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(
            f"{path} is not a complete record ({error}); expected the JSON that "
            "`convsim run` writes: delete the file and run the experiment again"
        ) from error


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
            "`convsim run NAME`, or `make bench` for the benchmarks"
        )
    return found


def command_line() -> str:
    """The command line of this process; absolute paths, which say nothing elsewhere, by name."""
    words = (Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    return shlex.join([Path(sys.argv[0]).name, *words])


def hardware_in_words(device: torch.device) -> str:
    """The processor a run used, for a reader: ``"Intel Xeon …, 2 threads"`` or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    name = found.group(1) if found else platform.processor() or platform.machine()
    return f"{' '.join(name.split())}, {torch.get_num_threads()} threads"


def _git_commit() -> str | None:
    """Commit of the checkout the package lies in, or None if it was installed otherwise."""
    git = ["git", "-C", str(RESULTS.parent)]
    try:
        # Asking for a tracked file keeps an unrelated repository around site-packages out.
        tracked = subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], **_QUIET)
        if tracked.returncode != 0:
            return None
        commit = subprocess.run([*git, "rev-parse", "HEAD"], **_QUIET).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno", "--", "."], **_QUIET)
    except FileNotFoundError:  # no git on this machine
        return None
    return commit + ("+" if changed.stdout.strip() else "")


_QUIET: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
