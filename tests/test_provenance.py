"""The list of all records: each once, what differs in columns, what they share in a line."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from convsim.evidence import provenance
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.overlap import OverlapSettings
from convsim.experiments.record import RESULTS
from tests.made_up import save

TOC = Path(__file__).resolve().parent.parent / "_toc.yml"


@dataclass(frozen=True)
class FloorLike:
    channels: int
    size: float = 3
    seed: int = 0


@dataclass(frozen=True)
class BenchmarkLike:
    device: str = "cpu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for channels in (64, 1, 4):
        changes = {"commit": "0123456789abcdef+" if channels == 4 else "0123456789abcdef"}
        save(tmp_path, "floor", FloorLike(channels), {}, seconds=60.0 * channels, **changes)
    save(tmp_path, "floor", FloorLike(4, size=1000.5, seed=12), {}, seconds=3.14159)
    save(tmp_path, "benchmark", BenchmarkLike(), {}, seconds=10.0, data="noise, seed 7")
    run = TrainingSettings("baseline", loop=1)
    save(tmp_path, "table5", run, {}, seconds=7200.0)
    save(tmp_path, "overlap", OverlapSettings(replace(run, loop=2), trained=True), {})
    return tmp_path


def test_a_training_that_went_on_later_counts_all_its_epochs(tmp_path: Path) -> None:
    metrics = {"epochs": {"seconds": [400.0, 500.0]}}
    save(tmp_path, "table5", TrainingSettings("baseline"), metrics, seconds=60.0)
    assert provenance.overview_table(tmp_path).rows[0][-1] == "15.0"
    save(tmp_path, "table5", TrainingSettings("baseline"), metrics, seconds=960.0)
    assert provenance.overview_table(tmp_path).rows[0][-1] == "16.0", "it was not stopped"


def test_experiments_are_counted_and_their_minutes_added(folder: Path) -> None:
    table = provenance.overview_table(folder)
    assert table.columns == tuple(
        ("", name) for name in ("experiment", "what it asks", "n", "seeds", "min")
    )
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == ["floor", "benchmark", "table5", "overlap"]
    assert rows["floor"][1] == provenance.EXPERIMENTS["floor"]
    assert rows["floor"][2:] == ("4", "0, 12", "69.1")  # 64 + 1 + 4 minutes and 3 seconds
    assert rows["benchmark"][2:] == ("1", "in the data", "0.2")
    assert rows["table5"][2:] == ("1", "0", "120.0")
    assert rows["overlap"][3] == "0", "the seed of the training"
    assert table.source == "7 records." and table.prose


def test_what_differs_has_a_column_and_what_does_not_is_said_once(folder: Path) -> None:
    floor = provenance.record_tables(folder)[0]
    assert floor.columns == tuple(
        ("", name) for name in ("record", "channels", "size", "seed", "seconds", "commit")
    )
    # By numbers, not by letters: 4 before 64, and 3 before 1000.5.
    assert [row[1:] for row in floor.rows] == [
        ("1", "3", "0", "60", "0123456"),
        ("4", "3", "0", "240", "0123456+"),
        ("4", "1000.5", "12", "3.14", "outside git"),
        ("64", "3", "0", "3,840", "0123456"),
    ]
    files = [path.name for path in folder.glob("floor-*.json")]
    assert sorted(row[0] for row in floor.rows) == sorted(files)
    assert floor.caption == f"floor: {provenance.EXPERIMENTS['floor']}."
    assert floor.source == (
        "All: data: made up; hardware: a machine; started: 2026-02-03 04:05; "
        "versions: python 3.99, torch 9.8.7; command: convsim run."
    )


def test_settings_inside_settings_stand_beside_them(folder: Path) -> None:
    tables = {table.caption.split(":")[0]: table for table in provenance.record_tables(folder)}
    assert list(tables) == ["floor", "benchmark", "table5", "overlap"]
    shared = tables["overlap"].source
    for words in ("condition: baseline", "learning rate: 0.01", "trained: True", "loop: 2"):
        assert words in shared
    assert tables["table5"].source.startswith("All: loop: 1; condition: baseline; width: 64")
    assert "loop" not in tables["benchmark"].source


def test_what_only_some_records_state_shares_the_last_column(tmp_path: Path) -> None:
    for changes in ({}, {"optimizer": "SGDP"}, {"optimizer": "Adam", "images": 5000}):
        save(tmp_path, "table5", TrainingSettings("baseline", loop=2, **changes), {})  # type: ignore[arg-type]
    (table,) = provenance.record_tables(tmp_path)
    assert [name for _, name in table.columns] == ["record", "besides"]
    expected = ["", "optimizer: Adam; images: 5000", "optimizer: SGDP"]
    assert [row[1] for row in table.rows] == expected


@pytest.mark.parametrize(("others", "gathered"), [(3, True), (4, False)])
def test_a_setting_that_few_change_shares_the_last_column(
    tmp_path: Path, others: int, gathered: bool
) -> None:
    for seed in range(19 - others):
        save(tmp_path, "table5", TrainingSettings("baseline", seed=seed, loop=2), {})
    for seed in range(others):
        changed = TrainingSettings("baseline", seed=seed, loop=2, batch_size=64)
        save(tmp_path, "table5", changed, {})
    (table,) = provenance.record_tables(tmp_path)
    last = "besides" if gathered else "batch size"
    assert [name for _, name in table.columns] == ["record", "seed", last]
    usual = "" if gathered else "512"
    special = "batch size: 64" if gathered else "64"
    assert Counter(row[2] for row in table.rows) == {usual: 19 - others, special: others}
    assert table.source.endswith(" Usually: batch size: 512.") == gathered


def test_words_are_sorted_after_numbers(tmp_path: Path) -> None:
    for device in ("cpu", "9", "1,000", "20"):
        save(tmp_path, "benchmark", BenchmarkLike(device), {})
    (table,) = provenance.record_tables(tmp_path)
    assert [row[1] for row in table.rows] == ["9", "20", "1,000", "cpu"]


@pytest.mark.parametrize(("seconds", "shown"), [(9.994, "9.99"), (10.0, "10"), (1234.5, "1,234")])
def test_seconds_have_digits_that_matter(tmp_path: Path, seconds: float, shown: str) -> None:
    save(tmp_path, "benchmark", BenchmarkLike("a"), {}, seconds=seconds)
    save(tmp_path, "benchmark", BenchmarkLike("b"), {}, seconds=0.5)
    (table,) = provenance.record_tables(tmp_path)
    column = [name for _, name in table.columns].index("seconds")
    assert table.rows[0][column] == shown and table.rows[1][column] == "0.50"


def test_a_record_of_an_unknown_experiment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^no record lies in {tmp_path}: `convsim run NAME`"):
        provenance.all_records(tmp_path)
    path = save(tmp_path, "new", BenchmarkLike(), {})
    with pytest.raises(ValueError, match=rf"{path.name} is of the experiment 'new'; expected one"):
        provenance.all_records(tmp_path)


def test_every_record_of_the_book_is_listed_once() -> None:
    tables = provenance.record_tables()
    listed = [row[0] for table in tables for row in table.rows]
    assert sorted(listed) == sorted(path.name for path in RESULTS.glob("*.json"))
    for table in tables:
        text = table.source + " ".join(name for _, name in table.columns)
        for key in ("data", "hardware", "seconds", "versions", "commit", "command"):
            assert key in text
        assert "seed" in text
    assert f"{len(listed)} records" in provenance.overview_table().source


def test_each_experiment_says_which_chapters_print_it() -> None:
    parts = yaml.safe_load(TOC.read_text())["parts"]
    entries = [entry for part in parts for entry in part["chapters"]]
    chapters = {Path(entry["file"]).name.replace("-", " ") for entry in entries}
    for name, words in provenance.EXPERIMENTS.items():
        named = re.search(r"\((.+)\)$", words)
        assert named and set(named[1].lower().split(", ")) <= chapters, name
    recorded = provenance.all_records()
    assert list(recorded) == [name for name in provenance.EXPERIMENTS if name in recorded]
