"""The explorer of batch normalisation: readouts against their definitions."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import traitlets
from scipy.optimize import linprog

from convsim.explorers import NormalizationExplorer

OPTIMIZERS = ("SGD", "momentum", "SGDP", "Adam")
LENGTHENING = OPTIMIZERS[:3]
POINTS = np.array(NormalizationExplorer().points)


def loss_of_unit(w: np.ndarray) -> complex:
    """The loss from its definition, without absolute values: it takes complex weights, too."""
    responses = POINTS[:, :2] @ w
    centred = responses - responses.mean()
    normalized = centred / np.sqrt((centred**2).mean())
    return np.log(1 + np.exp(-POINTS[:, 2] * normalized)).mean()


def gradient_of_unit(w: np.ndarray) -> np.ndarray:
    """By complex steps: exact, for they need no difference (Squire and Trapp, 1998)."""
    tiny = 1e-30
    return np.array([loss_of_unit(w + 1j * tiny * axis).imag for axis in np.eye(2)]) / tiny


def path_by_hand(explorer: NormalizationExplorer) -> np.ndarray:
    """Every w, by the rules of the optimisers as their papers and PyTorch write them."""
    angle = math.radians(explorer.angle)
    path = [explorer.scale * np.array([math.cos(angle), math.sin(angle)])]
    buffer = mean = square = np.zeros(2)
    for t in range(1, explorer.steps + 1):
        w = path[-1]
        g = gradient_of_unit(w)
        if explorer.optimizer == "SGD":
            step = g
        elif explorer.optimizer == "Adam":
            mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
            step = mean / (1 - 0.9**t) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        else:
            step = buffer = 0.9 * buffer + g
        if explorer.optimizer == "SGDP":
            cosine = w @ g / np.linalg.norm(w) / np.linalg.norm(g)
            if abs(cosine) < 0.1 / math.sqrt(2):
                step = step - (w @ step) / (w @ w) * w
        path.append(w - explorer.learning_rate * step)
    return np.array(path)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("scale", "rate"), [(0.1, 0.01), (0.1, 10.0), (0.7, 0.3), (3.0, 10.0), (10.0, 0.01)]
)
def test_readouts_are_those_of_the_optimiser_on_the_definition(
    optimizer: str, scale: float, rate: float
) -> None:
    explorer = NormalizationExplorer(
        scale=scale, angle=-100, learning_rate=rate, steps=40, optimizer=optimizer
    )
    readouts = explorer.readouts()
    path = np.array(readouts["path"])
    np.testing.assert_allclose(path, path_by_hand(explorer), rtol=0, atol=1e-11 * abs(path).max())
    losses = [loss_of_unit(w) for w in path]
    np.testing.assert_allclose(readouts["losses"], losses, rtol=1e-13)
    angles = np.degrees(np.unwrap(np.arctan2(path[:, 1], path[:, 0])))
    end = np.linalg.norm(path[-1])
    times, power = {"SGD": (1, 2), "momentum": (10, 2), "SGDP": (10, 2), "Adam": (1, 1)}[optimizer]
    for name, expected in {
        "norm_start": scale,
        "norm_end": end,
        "rate_start": times * rate / scale**power,
        "rate_end": times * rate / end**power,
        "loss_start": losses[0],
        "loss_end": losses[-1],
        "turned": angles[-1] - angles[0],
    }.items():
        assert readouts[name] == pytest.approx(expected, rel=1e-11), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_scale_is_a_learning_rate(optimizer: str) -> None:
    explorer = NormalizationExplorer(steps=100, optimizer=optimizer)
    for scale, rate in [(0.1, 0.1), (0.3, 0.1), (0.8, 5.0), (5.0, 10.0)]:
        explorer.scale, explorer.learning_rate = scale, rate
        readouts = explorer.readouts()
        assert readouts["largest_gap"] < (1e-5 if optimizer == "Adam" else 1e-11)
        losses, equivalent = readouts["losses"], readouts["equivalent_losses"]
        assert readouts["largest_gap"] == np.abs(np.subtract(losses, equivalent)).max()
        assert np.abs(np.subtract(losses, readouts["unit_losses"])).max() > 0.01
        explorer.scale = 1.0
        np.testing.assert_allclose(
            readouts["unit_losses"], explorer.readouts()["losses"], rtol=1e-11
        )


@pytest.mark.parametrize("optimizer", LENGTHENING)
def test_powers_of_two_leave_no_rounding_either(optimizer: str) -> None:
    explorer = NormalizationExplorer(scale=0.25, learning_rate=0.125, optimizer=optimizer)
    before = explorer.readouts()
    assert before["largest_gap"] == 0
    explorer.scale, explorer.learning_rate = 2.0, 8.0
    assert explorer.readouts()["losses"] == before["losses"]


def test_what_adam_leaves_of_a_gap_is_its_epsilon() -> None:
    """A scale of 2^-k with a rate of 2^-k is exact but for ε, which is felt where g is small."""
    gaps = [
        NormalizationExplorer(scale=scale, learning_rate=scale / 8, optimizer="Adam").readouts()
        for scale in (0.125, 0.5, 1.0, 8.0)
    ]
    assert [readouts["largest_gap"] > 1e-12 for readouts in gaps] == [True, True, False, True]
    assert max(readouts["largest_gap"] for readouts in gaps) < 1e-6


@pytest.mark.parametrize("optimizer", LENGTHENING)
@pytest.mark.parametrize(("scale", "rate"), [(0.1, 0.1), (0.3, 0.1), (0.8, 5.0), (5.0, 10.0)])
def test_the_norm_grows_as_pythagoras_says(optimizer: str, scale: float, rate: float) -> None:
    explorer = NormalizationExplorer(
        scale=scale, learning_rate=rate, steps=100, optimizer=optimizer
    )
    path = np.array(explorer.readouts()["path"])
    squares = (path**2).sum(axis=1)
    lengths = (np.diff(path, axis=0) ** 2).sum(axis=1)  # η² ‖p_t‖²
    growth = lengths.copy()
    if optimizer == "momentum":
        # Heo et al. (2021): earlier steps are no tangents any more, and lead outwards
        for t in range(1, len(growth)):
            growth[t] += 2 * sum(0.9 ** (t - k) * lengths[k] for k in range(t))
    np.testing.assert_allclose(squares[1:], squares[:-1] + growth, rtol=1e-13)
    assert growth.min() >= 0


def test_momentum_lengthens_most_and_adam_may_shorten() -> None:
    ends = {name: NormalizationExplorer(optimizer=name).readouts() for name in OPTIMIZERS}
    assert ends["momentum"]["norm_end"] > 5 * ends["SGDP"]["norm_end"]
    explorer = NormalizationExplorer(scale=2, angle=-90, learning_rate=0.08, optimizer="Adam")
    norms = np.linalg.norm(explorer.readouts()["path"], axis=1)
    assert norms.min() < 0.8 * norms[0]


def test_an_unknown_optimiser_is_refused_in_words() -> None:
    expected = "optimizer must be one of 'SGD', 'momentum', 'SGDP', 'Adam', got 'RMSprop': choose"
    with pytest.raises(traitlets.TraitError, match=re.escape(expected)):
        NormalizationExplorer(optimizer="RMSprop")


def test_the_points_are_two_long_clouds_that_no_line_parts() -> None:
    assert POINTS.shape == (24, 3)
    assert np.array_equal(POINTS, POINTS.round(2))
    assert POINTS[:, 2].tolist() == [1.0] * 12 + [-1.0] * 12
    for label in (1, -1):
        spread = np.linalg.eigvalsh(np.cov(POINTS[POINTS[:, 2] == label, :2].T))
        assert spread[1] > 2 * spread[0]
    sides = -POINTS[:, 2:] * np.column_stack([POINTS[:, :2], np.ones(24)])
    parted = linprog(np.zeros(3), A_ub=sides, b_ub=-np.ones(24), bounds=(None, None))
    assert parted.status == 2  # infeasible
    turned = [loss_of_unit(np.array([math.cos(a), math.sin(a)])) for a in np.radians(range(360))]
    lower = np.less(turned, np.roll(turned, 1)) & np.less(turned, np.roll(turned, -1))
    assert lower.sum() == 1  # one best direction, and no other to get stuck in
