r"""How low Convolutional Similarity can be at given kernel norms, and the kernels that set it.

With :math:`n_i = \|K_i\|^2`, the autocorrelation :math:`A_i` is :math:`n_i` at lag 0, and
:math:`\|A_i\|^2 \le \kappa n_i^2` with a constant :math:`\kappa` that depends on the size of the
kernels alone. Both together bound the loss from below, whatever the directions of the kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from convsim.checks import at_least_float32, check_weight, check_whole, within_dtype
from convsim.correlation import autocorrelate, cross_correlate
from convsim.kernel_options import checked_sizes
from convsim.similarity import convolutional_similarity
from convsim.spectrum import kernel_autocorrelations, others

_STEPS = 100  # about 20 reach rounding


def sharpest_kernel(kernel_size: Sequence[int]) -> Tensor:
    r"""The kernel of norm 1 whose autocorrelation has the largest norm.

    With several axes it is the outer product of the sharpest kernels of each axis, and more than
    one channel gains nothing: both follow from the triangle inequality for sums of
    autocorrelations. For three taps it is :math:`(a, b, a)` with :math:`a^2 = 2/7`. For more it
    is found by an ascent from equal taps; no other start was seen to end higher.

    Args:
        kernel_size: taps on each of one to three axes.

    Returns:
        Tensor of shape ``kernel_size``, float64, without a negative entry.

    Raises:
        ValueError: if there are no or more than three axes, or one has not at least 1 tap.

    Example:
        >>> sharpest_kernel([3]).square().mul(7).round(decimals=6).tolist()
        [2.0, 3.0, 2.0]
    """
    kernel = torch.ones((), dtype=torch.float64)
    for taps in checked_sizes(kernel_size):
        kernel = kernel[..., None] * torch.tensor(_sharpest_line(taps), dtype=torch.float64)
    return kernel


def spectral_peak(kernel_size: Sequence[int]) -> float:
    r"""The largest mean square of a power spectrum of mean 1, for kernels of a size.

    .. math:: \kappa = \max_K \frac{\|A(K)\|^2}{\|K\|^4}, \qquad A(K) = \sum_c K[c] \star K[c]

    It is 1 for kernels of one tap, whose spectra are flat, and less than the number of taps for
    all others. The maximum is that of :func:`sharpest_kernel`, a product over the axes.

    Args:
        kernel_size: taps on each of one to three axes.

    Raises:
        ValueError: for the sizes that :func:`sharpest_kernel` refuses.

    Example:
        >>> round(7 * spectral_peak([3]), 6), round(49 * spectral_peak([3, 3]), 6)
        (15.0, 225.0)
    """
    kernel = sharpest_kernel(kernel_size)
    return autocorrelate(kernel, dims=kernel.ndim).square().sum().item()


def spectral_concentration(weight: Tensor) -> Tensor:
    r"""How narrow in frequency each kernel is: the mean square of its spectrum, scaled to mean 1.

    .. math:: \frac{\|A_i\|^2}{\|K_i\|^4}

    It is 1 for a flat spectrum and at most :func:`spectral_peak`. Many channels of independent taps
    come to 1 + 1/C times a constant; waves of 3 x 3 taps to about 2.7.

    Args:
        weight: ``(S, C, *kernel_size)`` with one, two or three kernel axes.

    Returns:
        Tensor ``(S,)``, float64; NaN for a kernel that is zero.

    Raises:
        ValueError: if ``weight`` is not a finite weight.

    Example:
        >>> kernels = torch.tensor([[[0.0, 1.0, 0.0]], [[1.0, 1.0, 1.0]]])
        >>> spectral_concentration(kernels).mul(9).round().tolist()
        [9.0, 19.0]
    """
    check_weight(weight, check_finite=True)
    exact = weight.detach().double()
    exact = exact / exact.abs().flatten(1).amax(1).view(-1, *[1] * (weight.ndim - 1))
    lags = kernel_autocorrelations(exact)
    return lags.square().sum(1) / exact.flatten(1).square().sum(1).square()


def similarity_floor(weight: Tensor, *, normalized: bool = False) -> Tensor:
    r"""A value below which Convolutional Similarity cannot be, at the norms of a weight's kernels.

    .. math:: L_{CS} \ge \frac12 \Big(\big(\sum_i n_i\big)^2 - \kappa \sum_i n_i^2\Big), \qquad
              \bar L \ge \frac{S - \kappa}{\kappa\,(S - 1)}

    with :math:`n_i = \|K_i\|^2` and :math:`\kappa` of :func:`spectral_peak`. Where a side on the
    right is negative, the bound is 0.

    Args:
        weight: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        normalized: bound the scale-free form instead. It holds for kernels of any norms but 0;
            kernels that are exactly zero do not count.

    Returns:
        Scalar tensor of the weight's dtype; 0 for a single kernel.

    Raises:
        ValueError: for the weights that :func:`convsim.convolutional_similarity` refuses, or if
            the bound overflows its dtype.

    Example:
        >>> weight = torch.ones(2, 1, 1)  # of one tap: nothing but the norms counts
        >>> similarity_floor(weight).item()
        1.0
        >>> round(similarity_floor(torch.ones(64, 1, 3, 3), normalized=True).item(), 3)
        0.205
    """
    check_weight(weight, check_finite=True)
    peak = spectral_peak(weight.shape[2:])

    def at_these_norms(weight: Tensor) -> Tensor:
        power = at_least_float32(weight).flatten(1).square().sum(1, keepdim=True)  # n_i
        # The pairs are summed apart: what a square has on its diagonal would cost their digits.
        pairs, own = (power * others(power)).sum(), power.square().sum()
        return ((pairs - (peak - 1) * own) / 2).clamp(min=0).to(weight.dtype)

    def in_direction(weight: Tensor) -> Tensor:
        alive = (weight.flatten(1) != 0).any(1).sum()
        bound = (alive - peak) / (peak * (alive - 1).clamp(min=1))
        return torch.where(alive > 1, bound, 0).clamp(min=0).to(weight.dtype)

    compute = in_direction if normalized else at_these_norms
    return within_dtype(compute, "the lower bound of L_CS", weight=weight)


def cosine_floor(vectors: int, dimensions: int) -> float:
    r"""A value below which the mean \|cos\| of so many vectors in so few dimensions cannot be.

    For unit vectors :math:`\sum_{i,j} \cos^2 \ge S^2/n` (Welch, 1974), and
    :math:`|\cos| \ge \cos^2`, so that the mean over pairs is at least :math:`(S/n-1)/(S-1)`.
    It is reached by an orthogonal basis that is taken several times.

    Args:
        vectors: their number, S.
        dimensions: of the space that they lie in, n.

    Raises:
        ValueError: if one of them is not at least 1.

    Example:
        >>> cosine_floor(4, 2)  # of the pairs of two axes, taken twice, two of six are parallel
        0.3333333333333333
        >>> cosine_floor(64, 576)
        0.0
    """
    check_whole(vectors, "vectors", least=1)
    check_whole(dimensions, "dimensions", least=1)
    return max(0.0, (vectors / dimensions - 1) / (vectors - 1)) if vectors > 1 else 0.0


def floor_share(weight: Tensor) -> float | None:
    """:func:`similarity_floor` as a share of Convolutional Similarity; None where it is 0.

    Args:
        weight: ``(S, C, *kernel_size)``, floating point and finite.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> round(floor_share(torch.randn(64, 64, 3, 3)), 2)  # (64 - 225 / 49) / (64 - 1)
        0.94
    """
    size = weight.detach().abs().max()
    scaled = weight.detach() / torch.where(size > 0, size, 1)  # no fourth power is lost
    bound = similarity_floor(scaled).item()
    return bound / convolutional_similarity(scaled).item() if bound else None


@lru_cache(maxsize=64)
def _sharpest_line(taps: int) -> tuple[float, ...]:
    """The sharpest kernel of one axis."""
    kernel = torch.full((taps,), taps**-0.5, dtype=torch.float64)
    for _ in range(_STEPS):
        # ‖A‖² is convex in the kernel: the direction of its gradient never has a smaller one.
        kernel = cross_correlate(autocorrelate(kernel), kernel.flip(0), mode="valid")
        kernel = kernel / kernel.norm()
    return tuple(kernel.tolist())
