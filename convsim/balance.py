"""Band kernels whose frequencies are moved until their mean spectrum is a given one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convsim.bands import (
    draw_coefficients,
    draw_frequencies,
    exact_norms,
    kernels_of_waves,
    positions_of_taps,
    sum_of_waves,
)
from convsim.checks import check_weight
from convsim.spectrum import Form, kernel_autocorrelations

_MOST_STEPS = 100  # about 10 reach rounding, where it can be reached
_ROUNDING = 1e-13
_MANY_LAGS = 729  # of 5 x 5 x 5 or 14 x 14 taps; from there on the transform is faster
_LEAST_GAIN = 0.05  # in ten such steps, where no solution is to be expected


@torch.no_grad()
def balanced_bands(like: Tensor, *, generator: torch.Generator, flat: bool = False) -> Tensor:
    r"""Draw band kernels whose mean power spectrum is that of another weight, or flat.

    .. math:: \sum_i A_i(\omega_i) = \sum_i A_i^{like}, \qquad A_i = \sum_c K_i[c] \star K_i[c]

    Equal sums of autocorrelations are equal mean spectra, at every frequency. Frequencies,
    amplitudes and phases are drawn as by :func:`convsim.bands.draw_frequencies`, then
    :func:`convsim.bands.band_kernels`, with the same generator; then the frequencies alone are
    moved, by least squares over all lags.

    The equations are one for each lag but 0, with n and -n counted once: 12 for 3 x 3 taps. The
    unknowns are ``S * dims``. With many kernels of similar norms the equations are solved to
    rounding. With few kernels (fewer than 8 of 3 x 3 taps), or where a few hold most of the power,
    there may be no solution, and the sum comes as close as a local descent takes it.

    A solution takes about ten steps, and where there is none a hundred are made: some seconds for
    64 kernels of 11 x 11 taps. From 15 x 15 taps on, with fewer unknowns than equations, the
    descent ends once ten steps gain less than a twentieth: some seconds for 64 of 31 x 31.

    Args:
        like: ``(S, C, *kernel_size)`` with one, two or three kernel axes.
        generator: source of the random numbers, on the CPU.
        flat: take a flat spectrum of the same power for the one of ``like``.

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
    kernel_size, norms = like.shape[2:], exact_norms(like)
    start = draw_frequencies(like.shape[0], like.ndim - 2, generator=generator)
    coefficients = draw_coefficients(like, generator)
    # At power 1 the errors are relative; a weight of zeros stays one.
    total = torch.linalg.vector_norm(norms).clamp(min=torch.finfo(torch.float64).tiny)
    form = _form(kernel_size)
    target = kernel_autocorrelations(like.to("cpu", torch.float64) / total, form).sum(0)
    if flat:  # lag 0, which has the power, is in the middle of the lags, or is the first of them
        middle = len(target) // 2 if form == "gram" else 0
        target = target.where(torch.arange(len(target)) == middle, 0)
    # Autocorrelations depend on the channels through a 2 x 2 Gram matrix: two channels have it.
    pair = torch.linalg.qr(coefficients).R
    frequencies = _match_sum(start, pair, kernel_size, norms / total, target)
    return kernels_of_waves(frequencies, coefficients, kernel_size, norms).to(like)


def _match_sum(
    start: Tensor, coefficients: Tensor, kernel_size: torch.Size, norms: Tensor, target: Tensor
) -> Tensor:
    """Frequencies near ``start`` at which the sum of autocorrelations is the target, ``(L,)``."""

    def miss(frequencies: Tensor) -> Tensor:
        kernels = kernels_of_waves(frequencies, coefficients, kernel_size, norms)
        return kernel_autocorrelations(kernels, _form(kernel_size)).sum(0) - target

    def slope(frequencies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        jacobian = jacobian_of_sum(frequencies, coefficients, kernel_size, norms)
        return torch.linalg.svd(jacobian, full_matrices=False)

    # Levenberg and Marquardt's method. SciPy's lm refuses fewer equations than unknowns and its
    # trf takes long first steps; first-order methods stop short of rounding.
    at, damping = start, 1e-3
    error, (u, s, vh) = miss(at), slope(at)
    hopeless = len(target) > max(_MANY_LAGS, 2 * start.numel())
    goal = math.inf
    for step in range(_MOST_STEPS):
        if error.norm() < _ROUNDING:
            break
        if hopeless and step % 10 == 0:
            if error.norm() > goal:
                break
            goal = (1 - _LEAST_GAIN) * float(error.norm())
        trial = at - (vh.T @ (s / (s.square() + damping) * (u.T @ error))).view_as(at)
        trial_error = miss(trial)
        if trial_error.norm() < error.norm():
            # Lags n and -n give the same equation: without damping, division by zero.
            at, error, damping = trial, trial_error, max(damping / 10, 1e-12)
            u, s, vh = slope(at)
        else:
            damping *= 10
    return at


def _form(kernel_size: torch.Size) -> Form:
    return "gram" if math.prod(2 * n - 1 for n in kernel_size) <= _MANY_LAGS else "fft"


def jacobian_of_sum(
    frequencies: Tensor, coefficients: Tensor, kernel_size: torch.Size, norms: Tensor
) -> Tensor:
    """Derivative of the sum of autocorrelations in the frequencies, ``(L, S * dims)``."""
    # A kernel depends on its own frequency alone, so one pass an axis serves all kernels;
    # autograd would take one for each lag.
    positions = positions_of_taps(kernel_size)
    waves = sum_of_waves(frequencies, coefficients, positions)
    turned = sum_of_waves(frequencies, coefficients.flip(2) * torch.tensor([1.0, -1.0]), positions)
    power = waves.square().sum((1, 2))
    columns = []
    for position in positions:
        change = position * turned
        along = (waves * change).sum((1, 2)) / power
        change = change - along[:, None, None] * waves  # the norm stays
        # Autocorrelations are quadratic: half of this difference is their derivative.
        up, down = (
            kernel_autocorrelations(kernels.unflatten(2, kernel_size), _form(kernel_size))
            for kernels in (waves + change, waves - change)
        )
        columns.append((norms.square() / power)[:, None] * (up - down) / 2)
    return torch.stack(columns, dim=1).flatten(0, 1).T
