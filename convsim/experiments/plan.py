"""Which trainings the book needs, and in which order.

What decides most for its cost comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.conditions import CONDITIONS, OWN_RATE, PENALISED, SHRUNK
from convsim.experiments.forgetting import OTHERS, STARTS
from convsim.experiments.spectra import FACTORIAL, OF_LAYERS

CNN1, CNN2, WIDEST = 64, 128, 512
WIDTHS, SEEDS, EPOCHS = (CNN1, CNN2, WIDEST), 5, 100
EVERY = (
    *("baseline", "init", "regularise", "scale", "scale-free", "both", "decay", "learning-rate"),
    *("random-bands", "same-band", "balanced-bands", "random-bands-scale", "random-bands-rate"),
)
AT_DEFAULT = (
    *("orthogonal-kernels", "orthogonal-maps", "orthogonal-maps-first", "whitening-layer"),
    *("extra-layer", "deconvolution", "decov"),
)
AT_SCALE = tuple(SHRUNK)
POWER = ("orthogonal-maps-power", "orthogonal-maps-power-ridge")
VARIANTS = ("orthogonal-maps-ridge", "orthogonal-maps-raw", "orthogonal-maps-leading")
SHORT_EPOCHS, QUERIES = 20, 100
RATES = (0.005, 0.01, 0.02)
HELD = ("baseline", "scale-free", "random-bands", "balanced-bands", "same-band")
UNIT = ("unit-variance", "init-unit-variance", "scale-free-unit-variance")
"""What is asked where scale is no learning rate: at held norms, and at one variance of the maps."""
AGAIN = ("unit-variance", "scale-free-unit-variance")
AGAIN_RATE = 0.03  # thrice that of the others: is a lead at one rate a lead?
FACTORIAL_EPOCHS = 10
FEW, FEW_EPOCHS = 5_000, 60  # training images, and epochs on them
HELD_OUT = 5_000  # training images, by which an epoch is chosen
NARROW = ("baseline", "random-bands", "scale-free")
BANDS = ("random-bands", "same-band", "balanced-bands", "random-bands-rate", "random-bands-scale")


@dataclass(frozen=True)
class Group:
    """Runs that answer a question together.

    Attributes:
        question: what they are for.
        runs: in the order in which they start.
    """

    question: str
    runs: tuple[TrainingSettings, ...]


def _group(
    question: str, conditions: Sequence[str], seeds: Sequence[int], width: int = CNN1
) -> Group:
    # Seed by seed: differences are paired.
    runs = [TrainingSettings(c, width, seed, EPOCHS) for seed in seeds for c in conditions]
    return Group(question, tuple(runs))


def _short(question: str, conditions: Sequence[str], seeds: Sequence[int]) -> Group:
    runs = [
        TrainingSettings(condition, CNN1, seed, SHORT_EPOCHS, queries=QUERIES)
        for seed in seeds
        for condition in conditions
    ]
    return Group(question, tuple(runs))


def _special(
    question: str, conditions: Sequence[str], seeds: Sequence[int], **settings: Any
) -> Group:
    common = {"epochs": SHORT_EPOCHS} | settings
    runs = [TrainingSettings(c, seed=seed, **common) for seed in seeds for c in conditions]
    return Group(question, tuple(runs))


def _together(question: str, *groups: Group) -> Group:
    return Group(question, tuple(dict.fromkeys(run for group in groups for run in group.runs)))


def _of_optimizers() -> Group:
    starts = [
        _special("", STARTS, range(1), optimizer=optimizer, learning_rate=lr)
        for optimizer, lr in OTHERS.items()
    ]
    return _together("What does Algorithm 1 do under other optimisers?", *starts)


def _of_rates() -> Group:
    rates = [
        _special("", ("matched-rate",), range(1), optimizer="momentum", rate=rate) for rate in RATES
    ]
    tuned = _special("", ("learning-rate",), range(1), optimizer="momentum")
    return _together("And at an effective learning rate by choice?", *rates, tuned)


def _of_resnet(
    question: str,
    *,
    rates: Sequence[float],
    sizes: Sequence[int],
    iterations: Sequence[int],
    seeds: int,
    **settings: Any,
) -> Group:
    """Figure 4 for some learning rates and batch sizes, then Figure 5 for some numbers of steps."""

    def runs(starts: Sequence[str], **more: Any) -> Group:
        return _special("", starts, range(seeds), **{"model": "ResNet18"} | settings | more)

    fourth = [
        runs(STARTS, learning_rate=lr, batch_size=size, iterations=200)
        for size in sizes
        for lr in rates
    ]
    fifth = [
        runs(("init", "scale"), learning_rate=0.01, batch_size=64, iterations=steps)
        for steps in iterations
    ]
    return _together(question, *fourth, runs(("baseline",), batch_size=64, iterations=200), *fifth)


BOOK = (
    _short("Do orthogonal feature maps help?", ("baseline", *AT_DEFAULT, *POWER), range(1)),
    _short("And at Algorithm 1's norms?", ("scale", *AT_SCALE), range(1)),
    _short("Both again", ("baseline", *AT_DEFAULT, "scale", *AT_SCALE, *POWER), range(1, 2)),
    _short("Which part of making them orthogonal matters?", VARIANTS, range(1)),
    _short("What do the penalties of others do?", tuple(PENALISED), range(2)),
    _of_optimizers(),
    _special("β in proportion to the loss?", ("regularise", "regularise-falling"), range(1)),
    _special(
        "How much does the best epoch flatter?",
        ("baseline", "init", "scale"),
        range(1),
        held_out=HELD_OUT,
    ),
    _of_rates(),
    _special("Without batch normalisation?", HELD, range(2), model="PlainCNN", learning_rate=0.1),
    _special("And with weights that keep the variance?", HELD, range(2), model="KaimingCNN"),
    _special("Or that are made to?", (*UNIT, "init", "scale"), range(2), model="PlainCNN"),
    _special(
        "And at a higher learning rate?",
        AGAIN,
        range(2),
        model="PlainCNN",
        learning_rate=AGAIN_RATE,
    ),
    _special(
        "Width, spread or place of the frequencies?",
        ("baseline", "scale-free", "balanced-bands", *FACTORIAL),
        range(2),
        epochs=FACTORIAL_EPOCHS,
    ),
    _special("Which layer gains from bands?", tuple(OF_LAYERS), range(2), epochs=FACTORIAL_EPOCHS),
    _special("And each start at its own learning rate?", tuple(OWN_RATE), range(3)),
    _special(
        "Do bands help where images are few?", NARROW, range(3), images=FEW, epochs=FEW_EPOCHS
    ),
    _special(
        "Or where kernels are larger?",
        ("baseline", "random-bands", "gabor"),
        range(2),
        model="ShallowCNN-5x5",
        epochs=FACTORIAL_EPOCHS,
    ),
    _of_resnet(
        "ResNet-18: the cells that decide, on 10,000 images",
        rates=(0.001, 0.01),
        sizes=(128,),
        iterations=(10, 60, 200),
        seeds=1,
        images=10_000,
        epochs=10,
    ),
    _special(
        "And in ResNet-18?",
        ("random-bands",),
        range(1),
        model="ResNet18",
        batch_size=128,
        images=10_000,
        epochs=10,
        iterations=200,
    ),
    _group("Does Algorithm 1 help, and is it its scale?", ("baseline", "init", "scale"), range(3)),
    _group("Does Algorithm 2 help?", ("regularise",), range(3)),
    _group("Would a learning rate or weight decay do?", ("learning-rate", "decay"), range(3)),
    _group("Does lower similarity help?", ("scale-free", *BANDS, "both"), range(3)),
    _group("And in CNN2?", ("baseline", "init", "scale", "regularise"), range(1), CNN2),
    _group("More seeds for CNN1", EVERY, range(3, SEEDS)),
    _group("What does width alone buy?", ("baseline",), range(1), WIDEST),
    _of_resnet(
        "ResNet-18: Figures 4 and 5, for a GPU",
        rates=(0.1, 0.01, 0.001),
        sizes=(64, 128, 256),
        iterations=(10, *range(20, 201, 20)),
        seeds=3,
        epochs=50,
    ),
    _special(
        "ResNet-18 with the usual start for small images, for a GPU",
        STARTS,
        range(3),
        model="ResNet18-CIFAR",
        batch_size=128,
        iterations=200,
        epochs=50,
    ),
)
"""The book's plan."""


