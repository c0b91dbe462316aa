"""Doubts about gains, on made-up records: equal fit, two roundings, one deviation for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from convsim.evidence import doubts, sweeps
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import read_records
from tests.made_up import COPY, save_training, training_metrics

BASELINE = TrainingSettings("baseline", epochs=4, data=COPY)


def save_course(folder: Path, settings: TrainingSettings, losses: list[float]) -> None:
    """A training with these losses; test accuracies rise from 70 by 1 an epoch."""
    epochs = training_metrics(settings, 70.0)["epochs"]
    epochs |= {"loss": losses, "test_accuracy": [70.0 + n for n in range(len(losses))]}
    epochs |= {"train_accuracy": [50.0, 98.0, 99.0, 100.0]}
    save_training(folder, settings, 70.0, epochs=epochs)


def test_accuracies_are_compared_where_the_default_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "LAST", 2)
    save_course(tmp_path, BASELINE, [2.0, 1.0, 0.5, 0.4])
    save_course(tmp_path, replace(BASELINE, condition="init"), [1.0, 0.5, 0.45, 0.1])
    save_course(tmp_path, replace(BASELINE, condition="scale"), [0.3, 0.2, 0.1, 0.05])
    save_course(tmp_path, replace(BASELINE, condition="init", seed=1), [1.0, 0.5, 0.45, 0.1])
    table = doubts.equal_fit_table(folder=tmp_path)
    assert table.rows == (
        ("baseline", "0", "0.400", "3", "72.50", "73.00", "2"),
        ("init", "0", "0.100", "3", "71.50", "72.00", "2"),
        ("init", "1", "0.100", "3", "–", "–", "0"),
        ("scale", "0", "0.050", "3", "–", "–", "0"),
    )
    assert "the default's last 2 epochs" in table.caption


def test_a_training_made_by_two_loops_is_set_beside_itself(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no training in .* was made by two versions"):
        save_training(tmp_path, replace(BASELINE, loop=1), 70.0)
        doubts.replicates_table(folder=tmp_path)
    save_training(tmp_path, replace(BASELINE, epochs=9), 90.0)
    save_training(tmp_path, replace(BASELINE, epochs=6), 71.5)
    save_training(tmp_path, replace(BASELINE, seed=1), 99.0)
    save_training(tmp_path, replace(BASELINE, condition="init"), 99.0)
    save_training(tmp_path, replace(BASELINE, optimizer="Adam"), 99.0)
    ((old, new),) = doubts.replicates(tmp_path)
    assert new.settings["epochs"] == 4 and len(new.metrics["epochs"]["loss"]) == 4
    assert old.settings.get("loop", 1) == 1
    (row,) = doubts.replicates_table(folder=tmp_path).rows
    # The best is in epoch 2, and each later one has half a point less.
    assert row[:5] == ("baseline", "0", "4", "70.00 and 71.50", "69.00 and 70.50")
    assert row[-1] == "1.50"


def test_a_longer_training_is_cut_to_what_a_shorter_one_would_be(tmp_path: Path) -> None:
    save_training(tmp_path, replace(BASELINE, epochs=9), 80.0)
    save_training(tmp_path, BASELINE, 80.0)
    shorter, longer = sorted(read_records("table5", tmp_path), key=lambda r: r.settings["epochs"])
    cut = sweeps.first_epochs(longer, 4)
    assert cut.metrics["epochs"] == {
        # Made-up courses depend on the epoch alone.
        **shorter.metrics["epochs"],
    }
    for key in ("top_test_accuracy", "last_test_accuracy", "chosen", "cosine_before"):
        assert cut.metrics[key] == shorter.metrics[key]  # type: ignore[literal-required]
    assert "cosine_after" not in cut.metrics and cut.settings == shorter.settings
    assert sweeps.first_epochs(shorter, 4) is shorter
    assert len(longer.metrics["epochs"]["loss"]) == 9, "the record itself is as it was"


def test_the_pooled_interval_of_two_groups_is_students() -> None:
    groups = {"a": [1.0, 4.0, 2.0], "b": [7.0, 5.0]}
    mean, half = doubts.pooled_interval(groups, "b", "a")
    found = stats.ttest_ind(groups["b"], groups["a"]).confidence_interval(0.95)
    assert mean == pytest.approx(6 - 7 / 3)
    assert (mean - half, mean + half) == pytest.approx((found.low, found.high))


def test_a_third_group_lends_its_deviation() -> None:
    groups = {"a": [1.0], "b": [2.0], "c": [0.0, 2.0, 4.0]}
    mean, half = doubts.pooled_interval(groups, "b", "a")
    assert mean == 1 and half == pytest.approx(stats.t(2).ppf(0.975) * 2 * np.sqrt(2))
    with pytest.raises(ValueError, match="every group of a, b has one value"):
        doubts.pooled_interval({"a": [1.0], "b": [2.0]}, "b", "a")


@pytest.mark.parametrize("half_width", [0.5, 1.0, 3.0])
def test_the_seeds_of_a_pooled_interval_are_the_fewest(half_width: float) -> None:
    groups = {"a": [1.0, 2.0], "b": [3.0, 5.0], "c": [0.0, 1.5]}
    deviation = np.sqrt(np.mean([np.var(values, ddof=1) for values in groups.values()]))
    n = doubts.pooled_seeds(groups, half_width)

    def reach(n: int) -> float:
        return float(stats.t(3 * (n - 1)).ppf(0.975) * deviation * np.sqrt(2 / n))

    assert reach(n) <= half_width and (n == 2 or reach(n - 1) > half_width)


def test_differences_without_pairs_are_in_the_table(tmp_path: Path) -> None:
    for seed, (base, init) in enumerate([(70.0, 74.0), (71.0, 76.0)]):
        save_training(tmp_path, replace(BASELINE, seed=seed), base)
        save_training(tmp_path, replace(BASELINE, condition="init", seed=seed), init)
    (row,) = doubts.pooled_table(folder=tmp_path).rows
    found = stats.ttest_ind([74.0, 76.0], [70.0, 71.0]).confidence_interval(0.95)
    half = (found.high - found.low) / 2
    assert row == ("init − baseline", *[f"+4.50 ± {half:.2f}"] * 2, "2, 2")
    assert "With this deviation ± 1 takes" in doubts.pooled_table(folder=tmp_path).source
