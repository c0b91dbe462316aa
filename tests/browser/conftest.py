"""A headless Chromium that reaches nothing but this machine, for every browser test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run; without one, CI fails and a laptop skips."""
    executable = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if executable is None:
        message = f"no Chromium found on PATH (looked for {', '.join(CHROMIUM_NAMES)})"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(f"{message}: install one to run the browser tests")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


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
