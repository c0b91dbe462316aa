"""Records: named by their settings, complete, written in one step, and the command around them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from convsim.__main__ import EXPERIMENTS, app
from convsim.experiments import pairs
from convsim.experiments.record import (
    RESULTS,
    added,
    read_record,
    read_records,
    record_path,
    restored,
    stored,
    write_record,
)
from convsim.files import write_atomically


@dataclass(frozen=True)
class Settings:
    taps: int = 3
    seed: int = 0


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def write(folder: Path, settings: Settings, value: float = 1.0) -> Path:
    return write_record("demo", settings, {"value": value}, data="none", started=NOW, folder=folder)


def test_record_says_what_was_run_and_where(tmp_path: Path) -> None:
    path = write(tmp_path, Settings(taps=5))
    record = read_record(path)
    assert record.experiment == "demo"
    assert record.settings == {"taps": 5, "seed": 0}
    assert record.metrics == {"value": 1.0}
    assert record.started == "2026-01-02T03:04:05+00:00"
    assert record.seconds > 0
    assert "threads" in record.hardware
    assert {"python", "torch", "numpy", "convsim"} == set(record.versions)
    assert read_records("demo", tmp_path) == [record]


def test_every_setting_changes_the_name(tmp_path: Path) -> None:
    settings = [Settings(), Settings(taps=4), Settings(seed=1)]
    assert len({record_path("demo", s, tmp_path) for s in settings}) == 3
    assert record_path("demo", Settings(), tmp_path) == record_path("demo", Settings(), tmp_path)


@dataclass(frozen=True)
class Later:
    """The settings after a field was added: records without it were made with 1."""

    taps: int = 3
    seed: int = 0
    version: int = added(2, before=1)


@dataclass(frozen=True)
class Outer:
    run: Later
    images: int = 10


def test_settings_that_were_added_later_leave_old_records_their_names(tmp_path: Path) -> None:
    old, new = Later(version=1), Later()
    assert record_path("demo", old, tmp_path) == record_path("demo", Settings(), tmp_path)
    assert record_path("demo", new, tmp_path) != record_path("demo", Settings(), tmp_path)
    assert stored(old) == {"taps": 3, "seed": 0}
    assert stored(new) == {"taps": 3, "seed": 0, "version": 2}
    assert stored(Outer(old)) == {"run": {"taps": 3, "seed": 0}, "images": 10}
    for settings in (old, new):
        assert restored(Later, stored(settings)) == settings
    path = write(tmp_path, Settings(taps=5))
    assert restored(Later, read_record(path).settings) == Later(taps=5, version=1)


def test_nan_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a metric of demo is NaN or infinite; expected finite"):
        write(tmp_path, Settings(), float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, "old")

    def no_space(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("convsim.files.os.replace", no_space)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ['{"experiment": "demo"', '{"experiment": "demo"}', "[]"])
def test_a_damaged_record_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "demo-0.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is not a complete record .* delete the file and run"):
        read_record(path)


def test_the_books_records_are_named_by_their_settings() -> None:
    records = read_records("pairs")
    known = {json.dumps(asdict(row), sort_keys=True) for t in pairs.TABLES.values() for row in t}
    assert {json.dumps(record.settings, sort_keys=True) for record in records} == known
    for record in records:
        settings = pairs.PairSettings(**record.settings)
        assert record_path("pairs", settings, RESULTS).exists()
        assert record.commit is not None


def test_command_runs_once_and_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(replace(row, episodes=3, iterations=2) for row in pairs.TABLES["table1"])
    monkeypatch.setitem(EXPERIMENTS, "table1", ("pairs", rows, pairs.run))
    runner = CliRunner()
    before = runner.invoke(app, ["status", "table1", "--results", str(tmp_path)])
    assert before.stdout.count("missing") == 6
    result = runner.invoke(app, ["run", "table1", "--results", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("done") == 6
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    runner.invoke(app, ["run", "table1", "--results", str(tmp_path)])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


def test_command_names_what_it_knows() -> None:
    result = CliRunner().invoke(app, ["run", "table9"])
    assert result.exit_code == 2
    assert (
        "'table9' is no experiment; expected table1, table2, table3, table6, descent"
        in result.output
    )
