"""Verdicts on what the paper says of trainings, by rules that were fixed before the data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from convsim.evidence.statistics import interval, interval_in_words, paired_differences
from convsim.evidence.sweeps import Training, data_rank, is_usual, runs_of

AGREE, DIFFER, MIXED, INCONCLUSIVE = "agree", "differ", "mixed", "inconclusive"
OPEN, USED = "open", "used"
SIGNS = {
    verdict: f"{sign}\u00a0{verdict}"
    for verdict, sign in zip(
        (AGREE, DIFFER, MIXED, INCONCLUSIVE, OPEN, USED), "✓✗◐±○–", strict=True
    )
}
"""Verdicts; *mixed* where a claim holds in one reading or range and not in another; *used* for
settings, which are no result to agree with."""
NOT_RUN, UNREAD = "not run", "their content could not be read"
MARGIN = 1.0
"""Points of accuracy within which two conditions count as equal: less than half of the smallest
gain in Table 5 (2.50), so that no result is within it of both zero and the paper's gain."""
SEEDS, EPOCHS = 3, 100
"""How many seeds and epochs a verdict needs."""

OUTCOMES = {
    "no gain": DIFFER,
    "the opposite": DIFFER,
    "zero is not excluded": INCONCLUSIVE,
    "zero is not excluded, the claimed size is": INCONCLUSIVE,
    "smaller": DIFFER,
    "larger": DIFFER,
    "the claimed size": AGREE,
}
"""Where an interval can lie (see :func:`compare`), and the verdict on it."""


@dataclass(frozen=True)
class Finding:
    """One thing that a paper reports.

    Attributes:
        what: the table, figure or claim.
        paper: what the paper has.
        ours: what we have.
        verdict: a key of ``SIGNS``.
        chapter: where the book treats it.
    """

    what: str
    paper: str
    ours: str
    verdict: str
    chapter: str


@dataclass(frozen=True)
class Claim:
    """A difference between two conditions that the paper reports, or that its explanation needs.

    Attributes:
        what: what is claimed, in words.
        quantity: what is compared, in words.
        measure: the same, read from a record; in points.
        condition: the condition that is to gain.
        control: the condition it is compared with.
        width: width of the network.
        gain: the claimed difference, in points.
        margin: points within which two conditions count as equal.
        seeds: finished pairs that a verdict needs.
        epochs: epochs that a verdict needs.
    """

    what: str
    quantity: str
    measure: Callable[[Training], float]
    condition: str
    control: str
    width: int
    gain: float
    margin: float = MARGIN
    seeds: int = SEEDS
    epochs: int = EPOCHS


def compare(low: float, high: float, claimed: float, margin: float) -> str:
    """Where an interval lies, as a key of ``OUTCOMES``: the first case that holds.

    A claimed loss is read in the mirror, so that the claim is on the right of zero. After the first
    case the interval reaches beyond [−margin, margin]; after the third it lies right of zero.

    >>> compare(3.9, 5.2, claimed=4.5, margin=1)
    'the claimed size'
    >>> compare(-0.3, 2.0, claimed=4.5, margin=1)
    'zero is not excluded, the claimed size is'
    """
    if claimed < 0:
        low, high, claimed = -high, -low, -claimed
    smaller, larger = high < claimed - margin, low > claimed + margin
    if -margin <= low and high <= margin:
        return "no gain"
    if high < 0:
        return "the opposite"
    if low <= 0:
        return "zero is not excluded" + (", the claimed size is" if smaller else "")
    return "smaller" if smaller else "larger" if larger else "the claimed size"


def judge(differences: Sequence[float], claimed: float, margin: float) -> str:
    """Verdict on a claimed difference, from differences that are paired by seed, in points.

    With [l, u] Student's 95 % interval of their mean, g > 0 the claim and m the margin:

    - *differ* if [l, u] lies within [−m, m], or u < 0, or l > 0 and g is not within [l − m, u + m];
    - *inconclusive* if [l, u] contains zero and reaches beyond [−m, m];
    - *agree* otherwise: l > 0, u > m, and l − m ≤ g ≤ u + m;
    - *open* for fewer than two differences, which have no interval.
    """
    bounds = interval(differences)
    return OPEN if bounds is None else OUTCOMES[compare(*bounds, claimed, margin)]


def verdict_on(claim: Claim, records: Iterable[Training]) -> tuple[str, str]:
    """Verdict on a claim, and what it rests on in words.

    Open without the claim's seeds and epochs, and on data other than CIFAR-10 or a copy of it.
    """
    sample, seeds = _sample(claim, records)
    if not seeds:
        return OPEN, NOT_RUN
    data, epochs = (sample[0].settings[name] for name in ("data", "epochs"))
    runs, controls = (runs_of(sample, c, claim.width) for c in (claim.condition, claim.control))
    differences = paired_differences(runs, controls, claim.measure)
    n, lost = len(differences), len(seeds) - len(differences)
    parts = [f"{epochs} epochs", f"{n} seed{'' if n == 1 else 's'}"]
    if lost:
        parts.append(f"{lost} of {len(seeds)} pairs diverged")
    if data != "CIFAR-10":
        parts.append(data)
    gain = interval_in_words(differences) if differences else "no pair finished"
    words = f"{gain}; {', '.join(parts)}"
    bounds = interval(differences)
    if bounds is None or n < claim.seeds or epochs < claim.epochs or data_rank(data) == 0:
        return OPEN, words
    outcome = compare(*bounds, claim.gain, claim.margin)
    return judge(differences, claim.gain, claim.margin), f"{outcome}: {words}"


def _sample(claim: Claim, records: Iterable[Training]) -> tuple[list[Training], set[int]]:
    """Records of both conditions with all other settings equal, and the seeds that have both.

    They are of the paper's model and optimiser.

    Of several such groups: one that suffices for a verdict, then best data, then most epochs, then
    most pairs. Pairs that diverged count here, and a tie is broken by the settings' names and
    values: no choice looks at a result.
    """
    groups: dict[str, list[Training]] = {}
    for record in records:
        if record.settings["width"] == claim.width and is_usual(record):
            shared = {k: v for k, v in record.settings.items() if k not in ("condition", "seed")}
            groups.setdefault(json.dumps(shared, sort_keys=True), []).append(record)

    def seeds(group: list[Training]) -> set[int]:
        with_both = (
            {r.settings["seed"] for r in group if r.settings["condition"] == condition}
            for condition in (claim.condition, claim.control)
        )
        return set.intersection(*with_both)

    def merit(key: str) -> tuple[bool, bool, int, int, int, str]:
        paired, settings = seeds(groups[key]), groups[key][0].settings
        rank, epochs = data_rank(settings["data"]), settings["epochs"]
        enough = rank > 0 and epochs >= claim.epochs and len(paired) >= claim.seeds
        return bool(paired), enough, rank, epochs, len(paired), key

    best = groups[max(groups, key=merit)] if groups else []
    return best, seeds(best)
