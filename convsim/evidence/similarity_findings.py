"""What Belmekki et al. (2024) report, beside our records and our own computations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch

from convsim.correlation import autocorrelate, cross_correlate
from convsim.evidence.deeper_findings import deeper_findings
from convsim.evidence.pair_tables import is_recorded, pair_records, paper_key, rises
from convsim.evidence.printed_claims import (
    ALGORITHMS,
    course_findings,
    open_findings,
    size_findings,
    theory_findings,
)
from convsim.evidence.statistics import best_test
from convsim.evidence.sweeps import PAPERS, Training, data_rank, model_of, network
from convsim.evidence.verdicts import (
    AGREE,
    DIFFER,
    NOT_RUN,
    OPEN,
    USED,
    Claim,
    Finding,
    verdict_on,
)
from convsim.experiments import paper
from convsim.experiments.descent import DescentMetrics, DescentSettings
from convsim.experiments.record import RESULTS, Record, read_record, read_records, record_path
from convsim.similarity import convolutional_similarity

EPISODES = 1000
"""Episodes behind each printed row."""
STANDARD_ERRORS = 4.0
"""How far two means of one table may lie apart and still agree; 36 pairs of them are compared."""
GAINS = tuple(
    Claim(
        what=f"Table 5, {network(width)}: {ALGORITHMS[condition]}",
        quantity="best test accuracy over the epochs",
        measure=best_test,
        condition=condition,
        control="baseline",
        width=width,
        gain=round(accuracy - paper.ACCURACY[width, "baseline"], 2),
    )
    for (width, condition), accuracy in paper.ACCURACY.items()
    if condition in ALGORITHMS
)
"""The gains of Table 5; the first is CNN1's by Algorithm 1."""
CAUSE = replace(GAINS[0], what="Algorithm 1 helps by that", control="scale")
EXPLANATION = replace(GAINS[0], what="Lower similarity helps", condition="scale-free")
"""If lower similarity is the cause, Algorithm 1 keeps its whole gain over mere shrinking, and
similarity that is lowered at unchanged norms has that gain, too."""
CLAIMS = (*GAINS, CAUSE, EXPLANATION)


def similarity_findings(folder: Path = RESULTS) -> list[Finding]:
    """Every table, figure and claim of Belmekki et al., beside ours; "not run" without records."""
    trainings: list[Training] = read_records("table5", folder)
    return [
        _identity(),
        Finding("Eq. 7 can be met", "yes", "by dead kernels only (proof)", DIFFER, "linear time"),
        _convexity(),
        *theory_findings(),
        _pairs("table1", "Table 1, under ⟨K₁, K₂⟩²", "kernel orthogonality", folder),
        _pairs("table2", "Tables 2 and 3, under L_CS", "Convolutional Similarity", folder),
        _rises("table2", "Table 3: no episode rises", "0 of 6,000", folder),
        _pairs("table6", "Table 6, valid padding", "Convolutional Similarity", folder),
        _rises("table6", "Table 6: a decrease is guaranteed", "yes; 24 of 6,000 rise", folder),
        Finding("Table 4, CNN1 and CNN2", "printed", "built as printed", USED, "training"),
        Finding(
            "Tables 7 to 9, settings",
            "printed",
            "on ⟨K₁, K₂⟩²; two captions name the cosine",
            USED,
            "kernel orthogonality",
        ),
        *size_findings(),
        *(_training(claim, trainings) for claim in GAINS),
        _wide_network(trainings),
        *course_findings(trainings),
        *deeper_findings(folder),
        *open_findings(),
        *_what_algorithm_1_lowers(folder),
        *(_training(claim, trainings) for claim in (CAUSE, EXPLANATION)),
    ]


