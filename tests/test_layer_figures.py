"""Whole layers under a descent, from made-up records: what is drawn and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from convsim.evidence import layer_figures
from convsim.experiments.descent import DESCENT, FLOOR, DescentSettings
from convsim.experiments.record import record_path
from convsim.figures import COLORS, SYMBOLS
from tests.made_up import LAYERS, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for times, settings in enumerate(DESCENT, start=1):
        layers = {
            name: {
                "norm": [4.0 * times + i, 2.0, 1.0 + i],
                "similarity": [1000.0 * (i + 1), 10.0, 0.12345678],
                "normalized": [0.9, 0.8, 0.7 / times],
                "kernel_cosine": [0.1, 0.1, 0.1],
                "product": [1.0, 1.01, 1.02 * times],
                "peak": [1.25, 2.5 * times, 4.0 + i],
                "strangers": [0.9, 0.8, 0.75 / times] if i else [],
            }
            for i, name in enumerate(LAYERS)
        }
        bands = {
            name: {"product": [1.0, 1.5], "peak": [2.0, 3.0 + i], "normalized": [0.3, 0.5]}
            for i, name in enumerate(LAYERS)
        }
        metrics = {"steps": [0, 10, 20], "layers": layers, "bands": bands}
        save(tmp_path, "descent", settings, metrics)
    # A narrower network is no CNN1.
    save(tmp_path, "descent", DescentSettings(width=4), {"steps": [0], "layers": {}})
    for settings in FLOOR:
        rows = [
            {"kernels": s, "start": 9.0, "lowest": lowest, "white": 10.0, "bound": 0.0}
            for s, lowest in ((2, 6.0), (9, 7.5), (33, 10.5 - settings.channels / 128))
        ]
        save(tmp_path, "floor", settings, {"rows": rows})
    return tmp_path


def test_both_descents_are_drawn_layer_by_layer(folder: Path) -> None:
    figure = layer_figures.layers_figure(folder=folder)
    assert len(figure.data) == 2 * 4 * 3
    of_second = [line for line in figure.data if line.name == "layer 2, Algorithm 1"]
    assert [list(line.y) for line in of_second] == [
        [5.0, 2.0, 2.0],
        [2000.0, 10.0, 0.12346],
        [0.9, 0.8, 0.7],
    ]
    assert [line.yaxis for line in of_second] == ["y", "y2", "y3"]
    assert [line.showlegend for line in of_second] == [True, False, False]
    assert all(tuple(line.x) == (0, 10, 20) for line in figure.data)
    free = [line for line in figure.data if line.name == "layer 2, scale-free"]
    assert list(free[2].y) == [0.9, 0.8, 0.35] and free[0].y[0] == 9.0
    assert {line.line.dash for line in free} == {"dot"}
    assert {line.line.dash for line in of_second} == {"solid"}
    assert {line.line.color for line in of_second + free} == {COLORS[1]}
    assert {line.legendgroup for line in of_second} == {"layer 2, Algorithm 1"}
    axes = (figure.layout.yaxis, figure.layout.yaxis2, figure.layout.yaxis3)
    assert [axis.type for axis in axes] == ["log", "log", None]
    assert axes[2].range == (0, 1.05) and axes[0].range is axes[1].range is None
    assert [axis.exponentformat for axis in axes] == ["power", "power", None]
    assert figure.layout.height == 640
    assert [title.text for title in figure.layout.annotations] == [
        *("weight norm", "L_CS", "normalised similarity"),
    ]


def test_the_ends_of_the_descents_are_said(folder: Path) -> None:
    alt = layer_figures.layers_figure(folder=folder).layout.meta["alt"]
    assert "four layers over 20 steps. layer 1, Algorithm 1: weight norm 4 to 1, " in alt
    assert "layer 2, Algorithm 1: weight norm 5 to 2, L_CS 2e+03 to 0.123, " in alt
    assert alt.endswith(
        "layer 4, scale-free: weight norm 11 to 4, L_CS 4e+03 to 0.123, "
        "normalised similarity 0.9 to 0.35."
    )


def test_the_parts_of_the_ratio_are_drawn_beside_their_limits(folder: Path) -> None:
    figure = layer_figures.parts_figure(folder=folder)
    lines = {(line.name, line.yaxis): line for line in figure.data}
    assert len(lines) == len(figure.data) == 4 * 3 + 1
    shown = {key: list(line.y) for key, line in lines.items()}
    assert shown["Algorithm 1", "y"] == [1.0, 1.01, 1.02]
    assert shown["Algorithm 1", "y2"] == [1.25, 2.5, 5.0]
    assert shown["scale-free", "y"] == [1.0, 1.01, 2.04]
    assert shown["scale-free", "y2"] == [1.25, 5.0, 5.0]
    assert shown["scale-free", "y3"] == [0.9, 0.8, 0.35]
    assert shown["scale-free, with other layers", "y3"] == [0.9, 0.8, 0.375]
    assert shown["random bands, mean of 2 draws", "y"] == [1.25] * 3
    assert shown["random bands, mean of 2 draws", "y2"] == [3.0] * 3
    assert shown["random bands, mean of 2 draws", "y3"] == [0.4] * 3
    # 64 kernels of 3 × 3 taps: κ = 225 / 49, (64 - κ) / 63 and its κ-th part.
    assert shown["proven limit", "y"] == [0.94299] * 3
    assert shown["proven limit", "y2"] == [4.5918] * 3
    assert shown["proven limit", "y3"] == [0.20536] * 3
    assert all(tuple(line.x) == (0, 10, 20) for line in figure.data)
    assert [line.name for line in figure.data if line.showlegend] == [
        *("Algorithm 1", "scale-free", "scale-free, with other layers"),
        *("random bands, mean of 2 draws", "proven limit"),
    ]
    styles = [(line.line.color, line.line.dash) for line in figure.data if line.showlegend]
    assert styles == [
        *((COLORS[0], "solid"), (COLORS[1], "solid"), (COLORS[1], "dot")),
        *((COLORS[2], "dash"), ("gray", "dash")),
    ]
    assert all(line.legendgroup == line.name for line in figure.data)
    assert figure.layout.yaxis.rangemode == figure.layout.yaxis3.rangemode == "tozero"
    assert figure.layout.height == 640
    assert [title.text for title in figure.layout.annotations] == [
        *("numerator: ⟨A_i, A_j⟩", "denominator: ‖A_i‖²", "normalised similarity"),
    ]
    alt = figure.layout.meta["alt"]
    assert alt.startswith("Numerator, denominator and normalised similarity of layer 2, at norms ")
    assert "scale-free, with other layers: normalised similarity 0.9 to 0.375; random" in alt
    assert alt.endswith("‖A_i‖² 4.59 to 4.59, normalised similarity 0.205 to 0.205.")
    third = layer_figures.parts_figure(3, folder=folder)
    assert (
        list(third.data[1].y) == [1.25, 2.5, 6.0] and "of layer 3, at" in third.layout.meta["alt"]
    )


def test_falls_are_per_cent_of_the_white_value(folder: Path) -> None:
    figure = layer_figures.floor_figure(folder=folder)
    *measured, limit = figure.data
    assert [line.name for line in measured] == [f"measured, C = {c}" for c in (1, 4, 64)]
    assert list(measured[0].x) == list(limit.x) == [2, 9, 33]
    assert list(measured[0].y) == [40.0, 25.0, 0.001]  # what does not fall has no logarithm
    assert list(measured[2].y) == [40.0, 25.0, 0.001]
    # 3 × 3 taps: at most (225 / 49 - 1) / (S - 1) of the white value, and no more than all of it.
    assert list(limit.y) == [100.0, 44.898, 11.224]
    assert [line.marker.symbol for line in measured] == list(SYMBOLS[:3])
    assert [line.line.color for line in measured] == list(COLORS[:3])
    assert limit.name == "no descent can do more" and limit.mode == "lines"
    assert (limit.line.color, limit.line.dash) == ("gray", "dash")
    assert {line.mode for line in measured} == {"lines+markers"}
    assert figure.layout.xaxis.title.text == "kernels S"
    assert figure.layout.yaxis.title.text == "L_CS below the white value, %"
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    alt = figure.layout.meta["alt"]
    assert "C = 4: 40 % for S = 2, 0.001 % for the widest; " in alt
    assert alt.endswith("for the widest, all below the proven limit.")


def test_what_falls_below_the_limit_is_not_said_to_lie_above_it(folder: Path) -> None:
    rows = [{"kernels": 33, "start": 9.0, "lowest": 8.8, "white": 10.0, "bound": 0.0}]
    save(folder, "floor", FLOOR[1], {"rows": rows})  # 12 %, where 11.2 % are possible
    alt = layer_figures.floor_figure(folder=folder).layout.meta["alt"]
    assert "C = 4: 12 % for S = 33" in alt and "below the proven limit" not in alt


@pytest.mark.parametrize(
    ("show", "settings", "experiment"),
    [
        (layer_figures.layers_figure, DESCENT[1], "descent"),
        (layer_figures.parts_figure, DESCENT[0], "descent"),
        (layer_figures.floor_figure, FLOOR[1], "floor"),
    ],
)
def test_what_is_missing_is_named(show, settings, experiment: str, folder: Path) -> None:
    path = record_path(experiment, settings, folder)
    path.unlink()
    with pytest.raises(ValueError, match=rf"^{path.name} of {experiment} are not in .*descent`$"):
        show(folder=folder)


def test_the_books_falls_stay_below_the_limit() -> None:
    *measured, limit = layer_figures.floor_figure().data
    for trace in measured:
        assert all(fall <= most + 1e-9 for fall, most in zip(trace.y, limit.y, strict=True))


def test_the_books_descents_are_drawn() -> None:
    figure = layer_figures.layers_figure()
    assert len(figure.data) == 2 * 4 * 3
    assert "layer 2, scale-free" in figure.layout.meta["alt"]
