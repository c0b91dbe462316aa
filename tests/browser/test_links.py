"""Links that hold the state of an explorer."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import CorrelationExplorer, SimilarityExplorer
from convsim.explorers.script import EXPLORERS
from tests.browser.explorer_pages import assert_quiet, shown_kernels, write_page
from tests.browser.test_every_explorer import SHARED


def in_link(value: Any) -> str:
    """Rows parted by semicolons, numbers by commas, as JavaScript prints them."""
    if isinstance(value, list):
        return (";" if isinstance(value[0], list) else ",").join(map(in_link, value))
    return str(value).removesuffix(".0")


@pytest.mark.parametrize("kind", SHARED)
def test_a_link_restores_the_state_exactly(page: Page, tmp_path: Path, kind: str) -> None:
    rng = random.Random(3)
    first, second = SHARED[kind].random(rng, 1), SHARED[kind].random(rng, 1)
    url = write_page(tmp_path, CorrelationExplorer(), first)
    page.goto(url)
    pristine = page.locator(".convsim-link").nth(1).input_value()
    names = [name for name in second.names if not second.trait_metadata(name, "fixed")]
    query = "&".join(f"{name}={in_link(getattr(second, name))}" for name in names)
    link = f"{url}#convsim=1&{query}"
    assert link != pristine
    page.goto("about:blank")
    page.goto(link)
    assert page.locator(".convsim-link").nth(1).input_value() == link
    assert page.locator(".convsim-link").nth(0).input_value() != link
    page.get_by_role("button", name="Reset").nth(1).click()
    assert page.locator(".convsim-link").nth(1).input_value() == link
    page.evaluate("location.hash = ''")
    page.evaluate("(hash) => { location.hash = hash; }", link.split("#")[1])
    expect(page.locator(".convsim-link").nth(1)).to_have_value(link)
    assert_quiet(page)


@pytest.mark.parametrize(
    ("kind", "query"), [(kind, query) for kind, facts in SHARED.items() for query in facts.mangled]
)
def test_a_mangled_link_changes_nothing(page: Page, tmp_path: Path, kind: str, query: str) -> None:
    url = write_page(tmp_path, EXPLORERS[kind]())
    page.goto(url)
    pristine = page.locator(".convsim-link").input_value()
    page.goto("about:blank")
    page.goto(f"{url}#convsim=0&{query}")
    expect(page.get_by_text("This link cannot be read.")).to_be_visible()
    assert page.locator(".convsim-link").input_value() == pristine
    assert_quiet(page)


def test_a_link_to_another_explorer_changes_nothing(page: Page, tmp_path: Path) -> None:
    url = write_page(tmp_path, SimilarityExplorer())
    page.goto(url)
    pristine = page.locator(".convsim-link").input_value()
    page.goto("about:blank")
    page.goto(f"{url}#convsim=1&kernel_1=1,2&kernel_2=3,4")
    assert page.locator(".convsim-link").input_value() == pristine
    expect(page.get_by_text("This link cannot be read.")).to_be_visible(visible=False)
    assert_quiet(page)


def test_reset_returns_to_the_shared_state(page: Page, tmp_path: Path) -> None:
    url = write_page(tmp_path, SimilarityExplorer())
    link = f"{url}#convsim=0&kernel_1=1,2&kernel_2=3,4"
    page.goto(link)
    shared = page.locator(".convsim-link").input_value()
    page.get_by_label("K1 tap 0").fill("-1")
    assert shown_kernels(page)["kernel_1"] == [-1, 2]
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".convsim-link").input_value() == shared
    page.evaluate("location.hash = '#convsim=0&kernel_1=5,6&kernel_2=3,4'")
    page.get_by_role("button", name="Randomise").click()
    page.get_by_role("button", name="Reset").click()
    assert shown_kernels(page)["kernel_1"] == [5, 6]
    assert_quiet(page)


def test_a_link_holds_all_explorers_that_were_changed(page: Page, tmp_path: Path) -> None:
    url = write_page(tmp_path, CorrelationExplorer(), SimilarityExplorer(), CorrelationExplorer())
    page.goto(url)
    links = page.locator(".convsim-link")
    assert [links.nth(i).input_value().count("convsim=") for i in range(3)] == [1, 1, 1]
    page.get_by_label("K1 tap 0").fill("-0.7")
    page.get_by_label("Position").nth(1).fill("9")
    link = links.nth(2).input_value()
    assert re.findall(r"convsim=(\d)", link) == ["2", "1"]  # its own first
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_label("K1 tap 0")).to_have_value("-0.7")
    expect(page.get_by_label("Position").nth(1)).to_have_value("9")
    expect(page.get_by_label("Position").nth(0)).to_have_value("4")
    assert_quiet(page)


def test_a_link_opens_an_explorer_over_the_window(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(write_page(tmp_path, CorrelationExplorer(), SimilarityExplorer()))
    small = page.locator(".convsim-similarity .convsim-value").first.bounding_box()
    page.get_by_role("button", name="Fill the window").nth(1).click()
    stage = page.get_by_role("dialog", name="Similarity explorer")
    expect(stage).to_be_visible()
    large = stage.locator(".convsim-value").first.bounding_box()
    assert small is not None and large is not None
    assert large["height"] > 1.3 * small["height"]
    link = stage.locator(".convsim-link").input_value()
    assert "convsim=1&" in link and link.endswith("&present=1")
    page.goto("about:blank")
    page.goto(link)
    expect(stage).to_be_visible()
    assert page.evaluate(
        "(d => d.scrollWidth <= d.clientWidth)(document.querySelector('dialog[open]'))"
    )
    stage.get_by_label("K1 tap 0").fill("-1")
    assert shown_kernels(page, 1)["kernel_1"][0] == -1
    page.keyboard.press("Escape")
    expect(stage).to_be_hidden()
    expect(page.locator(".convsim-view")).to_have_count(2)
    # The dialog's close event comes after it is hidden.
    expect(page.locator(".convsim-link").nth(1)).not_to_have_value(re.compile("present"))
    page.get_by_role("button", name="Fill the window").nth(1).click()
    page.get_by_role("button", name="Back to the page").click()
    expect(page.get_by_role("button", name="Fill the window").nth(1)).to_be_focused()
    assert_quiet(page)


def test_copy_link_fills_the_clipboard_or_says_how(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SimilarityExplorer()))
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: "
        "{ writeText: async (text) => { globalThis.copied = text; } }, configurable: true })"
    )
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("copied") == page.locator(".convsim-link").input_value()
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: "
        "{ writeText: async () => { throw new Error('no'); } } })"
    )
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Select the text and copy it.")).to_be_visible()
