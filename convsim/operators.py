"""Convolutions as matrices: small ones, to look at and to check formulas with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, conv3d, pad

from convsim.checks import check_weight, check_whole


def circular_operator(weight: Tensor, size: int, *, stride: int = 1) -> Tensor:
    r"""Matrix :math:`\mathcal K` of a convolution with circular padding, centred as ``"same"`` is.

    With it, feature maps are :math:`\mathcal K x`, the inner product of two of them is
    :math:`x^\top \mathcal K_i^\top \mathcal K_j\, x`, and, once ``size`` is at least twice the
    kernel's less one, per position :math:`\|\mathcal K_i^\top \mathcal K_j\|_F^2` is what the pair
    adds to :func:`convsim.convolutional_similarity` and
    :math:`\|\mathcal K_i \mathcal K_j^\top\|_F^2` what it adds to :func:`convsim.penalties.ocnn`.

    Args:
        weight: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        size: samples of the input on each axis, at least as many as the kernel has taps.
        stride: of the convolution, the same on every axis.

    Returns:
        Tensor ``(S · P, C · N)`` for N positions of the input and P of the output, kernel after
        kernel and channel after channel, of the weight's dtype.

    Raises:
        ValueError: if ``weight`` is not a finite, non-empty floating-point tensor of 3 to 5 axes,
            or ``size`` or ``stride`` is out of range.

    Example:
        >>> circular_operator(torch.tensor([[[1.0, 2.0]]]), 3).tolist()
        [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0], [2.0, 0.0, 1.0]]
    """
    check_weight(weight, check_finite=True)
    taps = weight.shape[2:]
    check_whole(size, "size", least=max(taps), what="samples")
    check_whole(stride, "stride", least=1)
    convolve = (conv1d, conv2d, conv3d)[len(taps) - 1]
    inputs = weight.shape[1] * size ** len(taps)
    points = torch.eye(inputs, dtype=weight.dtype, device=weight.device)
    points = points.view(inputs, weight.shape[1], *[size] * len(taps))
    around = [end for tap in reversed(taps) for end in ((tap - 1) // 2, tap // 2)]
    answers = convolve(pad(points, around, mode="circular"), weight, stride=stride)
    return answers.flatten(1).T
