"""What a condition is that networks are trained under."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from convsim.experiments.preparations import Preparation


@dataclass(frozen=True)
class Condition:
    """What a training starts from, what is done in it, and how it is drawn.

    Attributes:
        words: the condition, for a reader.
        color: number of its colour in ``convsim.figures.COLORS``; related ones share one.
        dash: its line, as Plotly writes it; no two that are drawn together share one, for readers
            who see no colours.
        prepare: what is done to PyTorch's default initialisation, in this order.
        regularised: Algorithm 2, with the run's ``beta``.
        chosen: the option of :func:`convsim.training.fit` that a search decides, or None;
            ``"own_lr"`` is its ``lr``, which each condition then searches for by itself.
        options: further options of :func:`convsim.training.fit`.
        kept: the trained network is kept beside its record.
    """

    words: str
    color: int
    dash: str
    prepare: tuple[Preparation, ...] = ()
    regularised: bool = False
    chosen: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kept: bool = False
