"""Records in, tables out: the papers' numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from convsim.experiments import paper
from convsim.experiments.pairs import TABLES
from convsim.experiments.record import RESULTS, Record, read_record, record_path
from convsim.table import Table


def pair_records(table: str, folder: Path = RESULTS) -> list[Record]:
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


def pairs_table(table: str) -> Table:
    """Paper beside ours: correlation, reduction frequency and decrease, row by row."""
    rows = []
    for record, printed in zip(pair_records(table), paper.PAIRS[paper_key(table)], strict=True):
        ours = record.metrics
        rows.append(
            (
                *row_name(record),
                _spread(*printed.correlation),
                _mean_std(ours["correlation"]),
                f"{printed.reduced_percent:.1f}",
                f"{ours['reduced_percent']:.1f}",
                _spread(*printed.decrease_percent),
                _mean_std(ours["decrease_percent"]),
                _median(ours["increase_percent"]),
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
            *(("ours only", "median increase, %"), ("ours only", "diverged")),
        ),
        rows=tuple(rows),
        caption=f"Minimising {loss}, feature maps with {padding} padding; mean ± std of episodes.",
        source=_provenance(pair_records(table)),
    )


def largest_difference(table: str) -> dict[str, float]:
    """How far the worst row lies from the paper: mean correlation, and reduction in points."""
    differences = [
        (
            abs(record.metrics["correlation"]["mean"] - printed.correlation[0]),
            abs(record.metrics["reduced_percent"] - printed.reduced_percent),
        )
        for record, printed in zip(pair_records(table), paper.PAIRS[paper_key(table)], strict=True)
    ]
    correlation, reduced = (max(column) for column in zip(*differences, strict=True))
    return {"correlation": round(correlation, 2), "reduced_percent": round(reduced, 1)}


def cosine_table(*tables: str) -> Table:
    """What the printed tables leave out: |cos(F1, F2)| and the kernels' norms, before and after."""
    records = [record for table in tables for record in pair_records(table)]
    rows = []
    for record in records:
        ours = record.metrics
        rows.append(
            (
                {"kernel similarity": "⟨K₁, K₂⟩²"}.get(record.settings["loss"], "L_CS"),
                *row_name(record),
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


def paper_key(table: str) -> str:
    return "table2" if table == "table3" else table


def row_name(record: Record) -> tuple[str, str]:
    """The two settings that name a row: number of taps and optimiser."""
    return str(record.settings["taps"]), record.settings["optimizer"]


def _spread(mean: float, std: float) -> str:
    return f"{mean:.2f} ± {std:.2f}"


def _mean_std(summary: Mapping[str, float] | None) -> str:
    return "none" if summary is None else _spread(summary["mean"], summary["std"])


def _median(summary: Mapping[str, float] | None) -> str:
    return "none" if summary is None else f"{summary['q50']:.3g}"


def _provenance(records: Sequence[Record]) -> str:
    """One line on where a table's numbers come from."""
    hardware = ", ".join(sorted({record.hardware for record in records}))
    torch_versions = ", ".join(sorted({record.versions["torch"] for record in records}))
    seconds = sum(record.seconds for record in records)
    episodes = {record.settings["episodes"] for record in records}
    n = ", ".join(map(str, sorted(episodes)))
    return (
        f"Paper: Belmekki et al. (2024). Ours: n = {n} episodes a row, "
        f"seed {records[0].settings['seed']}, synthetic data, float64; {hardware}; torch "
        f"{torch_versions}; {seconds:.0f} s in all; recorded {records[0].started[:10]}."
    )
