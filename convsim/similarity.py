r"""Similarity of kernels, of feature maps, and Convolutional Similarity.

The loss of Belmekki et al. (2024) sums :math:`\|K_i[c_1] \star K_j[c_2]\|^2` over all pairs of
kernels and all pairs of channels. Applying the paper's own identity to the loss,
:math:`\|a \star b\|^2 = \langle a \star a, b \star b\rangle`, every kernel is needed once only,
through its autocorrelation :math:`A_i = \sum_c K_i[c] \star K_i[c]`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convsim.checks import (
    at_least_float32,
    check_dims,
    check_pair,
    check_tensor,
    check_weight,
    within_dtype,
)
from convsim.layers import convolutional_layers, current_weight
from convsim.spectrum import kernel_autocorrelations, others, sum_over_pairs


def feature_map_similarity(
    f1: Tensor, f2: Tensor, *, dims: int = 1, check_finite: bool = True
) -> Tensor:
    r"""Inner product of two feature maps, :math:`\langle F_1, F_2\rangle`.

    Args:
        f1: feature maps, ``(..., *M)``: the last ``dims`` axes are spatial.
        f2: feature maps of the same spatial size; leading axes broadcast.
        dims: number of spatial axes, 1, 2 or 3.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Tensor of the broadcast leading shape.

    Raises:
        ValueError: for input that is not a finite floating-point tensor, or of other size.

    Example:
        >>> feature_map_similarity(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0])).item()
        1.0
    """
    return _inner(f1, f2, "f1", "f2", dims, check_finite)


def kernel_similarity(
    k1: Tensor, k2: Tensor, *, dims: int = 1, check_finite: bool = True
) -> Tensor:
    r"""Inner product of two kernels, :math:`\langle K_1, K_2\rangle`.

    Args:
        k1: kernels, ``(..., *N)``: the last ``dims`` axes are spatial.
        k2: kernels of the same spatial size; leading axes broadcast.
        dims: number of spatial axes, 1, 2 or 3.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Tensor of the broadcast leading shape; 0 where the kernels are orthogonal.

    Raises:
        ValueError: for input that is not a finite floating-point tensor, or of other size.

    Example:
        >>> kernel_similarity(torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0])).item()
        0.0
    """
    return _inner(k1, k2, "k1", "k2", dims, check_finite)


def convolutional_similarity(
    weight: Tensor, *, normalized: bool = False, check_finite: bool = True
) -> Tensor:
    r"""Convolutional Similarity of a convolution's weight, exactly, in time linear in S and C.

    .. math:: L_{CS} = \sum_{i<j} \sum_{c_1, c_2} \| K_i[c_1] \star K_j[c_2] \|^2
                     = \sum_{i<j} \langle A_i, A_j \rangle,
              \qquad A_i = \sum_c K_i[c] \star K_i[c]

    The first form is Equation 10 of Belmekki et al. (2024), with the upper limit of
    :math:`c_2` read as :math:`C - 1`; the second is what is computed. Grouped and dilated
    convolutions need nothing special: the zero channels of a group and the zeros between
    dilated taps add nothing to either form.

    Args:
        weight: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        normalized: return the scale-free mean over pairs of
            :math:`\langle A_i, A_j\rangle / (\|A_i\| \|A_j\|)`, between 0 and 1. A kernel that
            is exactly zero has no direction, and pairs with it are left out. Kernels of one tap,
            1 × 1, have one lag and so one direction: their value is 1, whatever the weights, and
            says nothing; compare cosines there, of kernels or of the maps themselves.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Scalar tensor of the weight's dtype, differentiable any number of times in reverse mode
        (``grad``, ``jacrev``, not ``jvp``); 0 for a single kernel. Autocast does not round it.

    Raises:
        ValueError: if ``weight`` is not a finite, non-empty floating-point tensor of 3 to 5 axes,
            or if the value overflows its dtype.

    Example:
        >>> weight = torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]])  # orthogonal, S = 2, C = 1
        >>> convolutional_similarity(weight).item()  # ‖(-1, 0, 1)‖²
        2.0
        >>> round(convolutional_similarity(weight, normalized=True).item(), 4)
        0.3333
    """
    check_weight(weight)
    compute = _mean_over_directions if normalized else _sum_over_pairs
    return within_dtype(compute, "L_CS", check_finite=check_finite, weight=weight)


def similarity_matrix(weight: Tensor, *, check_finite: bool = True) -> Tensor:
    r"""Matrix of :math:`\langle A_i, A_j\rangle`, the share of each pair of kernels in the loss.

    Entry (i, j) equals :math:`\sum_{c_1, c_2} \|K_i[c_1] \star K_j[c_2]\|^2`; the sum over the
    strict upper triangle is :func:`convolutional_similarity`.

    Args:
        weight: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Symmetric tensor ``(S, S)`` of the weight's dtype, with no negative entry.

    Raises:
        ValueError: for the inputs that :func:`convolutional_similarity` refuses.

    Example:
        >>> similarity_matrix(torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]])).tolist()
        [[6.0, 2.0], [2.0, 6.0]]
    """
    check_weight(weight)
    what = "the similarity of a pair"
    return within_dtype(_products, what, check_finite=check_finite, weight=weight)


def model_similarity(model: nn.Module) -> Tensor:
    r"""Sum of :func:`convolutional_similarity` over a model's convolutional layers.

    Every ``Conv1d``, ``Conv2d`` and ``Conv3d`` counts once, grouped and dilated ones too; so do a
    module that is used in several places, and a weight that several modules share. Transposed
    convolutions do not count. A weight that is computed from others, by weight norm, spectral norm
    or a pruning mask, counts as computed.

    Args:
        model: any module.

    Returns:
        Scalar tensor, differentiable with respect to the layers' weights.

    Raises:
        ValueError: if ``model`` is no module or has no convolutional layer, if a weight is not
            finite, or if its L_CS overflows its dtype; the message names the layer.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> model_similarity(model).item() > 0
        True
    """
    of_weights: dict[int, Tensor] = {}
    for name, layer in convolutional_layers(model):
        own = id(layer._parameters.get("weight", layer))
        try:
            if own not in of_weights:
                of_weights[own] = convolutional_similarity(current_weight(layer))
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error}") from error
    first, *rest = of_weights.values()
    return sum((value.to(first) for value in rest), start=first)


def unit(vectors: Tensor) -> Tensor:
    """Vectors along the last axis, of norm 1; a zero vector stays zero.

    Example:
        >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    # Scaled by the largest entry first, no square overflows or vanishes.
    size = vectors.abs().amax(-1, keepdim=True)
    scaled = vectors / torch.where(size > 0, size, 1)
    norms: Tensor = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
    return scaled / norms.clamp(min=1)


