"""Records in, tables out: the papers' numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scipy import stats

from convsim.evidence.statistics import distinct, spread
from convsim.experiments import paper
from convsim.experiments.episodes import PairMetrics, Summary
from convsim.experiments.pairs import TABLES
from convsim.experiments.record import RESULTS, Record, read_record, record_path
from convsim.table import Table

Pairs = Record[PairMetrics]
EPISODES = 1000  # a row of the paper's tables


def pair_records(table: str, folder: Path = RESULTS) -> list[Pairs]:
    """The records of ``"table1"``, ``"table2"``, ``"table3"`` or ``"table6"``, row by row.

    Raises:
        ValueError: if the table is unknown or a row is not recorded yet.
    """
    if table not in TABLES:
        raise ValueError(f"table is {table!r}; expected one of {', '.join(TABLES)}")
    paths = [record_path("pairs", row, folder) for row in TABLES[table]]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(paths)} rows of {table} are not in {folder}; expected a "
            f"record for each: run `convsim run {table}`"
        )
    return [read_record(path) for path in paths]


def pairs_table(table: str, *, folder: Path = RESULTS) -> Table:
    """Paper beside ours: correlation, reduction frequency, decrease and increase, row by row.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    records = pair_records(table, folder)
    rows = []
    for record, printed in zip(records, paper.PAIRS[paper_key(table)], strict=True):
        ours = record.metrics
        rows.append(
            (
                *row_name(record),
                spread(*printed.correlation),
                _mean_std(ours["correlation"]),
                f"{printed.reduced_percent:.1f}",
                f"{ours['reduced_percent']:.1f}",
                spread(*printed.decrease_percent),
                _mean_std(ours["decrease_percent"]),
                _large(*printed.increase_percent),
                _large_summary(ours["increase_percent"]),
                str(ours["diverged"]),
            )
        )
    loss = {"table1": "⟨K₁, K₂⟩²"}.get(table, "L_CS")
    padding = "valid" if table == "table6" else "full"
    return Table(
        columns=(
            *(("", "N"), ("", "optimiser")),
            *(("correlation", "paper"), ("correlation", "ours")),
            *(("reduced, %", "paper"), ("reduced, %", "ours")),
            *(("decrease, %", "paper"), ("decrease, %", "ours")),
            *(("increase, %", "paper"), ("increase, %", "ours"), ("", "diverged, ours")),
        ),
        rows=tuple(rows),
        caption=f"Minimising {loss}, feature maps with {padding} padding; mean ± std of episodes.",
        source=_provenance(records),
    )


def largest_difference(table: str, *, folder: Path = RESULTS) -> dict[str, float]:
    """How far the worst row lies from the paper: mean correlation, and reduction in points.

    A row without a correlation, because every episode diverged, counts in the reduction only.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    rows = zip(pair_records(table, folder), paper.PAIRS[paper_key(table)], strict=True)
    correlation, reduced = 0.0, 0.0
    for record, printed in rows:
        ours = record.metrics["correlation"]
        if ours is not None:
            correlation = max(correlation, abs(ours["mean"] - printed.correlation[0]))
        reduced = max(reduced, abs(record.metrics["reduced_percent"] - printed.reduced_percent))
    return {"correlation": round(correlation, 2), "reduced_percent": round(reduced, 1)}


def cosine_table(*tables: str, folder: Path = RESULTS) -> Table:
    """What the printed tables leave out: |cos(F1, F2)| and the kernels' norms, before and after.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    records = [record for table in tables for record in pair_records(table, folder)]
    rows = []
    for record in records:
        ours = record.metrics
        rows.append(
            (
                *_minimised(record),
                _mean_std(ours["cosine_before"]),
                _mean_std(ours["cosine_after"]),
                f"{ours['cosine_fell_percent']:.1f}",
                _median(ours["smaller_norm_before"]),
                _median(ours["smaller_norm_after"]),
                _median(ours["larger_norm_after"]),
            )
        )
    return Table(
        columns=(
            *(("", "minimised"), ("", "N"), ("", "optimiser")),
            *(
                ("|cos(F₁, F₂)|", "before"),
                ("|cos(F₁, F₂)|", "after"),
                ("|cos(F₁, F₂)|", "fell, %"),
            ),
            *(("smaller norm", "before"), ("smaller norm", "after"), ("larger norm", "after")),
        ),
        rows=tuple(rows),
        caption="Scale-free similarity |cos(F₁, F₂)|, mean ± std over episodes, and median norms.",
        source=_provenance(records),
    )


