"""What section 4.3 of Belmekki et al. (2024) states, beside our records.

Rules that were fixed before the data: a claim is open below ``SEEDS`` seeds, and one on accuracies
also with fewer epochs or images than the paper's.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from convsim.evidence.deeper_tables import by_condition, trainings
from convsim.evidence.forgetting import Kind, after_epoch, finished
from convsim.evidence.resnet import RESNET, cells, steps_of_start
from convsim.evidence.statistics import (
    best_test,
    interval,
    interval_in_words,
    last_training,
    paired_differences,
)
from convsim.evidence.sweeps import PAPERS, Training
from convsim.evidence.verdicts import (
    AGREE,
    DIFFER,
    INCONCLUSIVE,
    MIXED,
    NOT_RUN,
    OPEN,
    SEEDS,
    Finding,
)
from convsim.experiments.forgetting import FORGETTING, LEARNING_RATES, OTHERS
from convsim.experiments.plan import SHORT_EPOCHS
from convsim.experiments.record import RESULTS, read_records

RISEN = 10.0
"""How many times its start L_CS has to be after an epoch for it to count as forgotten."""
GAIN, PLACE = 20.0, (0.001, 128)
"""Printed for Figure 4: points of accuracy, at this learning rate and batch size."""
MOST, EARLY, ALL_STEPS = 0.5, 60, 200
"""For Figure 5: the share that is most of a gain, and the steps before which it is to be had."""
RESNET_EPOCHS = 50
CHAPTER = "deeper"


def deeper_findings(folder: Path = RESULTS) -> list[Finding]:
    """Every claim of the section."""
    return [
        _forgetting(folder),
        _momentum(folder),
        _falling(folder),
        _figure_4(folder),
        _figure_5(folder),
    ]


def _risen(folder: Path, kind: Kind) -> list[float]:
    """How many times its start L_CS is after the first epoch, seed by seed."""
    if not read_records(FORGETTING.name, folder):
        return []
    runs = map(after_epoch, finished(folder).get(kind, []))
    return [run["similarity_after"] / run["similarity_before"] for run in runs]


def _forgetting(folder: Path) -> Finding:
    what, says = "A large learning rate forgets the initialisation", "yes"
    rates = [rate for rate in LEARNING_RATES if _risen(folder, ("SGD", rate, "init"))]
    if len(rates) < 2:
        return Finding(what, says, NOT_RUN, OPEN, CHAPTER)
    found = {rate: _risen(folder, ("SGD", rate, "init")) for rate in (rates[0], rates[-1])}
    (small, low), (large, high) = found.items()
    n = min(map(len, found.values()))
    forgotten = min(high) >= RISEN and min(high) > max(low)
    return Finding(
        what,
        says,
        f"L_CS is {fmean(low):.2g} times what Algorithm 1 left after an epoch at {small:g}, and "
        f"{fmean(high):.2g} times at {large:g}; n = {n}",
        OPEN if n < SEEDS else AGREE if forgotten else DIFFER,
        CHAPTER,
    )


def _momentum(folder: Path) -> Finding:
    what, says = "Momentum raises the minimised L_CS", "yes"
    found = {
        name: _risen(folder, (name, OTHERS.get(name, LEARNING_RATES[0]), "init"))
        for name in ("SGD", "momentum")
    }
    n = min(map(len, found.values()))
    if not n:
        return Finding(what, says, NOT_RUN, OPEN, CHAPTER)
    more = min(found["momentum"]) > max(*found["SGD"], 1.0)
    words = ", ".join(f"{fmean(times):.2g} times under {name}" for name, times in found.items())
    verdict = OPEN if n < SEEDS else AGREE if more else DIFFER
    return Finding(what, says, f"{words}, after one epoch; n = {n}", verdict, CHAPTER)


def _falling(folder: Path) -> Finding:
    what, says = "β should shrink with the task's loss", "proposed"
    records = trainings(folder, model=PAPERS, width=64, epochs=SHORT_EPOCHS, optimizer="SGD")
    runs = by_condition(records, ("regularise", "regularise-falling"))
    if len(runs) < 2:
        return Finding(what, says, NOT_RUN, OPEN, CHAPTER)
    pair = runs["regularise-falling"], runs["regularise"]
    test, training = (paired_differences(*pair, of) for of in (best_test, last_training))
    bounds = interval(test)
    verdict = OPEN
    if bounds is not None and len(test) >= SEEDS:
        verdict = AGREE if bounds[0] > 0 else DIFFER if bounds[1] < 0 else INCONCLUSIVE
    return Finding(
        what,
        says,
        f"{interval_in_words(test)} points in test, {fmean(training):+.2f} in training, against β "
        f"held; {SHORT_EPOCHS} epochs",
        verdict,
        CHAPTER,
    )


def _is_whole(records: list[Training]) -> bool:
    """Whether trainings of ResNet-18 are on all images, and as long as the paper's."""
    settings = records[0].settings
    return settings["epochs"] >= RESNET_EPOCHS and not settings.get("images")


def _figure_4(folder: Path) -> Finding:
    what, says = "ResNet-18, Figure 4: Algorithm 1", "up to +20 points"
    recorded = trainings(folder, model=RESNET, iterations=ALL_STEPS)
    runs = cells(folder).get(PLACE, {}) if recorded else {}
    gains, over_scale = (
        paired_differences(runs.get("init", []), runs.get(other, []), best_test)
        for other in ("baseline", "scale")
    )
    if not gains:
        return Finding(what, says, NOT_RUN, OPEN, CHAPTER)
    bounds = interval(gains)
    verdict = OPEN
    if bounds is not None and len(gains) >= SEEDS and _is_whole(runs["init"]):
        near = bounds[0] <= GAIN <= bounds[1]
        verdict = AGREE if near else MIXED if bounds[0] > 0 else DIFFER
    settings = runs["init"][0].settings
    lr, size = PLACE
    images = f", {settings['images']:,} images" if settings.get("images") else ""
    return Finding(
        what,
        says,
        f"{interval_in_words(gains)}; {interval_in_words(over_scale)} against shrinking; "
        f"η {lr:g}, batches of {size}, {settings['epochs']} epochs{images}",
        verdict,
        CHAPTER,
    )


def _figure_5(folder: Path) -> Finding:
    what, says = "ResNet-18, Figure 5: steps of Algorithm 1", "most of the gain below 60"
    recorded = trainings(folder, model=RESNET, learning_rate=0.01, batch_size=64)
    runs = steps_of_start(folder)["init"] if recorded else {}
    base = runs.get(0, [])
    early, late = (
        paired_differences(runs.get(steps, []), base, best_test) for steps in (EARLY, ALL_STEPS)
    )
    if not (early and late):
        return Finding(what, says, NOT_RUN, OPEN, CHAPTER)
    share = fmean(early) / fmean(late)
    n = min(len(early), len(late))
    whole = n >= SEEDS and _is_whole(base)
    return Finding(
        what,
        says,
        f"{fmean(early):+.2f} points after {EARLY} steps, {fmean(late):+.2f} after {ALL_STEPS}; "
        f"{base[0].settings['epochs']} epochs, n = {n}",
        OPEN if not whole else AGREE if fmean(late) > 0 and share >= MOST else DIFFER,
        CHAPTER,
    )
