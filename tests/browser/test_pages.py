"""Every built page in a browser that reaches nothing but this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from book.browser import served

HTML = Path(__file__).resolve().parents[2] / "_build/html"
PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in [*HTML.glob("chapters/*.html"), HTML / "search.html", HTML / "genindex.html"]
    if path.exists()
)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}

# Where a page comes from, its colours and its width change together: every page is seen in every
# state of each, without every combination of the three.
VISITS = [("http", "light", WIDE), ("file", "dark", NARROW)]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    if not PAGES:
        if os.environ.get("CI") == "true":
            pytest.fail("the book is not built: make book")
        pytest.skip("the book is not built: make book")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The built book on a free port of this machine."""
    with served(HTML) as site:
        yield site


def address(origin: str, name: str, server: str) -> str:
    return f"{server}/{name}" if origin == "http" else (HTML / name).as_uri()


def show(page: Page, url: str, colours: str, viewport: dict[str, int]) -> None:
    """Open ``url`` and wait until its maths is typeset."""
    page.set_default_timeout(10_000)
    page.set_viewport_size(viewport)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
    page.goto(url)
    page.evaluate("window.MathJax?.startup?.promise")
    assert page.evaluate("document.documentElement.dataset.theme") == colours


def check_quiet(page: Page) -> None:
    assert page.errors == []  # type: ignore[attr-defined]
    assert page.outside_requests == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("origin", "colours", "viewport"), VISITS, ids=lambda v: v if isinstance(v, str) else v["width"]
)
def test_page(
    page: Page, server: str, name: str, origin: str, colours: str, viewport: dict[str, int]
) -> None:
    show(page, address(origin, name, server), colours, viewport)

    maths = page.locator(".bd-article .math")
    typeset = page.locator(".bd-article mjx-container")
    assert typeset.count() >= maths.count()
    # An unknown macro is no error to MathJax: it prints its name in red.
    wrong = "mjx-merror, [data-mjx-error], mjx-mtext[style*='color: red']"
    assert page.locator(wrong).count() == 0
    if maths.count():
        assert typeset.first.bounding_box()["height"] > 5  # type: ignore[index]
    article = page.locator("#main-content").inner_text()
    assert "$$" not in article
    assert "\\begin{" not in re.sub(r"(?s)```.*?```", "", article)

    for explorer in page.locator(".convsim-explorer").all():
        assert explorer.locator("input, button, select").count() > 0, "an explorer is empty"

    # Folded solutions may hold figures too.
    folded = page.locator("button.toggle-button[aria-expanded=false]")
    for _ in range(folded.count()):
        folded.first.press("Enter")
    assert page.locator(".toggle-hidden").count() == 0
    for figure in page.locator(".convsim-plotly").all():
        figure.scroll_into_view_if_needed()
        figure.locator("svg.main-svg").first.wait_for(timeout=15_000)
        box, column = figure.bounding_box(), page.locator("#main-content").bounding_box()
        assert box is not None
        assert column is not None
        assert box["x"] + box["width"] <= column["x"] + column["width"] + 1

    for image in page.locator(".bd-article img").all():
        image.scroll_into_view_if_needed()
        image.evaluate("image => image.decode()")  # or it raises
        assert image.evaluate("image => image.naturalWidth > 0")

    cut_off = page.evaluate(
        """() => [...document.querySelectorAll(".bd-article span.math mjx-container")]
            .filter((e) => e.getClientRects().length && !e.closest("table"))
            .filter((e) => e.getBoundingClientRect().right > window.innerWidth)
            .map((e) => e.textContent)"""
    )
    assert cut_off == [], "formulas leave the page"
    overhang = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overhang <= 0, f"the page scrolls sideways by {overhang} px"
    check_quiet(page)


@pytest.mark.parametrize("origin", ["http", "file"])
def test_search_finds_something(page: Page, server: str, origin: str) -> None:
    page.goto(address(origin, "search.html", server))
    field = page.locator("#main-content input[type=search]")
    field.fill("kernel")
    field.press("Enter")
    page.locator("#search-results li a").first.wait_for()
    page.locator("#search-results li a").first.click()
    page.locator(".bd-article h1").first.wait_for()
    assert "/chapters/" in page.url
    check_quiet(page)


