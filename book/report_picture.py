"""The beginning of a report, as a picture for the pages that cannot compute one."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torchvision.models import resnet18

from convsim import redundancy_report
from convsim.photographs import PHOTOGRAPHS, photograph
from convsim.report.readings import RedundancyReport
from convsim.report.table import layer_table

FIRST = 5  # rows; the last layer's follows
# Columns, and where each ends, in tenths of an inch. The first one starts at the left.
ENDS = {
    ("", "layer"): 0.0,
    ("", "L_CS"): 19.0,
    ("", "floor"): 25.5,
    ("", "normalised"): 34.5,
    ("kernels", "|cos|"): 41.5,
    ("feature maps", "|cos|"): 52.0,
}
WIDTH, LINE = 5.3, 0.22  # inches: little enough to be read on a telephone


def report() -> RedundancyReport:
    """ResNet-18 with random weights and two photographs, as in the chapter on measuring."""
    torch.manual_seed(0)
    model = resnet18()
    pictures = [photograph(name, 96, colour=True) for name in PHOTOGRAPHS]
    return redundancy_report(model, torch.stack(pictures).float())


def rows() -> list[list[str]]:
    """The cells that are shown: headings in two lines, the first layers and the last one."""
    layers = report().layers
    table = layer_table(layers, "")
    shown = [table.columns.index(column) for column in ENDS]
    first, last = table.rows[:FIRST], table.rows[-1]
    cells = [[row[index] for index in shown] for row in (*first, last)]
    cells.insert(FIRST, ["⋮"] * len(shown))
    return [[group for group, _ in ENDS], [name for _, name in ENDS], *cells]


def draw() -> Figure:
    """Draw :func:`rows` as a table."""
    lines = rows()
    height = LINE * (len(lines) + 0.4)
    figure = plt.figure(figsize=(WIDTH, height), facecolor="white")
    for number, cells in enumerate(lines):
        y = height - LINE * (number + 0.9)
        for end, cell in zip(ENDS.values(), cells, strict=True):
            figure.text(
                (0.05 + end / 10) / WIDTH,
                y / height,
                cell,
                ha="right" if end else "left",
                fontsize=9.5,
                color="0.35" if number < 2 else "black",
            )
        if number == 1:
            rule = [(y - 0.06) / height] * 2
            figure.add_artist(Line2D([0, 1], rule, color="0.6", linewidth=0.8))
    return figure
