"""What of the two papers came out again: their tables, figures and claims beside our records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import torch

from convsim.correlation import autocorrelate, cross_correlate
from convsim.evidence.overlap_tables import (
    generalization,
    network_records,
    regularization_of,
    regularized_records,
    spearman,
)
from convsim.evidence.pair_tables import pair_records, paper_key
from convsim.evidence.training_tables import NETWORKS, best_test, runs_of, sweep_records
from convsim.evidence.verdicts import (
    AGREE,
    DIFFER,
    INCONCLUSIVE,
    NOT_RUN,
    OPEN,
    SIGNS,
    USED,
    Claim,
    verdict_on,
)
from convsim.experiments import paper
from convsim.experiments.record import RESULTS, Record, read_records
from convsim.similarity import convolutional_similarity
from convsim.table import Table

UNREAD = "their content could not be read"
EPISODES = 1000
STANDARD_ERRORS = 4.0
"""How far two means of one table may lie apart and still agree; 36 pairs of them are compared."""
ALGORITHMS = {"init": "Algorithm 1", "regularise": "Algorithm 2"}
GAINS = tuple(
    Claim(
        what=f"Table 5, {NETWORKS[width]}: {ALGORITHMS[condition]}",
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


@dataclass(frozen=True)
class Finding:
    """One thing that a paper reports.

    Attributes:
        what: the table, figure or claim.
        paper: what the paper has.
        ours: what we have.
        verdict: a key of :data:`convsim.evidence.verdicts.SIGNS`.
        chapter: where the book treats it.
    """

    what: str
    paper: str
    ours: str
    verdict: str
    chapter: str


def summary_tables(folder: Path = RESULTS) -> list[Table]:
    """Every table, figure and claim of each paper, paper beside ours, with a verdict."""
    papers = {
        "Convolutional Similarity (Belmekki et al., 2024)": similarity_findings(folder),
        "Channel-wise NNK graphs (Bonet et al., 2022)": neighborhood_findings(folder),
    }
    return [
        Table(
            columns=tuple(("", name) for name in ("what", "verdict", "paper", "ours", "chapter")),
            rows=tuple((f.what, SIGNS[f.verdict], f.paper, f.ours, f.chapter) for f in found),
            caption=name,
            source=", ".join(
                f"{v}: {n}" for v in SIGNS if (n := sum(f.verdict == v for f in found))
            )
            + ".",
            prose=True,
        )
        for name, found in papers.items()
    ]


def rules_table() -> Table:
    """What is compared for each claim about trainings, and what a verdict needs: no results."""
    names = ("claim", "quantity", "difference", "claimed, points", "margin", "seeds", "epochs")
    return Table(
        columns=tuple(("", name) for name in names),
        rows=tuple(
            (
                claim.what,
                f"{claim.quantity}, {NETWORKS[claim.width]}",
                f"{claim.condition} − {claim.control}",
                f"{claim.gain:+.2f}",
                *(f"{number:g}" for number in (claim.margin, claim.seeds, claim.epochs)),
            )
            for claim in CLAIMS
        ),
        caption="Claims about trainings: what is compared, and what a verdict needs at least.",
        source="Claimed gains: Table 5 of Belmekki et al. (2024); in the last two lines, what "
        "their explanation of the first gain predicts.",
        prose=True,
    )


def similarity_findings(folder: Path = RESULTS) -> list[Finding]:
    """What Belmekki et al. report."""
    trainings = read_records("table5", folder)
    return [
        _identity(),
        Finding("Eq. 7 can be met", "yes", "by dead kernels only (proof)", DIFFER, "linear time"),
        _convexity(),
        _pairs("table1", "Table 1, under ⟨K₁, K₂⟩²", "kernel orthogonality"),
        _pairs("table2", "Tables 2 and 3, under L_CS", "Convolutional Similarity"),
        _pairs("table6", "Table 6, valid padding", "Convolutional Similarity"),
        Finding("Table 4, CNN1 and CNN2", "printed", "built as printed", USED, "training"),
        Finding(
            "Tables 7 to 9, settings",
            "printed",
            "on ⟨K₁, K₂⟩²; two captions name the cosine",
            USED,
            "kernel orthogonality",
        ),
        *(_training(claim, trainings) for claim in GAINS),
        _wide_network(folder),
        Finding("Figures other than 5", "printed", UNREAD, OPEN, "training"),
        Finding("ResNet-18 and Figure 5", "printed", NOT_RUN, OPEN, "training"),
        _what_algorithm_1_lowers(folder),
        *(_training(claim, trainings) for claim in (CAUSE, EXPLANATION)),
    ]


def neighborhood_findings(folder: Path = RESULTS) -> list[Finding]:
    """What Bonet et al. report, by their abstract; measured with definitions of our own."""
    trained = [r for r in network_records(folder) if r.settings["trained"]]
    base = next(r for r in trained if r.settings["run"]["condition"] == "baseline")
    layers = [layer["after"] for layer in base.metrics["layers"].values()]
    first, last = layers[0]["overlap"], layers[-1]["overlap"]
    above = all(layer["overlap"]["low"] > layer["overlap_chance"] for layer in layers)
    below = any(layer["overlap"]["high"] < layer["overlap_chance"] for layer in layers)
    ratios = [layer["overlap"]["mean"] / layer["overlap_chance"] for layer in layers]
    records = regularized_records(folder)
    dropout = spearman(
        [regularization_of(record)[0] for record in records],
        [record.metrics["after"]["overlap"]["mean"] for record in records],
    )
    gap, within = (generalization("gap", within=held, folder=folder) for held in (False, True))
    return [
        Finding(
            "Channels overlap significantly",
            "yes",
            f"{min(ratios):.1f} to {max(ratios):.1f} times chance",
            AGREE if above else DIFFER if below else INCONCLUSIVE,
            "neighbourhoods",
        ),
        Finding(
            "Overlap varies with depth",
            "yes",
            f"{first['mean']:.3f} in the first layer, {last['mean']:.3f} in the last",
            AGREE if first["low"] > last["high"] or last["low"] > first["high"] else INCONCLUSIVE,
            "neighbourhoods",
        ),
        Finding(
            "Overlap varies with regularisation",
            "yes",
            f"with dropout: ρ = {dropout.rho:+.2f} [{dropout.low:+.2f} to {dropout.high:+.2f}]",
            AGREE if dropout.low * dropout.high > 0 else INCONCLUSIVE,
            "neighbourhoods",
        ),
        Finding(
            "Overlap tells of generalisation",
            "yes",
            f"ρ with the gap {gap.rho:+.2f} [{gap.low:+.2f} to {gap.high:+.2f}]; at fixed dropout "
            f"{within.rho:+.2f} [{within.low:+.2f} to {within.high:+.2f}]",
            AGREE if gap.low * gap.high > 0 else INCONCLUSIVE,
            "neighbourhoods",
        ),
        Finding("Figures and tables", "printed", UNREAD, OPEN, "neighbourhoods"),
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


def _pairs(table: str, what: str, chapter: str) -> Finding:
    """A table of descents: compare means of correlation and shares of reduced episodes."""
    furthest = 0.0
    ours, theirs = [], []
    for record, printed in zip(pair_records(table), paper.PAIRS[paper_key(table)], strict=True):
        mean, std = (record.metrics["correlation"][key] for key in ("mean", "std"))
        share, printed_share = record.metrics["reduced_percent"], printed.reduced_percent
        for difference, variance in (
            (mean - printed.correlation[0], (std**2 + printed.correlation[1] ** 2) / EPISODES),
            (share - printed_share, _variance(share) + _variance(printed_share)),
        ):
            # Both may be 100 %: then there is no difference, and no error either.
            furthest = max(furthest, abs(difference) / math.sqrt(variance) if difference else 0)
        ours.append(mean)
        theirs.append(printed.correlation[0])
    return Finding(
        what,
        f"{min(theirs):.2f} to {max(theirs):.2f}",
        f"{min(ours):.2f} to {max(ours):.2f}; no row further than {furthest:.1f} standard errors",
        AGREE if furthest <= STANDARD_ERRORS else DIFFER,
        chapter,
    )


def _variance(percent: float) -> float:
    """Variance of a share of episodes, in points squared; at 0 or 100 % as for half an episode."""
    share = min(max(percent / 100, 0.5 / EPISODES), 1 - 0.5 / EPISODES)
    return 1e4 * share * (1 - share) / EPISODES


def _training(claim: Claim, records: Sequence[Record]) -> Finding:
    """A claim about trainings, by the rules of :mod:`convsim.evidence.verdicts`."""
    verdict, words = verdict_on(claim, records)
    says = f"{claim.gain:+.2f} points"
    says, chapter = (
        (says, "training") if claim in GAINS else (f"yes; then {says}", "scale or similarity")
    )
    return Finding(claim.what, says, words, verdict, chapter)


def _wide_network(folder: Path) -> Finding:
    runs = runs_of(sweep_records(folder), "baseline", 512)
    printed = paper.ACCURACY[512, "baseline"]
    ours = f"{fmean(map(best_test, runs)):.2f} %" if runs else NOT_RUN
    return Finding("Table 5, width 512: baseline", f"{printed:.2f} %", ours, OPEN, "training")


def _what_algorithm_1_lowers(folder: Path) -> Finding:
    """Scale or similarity, in the recorded descent on CNN1's four layers."""
    descent = next(
        record for record in read_records("descent", folder) if not record.settings["scale_free"]
    )
    layers = list(descent.metrics["layers"].values())
    loss = [sum(layer["similarity"][end] for layer in layers) for end in (0, -1)]
    scale_free = [fmean(layer["normalized"][end] for layer in layers[1:]) for end in (0, -1)]
    return Finding(
        "Algorithm 1 lowers similarity",
        "yes, by L_CS",
        f"L_CS {loss[0]:.0f} → {loss[1]:.1f}; scale-free, layers 2 to {len(layers)}: "
        f"{scale_free[0]:.3f} → {scale_free[1]:.3f}",
        AGREE if scale_free[1] < 0.9 * scale_free[0] else DIFFER,
        "linear time",
    )
