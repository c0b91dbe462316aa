"""The explorer of images: two 2-d kernels on a picture."""

from __future__ import annotations

from typing import Any

import torch

from convsim.explorers.base import tensor
from convsim.explorers.maps import FeatureMapPair
from convsim.explorers.traits import choice_trait, grey_trait, square_trait, whole_trait
from convsim.photographs import photograph

INPUTS = ("photograph", "own")


class ImageExplorer(FeatureMapPair):
    """Two 2-d kernels on a picture, their feature maps, and Eq. 11 over 2-d lags.

    Traits:
        kernel_1, kernel_2: 3×3 or 5×5 lists of rows, of one size.
        input: X, one of ``"photograph"``, ``"own"``.
        seed: whole number from 0 to 2**32 - 1, for the page's random kernels.
        photograph, own: 64×64 whole grey values from 0 to 255, read as levels / 255. The page
            replaces ``own`` by a picture that the reader chooses, drops, pastes or draws.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = ImageExplorer()  # Sobel's two kernels
        >>> explorer.readouts()["kernel_similarity"]
        0.0
    """

    kernel_1 = square_trait([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernel_2 = square_trait([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    input = choice_trait(INPUTS)
    seed = whole_trait(0, high=2**32 - 1)
    photograph = grey_trait(lambda: (255 * photograph()).round())
    own = grey_trait(lambda: (255 * photograph("flower")).round())

    dims = 2

    @property
    def signal(self) -> torch.Tensor:
        """The input X, a float64 tensor of shape (64, 64)."""
        return tensor(self.own if self.input == "own" else self.photograph) / 255

    @staticmethod
    def _resized(kernel: list[Any], size: int) -> list[Any]:
        shift = (len(kernel) - size) // 2
        inside = range(len(kernel))
        return [
            [
                kernel[i][j] if i in inside and j in inside else 0.0
                for j in range(shift, shift + size)
            ]
            for i in range(shift, shift + size)
        ]
