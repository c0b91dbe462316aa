"""Tables and figures: they show the records' numbers, and say so when a record is missing."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

from book import pictures
from convsim import figures


def test_lines_round_and_name() -> None:
    figure = figures.lines(
        {"a": ([1, 10], torch.tensor([1 / 3, 2.0], dtype=torch.float64))},
        x_title="x",
        y_title="y",
        alt="two points",
        log="x",
    )
    assert list(figure.data[0].y) == [0.33333, 2.0]
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "linear")
    assert figure.layout.meta["alt"] == "two points"


def test_pictures_are_drawn() -> None:
    stems = figures.stems({"a": torch.ones(3), "b": torch.zeros(4)}, columns=2)
    assert [axis.get_title(loc="left") for axis in stems.axes] == ["a", "b"]
    image = figures.images({"f": torch.tensor([[-2.0, 1.0]])}, signed=True).axes[0].images[0]
    assert image.get_clim() == (-2.0, 2.0)
    cover = figures.orthogonal_yet_similar()
    assert cover.axes[0].get_title(loc="left") == "⟨K₁, K₂⟩ = 0"
    assert cover.axes[2].get_title(loc="left") == "cos(F₁, F₂) = 0.96"
    plt.close("all")


def svg_parts(path: Path) -> tuple[list[str], list[str], list[float]]:
    """The words of a picture, its elements, and the coordinates of what is drawn in its axes."""
    elements = list(ElementTree.parse(path).iter())
    curves = [e.get("d", "") for e in elements if "clip-path" in e.attrib]
    numbers = [float(number) for d in curves for number in re.findall(r"-?\d+\.?\d*", d)]
    texts = re.findall(r"<!-- (.*?) -->", path.read_text())
    return texts, [element.tag for element in elements], numbers


def test_the_pictures_are_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = pictures.IMAGES
    monkeypatch.setattr(pictures, "IMAGES", tmp_path)
    pictures.main()
    texts, tags, places = zip(
        *(svg_parts(folder / "orthogonal-yet-similar.svg") for folder in (tmp_path, stored)),
        strict=True,
    )
    assert texts[0] == texts[1]
    assert "cos(F₁, F₂) = 0.96" in texts[0]
    assert tags[0] == tags[1]
    # Versions of Matplotlib leave more or less room for words.
    assert places[0] == pytest.approx(places[1], abs=4)
    covers = [Image.open(f / "cover.png").convert("RGB") for f in (tmp_path, stored)]
    assert covers[0].size == (1200, 630)  # as link previews want it
    curves, title = (0, 165, 1200, 630), (0, 0, 1200, 165)
    assert difference(covers, curves).mean() < 1
    # Letters are a little wider or narrower in other versions of Matplotlib.
    assert difference([cover.reduce(30) for cover in covers], (0, 0, 40, 5)).max() < 60
    assert np.ptp(np.asarray(covers[0].crop(title))) > 200


def difference(pair: list[Image.Image], box: tuple[int, int, int, int]) -> np.ndarray:
    one, other = (np.asarray(picture.crop(box), dtype=int) for picture in pair)
    return np.abs(one - other)


def test_the_cover_shows_one_feature_map_twenty_times() -> None:
    curves = [np.asarray(line.get_ydata(), float) for line in figures.cover().axes[0].lines[::-1]]
    assert len(curves) == 20
    for n in (1, 7, 19):  # kernel n sees what kernel 0 sees, three values later
        assert np.ptp(curves[n][: -3 * n] - curves[0][3 * n :]) < 1e-9
    plt.close("all")


def test_collapse_counts_what_the_formula_counts() -> None:
    left, right = figures.collapse(kernels=4, channels=3).axes
    assert left.get_title() == f"{4 * 3 // 2 * 3**2} correlations Kᵢ[c₁] ⋆ Kⱼ[c₂]"
    assert right.get_title().startswith("12 of the form")
    plt.close("all")


def test_spectra_are_drawn_on_one_scale_with_zero_frequency_in_the_middle() -> None:
    generator = torch.Generator().manual_seed(0)
    layers = {"flat": torch.zeros(4, 2, 3, 3), "low": torch.ones(4, 2, 3, 3)}
    layers["flat"][:, :, 1, 1] = torch.randn(4, 2, generator=generator)
    drawn = figures.spectra(layers, count=2).axes
    pictures = [np.asarray(axis.images[0].get_array()) for axis in drawn]
    assert [axis.get_title() for axis in drawn[:3]] == ["K1", "K2", "mean"]
    assert [drawn[0].get_ylabel(), drawn[3].get_ylabel()] == ["flat", "low"]
    weight = layers["flat"].numpy()
    expected = np.mean([(weight[i, :, 1, 1] ** 2).sum() for i in range(4)])
    np.testing.assert_allclose(pictures[2], expected, rtol=1e-5)
    # Eighteen ones at zero frequency: two channels of 9², in the middle.
    assert pictures[3][16, 16] == pytest.approx(2 * 81) and pictures[3].argmax() == 16 * 33 + 16
    assert len({axis.images[0].get_clim() for axis in drawn}) == 1
    plt.close("all")
