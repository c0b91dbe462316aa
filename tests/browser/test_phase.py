"""The phase portrait of the similarity explorer: two norms, their way, and a hyperbola."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import SimilarityExplorer
from tests.browser.explorer_pages import assert_quiet, points_of, shown_kernels, write_page


def norms_in_picture(page: Page, mark: str) -> list[tuple[float, float]]:
    """Points of the phase portrait as (‖K1‖, ‖K2‖), by its axes."""
    chart = page.locator(".convsim-phase .convsim-chart")
    across, up = (line.bounding_box() for line in chart.locator(".convsim-axis").all())
    ticks = chart.locator(".convsim-tick").all_text_contents()
    edge = max(float(tick) for tick in ticks if not tick.startswith("‖"))
    box = chart.bounding_box()
    assert across is not None and up is not None and box is not None
    left, foot = across["x"] - box["x"], up["y"] + up["height"] - box["y"]
    points = points_of(page, f".convsim-phase {mark}")
    return [
        (edge * (x - left) / across["width"], edge * (foot - y) / up["height"]) for x, y in points
    ]


def test_the_phase_portrait_shows_the_norms_and_their_hyperbola(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer(kernel_1=[1, 0.5, -0.5], kernel_2=[0.5, 0.5, 0])
    page.goto(write_page(tmp_path, explorer))
    first, second = math.sqrt(1.5), math.sqrt(0.5)
    hyperbola = norms_in_picture(page, ".convsim-mean")
    assert hyperbola[0] == pytest.approx((first, second), abs=0.01)
    assert hyperbola[-1] == pytest.approx((1.0, 0.0), abs=0.01)
    assert all(x * x - y * y == pytest.approx(1, abs=0.02) for x, y in hyperbola)
    assert norms_in_picture(page, ".convsim-line-one") == []
    label = page.locator(".convsim-phase svg").get_attribute("aria-label") or ""
    assert "K1 1.2247 and K2 0.7071 at the start, 1.2247 and 0.7071 now" in label
    assert "1.0000 at the start, 1.0000 now" in label
    expect(page.locator(".convsim-phase")).to_contain_text("1.0000 at the start, 1.0000 now")


def test_a_descent_in_small_steps_follows_the_hyperbola(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer(
        kernel_1=[1, 0.5, -0.5], kernel_2=[0.5, 0.5, 0], learning_rate=0.01
    )
    page.goto(write_page(tmp_path, explorer))
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Converged after")).to_be_visible(timeout=60_000)
    way = norms_in_picture(page, ".convsim-line-one")
    assert len(way) > 20
    assert all(x * x - y * y == pytest.approx(1, abs=0.04) for x, y in way)
    assert way[-1][1] < 0.1 * way[0][1]
    kernels = shown_kernels(page)
    gap = sum(v * v for v in kernels["kernel_1"]) - sum(v * v for v in kernels["kernel_2"])
    expect(page.locator(".convsim-phase")).to_contain_text(f"1.0000 at the start, {gap:.4f} now")

    page.get_by_label("K1 tap 0").fill("0.3")
    assert norms_in_picture(page, ".convsim-line-one") == []
    label = page.locator(".convsim-phase svg").get_attribute("aria-label") or ""
    start, now = re.findall(r"Difference of their squares: (\S+) at the start, (\S+) now", label)[0]
    assert start == now
    assert_quiet(page)


def test_what_descends_is_drawn_and_what_diverges_is_not(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer(kernel_1=[1, 0.5], kernel_2=[0.5, 0.5], learning_rate=0.01)
    page.goto(write_page(tmp_path, explorer))
    for count in (1, 2, 3):
        page.get_by_role("button", name="One step").click()
        points = norms_in_picture(page, ".convsim-line-one")
        assert len(points) == (count + 1 if count > 1 else 0)  # from the start to the first step
    page.get_by_role("button", name="Reset").click()
    assert norms_in_picture(page, ".convsim-line-one") == []
    page.get_by_label("Step size").fill("5")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("the step size is too large")).to_be_visible()
    assert norms_in_picture(page, ".convsim-line-one") == []
    assert_quiet(page)
