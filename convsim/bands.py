r"""Kernels that are narrow in frequency, drawn without a look at data or at each other.

A band kernel is a plane wave cut to the size of the kernel: one frequency :math:`\omega`, in
radians per tap on each axis, for all of its channels, and an amplitude and a phase of its own for
each channel. Where amplitude and phase wander from tap to tap, the wave becomes a band of some
width, and in the end white noise. Such kernels are dissimilar because they are spread over
frequencies, and not because a descent made them so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

from convsim.checks import check_dims, check_number, check_tensor, check_weight
from convsim.kernel_options import check_generator

_LARGEST_SEED = 2**31
EVERYWHERE, LOW, HIGH = (0.0, 1.0), (0.0, 0.5), (0.5, 1.0)
"""Shares of the cube of frequencies, from its middle outward: all, the low and the high half."""


def draw_frequencies(
    count: int,
    dims: int,
    *,
    generator: torch.Generator,
    between: tuple[float, float] = EVERYWHERE,
    even: bool = False,
) -> Tensor:
    r"""Draw frequencies uniformly from one half of the cube :math:`[-\pi, \pi)^{dims}`.

    A wave of frequency :math:`-\omega` is one of frequency :math:`\omega`, so the last axis is
    kept at 0 or above.

    Args:
        count: number of frequencies.
        dims: number of spatial axes, 1, 2 or 3.
        generator: source of the random numbers, on the CPU.
        between: the part of the cube that is drawn from, as shares of its volume inside of the
            nearest and the farthest frequencies: (0, 0.5) is the low half, (0.5, 1) the high one.
        even: spread by a scrambled Sobol sequence, and not by chance: each is uniform still, but
            no part of the cube gets more than its share. Powers of two are spread best.

    Returns:
        Tensor ``(count, dims)``, float64, in radians per tap.

    Raises:
        ValueError: if ``count`` is less than 1, ``dims`` is not 1, 2 or 3, ``between`` is not two
            shares in order, or ``generator`` no generator on the CPU.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> frequencies = draw_frequencies(1000, 2, generator=generator)
        >>> (frequencies.mean(dim=0) / math.pi).round(decimals=1).abs().tolist()
        [0.0, 0.5]
    """
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1 frequency: pass one a kernel")
    check_dims(dims)
    check_between(between)
    check_generator(generator)
    if even:
        seed = int(torch.randint(_LARGEST_SEED, (1,), generator=generator))
        sobol = torch.quasirandom.SobolEngine(dims, scramble=True, seed=seed)
        uniform = sobol.draw(count, dtype=torch.float64)
    else:
        uniform = torch.rand(count, dims, dtype=torch.float64, generator=generator)
    lowest = torch.tensor([-math.pi] * (dims - 1) + [0.0], dtype=torch.float64)
    return moved_between(lowest + uniform * (math.pi - lowest), between)


def check_between(between: tuple[float, float]) -> None:
    """Raise a ``ValueError`` unless these are two shares in order."""
    in_order = (
        isinstance(between, Sequence)
        and len(between) == 2
        and all(isinstance(share, Real) for share in between)
        and 0 <= between[0] < between[1] <= 1
    )
    if not in_order:
        raise ValueError(
            f"between is {between!r}; expected two shares of the cube of frequencies in order, "
            "such as (0, 0.5) for its low half"
        )


def moved_between(frequencies: Tensor, between: tuple[float, float]) -> Tensor:
    """Frequencies ``(n, dims)`` that fill the cube, moved outward or inward to fill a part of it.

    The cubes around 0 that they lie on the surfaces of keep their order and their shape, so that
    what is uniform in the cube is uniform in its part.
    """
    nearest, farthest = between
    if between == EVERYWHERE:
        return frequencies
    dims = frequencies.shape[1]
    share = (frequencies.abs().amax(dim=1, keepdim=True) / math.pi) ** dims
    tiny = torch.finfo(share.dtype).tiny
    return frequencies * ((nearest / share.clamp(min=tiny)) + farthest - nearest) ** (1 / dims)


@torch.no_grad()
def band_kernels(
    like: Tensor, frequencies: Tensor, *, width: float = 0.0, generator: torch.Generator
) -> Tensor:
    r"""Draw band kernels of given frequencies, with the shape and the norms of another weight.

    .. math:: K_i[c](x) = \gamma_i \left(a_{ic} \cos \omega_i \cdot x
              + b_{ic} \sin \omega_i \cdot x\right),
              \qquad a_{ic}, b_{ic} \sim \mathcal{N}(0, 1)

    so that amplitudes are Rayleigh distributed and phases uniform; :math:`\gamma_i` gives kernel
    i, all channels together, the norm of kernel i of ``like``. With a width :math:`\sigma`, a and
    b are Gaussian processes over the taps, of covariance :math:`e^{-\sigma^2 |x - y|^2 / 2}`, and
    the kernel's expected spectrum is a Gaussian around the frequency, of standard deviation
    :math:`\sigma` on each axis, seen through the kernel's size.

    Args:
        like: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        frequencies: ``(S, dims)`` in radians per tap, or ``(1, dims)``: one for all kernels.
        width: of the band, in radians per tap: 0 is a wave, and from about 3 on it is white noise.
        generator: source of the random numbers, on the CPU.

    Returns:
        Tensor of the shape, dtype and device of ``like``, without gradient; zero where a kernel
        of ``like`` is zero.

    Raises:
        ValueError: if ``like`` is not a finite weight, ``frequencies`` has another shape, or
            ``width`` is not a finite number, 0 or more.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> quarter = torch.tensor([[math.pi / 2]])  # four taps a period
        >>> kernel = band_kernels(torch.ones(1, 1, 4), quarter, generator=generator)
        >>> torch.allclose(kernel[..., 2:], -kernel[..., :2], atol=1e-6)
        True
        >>> round(kernel.norm().item(), 4)  # that of four ones
        2.0
    """
    check_weight(like, "like", check_finite=True)
    count, dims = like.shape[0], like.ndim - 2
    check_tensor(frequencies, "frequencies", axes=2)
    if tuple(frequencies.shape) not in ((count, dims), (1, dims)):
        raise ValueError(
            f"frequencies has shape {tuple(frequencies.shape)} and like {tuple(like.shape)}; "
            f"expected ({count}, {dims}) or (1, {dims}): a row for each kernel or one row for "
            "all, a number for each kernel axis"
        )
    check_number(width, "width")
    check_generator(generator)
    exact = frequencies.to("cpu", torch.float64).expand(count, dims)
    if not width:
        coefficients = draw_coefficients(like, generator)
        return kernels_of_waves(exact, coefficients, like.shape[2:], exact_norms(like)).to(like)
    positions = positions_of_taps(like.shape[2:])
    distances = torch.cdist(positions.T, positions.T)
    wandering = _noise(like, torch.exp(-(width**2) * distances.square() / 2), 2, generator)
    phases = (exact @ positions)[:, None]
    kernels = wandering[0] * phases.cos() + wandering[1] * phases.sin()
    return at_norms(kernels, like)


@torch.no_grad()
def noise_kernels(
    like: Tensor, between: tuple[float, float], *, generator: torch.Generator
) -> Tensor:
    """Draw kernels of noise, equally strong at all frequencies of a part of the cube.

    Every tap of every channel has the same variance; the kernels are as wide as the part, and
    alike.

    Args:
        like: ``(S, C, *kernel_size)``, whose shape and norms they take over.
        between: the part, as for :func:`draw_frequencies`.
        generator: source of the random numbers, on the CPU.

    Returns:
        Tensor of the shape, dtype and device of ``like``, without gradient.

    Raises:
        ValueError: if ``like`` is not a finite weight, or ``between`` is not two shares in order.
    """
    check_weight(like, "like", check_finite=True)
    check_between(between)
    check_generator(generator)
    positions = positions_of_taps(like.shape[2:])
    lags = positions[:, :, None] - positions[:, None]
    covariance = torch.zeros(lags.shape[1:], dtype=torch.float64)
    for share, sign in zip(between, (-1, 1), strict=True):
        edge = share ** (1 / len(lags))  # in units of pi, as sinc has it
        covariance += sign * share * torch.sinc(edge * lags).prod(dim=0)
    return at_norms(_noise(like, covariance, 1, generator)[0], like)


def exact_norms(like: Tensor) -> Tensor:
    """Norm of each kernel, ``(S,)``, in float64 on the CPU."""
    return torch.linalg.vector_norm(like.to("cpu", torch.float64).flatten(1), dim=1)


def _noise(like: Tensor, covariance: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws ``(count, S, C, T)`` of Gaussian noise with a covariance ``(T, T)`` between taps."""
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors * values.clamp(min=0).sqrt()  # rounding leaves some a little below 0
    shape = (count, *like.flatten(2).shape)
    return torch.randn(shape, dtype=torch.float64, generator=generator) @ root.T


