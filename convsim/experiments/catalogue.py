"""The experiments that ``convsim run`` carries out, beside the trainings of ``table5``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from convsim.experiments import (
    beginnings,
    descent,
    forgetting,
    inputs,
    maps,
    overlap,
    pairs,
    penalties,
    penalty_pairs,
)
from convsim.experiments.runner import Task

PLANNED_ON = "CIFAR-10"
"""The data of the book's plan; on other data the same runs are listed one by one."""
EXPERIMENTS: dict[str, tuple[str, list[Task]]] = {
    **{
        table: ("Two kernels and a descent, 1,000 times.", pairs.PAIRS.tasks(rows))
        for table, rows in pairs.TABLES.items()
    },
    "penaltypairs": (
        "Two kernels and a descent on every penalty.",
        penalty_pairs.PENALTY_PAIRS.tasks(penalty_pairs.ROWS),
    ),
    "descent": ("Whole layers under Algorithm 1.", descent.DESCENTS.tasks(descent.DESCENT)),
    "floor": ("How far L_CS falls at fixed norms.", descent.FLOORS.tasks(descent.FLOOR)),
}
"""The experiments that need no images: by name, in words, and their runs."""
ON_IMAGES: dict[str, tuple[str, Callable[[Path, str | None], list[Task]]]] = {
    "overlap": (
        "Neighbourhoods in the channels of trained networks.",
        lambda results, data: overlap.tasks(overlap.plan(results, data=data)),
    ),
    "maps": (
        "How alike the feature maps of the kept networks are, raw and centred.",
        lambda results, data: maps.tasks(maps.plan(results, data=data)),
    ),
    "input": (
        "Kernels made for an input, and how long their feature maps stay orthogonal.",
        lambda results, data: inputs.tasks(inputs.plan(results, data=data)),
    ),
    "forgetting": (
        "The first epoch step by step: how weights grow and turn under several optimisers.",
        lambda results, data: forgetting.tasks(forgetting.plan(results, data=data)),
    ),
    "beginnings": (
        "Networks before their training: kernels, maps and first gradients of every start.",
        lambda results, data: beginnings.tasks(beginnings.plan(results, data=data)),
    ),
    "penalties": (
        "Every penalty in every layer of CNN1, norms held: kernels and maps before and after.",
        lambda results, data: penalties.tasks(penalties.plan(results, data=data)),
    ),
}
"""Those that need some: by name, in words, and their runs on some data."""