def planned(
    data: str = "CIFAR-10", questions: Sequence[int] | None = None
) -> list[TrainingSettings]:
    """Runs of the book's plan on some data, given in words: all, or those of some questions.

    Questions are counted from 1, as ``convsim status table5`` lists them.

    Raises:
        ValueError: for a question that the plan does not have.
    """
    everything = range(1, len(BOOK) + 1)
    numbers = everything if questions is None else dict.fromkeys(questions)
    for number in numbers:
        if number not in everything:
            raise ValueError(
                f"question {number} is not in the plan; expected numbers from 1 to {len(BOOK)}"
            )
    return [replace(run, data=data) for number in numbers for run in BOOK[number - 1].runs]


def selected(
    *,
    conditions: Sequence[str] = tuple(CONDITIONS),
    widths: Sequence[int] = WIDTHS,
    seeds: int = SEEDS,
    epochs: int = EPOCHS,
    data: str = "CIFAR-10",
    precision: str = "bfloat16",
    model: str = "ShallowCNN",
) -> list[TrainingSettings]:
    """Every condition with every width and seed; width 512 is the paper's one baseline."""
    return [
        TrainingSettings(condition, width, seed, epochs, data, precision, model=model)
        for width in dict.fromkeys(widths)
        for condition in (dict.fromkeys(conditions) if width != WIDEST else ("baseline",))
        for seed in range(seeds if width != WIDEST else 1)
    ]
