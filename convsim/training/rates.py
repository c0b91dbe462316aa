r"""Effective learning rates: how far a step turns weights whose scale does not matter.

Behind a batch normalisation the direction of a weight is all that counts. A step of SGD turns it
as a step of :math:`\eta / \|w\|^2` turns a unit vector; momentum μ makes that
:math:`\eta / ((1 - \mu) \|w\|^2)`, and Adam, whose steps have one length, :math:`\eta / \|w\|`.

Each step is orthogonal to the weight, or nearly, and lengthens it. The rate falls as the norm
grows, the more steeply the higher it was: after a while it has forgotten where it began.
"""

from __future__ import annotations

from convsim.checks import check_number
from convsim.training.optimizers import OPTIMIZERS

LEAST = 0.1
"""Of the norm after an epoch, the share at which a training may begin."""


def effective_rate(optimizer: str, lr: float, norm: float) -> float:
    """The effective learning rate of a weight of some norm.

    Args:
        optimizer: a key of ``convsim.training.optimizers.OPTIMIZERS``.
        lr: its learning rate.
        norm: of the weight, above 0.

    Raises:
        ValueError: for a number out of range.

    Source: B. Heo et al., *AdamP*, arXiv 2006.08217, for SGD with momentum.

    Example:
        >>> effective_rate("SGD", 0.01, 2.0), round(effective_rate("momentum", 0.01, 2.0), 6)
        (0.0025, 0.025)
    """
    check_number(lr, "lr")
    _check_above_0(norm, "norm")
    return _factor(optimizer, lr) / norm ** _power(optimizer)


def norm_at_rate(optimizer: str, lr: float, rate: float) -> float:
    """The norm at which a weight has some effective rate: the inverse of :func:`effective_rate`."""
    _check_above_0(lr, "lr")
    _check_above_0(rate, "rate")
    return (_factor(optimizer, lr) / rate) ** (1 / _power(optimizer))


def norm_before(optimizer: str, wanted: float, before: float, after: float) -> float:
    r"""The norm to start an epoch from so that it ends at another, from an epoch that was tried.

    With SGD the growth of :math:`\|w\|^4` in an epoch depends little on the norm, because
    :math:`\mathrm d \|w\|^2` goes as :math:`1 / \|w\|^2`; with Adam that of :math:`\|w\|^2`.

    Args:
        optimizer: a key of ``convsim.training.optimizers.OPTIMIZERS``.
        wanted: the norm after the epoch.
        before: the norm before the epoch that was tried.
        after: the norm after it.

    Returns:
        The norm, at least ``LEAST`` times the wanted one. Where an epoch alone makes a weight
        longer than that, no start ends there, and so short a one is among the worst: its first
        step lengthens the weight the more.
    """
    power = 2 * _power(optimizer)
    least: float = (LEAST * wanted) ** power
    return float(max(wanted**power - (after**power - before**power), least) ** (1 / power))


def _check_above_0(value: float, name: str) -> None:
    check_number(value, name)
    if not value:
        raise ValueError(f"{name} is {value!r}; expected a finite number above 0")


def _factor(optimizer: str, lr: float) -> float:
    momentum: float = OPTIMIZERS[optimizer][1].get("momentum", 0.0)
    return lr / (1 - momentum)


def _power(optimizer: str) -> int:
    return 1 if optimizer == "Adam" else 2
