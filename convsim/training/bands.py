r"""Kernels that are narrow in frequency, drawn without a look at data or at each other.

A band kernel is a plane wave cut to the size of the kernel: one frequency :math:`\omega`, in
radians per tap on each axis, for all of its channels, and an amplitude and a phase of its own for
each channel. As an initialisation it is a control: such kernels are dissimilar because they are
spread over frequencies, and not because a descent made them so.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convsim.checks import check_dims, check_tensor, check_weight
from convsim.spectrum import kernel_autocorrelations

_MOST_STEPS = 100  # about 10 reach rounding, where it can be reached
_ROUNDING = 1e-13


def draw_frequencies(count: int, dims: int, *, generator: torch.Generator) -> Tensor:
    r"""Draw frequencies uniformly from one half of the cube :math:`[-\pi, \pi)^{dims}`.

    A wave of frequency :math:`-\omega` is one of frequency :math:`\omega`, so the last axis is
    kept at 0 or above.

    Args:
        count: number of frequencies.
        dims: number of spatial axes, 1, 2 or 3.
        generator: source of the random numbers, on the CPU.

    Returns:
        Tensor ``(count, dims)``, float64, in radians per tap.

    Raises:
        ValueError: if ``count`` is less than 1, or ``dims`` is not 1, 2 or 3.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> frequencies = draw_frequencies(1000, 2, generator=generator)
        >>> (frequencies.mean(dim=0) / math.pi).round(decimals=1).abs().tolist()
        [0.0, 0.5]
    """
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1 frequency: pass one a kernel")
    check_dims(dims)
    uniform = torch.rand(count, dims, dtype=torch.float64, generator=generator)
    lowest = torch.tensor([-math.pi] * (dims - 1) + [0.0], dtype=torch.float64)
    return lowest + uniform * (math.pi - lowest)


@torch.no_grad()
def band_kernels(like: Tensor, frequencies: Tensor, *, generator: torch.Generator) -> Tensor:
    r"""Draw band kernels of given frequencies, with the shape and the norms of another weight.

    .. math:: K_i[c](x) = \gamma_i \left(a_{ic} \cos \omega_i \cdot x
              + b_{ic} \sin \omega_i \cdot x\right),
              \qquad a_{ic}, b_{ic} \sim \mathcal{N}(0, 1)

    so that amplitudes are Rayleigh distributed and phases uniform; :math:`\gamma_i` gives kernel
    i, all channels together, the norm of kernel i of ``like``.

    Args:
        like: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        frequencies: ``(S, dims)`` in radians per tap, or ``(1, dims)``: one for all kernels.
        generator: source of the random numbers, on the CPU.

    Returns:
        Tensor of the shape, dtype and device of ``like``, without gradient; zero where a kernel
        of ``like`` is zero.

    Raises:
        ValueError: if ``like`` is not a finite weight, or ``frequencies`` has another shape.

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
    exact = frequencies.to("cpu", torch.float64).expand(count, dims)
    coefficients = _draw_coefficients(like, generator)
    return kernels_of_waves(exact, coefficients, like.shape[2:], _norms(like)).to(like)


@torch.no_grad()
def balanced_bands(like: Tensor, *, generator: torch.Generator) -> Tensor:
    r"""Draw band kernels whose mean power spectrum is that of another weight.

    .. math:: \sum_i A_i(\omega_i) = \sum_i A_i^{like}, \qquad A_i = \sum_c K_i[c] \star K_i[c]

    Equal sums of autocorrelations are equal mean spectra, at every frequency. Frequencies,
    amplitudes and phases are drawn as by :func:`draw_frequencies`, then :func:`band_kernels`,
    with the same generator; then the frequencies alone are moved, by least squares over all lags.

    The equations are one for each lag but 0, with n and -n counted once: 12 for 3 x 3 taps. The
    unknowns are ``S * dims``. With many kernels of similar norms the equations are solved to
    rounding. With few kernels (fewer than 8 of 3 x 3 taps), or where a few hold most of the power,
    there may be no solution, and the sum comes as close as a local descent takes it.

    Args:
        like: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        generator: source of the random numbers, on the CPU.

    Returns:
        Tensor of the shape, dtype, device and kernel norms of ``like``, without gradient.

    Raises:
        ValueError: if ``like`` is not a finite weight.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> like = torch.randn(16, 3, 3, 3, dtype=torch.float64, generator=generator)
        >>> bands = balanced_bands(like, generator=generator)
        >>> from convsim import power_spectrum
        >>> torch.allclose(power_spectrum(bands).mean(dim=0), power_spectrum(like).mean(dim=0))
        True
    """
    check_weight(like, "like", check_finite=True)
    kernel_size, norms = like.shape[2:], _norms(like)
    start = draw_frequencies(like.shape[0], like.ndim - 2, generator=generator)
    coefficients = _draw_coefficients(like, generator)
    # At power 1 the errors are relative; a weight of zeros stays one.
    total = torch.linalg.vector_norm(norms).clamp(min=torch.finfo(torch.float64).tiny)
    target = kernel_autocorrelations(like.to("cpu", torch.float64) / total).sum(0)
    # Autocorrelations depend on the channels through a 2 x 2 Gram matrix: two channels have it.
    pair = torch.linalg.qr(coefficients).R
    frequencies = _match_sum(start, pair, kernel_size, norms / total, target)
    return kernels_of_waves(frequencies, coefficients, kernel_size, norms).to(like)


