"""The explorer of NNK in a browser."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import NNKExplorer
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    link_parts,
    points_of,
    readout,
    show_live,
    write_page,
)


def random_explorer(rng: random.Random, number: int) -> NNKExplorer:
    digits = (17, 2, 0)[number % 3]  # 0: points on a few places, and on the query

    def point() -> list[float]:
        return [round(rng.uniform(-2, 2), digits) for _ in range(2)]

    count = rng.randint(3, 12)
    return NNKExplorer(
        query=point(),
        candidates=[point() for _ in range(count)],
        k=rng.randint(1, 12),
        sigma=rng.choice([0, rng.uniform(0, 3)]),
    )


def slowest() -> NNKExplorer:
    rng = random.Random(0)
    points = [[rng.uniform(-2, 2) for _ in range(2)] for _ in range(12)]
    return NNKExplorer(candidates=points, k=12)


FACTS = Facts(
    random=random_explorer,
    slider=(':is([aria-label="x"], [aria-label="y"])', "error"),
    slowest=slowest,
    pictures=2,
    widest=lambda: [NNKExplorer(candidates=[[-1.99, -1.99]] * 12, k=12)],
    mangled=(
        "query=0,2.1",
        "query=1",
        "k=2&query=1,0,1",
        "candidates=1,0;0,1",
        "candidates=1,0;0,1;1",
        "candidates=" + ";".join(["1,0"] * 13),
        "k=1.5",
        "sigma=-0.1",
    ),
)


def nnk_state(page: Page) -> NNKExplorer:
    """Python's twin of the page's link."""
    parts = link_parts(page)
    rows = [[float(v) for v in row.split(",")] for row in parts["candidates"].split(";")]
    query = [float(v) for v in parts["query"].split(",")]
    return NNKExplorer(query=query, candidates=rows, k=int(parts["k"]), sigma=float(parts["sigma"]))


def shown_weights(page: Page) -> dict[int, tuple[float, str]]:
    """What the list says of each point, nearest first: the exact weight and the words."""
    cells = page.locator(".convsim-weight-value:visible").evaluate_all(
        "(all) => all.map((c) => [c.dataset.readout, Number(c.dataset.value), c.textContent])"
    )
    return {int(name.split("_")[1]): (value, text) for name, value, text in cells}


def drawn(page: Page, panel: int, selector: str) -> list[dict[str, float]]:
    """The numeric attributes of a panel's visible marks."""
    return (
        page.locator(".convsim-chart")
        .nth(panel)
        .locator(selector)
        .evaluate_all(
            "(all) => all.filter((e) => e.getAttribute('display') !== 'none').map((e) =>"
            "Object.fromEntries([...e.attributes].map((a) => [a.name, Number(a.value)])))"
        )
    )


@pytest.mark.parametrize("panel", [0, 1])
@pytest.mark.parametrize("width", [360, 1280])
def test_dragging_a_point_moves_it_and_its_weights(
    page: Page, tmp_path: Path, width: int, panel: int
) -> None:
    page.set_viewport_size({"width": width, "height": 1400})
    page.goto(write_page(tmp_path, NNKExplorer()))
    chart = page.locator(".convsim-chart").nth(panel)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    middle, pixels = box["width"] / 2, (box["width"] / 2 - 14) / 2
    assert box["height"] == pytest.approx(box["width"], abs=1)

    def hand(x: float, y: float) -> None:
        page.mouse.move(box["x"] + middle + pixels * x, box["y"] + middle - pixels * y, steps=3)

    pictures = [chart.inner_html() for chart in page.locator(".convsim-chart").all()]
    before = nnk_state(page)
    hand(0.7, 0.1)  # point 7
    page.mouse.down()
    expect(page.get_by_label("Move point")).to_have_value("7")
    seen = set()
    for x, y in ((0.9, 0.7), (-0.9, 1.2), (1.7, 2.5)):
        hand(x, y)
        twin = nnk_state(page)
        at = [min(2, x), min(2, y)]
        assert twin.candidates[6] == pytest.approx(at, abs=0.6 / pixels + 0.005)
        assert twin.candidates[6] == [round(v, 2) for v in twin.candidates[6]]
        assert twin.candidates[:6] == before.candidates[:6]
        expected = twin.readouts()
        assert readout(page, "neighbors") == expected["neighbors"]
        seen.add(expected["neighbors"])
        assert readout(page, "error") == pytest.approx(expected["error"], abs=1e-9)
        shown = shown_weights(page)
        assert len(shown) == 8
        for number, (weight, _) in shown.items():
            assert weight == pytest.approx(expected["weights"][number - 1], abs=1e-9)
    assert len(seen) > 1
    page.mouse.up()
    hand(0, 0)
    assert nnk_state(page).candidates == twin.candidates
    moved = [chart.inner_html() for chart in page.locator(".convsim-chart").all()]
    assert all(new != old for new, old in zip(moved, pictures, strict=True))
    page.mouse.down()
    hand(0.25, -0.5)
    page.mouse.up()
    assert nnk_state(page).query == pytest.approx([0.25, -0.5], abs=0.02)
    assert nnk_state(page).candidates == twin.candidates
    page.get_by_role("button", name="Reset").click()
    assert nnk_state(page).get_state(["query", "candidates"]) == before.get_state(
        ["query", "candidates"]
    )
    assert_quiet(page)


