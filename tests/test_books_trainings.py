"""What the chapters on trainings put into words is what the book's records say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from convsim.evidence import training_tables
from convsim.evidence.statistics import last_training, paired_differences
from convsim.experiments.cifar10 import TrainingSettings, initialise, settings_of
from convsim.experiments.networks import KEPT, load_network
from convsim.experiments.record import stored
from convsim.layers import convolutional_layers
from tests.made_up import LAYERS


def test_settings_of_the_records_can_be_read_again() -> None:
    for record in training_tables.sweep_records():
        assert stored(settings_of(record)) == record.settings


def test_the_books_records_say_what_the_chapters_on_trainings_say() -> None:
    records = training_tables.sweep_records()

    def gain(first: str, second: str) -> float:
        """Points of training accuracy after the last epoch, mean over seeds."""
        runs, controls = (training_tables.runs_of(records, name) for name in (first, second))
        return float(np.mean(paired_differences(runs, controls, last_training)))

    def deep(condition: str, key: str, epoch: int | None = None) -> float:
        """Mean of layers 2 to 4 over seeds."""
        runs = training_tables.runs_of(records, condition)
        of_layers = [
            run.metrics["epochs"][key] if epoch is not None else run.metrics[key] for run in runs
        ]
        values = [list(layers.values())[1:] for layers in of_layers]
        return float(np.mean([v if epoch is None else v[epoch] for row in values for v in row]))

    # Scale: most of Algorithm 1's gain. Similarity: something, but less. Both: no more than scale.
    assert gain("scale", "baseline") > 2
    assert abs(gain("init", "scale")) < gain("scale", "baseline") / 4
    assert 0 < gain("scale-free", "baseline") < gain("scale", "baseline") / 4
    assert gain("both", "scale") < gain("scale-free", "baseline")
    early = paired_differences(
        training_tables.runs_of(records, "scale-free"),
        training_tables.runs_of(records, "baseline"),
        lambda run: run.metrics["epochs"]["train_accuracy"][2],
    )
    assert np.mean(early) > gain("scale-free", "baseline")
    # Low similarity is kept at the default scale and forgotten at the small one.
    assert deep("scale-free", "normalized", -1) < 0.5
    assert deep("both", "normalized", 1) > 0.75
    # Feature maps before: no less alike than the default's. After: more alike.
    assert deep("scale", "cosine_before") == pytest.approx(deep("baseline", "cosine_before"), 1e-2)
    assert deep("init", "cosine_before") > 0.9 * deep("baseline", "cosine_before")
    assert deep("scale-free", "cosine_before") < 0.75 * deep("baseline", "cosine_before")
    assert deep("scale-free", "cosine_after") > 0.85 * deep("baseline", "cosine_after")
    for condition in ("init", "scale"):
        assert deep(condition, "cosine_after") > deep("baseline", "cosine_after")
        assert _rate(records, condition) > 50 * _rate(records, "baseline")


def test_small_kernels_turn_and_large_ones_do_not() -> None:
    records = training_tables.sweep_records()
    kept = {}
    for condition in KEPT:
        run = training_tables.runs_of(records, condition)[0]
        start, _ = initialise(TrainingSettings(**run.settings), "cpu")
        before, after = (
            torch.cat([layer.weight.flatten() for _, layer in convolutional_layers(model)[1:]])
            for model in (start, load_network(run))
        )
        kept[condition] = torch.cosine_similarity(before, after, dim=0).item()
    assert kept["baseline"] > 0.9 and kept["scale-free"] > 0.9
    assert kept["init"] < 0.5 and kept["scale"] < 0.5


def _rate(records: list[Any], condition: str) -> float:
    """Effective learning rate of layer 3 after the first epoch, up to the learning rate."""
    runs = training_tables.runs_of(records, condition)
    return float(np.mean([1 / run.metrics["epochs"]["norm"][LAYERS[2]][0] ** 2 for run in runs]))
