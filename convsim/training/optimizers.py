"""The optimisers of a training, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convsim.layers import Convolution

MOMENTUM = 0.9
ALONG = 0.1
"""δ of SGDP: below δ/√dim a gradient's cosine with the weight is that of a scale-invariant one."""


class SGDP(torch.optim.SGD):
    r"""SGD with momentum whose steps leave the norm of scale-invariant weights alone.

    The momentum p is formed as in SGD. Where the gradient is orthogonal to a kernel, and else
    where it is to a layer's weight, the part of p along it is left out of the step:
    :math:`p - \langle w, p \rangle w / \|w\|^2`.

    Source: B. Heo et al., *AdamP: Slowing Down the Slowdown for Momentum Optimizers on
    Scale-invariant Weights*, arXiv 2006.08217.

    The authors' package, ``adamp`` 0.3.0, differs: without Nesterov's momentum it projects p itself
    in place, so that the next step begins with what is left of it.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of all parameters that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(weight.grad)
                step = _without_radial(weight, weight.grad, momentum)
                weight.sub_(step, alpha=group["lr"])


def _without_radial(weight: Tensor, gradient: Tensor, step: Tensor) -> Tensor:
    """A step, without its part along each kernel or the layer, if the gradient has none there."""
    if weight.ndim < 2 or weight[0].numel() == 1:  # a bias, of a plain CNN with axes of size 1
        return step
    for rows in (len(weight), 1):
        along, slope, move = (x.reshape(rows, -1) for x in (weight, gradient, step))
        cosines = nn.functional.cosine_similarity(slope, along, dim=1, eps=1e-8).abs()
        if cosines.max() < ALONG / along.shape[1] ** 0.5:
            direction = nn.functional.normalize(along, dim=1)
            radial = (direction * move).sum(dim=1, keepdim=True) * direction
            return step - radial.view_as(step)
    return step


OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "SGD": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": MOMENTUM}),
    "Adam": (torch.optim.Adam, {}),
    "SGDP": (SGDP, {"momentum": MOMENTUM}),
}
"""By name: the class, and what it is called with beside the learning rate; else its defaults."""


def distinct_weights(layers: Sequence[tuple[str, Convolution]]) -> list[Tensor]:
    """The layers' weights, in their order; one that several layers share is there once."""
    return [*{id(layer.weight): layer.weight for _, layer in layers}.values()]


def make_optimizer(
    name: str,
    model: nn.Module,
    layers: Sequence[tuple[str, Convolution]],
    lr: float,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """An optimiser of a model; weight decay, like L_CS, touches the convolutions' weights only.

    Args:
        name: a key of ``OPTIMIZERS``.
        model: what is trained.
        layers: its convolutions, by their names.
        lr: learning rate.
        weight_decay: a weight decay that is added to the gradient, as in SGD.
    """
    kind, options = OPTIMIZERS[name]
    weights = distinct_weights(layers)
    held = set(map(id, weights))
    rest = [parameter for parameter in model.parameters() if id(parameter) not in held]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": weight_decay},
        {"params": rest},
    ]
    return kind(groups, lr=lr, **options)  # type: ignore[call-arg]


def state_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, such as momenta: tensors by ``"number of parameter, key"``."""
    return {
        f"{number} {key}": value
        for number, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def load_state_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Let an optimiser remember what :func:`state_tensors` found."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, key = name.split(" ")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
