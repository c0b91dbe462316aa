"""The book's plan of trainings, in its order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

from convsim.experiments import plan
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.plan import BOOK
from convsim.experiments.runner import with_needs
from convsim.experiments.sweep import CHOICE, TRAINING

ALL = (
    "baseline init regularise scale scale-free both decay learning-rate random-bands same-band "
    "balanced-bands random-bands-scale random-bands-rate"
)
BANDS = "random-bands same-band balanced-bands random-bands-rate random-bands-scale"
INPUT = (
    "baseline orthogonal-kernels orthogonal-maps orthogonal-maps-first whitening-layer "
    "extra-layer deconvolution decov"
)
POWER = "orthogonal-maps-power orthogonal-maps-power-ridge"
AT_SCALE = (
    "scale orthogonal-kernels-scale orthogonal-maps-scale orthogonal-maps-first-scale "
    "whitening-layer-scale deconvolution-scale decov-scale"
)
PARTS = "orthogonal-maps-ridge orthogonal-maps-raw orthogonal-maps-leading"
PENALTIES = (
    "soft-orthogonality mutual-coherence srip ocnn orthoreg similarity normalised-similarity"
)
ORDER = [
    ("Do orthogonal feature maps help?", 64, (0,), 20, f"{INPUT} {POWER}"),
    ("And at Algorithm 1's norms?", 64, (0,), 20, AT_SCALE),
    ("Both again", 64, (1,), 20, f"{INPUT} {AT_SCALE} {POWER}"),
    ("Which part of making them orthogonal matters?", 64, (0,), 20, PARTS),
    ("What do the penalties of others do?", 64, (0, 1), 20, PENALTIES),
    ("Does Algorithm 1 help, and is it its scale?", 64, (0, 1, 2), 100, "baseline init scale"),
    ("Does Algorithm 2 help?", 64, (0, 1, 2), 100, "regularise"),
    ("Would a learning rate or weight decay do?", 64, (0, 1, 2), 100, "learning-rate decay"),
    ("Does lower similarity help?", 64, (0, 1, 2), 100, f"scale-free {BANDS} both"),
    ("And in CNN2?", 128, (0,), 100, "baseline init scale regularise"),
    ("More seeds for CNN1", 64, (3, 4), 100, ALL),
    ("What does width alone buy?", 512, (0,), 100, "baseline"),
]
RUNS = [
    [(condition, width, seed, epochs) for seed in seeds for condition in conditions.split()]
    for _, width, seeds, epochs, conditions in ORDER
]
THREE = ("baseline", "init", "scale")
HELD = ("baseline", "scale-free", "random-bands", "balanced-bands", "same-band")
RIVALS = "baseline scale-free orthogonal delta-orthogonal kaiming-uniform"
UNIT = ("unit-variance", "init-unit-variance", "scale-free-unit-variance", "init", "scale")


def deeper() -> dict[str, list[TrainingSettings]]:
    """The runs with other optimisers, networks and images, group by group."""
    optimizers = (("momentum", 0.01), ("SGDP", 0.01), ("Adam", 0.001))
    rates = [run("matched-rate", optimizer="momentum", rate=r) for r in (0.005, 0.01, 0.02)]
    cells = [(0.001, 128, 0), (0.01, 128, 0)]
    part = {"model": "ResNet18", "images": 10_000, "epochs": 10}
    whole = {"model": "ResNet18", "epochs": 50}
    every = [
        (lr, size, seed)
        for size in (64, 128, 256)
        for lr in (0.1, 0.01, 0.001)
        for seed in range(3)
    ]
    cifar = {"model": "ResNet18-CIFAR", "batch_size": 128, "iterations": 200, "epochs": 50}
    return {
        "What does Algorithm 1 do under other optimisers?": [
            run(start, optimizer=name, learning_rate=lr)
            for name, lr in optimizers
            for start in THREE
        ],
        "β in proportion to the loss?": [run("regularise"), run("regularise-falling")],
        "How much does the best epoch flatter?": [run(start, held_out=5_000) for start in THREE],
        "And at an effective learning rate by choice?": [
            *rates,
            run("learning-rate", optimizer="momentum"),
        ],
        "Without batch normalisation?": both(HELD, model="PlainCNN", learning_rate=0.1),
        "And with weights that keep the variance?": both(HELD, model="KaimingCNN"),
        "Or that are made to?": both(UNIT, model="PlainCNN"),
        "And at a higher learning rate?": both(
            ("unit-variance", "scale-free-unit-variance"), model="PlainCNN", learning_rate=0.03
        ),
        "Width, spread or place of the frequencies?": both(
            ["baseline", "scale-free", "balanced-bands", *factorial()], epochs=10
        ),
        "Which layer gains from bands?": both(
            [f"random-bands-{part}" for part in ("first", "later", "last")], epochs=10
        ),
        "And each start at its own learning rate?": [
            run(f"{name}-own-rate", seed=seed) for seed in range(3) for name in RIVALS.split()
        ],
        "Do bands help where images are few?": [
            run(name, seed=seed, images=5000, epochs=60)
            for seed in range(3)
            for name in ("baseline", "random-bands", "scale-free")
        ],
        "Or where kernels are larger?": both(
            ("baseline", "random-bands", "gabor"), model="ShallowCNN-5x5", epochs=10
        ),
        "ResNet-18: the cells that decide, on 10,000 images": [
            *figure_4(cells, **part),
            *figure_5((10, 60, 200), range(1), **part),
        ],
        "And in ResNet-18?": [run("random-bands", batch_size=128, iterations=200, **part)],
        "ResNet-18: Figures 4 and 5, for a GPU": [
            *figure_4(every, **whole),
            *figure_5((10, *range(20, 201, 20)), range(3), **whole),
        ],
        "ResNet-18 with the usual start for small images, for a GPU": [
            run(start, seed=seed, **cifar) for seed in range(3) for start in THREE
        ],
    }


def factorial() -> list[str]:
    names = [
        f"{spread}-{width}band{'s' * (spread != 'same')}{part}"
        for part in ("", "-low", "-high")
        for width in ("", "wide-")
        for spread in ("same", "random", "even")
    ]
    return [*names, "noise", "noise-low", "noise-high", "channel-bands"]


def run(condition: str, **settings: Any) -> TrainingSettings:
    return TrainingSettings(condition, **{"epochs": 20, **settings})


def both(conditions: Iterable[str], **settings: Any) -> list[TrainingSettings]:
    return [run(name, seed=seed, **settings) for seed in (0, 1) for name in conditions]


def figure_4(cells: Iterable[tuple[float, int, int]], **settings: Any) -> list[TrainingSettings]:
    """Some learning rates, batch sizes and seeds, each with the three starts."""
    return [
        run(start, learning_rate=lr, batch_size=size, seed=seed, iterations=200, **settings)
        for lr, size, seed in cells
        for start in THREE
    ]


def figure_5(steps: Iterable[int], seeds: Iterable[int], **settings: Any) -> list[TrainingSettings]:
    """Several numbers of steps at one cell, each with its control, and none at all."""
    at = settings | {"learning_rate": 0.01, "batch_size": 64}
    return [
        run(start, seed=seed, iterations=count, **at)
        for seed in seeds
        for start, count in [("baseline", 200), *product(("init", "scale"), steps)]
    ]


def test_the_books_plan_has_its_order() -> None:
    special = deeper()
    usual = [group for group in BOOK if group.question not in special]
    assert [group.question for group in usual] == [question for question, *_ in ORDER]
    runs = [[(r.condition, r.width, r.seed, r.epochs) for r in group.runs] for group in usual]
    assert runs == RUNS
    planned = [replace(r, data="digits") for group in usual for r in group.runs]
    assert len(planned) == len(set(planned)) == 121
    assert {(r.data, r.precision) for r in planned} == {("digits", "bfloat16")}
    assert {(r.epochs, r.queries) for r in planned} == {(20, 100), (100, 0)}
    everything = plan.planned("digits")
    assert [r for r in everything if r in set(planned)] == planned
    # Whatever a run needs is in the plan before it, but for the searches: one a number.
    tasks = with_needs(TRAINING.tasks(planned))
    assert [task.settings for task in tasks if task.experiment == TRAINING] == planned
    searches = [task.settings.run for task in tasks if task.experiment == CHOICE]
    assert [(run.condition, run.seed, run.epochs) for run in searches] == [
        ("decov", 0, 20),
        *((condition, 0, 20) for condition in PENALTIES.split()),
        *(("learning-rate", 0, 100), ("decay", 0, 100)),
    ]


def test_what_goes_deeper_stands_between_what_is_short_and_what_is_long() -> None:
    special = deeper()
    found = {group.question: group.runs for group in BOOK if group.question in special}
    assert list(found) == list(special)
    for question, runs in special.items():
        assert len(set(runs) ^ set(found[question])) == 0, question
        assert len(found[question]) == len(set(runs))
    order = [group.question for group in BOOK]
    last_short = order.index("What do the penalties of others do?")
    first_long = order.index("Does Algorithm 1 help, and is it its scale?")
    assert order[last_short + 1 : first_long] == [*special][:-2]
    assert order[-2:] == [*special][-2:]
