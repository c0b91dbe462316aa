r"""Starts from the spectrum: kernels that share the frequencies among them, in place.

In the manner of ``torch.nn.init``. Convolutional Similarity looks at a layer's kernels through
their power spectra alone. PyTorch's default start draws all taps independently, so all spectra are
flat, and alike; these starts give every kernel a band of its own, and a layer all frequencies
together. By default kernels keep the norms that they have.

    >>> from convsim import convolutional_similarity, starts
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), torch.nn.Conv2d(64, 64, 3))
    >>> generator = torch.Generator().manual_seed(0)
    >>> model = starts.apply_(model, generator=generator)
    >>> round(convolutional_similarity(model[1].weight, normalized=True).item(), 1)
    0.4
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convsim.balance import balanced_bands
from convsim.bands import (
    EVERYWHERE,
    at_norms,
    band_kernels,
    check_between,
    draw_frequencies,
    moved_between,
    positions_of_taps,
)
from convsim.checks import check_number, check_weight, check_whole
from convsim.kernel_options import (
    check_start,
    check_window,
    check_writable,
    checked_sizes,
    generator_or_default,
)
from convsim.layers import chosen_layers, restored_on_error

GABOR_TAPS = 5
"""Fewest taps on an axis: with fewer a window leaves hardly more than one."""
_POINTS = {1: 1024, 2: 64, 3: 24}  # frequencies on each axis for a mean over all of them


def random_bands_(
    weight: Tensor,
    *,
    width: float = 0.0,
    between: tuple[float, float] = EVERYWHERE,
    norm: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Fill a convolution's weight with kernels that each hold one random frequency, or a band.

    The frequency is the same for all channels of a kernel, which differ in amplitude and phase.

    Args:
        weight: ``(S, C, *kernel_size)`` with one, two or three kernel axes; changed in place.
        width: of the band, in radians per tap, as for :func:`convsim.bands.band_kernels`.
        between: part of the cube of frequencies, as for :func:`convsim.bands.draw_frequencies`.
        norm: of every kernel, all channels together; by default each keeps the norm that it has.
            The square root of 2 keeps the variance from layer to layer behind a ReLU.
        generator: source of the random numbers, on the CPU; by default PyTorch's own.

    Returns:
        The weight.

    Raises:
        ValueError: if ``weight`` is not a finite weight with a place in memory for each element,
            ``width`` or ``norm`` not a finite number, 0 or more, ``between`` not two shares in
            order, or ``generator`` no generator on the CPU.

    Example:
        >>> weight = torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(0))
        >>> before = weight.flatten(1).norm(dim=1)
        >>> torch.allclose(random_bands_(weight).flatten(1).norm(dim=1), before)
        True
    """
    return _fill(weight, width, between, norm, generator, even=False)


