"""The explorer of operators: two convolutions as matrices, and the products of both."""

from __future__ import annotations

import torch

from convsim.correlation import cross_correlate
from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.traits import taps_trait, whole_trait
from convsim.operators import circular_operator
from convsim.similarity import similarity_matrix

CHANNELS, TAPS = 3, 3
POSITIONS = 10  # from 2 * TAPS - 1 on, no lag meets another on the circle


class OperatorsExplorer(Explorer):
    r"""Two kernels of up to three channels as operators, and the norms of both their products.

    :math:`\mathcal{K}` is the block-circulant matrix of a convolution with circular padding, for
    N = 10 positions. Summed over lags and pairs of channels,

    .. math:: \tfrac{1}{N} \|\mathcal{K}_1^\top \mathcal{K}_2\|_F^2
                  &= \sum_{c_1, c_2} \| K_1[c_1] \star K_2[c_2] \|^2 = L_{CS}, \\
              \tfrac{1}{N} \|\mathcal{K}_1 \mathcal{K}_2^\top\|_F^2
                  &= \Bigl\| \sum_c K_1[c] \star K_2[c] \Bigr\|^2,

    and the second, OCNN's term of the pair (Wang et al., 2020), is never more than the first. With
    one channel both are equal, because circulant matrices commute.

    Traits:
        kernel_1, kernel_2: lists of 9 numbers, the three taps of channel 1, then of 2 and of 3.
        channels: C, a whole number from 1 to 3. The channels after C are left out.
        seed: whole number from 0 to 2**32 - 1, for the page's random kernels.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> blur, slope, zero = [1, 2, 1], [-1, 0, 1], [0, 0, 0]
        >>> explorer = OperatorsExplorer(kernel_1=blur + zero + zero, kernel_2=zero + slope + zero)
        >>> readouts = explorer.readouts()
        >>> readouts["convolutional_similarity"], readouts["ocnn_term"]
        (10.0, 0.0)
    """

    kernel_1 = taps_trait([-0.47, -1, -0.55, -0.71, -0.07, 0.09, 0.23, 0.3, -0.09], 9, 9)
    kernel_2 = taps_trait([0.16, -0.51, -0.8, 0.81, -0.18, 0.44, 0.32, 0.61, 0.25], 9, 9)
    channels = whole_trait(CHANNELS, low=1, high=CHANNELS)
    seed = whole_trait(0, high=2**32 - 1)

    constants = {"positions": POSITIONS, "taps": TAPS}

    def readouts(self) -> Readouts:
        """Return L_CS, OCNN's term and its share of L_CS, ⟨K1, K2⟩, its cosine, both products.

        ``first_transposed`` is 𝒦₁ᵀ𝒦₂, ``(10 C, 10 C)``, ``second_transposed`` is 𝒦₁𝒦₂ᵀ,
        ``(10, 10)`` with ⟨K1, K2⟩ on its diagonal. Share and cosine are None where a kernel is
        zero.
        """
        weight = tensor([self.kernel_1, self.kernel_2]).view(2, CHANNELS, TAPS)[:, : self.channels]
        similarity = similarity_matrix(weight)[0, 1].item()
        lags = cross_correlate(weight[0], weight[1]).sum(0)
        ocnn_term, inner = lags.square().sum().item(), lags[TAPS - 1].item()
        norms = torch.linalg.vector_norm(weight, dim=(1, 2)).prod().item()
        first, second = circular_operator(weight, POSITIONS).split(POSITIONS)
        return {
            "convolutional_similarity": similarity,
            "ocnn_term": ocnn_term,
            "ocnn_share": ocnn_term / similarity if similarity > 0 else None,
            "kernel_similarity": inner,
            "kernel_cosine": inner / norms if norms > 0 else None,
            "first_transposed": (first.T @ second).tolist(),
            "second_transposed": (first @ second.T).tolist(),
        }