def test_a_finger_moves_a_point_or_else_the_page(browser: Any, tmp_path: Path) -> None:
    size: Any = {"width": 360, "height": 740}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(write_page(tmp_path, NNKExplorer()))
    page.locator(".convsim-chart").nth(1).scroll_into_view_if_needed()
    box = page.locator(".convsim-chart").nth(1).bounding_box()
    pixels = (box["width"] / 2 - 14) / 2
    session = context.new_cdp_session(page)

    def swipe_up(x: float, y: float) -> float:
        """Swipe by 1.5 units; how far the page scrolled."""
        before = page.evaluate("scrollY")
        across, down = box["x"] + box["width"] / 2 + pixels * x, box["y"] + box["height"] / 2
        for step in range(11):
            touch = {"x": across, "y": down - pixels * (y + 0.15 * step)}
            session.send(
                "Input.dispatchTouchEvent",
                {"type": "touchMove" if step else "touchStart", "touchPoints": [touch]},
            )
            page.wait_for_timeout(20)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(200)
        return page.evaluate("scrollY") - before

    assert swipe_up(0.2, -1) == 0
    moved = nnk_state(page)
    assert moved.candidates[3] == pytest.approx([0.2, 0.5], abs=0.02)
    assert swipe_up(-1.7, -1) > 20
    assert nnk_state(page).candidates == moved.candidates
    context.close()


def test_the_nnk_sliders_move_the_chosen_point_k_and_sigma(page: Page, tmp_path: Path) -> None:
    explorer = NNKExplorer()
    page.goto(write_page(tmp_path, explorer))
    x, y = page.get_by_label("x", exact=True), page.get_by_label("y", exact=True)
    assert page.get_by_label("Move point").locator("option").all_inner_texts() == [
        "q", *map(str, range(1, 11)),
    ]  # fmt: skip
    x.fill("0.33")
    page.get_by_label("Move point").select_option("3")
    assert (x.input_value(), y.input_value()) == ("1.6", "0.8")
    y.focus()
    page.keyboard.press("ArrowDown")
    x.fill("-0.25")
    explorer.query, explorer.candidates = [0.33, 0], [
        *explorer.candidates[:2], [-0.25, 0.79], *explorer.candidates[3:],
    ]  # fmt: skip
    for name, control, value, text in (
        ("k", "Neighbours k", 3, "k = 3 of 10"),
        ("k", "Neighbours k", 12, "k = 12: all 10"),
        ("sigma", "Kernel width σ", 1.25, "σ = 1.25"),
        ("sigma", "Kernel width σ", 0, "automatic: 0.7"),
    ):
        page.get_by_label(control).fill(str(value))
        explorer.set_trait(name, value)
        said = page.get_by_label(control).get_attribute("aria-valuetext") or ""
        assert said.startswith(text)
        expected = explorer.readouts()
        assert repr(nnk_state(page)) == repr(explorer)
        for tile in ("candidates_used", "neighbors", "error", "sigma"):
            assert readout(page, tile) == pytest.approx(expected[tile], abs=1e-9), tile
    assert_quiet(page)


def test_arrangements_do_what_they_say(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, NNKExplorer(sigma=2, query=[1, 1])))
    page.get_by_role("button", name="In a row").click()
    words = {number: text for number, (_, text) in shown_weights(page).items()}
    assert [words.pop(1)[:2], words.pop(5)[:2]] == ["0.", "0."]
    assert words == dict.fromkeys((2, 3, 4), "hidden by 1")
    assert readout(page, "neighbors") == 2

    page.get_by_role("button", name="Ring behind ring").click()
    shown = shown_weights(page)
    assert [shown[n][0] > 0.1 for n in range(1, 13)] == [True] * 6 + [False] * 6
    assert [shown[n][1] for n in range(7, 13)] == [f"hidden by {n - 6}" for n in range(7, 13)]
    spokes = drawn(page, 0, ".convsim-spoke"), drawn(page, 1, ".convsim-spoke")
    assert (len(spokes[0]), len(spokes[1])) == (12, 6)
    assert len(drawn(page, 1, ".convsim-hollow")) == 6
    # a hexagon, whose corners are 2/√3 as far away as the points
    corners = points_of(page, ".convsim-polytope >> nth=1")
    assert len(corners) == 6
    middle = page.locator(".convsim-chart").nth(1).evaluate("(c) => c.clientWidth") / 2
    far = [math.hypot(a - middle, b - middle) / (middle - 14) * 2 for a, b in corners]
    assert far == [pytest.approx(0.6 * 2 / math.sqrt(3), abs=0.01)] * 6

    states = []
    for _ in range(2):
        page.get_by_role("button", name="Random").click()
        states.append(nnk_state(page))
        assert len(states[-1].candidates) == 12
        assert readout(page, "error") == pytest.approx(states[-1].readouts()["error"], abs=1e-9)
    assert states[0].candidates != states[1].candidates
    page.get_by_role("button", name="In a row").click()
    assert len(drawn(page, 1, "circle:not(.convsim-grab, .convsim-moving)")) == 6
    assert_quiet(page)


