"""Verdicts on what Belmekki et al. report, from made-up records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convsim.correlation import autocorrelate
from convsim.evidence import similarity_findings as module
from convsim.evidence.similarity_findings import CLAIMS, similarity_findings
from convsim.evidence.verdicts import AGREE, DIFFER, NOT_RUN, OPEN, Finding
from convsim.experiments import paper
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.descent import DescentSettings
from convsim.experiments.pairs import TABLES
from convsim.experiments.record import read_record, record_path
from convsim.models import MODELS, ShallowCNN
from tests.made_up import COPY, LAYERS, save, save_training, summary

RUN = TrainingSettings("baseline", data=COPY)
TABLE_1, TABLES_2_3 = "Table 1, under ⟨K₁, K₂⟩²", "Tables 2 and 3, under L_CS"
LOWERS, WIDE = "Algorithm 1 lowers similarity", "Table 5, width 512: baseline"


NONE_ROSE: dict[str, Any] = {"increase_percent": None, "diverged": 0}


def of_similarity(folder: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in similarity_findings(folder)}


def save_as_printed(folder: Path, table: str, **changes: Any) -> None:
    """Records with the paper's own numbers."""
    rows = paper.PAIRS["table2" if table == "table3" else table]
    for settings, printed in zip(TABLES[table], rows, strict=True):
        metrics = {
            "correlation": summary(*printed.correlation),
            "reduced_percent": printed.reduced_percent,
        }
        save(folder, "pairs", settings, metrics | NONE_ROSE | changes)


@pytest.mark.parametrize(
    ("table", "what", "span"),
    [
        ("table1", TABLE_1, "0.25 to 0.67"),
        ("table2", TABLES_2_3, "0.71 to 0.90"),
        ("table6", "Table 6, valid padding", "0.75 to 0.90"),
    ],
)
def test_equal_numbers_agree(tmp_path: Path, table: str, what: str, span: str) -> None:
    save_as_printed(tmp_path, table)
    found = of_similarity(tmp_path)[what]
    assert found.verdict == AGREE and found.paper == span
    assert found.ours == f"{span}; no row further than 0.0 standard errors"
    others = {TABLE_1, TABLES_2_3, "Table 6, valid padding"} - {what}
    assert all(of_similarity(tmp_path)[other].ours == NOT_RUN for other in others)


@pytest.mark.parametrize(("errors", "verdict"), [(3.9, AGREE), (4.1, DIFFER), (-4.1, DIFFER)])
def test_means_may_lie_four_standard_errors_apart(
    tmp_path: Path, errors: float, verdict: str
) -> None:
    save_as_printed(tmp_path, "table1")
    mean, std = paper.PAIRS["table1"][2].correlation
    # Ours scatters more, and both means are of 1,000 episodes.
    error = np.hypot(2 * std, std) / np.sqrt(1000)
    metrics = {"correlation": summary(mean + errors * error, 2 * std), "reduced_percent": 82.0}
    save(tmp_path, "pairs", TABLES["table1"][2], metrics)
    found = of_similarity(tmp_path)[TABLE_1]
    assert found.verdict == verdict
    assert found.ours.endswith(f"no row further than {abs(errors)} standard errors")


@pytest.mark.parametrize(("errors", "verdict"), [(3.9, AGREE), (4.1, DIFFER)])
def test_shares_are_compared_as_binomials(tmp_path: Path, errors: float, verdict: str) -> None:
    save_as_printed(tmp_path, "table1")
    printed = paper.PAIRS["table1"][1]  # 67.5 %
    low, high = 0.0, 30.0
    for _ in range(60):  # the difference that makes so many standard errors
        more = (low + high) / 2
        shares = np.array([67.5 + more, 67.5]) / 100
        size = more / 100 / np.sqrt((shares * (1 - shares)).sum() / 1000)
        low, high = (more, high) if size < errors else (low, more)
    metrics = {"correlation": summary(*printed.correlation), "reduced_percent": 67.5 + more}
    save(tmp_path, "pairs", TABLES["table1"][1], metrics)
    found = of_similarity(tmp_path)[TABLE_1]
    assert found.verdict == verdict
    assert found.ours.endswith(f"no row further than {errors} standard errors")


