"""What Belmekki et al. (2024) state in their text: computed where it can be, open where it cannot.

The gains of Table 5 and the tables of descents are in ``convsim.evidence.similarity_findings``,
section 4.3 is in ``convsim.evidence.deeper_findings``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor

from convsim.correlation import cross_correlate
from convsim.evidence.statistics import (
    best_test,
    interval,
    interval_in_words,
    paired_differences,
)
from convsim.evidence.sweeps import Training, data_rank, is_usual, network
from convsim.evidence.verdicts import (
    AGREE,
    DIFFER,
    EPOCHS,
    INCONCLUSIVE,
    MIXED,
    NOT_RUN,
    OPEN,
    SEEDS,
    Finding,
)
from convsim.experiments import paper
from convsim.models import ShallowCNN
from convsim.penalties import ocnn
from convsim.similarity import convolutional_similarity, unit

SMALL = 0.1
"""Share of an inner product below which its border terms count as small."""
ALGORITHMS = {"init": "Algorithm 1", "regularise": "Algorithm 2"}
"""The paper's algorithms by the conditions that train with them."""
PARAMETERS, RATIOS = (118_858, 458_890, 7_143_946), ("3.86", "60.10")
"""Printed for widths 64, 128 and 512, and how many times as many the last two are."""
STEPS, EXTRA_STEPS = 500, 9_800
"""Printed: what Algorithm 1 takes, and what Algorithm 2 adds in 100 epochs of 50,000 images."""
SMALLER = (
    ("CNN1 with Algorithm 1 exceeds CNN2", (64, "init"), (128, "baseline")),
    ("CNN1 with Algorithm 1 is as good as 512 kernels", (64, "init"), (512, "baseline")),
)
"""Claims about small and large networks, by width and condition."""
OPEN_CLAIMS = (
    ("A minimised network serves other tasks", "yes", "training"),
    ("Oscillations near the end under Algorithm 2", "yes", "training"),
    ("Generative networks", "future work", "training"),
)
"""Claims for which no run of ours exists: in words, what the paper says, where it would stand."""


def theory_findings() -> list[Finding]:
    """What can be computed from random numbers alone, in double precision."""
    return [_orthogonal_kernels(), _other_paddings(), _other_penalty()]


def size_findings() -> list[Finding]:
    """Parameters and steps, counted."""
    counts = [sum(p.numel() for p in ShallowCNN(width).parameters()) for width in (64, 128, 512)]
    ratios = [f"{count / counts[0]:.2f}" for count in counts[1:]]
    steps = math.ceil(50_000 / 512)
    return [
        Finding(
            "Parameters of CNN1, CNN2 and width 512",
            f"{PARAMETERS[0]:,}; {' and '.join(RATIOS)} times as many",
            f"{counts[0]:,}; {' and '.join(ratios)} times as many",
            AGREE if (tuple(counts), tuple(ratios)) == (PARAMETERS, RATIOS) else DIFFER,
            "training",
        ),
        Finding(
            "Algorithm 1 takes fewer steps than Algorithm 2",
            f"{STEPS} against {EXTRA_STEPS:,}",
            f"{STEPS} against {EPOCHS} epochs of {steps}: {EPOCHS * steps:,}",
            AGREE if EPOCHS * steps == EXTRA_STEPS else DIFFER,
            "training",
        ),
    ]


def course_findings(records: Sequence[Training]) -> list[Finding]:
    """How trainings go on: what the paper's Figures 1 to 3 show, as far as its text says it."""
    full = [
        record
        for record in records
        if record.settings["epochs"] >= EPOCHS
        and data_rank(record.settings["data"]) > 0
        and is_usual(record)
        and "diverged" not in record.metrics
    ]
    return [
        _stays_low(full),
        *(_faster(full, *names) for names in ALGORITHMS.items()),
        *(_across_widths(full, *row) for row in SMALLER),
    ]


def open_findings() -> list[Finding]:
    """Claims for which no run of ours exists."""
    return [Finding(what, says, NOT_RUN, OPEN, chapter) for what, says, chapter in OPEN_CLAIMS]


