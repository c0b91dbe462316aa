"""A headless Chromium that reaches nothing but this machine, for every browser test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, Route

from book.browser import find_chromium, open_chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run; without one, CI fails and a laptop skips."""
    try:
        find_chromium()
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(f"{missing}: install one to run the browser tests")
    with open_chromium() as chromium:
        yield chromium


def watch(page: Page) -> None:
    """Block every request that leaves this machine and keep what went wrong on the page.

    ``page.outside_requests`` lists the blocked addresses, ``page.errors`` the console errors
    and uncaught exceptions.
    """
    page.outside_requests = []  # type: ignore[attr-defined]
    page.errors = []  # type: ignore[attr-defined]

    def guard(route: Route) -> None:
        url = urlparse(route.request.url)
        if url.scheme in ("file", "data", "blob") or url.hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            page.outside_requests.append(route.request.url)  # type: ignore[attr-defined]
            route.abort()

    page.route("**/*", guard)
    page.on(
        "console",
        lambda message: (
            page.errors.append(f"{message.type}: {message.text}")  # type: ignore[attr-defined]
            if message.type == "error"
            else None
        ),
    )
    page.on("pageerror", lambda error: page.errors.append(f"uncaught: {error}"))  # type: ignore[attr-defined]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh, watched page, 1280 × 900."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch(page)
    yield page
    context.close()
