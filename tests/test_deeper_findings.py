"""Verdicts on section 4.3 of the first paper, from records with known numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from convsim.evidence.deeper_findings import deeper_findings
from convsim.evidence.verdicts import AGREE, DIFFER, MIXED, NOT_RUN, OPEN, Finding
from tests import test_forgetting_evidence as epochs
from tests.test_deeper_evidence import save_resnet, save_run

NAMES = {
    "forgets": "A large learning rate forgets the initialisation",
    "momentum": "Momentum raises the minimised L_CS",
    "falling": "β should shrink with the task's loss",
    "figure 4": "ResNet-18, Figure 4: Algorithm 1",
    "figure 5": "ResNet-18, Figure 5: steps of Algorithm 1",
}


def finding(name: str, folder: Path) -> Finding:
    found = {f.what: f for f in deeper_findings(folder)}
    assert [*found] == [*NAMES.values()]
    return found[NAMES[name]]


def test_nothing_is_said_without_records(tmp_path: Path) -> None:
    for name in NAMES:
        found = finding(name, tmp_path)
        assert (found.verdict, found.ours) == (OPEN, NOT_RUN)


def save_similarity(folder: Path, times: float, seed: int, **run: object) -> None:
    """A first epoch after Algorithm 1, at whose end L_CS is some times what it was."""
    with pytest.MonkeyPatch.context() as patch:
        similar = {"similarity": [1.0, 5.0, times]}
        plain = epochs.course
        patch.setattr(epochs, "course", lambda *given: plain(*given) | similar)
        epochs.save_epoch(folder, "init", seed=seed, **run)


@pytest.mark.parametrize(
    ("times", "seeds", "verdict"),
    [((2, 12), 3, AGREE), ((2, 12), 2, OPEN), ((2, 9), 3, DIFFER), ((15, 12), 3, DIFFER)],
)
def test_forgotten_is_what_has_risen_tenfold_and_more_than_at_a_small_rate(
    tmp_path: Path, times: tuple[float, float], seeds: int, verdict: str
) -> None:
    for seed in range(seeds):
        for lr, after in zip((0.01, 0.3), times, strict=True):
            save_similarity(tmp_path, after, seed, learning_rate=lr)
    found = finding("forgets", tmp_path)
    assert found.verdict == verdict
    assert f"is {times[0]} times" in found.ours and f"{times[1]} times at 0.3" in found.ours
    assert found.ours.endswith(f"n = {seeds}")
    assert finding("momentum", tmp_path).verdict == OPEN


@pytest.mark.parametrize(
    ("plain", "momentum", "verdict"), [(1.5, 3, AGREE), (3, 2, DIFFER), (0.5, 0.9, DIFFER)]
)
def test_momentum_has_to_raise_it_and_more_than_sgd(
    tmp_path: Path, plain: float, momentum: float, verdict: str
) -> None:
    for seed in range(3):
        save_similarity(tmp_path, plain, seed)
        save_similarity(tmp_path, momentum, seed, optimizer="momentum")
    found = finding("momentum", tmp_path)
    assert found.verdict == verdict
    assert f"{plain:.2g} times under SGD, {momentum:.2g} times under momentum" in found.ours


@pytest.mark.parametrize(("gain", "verdict"), [(2.0, AGREE), (-2.0, DIFFER)])
def test_a_falling_weight_is_compared_with_the_held_one(
    tmp_path: Path, gain: float, verdict: str
) -> None:
    for seed in range(3):
        assert finding("falling", tmp_path).verdict == OPEN
        save_run(tmp_path, "regularise", 60 + seed, seed=seed)
        save_run(tmp_path, "regularise-falling", 60 + gain + 1.1 * seed, seed=seed)
    found = finding("falling", tmp_path)
    assert found.verdict == verdict
    assert found.ours.startswith(f"{gain + 0.1:+.2f} [")


@pytest.mark.parametrize(
    ("gain", "whole", "verdict"),
    [(20, True, AGREE), (5, True, MIXED), (-5, True, DIFFER), (20, False, OPEN)],
)
def test_figure_4_is_judged_in_the_cell_that_the_text_names(
    tmp_path: Path, gain: float, whole: bool, verdict: str
) -> None:
    size = {"images": 0, "epochs": 50} if whole else {}
    for seed in range(3):
        place = size | {"learning_rate": 0.001, "seed": seed}
        for start, more in (("baseline", 0), ("init", gain + 0.5 * (seed - 1)), ("scale", 1)):
            save_resnet(tmp_path, start, 30 + more, batch_size=128, **place)
            save_resnet(tmp_path, start, 30, batch_size=64, **place)
    found = finding("figure 4", tmp_path)
    assert found.verdict == verdict
    assert found.ours.startswith(f"{gain:+.2f} [") and f"{gain - 1:+.2f} [" in found.ours


@pytest.mark.parametrize(
    ("early", "late", "whole", "verdict"),
    [(6, 10, True, AGREE), (4, 10, True, DIFFER), (-6, -10, True, DIFFER), (6, 10, False, OPEN)],
)
def test_figure_5_asks_for_half_of_the_gain_after_60_steps(
    tmp_path: Path, early: float, late: float, whole: bool, verdict: str
) -> None:
    size = {"images": 0, "epochs": 50} if whole else {}
    for seed in range(3):
        place = size | {"learning_rate": 0.01, "batch_size": 64, "seed": seed}
        save_resnet(tmp_path, "baseline", 50, **place)
        for steps, gain in ((60, early), (200, late)):
            save_resnet(tmp_path, "init", 50 + gain, **place, iterations=steps)
    found = finding("figure 5", tmp_path)
    assert found.verdict == verdict
    assert f"{early:+.2f} points after 60 steps, {late:+.2f} after 200" in found.ours