def even_bands_(
    weight: Tensor,
    *,
    width: float = 0.0,
    between: tuple[float, float] = EVERYWHERE,
    norm: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The same with frequencies that are spread evenly, by a scrambled Sobol sequence.

    Arguments, result and errors are those of :func:`random_bands_`.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> weight = torch.randn(64, 64, 3, 3, generator=generator)
        >>> even_bands_(weight, generator=generator) is weight
        True
    """
    return _fill(weight, width, between, norm, generator, even=True)


def flat_bands_(
    weight: Tensor, *, norm: float | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """The same with frequencies moved until the layer's mean spectrum is flat, to rounding.

    With few kernels there may be no such frequencies: see :func:`convsim.balance.balanced_bands`.
    The other arguments, result and errors are those of :func:`random_bands_`.

    Example:
        >>> from convsim import power_spectrum
        >>> generator = torch.Generator().manual_seed(0)
        >>> weight = torch.randn(64, 64, 3, 3, dtype=torch.float64, generator=generator)
        >>> mean = power_spectrum(flat_bands_(weight, generator=generator)).mean(dim=0)
        >>> torch.allclose(mean, mean.mean())
        True
    """
    like = _with_norm(weight, norm)
    return _put(weight, balanced_bands(like, generator=generator_or_default(generator), flat=True))


def gabor_(
    weight: Tensor,
    *,
    window: float = 0.25,
    between: tuple[float, float] = EVERYWHERE,
    norm: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Fill the weight of large kernels with waves behind a Gaussian window: Gabor functions.

    .. math:: K_i[c](x) = \gamma_i \left(a_{ic} \cos \omega_i \cdot x + b_{ic} \sin \omega_i
              \cdot x\right) \prod_d e^{-(x_d - m_d)^2 / (2 s_d^2)}

    with the kernel's middle m and s a share of its size.

    Args:
        weight: as for :func:`random_bands_`, with 5 taps or more on every axis.
        window: standard deviation of the window, as a share of the kernel's size on each axis.
        between: as for :func:`random_bands_`.
        norm: as for :func:`random_bands_`.
        generator: as for :func:`random_bands_`.

    Returns:
        The weight.

    Raises:
        ValueError: as :func:`random_bands_`, and if an axis has fewer than 5 taps.

    Example:
        >>> weight = torch.randn(8, 3, 7, 7)
        >>> gabor_(weight) is weight
        True
    """
    like = _with_norm(weight, norm)
    size = tuple(weight.shape[2:])
    if min(size) < GABOR_TAPS:
        raise ValueError(
            f"the kernels' size is {size}; expected {GABOR_TAPS} taps or more on every axis: a "
            "window over fewer cuts off most of a wave; use random_bands_"
        )
    check_window(window)
    generator = generator_or_default(generator)
    frequencies = draw_frequencies(len(like), len(size), generator=generator, between=between)
    ones = torch.ones(like.shape, dtype=torch.float64)
    waves = band_kernels(ones, frequencies, generator=generator)
    positions = positions_of_taps(weight.shape[2:])
    taps = torch.tensor(size, dtype=torch.float64)[:, None]
    from_middle = positions - (taps - 1) / 2
    exponents = -(from_middle / (window * taps)).square().sum(0) / 2
    if exponents.max() < -354:  # no tap in the middle, and squares without digits: from the nearest
        beyond = from_middle.square() - from_middle.square().amin(dim=1, keepdim=True)
        exponents = -(beyond / (window * taps) / (window * taps)).sum(0) / 2
    return _put(weight, at_norms(waves.flatten(2) * exponents.exp(), like))


def apply_(
    model: nn.Module,
    start: Callable[..., Tensor] = random_bands_,
    *,
    layers: Collection[str] | None = None,
    **options: Any,
) -> nn.Module:
    """Give a network's convolutions a start, in place.

    Layers of one tap have no spectrum to share and stay as they are.

    Args:
        model: any module with a ``Conv1d``, ``Conv2d`` or ``Conv3d``.
        start: a function of this module, or of ``torch.nn.init``.
        layers: names of the convolutions that get it; by default all.
        options: passed on to it.

    Returns:
        The model.

    Raises:
        ValueError: if the model has no convolution, or one whose weight is computed from others
            or not there yet, if ``layers`` names one that it has not, if ``start`` takes no such
            options, or as ``start``; the message names the layer, and no weight is changed then.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> apply_(model, even_bands_, layers=["0"]) is model
        True
    """
    chosen = chosen_layers(model, layers)
    check_start(start, options)
    with restored_on_error(chosen.values()):
        for name, layer in chosen.items():
            if layer.weight[0, 0].numel() > 1:
                try:
                    start(layer.weight, **options)
                except ValueError as error:
                    raise ValueError(f"layer {name!r}: {error}") from error
    return model


def expected_similarity(
    kernel_size: Sequence[int],
    *,
    width: float = 0.0,
    between: tuple[float, float] = EVERYWHERE,
    kernels: int | None = None,
) -> float:
    r"""Normalised similarity that band kernels of many channels are expected to have.

    .. math:: \mathrm{E}\,\bar L = \|\mathrm{E}\, a\|^2, \qquad a = A / \|A\|, \qquad
              A(n) = \cos(\omega \cdot n)\, e^{-\sigma^2 |n|^2 / 2} \prod_d (k_d - |n_d|)

    over all lags n, because independent kernels have independent autocorrelations. The number of
    kernels plays no part. Evenly spread ones have the sum of their a at its expectation, which
    leaves :math:`(S \|\mathrm{E}\, a\|^2 - 1) / (S - 1)` for the mean over their pairs.

    Args:
        kernel_size: taps on each of one to three axes.
        width: of the bands, in radians per tap.
        between: part of the cube of frequencies that they are drawn from.
        kernels: number of kernels, if they are spread evenly; by default they are independent.

    Raises:
        ValueError: if there are no or more than three axes, or an argument is out of range.

    Example:
        >>> round(expected_similarity([3, 3]), 2), round(expected_similarity([3, 3], kernels=64), 2)
        (0.37, 0.36)
    """
    kernel_size = checked_sizes(kernel_size)
    check_number(width, "width")
    check_between(between)
    if kernels is not None:
        check_whole(kernels, "kernels", least=2)
    points = _POINTS[dims := len(kernel_size)]
    cube = (2 * positions_of_taps(torch.Size([points] * dims)).T + 1 - points) * math.pi / points
    reach = torch.tensor(kernel_size, dtype=torch.float64)[:, None]
    lags = positions_of_taps(torch.Size(2 * taps - 1 for taps in kernel_size)) - (reach - 1)
    pairs = (reach - lags.abs()).prod(dim=0)  # of taps, for each lag
    envelope = pairs * torch.exp(-(width**2) * lags.square().sum(0) / 2)
    rows = (moved_between(cube, between) @ lags).cos() * envelope
    mean = (rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)).mean(dim=0)
    expected = mean.square().sum().item()
    return expected if kernels is None else (kernels * expected - 1) / (kernels - 1)


def _fill(
    weight: Tensor,
    width: float,
    between: tuple[float, float],
    norm: float | None,
    generator: torch.Generator | None,
    *,
    even: bool,
) -> Tensor:
    like, generator = _with_norm(weight, norm), generator_or_default(generator)
    frequencies = draw_frequencies(
        len(like), like.ndim - 2, generator=generator, between=between, even=even
    )
    return _put(weight, band_kernels(like, frequencies, width=width, generator=generator))


def _with_norm(weight: Tensor, norm: float | None) -> Tensor:
    """A weight of the same shape, whose kernels have the norm that is wanted."""
    check_weight(weight, check_finite=norm is None)
    check_writable(weight)
    like = weight.detach()
    if norm is None:
        return like
    check_number(norm, "norm")
    return torch.full_like(like, norm / like[0].numel() ** 0.5)


@torch.no_grad()
def _put(weight: Tensor, kernels: Tensor) -> Tensor:
    return weight.copy_(kernels)
