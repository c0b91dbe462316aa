"""The story of five seconds that the first explorer tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import SimilarityExplorer
from tests.browser.explorer_pages import assert_quiet, link_parts, readout, show_live, write_page

BLOCK = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
END = BLOCK[::-1]
TRACE = """
globalThis.trace = [];
addEventListener("DOMContentLoaded", () => {
  const link = document.querySelector(".convsim-link"), said = document.querySelector(
    ".convsim-row > [role=status].convsim-note");
  const begin = performance.now();
  (function note() {
    const kernel = link.value.match(/kernel_2=([^&]*)/)[1];
    if (trace.at(-1)?.[1] !== kernel || trace.at(-1)?.[2] !== said.textContent) {
      trace.push([performance.now() - begin, kernel, said.textContent]);
    }
    requestAnimationFrame(note);
  })();
});
"""


def open_simple(page: Page, folder: Path, **traits: Any) -> None:
    page.goto(write_page(folder, SimilarityExplorer(simple=True, **traits)))


def kernel_2(page: Page) -> list[float]:
    return [float(tap) for tap in link_parts(page)["kernel_2"].split(",")]


def test_k2_leaves_k1_and_the_maps_stay_alike(page: Page, tmp_path: Path) -> None:
    page.add_init_script(TRACE)
    page.emulate_media(reduced_motion="no-preference")
    open_simple(page, tmp_path, input="sine")
    page.get_by_role("button", name="Show me").click()
    expect(page.get_by_text("K₂ is K₁")).to_be_visible()
    assert readout(page, "kernel_cosine") == pytest.approx(1)
    expect(page.get_by_text("K₂ moves away from K₁")).to_be_visible()
    expect(page.get_by_text("their cosine is 0")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Show me")).to_be_visible()
    assert kernel_2(page) == END
    assert link_parts(page)["input"] == "photograph"
    assert readout(page, "kernel_cosine") == 0
    assert readout(page, "feature_map_cosine") > 0.95

    trace = page.evaluate("trace")[1:]
    taken = trace[-1][0] - trace[0][0]
    assert 4500 < taken < 15_000  # a busy machine draws late
    kernels = [[float(tap) for tap in kernel.split(",")] for _, kernel, _ in trace]
    places = [float(np.dot(kernel, range(6))) for kernel in kernels]  # 3 times the middle of K₂
    assert places == sorted(places) and len(set(places)) > 10
    assert all(sum(kernel) == pytest.approx(3) for kernel in kernels)
    assert len({said for *_, said in trace if said}) == 3
    # what the sentence on the way says
    for kernel in kernels[:: max(1, len(kernels) // 10)]:
        explorer = SimilarityExplorer(kernel_1=BLOCK, kernel_2=kernel, input="photograph")
        assert explorer.readouts()["feature_map_cosine"] > 0.95
    assert_quiet(page)


def test_without_motion_it_has_two_pictures(page: Page, tmp_path: Path) -> None:
    page.add_init_script(TRACE)
    page.emulate_media(reduced_motion="reduce")
    open_simple(page, tmp_path, kernel_1=[1, 2], kernel_2=[0, 1])
    page.get_by_role("button", name="Show me").click()
    expect(page.get_by_text("their cosine is 0")).to_be_visible(timeout=20_000)
    kernels = [kernel for _, kernel, _ in page.evaluate("trace")]
    assert list(dict.fromkeys(kernels)) == ["0,1", "1,1,1,0,0,0", "0,0,0,1,1,1"]
    assert_quiet(page)


@pytest.mark.parametrize("way", ["touch", "key", "button", "reset", "link"])
def test_it_stops_at_once(page: Page, tmp_path: Path, way: str) -> None:
    page.emulate_media(reduced_motion="no-preference")
    open_simple(page, tmp_path, kernel_1=[1, 2], kernel_2=[0, 1])
    page.get_by_role("button", name="Show me").click()
    expect(page.get_by_text("K₂ moves away from K₁")).to_be_visible()
    if way == "touch":
        page.mouse.click(5, 5)
    elif way == "key":
        page.keyboard.press("Shift")
    elif way == "link":
        page.evaluate("location.hash = 'convsim=0&kernel_1=3,4&kernel_2=5,6'")
    else:
        page.get_by_role("button", name="Stop" if way == "button" else "Reset").click()
    expect(page.get_by_role("button", name="Show me")).to_be_visible()
    expect(page.get_by_text("K₂ moves away from K₁")).to_have_count(0)
    expect(page.get_by_text("Stopped: the dots are yours.")).to_have_count(int(way == "button"))
    seen = kernel_2(page)
    assert seen == {"reset": [0, 1], "link": [5, 6]}.get(way, seen) != END
    page.wait_for_timeout(300)
    assert kernel_2(page) == seen
    page.get_by_role("button", name="Show me").click()
    expect(page.get_by_text("K₂ is K₁")).to_be_visible()
    assert_quiet(page)


def test_only_the_first_explorer_has_a_story_and_it_ends_with_its_view(
    page: Page, tmp_path: Path
) -> None:
    page.goto(write_page(tmp_path, SimilarityExplorer()))
    assert page.get_by_role("button", name="Show me").count() == 0
    page.goto("about:blank")
    show_live(page, tmp_path, SimilarityExplorer(simple=True))
    page.get_by_role("button", name="Show me").click()
    page.evaluate("dispose()")
    calls = page.evaluate("model.calls.length")
    page.wait_for_timeout(300)
    assert page.evaluate("model.calls.length") == calls
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)
