"""Hand and effect: what a reader moves and what it moves, seen together and explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from convsim.explorers import CorrelationExplorer, ImageExplorer, SimilarityExplorer
from convsim.explorers.script import EXPLORERS
from tests.browser.explorer_pages import (
    assert_quiet,
    link_parts,
    readout,
    shown_kernels,
    write_page,
)
from tests.browser.test_every_explorer import SHARED
from tests.browser.touch import SIZE, swipe, telephone

FIRST = {"kernel_1": [1, 1, 1, 0, 0, 0], "kernel_2": [0, 0, 0, 1, 1, 1], "input": "photograph"}
TALL = "<style>body { padding: 700px 0 1500px; }</style>"

# How much of an element can be seen: its share of the window that it has to itself.
SEEN = """(e) => {
  const box = e.getBoundingClientRect(), at = (share) => document.elementFromPoint(
    box.x + box.width / 2, box.y + share * (box.height - 1));
  const shares = [0.05, 0.5, 0.95];
  return shares.filter((share) => e.contains(at(share)) || at(share)?.contains(e)).length;
}"""


@pytest.mark.parametrize("kind", SHARED)
def test_on_a_telephone_the_effect_is_in_view_at_every_slider(
    page: Page, tmp_path: Path, kind: str
) -> None:
    page.set_viewport_size(SIZE)  # type: ignore[arg-type]
    page.goto(write_page(tmp_path, (SHARED[kind].held or EXPLORERS[kind])(), head=TALL))
    selector, _ = SHARED[kind].slider
    effect = page.locator(".convsim-effect")
    pictures = effect.locator("svg, canvas, .convsim-value")
    assert effect.count() == 1 and pictures.count() >= 2
    for slider in page.locator(selector).all()[::3]:
        slider.evaluate(
            "(s) => { const box = s.getBoundingClientRect();"
            " scrollBy(0, box.y + box.height / 2 - innerHeight * 0.25); }"
        )
        assert slider.evaluate(SEEN) == 3
        assert [picture.evaluate(SEEN) for picture in pictures.all()] == [3] * pictures.count()


@pytest.mark.parametrize("size", [SIZE, {"width": 1280, "height": 720}])
def test_the_first_explorer_shows_kernels_maps_cosines_and_sum_at_once(
    page: Page, tmp_path: Path, size: dict[str, int]
) -> None:
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(write_page(tmp_path, SimilarityExplorer(**FIRST, simple=True), head=TALL))
    page.locator(".convsim-view").evaluate("(v) => v.scrollIntoView()")
    for part in (".convsim-slider", ".convsim-effect svg", ".convsim-effect .convsim-value",
                 ".convsim-sum"):  # fmt: skip
        for element in page.locator(part).all():
            assert element.evaluate(SEEN) == 3, part


def test_the_first_explorer_says_one_thing(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SimilarityExplorer(**FIRST, simple=True)))
    text = page.locator(".convsim-view").inner_text().lower()
    for word in ("tap", "eq.", "descend", "descent", "lag", "l_cs", "step size", "norms"):
        assert word not in text
    page.get_by_text("Other inputs, longer kernels").click()
    page.get_by_label("Input X", exact=True).select_option("sine")
    expected = SimilarityExplorer(**{**FIRST, "input": "sine"}).readouts()
    assert readout(page, "feature_map_cosine") == pytest.approx(expected["feature_map_cosine"])
    page.get_by_role("button", name="Make K₂ ⟂ K₁").click()
    expect(page.get_by_text("the feature maps are another matter")).to_be_visible()
    assert "loss" in link_parts(page)  # a link means the same in every explorer of its kind
    assert_quiet(page)


def test_the_axis_follows_the_taps_after_a_descent_but_not_the_hand(
    page: Page, tmp_path: Path
) -> None:
    small = SimilarityExplorer(kernel_1=[0.05, -0.02], kernel_2=[0.01, 0.04])
    page.goto(write_page(tmp_path, small))
    slider = page.get_by_label("K1 tap 0")
    assert float(slider.get_attribute("max") or 0) == 0.1
    assert page.locator(".convsim-tap-value").first.inner_text() == "0.050"
    slider.fill("0.1")  # at its end: there is more above
    assert float(slider.get_attribute("max") or 0) == 1.5
    slider.fill("0.03")
    assert float(slider.get_attribute("max") or 0) == 1.5

    page.goto("about:blank")
    page.emulate_media(reduced_motion="reduce")
    page.goto(write_page(tmp_path, SimilarityExplorer(kernel_1=[0.9, 0.4], kernel_2=[0.5, 0.9])))
    assert float(slider.get_attribute("max") or 0) == 1.5
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Converged after")).to_be_visible()
    for name in ("K1", "K2"):
        kernel = shown_kernels(page)[f"kernel_{name[1]}"]
        limit = float(page.get_by_label(f"{name} tap 0").get_attribute("max") or 0)
        assert max(map(abs, kernel)) <= limit <= 1.5
        assert limit == 1.5 or max(map(abs, kernel)) > limit / 5
    assert_quiet(page)


def test_a_running_descent_waits_for_the_hand_and_goes_on_from_there(
    page: Page, tmp_path: Path
) -> None:
    page.goto(write_page(tmp_path, SimilarityExplorer(learning_rate=1e-4)))
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text(re.compile(r"Step \d\d"))).to_be_visible()
    page.get_by_label("K1 tap 1").scroll_into_view_if_needed()
    box = page.get_by_label("K1 tap 1").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 8, steps=4)
    expect(page.get_by_text("Waiting while you hold a tap.")).to_be_visible()
    held = shown_kernels(page)
    page.wait_for_timeout(100)
    assert shown_kernels(page) == held
    assert held["kernel_1"][1] > 1.2
    page.mouse.up()
    expect(page.get_by_text(re.compile(r"Step \d+"))).to_be_visible()
    page.wait_for_function(
        "(link) => document.querySelector('.convsim-link').value !== link",
        arg=page.locator(".convsim-link").input_value(),
    )
    assert shown_kernels(page)["kernel_1"][1] > 1
    page.get_by_role("button", name="Stop").click()
    assert_quiet(page)


def test_a_lag_shows_where_k2_lies_and_what_it_adds(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer(kernel_1=[1, 2, 0], kernel_2=[0, 0.5, -1], input="impulse")
    page.goto(write_page(tmp_path, explorer))
    chart = page.locator("svg:has(.convsim-fill-other)")
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(
        box["x"] + 46 + (box["width"] - 60) * 0.3, box["y"] + 60
    )  # of 5 bars the second
    # K2 moved one place back: 2 · (−1) + 1 · 0.5
    expect(page.get_by_text("(K₁ ⋆ K₂)[−1] = −1.5000")).to_be_visible()
    expect(page.get_by_label("Look at lag")).to_have_value("-1")
    page.get_by_label("Look at lag").fill("0")
    lag_0 = explorer.readouts()["lag_0"]
    assert lag_0 == 1
    expect(page.get_by_text("(K₁ ⋆ K₂)[0] = 1; times (X ⋆ X)[0] = 1, that is 1.")).to_be_visible()
    page.get_by_label("Taps", exact=True).fill("1")
    expect(page.get_by_text("Point at a bar")).to_have_count(0)
    assert_quiet(page)


def test_a_pixel_shows_its_patch_and_its_sum(page: Page, tmp_path: Path) -> None:
    explorer = ImageExplorer()
    page.goto(write_page(tmp_path, explorer))
    size = len(explorer.kernel_1)
    box = page.get_by_role("img", name="Feature map F2").bounding_box()
    assert box is not None
    side = 64 + size - 1
    page.mouse.click(box["x"] + 20.5 / side * box["width"], box["y"] + 30.5 / side * box["height"])
    x = torch.nn.functional.pad(explorer.signal, [size - 1] * 4)
    patch = x[30 : 30 + size, 20 : 20 + size]
    for number, kernel in ((1, explorer.kernel_1), (2, explorer.kernel_2)):
        value = (patch * torch.tensor(kernel, dtype=torch.float64)).sum().item()
        sub = "₁₂"[number - 1]
        shown = page.get_by_text(f"F{sub}[30, 20] = ").inner_text()
        found = re.search(rf"F{sub}\[30, 20\] = (−?[\d.]+?)[,.]?(?: |$)", shown)
        assert found is not None
        assert float(found[1].replace("−", "-")) == pytest.approx(value, abs=1e-3)
    expect(page.get_by_label("Row", exact=True)).to_have_value("30")
    frame = page.locator(".convsim-frame").first.bounding_box()
    photo = page.get_by_role("img", name="Input X: Photograph").bounding_box()
    assert frame is not None and photo is not None
    assert frame["width"] == pytest.approx(size / 64 * photo["width"], abs=1)
    assert frame["y"] - photo["y"] == pytest.approx((30 - size + 1) / 64 * photo["height"], abs=1)
    page.get_by_label("Column", exact=True).fill("0")
    expect(page.get_by_text("F₁[30, 0] = ")).to_be_visible()
    assert_quiet(page)


def test_the_window_is_dragged_and_played(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, CorrelationExplorer()))
    position = page.get_by_label("Position")
    window = page.locator(".convsim-window")
    box = window.bounding_box()
    assert box is not None
    step = box["width"] / 3
    x, y = box["x"] + box["width"] / 2, box["y"] + 10
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 2 * step, y, steps=6)
    expect(position).to_have_value("6")
    page.mouse.move(x + 100 * step, y, steps=6)
    expect(position).to_have_value("13")
    page.mouse.up()
    page.get_by_role("button", name="Play").click()
    expect(position).not_to_have_value("13")  # from the start again
    page.wait_for_function("document.querySelector('[aria-label=Position]').value > 1")
    page.get_by_role("button", name="Stop").click()
    at = position.input_value()
    page.wait_for_timeout(400)
    expect(position).to_have_value(at)
    position.fill("12")
    page.get_by_role("button", name="Play").click()
    expect(position).to_have_value("13")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert_quiet(page)


def test_a_finger_drags_the_window_sideways_and_the_page_up(
    browser: Browser, tmp_path: Path
) -> None:
    context, phone = telephone(browser)
    phone.goto(write_page(tmp_path, CorrelationExplorer(), head=TALL))
    window = phone.locator(".convsim-window")
    window.scroll_into_view_if_needed()
    box = window.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    assert abs(swipe(phone, x, y, 0, across=2 * box["width"] / 3)) < 1
    expect(phone.get_by_label("Position")).to_have_value("6")
    box = window.bounding_box()
    assert box is not None
    assert swipe(phone, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) >= 120
    expect(phone.get_by_label("Position")).to_have_value("6")
    assert_quiet(phone)
    context.close()


def test_things_to_try_are_buttons_that_set_the_explorer_again(page: Page, tmp_path: Path) -> None:
    examples = {"One tap": {"kernel": [1, 0, 0]}, "At the end": {"position": 13}}
    page.goto(write_page(tmp_path, CorrelationExplorer(examples=examples)))
    tries = page.get_by_role("group", name="Things to try")
    for _ in range(2):
        tries.get_by_role("button", name="One tap").click()
        assert shown_kernels(page)["kernel"] == [1, 0, 0]
        page.get_by_label("K tap 1").fill("0.5")
    tries.get_by_role("button", name="At the end").click()
    assert shown_kernels(page)["kernel"] == CorrelationExplorer().kernel  # as it was made
    assert link_parts(page)["position"] == "13"
    assert_quiet(page)


@pytest.mark.parametrize("size", [1e-7, 1e-3, 123_456.7])
def test_numbers_stay_in_their_tiles_and_none_is_zero_that_is_not(
    page: Page, tmp_path: Path, size: float
) -> None:
    page.set_viewport_size(SIZE)  # type: ignore[arg-type]
    taps = [-1.0, 0.3, 0.77], [0.4, 1.0, 0.9]
    explorer = SimilarityExplorer(
        kernel_1=[size * tap for tap in taps[0]], kernel_2=[size * tap for tap in taps[1]]
    )
    expected = explorer.readouts()
    page.goto(write_page(tmp_path, explorer))
    for cell in page.locator(".convsim-value").all():
        assert cell.evaluate("(c) => c.scrollWidth <= c.parentElement.clientWidth")
        name = cell.get_attribute("data-readout") or ""
        assert (cell.inner_text() == "0") == (expected[name] == 0)
    assert "0" not in page.locator(".convsim-tap-value").all_inner_texts()
    assert page.locator(".convsim-view").evaluate("(v) => v.scrollWidth <= v.clientWidth")


def test_at_200_percent_nothing_is_cut_and_nothing_covers_the_page(
    page: Page, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 640, "height": 360})  # 1280 × 720 at 200 %
    page.goto(write_page(tmp_path, *(explorer() for explorer in EXPLORERS.values())))
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    positions = page.locator(".convsim-effect").evaluate_all(
        "(all) => all.map((e) => getComputedStyle(e).position)"
    )
    assert positions and set(positions) == {"static"}


def test_a_tap_looks_at_a_lag_and_at_a_pixel(browser: Browser, tmp_path: Path) -> None:
    context, phone = telephone(browser)
    similarity = SimilarityExplorer(kernel_1=[1, 2, 0], kernel_2=[0, 0.5, -1], input="impulse")
    phone.goto(write_page(tmp_path, similarity, ImageExplorer(), head=TALL))
    bars = phone.locator("svg:has(.convsim-fill-other)")
    bars.scroll_into_view_if_needed()
    box = bars.bounding_box()
    assert box is not None
    phone.touchscreen.tap(box["x"] + 46 + (box["width"] - 60) * 0.3, box["y"] + 60)
    expect(phone.get_by_text("(K₁ ⋆ K₂)[−1] = −1.5000")).to_be_visible()
    state = phone.locator(".convsim-link").first.input_value()
    picture = phone.get_by_role("img", name="Feature map F1")
    picture.scroll_into_view_if_needed()
    picture.tap(position={"x": 5, "y": 5})
    expect(phone.get_by_text(re.compile(r"F₁\[\d, \d\] = "))).to_be_visible()
    assert phone.locator(".convsim-link").first.input_value() == state
    assert_quiet(phone)
    context.close()
