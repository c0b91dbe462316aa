"""Records: named by their settings, rounded, written in one step, and found again."""

from __future__ import annotations

import errno
import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.descent import FloorSettings
from convsim.experiments.overlap import OverlapSettings
from convsim.experiments.record import (
    Record,
    added,
    matching_records,
    read_record,
    read_records,
    record_path,
    restored,
    save_record,
    stored,
    to_six_digits,
    write_record,
)
from convsim.files import in_words, write_atomically


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


def test_names_are_the_experiment_and_a_hash_of_canonical_json(tmp_path: Path) -> None:
    """By hand: names in alphabetical order, whatever their order in the class."""
    digest = hashlib.sha256(b'{"seed": 1, "taps": 3}').hexdigest()[:10]
    assert record_path("demo", Settings(seed=1), tmp_path) == tmp_path / f"demo-{digest}.json"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_settings_without_a_value_have_no_name(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        record_path("demo", replace(Settings(), taps=value), tmp_path)


def test_an_added_field_has_a_default_and_says_what_was_before() -> None:
    @dataclass(frozen=True)
    class Now:
        colour: str = added("red", before="black")

    (only,) = fields(Now)
    assert Now().colour == "red" and only.metadata["before"] == "black"
    assert stored(Now("black")) == {} and stored(Now()) == {"colour": "red"}
    assert restored(Now, {}) == Now("black")


def test_lists_become_tuples_and_settings_inside_settings_are_restored() -> None:

    floor = FloorSettings(channels=2, widths=(2, 5))
    assert restored(FloorSettings, json.loads(json.dumps(stored(floor)))) == floor
    nested = OverlapSettings(TrainingSettings("scale", loop=1), trained=False)
    assert restored(OverlapSettings, json.loads(json.dumps(stored(nested)))) == nested


def test_numbers_keep_six_digits_wherever_they_are() -> None:
    given = {
        "float": 2 / 3,
        "large": 123456789.0,
        "whole": 123456789,
        "inside": [(1 / 3,), {"deep": np.pi}],
        "words": "0.123456789",
        "none": None,
        "truth": True,
    }
    assert to_six_digits(given) == {
        "float": 0.666667,
        "large": 123457000.0,
        "whole": 123456789,
        "inside": [[0.333333], {"deep": 3.14159}],
        "words": "0.123456789",
        "none": None,
        "truth": True,
    }
    assert to_six_digits(True) is True


def test_a_file_is_readable_json_and_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, Settings(taps=5), 1 / 3)
    text = path.read_text()
    assert text.startswith('{\n "experiment": "demo",\n "settings": {\n  "taps": 5,')
    assert text.endswith("}\n")
    record = read_record(path)
    said = json.loads(text)
    checksum = said.pop("checksum")
    assert asdict(record) == said
    # By hand: whoever reads the file can check it.
    canonical = json.dumps(said, sort_keys=True).encode()
    assert checksum == hashlib.sha256(canonical).hexdigest()
    assert isinstance(record, Record)
    again = save_record(replace(record, metrics={"value": 9.0}), Settings(taps=5), tmp_path)
    assert again == path and read_record(path).metrics == {"value": 9.0}


def test_records_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for seed in range(9):
        write(tmp_path, Settings(seed=seed))
    write_record("demonstration", Settings(), {}, data="x", started=NOW, folder=tmp_path)
    found = read_records("demo", tmp_path)
    paths = [record_path("demo", Settings(**record.settings), tmp_path) for record in found]
    assert len(paths) == 9 and paths == sorted(paths)
    assert read_records("none", tmp_path) == []


def test_records_are_found_by_their_settings(tmp_path: Path) -> None:
    for seed in (1, 2):
        for taps in (3, 4):
            write(tmp_path, Settings(taps, seed))
    found = matching_records("demo", tmp_path, seed=2)
    assert sorted(record.settings["taps"] for record in found) == [3, 4]
    (one,) = matching_records("demo", tmp_path, seed=2, taps=4)
    assert one.settings == {"taps": 4, "seed": 2}
    assert len(matching_records("demo", tmp_path)) == 4
    message = f"no record of demo with {{'seed': 3}} lies in {tmp_path}; expected one: run `convs"
    with pytest.raises(ValueError, match=re.escape(message)):
        matching_records("demo", tmp_path, seed=3)


def test_nan_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match="a metric of demo is NaN .* or None for what is undefined",
    ):
        write(tmp_path, Settings(), float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, "old")

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("convsim.files.os.replace", no_space)
    with pytest.raises(OSError) as raised:
        write_atomically(path, "new")
    assert in_words(raised.value) == (
        f"{path} cannot be used (No space left on device); expected room for it: free some on its "
        "disk, or name a folder on another one"
    )
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_come_back_to_the_last_bit(tmp_path: Path) -> None:
    """As far as a record holds them: six digits, and names that are words."""
    values = [to_six_digits(x) for x in (0.1 + 0.2, 1e-20 / 3, 5e-324, 1.7e308, -0.0, 1 / 3)]
    given = {"values": values, "by number": {10: 1.0, 9: (2.0,)}}
    path = write_record("demo", Settings(), given, data="x", started=NOW, folder=tmp_path)
    read = read_record(path).metrics
    assert [value.hex() for value in read["values"]] == [value.hex() for value in values]
    assert read["by number"] == {"10": 1.0, "9": [2.0]}


def test_settings_of_a_later_version_say_so() -> None:
    message = "settings with taps, momentum are no Settings .*'momentum'.*; expected taps, seed: a"
    with pytest.raises(ValueError, match=message):
        restored(Settings, {"taps": 3, "momentum": 0.9})
