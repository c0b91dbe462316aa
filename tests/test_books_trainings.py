"""What the chapters on trainings put into words is what the book's records say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convsim.evidence import doubts, sweeps
from convsim.evidence.deeper_tables import by_condition, trainings
from convsim.evidence.statistics import (
    best_test,
    chosen_test,
    last_test,
    last_training,
    paired_differences,
    seeds_needed,
)
from convsim.experiments.cifar10 import TrainingSettings, initialise, settings_of
from convsim.experiments.networks import KEPT, load_network
from convsim.experiments.record import read_records, stored
from convsim.layers import convolutional_layers
from convsim.similarity import convolutional_similarity
from tests.made_up import LAYERS

PAPERS = ("init", "regularise")
CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"


def test_settings_of_the_records_can_be_read_again() -> None:
    for record in sweeps.sweep_records():
        assert stored(settings_of(record)) == record.settings


def test_the_books_records_say_what_the_chapters_on_trainings_say() -> None:
    records = sweeps.sweep_records()

    def gain(first: str, second: str) -> float:
        """Points of training accuracy after the last epoch, mean over seeds."""
        runs, controls = (sweeps.runs_of(records, name) for name in (first, second))
        return float(np.mean(paired_differences(runs, controls, last_training)))

    def deep(condition: str, key: str, epoch: int | None = None) -> float:
        """Mean of layers 2 to 4 over seeds."""
        runs = sweeps.runs_of(records, condition)
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
        sweeps.runs_of(records, "scale-free"),
        sweeps.runs_of(records, "baseline"),
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


def longest(condition: str) -> list[Any]:
    """The trainings of a hundred epochs, in which the paper's gain came out again."""
    records, *_ = sweeps.book_sweeps()
    runs = sweeps.runs_of(records, condition)
    assert len(runs) == 2 and {run.settings["epochs"] for run in runs} == {100}
    return runs


def test_the_gain_of_algorithm_1_came_out_again_and_shrinking_has_it() -> None:
    def points(first: str, second: str, measure: Any = best_test) -> list[float]:
        return paired_differences(longest(first), longest(second), measure)

    assert points("init", "baseline") == pytest.approx([5.0, 3.2], abs=0.05)
    assert np.mean(points("init", "baseline")) == pytest.approx(4.1, abs=0.05)
    assert np.mean(points("init", "baseline", last_test)) == pytest.approx(5.3, abs=0.05)
    assert points("scale", "baseline") == pytest.approx([4.2, 3.9], abs=0.05)
    assert np.mean(points("scale", "baseline")) == pytest.approx(4.0, abs=0.05)
    assert points("init", "scale") == pytest.approx([0.8, -0.7], abs=0.05)
    assert seeds_needed(points("init", "scale"), 1) == 8
    for condition in ("baseline", "init", "scale"):
        assert min(last_training(run) for run in longest(condition)) > 99.6


def test_the_default_jumps_and_is_flattered_most() -> None:
    def scatter(condition: str) -> list[float]:
        runs = longest(condition)
        return [float(np.std(r.metrics["epochs"]["test_accuracy"][-10:], ddof=1)) for r in runs]

    assert [round(value) for value in scatter("baseline")] == [4, 1]
    assert scatter("init") == pytest.approx([1 / 3, 1 / 3], abs=0.04)
    flattered = {
        name: float(np.mean([best_test(run) - last_test(run) for run in longest(name)]))
        for name in ("baseline", "init", "scale")
    }
    assert max(flattered, key=lambda name: flattered[name]) == "baseline"
    assert flattered["baseline"] - flattered["init"] == pytest.approx(1, abs=0.2)


