"""Algorithm 1 of Belmekki et al. (2024): Convolutional Similarity lowered before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from convsim.checks import check_number, check_weight, check_whole
from convsim.layers import Convolution, check_plain_weights, convolutional_layers
from convsim.similarity import convolutional_similarity
from convsim.training.optimizers import distinct_weights


def minimize_similarity(
    model: nn.Module,
    *,
    iterations: int = 500,
    lr: float = 1e-3,
    scale_free: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> nn.Module:
    r"""Descend with Adam on the sum of :math:`L_{CS}` over a model's convolutions, in place.

    This is the paper's Algorithm 1, an initialisation: no data is seen, and nothing but the
    convolutions' weights changes, not their ``grad`` either; a weight that several layers share
    makes one step. The loss is homogeneous of degree four, so the descent shrinks the weights;
    with ``scale_free`` it cannot.

    Args:
        model: any module with a ``Conv1d``, ``Conv2d`` or ``Conv3d``.
        iterations: number of steps.
        lr: Adam's learning rate.
        scale_free: descend on the normalised similarity instead, and hold the norm of every
            kernel at its start.
        on_step: called with 0 before the first step and with n after the n-th.

    Returns:
        The model.

    Raises:
        ValueError: if the model has no convolution, or one whose weight is frozen, computed from
            others or not there yet, if ``iterations`` or ``lr`` is out of range, or if the loss of
            a layer stops being finite; the message names the layer and the step.

    Example:
        >>> from convsim import model_similarity
        >>> model = nn.Conv2d(3, 8, 3)
        >>> before = model_similarity(model).item()
        >>> minimize_similarity(model, iterations=20, lr=0.01) is model
        True
        >>> model_similarity(model).item() < before
        True
    """
    check_whole(iterations, "iterations", least=0, what="steps")
    check_number(lr, "lr")
    layers = convolutional_layers(model)
    check_plain_weights(layers)
    for name, layer in layers:
        check_weight(layer.weight, f"the weight of layer {name!r}")
        if not layer.weight.requires_grad:
            raise ValueError(
                f"the weight of layer {name!r} is frozen; expected one that requires a gradient: "
                "call requires_grad_() on it"
            )
    weights = distinct_weights(layers)
    gradients = [weight.grad for weight in weights]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            _descend(layers, weights, iterations, lr, scale_free, on_step or (lambda _step: None))
    finally:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
    return model


def _descend(
    layers: Sequence[tuple[str, Convolution]],
    weights: Sequence[Tensor],
    iterations: int,
    lr: float,
    scale_free: bool,
    on_step: Callable[[int], None],
) -> None:
    norms = [kernel_norms(weight) for weight in weights]
    optimizer = torch.optim.Adam(weights, lr=lr)
    on_step(0)
    for step in range(1, iterations + 1):
        optimizer.zero_grad()
        loss = weights[0].new_zeros(())
        for name, layer in layers:
            try:
                loss = loss + convolutional_similarity(layer.weight, normalized=scale_free)
            except ValueError as error:
                raise ValueError(f"step {step}, layer {name!r}: {error}") from error
        loss.backward()
        optimizer.step()
        if scale_free:
            with torch.no_grad():
                for weight, norm in zip(weights, norms, strict=True):
                    weight.mul_(norm / kernel_norms(weight))
        on_step(step)


def kernel_norms(weight: Tensor) -> Tensor:
    """Norm of each kernel, ``(S, 1, …)``; a dead kernel counts as 1, so that it stays as it is."""
    flat = weight.detach().flatten(1).norm(dim=1)
    return torch.where(flat > 0, flat, 1).view(-1, *[1] * (weight.ndim - 1))
