"""The command refuses what it cannot run, with a message."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import pairs, plan, runner
from convsim.experiments.conditions import OWN_RATE, PENALISED
from convsim.experiments.record import read_record, read_records
from convsim.experiments.runner import Machine, Task

PLANNED = len(plan.planned())
SEARCHES = 4 + len(PENALISED) + len(OWN_RATE)  # decov, decay, rates of SGD and of momentum


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--conditions", "init,magic"], "'magic' is no condition; expected one of baseline, init"),
        (["--widths", "64,wide"], "widths are '64,wide'; expected whole numbers such as 64,128"),
        (["--widths", ""], "widths are ''; expected whole numbers"),
        (
            ["--data", "CIFAR-10", "--data-dir", "nowhere"],
            "no CIFAR-10 in nowhere; expected cifar-10-batches-py/",
        ),
        (["--data", "CIFAR-10"], "no folder of CIFAR-10 is given; expected one: add `--data-dir"),
        (["--data", "MNIST"], "'MNIST' is no data set; expected one of CIFAR-10, digits"),
        (["--model", "LeNet"], "'LeNet' is no model; expected one of ShallowCNN"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--device", "meta"], "device 'meta' cannot be used (Tensor.item() cannot be called"),
        (["--device", ""], "device '' cannot be used (Device string must not be empty); expected"),
        (["--precision", "half"], "precision is 'half'; expected one of float32"),
        (["--precision", "half", "--widths", "4"], "precision is 'half'; expected one of float32"),
        (["--precision", "tf32"], "precision is 'tf32' on cpu; expected an NVIDIA GPU for it"),
        (["--widths", "4,0"], "width is 0; expected a whole number, 1 or more"),
        (["--widths", "-4"], "widths are '-4'; expected whole numbers"),
        (["--questions", "8,x"], "questions are '8,x'; expected whole numbers such as 8,18"),
        (["--questions", "8,0"], "question 0 is not in the plan; expected numbers from 1 to"),
        (["--questions", "8", "--seeds", "2"], "questions come with seeds; expected one or the"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
        (["--seeds", "0"], "Invalid value for '--seeds'"),
    ],
)
def test_command_errors_are_messages(tmp_path: Path, options: list[str], text: str) -> None:
    command = ["run", "table5", "--data", "digits", "--device", "cpu"]
    command += ["--results", str(tmp_path), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "work_through", begin)
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert text in " ".join(result.output.split())
    assert "run/s" not in result.output and "?run" not in result.output


def test_runs_on_unknown_data_are_not_listed_as_missing(tmp_path: Path) -> None:
    command = ["status", "table5", "--data", "data/cifar10", "--results", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert "'data/cifar10' is no data set; expected one of CIFAR-10, digits" in result.output


def begin(*_: object, **__: object) -> None:
    raise AssertionError("options are looked at before the first run")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_images_that_are_not_whole_are_a_message(tmp_path: Path, jobs: str) -> None:
    """In one process before the first run, in others as soon as one of them looks."""
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(b"\x80")
    command = ["run", "table5", "--data-dir", str(tmp_path / "data"), "--device", "cpu"]
    result = CliRunner().invoke(app, [*command, "--results", str(tmp_path / "r"), "--jobs", jobs])
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith(f"Error: {folder} is incomplete or damaged: ")
    assert (f"0/{PLANNED + SEARCHES}" in result.stderr) == (jobs == "2")


def test_the_version_is_printed() -> None:
    expected = f"convsim {version('convsim')}\n"
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, expected)
    words = [sys.executable, "-m", "convsim", "--version"]
    assert subprocess.run(words, capture_output=True, text=True).stdout == expected


def test_without_a_command_the_commands_are_listed() -> None:
    for words in ([], ["run"], ["status"]):
        result = CliRunner().invoke(app, words)
        assert "Usage: " in result.output and "Commands:" in result.output


def test_a_record_names_the_command_that_was_typed(tmp_path: Path) -> None:
    typed = ["run", "table5", "--conditions", "baseline", "--widths", "1", "--seeds", "1"]
    typed += ["--epochs", "1", "--data", "digits", "--device", "cpu"]
    expected = f"convsim {' '.join(typed)} --results"
    # From a test, as a module, and in a process of its own.
    assert CliRunner().invoke(app, [*typed, "--results", str(tmp_path / "a")]).exit_code == 0
    words = [sys.executable, "-m", "convsim", *typed, f"--results={tmp_path / 'b'}"]
    subprocess.run(words, check=True, capture_output=True)
    words = [sys.executable, "-m", "convsim", *typed, "--results", str(tmp_path / "c")]
    subprocess.run([*words, "--jobs", "2"], check=True, capture_output=True)
    for folder, end in (("a", " a"), ("b", "=b"), ("c", " c --jobs 2")):
        (record,) = read_records("table5", tmp_path / folder)
        assert record.command == expected + end


def test_runs_from_python_name_the_command_of_their_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "measure", lambda *_: {})
    machine = Machine(folder=tmp_path, progress=False)
    for table in ("table1", "table6"):
        row = pairs.TABLES[table][0]
        runner.run([Task(pairs.PAIRS, row)], machine, progress=False)
        record = read_record(pairs.PAIRS.path(row, tmp_path))
        assert record.command == f"convsim run {table}"
    other = replace(pairs.TABLES["table1"][0], episodes=5)
    runner.run([Task(pairs.PAIRS, other)], machine, progress=False)
    assert read_record(pairs.PAIRS.path(other, tmp_path)).command == "convsim run table1"


def test_an_experiment_has_its_own_options_only(tmp_path: Path) -> None:
    for command in (["run", "table1", "--widths", "64"], ["status", "overlap", "--epochs", "3"]):
        result = CliRunner().invoke(app, [*command, "--results", str(tmp_path)])
        assert result.exit_code == 2 and "No such option" in result.output


def test_digits_are_listed_where_they_are_recorded(tmp_path: Path) -> None:
    selected = ["table5", "--conditions", "baseline", "--widths", "1", "--seeds", "1"]
    selected += ["--epochs", "1", "--data", "digits", "--results", str(tmp_path)]
    for command in ("run", "status"):
        result = CliRunner().invoke(app, [command, *selected])
        assert result.exit_code == 0, result.output
        assert "1 done: nothing is left to run." in result.output
    result = CliRunner().invoke(app, ["status", "table5", *selected[1:-4], *selected[-2:]])
    assert "1 missing" in result.output  # on CIFAR-10


def test_an_experiment_on_networks_says_that_there_are_none(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "maps", "--results", str(tmp_path)])
    assert result.exit_code == 0 and "none is kept beside these records" in result.output


def test_questions_of_the_plan_are_run_and_listed_by_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(runner, "run", lambda tasks, *_, **__: asked.extend(tasks))
    second, first = (plan.planned("digits", [number]) for number in (2, 1))
    for command in ("run", "status"):
        options = ["--questions", "2, 1", "--data", "digits", "--results", str(tmp_path)]
        result = CliRunner().invoke(app, [command, "table5", *options])
        assert result.exit_code == 0, result.output
        lines = result.output.splitlines()
        for line, run in zip(lines, [*second, *first], strict=False):
            assert line.startswith(str(run)) and line.endswith("missing")
        assert len(lines) == len(second) + len(first) + 1
    assert [task.settings for task in asked] == [*second, *first]


def test_the_plan_on_other_data_is_listed_on_these_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run", lambda *_, **__: None)
    for command in ("run", "status"):
        options = ["table5", "--data", "digits", "--results", str(tmp_path)]
        result = CliRunner().invoke(app, [command, *options])
        assert result.exit_code == 0, result.output
        lines = result.output.splitlines()
        assert len(lines) == PLANNED + 1 and lines[-1].startswith(f"{PLANNED} missing")