def _norms(like: Tensor) -> Tensor:
    return torch.linalg.vector_norm(like.to("cpu", torch.float64).flatten(1), dim=1)


def _draw_coefficients(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(*like.shape[:2], 2, dtype=torch.float64, generator=generator)


def _positions(kernel_size: torch.Size) -> Tensor:
    """Positions of the T taps, ``(dims, T)``."""
    axes = [torch.arange(n, dtype=torch.float64) for n in kernel_size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)


def _waves(frequencies: Tensor, coefficients: Tensor, positions: Tensor) -> Tensor:
    """Waves of ``(S, dims)`` frequencies and ``(S, C, 2)`` coefficients, ``(S, C, T)``."""
    phases = frequencies @ positions
    return coefficients @ torch.stack((phases.cos(), phases.sin()), dim=1)


def kernels_of_waves(
    frequencies: Tensor, coefficients: Tensor, kernel_size: torch.Size, norms: Tensor
) -> Tensor:
    """The waves as a weight ``(S, C, *kernel_size)``, brought to the norms ``(S,)``."""
    waves = _waves(frequencies, coefficients, _positions(kernel_size))
    scale = norms / torch.linalg.vector_norm(waves, dim=(1, 2))
    return (scale[:, None, None] * waves).unflatten(2, kernel_size)


def _match_sum(
    start: Tensor, coefficients: Tensor, kernel_size: torch.Size, norms: Tensor, target: Tensor
) -> Tensor:
    """Frequencies near ``start`` at which the sum of autocorrelations is the target, ``(L,)``."""

    def miss(frequencies: Tensor) -> Tensor:
        kernels = kernels_of_waves(frequencies, coefficients, kernel_size, norms)
        return kernel_autocorrelations(kernels).sum(0) - target

    def slope(frequencies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        jacobian = jacobian_of_sum(frequencies, coefficients, kernel_size, norms)
        return torch.linalg.svd(jacobian, full_matrices=False)

    # Levenberg and Marquardt's method. SciPy's lm refuses fewer equations than unknowns and its
    # trf takes long first steps; first-order methods stop short of rounding.
    at, damping = start, 1e-3
    error, (u, s, vh) = miss(at), slope(at)
    for _ in range(_MOST_STEPS):
        if error.norm() < _ROUNDING:
            break
        trial = at - (vh.T @ (s / (s.square() + damping) * (u.T @ error))).view_as(at)
        trial_error = miss(trial)
        if trial_error.norm() < error.norm():
            # Lags n and -n give the same equation: without damping, division by zero.
            at, error, damping = trial, trial_error, max(damping / 10, 1e-12)
            u, s, vh = slope(at)
        else:
            damping *= 10
    return at


def jacobian_of_sum(
    frequencies: Tensor, coefficients: Tensor, kernel_size: torch.Size, norms: Tensor
) -> Tensor:
    """Derivative of the sum of autocorrelations in the frequencies, ``(L, S * dims)``."""
    # A kernel depends on its own frequency alone, so one pass an axis serves all kernels;
    # autograd would take one for each lag.
    positions = _positions(kernel_size)
    waves = _waves(frequencies, coefficients, positions)
    turned = _waves(frequencies, coefficients.flip(2) * torch.tensor([1.0, -1.0]), positions)
    power = waves.square().sum((1, 2))
    columns = []
    for position in positions:
        change = position * turned
        along = (waves * change).sum((1, 2)) / power
        change = change - along[:, None, None] * waves  # the norm stays
        # Autocorrelations are quadratic: half of this difference is their derivative.
        up, down = (
            kernel_autocorrelations(kernels.unflatten(2, kernel_size))
            for kernels in (waves + change, waves - change)
        )
        columns.append((norms.square() / power)[:, None] * (up - down) / 2)
    return torch.stack(columns, dim=1).flatten(0, 1).T
