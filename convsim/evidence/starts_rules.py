"""What is decided about starts from the spectrum, by rules that were fixed before the data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean

from convsim.evidence.deeper_tables import by_condition, trainings
from convsim.evidence.statistics import best_test, interval, last_training, paired_differences
from convsim.evidence.sweeps import PAPERS, Training
from convsim.evidence.verdicts import MARGIN
from convsim.experiments.conditions import OWN_RATE
from convsim.experiments.plan import FACTORIAL_EPOCHS, SHORT_EPOCHS
from convsim.experiments.record import RESULTS
from convsim.experiments.spectra import FACTORIAL, OF_LAYERS, PARTS, SPREADS, WIDTHS, cell

FAST = 0.5
"""Points of training accuracy after ten epochs below which an effect does not count: a fifth of
what the first look at bands gained over the default."""
DIVERSE = ("random", "even")

Runs = dict[str, list[Training]]


def factorial_trainings(folder: Path = RESULTS) -> Runs:
    """The trainings of ten epochs at one learning rate, by start; one a seed."""
    found = trainings(
        folder, model=PAPERS, width=64, epochs=FACTORIAL_EPOCHS, optimizer="SGD", images=0
    )
    return by_condition(found, ("baseline", "scale-free", *FACTORIAL, *OF_LAYERS))


def best_two(folder: Path = RESULTS) -> tuple[str, str]:
    """The two of the factorial with the highest mean training accuracy after ten epochs.

    Test images have no say in it.

    Raises:
        ValueError: unless every start of the factorial is recorded, with equally many seeds.
    """
    runs = factorial_trainings(folder)
    seeds = {name: len(runs.get(name, [])) for name in FACTORIAL}
    if len(set(seeds.values())) > 1 or not all(seeds.values()):
        few = min(seeds, key=lambda name: seeds[name])
        raise ValueError(
            f"{few!r} has {seeds[few]} trainings of {FACTORIAL_EPOCHS} epochs in {folder}; "
            "expected equally many of each start, one or more: run `convsim run table5`"
        )
    means = {name: fmean(map(last_training, runs[name])) for name in FACTORIAL}
    first, second, *_ = sorted(means, key=lambda name: -means[name])
    return first, second


@dataclass(frozen=True)
class Effect:
    """A factor of the experiment: pairs of starts that differ in it alone.

    Attributes:
        what: the question.
        pairs: of conditions; the first has what is asked for.
    """

    what: str
    pairs: tuple[tuple[str, str], ...]

    def differences(self, runs: Runs) -> list[float]:
        """Points of training accuracy, pair by pair and seed by seed."""
        return [
            difference
            for first, second in self.pairs
            for difference in paired_differences(
                runs.get(first, []), runs.get(second, []), last_training
            )
        ]

    def verdict(self, runs: Runs) -> str:
        """Whether it counts: an interval without zero, and a mean of ``FAST`` or more."""
        found = self.differences(runs)
        bounds = interval(found)
        if bounds is None:
            return "open"
        if bounds[0] > 0 or bounds[1] < 0:
            return ("gain" if fmean(found) > 0 else "loss") if abs(fmean(found)) >= FAST else "less"
        return "none" if max(map(abs, bounds)) < 2 * FAST else "undecided"


EFFECTS = (
    Effect("frequencies that differ: random − same", tuple(
        (cell("random", w, p), cell("same", w, p)) for w, p in product(WIDTHS, PARTS)
    )),
    Effect("coordination: even − random", tuple(
        (cell("even", w, p), cell("random", w, p)) for w, p in product(WIDTHS, PARTS)
    )),
    Effect("narrower: waves − bands", tuple(
        (cell(s, "", p), cell(s, "wide-", p)) for s, p in product(DIVERSE, PARTS)
    )),
    Effect("a band at all: bands − noise", tuple(
        (cell("random", "wide-", p), f"noise{p}") for p in PARTS
    )),
    Effect("one frequency for all channels: shared − each its own", (
        (cell("random"), "channel-bands"),
    )),
    Effect("low frequencies: low − everywhere", tuple(
        (cell(s, w, "-low"), cell(s, w)) for s, w in product(SPREADS, WIDTHS)
    ) + (("noise-low", "noise"),)),
    Effect("high frequencies: high − everywhere", tuple(
        (cell(s, w, "-high"), cell(s, w)) for s, w in product(SPREADS, WIDTHS)
    ) + (("noise-high", "noise"),)),
)  # fmt: skip
"""Every suspect by itself; no training is in two pairs of one effect."""


def own_rate_trainings(folder: Path = RESULTS) -> Runs:
    """The trainings of each start at its own learning rate."""
    found = trainings(
        folder, model=PAPERS, width=64, epochs=SHORT_EPOCHS, optimizer="SGD", images=0
    )
    return by_condition(found, tuple(OWN_RATE))


def own_rate_verdict(name: str, folder: Path = RESULTS) -> str:
    """What a start gains in test accuracy over the default, each at its best learning rate.

    A gain or a loss has an interval without zero; none has one within ``MARGIN`` of it.
    """
    runs = own_rate_trainings(folder)
    found = paired_differences(
        runs.get(f"{name}-own-rate", []), runs.get("baseline-own-rate", []), best_test
    )
    bounds = interval(found)
    if bounds is None:
        return "open"
    if bounds[0] > 0 or bounds[1] < 0:
        return "gain" if bounds[0] > 0 else "loss"
    return "none" if max(map(abs, bounds)) <= MARGIN else "undecided"
