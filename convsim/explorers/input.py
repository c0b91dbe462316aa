"""The explorer of the input: kernels that are orthogonal, or kernels whose feature maps are."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import torch
from torch.nn.functional import conv2d, normalize

from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.similarity import uniform_noise
from convsim.explorers.traits import Checked, choice_trait, number_trait, whole_trait
from convsim.patches import orthogonal_maps, patch_autocorrelation
from convsim.photographs import photograph

INPUTS = ("photograph", "differences", "noise", "constant", "own")
SIDE = 32
KERNELS, TAPS = 4, 3
NOISE_SEED = 1
LEAST_POWER = 1e-12  # what rounding leaves of nothing; one grey level in one pixel is 1e-8


def _grey(value: Any) -> list[list[int]]:
    levels = np.asarray(value, dtype=np.float64)
    if levels.shape != (SIDE, SIDE):
        raise ValueError(f"its shape is {levels.shape}; cut or average it to {(SIDE, SIDE)}")
    if not np.isin(levels, np.arange(256)).all():
        raise ValueError("turn grey values in [0, 1] with (255 * x).round()")
    rows: list[list[int]] = levels.astype(int).tolist()
    return rows


def picture_trait(name: str) -> Checked:
    """A 32×32 picture of grey values, by default a photograph, sent as base64 of its bytes."""
    expected = f"{SIDE} rows of {SIDE} whole grey values from 0 to 255"
    return Checked(lambda: (255 * photograph(name, SIDE)).round(), _grey, expected).tag(
        fixed=True,  # too long for a link
        to_json=lambda rows, _: b64encode(np.uint8(rows)).decode(),
        from_json=lambda text, _: np.frombuffer(b64decode(text), np.uint8).reshape(-1, SIDE),
    )


class InputExplorer(Explorer):
    r"""Four 3×3 kernels between orthogonal kernels and orthogonal maps of one input.

    The kernels are the rows of :math:`K_ε = (K (R + ε r I) K^\top)^{-1/2} K`, each scaled to norm
    1: K is random, R the autocorrelation of the input's patches, r the mean of R's diagonal. Large
    ε makes the kernels orthogonal, small ε their feature maps; where R is a multiple of the
    identity, both at once.

    Traits:
        input: X, one of ``"photograph"``, ``"differences"`` (of each of its pixels from the mean
            of the four neighbours), ``"noise"`` (white, uniform in [-1, 1)), ``"constant"`` (1/2
            and a tenth of that noise), ``"own"``.
        patches: ``"raw"``, or ``"centered"``: R, and with it the maps, less the mean.
        eps: ε, a number from 1e-6 to 10,000. Were it 0, an input of fewer than four independent
            patches would have no K_ε.
        seed: whole number from 0 to 2**32 - 1, for K.
        photograph, own: 32×32 whole grey values from 0 to 255, read as levels / 255. The page
            replaces ``own`` by a picture that the reader chooses, drops, pastes or draws.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> readouts = InputExplorer(eps=1e-6).readouts()
        >>> readouts["map_cosine"] < 0.001 < readouts["kernel_cosine"]
        True
    """

    input = choice_trait(INPUTS)
    patches = choice_trait(("raw", "centered"))
    eps = number_trait(1e4, 1e-6, 1e4)
    seed = whole_trait(2, high=2**32 - 1)
    photograph = picture_trait("china")
    own = picture_trait("flower")

    constants = {
        "side": SIDE,
        "kernels": KERNELS,
        "taps": TAPS,
        "noise_seed": NOISE_SEED,
        "least_power": LEAST_POWER,
    }

    @property
    def signal(self) -> torch.Tensor:
        """The input X, float64, of shape (32, 32); (30, 30) for ``"differences"``."""
        if self.input in ("noise", "constant"):
            noise = 2 * tensor(uniform_noise(NOISE_SEED, SIDE**2)).view(SIDE, SIDE) - 1
            return noise if self.input == "noise" else 0.5 + noise / 10
        x = tensor(self.own if self.input == "own" else self.photograph) / 255
        if self.input != "differences":
            return x
        beside = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
        return x[1:-1, 1:-1] - beside / 4

    def readouts(self) -> Readouts:
        """Return the cosines of the kernels and of their maps, and the eigenvalues of R.

        ``kernel_cosine`` and ``map_cosine`` are mean sizes over different ones. ``eigenvalues`` are
        shares of their sum, the largest first; ``kernel_gram`` and ``map_gram`` are 4×4. All are
        None where R is zero: for a black input, or a constant one less its mean.
        """
        x, centered = self.signal, self.patches == "centered"
        # the mean goes first: squares would lose the little that varies in a nearly constant input
        maps = (x - x.mean() if centered else x)[None, None]
        R = patch_autocorrelation(maps, TAPS, centered=centered)
        names = ("kernel_cosine", "map_cosine", "eigenvalues", "kernel_gram", "map_gram")
        if R.diag().mean() < LEAST_POWER:
            return dict.fromkeys(names)
        drawn = 2 * tensor(uniform_noise(self.seed, KERNELS * TAPS**2)) - 1
        weight = normalize(drawn.view(KERNELS, -1)).view(-1, 1, TAPS, TAPS)
        weight = orthogonal_maps(weight, R, eps=self.eps)
        features = conv2d(maps, weight)[0].flatten(1)
        if centered:
            features = features - features.mean(dim=1, keepdim=True)
        # from the maps themselves: K R Kᵀ would lose maps that hardly see the input to rounding
        grams = [_cosines(weight.flatten(1)), _cosines(features)]
        away = ~torch.eye(KERNELS, dtype=torch.bool)
        means = [gram[away].abs().mean().item() for gram in grams]
        values = torch.linalg.eigvalsh(R).clamp(min=0).flip(0)
        found = (*means, (values / values.sum()).tolist(), *(gram.tolist() for gram in grams))
        return dict(zip(names, found, strict=True))


def _cosines(rows: torch.Tensor) -> torch.Tensor:
    gram = rows @ rows.T
    norms = gram.diag().sqrt()
    return gram / torch.outer(norms, norms)
