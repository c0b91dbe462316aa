"""The second factor of the identity: the autocorrelation of a layer's input, patch by patch.

A feature map is K ⋆ X: at every position, a kernel's inner product with the patch u of the input
that lies there. Over positions and images the expected inner products of a layer's maps are thus
K R Kᵀ, with the patches' autocorrelation R = E[u uᵀ].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convsim.checks import check_number, check_tensor, check_weight, check_whole
from convsim.layers import Convolution

NUMBERS_AT_ONCE = 2**24  # of patches: 128 MB in float64


def patch_autocorrelation(
    maps: Tensor,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    centered: bool = False,
) -> Tensor:
    r"""The patch autocorrelation :math:`R = E[u u^\top]` of a layer's input.

    u is a patch, as a convolution with these options meets it, as C·T numbers in the order of a
    flattened kernel; the mean is over all positions and images. Sums are in float64.

    Args:
        maps: ``(B, C, *spatial)``, with one to three spatial axes.
        kernel_size: taps on each spatial axis; one number stands for all axes, here and below.
        stride: as for ``torch.nn.Conv2d``.
        padding: zeros on both sides of each axis, or ``"valid"`` or ``"same"``; one tap less than
            the kernel has gives the full correlation.
        dilation: distance between taps.
        centered: leave out the mean patch: :math:`E[u u^\top] - E[u] E[u]^\top`, the patches'
            covariance, is what is left behind a batch normalisation.

    Returns:
        ``(C·T, C·T)``, float64, symmetric and positive semidefinite, in squared units of ``maps``.

    Raises:
        ValueError: for maps that are no finite batch, options out of range, or a kernel that does
            not fit into the maps.

    Example:
        >>> patch_autocorrelation(torch.ones(1, 1, 8), 2)  # a constant: every tap sees the same
        tensor([[1., 1.],
                [1., 1.]], dtype=torch.float64)
    """
    check_tensor(maps, "maps", axes=3)
    axes = maps.ndim - 2
    if axes > 3:
        raise ValueError(
            f"maps has shape {tuple(maps.shape)}, {axes} spatial axes; expected (B, C, *spatial) "
            "with one to three: flatten the rest into the batch"
        )
    taps = _of_axes(kernel_size, "kernel_size", axes, least=1)
    strides = _of_axes(stride, "stride", axes, least=1)
    steps = _of_axes(dilation, "dilation", axes, least=1)
    sides = _padding(padding, taps, steps, strides)
    return _autocorrelation(functional.pad(maps, sides), taps, strides, steps, centered)


def expected_gram(weight: Tensor, autocorrelation: Tensor) -> Tensor:
    r"""The expected Gram matrix :math:`K R K^\top` of a layer's feature maps.

    Its entry i, j is the mean, over the positions and images of R, of map i times map j, without
    biases; on the diagonal is each map's power. With R the identity, it is the Gram matrix of the
    kernels.

    Args:
        weight: ``(S, C, *kernel_size)``.
        autocorrelation: R, ``(C·T, C·T)``, as :func:`patch_autocorrelation` computes it. If it is
            g times as large, it is that of all input channels of a layer with g groups.

    Returns:
        ``(S, S)``, float64.

    Raises:
        ValueError: if one of them is not finite, or their shapes do not fit.

    Example:
        >>> expected_gram(torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]]), torch.eye(2))
        tensor([[2., 0.],
                [0., 2.]], dtype=torch.float64)
    """
    groups = _check(weight, autocorrelation)
    kernels = _flat(weight)
    of_group, taps = len(kernels) // groups, kernels.shape[1]
    # As rows over all channels of the layer, zero outside the kernel's group.
    rows = kernels.new_zeros(len(kernels), groups * taps)
    for group in range(groups):
        of = slice(group * of_group, (group + 1) * of_group)
        rows[of, group * taps : (group + 1) * taps] = kernels[of]
    return rows @ autocorrelation.to(rows) @ rows.T


def orthogonal_maps(
    weight: Tensor, autocorrelation: Tensor, *, eps: float = 0.0, leading: bool = False
) -> Tensor:
    r"""The kernels :math:`(K R K^\top)^{-1/2} K`, whose feature maps are orthogonal on average.

    Of all kernels with orthogonal maps of equal power, these have the maps that are nearest to
    those of K (polar decomposition). Each is then scaled to the norm that it had, which moves no
    map's direction. More kernels than R has directions, S > C·T, cannot have orthogonal maps;
    before the scaling, theirs are a tight frame, as near to it as S vectors in C·T dimensions get.
    What of a kernel lies in directions that the input does not have is left out. Kernels of
    different groups see different channels, so each group is treated by itself.

    Args:
        weight: ``(S, C, *kernel_size)``.
        autocorrelation: R, as for :func:`expected_gram`.
        eps: added to R's diagonal, as a share of its mean. 0 asks for exactly orthogonal maps;
            the larger it is, the nearer are the results to orthogonal kernels.
        leading: first project the kernels on the S directions in which R is largest.

    Returns:
        Like ``weight``; computed in float64.

    Raises:
        ValueError: as :func:`expected_gram`, for a negative ``eps``, or if ``weight`` or R has
            too low a rank for maps that are orthogonal and not zero.

    Example:
        >>> weight = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]], dtype=torch.float64)
        >>> R = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
        >>> gram = expected_gram(orthogonal_maps(weight, R), R)
        >>> round(abs(gram[0, 1].item()), 12)
        0.0
    """
    check_number(eps, "eps")
    groups = _check(weight, autocorrelation)
    kernels = _flat(weight)
    taps = kernels.shape[1]
    whitened = []
    for group, some in enumerate(kernels.chunk(groups)):
        of = slice(group * taps, (group + 1) * taps)
        whitened.append(_whitened(some, autocorrelation[of, of].to(kernels), eps, leading))
    return torch.cat(whitened).view(weight.shape).to(weight)


def patch_covariance(layer: Convolution, maps: Tensor, count: int) -> Tensor:
    """The covariance of some of the patches that a layer meets, in float32 and on their device.

    For use at every step of a training; :func:`patch_autocorrelation` is the exact one.

    Args:
        layer: a convolution, whose padding, stride and dilation count.
        maps: ``(B, C, *spatial)``, its input.
        count: about how many patches, evenly spread over images and positions.

    Returns:
        ``(C·T, C·T)``.
    """
    padded, strides, steps = _padded(layer, maps)
    extents = _extents(layer.kernel_size, steps)
    positions = len(maps) * _positions(padded, extents, strides)
    # Every axis is thinned alike, the images too.
    every = max(1, round((positions / count) ** (1 / (1 + len(extents)))))
    wider = [every * stride for stride in strides]
    patches = _patches(padded[::every].float(), extents, wider, steps)
    patches = patches - patches.mean(0)
    return patches.T @ patches / len(patches)


def autocorrelation_for(layer: Convolution, maps: Tensor, *, centered: bool = False) -> Tensor:
    """:func:`patch_autocorrelation` with the kernel size, padding, stride and dilation of a layer.

    Args:
        layer: a convolution; its way of padding counts, too.
        maps: its input, ``(B, C, *spatial)`` or one without a batch axis.
        centered: as there.

    Raises:
        ValueError: as there.
    """
    check_tensor(maps, "its input", axes=2)
    axes, channels = layer.weight.ndim - 2, layer.weight.shape[1] * layer.groups
    if maps.ndim not in (axes + 1, axes + 2) or maps.shape[-axes - 1] != channels:
        raise ValueError(
            f"its input has shape {tuple(maps.shape)}; expected {channels} channels and {axes} "
            "spatial axes behind them: pass what the layer can take"
        )
    padded, strides, steps = _padded(layer, maps)
    return _autocorrelation(padded, layer.kernel_size, strides, steps, centered)


def _padded(layer: Convolution, maps: Tensor) -> tuple[Tensor, Sequence[int], Sequence[int]]:
    """The input of a layer in its own way of padding, its strides and its steps of dilation."""
    axes = layer.weight.ndim - 2
    batch = maps if maps.ndim == axes + 2 else maps[None]
    strides, steps = layer.stride, layer.dilation
    sides = _padding(layer.padding, layer.kernel_size, steps, strides)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(batch, sides, mode), strides, steps


def _autocorrelation(
    padded: Tensor,
    taps: Sequence[int],
    strides: Sequence[int],
    steps: Sequence[int],
    centered: bool,
) -> Tensor:
    extents = _extents(taps, steps)
    if any(size < extent for size, extent in zip(padded.shape[2:], extents, strict=True)):
        raise ValueError(
            f"the padded maps have {tuple(padded.shape[2:])} positions, a kernel reaches over "
            f"{tuple(extents)}; expected maps that it fits into: pass larger maps, or more padding"
        )
    size = padded.shape[1] * math.prod(taps)
    # On the CPU: not every GPU has float64.
    total = torch.zeros(size, size, dtype=torch.float64)
    mean = torch.zeros(size, dtype=torch.float64)
    positions = _positions(padded, extents, strides)
    # Deviations are from the first patch on: those of a constant input are zero, without rounding.
    first = _patches(padded[:1].to("cpu", torch.float64), extents, strides, steps)[0]
    for chunk in padded.split(max(1, NUMBERS_AT_ONCE // (size * positions))):
        patches = _patches(chunk.to("cpu", torch.float64), extents, strides, steps)
        if centered:
            patches = patches - first
        total.addmm_(patches.T, patches)
        mean += patches.sum(0)
    total /= len(padded) * positions
    mean /= len(padded) * positions
    return total - torch.outer(mean, mean) if centered else total


def _extents(taps: Sequence[int], steps: Sequence[int]) -> list[int]:
    return [step * (tap - 1) + 1 for tap, step in zip(taps, steps, strict=True)]


def _positions(padded: Tensor, extents: Sequence[int], strides: Sequence[int]) -> int:
    """How often a kernel fits into an image."""
    return math.prod(
        (whole - extent) // stride + 1
        for whole, extent, stride in zip(padded.shape[2:], extents, strides, strict=True)
    )


def _patches(
    maps: Tensor, extents: Sequence[int], strides: Sequence[int], steps: Sequence[int]
) -> Tensor:
    """Every patch as a row of C·T numbers, in the order of a flattened kernel."""
    axes = len(extents)
    patches = maps
    for axis, (extent, stride, step) in enumerate(zip(extents, strides, steps, strict=True)):
        patches = patches.unfold(axis + 2, extent, stride)[..., ::step]
    # (B, C, *positions, *taps) → (B, *positions, C, *taps)
    patches = patches.movedim(1, axes + 1)
    return patches.flatten(0, axes).flatten(1)


def _whitened(kernels: Tensor, R: Tensor, eps: float, leading: bool) -> Tensor:
    values, vectors = torch.linalg.eigh(R)
    values = values + eps * values.clamp(min=0).mean()
    # What rounding leaves of a direction that the input does not have is no direction.
    some = int((values > values[-1] * len(R) * torch.finfo(values.dtype).eps).sum())
    some = min(some, len(kernels)) if leading else some
    values, vectors = values[len(R) - some :], vectors[:, len(R) - some :]
    # In the basis where R is diagonal. K R^(1/2) = U Σ Vᵀ gives (K R Kᵀ)^(-1/2) K = U Σ⁻¹ Uᵀ K.
    inside = kernels @ vectors
    U, sigma, _ = torch.linalg.svd(inside * values.sqrt(), full_matrices=False)
    largest = sigma.max() if len(sigma) else 0.0
    rank = int((sigma > largest * max(kernels.shape) * torch.finfo(sigma.dtype).eps).sum())
    if rank < len(sigma) or rank == 0:
        raise ValueError(
            f"{len(kernels)} kernels of {len(R)} taps make maps that span {rank} dimensions; "
            f"expected {max(len(sigma), 1)}: replace kernels that are zero or alike, and pass an "
            "input that is not constant"
        )
    white = (U / sigma @ (U.T @ inside)) @ vectors.T
    lengths = white.norm(dim=1, keepdim=True)
    return white * (kernels.norm(dim=1, keepdim=True) / lengths.where(lengths > 0, 1))


def _check(weight: Tensor, autocorrelation: Tensor) -> int:
    """The number of groups of a layer with this weight and this R; a ValueError if there is none.

    A rectangular R, or one of a fraction of a group, is none.
    """
    check_weight(weight, check_finite=True)
    check_tensor(autocorrelation, "autocorrelation", axes=2)
    taps = weight[0].numel()
    groups, rest = divmod(len(autocorrelation), taps)
    square = autocorrelation.shape == (len(autocorrelation),) * 2
    if not square or rest or groups == 0 or len(weight) % groups:
        raise ValueError(
            f"autocorrelation has shape {tuple(autocorrelation.shape)}; expected ({taps}, {taps}) "
            f"for a weight of shape {tuple(weight.shape)}, or a multiple of it for groups: "
            "compute it with patch_autocorrelation and this layer's kernel_size"
        )
    return groups


def _flat(weight: Tensor) -> Tensor:
    return weight.detach().flatten(1).to("cpu", torch.float64)


def _of_axes(value: Any, name: str, axes: int, *, least: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    if len(values) != axes:
        raise ValueError(
            f"{name} is {value!r}; expected one number, or one for each of {axes} axes"
        )
    for number in values:
        check_whole(number, name, least=least)
    return values


def _padding(
    padding: Any, taps: Sequence[int], steps: Sequence[int], strides: Sequence[int]
) -> list[int]:
    """What torch.nn.functional.pad adds: before and after each axis, the last axis first."""
    axes = len(taps)
    if isinstance(padding, str):
        if padding not in ("valid", "same") or (padding == "same" and set(strides) != {1}):
            raise ValueError(
                f"padding is {padding!r} with stride {tuple(strides)}; expected 'valid', 'same' "
                "with stride 1, or numbers of zeros"
            )
        total = [step * (tap - 1) for tap, step in zip(taps, steps, strict=True)]
        both = [(n // 2, n - n // 2) if padding == "same" else (0, 0) for n in total]
    else:
        both = [(n, n) for n in _of_axes(padding, "padding", axes, least=0)]
    return [*itertools.chain(*reversed(both))]
