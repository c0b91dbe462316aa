"""The explorer of similarity: two 1-d kernels, their feature maps, and Eq. 11 lag by lag."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from convsim.explorers.base import tensor
from convsim.explorers.maps import FeatureMapPair
from convsim.explorers.traits import (
    Checked,
    choice_trait,
    flag_trait,
    kernel_trait,
    number_trait,
    taps_trait,
    whole_trait,
)
from convsim.photographs import photograph

INPUTS = ("noise", "impulse", "step", "sine", "constant", "photograph", "own")
LOSSES = ("convolutional_similarity", "kernel_similarity")
SIGNAL_LENGTH = 64


def uniform_noise(seed: int, length: int) -> list[float]:
    """Return ``length`` numbers in [0, 1) from the generator mulberry32, as the page draws them.

    Example:
        >>> uniform_noise(0, 2)
        [0.26642920868471265, 0.0003297457005828619]
    """
    values = []
    for _ in range(length):
        seed = (seed + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((seed ^ seed >> 15) * (seed | 1)) & 0xFFFFFFFF
        mixed ^= (mixed + (mixed ^ mixed >> 7) * (mixed | 61)) & 0xFFFFFFFF
        values.append((mixed ^ mixed >> 14) / 2**32)
    return values


def _row_trait(name: str) -> Checked:
    trait = taps_trait(lambda: photograph(name)[SIGNAL_LENGTH // 2], SIGNAL_LENGTH, SIGNAL_LENGTH)
    trait.tag(fixed=True)
    return trait


class SimilarityExplorer(FeatureMapPair):
    """Two 1-d kernels, their feature maps, and Eq. 11 lag by lag.

    Traits:
        kernel_1, kernel_2: lists of 1 to 16 numbers, of one length.
        input: X of length 64, one of ``"noise"`` (uniform in [0, 1), from ``seed``), ``"impulse"``,
            ``"step"``, ``"sine"``, ``"constant"``, ``"photograph"``, ``"own"``.
        seed: whole number from 0 to 2**32 - 1.
        loss, learning_rate: what the page's descent lowers, and its step size.
        photograph, own: lists of 64 numbers; by default the middle rows of ``photograph("china")``
            and ``photograph("flower")``. The page replaces ``own`` by a row, levels / 255, of a
            picture that the reader chooses, drops, pastes or draws.
        simple: True leaves the descent out and says the rest in words that need no chapter.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = SimilarityExplorer(kernel_1=[1, 2], kernel_2=[2, -1], input="impulse")
        >>> explorer.readouts()["feature_map_similarity"]
        0.0
    """

    kernel_1 = kernel_trait([0.25, 0.5, 1.0, 0.5, 0.25])
    kernel_2 = kernel_trait([0.5, 1.0, 0.25, -0.25, -0.5])
    input = choice_trait(INPUTS)
    seed = whole_trait(0, high=2**32 - 1)
    loss = choice_trait(LOSSES)
    learning_rate = number_trait(0.05, 1e-6, 10.0)
    photograph = _row_trait("china")
    own = _row_trait("flower")
    simple = flag_trait(False)

    dims = 1

    @property
    def signal(self) -> torch.Tensor:
        """The input X, a float64 tensor of shape (64,)."""
        middle, index = SIGNAL_LENGTH // 2, range(SIGNAL_LENGTH)
        values: dict[str, Callable[[], list[float]]] = {
            "noise": lambda: uniform_noise(self.seed, SIGNAL_LENGTH),
            "impulse": lambda: [float(n == middle) for n in index],
            "step": lambda: [float(n >= middle) for n in index],
            "sine": lambda: [math.sin(2 * math.pi * n / 16) for n in index],
            "constant": lambda: [1.0 for _ in index],
            "photograph": lambda: self.photograph,
            "own": lambda: self.own,
        }
        return tensor(values[self.input]())