def at_norms(kernels: Tensor, like: Tensor) -> Tensor:
    """Kernels ``(S, C, T)`` with the norms, the shape, dtype and device of another weight."""
    scale = exact_norms(like) / torch.linalg.vector_norm(kernels, dim=(1, 2))
    return (scale[:, None, None] * kernels).view(like.shape).to(like)


def draw_coefficients(like: Tensor, generator: torch.Generator) -> Tensor:
    """Amplitudes of cosine and sine for every channel, ``(S, C, 2)``."""
    return torch.randn(*like.shape[:2], 2, dtype=torch.float64, generator=generator)


def positions_of_taps(kernel_size: torch.Size) -> Tensor:
    """Positions of the T taps, ``(dims, T)``."""
    axes = [torch.arange(n, dtype=torch.float64) for n in kernel_size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)


def sum_of_waves(frequencies: Tensor, coefficients: Tensor, positions: Tensor) -> Tensor:
    """Waves of ``(S, dims)`` frequencies and ``(S, C, 2)`` coefficients, ``(S, C, T)``."""
    phases = frequencies @ positions
    return coefficients @ torch.stack((phases.cos(), phases.sin()), dim=1)


def kernels_of_waves(
    frequencies: Tensor, coefficients: Tensor, kernel_size: torch.Size, norms: Tensor
) -> Tensor:
    """The waves as a weight ``(S, C, *kernel_size)``, brought to the norms ``(S,)``."""
    waves = sum_of_waves(frequencies, coefficients, positions_of_taps(kernel_size))
    scale = norms / torch.linalg.vector_norm(waves, dim=(1, 2))
    return (scale[:, None, None] * waves).unflatten(2, kernel_size)