def increase_table(table: str, *, folder: Path = RESULTS) -> Table:
    """What stands behind a mean increase: the largest one, means of blocks, the tail's index.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    records = pair_records(table, folder)
    rows = []
    for record in records:
        summary, tail = record.metrics["increase_percent"], record.metrics["increase_tail"]
        if summary is None or tail is None:
            number = 0 if summary is None else summary["n"]
            rows.append((*row_name(record), str(number), *["too few"] * 5))
            continue
        means = [mean for mean in tail["block_means"] if mean is not None]
        rows.append(
            (
                *row_name(record),
                str(summary["n"]),
                _whole(summary["q50"]),
                f"{100 * tail['increase_percent'][0] / (summary['n'] * summary['mean']):.0f}",
                *(_whole(end(means)) for end in (min, max)),
                f"{spread(tail['index'], tail['standard_error'])} ({tail['largest']})",
            )
        )
    return Table(
        columns=(
            *(("", "N"), ("", "optimiser"), ("episodes", "that rose")),
            *(("increase, %", "median"), ("the largest one", "of the sum, %")),
            *(("mean of 100 episodes, %", "least"), ("mean of 100 episodes, %", "most")),
            ("tail", "index ± standard error"),
        ),
        rows=tuple(rows),
        caption="The increases and their tail: Hill's estimate from the largest quarter (number).",
        source=_provenance(records),
    )


def rises(table: str, *, folder: Path = RESULTS) -> dict[str, float]:
    """Episodes that rose, of the paper's and of ours, and Fisher's exact test of the two counts.

    Ours that diverged are neither fallen nor risen; ``p_with_diverged`` counts them as risen.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    records = pair_records(table, folder)
    episodes = sum(record.settings["episodes"] for record in records)
    of_paper = sum(
        round(EPISODES * (100 - row.reduced_percent) / 100) for row in paper.PAIRS[paper_key(table)]
    )
    summaries = [record.metrics["increase_percent"] for record in records]
    ours = sum(summary["n"] for summary in summaries if summary is not None)
    diverged = sum(record.metrics["diverged"] for record in records)

    def p(count: int) -> float:
        theirs = len(records) * EPISODES
        found = stats.fisher_exact([[count, episodes - count], [of_paper, theirs - of_paper]])
        return float(f"{found.pvalue:.2g}")

    return {
        "paper": of_paper,
        "ours": ours,
        "diverged": diverged,
        "episodes": episodes,
        "p": p(ours),
        "p_with_diverged": p(ours + diverged),
    }


def death_table(*tables: str, folder: Path = RESULTS) -> Table:
    """How many episodes end with a dead kernel, which one died, and |cos(F1, F2)| in each kind.

    Raises:
        ValueError: as :func:`convsim.evidence.pair_tables.pair_records`.
    """
    records = [record for table in tables for record in pair_records(table, folder)]
    rows = []
    for record in records:
        ours = record.metrics
        smaller = ours["dead_smaller_percent"]
        rows.append(
            (
                *_minimised(record),
                f"{ours['dead_percent']:.1f}",
                "none" if smaller is None else f"{smaller:.0f}",
                _median(ours["drift_percent"]),
                _mean_std(ours["cosine_after_dead"]),
                _mean_std(ours["cosine_after_live"]),
            )
        )
    return Table(
        columns=(
            *(("", "minimised"), ("", "N"), ("", "optimiser")),
            *(("episodes", "with a dead kernel, %"), ("of these", "the smaller one died, %")),
            ("‖K₁‖² − ‖K₂‖²", "median drift, %"),
            *(("|cos(F₁, F₂)| at the end", "one dead"), ("|cos(F₁, F₂)| at the end", "both live")),
        ),
        rows=tuple(rows),
        caption="A kernel is dead below 1 % of its norm at the start; mean ± std of episodes. The "
        "drift is in per cent of ‖K₁‖² + ‖K₂‖² at the start.",
        source=_provenance(records),
    )


def paper_key(table: str) -> str:
    """Tables 2 and 3 are two views of one experiment."""
    return "table2" if table == "table3" else table


def row_name(record: Pairs) -> tuple[str, str]:
    """The two settings that name a row: number of taps and optimiser."""
    return str(record.settings["taps"]), record.settings["optimizer"]


def _minimised(record: Pairs) -> tuple[str, str, str]:
    loss = {"kernel similarity": "⟨K₁, K₂⟩²"}.get(record.settings["loss"], "L_CS")
    return loss, *row_name(record)


def is_recorded(table: str, folder: Path = RESULTS) -> bool:
    """Whether :func:`pair_records` finds every row of a table."""
    return all(record_path("pairs", row, folder).exists() for row in TABLES[table])


def _mean_std(summary: Summary | None) -> str:
    return "none" if summary is None else spread(summary["mean"], summary["std"])


def _median(summary: Summary | None) -> str:
    return "none" if summary is None else f"{summary['q50']:.3g}"


def _whole(value: float) -> str:
    """A number of any size, to four digits, in full."""
    return f"{float(f'{value:.4g}'):,.0f}"


def _large(mean: float, std: float) -> str:
    return f"{_whole(mean)} ± {_whole(std)}"


def _large_summary(summary: Summary | None) -> str:
    return "none" if summary is None else _large(summary["mean"], summary["std"])


def _provenance(records: Sequence[Pairs]) -> str:
    """One line on where a table's numbers come from."""
    return (
        f"Paper: Belmekki et al. (2024). Ours: n = "
        f"{distinct(record.settings['episodes'] for record in records)} episodes a row, seed "
        f"{distinct(record.settings['seed'] for record in records)}, synthetic data, float64; "
        f"{distinct(record.hardware for record in records)}; torch "
        f"{distinct(record.versions['torch'] for record in records)}; "
        f"{sum(record.seconds for record in records):.0f} s in all; recorded "
        f"{max(record.started for record in records)[:10]}."
    )
