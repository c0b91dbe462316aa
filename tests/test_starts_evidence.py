"""Tables, rules and figures of the spectrum's starts, from records with known numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convsim.evidence import spectra_tables, starts_figures, starts_rules, starts_tables
from convsim.experiments.beginnings import BeginningSettings
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.spectra import CELLS, FACTORIAL
from tests.made_up import COPY, LAYERS, neighborhoods, save, training_metrics

NONE = "[n = 1]"


def save_run(folder: Path, condition: str, accuracy: float, **changes: Any) -> None:
    """A training of ten epochs that ends at this training accuracy, five points more than test."""
    chosen, first = changes.pop("chosen", {}), changes.pop("first_concentration", 2.0)
    settings = TrainingSettings(condition, **{"epochs": 10, "data": COPY, **changes})
    metrics = training_metrics(settings, accuracy - 5)
    metrics["epochs"]["train_accuracy"] = [*range(settings.epochs - 1), accuracy]
    before, after = (
        {name: {"normalized": a, "concentration": b} for name in LAYERS}
        for a, b in ((0.375, 2.5), (0.5, 2.0))
    )
    after[next(iter(LAYERS))]["concentration"] = first
    metrics |= {"chosen": chosen, "layers_before": before, "layers_after": after}
    save(folder, "table5", settings, metrics, data=COPY)


EVERYTHING: list[tuple[Callable[[Path], Any], str]] = [
    (starts_tables.factorial_table, "of the factorial"),
    (starts_tables.effects_table, "of the factorial"),
    (starts_tables.layers_table, "with bands in some layers"),
    (starts_tables.own_rate_table, "at its own learning rate"),
    (starts_tables.elsewhere_table, "with bands elsewhere"),
    (spectra_tables.widening_table, "of the factorial"),
    (spectra_tables.narrowing_table, "with its spectra"),
]


@pytest.mark.parametrize(("show", "what"), EVERYTHING)
def test_what_is_not_recorded_is_said(tmp_path: Path, show: Any, what: str) -> None:
    save_run(tmp_path, "init", 50)
    with pytest.raises(ValueError, match=f"no training {what} is recorded in .*: run `convsim run"):
        show(tmp_path)
    for other in (
        *(starts_figures.predictors_table, starts_figures.predictors_figure),
        starts_figures.beginnings_table,
    ):
        with pytest.raises(ValueError, match="no network before its training is recorded in"):
            other(tmp_path)


def value_of(name: str, seed: int) -> float:
    """60, and what each factor adds."""
    spread = {"same": 0.0, "rand": 2.0, "even": 2.125}.get(name[:4], -1.0)
    wide = 1.0 if "wide" in name else 0.0
    low = -3.0 if name.endswith("low") else 0.25 if name.endswith("high") else 0.0
    return 60 + spread - wide + low + seed + 0.01 * (len(name) % 3)


def save_factorial(folder: Path) -> None:
    for seed in (0, 1):
        save_run(folder, "baseline", 60 + seed, seed=seed)
        for name in FACTORIAL:
            save_run(folder, name, value_of(name, seed), seed=seed)


def test_the_factorial_is_a_table_of_width_spread_and_place(tmp_path: Path) -> None:
    save_factorial(tmp_path)
    save_run(tmp_path, "random-bands", 99, epochs=20)
    save_run(tmp_path, "random-bands", 98, learning_rate=0.1)
    save_run(tmp_path, "random-bands", 97, images=5000)
    table = starts_tables.factorial_table(tmp_path)
    assert [row[:2] for row in table.rows[:4]] == [
        *(("wave", "same"), ("wave", "random"), ("wave", "even"), ("band", "same")),
    ]
    wave = dict(zip(("width", "spread", "", "-low", "-high"), table.rows[1], strict=True))
    assert wave[""] == "62.50 ± 0.71 (+2.00)" and wave["-low"].endswith("(-0.99)")
    assert "The default: 60.50 ± 0.71 %." in table.caption
    assert "Not recorded" not in table.source
    assert table.rows[-1][1:3] == ("a channel its own", "59.51 ± 0.71 (-0.99)")


def test_each_effect_is_that_of_pairs_that_differ_in_it_alone(tmp_path: Path) -> None:
    save_factorial(tmp_path)
    runs = starts_rules.factorial_trainings(tmp_path)
    found = {effect.what.split(":")[0]: effect for effect in starts_rules.EFFECTS}
    verdicts = {what: effect.verdict(runs) for what, effect in found.items()}
    assert verdicts == {
        "frequencies that differ": "gain",
        "coordination": "less",
        "narrower": "gain",
        "a band at all": "gain",
        "one frequency for all channels": "gain",
        "low frequencies": "loss",
        "high frequencies": "less",
    }
    counts = {what: len(effect.differences(runs)) for what, effect in found.items()}
    assert [*counts.values()] == [12, 12, 12, 6, 2, 14, 14]
    for effect in found.values():
        once = [name for pair in effect.pairs for name in pair]
        assert len(once) == len(set(once)) and {*once} <= {*CONDITIONS}
        for first, second in effect.pairs:
            assert CONDITIONS[first].prepare != CONDITIONS[second].prepare
    difference = found["frequencies that differ"].differences(runs)
    assert sum(difference) / 12 == pytest.approx(2, abs=0.02)
    rows = starts_tables.effects_table(tmp_path).rows
    assert rows[0][1].startswith("+2.00 [") and rows[0][2:] == ("12", "gain")
    assert starts_rules.EFFECTS[0].verdict({}) == "open"


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((3.0, 3.1), "gain"),
        ((-3.0, -3.1), "loss"),
        ((0.2, 0.201), "less"),
        ((0.01, -0.01), "none"),
        ((3.0, -1.0), "undecided"),
        ((3.0,), "open"),
    ],
)
def test_verdicts_on_an_effect(tmp_path: Path, gains: tuple[float, ...], verdict: str) -> None:
    for seed, gain in enumerate(gains):
        save_run(tmp_path, "random-bands", 60 + gain, seed=seed)
        save_run(tmp_path, "channel-bands", 60, seed=seed)
    effect = starts_rules.EFFECTS[4]
    assert effect.verdict(starts_rules.factorial_trainings(tmp_path)) == verdict


def test_the_best_two_are_those_of_training_and_of_a_whole_factorial(tmp_path: Path) -> None:
    save_factorial(tmp_path)
    expected = sorted(FACTORIAL, key=lambda name: -value_of(name, 0))[:2]
    assert starts_rules.best_two(tmp_path) == tuple(expected)
    save_run(tmp_path, FACTORIAL[3], 99, seed=2)
    message = "'same-band' has 2 trainings of 10 epochs in .*; expected equally many of each start"
    with pytest.raises(ValueError, match=message):
        starts_rules.best_two(tmp_path)


def test_bands_in_some_layers_stand_beside_bands_in_all(tmp_path: Path) -> None:
    for name, accuracy in (("baseline", 60), ("random-bands", 63), ("random-bands-first", 61)):
        save_run(tmp_path, name, accuracy)
    table = starts_tables.layers_table(tmp_path)
    assert table.rows == (
        ("baseline", "60.00", "55.00", "–", "–", "1"),
        ("random-bands", "63.00", "58.00", f"+3.00 {NONE}", f"+3.00 {NONE}", "1"),
        ("random-bands-first", "61.00", "56.00", f"+1.00 {NONE}", f"+1.00 {NONE}", "1"),
    )
    assert table.source.endswith("Not recorded: random-bands-later, random-bands-last.")


def test_each_start_at_its_own_rate_and_the_verdict_on_it(tmp_path: Path) -> None:
    for seed in range(3):
        for name, accuracy, rate in (
            ("baseline", 70, 0.3),
            ("orthogonal", 70.001 + seed / 1000, 0.1),
            ("scale-free", 73 + seed / 100, 0.3),
            ("kaiming-uniform", 70 + 3 * (-1) ** seed, 1.0),
        ):
            save_run(
                tmp_path, f"{name}-own-rate", accuracy, seed=seed, epochs=20, chosen={"lr": rate}
            )
    save_run(tmp_path, "delta-orthogonal-own-rate", 60, epochs=20, chosen={"lr": 0.1})
    table = starts_tables.own_rate_table(tmp_path)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["baseline-own-rate"] == ("0.3", "70.00 ± 0.00", "65.00 ± 0.00", "–", "–", "3")
    assert rows["scale-free-own-rate"][0] == "0.3"
    assert rows["scale-free-own-rate"][4].startswith("+3.01 [")
    verdicts = {
        name: starts_rules.own_rate_verdict(name, tmp_path)
        for name in ("scale-free", "orthogonal", "kaiming-uniform", "delta-orthogonal")
    }
    assert verdicts == {
        "scale-free": "gain",
        "orthogonal": "none",
        "kaiming-uniform": "undecided",
        "delta-orthogonal": "open",
    }


def test_elsewhere_each_place_has_a_default_of_its_own(tmp_path: Path) -> None:
    few = {"images": 5000, "epochs": 60}
    large = {"model": "ShallowCNN-5x5"}
    for name, one, other in (("baseline", 50, 65), ("random-bands", 51, 69), ("gabor", None, 66)):
        if one:
            save_run(tmp_path, name, one, **few)
        save_run(tmp_path, name, other, **large)
    save_run(tmp_path, "random-bands", 40, model="ResNet18", images=10_000, batch_size=128)
    rows = starts_tables.elsewhere_table(tmp_path).rows
    assert rows == (
        ("CNN1, 5,000 images", "random-bands", f"+1.00 {NONE}", f"+1.00 {NONE}", "1"),
        ("CNN1, kernels of 5 × 5", "random-bands", f"+4.00 {NONE}", f"+4.00 {NONE}", "1"),
        ("CNN1, kernels of 5 × 5", "gabor", f"+1.00 {NONE}", f"+1.00 {NONE}", "1"),
        ("ResNet-18, 10,000 images", "random-bands", "not recorded", "not recorded", "0"),
    )


def save_beginning(folder: Path, name: str, level: float, *, seed: int = 0) -> None:
    layer = {
        "normalized": 1 - level / 100,
        "concentration": 1.5,
        "per_image": level % 7 / 10,
        "expected": 0.25,
        "correlation": None,
        "dead": 0,
        "overlap": neighborhoods(0.25 + level % 5 / 100),
    }
    metrics = {
        "layers": dict.fromkeys(LAYERS, layer),
        "rank": dict.fromkeys(LAYERS, 2 * level),
        "gradients": {name: {"size": 0.5, "signal": level % 3} for name in LAYERS},
    }
    settings = BeginningSettings(TrainingSettings(name, seed=seed, epochs=1, data=COPY))
    save(folder, "beginnings", settings, metrics, data=COPY)


def test_predictors_are_ranked_over_starts(tmp_path: Path, monkeypatch: Any) -> None:
    for number, name in enumerate(("baseline", *CELLS)):
        # Two seeds and two lengths of training: means over seeds, of the tenth epoch.
        for seed in (0, 1):
            save_run(tmp_path, name, 60 + number + seed, seed=seed)
            save_beginning(tmp_path, name, number, seed=seed)
    save_run(tmp_path, "orthogonal-maps", 99, epochs=20)  # 9 after its tenth epoch
    found = starts_figures.accuracies(tmp_path)
    assert found["baseline"] == 60.5 and found["same-band"] == 61.5
    assert found.pop("orthogonal-maps") == 9
    before = starts_figures.beginnings(tmp_path)
    assert before["same-band"]["rank"] == 2 and "correlation" not in before["same-band"]
    monkeypatch.setattr(starts_figures, "SHOWN_PREDICTORS", {"rank": ("directions", 1)})
    table = starts_figures.beginnings_table(tmp_path)
    assert {row[0]: row[1:] for row in table.rows}["same-band"] == ("2.0", "61.5")
    assert table.source.startswith(f"{COPY}, means over seeds 0, 1; a machine")
    assert "Not recorded: noise-high" in table.source
    monkeypatch.setattr(
        starts_figures,
        "PREDICTORS",
        {k: starts_figures.PREDICTORS[k] for k in ("normalized", "per_image", "rank", "signal")},
    )
    rows = {row[0]: row for row in starts_figures.predictors_table(tmp_path).rows}
    assert rows["normalised similarity"][1].startswith("-1.00 [")
    assert rows["directions of the maps"][1].startswith("+1.00 [")
    assert rows["directions of the maps"][3:] == ("19", "yes")
    assert rows["signal of the gradient"][4] == "no"
    figure = starts_figures.predictors_figure(tmp_path)
    points = {(t.name, t.xaxis): dict(zip(t.text, t.y, strict=True)) for t in figure.data}
    assert points["other", "x"] == {"baseline": 60.5}
    assert points["bands, one a layer", "x"]["same-band"] == 61.5
    assert len(points["bands, several", "x3"]) == 12
    said = figure.layout.meta["alt"]
    assert "Fastest: even-wide-bands-high, 78.5 %; slowest: orthogonal-maps, 9.0 %." in said


def test_widening_is_read_before_and_after(tmp_path: Path) -> None:
    save_run(tmp_path, "random-bands", 60)
    rows = spectra_tables.widening_table(tmp_path).rows
    assert rows[0] == ("random-bands", "1", "2.50", "2.00", "0.38", "0.50")
    assert rows[1][:2] == ("random-bands", "2 to 4")


def test_narrowing_is_read_where_it_was_recorded(tmp_path: Path) -> None:
    twenty: dict[str, Any] = {"optimizer": "momentum", "epochs": 20}
    for seed in (0, 1):
        save_run(tmp_path, "scale", 70, seed=seed, first_concentration=3.0 + seed, **twenty)
    save_run(tmp_path, "scale", 70, epochs=19)
    save_run(tmp_path, "random-bands", 40, model="ResNet18", batch_size=128, images=10_000)
    # A record of the first kind: it says nothing of layers.
    settings = TrainingSettings("baseline", data=COPY, **twenty)
    save(tmp_path, "table5", settings, training_metrics(settings, 60), data=COPY)
    table = spectra_tables.narrowing_table(tmp_path)
    others, gathered = "2.50 → 2.00", "0.94 → 1.00"
    assert table.rows == (
        ("CNN1, momentum", "scale", "2.50 → 3.50", others, "0.94 → 1.75", gathered, "2"),
        ("ResNet-18, 10,000 images", "random-bands", others, others, gathered, gathered, "1"),
    )
