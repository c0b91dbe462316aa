"""Tables of networks trained with penalties, from records with known numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scipy.stats

from convsim.evidence import penalised
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import PENALISED
from convsim.experiments.sweep import CHOICE, ChoiceSettings
from tests.made_up import COPY, LAYERS, save, training_metrics

BASELINE = TrainingSettings("baseline", epochs=3, data=COPY, queries=100)


def save_run(folder: Path, condition: str, seed: int, accuracy: float, chosen: Any = None) -> None:
    settings = replace(BASELINE, condition=condition, seed=seed)
    metrics = training_metrics(settings, accuracy)
    layer = {"normalized": 0.5, "correlation": 0.25, "overlap": {"overlap": {"mean": 0.125}}}
    layers = {name: layer | {"correlation": 0.25 * (seed + 1)} for name in LAYERS}
    metrics |= {"layers_before": layers, "layers_after": layers, "chosen": chosen or {}}
    metrics["epochs"]["train_accuracy"] = [10.0, 20.0, accuracy / 2]
    metrics["epochs"]["norm"] = {name: [9.0, 9.0, 1.5] for name in LAYERS}
    save(folder, "table5", settings, metrics, data=COPY)


def test_the_table_compares_each_penalty_with_the_default_by_seed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no training under such a condition is recorded"):
        penalised.trained_table(folder=tmp_path)
    gains = (1.0, 4.0)
    for seed, gain in enumerate(gains):
        save_run(tmp_path, "baseline", seed, 60 + seed)
        save_run(tmp_path, "ocnn", seed, 60 + seed + gain, {"strength": 0.01})
    save_run(tmp_path, "decov", 0, 58, {"decorrelation": 10.0})
    table = penalised.trained_table(folder=tmp_path)
    low, high = scipy.stats.ttest_1samp(gains, 0).confidence_interval()
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["baseline", "ocnn", "decov"]
    assert rows["baseline"] == ("–", "0", "0", "3.0", "0.50", "0.38", "0.12", "2")
    assert rows["ocnn"][:2] == ("0.01", f"+2.50 [{low:.2f} to +{high:.2f}]")
    assert rows["decov"][0] == "10" and rows["decov"][-1] == "1"
    missing = ", ".join(name for name in PENALISED if name != "ocnn")
    assert table.source.endswith(f"Not recorded: {missing}.")


def test_the_searches_show_what_every_strength_came_to(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no search for the strength of a penalty"):
        penalised.strengths_table(folder=tmp_path)
    tried = [{"strength": 0.01, "accuracy": 61.0}, {"strength": 1.0, "accuracy": None}]
    metrics = {"choice": 0.01, "epochs": 5, "images_held_out": 10, "tried": tried}
    for condition in ("srip", "decov"):
        run = ChoiceSettings(replace(BASELINE, condition=condition))
        save(tmp_path, CHOICE.name, run, metrics, data=COPY)
    diverged = ChoiceSettings(replace(BASELINE, condition="ocnn"))
    save(tmp_path, CHOICE.name, diverged, {"diverged": "every strength"}, data=COPY)
    table = penalised.strengths_table(folder=tmp_path)
    assert table.rows == (("srip", "not recorded", "61.00", "not recorded", "diverged", "0.01"),)
    assert "ocnn" in table.source and "srip" not in table.source