def test_the_search_dialog_opens_and_closes_from_the_keyboard(page: Page, server: str) -> None:
    page.goto(address("http", PAGES[0], server))
    visible = page.locator("input[type=search]:visible")
    assert visible.count() == 0
    page.keyboard.press("Control+k")
    visible.wait_for()
    page.keyboard.press("Escape")
    visible.wait_for(state="hidden")
    check_quiet(page)


def test_the_first_tab_skips_the_navigation(page: Page, server: str) -> None:
    page.goto(address("http", PAGES[0], server))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    page.wait_for_url("**#main-content")


def test_figures_follow_the_theme(page: Page, server: str) -> None:
    with_figures = [n for n in PAGES if "convsim-plotly" in (HTML / n).read_text()]
    assert with_figures, "no chapter has a Plotly figure"
    show(page, address("file", with_figures[0], server), "light", WIDE)
    title = page.locator(".convsim-plotly text:visible").first
    page.locator(".convsim-plotly").first.scroll_into_view_if_needed()
    title.wait_for()
    light = title.evaluate("text => getComputedStyle(text).fill")
    page.emulate_media(color_scheme="dark")
    page.locator(".convsim-plotly[data-drawn=dark]").first.wait_for()
    assert title.evaluate("text => getComputedStyle(text).fill") != light
    check_quiet(page)


def test_what_the_reader_made_of_a_figure_outlives_the_theme(page: Page, server: str) -> None:
    show(page, address("file", "chapters/training.html", server), "light", WIDE)
    figure = page.locator(".convsim-plotly").first
    figure.scroll_into_view_if_needed()
    page.locator(".convsim-plotly[data-drawn=light]").first.wait_for()
    state = """div => [
      div._fullData.map((trace) => trace.visible),
      div._fullLayout.xaxis.range.map((x) => x.toFixed(6)),
    ]"""
    before = figure.evaluate(state)
    box = figure.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 0.4 * box["width"], y + 0.6 * box["height"], steps=5)
    page.mouse.up()
    figure.locator(".legendtoggle").first.click()
    hidden = "document.querySelector('.convsim-plotly')._fullData[0].visible === 'legendonly'"
    page.wait_for_function(hidden)
    chosen = figure.evaluate(state)
    assert chosen[1] != before[1], "the drag did not zoom"
    page.emulate_media(color_scheme="dark")
    page.locator(".convsim-plotly[data-drawn=dark]").first.wait_for()
    assert figure.evaluate(state) == chosen
    check_quiet(page)


def test_a_page_without_figures_does_not_load_plotly(browser: Browser, server: str) -> None:
    name = next(n for n in PAGES if "convsim-plotly" not in (HTML / n).read_text())
    page = browser.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(address("http", name, server))
    page.wait_for_load_state("networkidle")
    assert any("plotly_figures.js" in url for url in requested)
    assert not any("plotly-" in url for url in requested)
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_on_a_telephone_the_effect_stays_in_view_under_the_header(page: Page, name: str) -> None:
    show(page, (HTML / name).as_uri(), "light", NARROW)
    found = page.locator(".convsim-effect").evaluate_all(
        """(all) => all.map((effect) => {
          const clips = [];
          for (let e = effect.parentElement; e; e = e.parentElement) {
            if (e !== document.body && e !== document.documentElement &&
                /auto|scroll|hidden/.test(getComputedStyle(e).overflow)) clips.push(e.className);
          }
          const { position, top } = getComputedStyle(effect);
          return [position, top, clips];
        })"""
    )
    explorers = page.locator(".convsim-view:not(.convsim-prediction)")
    assert len(found) == explorers.count()
    if found:
        header = page.locator(".bd-header-article").bounding_box()
        assert header is not None
        assert found == [["sticky", f"{header['height']:g}px", []]] * len(found)
