"""The explorer of cross-correlation: readouts against SciPy, the position."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate

from convsim.explorers import CorrelationExplorer


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 12])
def test_correlation_readouts_agree_with_scipy(mode: str, taps: int) -> None:
    rng = np.random.default_rng(taps)
    x, k = rng.normal(size=12), rng.normal(size=taps)
    expected = correlate(x, k, mode=mode, method="direct")
    last = len(expected) - 1
    readouts = CorrelationExplorer(signal=x, kernel=k, mode=mode, position=last).readouts()
    np.testing.assert_allclose(readouts["output"], expected, atol=1e-12)
    assert readouts["output_length"] == len(expected)
    assert readouts["value"] == readouts["output"][last]


def test_a_position_past_the_end_is_the_last() -> None:
    explorer = CorrelationExplorer(signal=[1, 2, 3], kernel=[1, 1], mode="valid", position=50)
    assert explorer.position == 1
    explorer.mode = "full"
    explorer.position = 50
    assert explorer.position == 3
    explorer.set_state({"signal": [1.0], "kernel": [1.0]})
    assert explorer.position == 0