def test_line_widths_and_borders_are_those_of_the_weights(page: Page, tmp_path: Path) -> None:
    """Places and widths read off the picture against the readouts."""
    explorer = NNKExplorer(query=[0.3, -0.2])
    page.goto(write_page(tmp_path, explorer))
    weights = explorer.readouts()["weights"]
    wide = [mark["stroke-width"] for mark in drawn(page, 1, ".convsim-spoke")]
    assert wide == [pytest.approx(1.5 + 10 * w, abs=0.01) for w in weights if w > 0]
    middle = page.locator(".convsim-chart").nth(1).evaluate("(c) => c.clientWidth") / 2
    pixels = (middle - 14) / 2
    ends = [
        ((a - middle) / pixels, (middle - b) / pixels)
        for a, b in points_of(page, ".convsim-border >> nth=1")
    ]
    neighbours = [x for x, w in zip(explorer.candidates, weights, strict=True) if w > 0]
    assert len(ends) == 2 * len(neighbours)
    for n, end in enumerate(ends):
        distances = [
            abs(sum((x[c] - explorer.query[c]) * (x[c] - end[c]) for c in range(2)))
            for x in neighbours
        ]
        assert min(distances) < 0.01, n
    assert points_of(page, ".convsim-polytope >> nth=0") == []


def test_special_cases_of_nnk_are_put_in_words(page: Page, tmp_path: Path) -> None:
    three = [[0.5, 0], [1, 0], [0, 1]]
    page.goto(write_page(tmp_path, NNKExplorer(candidates=three, k=1)))
    note, x = page.locator(".convsim-alive"), page.get_by_label("x", exact=True)
    expect(note).to_contain_text("is the NNK polytope")
    x.fill("0.5")  # q on point 1, the only one of the 1 nearest
    expect(note).to_contain_text("Undefined: σ is 0")
    assert page.locator('[data-readout="error"]').inner_text() == "undefined"
    assert shown_weights(page)[1][1] == "undefined"
    page.get_by_label("Neighbours k").fill("3")
    expect(note).to_contain_text("Point 1 lies on q and takes all the weight")
    assert shown_weights(page) == {1: (1, "1"), 2: (0, "hidden by 1"), 3: (0, "hidden by 1")}
    assert points_of(page, ".convsim-border >> nth=1") == []
    assert points_of(page, ".convsim-polytope >> nth=1") == []

    page.get_by_label("Kernel width σ").fill("0.02")
    x.fill("0")
    expect(note).to_contain_text("No point has a weight")
    assert {text for _, text in shown_weights(page).values()} == {"too far for σ"}

    # of 1 and 3 alone, 3 would be hidden: (1, 0) · ((1, 0) − (1.1, −1)) = −0.1
    three = [[1, 0], [0.4, 1], [1.1, -1]]
    page.goto("about:blank")
    page.goto(write_page(tmp_path, NNKExplorer(candidates=three, sigma=1.5)))
    assert all(weight > 0 for weight, _ in shown_weights(page).values())
    expect(note).to_contain_text("Point 3 lies behind the border of 1, yet has a weight")
    page.get_by_label("Kernel width σ").fill("3")
    assert shown_weights(page)[1] == (0, "hidden by several together")
    assert "NaN" not in page.content()
    assert_quiet(page)


def test_the_live_nnk_is_pythons(page: Page, tmp_path: Path) -> None:
    explorer = NNKExplorer(query=[0.25, 1 / 3], k=5, sigma=0.7)
    show_live(page, tmp_path, explorer)
    call = page.get_by_label("Constructor call").input_value()
    assert repr(eval(call, {"NNKExplorer": NNKExplorer})) == repr(explorer)  # noqa: S307
    page.get_by_label("Move point").select_option("10")
    explorer.candidates = [[1, 0], [2, 0], [-1, 0]]
    page.evaluate("model.receive({ candidates: [[1, 0], [2, 0], [-1, 0]] })")
    expect(page.get_by_label("Move point")).to_have_value("0")  # there is no point 10 any more
    assert readout(page, "error") == pytest.approx(explorer.readouts()["error"], abs=1e-9)
    page.get_by_label("x", exact=True).fill("0.5")
    assert page.evaluate("model.calls") == [["set", "query", [0.5, 1 / 3]], ["save_changes"]]
    page.evaluate("dispose()")
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)
