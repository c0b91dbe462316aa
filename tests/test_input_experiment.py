"""`convsim run input` in miniature: kernels on patches, and the first steps of trainings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power, polar
from torch.nn.functional import conv2d, unfold
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.data import Images
from convsim.experiments import inputs, runner
from convsim.experiments.activations import PICTURES, map_cosines
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.inputs import PATCHES, STEPS, PatchSettings, StepSettings
from convsim.experiments.record import read_records, to_six_digits
from convsim.experiments.runner import Machine
from convsim.training import fit
from tests.small_sweeps import LAYERS, TEST, TRAIN, digits_are, layer_weights, layers_of
from tests.test_input_conditions import colored

pytestmark = pytest.mark.usefixtures("one_thread")

PATCH = PatchSettings("digits", kernels=6, images=100)
COLORS = colored(TRAIN), colored(TEST)
WAYS = [
    *("random", "kernels orthogonal", "maps orthogonal", "maps orthogonal, ε"),
    "maps orthogonal, R of other images",
]


@pytest.fixture(autouse=True)
def few_digits(one_thread: None) -> Iterator[None]:
    with digits_are(TRAIN, TEST):
        yield


def steps(condition: str, **changed: Any) -> StepSettings:
    run = TrainingSettings(
        condition, 4, epochs=2, data="digits", batch_size=150, learning_rate=0.05, iterations=5
    )
    return StepSettings(replace(run, precision="float32"), **({"steps": (0, 1, 3, 6)} | changed))


def some(images: Images, count: int) -> torch.Tensor:
    return images.normalized(torch.linspace(0, len(images) - 1, count).round().long()).double()


def mean_cosine(rows: np.ndarray) -> float:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return float(np.abs(unit @ unit.T)[np.triu_indices(len(rows), 1)].mean())


def readings(weight: np.ndarray, seen: torch.Tensor, unseen: torch.Tensor) -> dict[str, float]:
    kernels = torch.from_numpy(weight).view(-1, 3, 3, 3)
    on_seen, on_unseen = (conv2d(images, kernels).numpy() for images in (seen, unseen))
    return {
        "kernels": mean_cosine(weight),
        "seen": mean_cosine(on_seen.swapaxes(0, 1).reshape(len(weight), -1)),
        "unseen": mean_cosine(on_unseen.swapaxes(0, 1).reshape(len(weight), -1)),
        "per_image": float(np.mean([mean_cosine(m.reshape(len(m), -1)) for m in on_unseen])),
    }


def test_each_way_of_choosing_kernels_by_closed_forms_and_plain_convolutions() -> None:
    found = inputs.measure_patches(PATCH, *COLORS)
    seen, unseen = (some(images, 100) for images in COLORS)
    rows = unfold(seen, 3).transpose(1, 2).flatten(0, 1).numpy()
    R = rows.T @ rows / len(rows)
    np.testing.assert_allclose(found["autocorrelation"], R, rtol=1e-8)
    others = unfold(unseen, 3).transpose(1, 2).flatten(0, 1).numpy()
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(6, 27, generator=generator, dtype=torch.float64).numpy()
    norms = np.linalg.norm(random, axis=1, keepdims=True)
    orthogonal = norms * polar(random)[0]

    def whitened(matrix: np.ndarray) -> np.ndarray:
        return fractional_matrix_power(orthogonal @ matrix @ orthogonal.T, -0.5) @ orthogonal

    ridge = R + 5e-4 * np.trace(R) / 27 * np.eye(27)
    kernels = [random, orthogonal, whitened(R), whitened(ridge), whitened(others.T @ others)]
    assert list(found["ways"]) == WAYS
    for way, weight in zip(WAYS, kernels, strict=True):
        expected = readings(weight, seen, unseen)
        assert found["ways"][way] == pytest.approx(expected, rel=1e-4, abs=1e-6), way
    ways = found["ways"]
    assert ways["maps orthogonal"]["seen"] < 1e-6 < 0.1 < ways["kernels orthogonal"]["seen"]
    assert ways["kernels orthogonal"]["kernels"] < 1e-6 < ways["maps orthogonal"]["kernels"]
    assert ways[WAYS[-1]]["unseen"] < 1e-6 < ways["maps orthogonal"]["unseen"]


def test_grey_images_have_nine_directions_and_more_kernels_are_a_frame() -> None:
    """The digits' channels are equal: R of 27 taps has rank 9."""
    few, many = (
        inputs.measure_patches(replace(PATCH, kernels=count), TRAIN, TEST) for count in (6, 16)
    )
    assert np.linalg.matrix_rank(few["autocorrelation"], tol=1e-6) == 9
    assert few["ways"]["maps orthogonal"]["seen"] < 1e-6
    orthogonal, maps = (many["ways"][way]["seen"] for way in WAYS[1:3])
    assert maps is not None and orthogonal is not None
    # 16 vectors in 9 dimensions: their mean squared cosine is (16/9 - 1) / 15 at the least.
    assert 0.05 < maps < (7 / 9 / 15) ** 0.5 + 0.05 < orthogonal
    for way in many["ways"].values():
        assert all(value is not None and 0 <= value <= 1 for value in way.values())


