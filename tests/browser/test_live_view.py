"""An explorer in a notebook: what goes to Python and what comes from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import SimilarityExplorer
from tests.browser.explorer_pages import (
    FAKE_MODEL,
    assert_quiet,
    state_of,
)


@pytest.fixture
def live_page(page: Page, tmp_path: Path) -> Page:
    """The widget's own module, imported as a front end imports it, with two views of one model."""
    explorer = SimilarityExplorer(kernel_1=[1, 2, 3], kernel_2=[0.5, -1, 0.25])
    state = {**state_of(explorer), "_explorer": explorer.kind}
    (tmp_path / "page.html").write_text(
        '<!doctype html><html lang="en"><link rel="icon" href="data:,"><body>'
        f"<style>{explorer._css}</style><div id=one></div><div id=two></div></body></html>",
        encoding="utf-8",
    )
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate(
        f"""async ([text, state]) => {{
          {FAKE_MODEL}
          const url = URL.createObjectURL(new Blob([text], {{ type: "text/javascript" }}));
          const {{ default: widget }} = await import(url);
          globalThis.model = fakeModel(state);
          globalThis.dispose = ["one", "two"].map((id) =>
            widget.render({{ model, el: document.getElementById(id) }}));
        }}""",
        [explorer._esm, state],
    )
    return page


def test_live_view_sends_what_the_reader_does(live_page: Page) -> None:
    live_page.locator("#one").get_by_label("K1 tap 1").fill("-0.5")
    assert live_page.evaluate("model.calls") == [
        ["set", "kernel_1", [1, -0.5, 3]],
        ["save_changes"],
    ]
    expected = SimilarityExplorer(kernel_1=[1, -0.5, 3], kernel_2=[0.5, -1, 0.25]).readouts()
    for view in ("#one", "#two"):
        value = live_page.locator(f'{view} [data-readout="feature_map_similarity"]')
        expect(value).to_have_attribute("data-value", value.get_attribute("data-value") or "")
        assert float(value.get_attribute("data-value") or "") == pytest.approx(
            expected["feature_map_similarity"], abs=1e-10
        )
    assert live_page.locator("#two").get_by_label("K1 tap 1").input_value() == "-0.5"
    assert_quiet(live_page)


def test_live_view_follows_python(live_page: Page) -> None:
    live_page.evaluate("model.receive({ kernel_1: [1, 2], kernel_2: [3, 4], input: 'impulse' })")
    for view in ("#one", "#two"):
        assert live_page.locator(f"{view} .convsim-slider").count() == 4
        value = live_page.locator(f'{view} [data-readout="feature_map_similarity"]')
        assert float(value.get_attribute("data-value") or "") == 11
    # two messages instead of one: nothing may break in between
    live_page.evaluate("model.receive({ kernel_1: [1, 2, 3] })")
    live_page.evaluate("model.receive({ kernel_2: [3, 4, 5] })")
    value = live_page.locator('#two [data-readout="kernel_similarity"]')
    assert float(value.get_attribute("data-value") or "") == 26
    assert live_page.evaluate("model.calls") == []
    assert_quiet(live_page)


def test_a_descent_goes_on_from_where_python_puts_the_kernels(live_page: Page) -> None:
    live_page.locator("#one").get_by_label("Step size").fill("0.00001")
    live_page.locator("#one").get_by_role("button", name="Run").click()
    expect(live_page.get_by_text(re.compile(r"Step \d+:"))).to_be_visible()
    live_page.evaluate("model.receive({ kernel_1: [1, 0, 0], kernel_2: [1, 0, 0] })")
    live_page.wait_for_function("model.get('kernel_1')[0] < 1")
    first, *others = live_page.evaluate("model.get('kernel_1')")
    assert 0.9 < first < 1 and max(map(abs, others)) < 0.1
    live_page.locator("#one").get_by_role("button", name="Stop").click()
    expect(live_page.get_by_text("Stopped.").first).to_be_visible()
    assert_quiet(live_page)


def test_live_view_offers_python_and_cleans_up(live_page: Page) -> None:
    first = live_page.locator("#one")
    assert first.get_by_role("button", name="Copy as Python").count() == 1
    call = first.get_by_label("Constructor call").input_value()
    copy = eval(call, {"SimilarityExplorer": SimilarityExplorer})  # noqa: S307
    assert (copy.kernel_1, copy.kernel_2) == ([1.0, 2.0, 3.0], [0.5, -1.0, 0.25])
    both = live_page.evaluate("model.count()")
    first.get_by_role("button", name="Run").click()
    live_page.evaluate("dispose[0]()")
    assert live_page.evaluate("model.count()") == both / 2
    assert first.inner_html() == ""
    live_page.evaluate("model.calls.length = 0")
    live_page.wait_for_timeout(150)
    assert live_page.evaluate("model.calls") == []
    live_page.evaluate("dispose[1]()")
    assert live_page.evaluate("model.count()") == 0
    live_page.evaluate("model.receive({ kernel_1: [9, 9, 9] })")
    assert_quiet(live_page)
