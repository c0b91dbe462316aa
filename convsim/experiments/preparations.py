"""What trainings start from: preparations that change PyTorch's default initialisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convsim.layers import convolutional_layers
from convsim.patches import expected_gram, orthogonal_maps, patch_autocorrelation
from convsim.training import minimize_similarity
from convsim.training.deconvolution import deconvolve
from convsim.training.rates import norm_at_rate, norm_before
from convsim.whitening import input_autocorrelations, orthogonalize_maps

SEEN = 1000
"""Training images that a start may look at, evenly spread."""
RIDGE = 1e-2
"""ε of the starts that leave weak directions alone: a share of the mean power of a tap."""
TRIALS = 2
"""Epochs that are tried for an effective rate."""
WHITENED, WHITENING_EPS = 2, 5e-4
"""Taps on each axis of the whitening layer, and what is added to the eigenvalues: airbench's."""


@dataclass(frozen=True)
class Start:
    """What a preparation may need beside the network.

    Attributes:
        default: a copy of the network as PyTorch initialised it.
        iterations: steps of a descent.
        seed: of what is drawn.
        images: some normalised training images, ``(B, 3, H, W)``, where there are any.
        optimizer: of the training.
        lr: its learning rate.
        rate: an effective rate that is wanted after the first epoch.
        try_epoch: trains a network as the run will, for its first epoch.
    """

    default: nn.Module
    iterations: int
    seed: int
    images: Tensor | None = None
    optimizer: str = "SGD"
    lr: float = 0.01
    rate: float = 0.01
    try_epoch: Callable[[nn.Module], object] | None = None

    def seen(self) -> Tensor:
        """The images, or a ValueError if there are none."""
        if self.images is None:
            raise ValueError(
                "this start looks at training images, and none are given; expected some: pass "
                "`train` to initialise"
            )
        return self.images


Preparation = Callable[[nn.Module, Start], None]
"""Changes a network in place."""


def algorithm_1(model: nn.Module, start: Start) -> None:
    minimize_similarity(model, iterations=start.iterations)


def scale_free(model: nn.Module, start: Start) -> None:
    """Algorithm 1 on the normalised similarity, with all norms held."""
    minimize_similarity(model, iterations=start.iterations, scale_free=True)


def shrink(model: nn.Module, start: Start) -> None:
    """Multiply each layer by the factor by which Algorithm 1 shrinks that of the default."""
    descended = deepcopy(start.default)
    algorithm_1(descended, start)
    triples = zip(weights(model), weights(start.default), weights(descended), strict=True)
    with torch.no_grad():
        for weight, long, short in triples:
            weight.mul_(short.norm() / long.norm())


def orthogonal_kernels(model: nn.Module, start: Start) -> None:
    """Orthogonal kernels, each at the norm that it has: what orthogonal maps are for white input.

    More kernels than taps become a tight frame.
    """
    with torch.no_grad():
        for weight in weights(model):
            weight.copy_(orthogonal_maps(weight, torch.eye(weight[0].numel())))


def maps_orthogonal(model: nn.Module, start: Start) -> None:
    """Maps that are uncorrelated on the start's images, layer by layer, each kernel at its norm."""
    orthogonalize_maps(model, start.seen())


def first_maps_orthogonal(model: nn.Module, start: Start) -> None:
    """The same in the first layer alone."""
    orthogonalize_maps(model, start.seen(), layers=[convolutional_layers(model)[0][0]])


def maps_orthogonal_power(model: nn.Module, start: Start) -> None:
    """The same in all layers, each kernel as long as it takes for its map to keep its power.

    Behind a batch normalisation that, and not the kernel's norm, is what a step is measured by.
    """
    _keep_power(model, start, eps=0.0)


def maps_orthogonal_power_ridge(model: nn.Module, start: Start) -> None:
    """The same, but for directions in which the input is weak."""
    _keep_power(model, start, eps=RIDGE)


def _keep_power(model: nn.Module, start: Start, *, eps: float) -> None:
    wanted = _map_powers(model, start)
    orthogonalize_maps(model, start.seen(), eps=eps)
    with torch.no_grad():
        for name, power in _map_powers(model, start).items():
            weight = model.get_parameter(f"{name}.weight")
            factor = (wanted[name] / power).sqrt().to(weight)
            weight.mul_(factor.view(-1, *[1] * (weight.ndim - 1)))


def _map_powers(model: nn.Module, start: Start) -> dict[str, Tensor]:
    """The variance of every map of every layer on the start's images."""
    found = input_autocorrelations(model, start.seen())
    layers = dict(convolutional_layers(model))
    return {name: expected_gram(layers[name].weight, R).diagonal() for name, R in found.items()}


