"""Preparations that draw kernels anew, without a look at images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from convsim.balance import balanced_bands
from convsim.bands import EVERYWHERE, band_kernels, draw_frequencies, noise_kernels
from convsim.experiments.preparations import Preparation, Start, weights
from convsim.starts import GABOR_TAPS, gabor_, random_bands_

EVERY_LAYER = slice(None)


def bands(
    spread: str,
    *,
    width: float = 0.0,
    between: tuple[float, float] = EVERYWHERE,
    layers: slice = EVERY_LAYER,
) -> Preparation:
    """Give kernels bands, at the norms that they have.

    Args:
        spread: ``"random"``, each its own; ``"even"``, spread evenly; ``"same"``, one a layer.
        width: as for :func:`convsim.bands.band_kernels`.
        between: as for :func:`convsim.bands.draw_frequencies`.
        layers: which ones.
    """

    def prepare(model: nn.Module, start: Start) -> None:
        # A stream of its own: the seed's other draws are those of the default.
        generator = torch.Generator().manual_seed(start.seed)
        for weight in weights(model)[layers]:
            frequencies = draw_frequencies(
                1 if spread == "same" else len(weight),
                weight.ndim - 2,
                generator=generator,
                between=between,
                even=spread == "even",
            )
            weight.copy_(band_kernels(weight, frequencies, width=width, generator=generator))

    return prepare


def noise(between: tuple[float, float]) -> Preparation:
    """Give kernels all frequencies of a part of the cube, at the norms that they have."""

    def prepare(model: nn.Module, start: Start) -> None:
        generator = torch.Generator().manual_seed(start.seed)
        for weight in weights(model):
            weight.copy_(noise_kernels(weight, between, generator=generator))

    return prepare


def channel_bands(model: nn.Module, start: Start) -> None:
    """Give every channel of every kernel a random frequency of its own.

    Each of its slices is a wave, and the kernel's spectrum, a sum over them, is wide.
    """
    generator = torch.Generator().manual_seed(start.seed)
    for weight in weights(model):
        random_bands_(weight.view(-1, 1, *weight.shape[2:]), generator=generator)


def windowed_bands(model: nn.Module, start: Start) -> None:
    """Random bands, behind a Gaussian window where kernels are large enough for one."""
    generator = torch.Generator().manual_seed(start.seed)
    for weight in weights(model):
        large = min(weight.shape[2:]) >= GABOR_TAPS
        (gabor_ if large else random_bands_)(weight, generator=generator)


def filled(fill: Callable[[Tensor], object]) -> Preparation:
    """Have a function of ``torch.nn.init`` fill every convolution's weight, whatever it held."""

    def prepare(model: nn.Module, start: Start) -> None:
        with torch.random.fork_rng([]):
            torch.manual_seed(start.seed)
            for weight in weights(model):
                drawn = torch.empty(weight.shape)  # on the CPU: the same on every machine
                fill(drawn)
                weight.copy_(drawn)

    return prepare


def delta_orthogonal_(weight: Tensor) -> Tensor:
    """An orthogonal matrix in the middle tap, zero in all others.

    Source: L. Xiao et al., *Dynamical Isometry and a Mean Field Theory of CNNs*, arXiv 1806.05393.
    """
    with torch.no_grad():
        taps = weight.zero_().view(*weight.shape[:2], -1)
        taps[..., taps.shape[2] // 2] = nn.init.orthogonal_(torch.empty(weight.shape[:2]))
    return weight


def balance_bands(model: nn.Module, start: Start) -> None:
    """Give every kernel a frequency, such that the layer's mean spectrum stays as it is."""
    generator = torch.Generator().manual_seed(start.seed)
    for weight in weights(model):
        weight.copy_(balanced_bands(weight, generator=generator))
