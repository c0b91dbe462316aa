"""Three explorers: ipywidgets in a notebook, and the same picture on a page without a kernel.

An explorer's state is its traits: Python sets and observes them, ``explorers.js`` draws them.
Lists are compared as a whole: assign a new list, an item changed in place goes unnoticed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
import traitlets

from convsim.correlation import autocorrelate, cross_correlate
from convsim.data import photograph
from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.pair import KernelPair
from convsim.explorers.traits import (
    LARGEST,
    choice_trait,
    grey_trait,
    number_trait,
    square_trait,
    taps_trait,
    whole_trait,
)
from convsim.similarity import convolutional_similarity, feature_map_similarity, kernel_similarity

MODES = ("full", "same", "valid")
INPUTS = ("noise", "impulse", "step", "sine", "constant", "photograph")
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


class CorrelationExplorer(Explorer):
    """A kernel that slides along a signal in full, same or valid mode (Eq. 1b).

    Traits:
        signal: list of 1 to 64 numbers, at least as many as ``kernel`` has.
        kernel: list of 1 to 16 numbers.
        mode: ``"full"``, ``"same"`` or ``"valid"``, with SciPy's centring in ``"same"``.
        position: index into the output; one past its end is set to the last.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = CorrelationExplorer(signal=[1, 2, 3], kernel=[1, -1], mode="valid")
        >>> explorer.readouts()["output"]
        [-1.0, -1.0]
    """

    _explorer = traitlets.Unicode("correlation", read_only=True).tag(sync=True)
    signal = taps_trait([0, 0, 1, 2, 3, 3, 3, 1, 0, 0, -1, 0], 1, SIGNAL_LENGTH).tag(sync=True)
    kernel = taps_trait([-1, 0, 1], 1, 16).tag(sync=True)
    mode = choice_trait(MODES).tag(sync=True)
    position = whole_trait(4, high=LARGEST).tag(sync=True)

    names = ("signal", "kernel", "mode", "position")

    @traitlets.validate("signal", "kernel")
    def _fits(self, proposal: Any) -> list[float]:
        sizes = {"kernel": len(self.kernel), "signal": len(self.signal)}
        sizes[proposal["trait"].name] = len(proposal["value"])
        taps, length = sizes.values()
        if taps > length:
            raise traitlets.TraitError(
                f"kernel has {taps} taps and signal {length} values, expected a kernel that is no "
                "longer than the signal: shorten the kernel or lengthen the signal"
            )
        return proposal["value"]

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> int:
        return min(proposal["value"], self._output_length() - 1)

    @traitlets.observe("signal", "kernel", "mode")
    def _stay_inside(self, _change: Any) -> None:
        self.position = min(self.position, self._output_length() - 1)

    def _output_length(self) -> int:
        signal, kernel = len(self.signal), len(self.kernel)
        return {"full": signal + kernel - 1, "same": signal, "valid": signal - kernel + 1}[
            self.mode
        ]

    def readouts(self) -> Readouts:
        """Return the output, its length, and its value at ``position``."""
        signal, kernel = tensor(self.signal), tensor(self.kernel)
        output = cross_correlate(signal, kernel, mode=self.mode).tolist()
        return {
            "output": output,
            "output_length": len(output),
            "value": output[self.position],
        }


class FeatureMapPair(KernelPair):
    """Two kernels and the similarity of their feature maps, in ``dims`` dimensions."""

    dims: ClassVar[int]

    @property
    def signal(self) -> torch.Tensor:
        """The input X, a float64 tensor."""
        raise NotImplementedError

    def readouts(self) -> Readouts:
        """Return ⟨K1, K2⟩, ⟨F1, F2⟩, their cosines, L_CS and Eq. 11, computed by ``convsim``.

        The two cosines are None where a kernel or a feature map is zero.
        """
        first, second, signal = tensor(self.kernel_1), tensor(self.kernel_2), self.signal
        correlate = partial(cross_correlate, dims=self.dims)
        maps = correlate(signal, first), correlate(signal, second)
        lags = autocorrelate(signal, max_lag=len(first) - 1, dims=self.dims)
        terms = correlate(first, second) * lags
        elsewhere = terms.flatten().clone()
        lag_0 = elsewhere[elsewhere.numel() // 2].item()
        elsewhere[elsewhere.numel() // 2] = 0.0
        cosine = _cosine(partial(feature_map_similarity, dims=self.dims), *maps)
        return {
            "kernel_similarity": kernel_similarity(first, second, dims=self.dims).item(),
            "kernel_cosine": _cosine(partial(kernel_similarity, dims=self.dims), first, second),
            "feature_map_similarity": feature_map_similarity(*maps, dims=self.dims).item(),
            "feature_map_cosine": None if cosine is None else abs(cosine),
            "convolutional_similarity": convolutional_similarity(
                torch.stack([first, second]).unsqueeze(1)
            ).item(),
            "lag_0": lag_0,
            "other_lags": elsewhere.sum().item(),
            "lag_terms": terms.tolist(),
        }


class SimilarityExplorer(FeatureMapPair):
    """Two 1-d kernels, their feature maps, and Eq. 11 lag by lag.

    Traits:
        kernel_1, kernel_2: lists of 1 to 16 numbers, of one length.
        input: X of length 64, one of ``"noise"`` (uniform in [0, 1), from ``seed``), ``"impulse"``,
            ``"step"``, ``"sine"``, ``"constant"``, ``"photograph"``.
        seed: whole number from 0 to 2**32 - 1.
        loss, learning_rate: what the page's descent lowers, and its step size.
        photograph: list of 64 numbers; by default the middle row of ``photograph("china")``.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = SimilarityExplorer(kernel_1=[1, 2], kernel_2=[2, -1], input="impulse")
        >>> explorer.readouts()["feature_map_similarity"]
        0.0
    """

    _explorer = traitlets.Unicode("similarity", read_only=True).tag(sync=True)
    kernel_1 = taps_trait([0.25, 0.5, 1.0, 0.5, 0.25], 1, 16).tag(sync=True)
    kernel_2 = taps_trait([0.5, 1.0, 0.25, -0.25, -0.5], 1, 16).tag(sync=True)
    input = choice_trait(INPUTS).tag(sync=True)
    seed = whole_trait(0, high=2**32 - 1).tag(sync=True)
    loss = choice_trait(LOSSES).tag(sync=True)
    learning_rate = number_trait(0.05, 1e-6, 10.0).tag(sync=True)
    photograph = taps_trait(
        lambda: photograph()[SIGNAL_LENGTH // 2], SIGNAL_LENGTH, SIGNAL_LENGTH
    ).tag(sync=True)

    names = ("kernel_1", "kernel_2", "input", "seed", "loss", "learning_rate", "photograph")
    dims = 1

    @property
    def signal(self) -> torch.Tensor:
        """The input X, a float64 tensor of shape (64,)."""
        middle, index = SIGNAL_LENGTH // 2, range(SIGNAL_LENGTH)
        values = {
            "noise": lambda: uniform_noise(self.seed, SIGNAL_LENGTH),
            "impulse": lambda: [float(n == middle) for n in index],
            "step": lambda: [float(n >= middle) for n in index],
            "sine": lambda: [math.sin(2 * math.pi * n / 16) for n in index],
            "constant": lambda: [1.0 for _ in index],
            "photograph": lambda: self.photograph,
        }
        return tensor(values[self.input]())


class ImageExplorer(FeatureMapPair):
    """Two 2-d kernels on a photograph, their feature maps, and Eq. 11 over 2-d lags.

    Traits:
        kernel_1, kernel_2: 3×3 or 5×5 lists of rows, of one size.
        photograph: 64×64 whole grey values from 0 to 255; X is this divided by 255.
        seed: whole number from 0 to 2**32 - 1, for the page's random kernels.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = ImageExplorer()  # Sobel's two kernels
        >>> explorer.readouts()["kernel_similarity"]
        0.0
    """

    _explorer = traitlets.Unicode("image", read_only=True).tag(sync=True)
    kernel_1 = square_trait([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).tag(sync=True)
    kernel_2 = square_trait([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]).tag(sync=True)
    photograph = grey_trait(lambda: (255 * photograph()).round()).tag(sync=True)
    seed = whole_trait(0, high=2**32 - 1).tag(sync=True)

    names = ("kernel_1", "kernel_2", "seed", "photograph")
    dims = 2

    @property
    def signal(self) -> torch.Tensor:
        """The input X, a float64 tensor of shape (64, 64)."""
        return tensor(self.photograph) / 255

    @staticmethod
    def _resized(kernel: list, size: int) -> list:
        shift = (len(kernel) - size) // 2
        inside = range(len(kernel))
        return [
            [
                kernel[i][j] if i in inside and j in inside else 0.0
                for j in range(shift, shift + size)
            ]
            for i in range(shift, shift + size)
        ]


def _cosine(
    inner: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], a: torch.Tensor, b: torch.Tensor
) -> float | None:
    norms = math.sqrt(inner(a, a).item()) * math.sqrt(inner(b, b).item())
    return inner(a, b).item() / norms if norms > 0 else None  # undefined for a zero kernel or map
