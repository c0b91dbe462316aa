"""Nothing traps a finger: a swipe moves the page and no number, a thumb moves its number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from convsim.explorers import SimilarityExplorer
from convsim.explorers.script import EXPLORERS
from tests.browser.explorer_pages import assert_quiet, shown_kernels, write_page
from tests.browser.test_every_explorer import SHARED
from tests.browser.touch import SIZE, SWIPE, settled, swipe, telephone

FIGURES = Path(__file__).resolve().parents[2] / "_build/html/chapters/training.html"
LEAST = 120  # of 150 pixels
TALL = "<style>body { padding: 700px 0 1500px; }</style>"  # room to scroll both ways
AT = SIZE["height"] * 0.7  # where on the screen a swipe begins

# Whether a finger at a point of the screen, which is no point, touches what it may take hold of.
HANDLE = """([x, y]) => [-12, 0, 12].some((across) => [-12, 0, 12].some((down) => document
  .elementFromPoint(x + across, y + down)
  ?.closest(".convsim-slider, .convsim-grab, .convsim-window")))"""


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context, page = telephone(browser)
    yield page
    context.close()


def scroll_to(page: Page, y: float) -> float:
    """Scroll, and return where the page is once it has been drawn there."""
    page.evaluate("(y) => scrollTo(0, y)", y)
    return settled(page)


@pytest.mark.parametrize("kind", SHARED)
def test_a_swipe_over_an_explorer_moves_the_page_and_no_number(
    phone: Page, tmp_path: Path, kind: str
) -> None:
    phone.goto(write_page(tmp_path, (SHARED[kind].held or EXPLORERS[kind])(), head=TALL))
    link = phone.locator(".convsim-link").first
    state, box = link.input_value(), phone.locator(".convsim-view").bounding_box()
    assert box is not None
    sliders = phone.locator(".convsim-slider, .convsim-range").all()
    places = [(x, box["y"] + y) for x in (60, 250) for y in range(10, int(box["height"]), 240)]
    for slider in sliders[:: max(1, len(sliders) // 4)]:
        at = slider.bounding_box()
        assert at is not None
        places += [(at["x"] + at["width"] * part, at["y"] + at["height"] * part)
                   for part in (0.1, 0.5, 0.9)]  # fmt: skip
    tried = 0
    for x, y in places:
        on_screen = y - scroll_to(phone, y - AT)
        if phone.evaluate(HANDLE, [x, on_screen]):
            continue
        tried += 1
        assert swipe(phone, x, on_screen) >= LEAST, (x, y)
        assert link.input_value() == state, (x, y)
    assert tried > 6
    assert_quiet(phone)


def test_a_finger_on_a_thumb_moves_the_tap_and_not_the_page(phone: Page, tmp_path: Path) -> None:
    phone.goto(write_page(tmp_path, SimilarityExplorer(), head=TALL))
    before = shown_kernels(phone)["kernel_1"]
    phone.locator(".convsim-slider").first.scroll_into_view_if_needed()
    x, y = phone.locator(".convsim-slider").first.evaluate(
        """(s) => {
          const box = s.getBoundingClientRect(), thumb = 24;
          const at = (s.value - s.min) / (s.max - s.min);
          return [box.x + box.width / 2, box.bottom - thumb / 2 - at * (box.height - thumb)];
        }"""
    )
    assert abs(swipe(phone, x, y, -30)) < 1
    after = shown_kernels(phone)["kernel_1"]
    assert after[0] > before[0] + 0.3 and after[1:] == before[1:]
    assert_quiet(phone)


def test_a_finger_moves_a_slider_sideways_and_gives_it_back_to_the_page(
    phone: Page, tmp_path: Path
) -> None:
    phone.goto(write_page(tmp_path, SimilarityExplorer(), head=TALL))
    taps = phone.get_by_label("Taps", exact=True)
    taps.scroll_into_view_if_needed()
    x, y = taps.evaluate(
        """(s) => {
          const box = s.getBoundingClientRect(), at = (s.value - s.min) / (s.max - s.min);
          return [box.x + 8 + at * (box.width - 16), box.y + box.height / 2];
        }"""
    )
    before = shown_kernels(phone)["kernel_1"]
    assert swipe(phone, x, y) >= LEAST
    assert shown_kernels(phone)["kernel_1"] == before  # not cut and grown again
    taps.scroll_into_view_if_needed()
    y = taps.evaluate("(s) => s.getBoundingClientRect().y + s.clientHeight / 2")
    assert abs(swipe(phone, x, y, 0, across=50)) < 1
    after = shown_kernels(phone)["kernel_1"]
    assert len(after) > len(before) and after[: len(before)] == before
    taps.focus()
    phone.keyboard.press("ArrowLeft")
    assert len(shown_kernels(phone)["kernel_1"]) == len(after) - 1
    assert_quiet(phone)


@pytest.fixture
def figure(phone: Page) -> Page:
    """A page of the built book, at its first Plotly figure."""
    if not FIGURES.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("the book is not built: make book")
        pytest.skip("the book is not built: make book")
    phone.goto(FIGURES.as_uri())
    phone.locator(".convsim-plotly").first.scroll_into_view_if_needed()
    phone.locator(".convsim-plotly[data-drawn]").first.wait_for()
    return phone


def test_a_swipe_over_a_figure_moves_the_page_and_hides_no_curve(figure: Page) -> None:
    plot = figure.locator(".convsim-plotly").first
    shown = (
        "(d) => [d.data.map((t) => t.visible ?? true), d.layout.xaxis.range, d.layout.yaxis.range]"
    )
    before = plot.evaluate(shown)
    expect(plot.locator(".modebar-container .modebar-btn")).to_have_count(0)
    for part in (0.03, 0.2, 0.5, 0.8):
        scroll_to(figure, 0)
        box = plot.bounding_box()
        assert box is not None
        scroll_to(figure, box["y"] + part * box["height"] - AT)
        assert swipe(figure, box["x"] + box["width"] / 2, AT) >= LEAST
    assert plot.evaluate(shown) == before
    assert_quiet(figure)


def test_a_button_opens_a_figure_over_the_screen(figure: Page) -> None:
    button = figure.get_by_role("button", name="Enlarge the figure").first
    button.tap()
    dialog = figure.get_by_role("dialog", name="Enlarged figure")
    large = dialog.locator(".convsim-enlarged-plot")
    large.locator("svg.main-svg").first.wait_for()
    box = large.bounding_box()
    assert box is not None and box["height"] > 0.8 * SIZE["height"] and box["width"] > 330
    assert large.evaluate("(d) => d._fullLayout.dragmode") == "zoom"
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    figure.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    assert_quiet(figure)


def test_with_a_mouse_figures_are_explored_in_place(page: Page) -> None:
    if not FIGURES.exists():
        pytest.skip("the book is not built: make book")
    page.goto(FIGURES.as_uri())
    page.locator(".convsim-plotly").first.scroll_into_view_if_needed()
    plot = page.locator(".convsim-plotly[data-drawn]").first
    plot.wait_for()
    assert plot.evaluate("(d) => d._fullLayout.dragmode") == "zoom"
    expect(page.locator(".convsim-enlarge").first).to_be_hidden()
    assert SWIPE > LEAST
