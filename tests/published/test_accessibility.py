"""Every page for everyone: WCAG 2.1 A and AA by axe, the keyboard's focus, and reduced motion."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import watch
from tests.browser.test_pages import HTML, NARROW, WIDE, _built  # noqa: F401

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
EVERY = [
    path
    for path in HTML.rglob("*.html")
    if "_static" not in path.parts and path != HTML / "index.html"
]
# Listings of source are one template, some forty times: the shortest and the longest stand for all.
LISTINGS = sorted(
    (path for path in EVERY if path.is_relative_to(HTML / "_modules")),
    key=lambda path: (path.stat().st_size, path),
)
PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in EVERY
    if path not in LISTINGS or path in (LISTINGS[0], LISTINGS[-1])
)
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
STATES = [
    pytest.param((colours, viewport), id=f"{colours}-{viewport['width']}")
    for colours in ("light", "dark")
    for viewport in (WIDE, NARROW)
]


@pytest.fixture(scope="module", params=STATES)
def state(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """One page, light or dark, wide or 360 px, for a reader who has asked for less motion."""
    colours, viewport = request.param
    context = browser.new_context(
        viewport=viewport, color_scheme=colours, reduced_motion="reduce", locale="en"
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    watch(page)
    yield page
    context.close()


def open_whole(page: Page, name: str) -> None:
    """Show a page with everything on it: typeset, unfolded, all figures drawn."""
    page.goto((HTML / name).as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    folded = page.locator("button.toggle-button[aria-expanded=false]")
    for _ in range(folded.count()):
        folded.first.press("Enter")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for figure in page.locator(".convsim-plotly").all():
        figure.scroll_into_view_if_needed()
        figure.locator("svg.main-svg").first.wait_for()
    # What scrolls is found by an observer, which looks after the next frame.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")


@pytest.mark.parametrize("name", PAGES)
def test_no_violation(state: Page, name: str) -> None:
    open_whole(state, name)
    violations = Axe().run(state, options=RULES).response["violations"]
    assert [
        (violation["id"], node["target"], node["html"][:200], node["failureSummary"])
        for violation in violations
        for node in violation["nodes"]
    ] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_focus_is_seen(browser: Browser, name: str) -> None:
    """Whatever the Tab key reaches looks different while it has the focus."""
    page = browser.new_page(viewport=WIDE)
    page.goto((HTML / name).as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    look = """(element) => {
        const parts = [element, element.parentElement, element.nextElementSibling]
            .filter(Boolean);
        return JSON.stringify(parts.flatMap((part) => {
            const style = getComputedStyle(part);
            return [style.outline, style.boxShadow, style.backgroundColor, style.border,
                style.color, style.textDecoration, part.getBoundingClientRect().top];
        }));
    }"""
    unseen, reached = [], set()
    for _ in range(400):
        page.keyboard.press("Tab")
        handle = page.evaluate_handle("document.activeElement")
        element = handle.as_element()
        assert element is not None
        key = element.evaluate(
            """(e) => {
                if (e === document.body) return "";
                e.dataset.key ??= String(Math.random());
                return e.dataset.key;
            }"""
        )
        if not key or key in reached:
            break
        reached.add(key)
        focused = element.evaluate(look)
        element.evaluate("(e) => e.blur()")
        blurred = element.evaluate(look)
        element.evaluate("(e) => e.focus({ focusVisible: true, preventScroll: true })")
        if focused == blurred:
            unseen.append(element.evaluate("(e) => e.outerHTML.slice(0, 160)"))
    page.close()
    assert len(reached) > 20
    assert unseen == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_nothing_moves_by_itself_for_who_asked_for_less(browser: Browser, name: str) -> None:
    page = browser.new_page(viewport=WIDE, reduced_motion="reduce")
    page.goto((HTML / name).as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((element) => {
            const style = getComputedStyle(element);
            const lasts = (times) => times.split(",").some((time) => parseFloat(time) > 0);
            return lasts(style.transitionDuration) || style.animationName !== "none"
                || style.scrollBehavior === "smooth";
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
    page.close()
    assert moving == []