def test_images_held_out_choose_the_epoch_that_is_best_in_test() -> None:
    runs = trainings(held_out=5_000)
    assert sorted(run.settings["condition"] for run in runs) == ["baseline", "init", "scale"]
    falls = []
    for run in runs:
        tested, held = (
            np.array(run.metrics["epochs"][f"{name}_accuracy"]) for name in ("test", "held_out")
        )
        assert len(tested) == 20 and tested.argmax() == held.argmax()
        assert np.corrcoef(tested, held)[0, 1] > 0.99
        chance = np.mean(tested * (100 - tested) * (1 / 5_000 + 1 / 10_000)) ** 0.5
        assert np.mean((tested - held) ** 2) ** 0.5 < chance
        falls.append(-np.diff(tested).min())
    assert round(max(falls)) == 15
    of = by_condition(runs, ("baseline", "init"))
    for rule, lead in ((best_test, 4.65), (chosen_test, 4.65), (last_test, 6.53)):
        assert paired_differences(of["init"], of["baseline"], rule) == [pytest.approx(lead)]
    (default,), (ours,) = of.values()
    assert best_test(default) - last_test(default) == pytest.approx(2, abs=0.2)
    assert best_test(ours) == last_test(ours)


def test_the_loss_climbs_back_as_the_rate_brakes() -> None:
    def course(condition: str, key: str) -> np.ndarray:
        of_runs = [list(run.metrics["epochs"][key].values()) for run in longest(condition)]
        return np.array(of_runs)  # seeds, layers, epochs

    similarity = {name: course(name, "similarity").sum(1) for name in ("baseline", "init")}
    below = similarity["baseline"][:, 0] / similarity["init"][:, 0]
    assert (below > 1000).all() and (below < 2000).all()
    climbed = similarity["init"][:, -1] / similarity["init"][:, 0]
    assert climbed == pytest.approx([100, 100], rel=0.15)
    conditions = ("baseline", "init", "scale")
    rates = {c: (course(c, "norm")[:, 1:] ** -2).mean((0, 1)) for c in conditions}
    for condition in ("init", "scale"):
        ratio = rates[condition] / rates["baseline"]
        assert ratio[0] > 50 and round(ratio[9]) == 16 and round(ratio[99]) == 4


def test_the_default_has_come_less_far() -> None:
    def fitted(condition: str) -> list[int]:
        courses = [run.metrics["epochs"]["train_accuracy"] for run in longest(condition)]
        return [next(n for n, value in enumerate(of, 1) if value >= 99) for of in courses]

    later = [
        default - ours
        for name in ("init", "scale")
        for default, ours in zip(fitted("baseline"), fitted(name), strict=True)
    ]
    assert min(later) >= 30 and max(later) < 35


def test_one_training_rounded_in_two_ways_is_two_trainings_in_test() -> None:
    pairs = doubts.replicates()
    assert {old.settings["condition"] for old, _ in pairs} == {"baseline", *PAPERS, "scale"}
    apart = {
        of: max(abs(of(old) - of(new)) for old, new in pairs)
        for of in (best_test, last_test, last_training)
    }
    assert apart[best_test] == pytest.approx(1.6, abs=0.05)
    assert apart[last_test] == pytest.approx(2.3, abs=0.05)
    assert apart[last_training] <= 0.15
    of_both = {old.settings["condition"]: (old, new) for old, new in pairs}
    first, second = (
        best_test(of_both["regularise"][n]) - best_test(of_both["baseline"][n]) for n in (0, 1)
    )
    assert first == pytest.approx(0.5, abs=0.05) and second == pytest.approx(-0.7, abs=0.06)


def test_the_first_epochs_of_a_longer_training_are_a_shorter_one() -> None:
    """Where both were made, by one version of the loop on one kind of machine."""
    records = [run for run in read_records("table5") if sweeps.is_usual(run)]
    compared = 0
    for run in longest("baseline") + longest("scale"):
        same = [
            other
            for other in records
            if other.settings["epochs"] == 20
            and other.settings.get("loop") == run.settings["loop"]
            and other.settings["condition"] == run.settings["condition"]
            and other.settings["seed"] == run.settings["seed"]
        ]
        for other in same:
            ours = sweeps.first_epochs(run, 20).metrics["epochs"]
            theirs = other.metrics["epochs"]
            early = theirs["train_accuracy"][:3]
            assert ours["train_accuracy"][:3] == pytest.approx(early, abs=0.3)
            compared += ours["test_accuracy"] == theirs["test_accuracy"]
    assert compared >= 3