@pytest.mark.parametrize(("share", "errors"), [(99.9, 0.8), (98.0, 4.5)])
def test_a_share_of_all_episodes_has_the_error_of_half_an_episode(
    tmp_path: Path, share: float, errors: float
) -> None:
    save_as_printed(tmp_path, "table2")
    printed = paper.PAIRS["table2"][0]  # 100 %
    metrics = {"correlation": summary(*printed.correlation), "reduced_percent": share}
    save(tmp_path, "pairs", TABLES["table2"][0], metrics | NONE_ROSE)
    ours = share / 100
    variance = ours * (1 - ours) + 0.0005 * 0.9995
    assert round((1 - ours) / np.sqrt(variance / 1000), 1) == errors
    found = of_similarity(tmp_path)[TABLES_2_3]
    assert found.ours.endswith(f"no row further than {errors} standard errors")
    assert found.verdict == (AGREE if errors <= 4 else DIFFER)


def test_a_row_without_a_correlation_differs(tmp_path: Path) -> None:
    save_as_printed(tmp_path, "table6")
    metrics = {"correlation": None, "reduced_percent": 0.0, "increase_percent": None}
    save(tmp_path, "pairs", TABLES["table6"][5], metrics | {"diverged": 1000})
    found = of_similarity(tmp_path)["Table 6, valid padding"]
    assert found.verdict == DIFFER and "every episode diverged" in found.ours


@pytest.mark.parametrize(
    ("risen", "diverged", "verdict", "ours"),
    [
        (0, 0, AGREE, "0 of 6,000 rise; Fisher's p of the rises = 1"),
        (9, 0, DIFFER, "9 of 6,000 rise; Fisher's p of the rises = 0.0039"),
        (0, 2, DIFFER, "0 of 6,000 rise and 2 diverge; Fisher's p of the rises = 1"),
    ],
)
def test_one_episode_that_does_not_fall_contradicts_all_of_them(
    tmp_path: Path, risen: int, diverged: int, verdict: str, ours: str
) -> None:
    save_as_printed(tmp_path, "table2")
    printed = paper.PAIRS["table2"][0]
    metrics = {"correlation": summary(*printed.correlation), "reduced_percent": 99.0}
    metrics |= {
        "increase_percent": summary(5.0) | {"n": risen} if risen else None,
        "diverged": diverged,
    }
    save(tmp_path, "pairs", TABLES["table2"][0], metrics)
    found = of_similarity(tmp_path)["Table 3: no episode rises"]
    assert (found.verdict, found.ours) == (verdict, ours)


@pytest.mark.parametrize(("last", "verdict"), [(0.44, AGREE), (0.46, DIFFER)])
def test_a_tenth_less_similarity_counts_as_lower(tmp_path: Path, last: float, verdict: str) -> None:
    def layer(size: float, end: float) -> dict[str, list[float]]:
        return {"similarity": [size, 7.0, 0.25], "normalized": [0.5, 0.9, end]}

    # The first layer, which sees three channels, has no part in the scale-free mean.
    layers = {name: layer(100.0 * (i + 1), last) for i, name in enumerate(LAYERS)}
    layers[LAYERS[0]] = layer(100.0, 0.0)
    layers[LAYERS[1]], layers[LAYERS[3]] = layer(200.0, last + 0.25), layer(400.0, last - 0.25)
    save(tmp_path, "descent", DescentSettings(), {"steps": [0, 1, 2], "layers": layers})
    # Neither the scale-free descent nor that of a narrower network is Algorithm 1 on CNN1.
    for other in (DescentSettings(scale_free=True), DescentSettings(width=4)):
        save(tmp_path, "descent", other, {"steps": [0], "layers": {}})
    found = of_similarity(tmp_path)
    assert found[LOWERS].verdict == verdict
    assert found[LOWERS].ours == f"scale-free, layers 2 to 4: 0.500 → {last:.3f}"
    # That the loss falls is another matter.
    loss = found["Algorithm 1 lowers L_CS"]
    assert (loss.verdict, loss.ours) == (AGREE, "1000 → 1.0")


