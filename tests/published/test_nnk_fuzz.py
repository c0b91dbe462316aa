"""A hundred thousand singular problems, all of which meet the optimality conditions."""

from __future__ import annotations

import pytest

from convsim.neighborhoods.nonnegative import nonnegative_least_squares
from tests.test_nonnegative import singular_problems, violations


@pytest.mark.usefixtures("one_thread")
def test_a_hundred_thousand_singular_problems_meet_the_conditions() -> None:
    largest, count = 0.0, 0
    for gram, target in singular_problems(100_000, at_once=200, seed=0):
        theta = nonnegative_least_squares(gram, target)
        largest = max(largest, violations(gram, target, theta).max())
        count += len(theta)
    assert count == 100_000
    assert largest < 1e-6, "what nonnegative_least_squares promises"
