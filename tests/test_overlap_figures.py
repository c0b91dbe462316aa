"""Figures of made-up neighbourhoods: lines, bars, points, pictures, and their words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from convsim.evidence.overlap_figures import (
    depth_figure,
    generalization_figure,
    neighborhoods_picture,
)
from convsim.evidence.overlap_tables import generalization
from convsim.evidence.training_figures import STYLES
from convsim.figures import COLORS
from convsim.neighborhoods.neighbors import Neighbors
from tests.made_up import (
    OVERLAPS,
    save_neighborhoods,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_neighborhoods(tmp_path)
    return tmp_path


def test_depth_is_drawn_with_intervals_and_chance(folder: Path) -> None:
    figure = depth_figure(folder=folder)
    titles = [title.text for title in figure.layout.annotations]
    assert titles == ["trained, before", "trained, after", "untrained, before", "untrained, after"]
    assert len(figure.data) == 4 * 3  # two networks and the chance of the baseline
    panels = {}
    for line in figure.data:
        panels.setdefault(line.yaxis, {})[line.name] = line
    base = panels["y"]["baseline"]
    assert list(base.x) == [1, 2, 3, 4] and list(base.y) == list(OVERLAPS)
    assert list(base.error_y.array) == pytest.approx([0.03] * 4)
    assert list(base.error_y.arrayminus) == pytest.approx([0.02] * 4)
    assert base.error_y.type == "data"
    assert list(panels["y2"]["baseline"].y) == [0.2, 0.15, 0.1, 0.05]
    assert list(panels["y3"]["baseline"].y) == [0.8, 0.6, 0.4, 0.2]
    assert list(panels["y4"]["scale"].y) == pytest.approx([0.48, 0.36, 0.24, 0.12])
    for name, panel in panels.items():
        assert list(panel) == ["baseline", "by chance", "scale"]
        assert {line.showlegend for line in panel.values()} == {name == "y"}
        assert list(panel["by chance"].y) == [0.1] * 4 and panel["by chance"].mode == "lines"
        assert (panel["scale"].line.color, panel["scale"].line.dash) == STYLES["scale"]
    assert base.legendgroup == "baseline" and panels["y"]["by chance"].legendgroup == "chance"
    assert figure.layout.yaxis.title.text == "overlap" and figure.layout.yaxis2.title.text is None
    assert figure.layout.yaxis.rangemode == "tozero"
    assert (figure.layout.yaxis2.matches, figure.layout.yaxis4.matches) == ("y", "y3")
    assert len({axis for axis in figure.layout if axis.startswith("yaxis")}) == 4
    assert {title.font.size for title in figure.layout.annotations} == {12}
    assert figure.layout.height == 560
    by_chance = panels["y"]["by chance"].line
    assert (by_chance.color, by_chance.dash) == ("gray", "dot")
    assert figure.layout.xaxis3.title.text == "layer" and figure.layout.xaxis.title.text is None
    assert {figure.layout[axis].dtick for axis in ("xaxis", "xaxis4")} == {1}
    alt = figure.layout.meta["alt"]
    assert "Overlap by layer. baseline trained, before: 0.400, 0.300, 0.200, 0.100; " in alt
    assert "scale untrained, after: 0.480, 0.360, 0.240, 0.120." in alt


def test_every_network_is_a_point_under_each_target(folder: Path) -> None:
    figure = generalization_figure(folder=folder)
    assert len(figure.data) == 3 * 4
    first = figure.data[0]  # no dropout, no decay: networks 9, 10, 11, by seed 0, 1, 2
    assert list(first.x) == [0.2, 0.21, 0.19]
    assert list(first.y) == [30 + (7 * n) % 12 for n in (10, 11, 9)]
    assert list(figure.data[8].y) == [15, 16, 14]
    assert list(figure.data[4].y) == [30 + (7 * n) % 12 - 5 - n for n in (10, 11, 9)]
    assert [t.name for t in figure.data[:4]] == [
        *("dropout 0", "dropout 0 and decay", "dropout 0.3", "dropout 0.3 and decay"),
    ]
    assert [t.marker.symbol for t in figure.data[:4]] == ["circle", "diamond-open"] * 2
    assert [t.marker.color for t in figure.data[:4]] == [COLORS[0]] * 2 + [COLORS[1]] * 2
    assert [t.showlegend for t in figure.data] == [True] * 4 + [False] * 8
    assert len({t.legendgroup for t in figure.data}) == 4 and first.mode == "markers"
    assert [t.yaxis for t in figure.data[::4]] == ["y", "y2", "y3"]
    titles = [title.text for title in figure.layout.annotations]
    assert titles == ["test error", "generalisation gap", "training error"]
    assert figure.layout.xaxis3.title.text == "overlap after the non-linearity"
    assert figure.layout.yaxis2.title.text == "%"
    alt = figure.layout.meta["alt"]
    assert alt.startswith("12 networks, overlap in the last layer after the non-linearity ")
    for target in ("test_error", "gap", "train_error"):
        assert str(generalization(target, folder=folder)) in alt
    before = generalization_figure(side="before", folder=folder)
    assert list(before.data[0].x) == [0.4, 0.42, 0.38]
    assert "last layer before the non-linearity" in before.layout.meta["alt"]


def test_pictures_show_the_query_and_then_its_neighbours() -> None:
    weights = torch.tensor([[0.2, 0.0, 0.5, 0.3]], dtype=torch.float64)
    found = Neighbors(
        indices=torch.tensor([[4, 1, 0, 2]]),
        weights=weights,
        error=torch.zeros(1),
        defined=torch.ones(1, dtype=torch.bool),
        points=6,
    )
    pixels = torch.arange(6.0)[:, None, None].expand(6, 2, 2)
    few = Neighbors(found.indices, torch.tensor([[0.0, 0, 0.25, 0]]), *[torch.ones(1)] * 2, 6)
    picture = neighborhoods_picture(pixels, {"all": (3, found), "few": (5, few)}, columns=3)
    assert picture.get_size_inches() == pytest.approx([4 * 0.85, 2 * 1.15])
    drawn = picture.axes
    assert {axis.title.get_fontsize() for axis in drawn if axis.images} == {8}
    assert len(drawn) == 2 * 4
    assert [axis.get_title() for axis in drawn] == [
        *("all", "0.50", "0.30", "0.20", "few", "0.25", "", ""),
    ]
    shown = [float(np.asarray(axis.images[0].get_array()).max()) for axis in drawn if axis.images]
    assert shown == [3, 0, 2, 4, 5, 0]
    assert not any(axis.axison for axis in drawn)
    assert {axis.images[0].get_cmap().name for axis in drawn if axis.images} == {"gray"}
    assert len(neighborhoods_picture(pixels, {"all": (3, found)}).axes) == 9
    two = neighborhoods_picture(pixels, {"all": (3, found)}, columns=2).axes
    assert [axis.get_title() for axis in two] == ["all", "0.50", "0.30"]
    plt.close("all")
