"""Verdicts on trainings: which records may be asked, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from convsim.evidence.statistics import best_test
from convsim.evidence.sweeps import sweep_records
from convsim.evidence.verdicts import (
    AGREE,
    DIFFER,
    INCONCLUSIVE,
    NOT_RUN,
    OPEN,
    Claim,
    verdict_on,
)
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import read_records
from convsim.models import MODELS, ShallowCNN
from tests.made_up import save

CLAIM = Claim(
    what="Algorithm 1",
    quantity="best test accuracy",
    measure=best_test,
    condition="init",
    control="baseline",
    width=64,
    gain=4.5,
)
COPY = "CIFAR-10 (JPEG copy)"
CLEAN = (4.4, 4.5, 4.7)  # gains that agree


@dataclass(frozen=True)
class Extended(TrainingSettings):
    """Settings of a later day, with a field that old records lack."""

    added: int = 1


def write(folder: Path, settings: TrainingSettings, accuracy: float | None) -> None:
    """A record of a run with this best accuracy; None for one that diverged."""
    diverged = {"diverged": "epoch 1"}
    save(
        folder,
        "table5",
        settings,
        diverged if accuracy is None else {"top_test_accuracy": accuracy},
    )


def write_pairs(folder: Path, gains: Sequence[float | None], settings: TrainingSettings) -> None:
    """Both conditions of ``CLAIM``, a pair for each gain; None where Algorithm 1 diverged."""
    for seed, gain in enumerate(gains):
        level = 70.0 + seed
        write(folder, replace(settings, condition="baseline", seed=seed), level)
        accuracy = None if gain is None else level + gain
        write(folder, replace(settings, condition="init", seed=seed), accuracy)


def on(folder: Path, claim: Claim = CLAIM) -> tuple[str, str]:
    return verdict_on(claim, read_records("table5", folder))


BASE = TrainingSettings("baseline")


@pytest.mark.parametrize(
    ("gains", "verdict", "words"),
    [
        (CLEAN, AGREE, "the claimed size: +4.53 [+4.15 to +4.91]; 100 epochs, 3 seeds"),
        ((0.1, 0.0, -0.1), DIFFER, "no gain: +0.00 [-0.25 to +0.25]; 100 epochs, 3 seeds"),
        ((-3.0, -3.1, -2.9), DIFFER, "the opposite: -3.00 [-3.25 to -2.75]"),
        ((2.0, 2.1, 1.9), DIFFER, "smaller: +2.00 [+1.75 to +2.25]"),
        ((8.0, 8.1, 7.9), DIFFER, "larger: +8.00 [+7.75 to +8.25]"),
        ((8.0, 4.0, 2.0, 5.0), AGREE, "the claimed size: +4.75 [+0.77 to +8.73]; 100 epochs, 4"),
        ((9.0, 1.0, 4.0), INCONCLUSIVE, "zero is not excluded: +4.67 [-5.37 to +14.71]"),
        ((0.5, 1.0, 1.5), INCONCLUSIVE, "zero is not excluded, the claimed size is: +1.00 [-0.24"),
        (CLEAN[:2], OPEN, "+4.45 [+3.81 to +5.09]; 100 epochs, 2 seeds"),
        (CLEAN[:1], OPEN, "+4.40 [n = 1]; 100 epochs, 1 seed"),
    ],
)
def test_records_get_a_verdict(
    tmp_path: Path, gains: tuple[float, ...], verdict: str, words: str
) -> None:
    write_pairs(tmp_path, gains, BASE)
    found = on(tmp_path)
    assert found[0] == verdict
    assert found[1].startswith(words)
    assert "CIFAR" not in found[1]  # the paper's own data need no mention


def test_records_that_do_not_suffice_stay_open(tmp_path: Path) -> None:
    assert on(tmp_path) == (OPEN, NOT_RUN)
    write_pairs(tmp_path, CLEAN, replace(BASE, epochs=20))
    assert on(tmp_path) == (OPEN, "+4.53 [+4.15 to +4.91]; 20 epochs, 3 seeds")
    assert on(tmp_path, replace(CLAIM, epochs=20))[0] == AGREE
    assert on(tmp_path, replace(CLAIM, width=128)) == (OPEN, NOT_RUN)
    assert on(tmp_path, replace(CLAIM, control="scale")) == (OPEN, NOT_RUN)


@pytest.mark.parametrize("gains", [CLEAN, (0.1, 0.0, -0.1), (9.0, 1.0, 4.0)])
def test_other_data_say_nothing_about_the_paper(tmp_path: Path, gains: tuple[float, ...]) -> None:
    write_pairs(tmp_path, gains, replace(BASE, data="digits"))
    verdict, words = on(tmp_path)
    assert verdict == OPEN
    assert words.endswith("100 epochs, 3 seeds, digits")


def test_a_copy_is_admitted_and_named_and_the_original_comes_first(tmp_path: Path) -> None:
    write_pairs(tmp_path, CLEAN, replace(BASE, data=COPY))
    verdict, words = on(tmp_path)
    assert verdict == AGREE and words.endswith("100 epochs, 3 seeds, CIFAR-10 (JPEG copy)")
    write_pairs(tmp_path, [*CLEAN, 4.5], replace(BASE, data="digits"))
    assert on(tmp_path) == (verdict, words)
    write_pairs(tmp_path, (0.1, 0.0, -0.1), BASE)
    assert on(tmp_path)[0] == DIFFER


def test_what_suffices_comes_before_better_data_and_longer_runs(tmp_path: Path) -> None:
    write_pairs(tmp_path, CLEAN, replace(BASE, data=COPY))
    decided = on(tmp_path)
    assert decided[0] == AGREE
    write_pairs(tmp_path, (0.0,), BASE)  # one seed of the original
    write_pairs(tmp_path, (0.0, 0.1), replace(BASE, data=COPY, epochs=200))
    assert on(tmp_path) == decided


def test_much_on_other_data_does_not_hide_little_on_the_papers(tmp_path: Path) -> None:
    write_pairs(tmp_path, [*CLEAN, 4.5], replace(BASE, data="digits"))
    write_pairs(tmp_path, (0.5,), replace(BASE, data=COPY))
    assert on(tmp_path)[1] == "+0.50 [n = 1]; 100 epochs, 1 seed, " + COPY


def test_a_claim_about_a_wide_network_asks_its_records(tmp_path: Path) -> None:
    write_pairs(tmp_path, (0.1, 0.0, -0.1), BASE)
    write_pairs(tmp_path, CLEAN, replace(BASE, width=128))
    assert on(tmp_path)[0] == DIFFER
    assert on(tmp_path, replace(CLAIM, width=128))[0] == AGREE


def test_other_models_say_nothing_about_the_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "AnotherCNN", ShallowCNN)
    write_pairs(tmp_path, [*CLEAN, 4.5], replace(BASE, model="AnotherCNN"))
    assert on(tmp_path) == (OPEN, NOT_RUN)
    write_pairs(tmp_path, CLEAN[:1], replace(BASE, data=COPY))
    assert on(tmp_path)[1].endswith("1 seed, " + COPY)


def test_the_order_of_settings_in_a_file_does_not_matter(tmp_path: Path) -> None:
    write_pairs(tmp_path, CLEAN, BASE)
    for path in sorted(tmp_path.glob("*.json"))[::2]:
        stored = json.loads(path.read_text())
        stored["settings"] = dict(reversed(stored["settings"].items()))
        path.write_text(json.dumps(stored))
    assert on(tmp_path)[0] == AGREE


def test_diverged_runs_are_no_pairs_and_are_counted(tmp_path: Path) -> None:
    write_pairs(tmp_path, (4.4, None, 4.7), BASE)
    verdict, words = on(tmp_path)
    assert verdict == OPEN
    assert words.endswith("100 epochs, 2 seeds, 1 of 3 pairs diverged")
    write_pairs(tmp_path, (4.4, None, 4.7, 4.5), BASE)
    verdict, words = on(tmp_path)
    assert verdict == AGREE
    assert words.endswith("100 epochs, 3 seeds, 1 of 4 pairs diverged")


def test_pairs_that_all_diverged_are_not_called_not_run(tmp_path: Path) -> None:
    write_pairs(tmp_path, (None,), BASE)
    assert on(tmp_path) == (
        OPEN,
        "no pair finished; 100 epochs, 0 seeds, 1 of 1 pairs diverged",
    )


def test_no_sweep_is_preferred_for_having_converged(tmp_path: Path) -> None:
    write_pairs(tmp_path, CLEAN, BASE)
    write_pairs(tmp_path, (4.5, None, None, None), replace(BASE, precision="float32"))
    assert on(tmp_path)[1].endswith("100 epochs, 1 seed, 3 of 4 pairs diverged")


def test_long_pairs_come_before_a_short_sweep_of_more_conditions(tmp_path: Path) -> None:
    short = replace(BASE, epochs=20, data=COPY)
    write_pairs(tmp_path, (0.0, 0.0, 0.0, 0.0, 0.0), short)
    for condition in ("regularise", "scale"):
        for seed in range(5):
            write(tmp_path, replace(short, condition=condition, seed=seed), 70.0)
    write_pairs(tmp_path, CLEAN, replace(short, epochs=100))
    assert {r.settings["epochs"] for r in sweep_records(tmp_path)} == {20}
    verdict, words = on(tmp_path)
    assert verdict == AGREE and "100 epochs, 3 seeds" in words
    # The long sweep lacks this condition: then the short one is shown, and decides nothing.
    verdict, words = on(tmp_path, replace(CLAIM, control="scale"))
    assert verdict == OPEN and "20 epochs, 5 seeds" in words


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, precision="float32"),
        replace(BASE, learning_rate=0.1),
        replace(BASE, data=COPY),
        replace(BASE, epochs=200),
        Extended("baseline"),
    ],
)
def test_different_settings_are_never_paired(tmp_path: Path, other: TrainingSettings) -> None:
    for seed in range(3):
        write(tmp_path, replace(BASE, seed=seed), 70.0)
        write(tmp_path, replace(other, condition="init", seed=seed), 74.5)
    assert on(tmp_path) == (OPEN, NOT_RUN)
    # Two pairs of one kind and two of the other are not four.
    write_pairs(tmp_path, CLEAN[:2], BASE)
    write_pairs(tmp_path, CLEAN[:2], other)
    assert on(tmp_path)[0] == OPEN and "2 seeds" in on(tmp_path)[1]


def test_different_seeds_are_never_paired(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path, replace(BASE, seed=seed), 70.0)
        write(tmp_path, replace(BASE, condition="init", seed=seed + 3), 74.5)
    assert on(tmp_path) == (OPEN, NOT_RUN)
