"""Network Deconvolution (Ye et al., 2020): a layer that whitens its input at every step."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convsim.checks import check_module
from convsim.layers import Convolution, check_plain_weights, convolutional_layers
from convsim.patches import patch_covariance

EPS, STEPS, MOMENTUM = 1e-5, 5, 0.1
"""Added to the covariance's diagonal; steps of Newton and Schulz; share of a new batch in the
matrix that is used in evaluation. The values of the paper."""
PATCHES = 8192
"""Patches of a batch that the covariance is taken from, evenly spread over its positions."""


class Deconvolution(nn.Module):
    r"""A convolution with the kernels :math:`K \Sigma^{-1/2}`, Σ the covariance of its patches.

    In training Σ is that of the batch, and counts as a constant in the backward pass; its inverse
    root comes from a few steps of Newton and Schulz, so that the smallest directions of the input
    are not quite whitened. In evaluation the running mean of the inverse roots is used. The mean
    of the input is left to the batch normalisation behind the layer.

    Args:
        convolution: a layer without groups; its parameters are those that are trained.

    Raises:
        ValueError: for a layer with groups.

    Source: Ye et al., *Network Deconvolution*, ICLR 2020, arXiv 1905.11926, Algorithm 1. Their
    networks have no batch normalisation, and they differentiate through the inverse root.
    """

    whitening: Tensor

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        if convolution.groups != 1:
            raise ValueError(
                f"the convolution has {convolution.groups} groups; expected 1: whiten the input "
                "of each group by itself"
            )
        self.convolution = convolution
        taps = convolution.weight[0].numel()
        self.register_buffer("whitening", torch.eye(taps, device=convolution.weight.device))

    def forward(self, maps: Tensor) -> Tensor:
        weight = self.convolution.weight
        whitening = self.whitening
        if self.training:
            with torch.no_grad(), torch.autocast(maps.device.type, enabled=False):
                whitening = inverse_root(patch_covariance(self.convolution, maps, PATCHES))
                self.whitening.lerp_(whitening, MOMENTUM)
        used = (weight.flatten(1) @ whitening).view_as(weight)
        return cast(Tensor, functional_call(self.convolution, {"weight": used}, (maps,)))

    @torch.no_grad()
    def folded(self) -> Convolution:
        """The plain convolution that this layer is in evaluation."""
        plain = deepcopy(self.convolution)
        plain.weight.copy_((plain.weight.flatten(1) @ self.whitening).view_as(plain.weight))
        return plain


def inverse_root(covariance: Tensor) -> Tensor:
    """An approximation to (Σ + EPS·I)^(-1/2), by the coupled iteration of Newton and Schulz.

    Args:
        covariance: Σ, symmetric and positive semidefinite.
    """
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    matrix = covariance + EPS * identity
    norm = matrix.norm()
    root, inverse = matrix / norm, identity
    for _ in range(STEPS):
        step = (3 * identity - inverse @ root) / 2
        root, inverse = root @ step, step @ inverse
    return inverse / norm.sqrt()


def deconvolve(model: nn.Module, images: Tensor) -> None:
    """Put a :class:`Deconvolution` in the place of every convolution, and let it see images.

    Raises:
        ValueError: if the model has no convolution or is one itself, or one has groups or computes
            its weight from other tensors; the model is as it was then.
    """
    layers = convolutional_layers(model)
    check_plain_weights(layers)
    if not layers[0][0]:
        raise ValueError("model is a convolution; expected a network: wrap it in Sequential")
    for name, layer in [(name, Deconvolution(layer)) for name, layer in layers]:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, layer)
    was_training = model.training
    with torch.no_grad():
        model.train()(images)
    model.train(was_training)
    # The first batch is all that is known.
    for module in model.modules():
        if isinstance(module, Deconvolution):
            eye = torch.eye(len(module.whitening)).to(module.whitening)
            module.whitening.copy_(eye.lerp(module.whitening, 1 / MOMENTUM))


def folded(model: nn.Module) -> nn.Module:
    """A copy with plain convolutions in the place of deconvolutions; the model itself if none."""
    check_module(model)
    found = [name for name, module in model.named_modules() if isinstance(module, Deconvolution)]
    if not found:
        return model
    plain = deepcopy(model)
    for name in found:
        parent, _, own = name.rpartition(".")
        layer = cast(Deconvolution, plain.get_submodule(name))
        setattr(plain.get_submodule(parent), own, layer.folded())
    return plain
