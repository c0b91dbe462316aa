"""How far a plan of trainings is, by records and checkpoints written for it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.data import digits
from convsim.experiments import plan, sweep
from convsim.experiments import standing as standing_module
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.plan import BOOK, selected
from convsim.experiments.record import make_record, save_record
from convsim.experiments.runner import Task
from convsim.experiments.standing import Standing, hours_left, report, standing
from convsim.experiments.sweep import CHOICE, TRAINING
from convsim.models import ShallowCNN
from convsim.training import fit
from convsim.training.checkpoint import save_checkpoint
from convsim.training.history import Epoch, Stopped

COPY, PLANNED = "CIFAR-10 (JPEG copy)", len(plan.planned())
PRODUCTS = {
    width: 9 * width * (3 * 34**2 + width * (19**2 + 11**2 + 7**2) + 10) for width in (64, 128)
}
"""Of one image: taps, channels and kernels at every position of the maps, and the classifier."""


def test_selected_is_every_condition_with_every_width_and_seed() -> None:
    rows = selected()
    assert len(rows) == len(set(rows)) == len(CONDITIONS) * 2 * 5 + 1
    each = 5 * len(CONDITIONS)
    assert Counter(row.width for row in rows) == {64: each, 128: each, 512: 1}
    assert Counter(r.condition for r in rows if r.width == 64) == dict.fromkeys(CONDITIONS, 5)
    assert [(r.condition, r.seed) for r in rows if r.width == 512] == [("baseline", 0)]
    assert {(r.epochs, r.data, r.batch_size) for r in rows} == {(100, "CIFAR-10", 512)}
    some = selected(conditions=("init",), widths=(4,), seeds=2, epochs=3, precision="float32")
    assert some == [TrainingSettings("init", 4, seed, 3, "CIFAR-10", "float32") for seed in (0, 1)]
    assert selected(conditions=("init", "init"), widths=(4, 4), seeds=1) == selected(
        conditions=("init",), widths=(4,), seeds=1
    )


def test_some_questions_of_the_plan_are_planned_by_their_numbers() -> None:
    last = len(BOOK)
    both = [*BOOK[last - 1].runs, *BOOK[0].runs]
    assert plan.planned(questions=[last, 1, last]) == both
    assert plan.planned("digits", [1]) == [replace(r, data="digits") for r in BOOK[0].runs]
    assert plan.planned(questions=range(1, last + 1)) == plan.planned()
    for unknown in (0, last + 1):
        with pytest.raises(ValueError, match=f"question {unknown} is not in the plan.*to {last}"):
            plan.planned(questions=[1, unknown])


def record(folder: Path, settings: TrainingSettings | sweep.ChoiceSettings, **metrics: Any) -> None:
    name = TRAINING.name if isinstance(settings, TrainingSettings) else CHOICE.name
    made = make_record(name, settings, metrics, data="x", started=datetime.now(timezone.utc))
    save_record(replace(made, hardware="an abacus"), settings, folder)


def begin(folder: Path, settings: TrainingSettings, *seconds: float) -> None:
    """Leave the checkpoint of a run whose epochs took some seconds."""
    save_checkpoint(
        Task(TRAINING, settings).checkpoint(folder),
        ShallowCNN(1),
        {"data": settings.data},
        [
            Epoch(number, 1.0, 50.0, 50.0, {}, {}, {}, duration)
            for number, duration in enumerate(seconds, start=1)
        ],
    )


def row(condition: str = "baseline", width: int = 64, **changed: Any) -> TrainingSettings:
    return TrainingSettings(condition, width, **{"epochs": 4, **changed})


HOLD = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def another_process_in(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(folder / ".checkpoints" / ".lock")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield
        process.communicate("")


def test_records_tell_what_is_done(tmp_path: Path) -> None:
    record(tmp_path, row(epochs=4))
    record(tmp_path, row("init", data=COPY))
    record(tmp_path, row("init", epochs=3))
    record(tmp_path, row("scale", data=COPY), diverged="epoch 1")
    record(tmp_path, row("both", epochs=5))
    record(tmp_path, row("regularise", epochs=3, data=COPY))
    record(tmp_path, row("regularise", epochs=2))
    # None of these is the run that is asked for.
    for changed in ({"loop": 1}, {"seed": 1}, {"precision": "float32"}, {"data": "digits"}):
        record(tmp_path, row("decay", **changed))
    names = ("baseline", "init", "scale", "both", "regularise", "decay")
    assert standing([row(name) for name in names], tmp_path) == [
        Standing(row(), "done", 4, "CIFAR-10, an abacus"),
        Standing(row("init", data=COPY), "done", 4, f"{COPY}, an abacus"),
        Standing(row("scale", data=COPY), "done", 4, f"{COPY}, an abacus, diverged"),
        Standing(row("both"), "done", 5, "CIFAR-10, an abacus"),
        Standing(row("regularise", data=COPY), "missing", 3, f"{COPY}, an abacus"),
        Standing(row("decay"), "missing"),
    ]
    # A copy stands for the data, and not the other way round.
    assert standing([row(data=COPY)], tmp_path)[0].state == "missing"


def test_a_checkpoint_is_stopped_or_running(tmp_path: Path) -> None:
    train, test = digits()
    rows = [row(width=1, data="digits"), row("init", width=1, data="digits")]
    steps = iter(range(100))
    with pytest.raises(Stopped):
        fit(
            *(ShallowCNN(1), train.subset(slice(0, 64)), test.subset(slice(0, 8))),
            epochs=4,
            batch_size=32,
            checkpoint=Task(TRAINING, rows[0]).checkpoint(tmp_path),
            progress=False,
            stop=lambda: next(steps) == 6,  # the first step of the fourth epoch
        )
    stopped = [Standing(rows[0], "stopped", 3, "digits"), Standing(rows[1], "missing")]
    assert standing(rows, tmp_path) == stopped
    with another_process_in(tmp_path):
        assert standing(rows, tmp_path) == [replace(stopped[0], state="running"), stopped[1]]
    assert standing(rows, tmp_path) == stopped
    # A shorter run's record says less than the checkpoint; that of the whole run says all.
    record(tmp_path, replace(rows[0], epochs=2))
    assert standing(rows, tmp_path) == stopped
    record(tmp_path, rows[0])
    with another_process_in(tmp_path):
        assert standing(rows, tmp_path)[0].state == "done"
    # Asked for on CIFAR-10, and under way on a copy.
    begin(tmp_path, row(data=COPY), 1.0)
    assert standing([row()], tmp_path) == [Standing(row(data=COPY), "stopped", 1, COPY)]


def test_a_run_that_ends_while_it_is_looked_at_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path, row(), 1.0)
    read = standing_module.read_history

    def end(path: Path) -> Any:
        record(tmp_path, row())
        path.unlink()
        return read(path)

    monkeypatch.setattr(standing_module, "read_history", end)
    assert [each.state for each in standing([row()], tmp_path)] == ["done"]


def test_the_hours_are_those_of_the_epochs_under_way(tmp_path: Path) -> None:
    def hours(*rows: TrainingSettings) -> float | None:
        return hours_left(standing(rows, tmp_path), tmp_path)

    one, two = row(epochs=100, data=COPY), row(width=128, epochs=100)
    assert hours(one) is None
    record(tmp_path, replace(one, epochs=20))
    assert hours(one) is None
    begin(tmp_path, one, 10, 20, 60)  # median 20
    assert hours(one) == pytest.approx(97 * 20 / 3600)
    assert hours(one, row(epochs=100, seed=1)) == pytest.approx((97 + 100) * 20 / 3600)
    wider = 20 * PRODUCTS[128] / PRODUCTS[64]
    assert hours(one, two) == pytest.approx((97 * 20 + 100 * wider) / 3600)
    begin(tmp_path, replace(two, condition="init"), 70)
    both = one, two, replace(two, condition="init")
    assert hours(*both) == pytest.approx((97 * 20 + 100 * 70 + 99 * 70) / 3600)
    some = replace(one, images=10_000)
    assert hours(one, some) == pytest.approx((97 * 20 + 100 * 20 / 5) / 3600)
    record(tmp_path, replace(one, seed=2))
    assert hours(one, replace(one, seed=2)) == pytest.approx(97 * 20 / 3600)
    assert hours(replace(one, seed=2)) == 0
    # A record of fewer epochs saves nothing.
    record(tmp_path, replace(one, seed=3, epochs=20))
    assert hours(one, replace(one, seed=3)) == pytest.approx((97 + 100) * 20 / 3600)


def test_the_hours_count_a_search_once_and_until_it_is_recorded(tmp_path: Path) -> None:
    def epochs(*conditions: str, length: int = 100, seeds: int = 1) -> float:
        rows = selected(conditions=conditions, widths=(64,), seeds=seeds, epochs=length)
        hours = hours_left(standing([begun, *rows], tmp_path), tmp_path)
        assert hours is not None
        return hours * 3600 / 10 - 99

    begun = row("init", epochs=100, data=COPY)
    begin(tmp_path, begun, 10)
    # Five rates, ten epochs each; of a short run no more than it has.
    assert epochs("learning-rate") == pytest.approx(100 + 50)
    assert epochs("learning-rate", length=4) == pytest.approx(4 + 20)
    assert epochs("learning-rate", "random-bands-rate", seeds=2) == pytest.approx(400 + 50)
    # Three attempts, and the run of Algorithm 2 that they aim at.
    assert epochs("regularise", "decay") == pytest.approx(200 + 300)
    assert epochs("regularise", "decay", length=4) == pytest.approx(8 + 12)
    assert epochs("decay") == pytest.approx(100 + 100 + 300)
    # Three strengths, five epochs each, for the two conditions that want one.
    assert epochs("decov", "decov-scale", seeds=2) == pytest.approx(400 + 15)
    assert epochs("decov", length=4) == pytest.approx(4 + 12)
    record(tmp_path, sweep.ChoiceSettings(row("learning-rate", epochs=100, data=COPY)))
    assert epochs("learning-rate", "random-bands-rate", seeds=2) == pytest.approx(400)


def test_a_report_ends_with_what_is_left(tmp_path: Path) -> None:
    rows = [row(epochs=100), row("init", epochs=100), row("init", seed=1, epochs=100)]
    line = "baseline, width 64, seed 0, 100 epochs            missing"
    lines = list(report(rows, tmp_path))
    assert lines[0] == line and len(lines) == 4
    assert lines[3] == "3 missing. How long the rest takes is known after the first epoch."
    begin(tmp_path, rows[1], *[36] * 50)
    lines = list(report(rows, tmp_path))
    assert lines[1] == (
        "init, width 64, seed 0, 100 epochs                stopped  50 of 100 epochs   CIFAR-10"
    )
    assert lines[3] == (
        "2 missing, 1 stopped. The rest takes one process about 2 hours, as fast as the epochs "
        "under way here."
    )  # 250 epochs of 36 s
    record(tmp_path, rows[0])
    done = "baseline, width 64, seed 0, 100 epochs            done     100 of 100 epochs  CIFAR-10"
    assert list(report(rows[:1], tmp_path)) == [
        f"{done}, an abacus",
        "1 done: nothing is left to run.",
    ]


def test_the_command_lists_the_plan_or_what_is_selected(tmp_path: Path) -> None:
    def lines(*options: str) -> list[str]:
        command = ["status", "table5", "--results", str(tmp_path), *options]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    begin(tmp_path, row("scale", seed=2, epochs=100, data=COPY), 1, 1)
    expected = [
        line
        for number, group in enumerate(BOOK, start=1)
        for line in [f"{number}. {group.question}", *map(str, group.runs)]
    ]
    *listed, last = lines()
    assert [re.split("  +", line)[0] for line in listed] == expected
    states = Counter(re.split("  +", line)[1].split()[0] for line in listed if " epochs" in line)
    assert states == {"missing": PLANNED - 1, "stopped": 1}
    (stopped,) = (line for line in listed if "stopped" in line)
    assert stopped.startswith("scale, width 64, seed 2, ")
    assert stopped.endswith(f" 2 of 100 epochs    {COPY}")
    assert last.startswith(f"{PLANNED - 1} missing, 1 stopped. The rest takes one process about ")

    *listed, last = lines("--conditions", "both, decay", "--widths", "64,512", "--seeds", "2")
    assert [line.split(", ")[:3] for line in listed] == [
        *(["both", "width 64", f"seed {seed}"] for seed in (0, 1)),
        *(["decay", "width 64", f"seed {seed}"] for seed in (0, 1)),
        ["baseline", "width 512", "seed 0"],
    ]
    assert len(lines("--epochs", "3")) == len(CONDITIONS) * 2 * 5 + 1 + 1


def test_looking_leaves_no_trace(tmp_path: Path) -> None:
    list(report(None, tmp_path))
    assert not list(tmp_path.iterdir())