def _random_pairs(taps: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """1,000 signals of 64 values and two kernels each, drawn as in the paper's Table 1."""
    drawn = (
        torch.rand(1000, n, dtype=torch.float64, generator=generator) for n in (64, taps, taps)
    )
    x, k1, k2 = drawn
    return x, 2 * k1 - 1, 2 * k2 - 1


def _orthogonal_kernels() -> Finding:
    generator = torch.Generator().manual_seed(0)
    cosines = []
    for taps in (3, 9, 16):
        x, k1, k2 = _random_pairs(taps, generator)
        k2 = k2 - (k1 * k2).sum(-1, keepdim=True) / k1.square().sum(-1, keepdim=True) * k1
        f1, f2 = (unit(cross_correlate(x, k)) for k in (k1, k2))
        cosines.append(float((f1 * f2).sum(-1).abs().mean()))
    return Finding(
        "Eq. 11, orthogonal kernels do not give orthogonal maps",
        "they need not",
        f"mean |cos| of the maps {min(cosines):.2f} to {max(cosines):.2f}, at ⟨K₁, K₂⟩ = 0",
        AGREE if min(cosines) > 0.1 else DIFFER,
        "kernel orthogonality",
    )


def _other_paddings() -> Finding:
    """Eq. 20: how much of the inner product the border terms are, for the paper's sizes."""
    generator = torch.Generator().manual_seed(0)
    shares = []
    for taps in (3, 9, 16):
        x, k1, k2 = _random_pairs(taps, generator)
        full = (cross_correlate(x, k1) * cross_correlate(x, k2)).sum(-1)
        kept = (cross_correlate(x, k, mode="valid") for k in (k1, k2))
        rest = full - torch.stack(list(kept)).prod(0).sum(-1)
        shares.append(float(rest.abs().mean() / full.abs().mean()))
    small = [share < SMALL for share in shares]
    return Finding(
        "Eq. 20, other paddings change little",
        "for N ≪ M",
        f"valid, M = 64: {shares[0]:.0%} for N = 3, {shares[1]:.0%} for 9, {shares[2]:.0%} for 16",
        AGREE if all(small) else MIXED if any(small) else DIFFER,
        "the identity",
    )


def _other_penalty() -> Finding:
    """The penalty of OCNN correlates kernels channel by channel and adds up before it squares."""
    generator = torch.Generator().manual_seed(0)
    ratios = []
    for channels in (1, 3):
        weight = torch.randn(4, channels, 3, 3, dtype=torch.float64, generator=generator)
        penalty = ocnn(weight) - sum(ocnn(kernel[None]) for kernel in weight)
        ratios.append(float(penalty / (2 * convolutional_similarity(weight))))
    apart = abs(ratios[0] - 1) < 1e-9 and abs(ratios[1] - 1) > 0.1
    return Finding(
        "L_CS is not the penalty of OCNN",
        "it goes across channels",
        f"half of OCNN's for one channel; for three, {ratios[1]:.2f} times what that would be",
        AGREE if apart else DIFFER,
        "Convolutional Similarity",
    )


def _similarity(record: Training, epoch: int) -> float:
    """L_CS of all layers after an epoch, counted from 0, or from -1 for the last."""
    return sum(layer[epoch] for layer in record.metrics["epochs"]["similarity"].values())


def _stays_low(full: Sequence[Training]) -> Finding:
    what, says = "Figure 1: L_CS stays low in training", "after Algorithm 1"
    runs, baselines = (_of(full, 64, condition) for condition in ("init", "baseline"))
    if not (runs and baselines):
        return Finding(what, says, NOT_RUN, OPEN, "training")
    first, last = (fmean(_similarity(record, epoch) for record in runs) for epoch in (0, -1))
    others = [_similarity(record, -1) for record in baselines]
    low = max(_similarity(record, -1) for record in runs) < min(others)
    seeds = min(len(runs), len(baselines))
    return Finding(
        what,
        says,
        f"{first:.2g} after the first epoch, {last:.2g} after {EPOCHS}; {fmean(others):.2g} "
        f"without; n = {seeds}",
        OPEN if seeds < SEEDS else AGREE if low else DIFFER,
        "training",
    )


def _faster(full: Sequence[Training], condition: str, name: str) -> Finding:
    """Training accuracy, averaged over the epochs: the higher, the sooner it was reached."""
    what, says = f"Figures 2 and 3: {name} converges faster", "yes"
    runs, baselines = (_of(full, 64, each) for each in (condition, "baseline"))
    differences = paired_differences(
        runs, baselines, lambda record: fmean(record.metrics["epochs"]["train_accuracy"])
    )
    if not differences:
        return Finding(what, says, NOT_RUN, OPEN, "training")
    words = f"mean training accuracy {interval_in_words(differences)} points; {EPOCHS} epochs"
    bounds = interval(differences)
    if bounds is None or len(differences) < SEEDS:
        return Finding(what, says, words, OPEN, "training")
    verdict = AGREE if bounds[0] > 0 else DIFFER if bounds[1] < 0 else INCONCLUSIVE
    return Finding(what, says, words, verdict, "training")


def _across_widths(
    full: Sequence[Training], what: str, small: tuple[int, str], large: tuple[int, str]
) -> Finding:
    """A small network against a large one: their means; no rule decides on them."""
    words = []
    for width, condition in (small, large):
        ours = [best_test(record) for record in _of(full, width, condition)]
        mean = f"{fmean(ours):.2f} % (n = {len(ours)})" if ours else NOT_RUN
        words.append(f"{network(width)} {mean}")
    says = f"{paper.ACCURACY[small]:.2f} against {paper.ACCURACY[large]:.2f} %"
    return Finding(what, says, "; ".join(words), OPEN, "training")


def _of(full: Sequence[Training], width: int, condition: str) -> list[Training]:
    """The runs of a width and a condition."""
    wanted = (width, condition)
    return [r for r in full if (r.settings["width"], r.settings["condition"]) == wanted]