def _identity() -> Finding:
    """Eq. 3 on random numbers, in double precision."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for taps in (2, 3, 5, 9, 16):
        x, k1, k2 = (
            torch.randn(100, n, dtype=torch.float64, generator=generator) for n in (64, taps, taps)
        )
        f1, f2 = cross_correlate(x, k1), cross_correlate(x, k2)
        right = (cross_correlate(k1, k2) * autocorrelate(x, max_lag=taps - 1)).sum(-1)
        sizes = f1.norm(dim=-1) * f2.norm(dim=-1)
        worst = max(worst, float(((f1 * f2).sum(-1) - right).abs().div(sizes).max()))
    return Finding(
        "Eq. 3, the identity",
        "exact",
        "exact to 12 digits, 500 random cases" if worst < 1e-12 else f"off by {worst:.0e}",
        AGREE if worst < 1e-12 else DIFFER,
        "the identity",
    )


def _convexity() -> Finding:
    """The smallest counter-example: two kernels of one tap, a and b, with L_CS = a²b²."""
    ends, middle = ((1.0, 0.0), (0.0, 1.0)), (0.5, 0.5)
    at_ends = [float(convolutional_similarity(torch.tensor(p).reshape(2, 1, 1))) for p in ends]
    between = float(convolutional_similarity(torch.tensor(middle).reshape(2, 1, 1)))
    return Finding(
        "L_CS is convex",
        "yes",
        f"not jointly: a²b² is {at_ends[0]:g} at (1, 0), {at_ends[1]:g} at (0, 1), "
        f"{between:g} between",
        DIFFER if between > fmean(at_ends) else AGREE,
        "linear time",
    )


def _pairs(table: str, what: str, chapter: str, folder: Path) -> Finding:
    """A table of descents: compare means of correlation and shares of reduced episodes."""
    printed_rows = paper.PAIRS[paper_key(table)]
    theirs = [row.correlation[0] for row in printed_rows]
    says = f"{min(theirs):.2f} to {max(theirs):.2f}"
    if not is_recorded(table, folder):
        return Finding(what, says, NOT_RUN, OPEN, chapter)
    furthest = 0.0
    ours = []
    for record, printed in zip(pair_records(table, folder), printed_rows, strict=True):
        found, episodes = record.metrics["correlation"], record.settings["episodes"]
        if found is None:
            return Finding(what, says, "a row in which every episode diverged", DIFFER, chapter)
        mean, std = found["mean"], found["std"]
        share, printed_share = record.metrics["reduced_percent"], printed.reduced_percent
        for difference, variance in (
            (
                mean - printed.correlation[0],
                std**2 / episodes + printed.correlation[1] ** 2 / EPISODES,
            ),
            (
                share - printed_share,
                _variance(share, episodes) + _variance(printed_share, EPISODES),
            ),
        ):
            # Both may be 100 %: then there is no difference, and no error either.
            furthest = max(furthest, abs(difference) / math.sqrt(variance) if difference else 0)
        ours.append(mean)
    return Finding(
        what,
        says,
        f"{min(ours):.2f} to {max(ours):.2f}; no row further than {furthest:.1f} standard errors",
        AGREE if furthest <= STANDARD_ERRORS else DIFFER,
        chapter,
    )


def _rises(table: str, what: str, says: str, folder: Path) -> Finding:
    """A claim that all episodes fall is contradicted by one that does not."""
    chapter = "Convolutional Similarity"
    if not is_recorded(table, folder):
        return Finding(what, says, NOT_RUN, OPEN, chapter)
    found = rises(table, folder=folder)
    others = f" and {found['diverged']} diverge" if found["diverged"] else ""
    return Finding(
        what,
        says,
        f"{found['ours']} of {found['episodes']:,} rise{others}; Fisher's p of the rises = "
        f"{found['p']:g}",
        DIFFER if found["ours"] + found["diverged"] else AGREE,
        chapter,
    )


def _variance(percent: float, episodes: int) -> float:
    """Variance of a share of episodes, in points squared; at 0 or 100 % as for half an episode."""
    share = min(max(percent / 100, 0.5 / episodes), 1 - 0.5 / episodes)
    return 1e4 * share * (1 - share) / episodes


def _training(claim: Claim, records: Sequence[Training]) -> Finding:
    """A claim about trainings, by the rules of :mod:`convsim.evidence.verdicts`."""
    verdict, words = verdict_on(claim, records)
    says = f"{claim.gain:+.2f} points"
    says, chapter = (
        (says, "training") if claim in GAINS else (f"yes; then {says}", "scale or similarity")
    )
    return Finding(claim.what, says, words, verdict, chapter)


def _wide_network(records: Sequence[Training]) -> Finding:
    """The baseline of width 512 on the best data, with the most epochs; no rule decides on it."""
    runs = [
        record
        for record in records
        if (record.settings["condition"], record.settings["width"]) == ("baseline", 512)
        and model_of(record) == PAPERS
        and data_rank(record.settings["data"]) > 0
        and "diverged" not in record.metrics
    ]
    ours = NOT_RUN
    if runs:
        best = max((data_rank(r.settings["data"]), r.settings["epochs"]) for r in runs)
        alike = [r for r in runs if (data_rank(r.settings["data"]), r.settings["epochs"]) == best]
        ours = f"{fmean(map(best_test, alike)):.2f} %; {best[1]} epochs, n = {len(alike)}"
    printed = paper.ACCURACY[512, "baseline"]
    return Finding("Table 5, width 512: baseline", f"{printed:.2f} %", ours, OPEN, "training")


def _what_algorithm_1_lowers(folder: Path) -> list[Finding]:
    """Scale or similarity, in the recorded descent on CNN1's four layers."""
    loss_falls, maps_differ = "Algorithm 1 lowers L_CS", "Algorithm 1 lowers similarity"
    chapter = "linear time"
    path = record_path("descent", DescentSettings(), folder)
    if not path.exists():
        return [Finding(what, "yes", NOT_RUN, OPEN, chapter) for what in (loss_falls, maps_differ)]
    descent: Record[DescentMetrics] = read_record(path)
    layers = list(descent.metrics["layers"].values())
    loss = [sum(layer["similarity"][end] for layer in layers) for end in (0, -1)]
    scale_free = [fmean(layer["normalized"][end] for layer in layers[1:]) for end in (0, -1)]
    return [
        Finding(
            loss_falls,
            "yes",
            f"{loss[0]:.0f} → {loss[1]:.1f}",
            AGREE if loss[1] < loss[0] else DIFFER,
            chapter,
        ),
        Finding(
            maps_differ,
            "yes",
            f"scale-free, layers 2 to {len(layers)}: {scale_free[0]:.3f} → {scale_free[1]:.3f}",
            AGREE if scale_free[1] < 0.9 * scale_free[0] else DIFFER,
            chapter,
        ),
    ]
