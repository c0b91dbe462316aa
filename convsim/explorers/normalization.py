"""The explorer of batch normalisation: the scale of the weights is a learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import traitlets
from torch.nn.functional import softplus
from torch.optim import SGD, Adam, Optimizer

from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.traits import choice_trait, number_trait, whole_trait

MOMENTUM = 0.9
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "SGD": SGD,
    "momentum": partial(SGD, momentum=MOMENTUM),
    "SGDP": partial(SGD, momentum=MOMENTUM),  # whose steps are then projected
    "Adam": Adam,
}


def _cloud(label: int) -> list[list[float]]:
    """Twelve points (x1, x2, label) in an ellipse, turned by 35° and shifted by its label."""
    points = []
    for i in range(12):
        radius, turn = math.sqrt((i + 0.5) / 12), 2.4 * i + (label < 0)  # as in a sunflower
        long, short = 1.4 * radius * math.cos(turn), 0.7 * radius * math.sin(turn)
        c, s = math.cos(math.radians(35)), math.sin(math.radians(35))
        x1, x2 = long * c - short * s + 0.5 * label, long * s + short * c - 0.1 * label
        points.append([round(x1, 2), round(x2, 2), float(label)])
    return points


POINTS = _cloud(1) + _cloud(-1)


def normalized_loss(weight: torch.Tensor) -> torch.Tensor:
    r"""Return f(w), the mean of :math:`\log(1 + e^{-y_i z_i})` over the 24 points (x_i, y_i).

    z_i is w·x_i after batch normalisation, ``(w·x_i - mean) / std`` with no epsilon, so that f has
    no scale: f(c w) = f(w) for c > 0.

    Args:
        weight: ``(B, 2)``, float64, one w per row; not checked. Where w is 0 the loss is NaN.

    Returns:
        Tensor ``(B,)``.
    """
    points = tensor(POINTS)
    response = weight @ points[:, :2].T
    centred = response - response.mean(dim=1, keepdim=True)
    normalized = centred / centred.square().mean(dim=1, keepdim=True).sqrt()
    return softplus(-points[:, 2] * normalized).mean(dim=1)


class NormalizationExplorer(Explorer):
    r"""Training of one batch-normalised unit, from :math:`w = s (\cos α, \sin α)`.

    The loss does not depend on the norm of w. Its gradient g is therefore orthogonal to w, and its
    length proportional to 1/‖w‖: w/‖w‖ turns as with an effective learning rate (van Laarhoven,
    2017, arXiv:1706.05350). With PyTorch's conventions, p = 0 at the start and μ = 0.9:

    ========  ===========================================  ==============  ===========
    name      step                                         effective rate  norm of w
    ========  ===========================================  ==============  ===========
    SGD       w ← w - η g                                  η/‖w‖²          never falls
    momentum  p ← μ p + g,  w ← w - η p                    η/((1-μ)‖w‖²)   never falls
    SGDP      p ← μ p + g,  w ← w - η (p - (w·p/‖w‖²) w)   η/((1-μ)‖w‖²)   never falls
    Adam      with betas 0.9 and 0.999, ε = 1e-8           η/‖w‖           may fall
    ========  ===========================================  ==============  ===========

    SGDP (Heo et al., 2021, arXiv:2006.08217) projects where :math:`|\cos(w, g)| < 0.1 / \sqrt{2}`,
    which holds here at every step. Adam's step (Kingma and Ba, 2015, arXiv:1412.6980) does not
    depend on the scale of g, but for ε.

    Traits:
        scale: s, the norm of w at the start, a number from 0.1 to 10.
        angle: α in degrees, a number from -180 to 180.
        learning_rate: η, a number from 0.01 to 10.
        steps: whole number from 1 to 100.
        optimizer: "SGD", "momentum", "SGDP" or "Adam".
        points: the 24 rows (x1, x2, y) with y = ±1 that the unit tells apart; read-only.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = NormalizationExplorer(scale=0.5, learning_rate=0.1)
        >>> rescaled = NormalizationExplorer(scale=1, learning_rate=0.4)
        >>> explorer.readouts()["loss_end"] == rescaled.readouts()["loss_end"]
        True
    """

    scale = number_trait(0.3, 0.1, 10.0)
    angle = number_trait(150.0, -180.0, 180.0)
    learning_rate = number_trait(0.1, 0.01, 10.0)
    steps = whole_trait(60, low=1, high=100)
    optimizer = choice_trait(tuple(OPTIMIZERS))
    points = traitlets.List(POINTS, read_only=True).tag(sync=True, fixed=True)

    constants = {"momentum": MOMENTUM}

    def readouts(self) -> Readouts:
        """Return norms, effective rates and losses at both ends, and the path, by autograd.

        ``turned`` is the angle from start to end in degrees, counter-clockwise, summed over the
        steps. ``path`` holds w, ``losses`` its loss after 0, 1, … steps; ``equivalent_losses`` are
        those from scale 1 with η/s², with Adam η/s, ``unit_losses`` those from scale 1 with η.
        ``largest_gap`` is the largest distance of the first two, which only rounding keeps from 0,
        and with Adam its ε.
        """
        angle, rate = math.radians(self.angle), self.learning_rate
        power = 1 if self.optimizer == "Adam" else 2  # of the norm in the effective rate
        # with momentum a gradient counts in every later step: 1 + μ + μ² + … times
        times = 1 / (1 - MOMENTUM) if self.optimizer in ("momentum", "SGDP") else 1.0
        direction = tensor([[math.cos(angle), math.sin(angle)]])
        path, losses = self._descend(self.scale * direction, rate)
        _, equivalent = self._descend(direction, rate / self.scale**power)
        _, unit = self._descend(direction, rate)
        norms = path.square().sum(dim=1).sqrt()
        before, after = path[:-1], path[1:]
        cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        turns = torch.atan2(cross, (before * after).sum(dim=1))
        return {
            "norm_start": norms[0].item(),
            "norm_end": norms[-1].item(),
            "rate_start": times * rate / norms[0].item() ** power,
            "rate_end": times * rate / norms[-1].item() ** power,
            "loss_start": losses[0].item(),
            "loss_end": losses[-1].item(),
            "turned": math.degrees(turns.sum().item()),
            "largest_gap": (losses - equivalent).abs().max().item(),
            "path": path.tolist(),
            "losses": losses.tolist(),
            "equivalent_losses": equivalent.tolist(),
            "unit_losses": unit.tolist(),
        }

    def _descend(self, start: torch.Tensor, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Every w from ``start``, ``(1, 2)``, on: ``(steps + 1, 2)``, and its loss."""
        weight = start.clone().requires_grad_()
        optimizer = OPTIMIZERS[self.optimizer]([weight], lr=rate)
        path, losses = [], []
        for _ in range(self.steps + 1):
            loss = normalized_loss(weight)
            before = weight.detach().clone()
            path.append(before)
            losses.append(loss.detach())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if self.optimizer == "SGDP":
                step = weight.detach() - before
                along = (before * step).sum() / before.square().sum()
                weight.data = before + step - along * before
        return torch.cat(path), torch.cat(losses)
