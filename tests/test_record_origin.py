"""Where a record says it comes from: command, versions, processor, commit."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from convsim.experiments import origin
from convsim.experiments.origin import command_line, hardware_in_words
from convsim.experiments.record import make_record, read_record, write_record

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Settings:
    taps: int = 3
    seed: int = 0


def test_a_record_is_put_together_from_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/convsim", "run", "two words"])
    started = datetime.now(timezone(timedelta(hours=2))) - timedelta(seconds=100)
    record = make_record(
        "demo", Settings(taps=5), {"value": 2 / 3}, data="some images", started=started
    )
    assert (record.experiment, record.settings) == ("demo", {"taps": 5, "seed": 0})
    assert record.metrics == {"value": 0.666667}
    assert record.data == "some images"
    expected = started.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    assert record.started == expected
    assert 100 <= record.seconds < 110 and record.seconds == round(record.seconds, 2)
    assert record.command == "convsim run 'two words'"
    asked = make_record("demo", Settings(), {}, data="x", started=started, command="convsim now")
    assert asked.command == "convsim now"
    assert record.versions == {
        **{name: version(name) for name in ("convsim", "torch", "numpy")},
        "python": platform.python_version(),
    }
    assert record.hardware == hardware_in_words(torch.device("cpu"))


def test_a_record_names_the_device_that_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    given = {"data": "x", "started": NOW}
    assert make_record("demo", Settings(), {}, device="cuda:1", **given).hardware == "GPU 1"
    path = write_record("demo", Settings(), {}, device="cuda:2", folder=tmp_path, **given)
    assert read_record(path).hardware == "GPU 2" and read_record(path).data == "x"


def test_the_processor_is_named_with_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("vendor: x\nmodel name\t:  Fast  (R)   CPU\nmodel name\t: another\n")
    asked = []

    def path(name: str) -> Path:
        asked.append(name)
        return cpuinfo

    monkeypatch.setattr(origin, "Path", path)
    threads = f", {torch.get_num_threads()} threads"
    cpu = torch.device("cpu")
    assert hardware_in_words(cpu) == "Fast (R) CPU" + threads
    assert set(asked) == {"/proc/cpuinfo"}
    monkeypatch.setattr(platform, "processor", lambda: "some  CPU")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    cpuinfo.write_text("vendor: x\n")
    assert hardware_in_words(cpu) == "some CPU" + threads
    cpuinfo.unlink()
    assert hardware_in_words(cpu) == "some CPU" + threads
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert hardware_in_words(cpu) == "arm64" + threads


def test_the_command_line_can_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["convsim", "run", "table5", "--data-dir", "my folder"]
    monkeypatch.setattr("sys.argv", ["/opt/bin/convsim", *words[1:]])
    assert shlex.split(command_line()) == words


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the module takes for its package."""
    package = tmp_path / "repository" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(origin, "PACKAGE", package)
    return package


def commit_of() -> str | None:
    return make_record("demo", Settings(), {}, data="x", started=NOW).commit


def test_the_commit_is_that_of_the_package_with_a_plus_if_it_was_changed(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit_of() is None, "no repository"
    repository = package.parent
    git(repository, "init", "-q")
    assert commit_of() is None, "a repository around a package that is not tracked"
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "first")
    head = git(repository, "rev-parse", "HEAD")
    assert commit_of() == head and re.fullmatch("[0-9a-f]{40}", head)
    (repository / "outside").write_text("changes outside the package do not count")
    (package / "new.py").write_text("nor do files that are not tracked")
    git(repository, "add", "outside")
    assert commit_of() == head
    (package / "__init__.py").write_text("changed")
    assert commit_of() == head + "+"
    monkeypatch.setenv("PATH", "")
    assert commit_of() is None, "no git on this machine"


def test_folders_of_this_machine_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [".venv/bin/convsim", "run", "table5", "--data-dir", "/home/me/cifar10", "--jobs", "2"]
    monkeypatch.setattr("sys.argv", words)
    assert command_line() == "convsim run table5 --data-dir cifar10 --jobs 2"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([str(origin.PACKAGE / "__main__.py"), "run", "floor"], "convsim run floor"),
        (["/usr/local/bin/convsim", "run", "floor"], "convsim run floor"),
        (["benchmarks/similarity.py"], "python benchmarks/similarity.py"),
        (["/home/me/book/benchmarks/overlap.py", "--results", "/x/y"], None),
        (["/home/me/mine.py", "a b"], "python mine.py 'a b'"),
        (
            ["convsim", "run", "table5", "--data-dir=/home/me/c10"],
            "convsim run table5 --data-dir=c10",
        ),
    ],
)
def test_a_command_is_one_that_can_be_typed(words: list[str], expected: str | None) -> None:
    expected = expected or "python benchmarks/overlap.py --results y"
    assert command_line(words) == expected


@pytest.mark.parametrize("program", ["-c", "", "/x/bin/pytest", "/x/pytest/__main__.py", "worker"])
def test_records_made_by_no_command_of_ours_name_the_one_that_makes_them(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [program, "--what", "ever"])
    for experiment, command in (
        ("floor", "convsim run floor"),
        ("table5choice", "convsim run table5"),
        ("trainingbenchmark", "python benchmarks/training.py"),
    ):
        made = make_record(experiment, Settings(), {}, data="x", started=NOW)
        assert made.command == command
