"""What a page loads is no more than it needs, in the order in which a reader needs it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from PIL import Image
from plotly.offline import get_plotlyjs_version

from book import images
from book.offline import PLOTLY
from book.styles import ICON
from tests.test_book import CHAPTERS, HTML, Page, _built, chapters, read  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
STATIC = HTML / "_static"


@pytest.fixture(scope="module")
def styles() -> str:
    """Every style sheet of the built book."""
    return "".join(path.read_text() for path in STATIC.rglob("*.css"))


def test_the_pages_draw_with_the_plotly_that_wrote_the_figures() -> None:
    version = get_plotlyjs_version()
    assert f"plotly.js-cartesian-dist-min@{version} " in (ROOT / "Makefile").read_text()
    script = (STATIC / PLOTLY.name).read_text()
    assert f"v{version}" in script[:200]
    assert len(script) < 1.6e6  # the whole of Plotly has 4.8 MB
    assert not (STATIC / "plotly.min.js").exists()


def test_styles_keep_what_a_page_shows_and_lose_the_rest(styles: str) -> None:
    spec = find_spec("pydata_sphinx_theme")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "theme/pydata_sphinx_theme/static/styles"
    before = "".join(path.read_text() for path in folder.glob("*.css"))
    used = {
        name
        for path in CHAPTERS
        for _, attributes in read(path).elements
        for name in attributes.get("class", "").split()
    }
    # Names that are a selector by themselves.
    named = re.compile(r"[{},]\.([\w-]+)(?=[{,])")
    needed = used & set(named.findall(before))
    assert len(needed) > 20
    assert needed <= set(named.findall(styles))
    for rule in (":focus-visible{", "html[data-theme=dark]{", ".dropdown-menu.show{", ".tooltip{"):
        assert rule in styles and rule in before, rule
    left = sum(path.stat().st_size for path in (STATIC / "styles").glob("*.css"))
    assert left < 0.4 * len(before)


def test_icons_that_are_shown_are_in_the_fonts(styles: str) -> None:
    fonts = [TTFont(path) for path in STATIC.glob("vendor/**/*.ttf")]
    drawn = set().union(*(font.getBestCmap() or () for font in fonts))
    shown = {int(code, 16) for code in ICON.findall(styles)}
    # Private characters: these exist in no other font.
    icons = {code for code in shown if 0xE000 <= code <= 0xF8FF}
    assert icons and icons <= drawn
    assert {0xF019, 0xF303} <= icons  # to download, and the pencil of an exercise
    assert len(drawn) < 200  # of two thousand
    assert not list(STATIC.rglob("*.woff2"))


@chapters
def test_what_moves_comes_before_what_can_wait(path: Path) -> None:
    page = read(path)
    scripts = page.all("script")
    names = [re.sub(r".*/|\?.*", "", script["src"]) for script in scripts if "src" in script]
    waited_for = [
        re.sub(r".*/|\?.*", "", script["src"])
        for script in scripts
        if "src" in script and "defer" not in script and script.get("type") != "text/later"
    ]
    # A browser reads on only when these have come: two, of a few lines each. The theme for Python
    # 3.10 has two more, below the text.
    below = {"bootstrap.js", "pydata-sphinx-theme.js"}
    assert set(waited_for) - below == {"documentation_options.js", "from_disk.js"}
    assert [name for name in names if name not in waited_for][0] == "explorers.js"
    for script in scripts:
        if "/mathjax/" in script.get("src", ""):
            assert script["type"] == "text/later"  # until formulas.js takes it up
    assert not {"searchindex.js", "searchtools.js"} & set(names)
    preloaded = [link for link in page.all("link") if link.get("rel") == "preload"]
    assert preloaded == []


def test_the_explorers_are_a_small_script() -> None:
    from convsim.explorers.script import javascript

    size = (STATIC / "explorers.js").stat().st_size
    assert size < 0.7 * len(javascript())


@chapters
def test_pictures_keep_their_place_and_wait_for_the_reader(path: Path) -> None:
    for image in read(path).all("img"):
        if "_images/" not in image["src"]:
            continue
        width, height = images.size((path.parent / image["src"]).resolve())
        assert (image["width"], image["height"]) == (str(width), str(height))
        assert image["loading"] == "lazy" and width > 100 and height > 50


def test_the_shape_of_a_picture(tmp_path: Path) -> None:
    Image.new("L", (7, 5)).save(tmp_path / "a.png")
    assert images.size(tmp_path / "a.png") == (7, 5)
    (tmp_path / "a.svg").write_text('<svg width="9pt" viewBox="0 0 12.4 3.6">')
    assert images.size(tmp_path / "a.svg") == (12, 4)
    (tmp_path / "b.svg").write_text('<svg width="9pt" height="3pt">')
    with pytest.raises(ValueError, match="has no viewBox that begins at 0 0"):
        images.size(tmp_path / "b.svg")
