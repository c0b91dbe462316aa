"""What a reader types into the search field, and the page that should come first."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.test_pages import _built, address, check_quiet, server  # noqa: F401


@pytest.mark.parametrize("origin", ["http", "file"])
@pytest.mark.parametrize("words", ["measure", "Measure", "report", "your own model"])
def test_whoever_wants_to_measure_finds_the_page_on_it_first(
    page: Page,
    server: str,  # noqa: F811
    origin: str,
    words: str,
) -> None:
    page.goto(address(origin, "search.html", server))
    field = page.locator("#main-content input[type=search]")
    field.fill(words)
    field.press("Enter")
    first = page.locator("#search-results li a").first
    first.wait_for()
    assert "chapters/measure.html" in str(first.get_attribute("href"))
    first.click()
    page.get_by_role("heading", level=1, name="Measure your own model").wait_for()
    check_quiet(page)
