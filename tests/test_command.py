"""The command refuses what it cannot run, with a message."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import runner


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
        (["--precision", "half", "--widths", "4"], "precision is 'half'; expected one of float32"),
    ],
)
def test_command_errors_are_messages(tmp_path: Path, options: list[str], text: str) -> None:
    command = ["run", "table5", "--data", "digits", "--device", "cpu"]
    command += ["--results", str(tmp_path), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert text in " ".join(result.output.split())


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


def test_the_plan_on_other_data_is_listed_on_these_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run", lambda *_, **__: None)
    for command in ("run", "status"):
        options = ["table5", "--data", "digits", "--results", str(tmp_path)]
        result = CliRunner().invoke(app, [command, *options])
        assert result.exit_code == 0, result.output
        lines = result.output.splitlines()
        assert len(lines) == 70 + 1 and lines[-1].startswith("70 missing")
