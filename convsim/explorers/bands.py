"""The explorer of starts from the spectrum: eight kernels that share the frequencies, or do not."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from convsim.bands import EVERYWHERE, HIGH, LOW, moved_between
from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.input import LEAST_POWER, picture_trait
from convsim.explorers.similarity import uniform_noise
from convsim.explorers.traits import choice_trait, number_trait, whole_trait
from convsim.similarity import convolutional_similarity

SPREADS = ("random", "even", "same")
PARTS = {"everywhere": EVERYWHERE, "low": LOW, "high": HIGH}
KERNELS, LEAST_TAPS, MOST_TAPS = 8, 3, 7
STRIDE = 3  # of the lattice: places 1/8 apart on one axis are 3/8 apart on the other
LEAST_ROOT = 1e-12  # eigenvalues below are rounding


class BandsExplorer(Explorer):
    r"""Eight kernels of one channel, each a band around a frequency, and a photograph's maps.

    With the taps at x, K_i = u_i cos(ω_i · x) + v_i sin(ω_i · x), at norm 1; u_i and v_i are
    Gaussian, of covariance :math:`e^{-\sigma^2 |x - y|^2 / 2}` between taps.

    Traits:
        spread: ``"random"``, a frequency each; ``"even"``, on a lattice that is shifted by chance;
            ``"same"``, the first of the random ones for all.
        part: ``"everywhere"``, or the ``"low"`` or ``"high"`` half of the square of frequencies.
        width: σ, a number from 0 (waves) to π (noise), in radians per tap.
        taps: whole number from 3 to 7, on each axis.
        seed: whole number from 0 to 2**32 - 1.
        photograph: 32×32 whole grey values from 0 to 255.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> waves, noise = (BandsExplorer(width=width).readouts() for width in (0, math.pi))
        >>> waves["expected_similarity"] < 0.5 < 0.99 < noise["expected_similarity"]
        True
    """

    spread = choice_trait(SPREADS)
    part = choice_trait(tuple(PARTS))
    width = number_trait(0.0, 0.0, math.pi)
    taps = whole_trait(3, low=LEAST_TAPS, high=MOST_TAPS)
    seed = whole_trait(4, high=2**32 - 1)
    photograph = picture_trait("china")

    constants = {
        "kernels": KERNELS,
        "stride": STRIDE,
        "least_root": LEAST_ROOT,
        "least_power": LEAST_POWER,
    }

    @property
    def frequencies(self) -> Tensor:
        """Across and down, ``(8, 2)``, float64, in radians per tap."""
        drawn = tensor(uniform_noise(self.seed, 2 * KERNELS)).view(-1, 2)
        if self.spread == "even":
            steps = torch.arange(KERNELS, dtype=torch.float64)[:, None]
            drawn = (drawn[0] + steps * tensor([1, STRIDE]) / KERNELS) % 1
        elif self.spread == "same":
            drawn = drawn[:1].repeat(KERNELS, 1)
        cube = drawn * tensor([2 * math.pi, math.pi]) - tensor([math.pi, 0])
        return moved_between(cube, PARTS[self.part])

    @property
    def weight(self) -> Tensor:
        """The kernels, ``(8, 1, taps, taps)``, float64."""
        n = self.taps
        place = torch.arange(n, dtype=torch.float64)
        values, vectors = torch.linalg.eigh(
            torch.exp(-(self.width**2) * (place[:, None] - place).square() / 2)
        )
        root = (vectors * values.where(values > LEAST_ROOT, 0).sqrt()) @ vectors.T
        u, v = root @ _normal(self.seed, 2 * KERNELS * n * n).view(2, KERNELS, n, n) @ root
        across, down = self.frequencies.T[..., None, None]
        phases = across * place + down * place[:, None]
        kernels = u * phases.cos() + v * phases.sin()
        return (kernels / torch.linalg.matrix_norm(kernels, keepdim=True))[:, None]

    def readouts(self) -> Readouts:
        """Return how alike kernels and maps are, and where the bands lie.

        ``expected_similarity`` is the normalised similarity that these bands come to with many
        channels, ``similarity`` that of the eight kernels; ``concentration`` is the mean square of
        a band's spectrum, scaled to mean 1. ``map_cosine`` is the mean size of the correlation of
        two maps, None where a map is constant. ``frequencies`` are eight pairs.
        """
        n, weight, frequencies = self.taps, self.weight, self.frequencies
        lags = torch.arange(1 - n, n, dtype=torch.float64)
        line = (n - lags.abs()) * torch.exp(-(self.width**2) * lags.square() / 2)
        across, down = frequencies.T[..., None, None]
        rows = (across * lags + down * lags[:, None]).cos() * torch.outer(line, line)
        rows = rows.flatten(1) / n**2
        power = rows.square().sum(1)
        away = ~torch.eye(KERNELS, dtype=torch.bool)
        gram = rows @ rows.T / torch.outer(power, power).sqrt()
        x = tensor(self.photograph) / 255
        maps = conv2d((x - x.mean())[None, None], weight)[0].flatten(1)
        maps = maps - maps.mean(1, keepdim=True)
        products = maps @ maps.T / maps.shape[1]
        own = products.diag()
        cosines = (products / torch.outer(own, own).sqrt())[away].abs()
        return {
            "expected_similarity": gram[away].mean().item(),
            "similarity": convolutional_similarity(weight, normalized=True).item(),
            "concentration": power.mean().item(),
            "map_cosine": cosines.mean().item() if own.min() >= LEAST_POWER else None,
            "frequencies": frequencies.tolist(),
        }


def _normal(seed: int, count: int) -> Tensor:
    """Gaussian numbers, by Box and Muller's transform."""
    first, second = tensor(uniform_noise(seed, 2 * KERNELS + 2 * count)[2 * KERNELS :]).view(2, -1)
    return (-2 * torch.log1p(-first)).sqrt() * (2 * math.pi * second).cos()
