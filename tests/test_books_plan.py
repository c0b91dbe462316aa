"""The book's plan of trainings, in its order."""

from __future__ import annotations

from convsim.experiments import plan
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


def test_the_books_plan_has_its_order() -> None:
    assert [group.question for group in BOOK] == [question for question, *_ in ORDER]
    runs = [[(r.condition, r.width, r.seed, r.epochs) for r in group.runs] for group in BOOK]
    assert runs == RUNS
    planned = plan.planned("digits")
    assert len(planned) == len(set(planned)) == 121
    assert [(r.condition, r.width, r.seed, r.epochs) for r in planned] == sum(RUNS, [])
    assert {(r.data, r.precision) for r in planned} == {("digits", "bfloat16")}
    assert {(r.epochs, r.queries) for r in planned} == {(20, 100), (100, 0)}
    # Whatever a run needs is in the plan before it, but for the searches: one a number.
    tasks = with_needs(TRAINING.tasks(planned))
    assert [task.settings for task in tasks if task.experiment == TRAINING] == planned
    searches = [task.settings.run for task in tasks if task.experiment == CHOICE]
    assert [(run.condition, run.seed, run.epochs) for run in searches] == [
        ("decov", 0, 20),
        *((condition, 0, 20) for condition in PENALTIES.split()),
        *(("learning-rate", 0, 100), ("decay", 0, 100)),
    ]
