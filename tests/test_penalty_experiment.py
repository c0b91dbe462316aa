"""`convsim run penaltypairs` and `penalties` in miniature, each against a loop of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.experiments import pairs, penalties, penalty_pairs, runner
from convsim.experiments.activations import PICTURES, layer_states
from convsim.experiments.catalogue import EXPERIMENTS, ON_IMAGES
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.pairs import PairSettings
from convsim.experiments.penalties import DECOV, NAMES, NONE, PenaltySettings
from convsim.experiments.record import (
    RESULTS,
    read_record,
    read_records,
    record_path,
    to_six_digits,
)
from convsim.experiments.runner import Machine
from convsim.layers import convolutional_layers
from convsim.penalties import OF_WEIGHTS, decov
from convsim.training import minimize_similarity
from tests.small_sweeps import LAYERS, TEST, TRAIN, digits_are, layer_weights
from tests.test_input_conditions import colored

pytestmark = pytest.mark.usefixtures("one_thread")

COLORS = colored(TRAIN), colored(TEST)
SMALL = PenaltySettings(NONE, data="digits", width=6, iterations=60, pictures=100, queries=3)


@pytest.fixture(autouse=True)
def few_digits(one_thread: None) -> Iterator[None]:
    with digits_are(TRAIN, TEST):
        yield


def pair_penalties(k1: Tensor, k2: Tensor, signal: np.ndarray) -> dict[str, Tensor]:
    """Every penalty of two kernels of one channel, written out for two."""
    a, b, c = k1 @ k1 - 1, k2 @ k2 - 1, k1 @ k2

    def lags(x: Tensor, y: Tensor) -> Tensor:
        taps = len(x)
        padded = nn.functional.pad(y, (taps - 1, taps - 1))
        return torch.stack([x @ padded[i : i + taps] for i in range(2 * taps - 1)])

    own, other, cross = lags(k1, k1), lags(k2, k2), lags(k1, k2)
    whole = own.square().sum() - own[len(k1) - 1] ** 2 + a**2
    whole = whole + other.square().sum() - other[len(k2) - 1] ** 2 + b**2
    # Full padding as a matrix of the signal's shifts.
    taps = len(k1)
    padded = np.pad(signal, taps - 1)
    patches = torch.tensor(np.array([padded[i : i + taps] for i in range(len(signal) + taps - 1)]))
    f1, f2 = patches @ k1, patches @ k2
    covariance = ((f1 - f1.mean()) * (f2 - f2.mean())).mean()
    # The larger of two eigenvalues in size, of a symmetric 2 × 2 matrix.
    spectral = (a + b).abs() / 2 + (((a - b) / 2) ** 2 + c**2).sqrt()
    cosine = c / (k1.norm() * k2.norm())
    return {
        "kernel similarity": c**2,
        "soft orthogonality": a**2 + b**2 + 2 * c**2,
        "mutual coherence": torch.stack([a.abs(), b.abs(), c.abs()]).max(),
        "SRIP": spectral,
        "OCNN": whole + 2 * cross.square().sum(),
        "OrthoReg": 2 * (1 + (10 * (cosine - 1)).exp()).log(),
        "DeCov": covariance**2,
        "L_CS": cross.square().sum(),
        "normalised similarity": (own @ other) / (own.norm() * other.norm()),
    }


def episodes_of(settings: PairSettings) -> dict[str, list[Any]]:
    """One episode at a time, with NumPy's correlate and torch's Adam on the formulas above."""
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (settings.episodes, 2, settings.taps)
    starts = 2 * torch.rand(shape, dtype=torch.float64, generator=generator) - 1
    signals = torch.rand(settings.episodes, 1, 64, dtype=torch.float64, generator=generator)
    out: dict[str, list[Any]] = {"correlation": [], "raw": [], "centred": [], "norm": []}
    out["similarity"] = []
    for start, signal in zip(starts, signals[:, 0].numpy(), strict=True):
        k1, k2 = (start[i].clone().requires_grad_() for i in (0, 1))
        optimizer = torch.optim.Adam([k1, k2], lr=settings.learning_rate)
        losses, products, raw, centred = [], [], [], []
        for _ in range(settings.iterations + 1):
            f1, f2 = (np.correlate(signal, k.detach().numpy(), mode="full") for k in (k1, k2))
            loss = pair_penalties(k1, k2, signal)[settings.loss]
            losses.append(loss.item())
            products.append((f1 @ f2) ** 2)
            raw.append(abs(f1 @ f2) / np.linalg.norm(f1) / np.linalg.norm(f2))
            centred.append(abs(np.corrcoef(f1, f2)[0, 1]))
            norms = sorted(k.detach().norm().item() for k in (k1, k2))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        out["correlation"].append(np.corrcoef(losses, products)[0, 1])
        out["similarity"].append((products[0], products[-1]))
        out["raw"].append((raw[0], raw[-1]))
        out["centred"].append((centred[0], centred[-1]))
        out["norm"].append(norms)
    return out


@pytest.mark.parametrize("penalty", penalty_pairs.PENALTIES)
def test_every_penalty_on_pairs_equals_a_loop_over_episodes(penalty: str) -> None:
    settings = PairSettings(penalty, 4, "Adam", 0.05, 15, episodes=5)
    found: Any = penalty_pairs.measure(settings)
    expected = {name: np.array(values) for name, values in episodes_of(settings).items()}
    assert found["correlation"]["mean"] == pytest.approx(expected["correlation"].mean(), rel=1e-6)
    for name, of in (("cosine", "raw"), ("centred", "centred")):
        for index, side in enumerate(("before", "after")):
            values = expected[of][:, index]
            assert found[f"{name}_{side}"]["mean"] == pytest.approx(values.mean(), rel=1e-6)
            assert found[f"{name}_{side}"]["std"] == pytest.approx(values.std(ddof=1), rel=1e-6)
        first, last = expected[of].T
        assert found[f"{name}_fell_percent"] == pytest.approx(100 * (last < first).mean())
    first, last = expected["similarity"].T
    assert found["reduced_percent"] == pytest.approx(100 * (last < first).mean())
    assert found["smaller_norm_after"]["mean"] == pytest.approx(expected["norm"][:, 0].mean())
    assert found["larger_norm_after"]["mean"] == pytest.approx(expected["norm"][:, 1].mean())
    assert found["diverged"] == 0


def test_the_rows_are_every_penalty_for_each_number_of_taps() -> None:
    assert list(penalty_pairs.PENALTIES) == ["kernel similarity", *NAMES]
    assert {*NAMES} == {*OF_WEIGHTS, DECOV}
    assert len(set(penalty_pairs.ROWS)) == 3 * 9
    assert {row.taps for row in penalty_pairs.ROWS} == {3, 9, 16}
    assert [task.settings for task in EXPERIMENTS["penaltypairs"][1]] == [*penalty_pairs.ROWS]
    of_table_1 = [row for row in penalty_pairs.ROWS if row in pairs.TABLES["table1"]]
    assert [row.loss for row in of_table_1] == ["kernel similarity"] * 3


def test_table_1s_own_loss_comes_to_what_table_1_says() -> None:
    """The same episodes, step by step, under another name."""
    for row in penalty_pairs.ROWS:
        if row in pairs.TABLES["table1"]:
            own, of_table = (
                read_record(record_path(name, row, RESULTS)) for name in ("penaltypairs", "pairs")
            )
            assert {key: own.metrics[key] for key in of_table.metrics} == of_table.metrics


def directions(weight: Tensor) -> np.ndarray:
    rows = weight.detach().flatten(1).double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def start_of(settings: PenaltySettings) -> nn.Module:
    run = TrainingSettings("baseline", settings.width, settings.seed)
    return initialise(run, "cpu", classes=len(TRAIN.classes))[0]


def test_the_normalised_similarity_is_lowered_as_the_scale_free_descent_lowers_it() -> None:
    settings = replace(SMALL, penalty="normalised similarity", iterations=20)
    expected = start_of(settings)
    minimize_similarity(expected, iterations=20, scale_free=True)
    model = penalties.penalized(settings, TRAIN)
    for found, wanted in zip(layer_weights(model), layer_weights(expected), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("penalty", OF_WEIGHTS)
def test_a_penalty_falls_in_every_layer_and_norms_are_held(penalty: str) -> None:
    model = penalties.penalized(replace(SMALL, penalty=penalty), TRAIN)
    for found, start in zip(layer_weights(model), layer_weights(start_of(SMALL)), strict=True):
        torch.testing.assert_close(found.flatten(1).norm(dim=1), start.flatten(1).norm(dim=1))
        before, after = (torch.from_numpy(directions(w)).view(w.shape) for w in (start, found))
        # Six kernels have fewer rows than taps: at norm 1 the identity can be reached.
        assert OF_WEIGHTS[penalty](after) < 0.97 * OF_WEIGHTS[penalty](before)
    if penalty == "soft orthogonality":
        for weight in layer_weights(model):
            np.testing.assert_allclose(
                directions(weight) @ directions(weight).T, np.eye(6), atol=2e-2
            )


def test_kernels_are_scaled_to_where_the_identity_can_be_reached() -> None:
    """A harmonic frame: eight kernels of four taps, of any norms, are tight at equal ones."""
    angles = 2 * torch.pi * torch.arange(8, dtype=torch.float64)[:, None] * torch.tensor([1, 3]) / 8
    frame = torch.cat([angles.cos(), angles.sin()], dim=1).view(8, 1, 2, 2)
    weight = penalties.scaled(frame * torch.arange(1, 9).view(8, 1, 1, 1))
    for name in ("soft orthogonality", "mutual coherence", "SRIP"):
        assert OF_WEIGHTS[name](weight).item() == pytest.approx(0, abs=1e-12)
    norms = penalties.scaled(frame[:4]).flatten(1).norm(dim=1)
    assert norms.tolist() == pytest.approx([1] * 4)


def test_decov_is_lowered_on_the_maps_that_the_changed_layers_before_make() -> None:
    settings = replace(SMALL, penalty=DECOV, iterations=4, seen=30)
    model = penalties.penalized(settings, COLORS[0])
    seen = COLORS[0].normalized(torch.linspace(0, len(COLORS[0]) - 1, 30).round().long())
    inputs: list[Tensor] = []
    network = penalties.penalized(settings, COLORS[0]).train()
    for _, layer in convolutional_layers(network):
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))
    network(seen)
    for found, start, maps_in in zip(
        layer_weights(model), layer_weights(start_of(settings)), inputs, strict=True
    ):
        weight = start.clone().requires_grad_()
        norms = start.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        optimizer = torch.optim.Adam([weight], lr=settings.learning_rate)
        values = []
        for _ in range(settings.iterations):
            kernels = weight / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            loss = decov(nn.functional.conv2d(maps_in, kernels, padding=2))
            values.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                weight *= norms / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        torch.testing.assert_close(found, weight.detach(), rtol=1e-3, atol=1e-5)
        assert values[-1] < values[0]


def test_readings_are_those_of_the_layers_after_the_descent() -> None:
    settings = replace(SMALL, penalty="SRIP")
    found = penalties.measure(settings, *COLORS)
    model = penalties.penalized(settings, COLORS[0])
    states = layer_states(model, COLORS[1], settings.pictures, settings.queries)
    assert list(found) == LAYERS
    for (name, layer), weight in zip(found.items(), layer_weights(model), strict=True):
        rows = directions(weight)
        cosines = np.abs(rows @ rows.T)[np.triu_indices(6, 1)]
        assert layer["kernel_cosine"] == pytest.approx(cosines.mean(), rel=1e-4)
        assert {key: layer[key] for key in states[name]} == states[name]
        assert layer["overlap"] is not None and layer["overlap"]["overlap"]["mean"] is not None
        squares = np.linalg.svd(rows, compute_uv=False) ** 2
        assert layer["penalties"]["SRIP"] == pytest.approx(abs(squares - 1).max(), rel=1e-4)
        assert layer["penalties"]["soft orthogonality"] == pytest.approx(
            ((squares - 1) ** 2).sum(), rel=1e-4
        )
        assert list(layer["penalties"]) == [*OF_WEIGHTS]
    plain = penalties.measure(SMALL, *COLORS)
    expected = layer_states(start_of(SMALL), COLORS[1], settings.pictures, settings.queries)
    assert {n: {k: plain[n][k] for k in expected[n]} for n in LAYERS} == expected


def test_what_is_recorded_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [replace(SMALL, penalty=name, iterations=3) for name in (NONE, "OCNN", DECOV)]
    machine = Machine(folder=tmp_path, progress=False, command="a test")
    runner.run(penalties.tasks(rows), machine, progress=False)
    recorded = {r.settings["penalty"]: r for r in read_records("penalties", tmp_path)}
    assert list(map(recorded.__contains__, (NONE, "OCNN", DECOV))) == [True] * 3
    expected = to_six_digits({"layers": penalties.measure(rows[2], TRAIN, TEST)})
    assert recorded[DECOV].metrics == expected and recorded[DECOV].data == TRAIN.source
    monkeypatch.setattr(runner, "perform", lambda *_: pytest.fail("run again"))
    runner.run(penalties.tasks(rows), machine, progress=False)
    assert {row.data for row in penalties.plan(tmp_path)} == {"digits"}


def test_the_plan_is_every_penalty_and_none_seed_by_seed(tmp_path: Path) -> None:
    rows = penalties.plan(tmp_path)
    assert [(row.seed, row.penalty) for row in rows] == [
        (seed, name) for seed in (0, 1) for name in ("none", *NAMES)
    ]
    assert {row.data for row in rows} == {"CIFAR-10"} and rows[0].pictures == PICTURES == 512
    assert [task.settings for task in ON_IMAGES["penalties"][1](tmp_path, None)] == rows
    result = CliRunner().invoke(app, ["status", "penalties", "--results", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert [line.split("  ")[0] for line in result.output.splitlines()] == [str(r) for r in rows]


def test_pairs_are_run_and_recorded_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, _ = EXPERIMENTS["penaltypairs"]
    rows = [PairSettings(name, 3, "Adam", 0.1, 2, episodes=4) for name in ("DeCov", "SRIP")]
    tasks = penalty_pairs.PENALTY_PAIRS.tasks(rows)
    monkeypatch.setitem(EXPERIMENTS, "penaltypairs", (words, tasks))
    result = CliRunner().invoke(app, ["run", "penaltypairs", "--results", str(tmp_path)])
    assert result.exit_code == 0, result.output
    records = read_records("penaltypairs", tmp_path)
    assert {r.settings["loss"] for r in records} == {"DeCov", "SRIP"}
    for record, row in ((r, PairSettings(**r.settings)) for r in records):
        assert record.metrics == to_six_digits(penalty_pairs.measure(row))
        assert record.command.startswith("convsim run penaltypairs")
        assert record.data.endswith("kernels from U(-1, 1), 4 episodes")
