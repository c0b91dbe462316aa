"""Records with made-up numbers, for tests that know what a table or a figure must show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.overlap import OverlapSettings, RegularizedSettings
from convsim.experiments.pairs import TABLES
from convsim.experiments.record import Record, record_path, record_text, stored

LAYERS = ("blocks.0.0", "blocks.1.0", "blocks.2.0", "blocks.3.0")
COPY = "CIFAR-10 (JPEG copy)"


def save(
    folder: Path, experiment: str, settings: Any, metrics: dict[str, Any], **changes: Any
) -> Path:
    """A record, and where, when and how it was not made; written without waiting for the disk."""
    record = Record(
        experiment=experiment,
        settings=stored(settings),
        metrics=metrics,
        data="made up",
        started="2026-02-03T04:05:06+00:00",
        seconds=12.5,
        command="convsim run",
        versions={"python": "3.99", "torch": "9.8.7"},
        commit=None,
        hardware="a machine",
    )
    path = record_path(experiment, settings, folder)
    path.parent.mkdir(exist_ok=True)
    path.write_text(record_text(replace(record, **changes)))
    return path


def summary(mean: float, std: float = 0.5, median: float | None = None) -> dict[str, float]:
    middle = mean if median is None else median
    return {"n": 9, "mean": mean, "std": std, "q05": -1.0, "q50": middle, "q95": 99.0}


def save_pairs(folder: Path, table: str, **changes: Any) -> None:
    """The six rows of a table; row n has numbers that end in n."""
    for n, row in enumerate(TABLES[table]):
        metrics = {
            "reduced_percent": 70.0 + n,
            "decrease_percent": summary(80 + n, 10 + n),
            "increase_percent": summary(12345.6, 600.0, median=100.0 + n),
            "increase_tail": {
                "rank": [1, 3, 30],
                "increase_percent": [1e6, 1e4, 20.0 + n],
                "block_means": [5.0 + n, None, 1234567.0],
                "index": 0.5 + n / 100,
                "standard_error": 0.1,
                "largest": 7,
            },
            "correlation": summary(0.5 + n / 100, 0.25 + n / 100),
            "cosine_before": summary(0.6 + n / 100, 0.1),
            "cosine_after": summary(0.3 + n / 100, 0.2),
            "cosine_fell_percent": 40.0 + n,
            "smaller_norm_before": summary(0.0, median=1.0 + n),
            "smaller_norm_after": summary(0.0, median=0.5 + n),
            "larger_norm_before": summary(0.0, median=7.0 + n),
            "larger_norm_after": summary(0.0, median=2.0 + n),
            "dead_percent": 50.0 + n,
            "dead_smaller_percent": 60.0 + n,
            "cosine_after_dead": summary(0.2 + n / 100, 0.1),
            "cosine_after_live": summary(0.1 + n / 100, 0.05),
            "drift_percent": summary(0.0, median=3.0 + n),
            "paths": [[[2.0, 1.0], [1.9, 0.5], [1.8, 0.1]], [[1.0, 2.0], [0.9, 1.5], [0.8, 0.7]]],
            "diverged": n,
            "curve": {
                "step": [0, 5, 10],
                "loss": [1.0, 0.5, 0.0],
                "similarity": [1.0, 0.25 + n / 100, 1e-20],
                "cosine": [0.6 + n / 100, 0.4, 0.3 + n / 100],
                "dead_percent": [0.0, 10.0, 50.0 + n],
            },
        }
        save(folder, "pairs", row, metrics | changes, seconds=1.0 + n)


def training_metrics(settings: TrainingSettings, accuracy: float) -> dict[str, Any]:
    """Best test accuracy in epoch 2; layer i has i + 1 times the size of the first."""
    epochs = range(1, settings.epochs + 1)
    test = [accuracy - 0.5 * abs(epoch - 2) for epoch in epochs]

    def layers(size: float) -> dict[str, list[float]]:
        return {name: [size * (i + 1) / epoch for epoch in epochs] for i, name in enumerate(LAYERS)}

    return {
        "top_test_accuracy": max(test),
        "last_test_accuracy": test[-1],
        "initialisation_seconds": 1.5,
        "cosine_before": dict(zip(LAYERS, (0.9, 0.1, 0.2, 0.3), strict=True)),
        "cosine_after": dict(zip(LAYERS, (0.9, 0.2, 0.3, 0.4), strict=True)),
        "chosen": {},
        "epochs": {
            "epoch": list(epochs),
            "loss": [2.0 / epoch for epoch in epochs],
            "train_accuracy": [10.0 * epoch for epoch in epochs],
            "test_accuracy": test,
            "seconds": [4.0 + (settings.condition == "regularise")] * settings.epochs,
            "similarity": layers(100.0),
            "normalized": layers(0.2),
            "norm": layers(2.0),
        },
    }


def save_training(
    folder: Path, settings: TrainingSettings, accuracy: float | None, **changes: Any
) -> None:
    """A training with this best test accuracy; None for one that diverged."""
    metrics: dict[str, Any] = {"diverged": "epoch 1"}
    if accuracy is not None:
        metrics = training_metrics(settings, accuracy) | changes
    save(folder, "table5", settings, metrics)


def neighborhoods(overlap: float | None, chance: float | None = 0.1) -> dict[str, Any]:
    """Overlap within 0.02 below and 0.03 above; other measures are multiples of it."""

    def measure(times: float) -> dict[str, float | None]:
        if overlap is None:
            return {"mean": None, "low": None, "high": None}
        mean = times * overlap
        return {"mean": mean, "low": mean - 0.02, "high": mean + 0.03}

    return {
        "overlap": measure(1),
        "overlap_chance": chance,
        "redundancy": measure(2),
        "redundancy_chance": chance,
        "coverage": measure(3),
        "coverage_chance": chance,
        "neighbors": measure(10),
        "aggregate_neighbors": measure(20),
        "undefined": 0,
    }


def save_network(
    folder: Path,
    run: TrainingSettings,
    overlaps: Sequence[float | None],
    *,
    trained: bool = True,
    **changes: Any,
) -> None:
    """A network whose layers have these overlaps before the non-linearity, and half of it after."""
    layers = {
        name: {
            "weights": {"similarity": 1234.5 * (i + 1), "normalized": 0.5 + i / 10, "norm": 3.0},
            "cosine": 0.25 + i / 10,
            "cosine_without_mean": None if overlap is None else 0.15 + i / 10,
            "before": neighborhoods(overlap),
            "after": neighborhoods(None if overlap is None else overlap / 2),
        }
        for i, (name, overlap) in enumerate(zip(LAYERS, overlaps, strict=True))
    }
    settings = replace(OverlapSettings(run, trained), **changes)
    save(folder, "overlap", settings, {"layers": layers})


def save_regularized(
    folder: Path,
    settings: RegularizedSettings,
    overlap: float | None,
    *,
    train_error: float = 10.0,
    test_error: float = 40.0,
) -> None:
    """A network whose last layer has this overlap after the non-linearity, and twice it before."""
    metrics = {
        "train_error": train_error,
        "test_error": test_error,
        "before": neighborhoods(None if overlap is None else 2 * overlap),
        "after": neighborhoods(overlap),
    }
    save(folder, "overlapregularized", settings, metrics)


RUN = TrainingSettings("baseline", epochs=20, data=COPY)
SMALL = RegularizedSettings(0.0, 0.0, 0, COPY)
OVERLAPS = (0.4, 0.3, 0.2, 0.1)


def save_neighborhoods(folder: Path) -> None:
    """Two networks, trained and not; and twelve regularised ones whose numbers differ."""
    for condition, times in {"scale": 1.2, "baseline": 1.0}.items():
        for trained in (False, True):
            values = [times * value * (1 if trained else 2) for value in OVERLAPS]
            run = replace(RUN, condition=condition)
            save_network(folder, run, values, trained=trained)
    for n, (dropout, decay, seed) in enumerate(
        (dropout, decay, seed)
        for dropout in (0.3, 0.0)
        for decay in (5e-4, 0)
        for seed in (2, 0, 1)
    ):
        settings = replace(SMALL, dropout=dropout, weight_decay=decay, seed=seed)
        errors = {"train_error": 5.0 + n, "test_error": 30.0 + (7 * n) % 12}
        save_regularized(folder, settings, 0.1 + n / 100, **errors)