def test_trainings_get_the_verdicts_of_their_rules(tmp_path: Path) -> None:
    reached = {"baseline": 74.0, "init": 78.3, "scale": 78.0, "scale-free": 73.0}
    for condition, accuracy in reached.items():
        for seed, noise in enumerate((0.0, 0.1, -0.1)):
            run = replace(RUN, condition=condition, seed=seed)
            save_training(tmp_path, run, accuracy + noise * (condition != "baseline"))
    found = of_similarity(tmp_path)
    assert [(found[c.what].verdict, found[c.what].ours.split(":")[0]) for c in CLAIMS] == [
        (AGREE, "the claimed size"),
        (OPEN, "not run"),
        (OPEN, "not run"),
        (OPEN, "not run"),
        (DIFFER, "no gain"),
        (DIFFER, "the opposite"),
    ]
    ours = found["Table 5, CNN1: Algorithm 1"].ours
    assert "+4.30 [" in ours and "100 epochs, 3 seeds, CIFAR-10 (JPEG copy)" in ours
    assert found[WIDE].verdict == OPEN
    # One of the explanations names its chapter, and what it predicts.
    assert found["Table 5, CNN1: Algorithm 1"].chapter == "training"
    assert found["Table 5, CNN1: Algorithm 1"].paper == "+4.50 points"
    assert found["Lower similarity helps"].chapter == "scale or similarity"
    assert found["Lower similarity helps"].paper == "yes; then +4.50 points"


def test_the_wide_network_is_shown_on_the_best_data_and_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "AnotherCNN", ShallowCNN)
    wide = replace(RUN, width=512, epochs=10)
    for seed, accuracy in enumerate((70.0, 71.0)):
        save_training(tmp_path, replace(wide, seed=seed), accuracy)
    save_training(tmp_path, replace(wide, epochs=5), 10.0)
    save_training(tmp_path, replace(wide, condition="init"), 10.0)
    save_training(tmp_path, replace(wide, width=64), 10.0)
    save_training(tmp_path, replace(wide, seed=2), None)
    save_training(tmp_path, replace(wide, data="digits", epochs=90), 10.0)
    save_training(tmp_path, replace(wide, model="AnotherCNN", epochs=90), 10.0)
    found = of_similarity(tmp_path)[WIDE]
    assert (found.paper, found.ours) == ("79.78 %", "70.50 %; 10 epochs, n = 2")
    assert found.verdict == OPEN
    save_training(tmp_path, replace(wide, data="CIFAR-10", epochs=2), 60.0)
    assert of_similarity(tmp_path)[WIDE].ours == "60.00 %; 2 epochs, n = 1"


@pytest.mark.parametrize(("error", "verdict"), [(1e-9, DIFFER), (1e-11, DIFFER), (1e-14, AGREE)])
def test_an_identity_that_were_not_exact_would_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: float, verdict: str
) -> None:
    def wrong(x: torch.Tensor, max_lag: int) -> torch.Tensor:
        return (1 + error) * autocorrelate(x, max_lag=max_lag)

    monkeypatch.setattr(module, "autocorrelate", wrong)
    found = of_similarity(tmp_path)["Eq. 3, the identity"]
    assert found.verdict == verdict
    if verdict == DIFFER:
        # At most the whole inner product is wrong by so much, relative to both norms.
        assert error / 100 < float(found.ours.removeprefix("off by ")) <= error
    else:
        assert found.ours == "exact to 12 digits, 500 random cases"


def test_a_loss_below_its_chord_would_be_convex(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "convolutional_similarity", lambda weight: weight.square().sum())
    found = of_similarity(tmp_path)["L_CS is convex"]
    assert found.verdict == AGREE and found.ours.endswith("0.5 between")
    assert "a²b² is 1 at (1, 0), 1 at (0, 1)" in found.ours


def test_convexity_fails_between_two_kernels_of_one_tap(tmp_path: Path) -> None:
    ours = of_similarity(tmp_path)["L_CS is convex"].ours
    assert ours == "not jointly: a²b² is 0 at (1, 0), 0 at (0, 1), 0.0625 between"


def test_a_damaged_record_is_no_missing_one(tmp_path: Path) -> None:
    save_as_printed(tmp_path, "table1")
    path = record_path("pairs", TABLES["table1"][0], tmp_path)
    path.write_text("{")
    with pytest.raises(ValueError, match="is not a complete record"):
        read_record(path)
    with pytest.raises(ValueError, match="is not a complete record"):
        similarity_findings(tmp_path)
