"""The explorer of Convolutional Similarity as an overlap of power spectra."""

from __future__ import annotations

import torch

from convsim.explorers.base import Readouts, tensor
from convsim.explorers.pair import KernelPair
from convsim.explorers.traits import choice_trait, kernel_trait, number_trait, whole_trait
from convsim.similarity import convolutional_similarity
from convsim.spectrum import power_spectrum

LOSSES = ("convolutional_similarity", "normalized")
SIZE = 128  # points of the Fourier transform in the readouts


class SpectrumExplorer(KernelPair):
    r"""Two 1-d kernels and their power spectra, :math:`L_{CS} = \overline{p_1 p_2}`.

    Traits:
        kernel_1, kernel_2: lists of 1 to 16 numbers, of one length.
        loss: what the page's descent lowers, ``"convolutional_similarity"`` or ``"normalized"``;
            the latter has no scale, and its descent keeps the norms of the kernels.
        learning_rate: step size of the descent; for ``"normalized"``, of kernels at norm 1.
        seed: whole number from 0 to 2**32 - 1, for the page's random kernels.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = SpectrumExplorer(kernel_1=[1, 1], kernel_2=[1, -1])
        >>> explorer.readouts()["convolutional_similarity"]
        2.0
    """

    kernel_1 = kernel_trait([-0.03, 0.17, 0.65, 0.82, 0.36, -0.23, -0.34, -0.1])
    kernel_2 = kernel_trait([-0.06, -0.28, 0.16, 0.74, 0.07, -0.55, -0.14, 0.07])
    loss = choice_trait(LOSSES)
    learning_rate = number_trait(0.05, 1e-6, 10.0)
    seed = whole_trait(0, high=2**32 - 1)

    constants = {"size": SIZE}

    def readouts(self) -> Readouts:
        """Return L_CS, its normalised form, the norms, and the spectra at 0, 1/128, … 1/2.

        The normalised form is None where a kernel is zero. Frequencies are in cycles per tap.
        """
        weight = torch.stack([tensor(self.kernel_1), tensor(self.kernel_2)]).unsqueeze(1)
        spectra = power_spectrum(weight, size=SIZE)[:, : SIZE // 2 + 1]
        norm_1, norm_2 = torch.linalg.vector_norm(weight, dim=(1, 2)).tolist()
        largest = weight.abs().amax(dim=2, keepdim=True)
        # scale-free, so the largest tap may be 1: then no power of a small one underflows
        normalized = convolutional_similarity(
            weight / largest.where(largest > 0, 1), normalized=True
        )
        return {
            "convolutional_similarity": convolutional_similarity(weight).item(),
            "normalized_similarity": normalized.item() if largest.all() else None,
            "norm_1": norm_1,
            "norm_2": norm_2,
            "spectrum_1": spectra[0].tolist(),
            "spectrum_2": spectra[1].tolist(),
        }
