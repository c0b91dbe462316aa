"""What a symbol or an equation is, shown where a reader points at it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_pages import HTML, PAGES, _built, check_quiet  # noqa: F401

IDENTITY = "chapters/the-identity.html"


def open_page(page: Page, name: str) -> None:
    page.goto((HTML / name).as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    page.wait_for_function("window.MathJax?.typesetPromise")


def previews(name: str) -> dict[str, str]:
    text = (HTML / name).read_text(encoding="utf-8")
    found = re.search(r'(?s)id="convsim-terms">(.*?)</script>', text)
    return json.loads(found[1]) if found else {}  # type: ignore[no-any-return]


def test_a_symbol_is_explained_while_one_points_at_it(page: Page) -> None:
    open_page(page, IDENTITY)
    tip = page.get_by_role("tooltip")
    page.locator('.convsim-term[data-term="C"]').first.hover()
    expect(tip).to_contain_text("number of input channels")
    tip.hover()
    page.wait_for_timeout(400)
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.locator('.convsim-term[data-term="M"]').first.hover()
    expect(tip).to_contain_text("length of the signal")
    page.get_by_role("heading", level=1).hover()
    expect(tip).to_be_hidden()
    check_quiet(page)


def test_an_equation_of_another_page_shows_beside_its_link(page: Page) -> None:
    open_page(page, "chapters/concordance.html")
    link = page.locator('a[href*="the-identity.html#equation-eq-3"]').first
    tip = page.get_by_role("tooltip")
    link.focus()
    expect(tip.locator('mjx-container[display="true"]')).to_be_visible()
    expect(link).to_have_attribute("aria-describedby", "convsim-preview")
    link.blur()
    expect(tip).to_be_hidden()
    expect(link).not_to_have_attribute("aria-describedby", "convsim-preview")
    check_quiet(page)


@pytest.mark.parametrize("name", [IDENTITY, "chapters/relatives.html"])
def test_every_preview_is_typeset_and_stays_on_a_narrow_page(page: Page, name: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    open_page(page, name)
    tip = page.get_by_role("tooltip")
    for term in previews(name):
        if term.startswith("equation-"):
            page.locator(f'a[href*="#{term}"]').first.focus()
        else:
            page.locator(".convsim-term").evaluate_all(
                "(all, name) => all.find((e) => e.dataset.term === name)"
                ".dispatchEvent(new PointerEvent('click', { bubbles: true }))",
                term,
            )
        expect(tip).to_be_visible()
        page.wait_for_timeout(100)
        assert "\\" not in tip.inner_text()
        box = tip.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    assert page.locator("mjx-merror").count() == 0
    check_quiet(page)


@pytest.mark.parametrize("name", PAGES)
def test_what_is_marked_is_explained_and_where_it_holds(name: str) -> None:
    known = previews(name)
    marked = set(re.findall(r'data-term="([^"]*)"', (HTML / name).read_text(encoding="utf-8")))
    assert marked <= set(known)
    assert all(words and not re.search(r"^[:,;]|, *$|\( *\)", words) for words in known.values())
    # A width in one chapter, a standard deviation in another.
    assert (r"\sigma" in marked) == (name == "chapters/neighbourhoods.html")
    assert "n" not in marked  # has two meanings
