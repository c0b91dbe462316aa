"""Full disks, folders that are none, rights that are missing: a sentence, and nothing is lost."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import read_record
from convsim.experiments.runner import Task
from convsim.experiments.sweep import TRAINING
from convsim.files import write_atomically
from convsim.training.checkpoint import read_history

pytestmark = pytest.mark.usefixtures("one_thread")

TABLE5 = ["table5", "--conditions", "baseline,init", "--widths", "1", "--seeds", "1"]
TABLE5 += ["--epochs", "1", "--precision", "float32", "--data", "digits"]
RUNS = [TrainingSettings(name, 1, 0, 1, "digits", "float32") for name in ("baseline", "init")]


def run(folder: Path, *options: str) -> list[str]:
    return ["run", *TABLE5, "--device", "cpu", "--results", str(folder), *options]


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and "Traceback" not in result.output
    return errors[0].removeprefix("Error: ")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_takes_no_more_leaves_what_is_there(
    number: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "file"
    write_atomically(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=os.strerror(number)) as raised:
            write_atomically(path, "new")
    assert raised.value.filename == str(path) and str(path) in str(raised.value)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_sentence_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = [], os.fsync

    def full(file: int) -> None:
        synced.append(file)
        if len(synced) == 4:  # checkpoint and record of the first run, checkpoint of the second
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        text = refused(*run(tmp_path))
    first, second = (TRAINING.path(settings, tmp_path) for settings in RUNS)
    assert text == (
        f"{second} cannot be used (No space left on device); expected room for it: free some on "
        "its disk, or name a folder on another one"
    )
    before = read_record(first)
    assert len(read_history(Task(TRAINING, RUNS[1]).checkpoint(tmp_path))[1]) == 1
    result = CliRunner().invoke(app, run(tmp_path))
    assert result.exit_code == 0 and "2 done" in result.stdout
    assert read_record(first) == before and read_record(second).metrics["epochs"]


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
sys.argv[0] = "convsim"
runpy.run_module("convsim", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_file_that_may_not_grow_is_a_sentence_in_every_process(jobs: str, tmp_path: Path) -> None:
    """A real limit of the system, which the processes of runs inherit."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    words = [sys.executable, "-c", LIMITED, *run(tmp_path, "--jobs", jobs)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and "expected room for it" in done.stderr
    assert ".safetensors cannot be used (File too large)" in done.stderr.splitlines()[-1]
    assert not [*tmp_path.glob("*.json"), *tmp_path.glob(".checkpoints/*.safetensors")]


def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    text = refused(*run(Path("/proc/convsim")))
    assert text.startswith("/proc/convsim cannot be used (") and "; expected " in text
    if os.geteuid() == 0:  # who may everything
        return
    tmp_path.chmod(0o500)
    text = refused(*run(tmp_path))
    assert text.startswith(f"{tmp_path}/.checkpoints cannot be used (Permission denied); expected")


def test_rights_that_are_missing_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    text = refused(*run(tmp_path))
    assert text.startswith(f"{tmp_path}/.checkpoints cannot be used (Permission denied); expected ")
    assert text.endswith("change the rights of file and folder, or name another folder")


def test_a_folder_that_is_not_there_is_listed_by_nobody_and_made_by_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    for words in (["table1"], ["floor"], ["overlap"], ["table5"], TABLE5):
        text = refused("status", *words, "--results", str(folder))
        assert text == (
            f"{folder} is not there; expected a folder of records: name another one, or let "
            "`convsim run` make it"
        )
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(app, run(folder)).exit_code == 0
    assert len(list(folder.glob("*.json"))) == 2


def test_a_file_in_place_of_a_folder_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    assert refused("status", "table1", "--results", str(file)).startswith(f"{file} is a file; exp")
    for folder in (file, file / "below"):
        text = refused(*run(folder))
        assert text.startswith(f"{folder}") and "expected a folder in its place: move" in text
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / ".checkpoints").write_text("kept")
    text = refused(*run(tmp_path / "results"))
    assert text.startswith(f"{tmp_path}/results/.checkpoints cannot be used (File exists); exp")
    images = ["--data", "CIFAR-10", "--data-dir", str(file)]
    assert refused(*run(tmp_path / "other", *images)).startswith(f"no CIFAR-10 in {file}; expected")
    assert file.read_text() == "kept" and not (tmp_path / "other").exists()


def test_a_folder_in_place_of_a_record_is_a_sentence(tmp_path: Path) -> None:
    path = TRAINING.path(RUNS[0], tmp_path)
    path.mkdir(parents=True)
    for words in (run(tmp_path), ["status", *TABLE5, "--results", str(tmp_path)]):
        assert refused(*words).startswith(
            f"{path} cannot be used (Is a directory); expected a file"
        )


def test_an_output_that_is_full_is_a_sentence(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "convsim", "status", "floor"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: the output cannot be used (No space left on device); exp")
