"""Tables and figures of the conditions that bring the input in, from records with known numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scipy.stats
import torch

from convsim.evidence import answer, input_figures, input_tables
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS, INPUT, SHRUNK
from convsim.experiments.contrasts import INPUT_CONTRASTS
from convsim.experiments.inputs import PATCHES, STEPS, PatchSettings, StepSettings
from convsim.experiments.sweep import CHOICE, ChoiceSettings
from tests.made_up import COPY, LAYERS, save, training_metrics

BASELINE = TrainingSettings("baseline", epochs=3, data=COPY, queries=100)


def states(size: float, *, ahead: bool = False) -> dict[str, Any]:
    """Layer n has n times the size of the first; a layer ahead of all has a size of its own."""
    interval = {"low": None, "high": None}
    found: dict[str, Any] = {"ahead": dict.fromkeys(input_tables.READINGS, 7.0)} if ahead else {}
    for number, name in enumerate(LAYERS, start=1):
        found[name] = dict.fromkeys(input_tables.READINGS, number * size) | {"dead": 0}
    for layer in found.values():
        layer["overlap"] = {"overlap": interval | {"mean": layer["per_image"] / 2}}
    return found


def save_run(folder: Path, settings: TrainingSettings, accuracy: float, after: float) -> None:
    metrics = training_metrics(settings, accuracy)
    ahead = settings.condition == "whitening-layer"
    metrics |= {"layers_before": states(0.1, ahead=ahead), "layers_after": states(after)}
    metrics["epochs"]["train_accuracy"] = [accuracy / epoch for epoch in (3, 2, 1)]
    save(folder, "table5", settings, metrics, data=settings.data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five conditions; the more alike the maps, the higher the accuracy."""
    rows = {"baseline": (70, 0.2), "orthogonal-kernels": (71, 0.21), "decov": (60, 0.05)}
    rows |= {"whitening-layer": (72, 0.22), "scale": (75, 0.3)}
    for condition, (accuracy, after) in rows.items():
        for seed in range(2):
            run = replace(BASELINE, condition=condition, seed=seed)
            save_run(tmp_path, run, accuracy + seed * (1 + (condition == "decov")), after)
    return tmp_path


def test_what_is_made_orthogonal_has_something_to_be_compared_with() -> None:
    assert {name for pair in INPUT_CONTRASTS for name in pair} <= set(CONDITIONS)
    assert {first for first, _ in INPUT_CONTRASTS} >= {*INPUT, *SHRUNK} - {"extra-layer"}
    assert {name for pair in answer.CHANGES for name in pair} <= set(CONDITIONS)


def test_the_sweep_is_the_longest_of_those_with_the_input(folder: Path) -> None:
    assert {run.settings["epochs"] for run in input_tables.input_records(folder)} == {3}
    save_run(folder, replace(BASELINE, epochs=9), 99, 0.1)  # has nothing to be compared with
    assert {run.settings["epochs"] for run in input_tables.input_records(folder)} == {3}
    save_run(folder, replace(BASELINE, epochs=9, condition="decov"), 99, 0.1)
    assert {run.settings["epochs"] for run in input_tables.input_records(folder)} == {9}
    with pytest.raises(ValueError, match="no training under such a condition .* run `convsim run"):
        input_tables.input_records(folder / "nowhere")


def test_readings_are_of_the_four_layers_and_means_of_the_deeper_ones(folder: Path) -> None:
    table = input_tables.maps_table(folder=folder)
    rows = {row[:2]: row[2:] for row in table.rows}
    before, after = rows["decov", "1"][:5], rows["decov", "1"][5:]
    assert before == ("0.10", "0.10", "0.10", "0.10", "0.05") and after[0] == "0.05"
    assert rows["decov", "2 to 4"][:5] == ("0.30", "0.30", "0.30", "0.30", "0.15")
    # What stands ahead of the first layer is no layer of the network.
    assert rows["whitening-layer", "1"][:5] == before
    assert "Not recorded: orthogonal-maps," in table.source
    assert [row[0] for row in input_tables.maps_table("scale", folder=folder).rows] == ["scale"] * 2


