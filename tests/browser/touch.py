"""Fingers on an emulated telephone, 360 × 740."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import watch

SWIPE = 150  # pixels upward
SIZE = {"width": 360, "height": 740}


def telephone(browser: Browser) -> tuple[BrowserContext, Page]:
    """A watched page on a touch screen, and the context to close in the end."""
    context = browser.new_context(viewport=SIZE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    watch(page)
    return context, page


def swipe(page: Page, x: float, y: float, by: float = -SWIPE) -> float:
    """Draw a finger over the screen, and return how far the page has moved."""
    session = page.context.new_cdp_session(page)
    before: float = page.evaluate("scrollY")

    def touch(kind: str, *points: dict[str, float]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": x, "y": y})
    for step in range(1, 9):
        touch("touchMove", {"x": x, "y": y + by * step / 8})
        page.wait_for_timeout(10)
    touch("touchEnd")
    page.wait_for_timeout(30)  # a fling that begins now only adds to it
    session.detach()
    moved: float = page.evaluate("scrollY") - before
    return moved
