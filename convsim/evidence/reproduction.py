"""What of the two papers came out again: their tables, figures and claims beside our records."""

from __future__ import annotations

from pathlib import Path

from convsim.evidence.neighborhood_findings import neighborhood_findings
from convsim.evidence.similarity_findings import CLAIMS, similarity_findings
from convsim.evidence.sweeps import network
from convsim.evidence.verdicts import SIGNS
from convsim.experiments.record import RESULTS
from convsim.table import Table


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
                f"{claim.quantity}, {network(claim.width)}",
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
