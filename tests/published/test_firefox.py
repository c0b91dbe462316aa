"""The built book in a second browser: explorers drawn, pages quiet, a slider that moves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convsim.explorers import SimilarityExplorer
from convsim.explorers.script import EXPLORERS
from tests.browser.explorer_pages import write_page
from tests.published.firefox import Firefox, open_firefox

HTML = Path(__file__).resolve().parents[2] / "_build/html"
PAGES = sorted(path.name for path in HTML.glob("chapters/*.html"))
READOUTS = """Object.fromEntries([...document.querySelectorAll(".convsim-view [data-readout]")]
  .map((e) => [e.dataset.readout, e.dataset.value === "null" ? null : Number(e.dataset.value)]))"""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    try:
        with open_firefox(tmp_path_factory.mktemp("firefox")) as opened:
            yield opened
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def test_there_are_pages_to_open() -> None:
    assert len(PAGES) > 15, "the book is not built: make book"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_whole_and_in_silence(firefox: Firefox, name: str) -> None:
    firefox.errors.clear()
    firefox.open((HTML / "chapters" / name).as_uri(), 360, 740)
    firefox.value("window.MathJax?.startup?.promise.then(() => 0) ?? 0")
    assert firefox.value("document.querySelectorAll('.convsim-fallback').length") == 0
    assert firefox.value("document.querySelectorAll('mjx-merror').length") == 0
    assert firefox.value("document.documentElement.scrollWidth") <= 360
    drawn = """new Promise((resolve) => {
      const figure = document.querySelector(".convsim-plotly");
      figure?.scrollIntoView();
      const look = () => (!figure || figure.dataset.drawn ? resolve(true) : setTimeout(look, 50));
      look();
    })"""
    assert firefox.value(drawn)
    assert firefox.errors == []


@pytest.mark.parametrize("kind", EXPLORERS)
def test_an_explorer_shows_pythons_numbers(firefox: Firefox, tmp_path: Path, kind: str) -> None:
    explorer = EXPLORERS[kind]()
    firefox.open(write_page(tmp_path, explorer), 360, 740)
    shown: dict[str, Any] = firefox.value(READOUTS)
    expected = explorer.readouts()
    # a cell of a table is named after its row, which is no readout
    compared = shown.keys() & expected.keys()
    assert compared
    for name in compared:
        wanted = (
            None if expected[name] is None else pytest.approx(expected[name], rel=1e-9, abs=1e-9)
        )
        assert shown[name] == wanted, name
    assert firefox.value("document.documentElement.scrollWidth") <= 360


def test_a_dragged_slider_moves_the_numbers(firefox: Firefox, tmp_path: Path) -> None:
    explorer = SimilarityExplorer()
    firefox.open(write_page(tmp_path, explorer), 1280, 900)
    box = firefox.value(
        "(({ x, y, width, height }) => ({ x, y, width, height }))"
        "(document.querySelector('.convsim-slider').getBoundingClientRect())"
    )
    x, thumb = box["x"] + box["width"] / 2, 14
    at = (explorer.kernel_1[0] + 1.5) / 3
    y = box["y"] + box["height"] - thumb / 2 - at * (box["height"] - thumb)
    firefox.drag((x, y), (x, box["y"] + 10))
    tap = float(firefox.value("document.querySelector('.convsim-slider').value"))
    assert tap > 1.2
    explorer.kernel_1 = [tap, *explorer.kernel_1[1:]]
    shown = firefox.value(READOUTS)
    for name in ("kernel_cosine", "feature_map_similarity"):
        assert shown[name] == pytest.approx(explorer.readouts()[name], abs=1e-9)
