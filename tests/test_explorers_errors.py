"""The explorers' traits: what an error says."""
# ruff: noqa: E501 -- an error text stands on one line

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import traitlets

from convsim.explorers import (
    CorrelationExplorer,
    ImageExplorer,
    NNKExplorer,
    NormalizationExplorer,
    SimilarityExplorer,
    SpectrumExplorer,
)
from convsim.explorers.base import Explorer

LONG = list(range(17))
NAN = math.nan


@pytest.mark.parametrize(
    ("explorer_type", "name", "value", "text"),
    [
        (SimilarityExplorer, "kernel_1", [], "a list of 1 to 16 finite numbers, got []: it has 0 values; shorten or lengthen it"),
        (SimilarityExplorer, "kernel_1", LONG, "it has 17 values; shorten or lengthen it"),
        (SimilarityExplorer, "kernel_2", [1, NAN], "got [1, nan]: replace nan with a finite number"),
        (SimilarityExplorer, "kernel_2", [1, math.inf], "replace inf with a finite number"),
        (SimilarityExplorer, "kernel_2", [1, 1e7], "choose a number from -1000000 to 1000000"),
        (SimilarityExplorer, "kernel_1", [1, "a"], "replace 'a' with a finite number"),
        (SimilarityExplorer, "kernel_1", "0.5", "got '0.5': pass a list such as [0.5, -1.0, 0.5]"),
        (SimilarityExplorer, "kernel_1", 3, "got 3: pass a list such as [0.5, -1.0, 0.5]"),
        (SimilarityExplorer, "kernel_1", [[1], [2]], "it is nested; pass one flat list"),
        (SimilarityExplorer, "input", "music", "one of 'noise', 'impulse', 'step', 'sine', 'constant', 'photograph', 'own', got 'music': choose one"),
        (SimilarityExplorer, "input", ["noise"], "choose one of these names"),
        (SimilarityExplorer, "loss", "mse", "one of 'convolutional_similarity', 'kernel_similarity', got 'mse'"),
        (SimilarityExplorer, "seed", -1, "a whole number from 0 to 4294967295, got -1: choose a number from 0"),
        (SimilarityExplorer, "seed", 1.5, "replace 1.5 with a whole number"),
        (SimilarityExplorer, "learning_rate", 0, "a number from 1e-06 to 10, got 0: choose a number from 1e-06 to 10"),
        (SimilarityExplorer, "own", [[1.0]] * 64, "a list of 64 finite numbers, got [[1.0], [1.0], [1.0], [1.0], [1.0], [1.0], ...]: it is nested; pass one flat list"),
        (SimilarityExplorer, "examples", {"A": {"own": [0.0] * 64}}, "examples['A'] is {'own': "),
        (SimilarityExplorer, "photograph", [1.0], "a list of 64 finite numbers, got [1.0]: it has 1 values"),
        (SimilarityExplorer, "simple", 1, "simple must be True or False, got 1: choose True or False"),
        (SimilarityExplorer, "examples", {"A": {"photograph": [0.0] * 64}}, "examples['A'] is {'photograph': "),
        (CorrelationExplorer, "examples", {"A": {}}, "examples['A'] is {}, expected a dict that sets some of signal, kernel, mode, position"),
        (CorrelationExplorer, "examples", {"A": [1]}, "examples['A'] is [1], expected a dict that sets some of signal"),
        (CorrelationExplorer, "examples", {"A": {"mode": "round"}}, "examples['A']: mode must be one of 'full', 'same', 'valid', got 'round'"),
        (SpectrumExplorer, "kernel_1", LONG, "a list of 1 to 16 finite numbers, got [0, 1, 2, 3, 4, 5, ...]: it has 17 values"),
        (SpectrumExplorer, "kernel_2", [1, NAN], "got [1, nan]: replace nan with a finite number"),
        (SpectrumExplorer, "loss", "kernel_similarity", "one of 'convolutional_similarity', 'normalized', got 'kernel_similarity': choose one"),
        (SpectrumExplorer, "learning_rate", 11, "a number from 1e-06 to 10, got 11: choose a number from 1e-06 to 10"),
        (SpectrumExplorer, "seed", 2**32, "a whole number from 0 to 4294967295, got 4294967296"),
        (NormalizationExplorer, "scale", 0, "a number from 0.1 to 10, got 0: choose a number from 0.1 to 10"),
        (NormalizationExplorer, "angle", 181, "a number from -180 to 180, got 181"),
        (NormalizationExplorer, "learning_rate", NAN, "a number from 0.01 to 10, got nan: replace nan with a finite number"),
        (NormalizationExplorer, "steps", 0, "a whole number from 1 to 100, got 0: choose a number from 1 to 100"),
        (NormalizationExplorer, "steps", 2.5, "replace 2.5 with a whole number"),
        (NormalizationExplorer, "points", [[0, 0, 1]], 'The "points" trait is read-only'),
        (NNKExplorer, "query", [0, 2.5], "two numbers from -2 to 2, got [0, 2.5]: choose a number from -2 to 2"),
        (NNKExplorer, "query", [0], "got [0]: replace [0] with two numbers such as [0.5, -1.0]"),
        (NNKExplorer, "candidates", [[1, 0], [2, 0]], "3 to 12 points, each two numbers from -2 to 2, got [[1, 0], [2, 0]]: it has 2 points; add some or leave some out"),
        (NNKExplorer, "candidates", [[1, 0]] * 13, "it has 13 points; add some or leave some out"),
        (NNKExplorer, "candidates", [[1, 0], [2, 0], 3], "replace 3 with two numbers such as [0.5, -1.0]"),
        (NNKExplorer, "candidates", [[1, 0], [2, 0], [NAN, 0]], "replace nan with a finite number"),
        (NNKExplorer, "candidates", 3, "got 3: pass a list of points such as [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]"),
        (NNKExplorer, "k", 13, "a whole number from 1 to 12, got 13: choose a number from 1 to 12"),
        (NNKExplorer, "sigma", -1, "a number from 0 to 3, got -1: choose a number from 0 to 3"),
        (CorrelationExplorer, "mode", "circular", "one of 'full', 'same', 'valid', got 'circular'"),
        (CorrelationExplorer, "position", "first", "a whole number from 0 to 1000000, got 'first': replace 'first'"),
        (CorrelationExplorer, "kernel", [1] * 13, "kernel has 13 taps and signal 12 values, expected a kernel that is no longer than the signal: shorten"),
        (CorrelationExplorer, "signal", [1, 2], "kernel has 3 taps and signal 2 values"),
        (ImageExplorer, "kernel_1", [[1, 2], [3, 4]], "3 rows of 3 or 5 rows of 5 finite numbers, got [[1, 2], [3, 4]]: its rows have [2, 2] values"),
        (ImageExplorer, "kernel_1", [[1, 2, 3], [4, 5], [6, 7, 8]], "its rows have [3, 2, 3] values; give it as many rows as columns"),
        (ImageExplorer, "kernel_2", [1, 2, 3], "pass a list of rows, each a list of numbers"),
        (ImageExplorer, "kernel_2", [[1, 2, NAN], [1] * 3, [1] * 3], "replace nan with a finite number"),
        (ImageExplorer, "photograph", [[0.5] * 64] * 64, "it holds 0.5; turn grey values in [0, 1] with (255 * x).round()"),
        (ImageExplorer, "own", [[0.5] * 64] * 64, "own must be 64 rows of 64 whole grey values from 0 to 255, got [[0.5, "),
        (ImageExplorer, "input", "noise", "one of 'photograph', 'own', got 'noise': choose one of these names"),
        (ImageExplorer, "photograph", [[256] * 64] * 64, "it holds 256.0"),
        (ImageExplorer, "photograph", [[0] * 63] * 64, "64 rows of 64 whole grey values from 0 to 255"),
    ],
)  # fmt: skip
def test_errors_say_what_came_what_was_expected_and_what_to_do(
    explorer_type: type[Explorer], name: str, value: Any, text: str
) -> None:
    explorer = explorer_type()
    before = explorer.get_state()
    with pytest.raises(traitlets.TraitError, match=re.escape(text)) as raised:
        setattr(explorer, name, value)
    assert name in str(raised.value)
    assert explorer.get_state() == before
    with pytest.raises(traitlets.TraitError, match=re.escape(text)):
        explorer_type(**{name: value})