def _inner(a: Tensor, b: Tensor, a_name: str, b_name: str, dims: int, check_finite: bool) -> Tensor:
    check_dims(dims)
    check_tensor(a, a_name, axes=dims, check_finite=check_finite)
    check_tensor(b, b_name, axes=dims, check_finite=check_finite)
    check_pair(a, b, a_name, b_name, dims)
    if a.shape[-dims:] != b.shape[-dims:]:
        raise ValueError(
            f"{a_name} has spatial size {tuple(a.shape[-dims:])} and {b_name} "
            f"{tuple(b.shape[-dims:])}; expected equal sizes on the last {dims} axes"
        )

    def inner(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(tuple(range(-dims, 0)))

    tensors = {a_name: a, b_name: b}
    return within_dtype(inner, "an inner product", check_finite=check_finite, **tensors)


def _sum_over_pairs(weight: Tensor) -> Tensor:
    return sum_over_pairs(at_least_float32(weight)).to(weight.dtype)


def _mean_over_directions(weight: Tensor) -> Tensor:
    # The value does not depend on the size of a kernel, so each is brought to size 1 first:
    # the fourth powers of very small or large weights would not fit their dtype.
    exact = at_least_float32(weight)
    size = exact.detach().flatten(1).abs().amax(1).view(-1, *[1] * (exact.ndim - 1))
    rows = kernel_autocorrelations(exact / torch.where(size > 0, size, 1))
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    alive = (norms > 0).sum()
    directions = rows / torch.where(norms > 0, norms, 1)
    value = (directions * others(directions)).sum() / (alive * (alive - 1)).clamp(min=1)
    return value.to(weight.dtype)


def _products(weight: Tensor) -> Tensor:
    rows = kernel_autocorrelations(at_least_float32(weight))
    return (rows @ rows.T).to(weight.dtype)
