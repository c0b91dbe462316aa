"""What the command says of damaged files: one sentence, exit code 2, and nothing is lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import networks, plan, runner
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import read_record
from convsim.experiments.runner import Machine, Task
from convsim.experiments.sweep import TRAINING
from convsim.models import ShallowCNN
from convsim.training.checkpoint import save_checkpoint
from tests.bit_flips import EPOCHS, SETTINGS

pytestmark = pytest.mark.usefixtures("one_thread")

COMMAND = ["table5", "--conditions", "baseline", "--widths", "1", "--seeds", "1", "--epochs", "1"]
COMMAND += ["--precision", "float32", "--data", "digits"]
RUN = TrainingSettings("baseline", 1, 0, 1, "digits", "float32")


def refused(*words: str) -> str:
    """The one sentence of a command that cannot be carried out."""
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit) and result.stdout == ""
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1  # no bar either
    return result.stderr.removeprefix("Error: ").removesuffix("\n")


def without_bit(path: Path) -> bytes:
    """Flip a bit near the end of a file, where its numbers are; what it was before."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-99] + bytes([whole[-99] ^ 1]) + whole[-98:])
    return whole


def test_the_command_says_which_record_is_damaged_and_loses_nothing(tmp_path: Path) -> None:
    folder = ["--results", str(tmp_path)]
    run = ["run", *COMMAND, "--device", "cpu", *folder]
    assert CliRunner().invoke(app, run).exit_code == 0
    path = TRAINING.path(RUN, tmp_path)
    assert read_record(path).command == (
        f"convsim run {' '.join(COMMAND)} --device cpu --results {tmp_path.name}"
    )
    whole = without_bit(path)
    damaged = path.read_bytes()
    for words in (["status", *COMMAND, *folder], run, [*run, "--jobs", "2"]):
        text = refused(*words)
        assert text.startswith(f"{path} is not a complete record (")
        assert text.endswith("delete the file and run `convsim run table5` again")
        assert path.read_bytes() == damaged
    path.write_bytes(whole)
    assert "1 done" in CliRunner().invoke(app, ["status", *COMMAND, *folder]).stdout


def test_the_command_says_which_checkpoint_is_damaged_and_loses_nothing(tmp_path: Path) -> None:
    path = Task(TRAINING, RUN).checkpoint(tmp_path)
    save_checkpoint(path, ShallowCNN(1), SETTINGS, EPOCHS[:1])
    without_bit(path)
    damaged = path.read_bytes()
    folder = ["--results", str(tmp_path)]
    text = refused("status", *COMMAND, *folder)
    assert text.startswith(f"{path} cannot be read as a checkpoint (its checksum differs); ex")
    for jobs in ("1", "2"):
        run = ["run", *COMMAND, "--device", "cpu", "--jobs", jobs, *folder]
        assert refused(*run) == text
    assert path.read_bytes() == damaged and not list(tmp_path.glob("*.json"))


def test_a_record_of_two_bytes_stops_every_command(tmp_path: Path) -> None:
    path = tmp_path / "floor-73843f8a6a.json"
    path.write_bytes(b"\xff{")
    for command in ("run", "status"):
        assert refused(command, "floor", "--results", str(tmp_path)).startswith(f"{path} is not a ")
    path.rename(tmp_path / "table5-73843f8a6a.json")
    for command in (["status", "table5"], ["status", "overlap"], ["run", "overlap", *COMMAND[-2:]]):
        text = refused(*command, "--results", str(tmp_path))
        assert text.endswith("delete the file and run `convsim run table5` again")


# Networks beside their records.


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a training of two epochs and its network."""
    monkeypatch.setattr(networks, "WIDTH", 1)
    words = ["run", *COMMAND, "--device", "cpu", "--results", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    return TRAINING.path(RUN, tmp_path).with_suffix(".safetensors")


def test_a_damaged_network_names_file_and_remedy(kept: Path) -> None:
    without_bit(kept)
    record = read_record(kept.with_suffix(".json"))
    message = (
        f"{kept} cannot be read as a network (its checksum differs); expected a file that convsim "
        f"wrote, unchanged: delete it and {kept.stem}.json, and run `convsim run table5` again"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        networks.load_network(record, kept.parent)
    # And before anything is measured.
    assert refused("run", "overlap", "--data", "digits", "--results", str(kept.parent)) == message


def test_a_network_of_another_run_is_refused(kept: Path) -> None:
    other = TrainingSettings("init", 1, 0, 1, "digits", "float32")
    kept.write_bytes(networks.compressed(ShallowCNN(1), other))
    record = read_record(kept.with_suffix(".json"))
    with pytest.raises(ValueError, match=f"{kept} is of .*'init, w.*; expected .*'baseline, widt"):
        networks.load_network(record, kept.parent)


def test_runs_find_what_they_need_without_reading_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is read once when the runs begin, or once when it has been written."""
    read: list[str] = []

    def count(path: Path) -> Any:
        read.append(path.name)
        return read_record(path)

    monkeypatch.setattr(runner, "read_record", count)
    rows = plan.selected(
        conditions=("baseline", "learning-rate"),
        **{"widths": (1,), "seeds": 2, "epochs": 1, "data": "digits", "precision": "float32"},
    )
    machine = Machine(folder=tmp_path, progress=False)
    for _ in range(2):
        runner.run(TRAINING.tasks(rows), machine, progress=False)
        assert len(read) == len(set(read)) == 5
        read.clear()
    assert {read_record(path).command for path in tmp_path.glob("*.json")} == {"convsim run table5"}
