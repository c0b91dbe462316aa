"""Numbers printed in Belmekki et al., arXiv 2411.03226: nothing here was measured by us."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PairRow:
    """A row of Table 1, 2 with 3, or 6, as printed.

    Attributes:
        correlation: mean and standard deviation over episodes.
        reduced_percent: reduction frequency of ⟨F1, F2⟩².
        decrease_percent: mean and standard deviation over the episodes in which it fell.
        increase_percent: the same over those in which it rose; 0 and 0 where none did.
    """

    correlation: tuple[float, float]
    reduced_percent: float
    decrease_percent: tuple[float, float]
    increase_percent: tuple[float, float] = (0.0, 0.0)


# In the order of convsim.experiments.pairs.TABLES: N = 3, 9, 16, each with Adam and with SGD.
PAIRS: dict[str, tuple[PairRow, ...]] = {
    "table1": (
        PairRow((0.67, 0.28), 91.8, (92.95, 15.24), (14.12e3, 71.12e3)),
        PairRow((0.35, 0.85), 67.5, (78.75, 24.71), (13.82e4, 10.60e5)),
        PairRow((0.54, 0.33), 82.0, (86.12, 21.14), (17.52e4, 20.85e5)),
        PairRow((0.25, 0.87), 60.7, (67.82, 29.42), (55.76e4, 87.15e5)),
        PairRow((0.47, 0.36), 77.6, (81.88, 23.48), (17.10e4, 20.50e5)),
        PairRow((0.54, 0.33), 71.6, (69.84, 28.19), (97.62e2, 74.75e3)),
    ),
    "table2": (
        PairRow((0.80, 0.27), 100.0, (100.0, 0.0)),
        PairRow((0.90, 0.21), 100.0, (99.91, 1.28)),
        PairRow((0.78, 0.27), 100.0, (99.98, 0.23)),
        PairRow((0.85, 0.25), 100.0, (99.68, 3.21)),
        PairRow((0.71, 0.30), 100.0, (99.95, 1.26)),
        PairRow((0.86, 0.25), 100.0, (99.78, 3.04)),
    ),
    "table6": (
        PairRow((0.798, 0.272), 100.0, (99.99, 0.02)),
        PairRow((0.90, 0.19), 99.6, (99.86, 1.34), (216.04, 154.33)),
        PairRow((0.751, 0.296), 100.0, (99.96, 0.385)),
        PairRow((0.86, 0.23), 99.5, (99.57, 3.77), (3336.06, 5322.40)),
        PairRow((0.77, 0.28), 99.9, (99.80, 2.49), (688.54, 0.0)),
        PairRow((0.851, 0.23), 98.6, (98.68, 8.20), (10.90e4, 40.35e4)),
    ),
}


# Table 5: highest test accuracy over the epochs, in per cent, by width and condition.
ACCURACY: dict[tuple[int, str], float] = {
    (64, "baseline"): 74.66,
    (64, "init"): 79.16,
    (64, "regularise"): 77.16,
    (128, "baseline"): 76.87,
    (128, "init"): 82.33,
    (128, "regularise"): 80.00,
    (512, "baseline"): 79.78,
}
