"""The explorer of batch normalisation: the scale of the weights is a learning rate."""

from __future__ import annotations

import math

import torch
import traitlets
from torch.nn.functional import softplus

from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.traits import number_trait, whole_trait


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
    r"""Gradient descent on one batch-normalised unit, from :math:`w = s (\cos α, \sin α)`.

    The loss does not depend on the norm of w. Its gradient is therefore orthogonal to w, and as
    long as 1/‖w‖: a step keeps or lengthens w, and turns it as a step of η/‖w‖² turns w/‖w‖.

    Traits:
        scale: s, the norm of w at the start, a number from 0.1 to 10.
        angle: α in degrees, a number from -180 to 180.
        learning_rate: η, a number from 0.01 to 10.
        steps: whole number from 1 to 100.
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
    points = traitlets.List(POINTS, read_only=True).tag(sync=True, fixed=True)

    def readouts(self) -> Readouts:
        """Return norms, rates η/‖w‖² and losses at both ends, and the path, by autograd.

        ``turned`` is the angle from start to end in degrees, counter-clockwise, summed over the
        steps. ``path`` holds w, ``losses`` its loss after 0, 1, … steps; ``equivalent_losses`` are
        those from scale 1 with η/s², ``unit_losses`` those from scale 1 with η. ``largest_gap`` is
        the largest distance of the first two, which only rounding keeps from 0.
        """
        angle, rate = math.radians(self.angle), self.learning_rate
        direction = tensor([math.cos(angle), math.sin(angle)])
        starts = torch.stack([self.scale * direction, direction, direction])
        path, losses = self._descend(starts, tensor([rate, rate / self.scale**2, rate]))
        own = path[:, 0]
        squares = own.square().sum(dim=1)
        before, after = own[:-1], own[1:]
        cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        turns = torch.atan2(cross, (before * after).sum(dim=1))
        return {
            "norm_start": squares[0].sqrt().item(),
            "norm_end": squares[-1].sqrt().item(),
            "rate_start": rate / squares[0].item(),
            "rate_end": rate / squares[-1].item(),
            "loss_start": losses[0, 0].item(),
            "loss_end": losses[-1, 0].item(),
            "turned": math.degrees(turns.sum().item()),
            "largest_gap": (losses[:, 0] - losses[:, 1]).abs().max().item(),
            "path": own.tolist(),
            "losses": losses[:, 0].tolist(),
            "equivalent_losses": losses[:, 1].tolist(),
            "unit_losses": losses[:, 2].tolist(),
        }

    def _descend(self, weight: torch.Tensor, rates: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Every w, ``(steps + 1, B, 2)``, and its loss; w never is 0, for its norm cannot fall."""
        path, losses = [], []
        for step in range(self.steps + 1):
            weight = weight.detach().requires_grad_()
            loss = normalized_loss(weight)
            path.append(weight.detach())
            losses.append(loss.detach())
            if step < self.steps:
                (gradient,) = torch.autograd.grad(loss.sum(), weight)
                weight = weight - rates.unsqueeze(1) * gradient
        return torch.stack(path), torch.stack(losses)