def maps_orthogonal_ridge(model: nn.Module, start: Start) -> None:
    """The same in all layers, but for directions in which the input is weak."""
    orthogonalize_maps(model, start.seen(), eps=RIDGE)


def maps_orthogonal_raw(model: nn.Module, start: Start) -> None:
    """Maps that are orthogonal with their means."""
    orthogonalize_maps(model, start.seen(), centered=False)


def maps_orthogonal_leading(model: nn.Module, start: Start) -> None:
    """Uncorrelated maps of kernels in the directions in which the input is strongest."""
    orthogonalize_maps(model, start.seen(), leading=True)


def whitening_layer(model: nn.Module, start: Start) -> None:
    r"""A frozen layer ahead of the first: :math:`\pm V^\top / \sqrt{\lambda + \varepsilon}`.

    V and λ are eigenvectors and eigenvalues of the images' 2 × 2 patches, not centred.

    Source: K. Jordan, *94% on CIFAR-10 in 3.29 seconds on a single GPU*, arXiv 2404.00498.
    """
    images = start.seen()
    layer = _ahead(model, start, images.shape[1])
    values, vectors = torch.linalg.eigh(patch_autocorrelation(images, WHITENED))
    filters = (vectors / (values + WHITENING_EPS).sqrt()).T.reshape(-1, *layer.weight.shape[1:])
    with torch.no_grad():
        layer.weight.copy_(torch.cat([filters, -filters]))
    layer.weight.requires_grad_(False)


def extra_layer(model: nn.Module, start: Start) -> None:
    """A layer of that shape ahead of the first, with PyTorch's default weights, to be trained."""
    _ahead(model, start, start.seen().shape[1])


def _ahead(model: nn.Module, start: Start, channels: int) -> nn.Conv2d:
    """Put a layer and a leaky ReLU ahead of the first convolution, and return that layer.

    The first convolution, which has more input channels then, gets PyTorch's default weights,
    shrunk as those were that it had.
    """
    name, first = convolutional_layers(model)[0]
    _, unshrunk = convolutional_layers(start.default)[0]
    count = 2 * channels * WHITENED**2
    with torch.random.fork_rng([]):
        torch.manual_seed(start.seed)
        ahead = nn.Conv2d(channels, count, WHITENED, bias=False)
        behind = nn.Conv2d(count, len(first.weight), first.kernel_size[0])
    shrunk = first.weight.detach().norm() / unshrunk.weight.detach().norm()
    first.in_channels = count
    first.weight = nn.Parameter(behind.weight.detach().to(first.weight) * shrunk)
    parent, _, own = name.rpartition(".")
    layers = nn.Sequential(ahead, nn.LeakyReLU(0.2, inplace=True), first)
    setattr(model.get_submodule(parent), own, layers.to(first.weight.device))
    return ahead


def deconvolution(model: nn.Module, start: Start) -> None:
    """Every layer whitens its input at every step."""
    deconvolve(model, start.seen())


def unit_variance(model: nn.Module, start: Start) -> None:
    """Multiply each layer so that its maps have variance 1 on the start's images, one by one.

    Source: D. Mishkin and J. Matas, *All you need is a good init*, arXiv 1511.06422, without the
    orthogonal kernels.
    """
    for name, layer in convolutional_layers(model):
        power = _map_powers(model, start)[name].mean()
        with torch.no_grad():
            layer.weight.div_(power.sqrt().to(layer.weight))


def matched_rate(model: nn.Module, start: Start) -> None:
    """Give each layer the norm from which its effective rate is the wanted one after an epoch.

    Two epochs are tried for it, the second from where the first says.
    """
    if start.try_epoch is None:
        raise ValueError(
            "this start tries an epoch, and there are no training images; expected some: pass "
            "`train` to initialise"
        )
    wanted = norm_at_rate(start.optimizer, start.lr, start.rate)
    for _ in range(TRIALS):
        tried = deepcopy(model)
        start.try_epoch(tried)
        with torch.no_grad():
            for weight, long in zip(weights(model), weights(tried), strict=True):
                before, after = weight.norm().item(), long.norm().item()
                weight.mul_(norm_before(start.optimizer, wanted, before, after) / before)


def weights(model: nn.Module) -> Sequence[Tensor]:
    """The weights of a network's convolutions, which can be changed in place."""
    return [layer.weight.detach() for _, layer in convolutional_layers(model)]
