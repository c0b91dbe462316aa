"""Records that are damaged, changed, in the wrong place or not there: a sentence for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from convsim.experiments.record import read_record, record_path, write_record

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Settings:
    taps: int = 3
    seed: int = 0


def write(folder: Path, settings: Settings) -> Path:
    return write_record("demo", settings, {"value": 1.0}, data="none", started=NOW, folder=folder)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b'{"experiment": "demo"', b'{"experiment": "demo"}', b"[]", b"1", b"null"),
        *(b"\xff\xfe{}", b"[" * 100_000, b'{"a": ' * 100_000, b"1" * 10_000, b"\0" * 500),
    ],
    ids=lambda content: repr(content[:8]),
)
def test_what_is_no_record_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "demo-0123456789.json"
    path.write_bytes(content)
    message = "is not a complete record .* delete the file and run `convsim run demo` again$"
    with pytest.raises(ValueError, match=message):
        read_record(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"value": 1.0', '"value": 7.0', "its checksum differs"),
        ('"value": 1.0', '"value": NaN', "Out of range float values"),
        ('"value": 1.0', '"value": 1e999', "Out of range float values"),
        ('"data": "none"', '"data": "some"', "its checksum differs"),
        ('"data": "none",', "", "missing 1 required positional argument: 'data'"),
        ('"data"', '"date"', "unexpected keyword argument 'date'"),
        ('"checksum"', '"checksun"', "unexpected keyword argument 'checksun'"),
    ],
)
def test_a_record_that_was_changed_is_refused(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    path = write(tmp_path, Settings())
    text = path.read_text()
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=f"^{path} is not a complete record .* again$") as raised:
        read_record(path)
    assert reason in str(raised.value)
    # Spaces and the order of names say nothing.
    path.write_text(json.dumps(dict(reversed(json.loads(text).items()))))
    assert read_record(path).metrics == {"value": 1.0}


def test_a_record_without_a_checksum_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, Settings())
    said = json.loads(path.read_text())
    del said["checksum"]
    path.write_text(json.dumps(said))
    with pytest.raises(ValueError, match="its checksum is missing"):
        read_record(path)


def test_a_record_under_another_name_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, Settings())
    other = path.rename(record_path("demo", Settings(seed=1), tmp_path))
    with pytest.raises(ValueError, match=f"{other.name} is .* \\(it is the record {path.name}\\)"):
        read_record(other)


def test_a_record_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "pairs-0123456789.json"
    runs = "run `convsim run table1` or `convsim run table2` or `convsim run table6`"
    with pytest.raises(ValueError, match=f"{path} is not there; expected a record: {runs}$"):
        read_record(path)
    path.mkdir()
    with pytest.raises(ValueError, match=f"{path} cannot be used .Is a directory.; expected a fil"):
        read_record(path)