def test_four_seeds_or_six_would_settle_the_remainder() -> None:
    for of, seeds in ((best_test, 4), (last_test, 6)):
        groups = {name: [of(run) for run in longest(name)] for name in doubts.COMPARED}
        assert doubts.pooled_seeds(groups, 1) == seeds


def test_what_was_lowered_with_care_is_back_after_two_epochs() -> None:
    records = sweeps.sweep_records()
    (both,), (scale,) = (sweeps.runs_of(records, name) for name in ("both", "scale"))

    def course(run: Any) -> np.ndarray:
        return np.array([*run.metrics["epochs"]["normalized"].values()])[1:].mean(0)

    network, _ = initialise(TrainingSettings("both"), "cpu")
    layers = [layer.weight for _, layer in convolutional_layers(network)][1:]
    start = np.mean([convolutional_similarity(w, normalized=True).item() for w in layers])
    back = (course(both)[:2] - start) / (course(scale)[:2] - start)
    assert back == pytest.approx([0.8, 0.9], abs=0.03)


def test_algorithm_1_turns_the_layers_and_leaves_their_similarity() -> None:
    default, prepared = (
        [layer.weight for _, layer in convolutional_layers(initialise(settings, "cpu")[0])]
        for settings in (TrainingSettings("baseline"), TrainingSettings("init"))
    )
    turned = [
        torch.rad2deg(torch.acos(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0))).item()
        for a, b in zip(default, prepared, strict=True)
    ]
    assert turned == pytest.approx([25, 38, 38, 38], abs=1)
    for a, b in zip(default[1:], prepared[1:], strict=True):
        before, after = (convolutional_similarity(w, normalized=True).item() for w in (a, b))
        assert after == pytest.approx(before, abs=0.01)


def test_similarity_at_held_norms_shows_nothing_in_one_test() -> None:
    records = sweeps.sweep_records()
    runs, others = (sweeps.runs_of(records, name) for name in ("scale-free", "baseline"))
    (best,), (last,) = (paired_differences(runs, others, of) for of in (best_test, last_test))
    assert best < 0 < last


def test_networks_that_started_small_end_with_more_similar_maps() -> None:
    def after(condition: str) -> float:
        return float(
            np.mean([[*r.metrics["cosine_after"].values()][1:] for r in longest(condition)])
        )

    assert min(after("init"), after("scale")) > 1.5 * after("baseline")


def test_small_kernels_turn_and_large_ones_do_not() -> None:
    records = sweeps.sweep_records()
    kept = {}
    for condition in KEPT:
        run = sweeps.runs_of(records, condition)[0]
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
    runs = sweeps.runs_of(records, condition)
    return float(np.mean([1 / run.metrics["epochs"]["norm"][LAYERS[2]][0] ** 2 for run in runs]))


def test_the_front_page_says_what_came_out() -> None:
    """Two sentences, with n; tests/test_books_evidence.py has the second."""
    front = (CHAPTERS / "introduction.md").read_text()
    readme = (CHAPTERS.parent / "README.md").read_text()
    sweep, *_ = sweeps.book_sweeps()

    def mean(records: list[Any], first: str, second: str) -> float:
        runs, others = (sweeps.runs_of(records, name) for name in (first, second))
        differences = paired_differences(runs, others, best_test)
        assert len(differences) == 2
        return float(np.mean(differences))

    gain, shrunk = (f"{mean(sweep, name, 'baseline'):+.1f}" for name in ("init", "scale"))
    assert f"({gain}, n = 2, 100 epochs; the paper has +4.5)" in front
    assert f"merely shrunk to the same length ({shrunk})" in front
    assert f"({gain} points, n = 2)" in readme and f"gains as much ({shrunk})" in readme
