"""A page that a reader prints: light, whole, every figure drawn, and solutions only when wanted."""

from __future__ import annotations

import io
import json
import re

import pytest
from bs4 import BeautifulSoup
from PIL import Image, ImageStat
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from tests.browser.conftest import watch
from tests.browser.test_pages import HTML, NARROW, PAGES, WIDE, _built, check_quiet  # noqa: F401

FIGURES = "chapters/training.html"
EXERCISES = "chapters/the-identity.html"
MARGIN = "10mm"
PAPER = {"width": 718, "height": 1047}  # A4 less its margins, in pixels


def show(page: Page, name: str) -> None:
    """Open a page, and go on when Plotly is there; the page stays where it begins."""
    page.goto((HTML / name).as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    if page.locator(".convsim-plotly").count():
        page.wait_for_function("window.Plotly")


def printed(page: Page) -> str:
    """Print as browsers do unless told otherwise, without backgrounds, and return the text."""
    margin = dict.fromkeys(("top", "right", "bottom", "left"), MARGIN)
    pdf = page.pdf(format="A4", margin=margin)  # type: ignore[arg-type]
    text = "\n".join(each.extract_text() for each in PdfReader(io.BytesIO(pdf)).pages)
    return re.sub(r"\s+", "", text)


def on_paper(page: Page) -> None:
    """Leave the page as the browser has it while it prints: told first, and then laid out."""
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda size: str(size["width"]))
def test_figures_that_were_never_seen_are_printed(browser: Browser, size: dict[str, int]) -> None:
    page = browser.new_page(viewport=size, color_scheme="dark")  # type: ignore[arg-type]
    watch(page)
    show(page, FIGURES)
    figures = page.locator(".convsim-plotly")
    drawn = page.locator(".convsim-plotly[data-drawn]")
    assert drawn.count() < figures.count(), "every figure was near the view already"
    text = printed(page)
    soup = BeautifulSoup((HTML / FIGURES).read_text(), "html.parser")
    layouts = [json.loads(data.text)["layout"] for data in soup.select(".convsim-plotly + script")]
    titles = [
        axis["title"]["text"]
        for layout in layouts
        for key, axis in layout.items()
        if key.startswith("xaxis") and "text" in axis.get("title", {})
    ]
    assert len(titles) >= len(layouts) > 1
    for title in titles:
        assert re.sub(r"\s+|<br>", "", title) in text
    assert drawn.count() == figures.count()
    # On the screen all is as it was.
    figures.first.locator("xpath=self::*[@data-drawn='dark']").wait_for(state="attached")
    assert page.evaluate("({ ...document.documentElement.dataset }).theme") == "dark"
    assert page.evaluate("document.documentElement.dataset.paper") is None
    check_quiet(page)
    page.close()


def test_a_figure_for_which_there_is_no_time_is_described(page: Page) -> None:
    page.route("**/plotly-*.js", lambda route: None)  # it never comes
    page.goto((HTML / FIGURES).as_uri())
    name = page.locator(".convsim-plotly").last.get_attribute("aria-label")
    assert name is not None and re.sub(r"\s+", "", name) in printed(page)


