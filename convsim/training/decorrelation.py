"""Feature maps kept uncorrelated during training: a penalty on their correlations.

DeCov (Cogswell et al., 2016) lowers the covariances of a layer's units over a batch. The covariance
of a convolution's maps, over images and positions, is K R Kᵀ with the centred R of
:mod:`convsim.patches`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from convsim.checks import check_tensor
from convsim.layers import Convolution


def mean_squared_correlation(maps: Tensor) -> Tensor:
    r"""The mean square of the correlations between a layer's feature maps, over a batch.

    The normalised form of DeCov's loss, which is the sum of the squared covariances: that one
    falls when weights merely shrink, which a batch normalisation would answer with longer steps.

    Args:
        maps: ``(B, S, *spatial)``; values are taken over the batch and all positions.

    Returns:
        A scalar between 0 and 1, differentiable; 0 for a single map. A constant map counts as
        uncorrelated.

    Raises:
        ValueError: if ``maps`` is no floating-point tensor of two or more axes.

    Example:
        >>> maps = torch.tensor([[1.0, -2.0], [3.0, -6.0], [2.0, -4.0]])
        >>> round(mean_squared_correlation(maps).item(), 4)
        1.0
    """
    check_tensor(maps, "maps", axes=2, check_finite=False)
    # Channels last, as the maps of a training lie: no copy.
    values = maps.movedim(1, -1).flatten(0, -2).float()
    mean = values.mean(0)
    values = values - mean
    gram = values.T @ values
    power = gram.diagonal()
    # What rounding leaves of a constant map has no direction.
    rounding = len(values) * (4 * torch.finfo(values.dtype).eps * mean.detach()).square()
    power = power.where(power > rounding, 1)
    squares = gram.square() / (power * power[:, None])
    count = len(gram)
    pairs = max(count * (count - 1), 1)
    return (squares.sum() - squares.diagonal().sum()) / pairs


@contextlib.contextmanager
def outputs_of(layers: Sequence[tuple[str, Convolution]]) -> Iterator[list[Tensor]]:
    """A list that is filled with what the layers put out, call by call; its user empties it."""
    outputs: list[Tensor] = []

    def keep(_layer: torch.nn.Module, _inputs: object, output: Tensor) -> None:
        outputs.append(output)

    hooks = [layer.register_forward_hook(keep) for _, layer in layers]
    try:
        yield outputs
    finally:
        for handle in hooks:
            handle.remove()
