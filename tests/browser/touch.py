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


def swipe(page: Page, x: float, y: float, by: float = -SWIPE, *, across: float = 0) -> float:
    """Draw a finger over the screen, and return how far the page has moved."""
    session = page.context.new_cdp_session(page)
    before: float = page.evaluate("scrollY")

    def touch(kind: str, *points: dict[str, float]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": x, "y": y})
    for part in (0.15, 0.3, 0.5, 0.7, 0.85, 1, 1, 1):  # it comes to rest: nothing flies on
        touch("touchMove", {"x": x + across * part, "y": y + by * part})
        page.wait_for_timeout(15)
    touch("touchEnd")
    session.detach()
    moved: float = settled(page) - before
    return moved


def settled(page: Page) -> float:
    """Where the page is once it has stopped."""
    found: float = page.evaluate(
        """async () => {
          let last = NaN;
          for (let still = 0; still < 2; last = scrollY) {
            await new Promise(requestAnimationFrame);
            still = scrollY === last ? still + 1 : 0;
          }
          return scrollY;
        }"""
    )
    return found