@pytest.mark.parametrize("name", [FIGURES, "chapters/introduction.html"])
def test_paper_is_light_whatever_the_screen_is(browser: Browser, name: str) -> None:
    page = browser.new_page(viewport=WIDE, color_scheme="dark")  # type: ignore[arg-type]
    show(page, name)
    dark = ImageStat.Stat(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    assert dark.median[0] < 60
    on_paper(page)
    page.wait_for_timeout(200)
    light = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
    assert ImageStat.Stat(light).median[0] > 250
    assert light.getpixel((PAPER["width"] - 3, light.height - 3)) == 255
    # Bars and legends are backgrounds, which browsers leave out unless asked.
    adjusted = page.locator(".bd-article p").first.evaluate(
        "p => getComputedStyle(p).getPropertyValue('print-color-adjust')"
    )
    assert adjusted == "exact"
    texts = page.locator(".convsim-plotly[data-drawn] text").all()
    for text in texts[:5]:
        fill = text.evaluate("text => getComputedStyle(text).fill")
        assert max(map(int, re.findall(r"\d+", fill)[:3])) < 120, fill
    assert bool(texts) == (name == FIGURES)
    page.close()


@pytest.mark.parametrize("name", [n for n in PAGES if n.startswith("chapters/")])
def test_nothing_is_wider_than_the_paper(page: Page, name: str) -> None:
    show(page, name)
    on_paper(page)
    out = page.evaluate(
        """(width) => {
          const out = new Set();
          for (const e of document.querySelectorAll(".bd-article :not(svg, svg *)")) {
            const box = e.getBoundingClientRect();
            const seen = getComputedStyle(e).visibility !== "hidden";
            if (seen && box.width && (box.left < -1 || box.right > width + 1)) out.add(e);
          }
          return [...out].filter((e) => !out.has(e.parentElement))
            .map((e) => e.outerHTML.slice(0, 120));
        }""",
        PAPER["width"],
    )
    assert out == []


def test_folded_solutions_stay_out_of_print_and_a_button_takes_them_in(page: Page) -> None:
    show(page, EXERCISES)
    folded = page.locator(".solution.toggle-hidden")
    count = folded.count()
    assert count > 1 and "SolutiontoExercise" not in printed(page)
    page.locator(".solution .toggle-button").first.click()
    assert printed(page).count("SolutiontoExercise") == 1  # one that the reader has unfolded
    page.locator(".solution .toggle-button").first.click()

    page.evaluate("window.print = () => { window.asked = true; }")
    page.get_by_role("button", name="Download this page").click()
    page.get_by_role("button", name=".pdf with solutions").click()
    assert page.evaluate("asked") and folded.count() == 0
    assert printed(page).count("SolutiontoExercise") == count
    assert folded.count() == count  # afterwards they are folded again
    check_quiet(page)


def test_a_print_has_the_text_and_not_what_surrounds_it(page: Page) -> None:
    show(page, EXERCISES)
    text = printed(page)
    assert "Exercise2.1" in text
    for gone in ("Notpublishedyet", "Copylink", "Enlargethefigure", "Skiptomaincontent"):
        assert gone not in text


def test_pictures_that_were_never_seen_are_printed(page: Page) -> None:
    show(page, "chapters/cross-correlation.html")
    waiting = "[...document.images].filter((image) => !image.complete).length"
    assert page.evaluate(waiting) > 0
    printed(page)
    assert page.evaluate(waiting) == 0
    check_quiet(page)


def test_curves_that_the_reader_has_hidden_stay_hidden_on_paper(page: Page) -> None:
    show(page, FIGURES)
    figure = page.locator(".convsim-plotly").first
    figure.scroll_into_view_if_needed()
    figure.locator("xpath=self::*[@data-drawn]").wait_for()
    hidden = "document.querySelector('.convsim-plotly')._fullData[0].visible === 'legendonly'"
    assert not page.evaluate(hidden)
    figure.locator(".legendtoggle").first.click()
    page.wait_for_function(hidden)
    on_paper(page)
    page.wait_for_timeout(100)
    assert page.evaluate(hidden)


def test_questions_are_printed_with_boxes_and_their_answers_behind_everything_else(
    page: Page,
) -> None:
    show(page, EXERCISES)
    questions = page.locator(".convsim-prediction")
    asked = questions.locator("legend").all_text_contents()
    section = page.locator("article .convsim-answers")
    assert len(asked) >= 3 and not section.is_visible()
    questions.first.get_by_role("radio").first.click()
    text, rest = printed(page).split("Answerstothequestions")
    assert text.count("☐") == page.locator(".convsim-answer").count()
    assert section.locator("ol > li > p:first-child").all_text_contents() == asked
    for number in range(1, len(asked) + 1):
        assert f"Question{number}.Predict" in text and f"{number}." in rest
    for entry in section.locator("ol > li ul").all():
        assert (entry.text_content() or "").count("✓") == 1
    assert "✓" not in text and rest.count("✓") == page.locator("fieldset:has([type=radio])").count()
    check_quiet(page)
