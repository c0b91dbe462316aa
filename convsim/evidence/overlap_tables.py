"""Records of neighbourhoods in, tables out: three readings of redundancy, and generalisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from convsim.evidence.map_tables import correlations_of
from convsim.evidence.overlap_records import (
    TARGETS,
    Network,
    Regularized,
    last_measure,
    network_records,
    regularization_of,
    regularized_records,
    target_of,
)
from convsim.evidence.statistics import (
    UNDEFINED,
    Correlation,
    distinct,
    exchanged_groups,
    less_group_means,
    mean_std,
    spearman,
)
from convsim.evidence.sweeps import model_of, network, on_other_data
from convsim.experiments.activations import SIDES
from convsim.experiments.record import RESULTS
from convsim.table import Table

__all__ = ["TARGETS"]  # and all that stands below


def readings_table(*, trained: bool = True, folder: Path = RESULTS) -> Table:
    """What the weights, the feature maps and the neighbourhoods say of every layer.

    Args:
        trained: the networks after their training, or as they were initialised.
        folder: where the records lie.

    Raises:
        ValueError: if there are no such networks.
    """
    records = [r for r in network_records(folder) if r.settings["trained"] == trained]
    if not records:
        raise ValueError(
            f"no {'trained' if trained else 'untrained'} network is recorded in {folder}; expected "
            "one: run `convsim run overlap`"
        )
    rows: list[tuple[str, ...]] = []
    centred = []
    for record in records:
        correlations = correlations_of(record.settings["run"], trained, folder)
        for number, (key, layer) in enumerate(record.metrics["layers"].items(), start=1):
            centred.append(correlations.get(key))
            rows.append(
                (
                    record.settings["run"]["condition"],
                    str(number),
                    f"{layer['weights']['similarity']:.3g}",
                    f"{layer['weights']['normalized']:.2f}",
                    _fixed(layer["cosine"], 2),
                    _fixed(layer["cosine_without_mean"], 2),
                    _fixed(layer["before"]["overlap"]["mean"], 3),
                    _fixed(layer["after"]["overlap"]["mean"], 3),
                )
            )
    name = network(records[0].settings["run"]["width"], model_of(records[0]))
    when = f"{'after' if trained else 'before'} training{on_other_data(records)}"
    columns = [
        *(("", "condition"), ("", "layer")),
        *(("weights", "L_CS"), ("weights", "normalised")),
        *(("maps, |cos|", "whole"), ("maps, |cos|", "less mean")),
        *(("overlap", side) for side in SIDES),
    ]
    if any(value is not None for value in centred):  # measured by another experiment
        columns.insert(5, ("maps, |cos|", "centred"))
        rows = [
            (*row[:5], _fixed(value, 2), *row[5:]) for row, value in zip(rows, centred, strict=True)
        ]
    return Table(
        columns=tuple(columns),
        rows=tuple(rows),
        caption=f"{name} {when}: weights, feature maps, neighbourhoods.",
        source=_provenance(records),
    )


def regularized_table(*, folder: Path = RESULTS) -> Table:
    """Errors and last-layer neighbourhoods for each strength of dropout and weight decay.

    Raises:
        ValueError: if nothing is recorded.
    """
    records = regularized_records(folder)
    rows = []
    for cell in sorted({regularization_of(record) for record in records}):
        runs = [record for record in records if regularization_of(record) == cell]
        rows.append(
            (
                *(f"{strength:g}" for strength in cell),
                *(
                    mean_std([target_of(run, part) for run in runs], 1)
                    for part in ("train_error", "test_error")
                ),
                *(_mean_std((last_measure(run, side) for run in runs), 3) for side in SIDES),
                _mean_std((last_measure(run, "after", "neighbors") for run in runs), 2),
                str(len(runs)),
            )
        )
    return Table(
        columns=(
            *(("", "dropout"), ("", "weight decay")),
            *(("error, %", "training"), ("error, %", "test")),
            *(("last layer's overlap", side) for side in SIDES),
            *(("", "neighbours"), ("", "n")),
        ),
        rows=tuple(rows),
        caption=f"Dropout and weight decay{on_other_data(records)}; overlap before and after the "
        "non-linearity.",
        source=f"{_provenance(records)} Mean ± std over n seeds.",
    )


def generalization(
    target: str = "test_error",
    measure: str = "overlap",
    *,
    side: str = "after",
    within: bool = False,
    folder: Path = RESULTS,
) -> Correlation:
    """Rank correlation of a last-layer measure with how well the networks generalise.

    Args:
        target: a key of ``TARGETS``.
        measure: ``"overlap"``, ``"redundancy"`` or ``"neighbors"``.
        side: ``"before"`` or ``"after"`` the non-linearity.
        within: compare networks of one dropout only: its mean is taken from both sides first.
        folder: where the records lie.

    Raises:
        ValueError: for an unknown target, measure or side, or if nothing is recorded.
    """
    dropouts, x, y = _doses(target, measure, side, folder)
    if within:
        x, y = (less_group_means(values, dropouts) for values in (x, y))
    return spearman(x, y)


def generalization_by_dose(
    target: str = "test_error", *, side: str = "after", folder: Path = RESULTS
) -> tuple[float, int]:
    """The p of :func:`generalization` if only whole doses of dropout may change places.

    Returns:
        The p and the number of orders of the doses, as
        :func:`convsim.evidence.statistics.exchanged_groups` has them.

    Raises:
        ValueError: as :func:`generalization`, or if the doses differ in their number of networks.
    """
    dropouts, x, y = _doses(target, "overlap", side, folder)
    return exchanged_groups(x, y, dropouts)


def _doses(
    target: str, measure: str, side: str, folder: Path
) -> tuple[list[float], list[float], list[float]]:
    """Dropout, measure and target of the networks that define the measure."""
    found = [
        (regularization_of(record)[0], value, target_of(record, target))
        for record in regularized_records(folder)
        if (value := last_measure(record, side, measure)) is not None
    ]
    dropouts, x, y = ([row[column] for row in found] for column in (0, 1, 2))
    return dropouts, x, y


def _mean_std(values: Iterable[float | None], digits: int) -> str:
    """Mean ± std of the values that are defined."""
    defined = [value for value in values if value is not None]
    return mean_std(defined, digits) if defined else UNDEFINED


def _fixed(value: float | None, digits: int) -> str:
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def _provenance(records: Sequence[Network] | Sequence[Regularized]) -> str:
    """Where the numbers come from, in a line."""
    settings = [record.settings for record in records]
    trainings = [s.get("run", s) for s in settings]

    of_trainings = {key: distinct([t[key] for t in trainings]) for key in trainings[0]}
    of_all = {key: distinct([s[key] for s in settings]) for key in ("queries", "images", "k")}
    return (
        f"{of_trainings['data']}, width {of_trainings['width']}, {of_trainings['epochs']} epochs, "
        f"seed {of_trainings['seed']}; {of_all['queries']} queries among {of_all['images']} test "
        f"images, k = {of_all['k']}; {distinct([r.hardware for r in records])}; torch "
        f"{distinct([r.versions['torch'] for r in records])}; recorded "
        f"{max(record.started for record in records)[:10]}."
    )