@pytest.mark.parametrize("condition", ["baseline", "orthogonal-maps"])
def test_a_layers_input_is_described_by_its_patches(condition: str) -> None:
    settings = steps(condition, steps=())
    found = inputs.measure_steps(settings, *COLORS)["inputs"]
    assert list(found) == LAYERS
    rows = unfold(COLORS[0].normalized(slice(None)).double(), 3, padding=2)
    R = np.cov(rows.transpose(1, 2).flatten(0, 1).numpy().T, bias=True)
    values, vectors = np.linalg.eigh(R)
    model, _ = initialise(settings.run, "cpu", train=COLORS[0])
    kernels = layer_weights(model)[0].flatten(1).double().numpy()
    count = max(n for n in range(28) if values[:n].sum() <= 0.01 * values.sum())
    power = np.trace(kernels @ R @ kernels.T) / np.square(kernels).sum()
    weak = np.square(kernels @ vectors[:, :count]).sum() / np.square(kernels).sum()
    assert found["blocks.0.0"] == pytest.approx(
        {
            "condition": values[-1] / values[0],
            "leading": values[-1] / values.sum(),
            "weak": count / 27,
            "in_weak": weak,
            "gain": power / values.mean(),
        },
        rel=1e-4,
    )


def test_grey_images_have_no_condition_number() -> None:
    found = inputs.measure_steps(steps("orthogonal-maps", steps=()), TRAIN, TEST)["inputs"]
    first = found["blocks.0.0"]
    assert first["condition"] is None and first["weak"] >= 18 / 27
    # None of the kernels is in the directions that are not there; at random, two thirds would be.
    plain = inputs.measure_steps(steps("baseline", steps=()), TRAIN, TEST)["inputs"]["blocks.0.0"]
    assert first["in_weak"] < 0.5 * plain["in_weak"] and plain["in_weak"] > 0.5


@pytest.mark.parametrize("condition", ["baseline", "orthogonal-maps", "decov", "whitening-layer"])
def test_maps_are_measured_between_the_steps_of_the_training_itself(condition: str) -> None:
    settings = steps(condition, strength=3.0)
    found = inputs.measure_steps(settings, TRAIN, TEST)
    assert found["steps"] == [0, 1, 3, 6]
    assert list(found["maps"]) == list(found["inputs"]) == layers_of(condition)
    strength = 3.0 if condition == "decov" else 0.0
    options: dict[str, Any] = {"lr": 0.05, "batch_size": 150, "progress": False}
    for epochs, index in ((0, 0), (1, 2), (2, 3)):  # three steps each
        model, _ = initialise(settings.run, "cpu", train=TRAIN)
        fit(model, TRAIN, TEST, epochs=epochs, decorrelation=strength, **options)
        for name, reading in map_cosines(model, TEST, PICTURES).items():
            assert found["maps"][name][index] == reading._asdict()
    assert len({readings["correlation"] for readings in found["maps"]["blocks.1.0"]}) == 4


def test_maps_that_start_uncorrelated_do_not_stay_so() -> None:
    found = inputs.measure_steps(steps("orthogonal-maps"), *COLORS)["maps"]
    for layer in found.values():
        first, *_, last = (reading["correlation"] for reading in layer)
        assert first is not None and last is not None and first < last
    plain = inputs.measure_steps(steps("baseline"), *COLORS)["maps"]
    for name in found:
        assert found[name][0]["correlation"] < 0.5 * plain[name][0]["correlation"]


def test_what_is_recorded_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [PATCH, steps("deconvolution"), steps("decov")]
    machine = Machine(folder=tmp_path, progress=False, command="a test")
    runner.run(inputs.tasks(rows[:2]), machine, progress=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(before) == 2
    runner.run(inputs.tasks(rows), machine, progress=False)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (patches,) = read_records(PATCHES.name, tmp_path)
    assert patches.metrics == to_six_digits(inputs.measure_patches(PATCH, TRAIN, TEST))
    recorded = read_records(STEPS.name, tmp_path)
    assert {r.settings["run"]["condition"] for r in recorded} == {"deconvolution", "decov"}
    expected = to_six_digits(inputs.measure_steps(rows[2], TRAIN, TEST))
    assert expected in [record.metrics for record in recorded]
    monkeypatch.setattr(runner, "perform", lambda *_: pytest.fail("run again"))
    runner.run(inputs.tasks(rows), machine, progress=False)


def test_the_plan_is_both_experiments_on_the_data_that_are_recorded(tmp_path: Path) -> None:
    first, *others = inputs.plan(tmp_path)
    assert first == PatchSettings("CIFAR-10")
    conditions = [row.run.condition for row in others if isinstance(row, StepSettings)]
    assert conditions == list(inputs.WATCHED) and set(conditions) <= set(CONDITIONS)
    assert {(row.run.data, row.run.epochs, row.run.width) for row in others} == {
        ("CIFAR-10", 2, 64)
    }
    result = CliRunner().invoke(app, ["status", "input", "--results", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert [line.rsplit("  ", 1) for line in map(str.rstrip, result.output.splitlines())] == [
        [f"{str(row):<48}", "missing"] for row in (first, *others)
    ]
    machine = Machine(folder=tmp_path, progress=False)
    runner.run(inputs.tasks([PATCH]), machine, progress=False)
    assert {row.run.data for row in inputs.plan(tmp_path)[1:]} == {"digits"}
    assert inputs.plan(tmp_path, data="CIFAR-10") == [first, *others]
    (record,) = read_records(PATCHES.name, tmp_path)
    assert record.command == "convsim run input"