def test_differences_are_paired_by_seed(folder: Path) -> None:
    rows = {row[0]: row[1:] for row in input_tables.accuracy_table(folder=folder).rows}
    low, high = scipy.stats.t.interval(0.95, 1, loc=-9.5, scale=0.5)
    assert rows["decov − baseline"][0] == f"-9.50 [{low:+.2f} to {high:+.2f}]"
    assert rows["decov − baseline"][2] == "2"


def test_the_answer_sets_each_reading_beside_the_accuracy(folder: Path) -> None:
    table = answer.answer_table(folder=folder)
    rows = {row[1]: row for row in table.rows}
    assert rows["decov − baseline"][2:5] == ("0.60 → 0.15", "0.60 → 0.15", "0.30 → 0.08")
    assert rows["scale − baseline"][5].startswith("+5.00 [")
    assert "orthogonal-maps-power − baseline" in table.source


def save_inputs(folder: Path, data: str, size: float) -> None:
    way = {"kernels": size, "seen": 0.0, "unseen": None, "per_image": 0.25}
    metrics = {"autocorrelation": [[size, 0.0], [0.0, 1.0]], "ways": {"random": way}}
    save(folder, PATCHES.name, PatchSettings(data), metrics, data=data)
    for condition in ("orthogonal-maps", "baseline", "orthogonal-maps-scale"):
        reading = {"condition": None, "leading": 0.7, "weak": 0.5, "in_weak": size, "gain": 0.001}
        maps = [{"correlation": size}, {"correlation": 0.5}, {"correlation": 0.75}]
        save(
            folder,
            STEPS.name,
            StepSettings(TrainingSettings(condition, epochs=2, data=data)),
            {
                "inputs": dict.fromkeys(LAYERS, reading),
                "steps": [0, 1, 40],
                "maps": dict.fromkeys(LAYERS, maps),
            },
            data=data,
        )


def test_patches_and_steps_are_those_of_the_better_data(tmp_path: Path) -> None:
    for make in (input_tables.patch_table, input_tables.gain_table, input_figures.steps_figure):
        with pytest.raises(ValueError, match="no record of input.* run `convsim run input`"):
            make(tmp_path)
    save_inputs(tmp_path, "digits", 0.9)
    save_inputs(tmp_path, COPY, 0.125)
    row = input_tables.patch_table(tmp_path).rows[0]
    assert row == ("random", "0.125", "0.000", "undefined", "0.250")
    assert torch.equal(
        input_figures.recorded_autocorrelation(tmp_path),
        torch.tensor([[0.125, 0.0], [0.0, 1.0]], dtype=torch.float64),
    )
    rows = input_tables.gain_table(tmp_path).rows
    assert [row[0] for row in rows] == ["baseline", "orthogonal-maps", "orthogonal-maps-scale"]
    assert rows[0][1:] == ("undefined", "50%", "12.5%", "0.001")
    figure = input_figures.steps_figure(tmp_path)
    # At Algorithm 1's norms the style would be that of another line.
    assert {line.name for line in figure.data} == {"baseline", "orthogonal-maps"}
    assert len(figure.data) == 8 and list(figure.data[0].y) == [0.125, 0.5, 0.75]
    assert list(figure.data[0].x) == ["0", "1", "40"]
    assert "orthogonal-maps 0.12, 0.50 and 0.75" in figure.layout.meta["alt"]


def test_the_search_shows_what_every_strength_came_to(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no search for the strength of decov"):
        input_tables.search_table(tmp_path)
    tried = [
        {"decorrelation": 0.1, "accuracy": 61.0, "correlation": [0.4, 0.3, 0.2, None]},
        {"decorrelation": 10.0, "accuracy": None, "diverged": "epoch 1"},
    ]
    metrics = {"choice": 0.1, "epochs": 5, "images_held_out": 10, "tried": tried}
    run = replace(BASELINE, condition="decov")
    save(tmp_path, CHOICE.name, ChoiceSettings(run), metrics, data=COPY)
    save(tmp_path, CHOICE.name, ChoiceSettings(replace(run, condition="learning-rate")), metrics)
    table = input_tables.search_table(tmp_path)
    assert table.rows[0] == ("0.1", "61.00", "0.400", "0.300", "0.200", "undefined")
    assert table.rows[1][1] == "diverged"
    assert table.source == f"Chosen: 0.1. {COPY}, seed 0."
