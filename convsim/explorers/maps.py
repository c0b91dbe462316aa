"""What the explorers of two feature maps share: their readouts, and Eq. 11 lag by lag."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch

from convsim.correlation import autocorrelate, cross_correlate
from convsim.explorers.base import Readouts, tensor
from convsim.explorers.pair import KernelPair
from convsim.similarity import convolutional_similarity, feature_map_similarity, kernel_similarity


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


def _cosine(
    inner: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], a: torch.Tensor, b: torch.Tensor
) -> float | None:
    norms = math.sqrt(inner(a, a).item()) * math.sqrt(inner(b, b).item())
    return inner(a, b).item() / norms if norms > 0 else None  # undefined for a zero kernel or map
