r"""Penalties on redundancy that others proposed, each as its paper has it, without a strength.

All take the weight of one ungrouped layer, as :func:`convsim.convolutional_similarity` does, or its
feature maps; of a grouped layer pass one group at a time. W is the weight as a matrix
``(S, C·T)``, one row a kernel of T taps; G is the Gram matrix of its smaller side, W Wᵀ of S rows
or Wᵀ W, because the larger one can never be the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, conv3d, softplus

from convsim.checks import (
    at_least_float32,
    check_number,
    check_tensor,
    check_weight,
    check_whole,
    within_dtype,
)
from convsim.similarity import convolutional_similarity, unit


def soft_orthogonality(weight: Tensor, *, check_finite: bool = True) -> Tensor:
    r"""Squared distance of the Gram matrix from the identity, :math:`\|G - I\|_F^2`.

    Source: Bansal et al. (2018), their "soft orthogonality", on the smaller side. Off the diagonal
    it sees lag 0 of the kernels, summed over channels; on the diagonal it asks for norm 1.

    Args:
        weight: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Scalar tensor of the weight's dtype, differentiable; 0 for orthonormal kernels.

    Raises:
        ValueError: if ``weight`` is not a finite, non-empty floating-point tensor of 3 to 5 axes,
            or if the value overflows its dtype.

    Example:
        >>> soft_orthogonality(torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]])).item()  # norms of √2
        2.0
    """
    return _of(weight, check_finite, lambda w: _excess(w).square().sum())


def mutual_coherence(weight: Tensor, *, check_finite: bool = True) -> Tensor:
    r"""Largest entry of the Gram matrix less the identity, :math:`\max_{ij} |G - I|_{ij}`.

    Source: Bansal et al. (2018). Its gradient reaches one pair of rows, or one row, at a time.

    Args:
        weight: as for :func:`soft_orthogonality`.
        check_finite: as there.

    Returns:
        Scalar tensor of the weight's dtype, differentiable; 0 for orthonormal kernels.

    Raises:
        ValueError: as :func:`soft_orthogonality`.

    Example:
        >>> mutual_coherence(torch.tensor([[[1.0, 0.0]], [[0.5, 0.5]]])).item()
        0.5
    """
    return _of(weight, check_finite, lambda w: _excess(w).abs().max())


def srip(weight: Tensor, *, check_finite: bool = True) -> Tensor:
    r"""Spectral norm of the Gram matrix less the identity, :math:`\max_k |\sigma_k^2 - 1|`.

    Source: Bansal et al. (2018), "spectral restricted isometry property". They estimate the norm by
    power iteration, their code by a single step of it from a random vector, which is too low; here
    it is what the iteration converges to, from all eigenvalues. Its gradient reaches one singular
    value at a time.

    Args:
        weight: as for :func:`soft_orthogonality`.
        check_finite: as there.

    Returns:
        Scalar tensor of the weight's dtype, differentiable; 0 for orthonormal kernels.

    Raises:
        ValueError: as :func:`soft_orthogonality`.

    Example:
        >>> srip(torch.tensor([[[2.0, 0.0]], [[0.0, 1.0]]])).item()
        3.0
    """

    def compute(w: Tensor) -> Tensor:
        excess = _excess(w)
        # What is not finite has no eigenvalues, and asking for them is an error: NaN stands for it.
        finite = torch.isfinite(excess).all()
        largest = torch.linalg.eigvalsh(torch.where(finite, excess, 0)).abs().max()
        return largest * torch.where(finite, 1.0, torch.nan)

    return _of(weight, check_finite, compute)


def ocnn(weight: Tensor, *, stride: int = 1, check_finite: bool = True) -> Tensor:
    r"""Distance of the operator from orthogonality, :math:`\|\mathrm{Conv}(K, K) - I\|_F^2`.

    The correlation of every two kernels, channel by channel and summed over channels, at every lag
    that is a multiple of the stride; the identity stands at lag 0. With :math:`\mathcal K` the
    operator's matrix for circular padding it is the squared distance of
    :math:`\mathcal K \mathcal K^\top` from the identity, per output position.

    Source: Wang et al. (2020), orthogonal convolutional neural networks. A layer whose outputs are
    more than its inputs, :math:`S > C \cdot \text{stride}^d` on d axes, cannot reach 0: its
    distance is at least the difference (Achour et al., 2022).

    Args:
        weight: as for :func:`soft_orthogonality`.
        stride: of the layer, the same on every axis.
        check_finite: as there.

    Returns:
        Scalar tensor of the weight's dtype, differentiable.

    Raises:
        ValueError: as :func:`soft_orthogonality`, or if ``stride`` is no whole number, 1 or more.

    Example:
        >>> weight = torch.tensor([[[1.0, 0.0, 1.0]]]) / 2**0.5  # norm 1, but not white
        >>> round(ocnn(weight).item(), 4), round(ocnn(weight, stride=3).item(), 4)
        (0.5, 0.0)
    """
    check_whole(stride, "stride", least=1)

    def compute(w: Tensor) -> Tensor:
        correlate = (conv1d, conv2d, conv3d)[w.ndim - 3]
        # Lags are met where the stride carries them, from lag 0 in the middle.
        reach = [(size - 1) // stride for size in w.shape[2:]]
        lags = correlate(w, w, stride=stride, padding=[r * stride for r in reach])
        identity = torch.zeros_like(lags[0, 0])
        identity[tuple(reach)] = 1
        eye = torch.eye(len(w), dtype=w.dtype, device=w.device)
        return (lags - eye.reshape(*eye.shape, *[1] * len(reach)) * identity).square().sum()

    return _of(weight, check_finite, compute)


def orthoreg(weight: Tensor, *, sharpness: float = 10.0, check_finite: bool = True) -> Tensor:
    r"""Pairs of kernels that point the same way,
    :math:`\sum_{i \neq j} \log(1 + e^{\lambda(\cos(K_i, K_j) - 1)})`.

    Source: Rodríguez et al. (2017), "OrthoReg". Only positive cosines count: at the cosine 0 a
    pair adds 5e-5 and hardly pulls, at -1 nothing. It does not depend on the kernels' norms.

    Args:
        weight: as for :func:`soft_orthogonality`. A kernel that is zero has the cosine 0 to all.
        sharpness: :math:`\lambda`.
        check_finite: as there.

    Returns:
        Scalar tensor of the weight's dtype, differentiable.

    Raises:
        ValueError: as :func:`soft_orthogonality`, or if ``sharpness`` is no finite number, 0 or
            more.

    Example:
        >>> twice = torch.tensor([[[1.0, 2.0]], [[2.0, 4.0]]])
        >>> round(orthoreg(twice).item(), 4)  # 2 log 2
        1.3863
    """
    check_number(sharpness, "sharpness")

    def compute(w: Tensor) -> Tensor:
        directions = unit(w.flatten(1))
        return _off_diagonal(softplus(sharpness * (directions @ directions.T - 1))).sum()

    return _of(weight, check_finite, compute)


def decov(feature_maps: Tensor, *, check_finite: bool = True) -> Tensor:
    r"""Covariances between feature maps, :math:`\tfrac12 (\|C\|_F^2 - \|\mathrm{diag}\, C\|_2^2)`.

    C is the covariance of the S channels over a batch and all positions, divided by their number.
    Of a layer's maps it is :math:`K R K^\top` with the centred R of
    :func:`~convsim.patches.patch_autocorrelation`.

    Source: Cogswell et al. (2016), "DeCov", on the units of dense layers; positions count as
    samples here. It has the degree four in the weights: they lower it by shrinking.

    Args:
        feature_maps: ``(B, S, *spatial)``, any number of spatial axes.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Scalar tensor of the maps' dtype, differentiable; 0 for uncorrelated maps.

    Raises:
        ValueError: if ``feature_maps`` is not a finite, non-empty floating-point tensor of two or
            more axes, or if the value overflows its dtype.

    Example:
        >>> decov(torch.tensor([[1.0, 2.0], [-1.0, -2.0]])).item()  # covariance 2
        4.0
    """
    check_tensor(feature_maps, "feature_maps", axes=2, check_finite=False)

    def compute(maps: Tensor) -> Tensor:
        values = at_least_float32(maps).movedim(1, -1).flatten(0, -2)
        values = values - values.mean(0)
        covariance = values.T @ values / len(values)
        return (_off_diagonal(covariance).square().sum() / 2).to(maps.dtype)

    return within_dtype(
        compute, "the penalty", check_finite=check_finite, feature_maps=feature_maps
    )


OF_WEIGHTS: dict[str, Callable[..., Tensor]] = {
    "soft orthogonality": soft_orthogonality,
    "mutual coherence": mutual_coherence,
    "SRIP": srip,
    "OCNN": ocnn,
    "OrthoReg": orthoreg,
    "L_CS": convolutional_similarity,
    "normalised similarity": partial(convolutional_similarity, normalized=True),
}
"""Every penalty on a weight, ours among them, by the name that tables give it."""


def _of(weight: Tensor, check_finite: bool, compute: Callable[[Tensor], Tensor]) -> Tensor:
    check_weight(weight)

    def exactly(w: Tensor) -> Tensor:
        return compute(at_least_float32(w)).to(w.dtype)

    return within_dtype(exactly, "the penalty", check_finite=check_finite, weight=weight)


def _excess(weight: Tensor) -> Tensor:
    """G - I, of the smaller side."""
    rows = weight.flatten(1)
    if rows.shape[0] > rows.shape[1]:
        rows = rows.T
    return rows @ rows.T - torch.eye(len(rows), dtype=rows.dtype, device=rows.device)


def _off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - torch.diag(matrix.diagonal())
