"""The rules of verdicts: where an interval can lie, and how often they are wrong."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest

from convsim.evidence.verdicts import (
    AGREE,
    DIFFER,
    INCONCLUSIVE,
    OPEN,
    OUTCOMES,
    SIGNS,
    compare,
    judge,
)


@pytest.mark.parametrize(
    ("low", "high", "outcome", "verdict"),
    [
        (-0.3, 0.4, "no gain", DIFFER),
        (-1.0, 1.0, "no gain", DIFFER),
        (0.2, 0.9, "no gain", DIFFER),  # zero is excluded, and yet there is no gain to speak of
        (-0.9, -0.2, "no gain", DIFFER),
        (-1.1, -0.1, "the opposite", DIFFER),
        (-9.0, -3.0, "the opposite", DIFFER),
        (-1.1, 0.0, "zero is not excluded, the claimed size is", INCONCLUSIVE),
        (-0.3, 2.0, "zero is not excluded, the claimed size is", INCONCLUSIVE),
        (0.0, 1.1, "zero is not excluded, the claimed size is", INCONCLUSIVE),
        (-0.1, 3.5, "zero is not excluded", INCONCLUSIVE),
        (-5.0, 12.0, "zero is not excluded", INCONCLUSIVE),
        (0.1, 1.1, "smaller", DIFFER),
        (2.0, 3.49, "smaller", DIFFER),
        (0.1, 3.5, "the claimed size", AGREE),
        (4.5, 4.5, "the claimed size", AGREE),
        (0.1, 12.0, "the claimed size", AGREE),
        (5.5, 7.0, "the claimed size", AGREE),
        (5.51, 7.0, "larger", DIFFER),
    ],
)
def test_where_an_interval_lies(low: float, high: float, outcome: str, verdict: str) -> None:
    assert compare(low, high, claimed=4.5, margin=1.0) == outcome
    assert OUTCOMES[outcome] == verdict
    assert compare(-high, -low, claimed=-4.5, margin=1.0) == outcome, "a claimed loss is mirrored"


def test_the_rules_are_exhaustive_and_exclusive() -> None:
    """The three verdicts as the page words them: of every interval exactly one is true."""
    g, m = 4.5, 1.0
    ends = np.arange(-8, 13) / 2
    found = set()
    for low in ends:
        for high in ends[ends >= low]:
            within, contains_zero = -m <= low and high <= m, low <= 0 <= high
            rules = {
                DIFFER: within or high < 0 or (low > 0 and not low - m <= g <= high + m),
                INCONCLUSIVE: contains_zero and not within,
                AGREE: low > 0 and not within and low - m <= g <= high + m,
            }
            true = [verdict for verdict, holds in rules.items() if holds]
            outcome = compare(low, high, claimed=g, margin=m)
            assert true == [OUTCOMES[outcome]], (low, high)
            found.add(outcome)
    assert found == set(OUTCOMES)
    assert set(SIGNS) >= set(OUTCOMES.values())


def test_differences_are_judged_by_students_interval() -> None:
    # Half an interval of three differences is 4.303 deviations over the root of 3: 2.484 each.
    assert judge([3.5, 4.5, 5.5], 4.5, 1.0) == AGREE  # 2.02 to 6.98
    assert judge([2.5, 4.5, 6.5], 4.5, 1.0) == INCONCLUSIVE  # -0.47 to 9.47
    assert judge([-0.4, 0.0, 0.4], 4.5, 1.0) == DIFFER  # -0.99 to 0.99
    assert judge([-0.5, 0.0, 0.5], 4.5, 1.0) == INCONCLUSIVE  # -1.24 to 1.24
    assert judge([4.5, 4.5, 4.5], 4.5, 1.0) == AGREE
    assert judge([0.0, 0.0], 4.5, 1.0) == DIFFER
    assert judge([4.5], 4.5, 1.0) == judge([], 4.5, 1.0) == OPEN


def test_verdicts_are_seldom_wrong() -> None:
    """400 draws of three seeds; calling every interval with zero "differ" fails in 45 %."""
    random = np.random.default_rng(0)

    def share(verdict: str, gain: float, deviation: float) -> float:
        draws = random.normal(gain, deviation, (400, 3))
        return fmean(judge(list(map(float, row)), 4.5, 1.0) == verdict for row in draws)

    assert share(DIFFER, 4.5, 2.0) < 0.05
    assert share(AGREE, 0.0, 0.5) < 0.05
    # And they say something where there is something to say.
    assert share(AGREE, 4.5, 0.5) > 0.9
    assert share(DIFFER, 0.0, 0.2) > 0.9
