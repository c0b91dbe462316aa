"""What a chapter costs before it can be read and dragged: at most 300 kB, and what is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from book.browser import served
from book.weight import HTML, LIMIT, RECORD, pages, weigh
from tests.browser.test_pages import _built  # noqa: F401

RECORDED: dict[str, int] = json.loads(RECORD.read_text())["bytes"]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(HTML) as address:
        yield address


def test_every_recorded_page_is_there() -> None:
    """A page that is new is held to the limit, and to its own weight once that is recorded."""
    assert set(RECORDED) <= set(pages()), "run `python -m book.weight`"
    assert len(RECORDED) >= 15


@pytest.mark.parametrize("name", pages())
def test_a_page_is_light_and_as_recorded(browser: Browser, site: str, name: str) -> None:
    sizes = weigh(browser, f"{site}/{name}")
    total = sum(sizes.values())
    largest = dict(sorted(sizes.items(), key=lambda item: -item[1])[:5])
    assert total <= LIMIT, largest
    assert "/_static/explorers.js" in sizes
    # The theme for Python 3.10 has files of its own.
    expected = RECORDED.get(name, total)
    assert total == pytest.approx(expected, rel=0.25), f"{largest}: python -m book.weight"
