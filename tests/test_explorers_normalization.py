"""The explorer of batch normalisation: readouts against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import linprog

from convsim.explorers import NormalizationExplorer


def loss_of_unit(w: np.ndarray) -> float:
    """The loss from its definition, point by point."""
    points = NormalizationExplorer().points
    responses = [w[0] * x1 + w[1] * x2 for x1, x2, _ in points]
    mean, std = np.mean(responses), np.std(responses)
    losses = [
        math.log(1 + math.exp(-y * (r - mean) / std))
        for r, (_, _, y) in zip(responses, points, strict=True)
    ]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("scale", [0.1, 0.7, 3.0, 10.0])
@pytest.mark.parametrize("rate", [0.01, 0.3, 10.0])
def test_normalization_readouts_are_a_descent_on_the_definition(scale: float, rate: float) -> None:
    explorer = NormalizationExplorer(scale=scale, angle=-100, learning_rate=rate, steps=12)
    readouts = explorer.readouts()
    path = np.array(readouts["path"])
    assert path.shape == (13, 2)
    start = np.multiply(scale, [math.cos(math.radians(-100)), math.sin(math.radians(-100))])
    np.testing.assert_allclose(path[0], start, rtol=1e-14)
    losses = [loss_of_unit(w) for w in path]
    np.testing.assert_allclose(readouts["losses"], losses, rtol=1e-13)
    for before, after in zip(path, path[1:], strict=False):
        step = 1e-5 * np.linalg.norm(before) * np.eye(2)
        slope = [(loss_of_unit(before + h) - loss_of_unit(before - h)) / 2 / h.sum() for h in step]
        # the gradient is as long as 1/norm
        difference = np.linalg.norm(before) * ((before - after) / rate - slope)
        np.testing.assert_allclose(difference, 0, atol=1e-9)
    angles = np.degrees(np.unwrap(np.arctan2(path[:, 1], path[:, 0])))
    for name, expected in {
        "norm_start": scale,
        "norm_end": np.linalg.norm(path[-1]),
        "rate_start": rate / scale**2,
        "rate_end": rate / (path[-1] ** 2).sum(),
        "loss_start": losses[0],
        "loss_end": losses[-1],
        "turned": angles[-1] - angles[0],
    }.items():
        assert readouts[name] == pytest.approx(expected, rel=1e-11), name


def test_a_scale_is_a_learning_rate() -> None:
    for scale, rate in [(0.1, 0.1), (0.3, 0.1), (0.8, 5.0), (5.0, 10.0)]:
        readouts = NormalizationExplorer(scale=scale, learning_rate=rate, steps=100).readouts()
        assert readouts["largest_gap"] < 1e-11
        losses, equivalent = readouts["losses"], readouts["equivalent_losses"]
        assert readouts["largest_gap"] == np.abs(np.subtract(losses, equivalent)).max()
        assert np.abs(np.subtract(losses, readouts["unit_losses"])).max() > 0.01
        at_one = NormalizationExplorer(scale=1, learning_rate=rate, steps=100).readouts()
        np.testing.assert_allclose(readouts["unit_losses"], at_one["losses"], rtol=1e-11)
        # Pythagoras: the step is orthogonal to w, so the norm can only grow
        path = np.array(readouts["path"])
        squares, steps = (path**2).sum(axis=1), (np.diff(path, axis=0) ** 2).sum(axis=1)
        np.testing.assert_allclose(squares[1:], squares[:-1] + steps, rtol=1e-13)
    # powers of two leave no rounding either
    explorer = NormalizationExplorer(scale=0.25, learning_rate=0.125)
    before = explorer.readouts()
    explorer.scale, explorer.learning_rate = 2.0, 8.0
    assert explorer.readouts()["losses"] == before["losses"]


def test_the_points_are_two_long_clouds_that_no_line_parts() -> None:
    points = np.array(NormalizationExplorer().points)
    assert points.shape == (24, 3)
    assert np.array_equal(points, points.round(2))
    assert points[:, 2].tolist() == [1.0] * 12 + [-1.0] * 12
    for label in (1, -1):
        spread = np.linalg.eigvalsh(np.cov(points[points[:, 2] == label, :2].T))
        assert spread[1] > 2 * spread[0]
    sides = -points[:, 2:] * np.column_stack([points[:, :2], np.ones(24)])
    parted = linprog(np.zeros(3), A_ub=sides, b_ub=-np.ones(24), bounds=(None, None))
    assert parted.status == 2  # infeasible
    turned = [loss_of_unit(np.array([math.cos(a), math.sin(a)])) for a in np.radians(range(360))]
    lower = np.less(turned, np.roll(turned, 1)) & np.less(turned, np.roll(turned, -1))
    assert lower.sum() == 1  # one best direction, and no other to get stuck in
