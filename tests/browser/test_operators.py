"""The explorer of operators in a browser."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import OperatorsExplorer
from convsim.explorers.similarity import uniform_noise
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    largest,
    link_parts,
    random_taps,
    readout,
    show_live,
    shown_kernels,
    write_page,
)

NORMS = ("convolutional_similarity", "ocnn_term")
PRODUCTS = ("first_transposed", "second_transposed")


def random_explorer(rng: random.Random, number: int) -> OperatorsExplorer:
    return OperatorsExplorer(
        kernel_1=random_taps(rng, 9),
        kernel_2=random_taps(rng, 9) if number % 5 else [0.0] * 9,
        channels=1 + number % 3,
        seed=rng.randint(0, 2**32 - 1),
    )


def scale(name: str, value: Any, readouts: dict[str, Any]) -> float:
    return readouts["convolutional_similarity"] if name == "ocnn_term" else largest(value)


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-slider", "convolutional_similarity"),
    slowest=OperatorsExplorer,
    pictures=2,
    widest=lambda: [
        OperatorsExplorer(kernel_1=[-0.99] * 9, kernel_2=[-1.01] * 9),
        OperatorsExplorer(kernel_1=[-123.45] * 9, channels=2),
        OperatorsExplorer(kernel_1=[0] * 9),
    ],
    mangled=("kernel_1=1,2,3", "kernel_2=1,2,3,4,5,6,7,8,NaN", "channels=0", "channels=1.5"),
    scale=scale,
)


def cells(page: Page, which: int) -> np.ndarray:
    """The signed strength of every cell that a product shows."""
    chart = page.locator(".convsim-chart").nth(which)
    marks = chart.locator("[display=inline][fill-opacity]").evaluate_all(
        "(all) => all.map((m) => [m.getAttribute('d'), "
        "m.getAttribute('fill-opacity') * (m.classList.contains('convsim-fill-two') ? -1 : 1)])"
    )
    places = {
        (float(y), float(x)): strength
        for squares, strength in marks
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", squares)
    }
    assert len(places) == 10 * len(marks)
    width = chart.evaluate("(svg) => svg.clientWidth")
    side = {5: 10, 20: 20, 45: 30}[len(marks)]
    shown = np.zeros((side, side))
    for (y, x), strength in places.items():
        shown[round((y - 0.5) * side / width), round((x - 0.5) * side / width)] = strength
    return shown


def lines(page: Page, which: int) -> int:
    """How many lines between blocks a product shows."""
    path = page.locator(".convsim-chart").nth(which).locator(".convsim-block").get_attribute("d")
    return (path or "").count("V") + (path or "").count("H")


def test_dragging_a_tap_changes_both_norms_and_both_products(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, OperatorsExplorer()))
    for name, at in (("K1 channel 2 tap 1", 4), ("K2 channel 3 tap 0", 6)):
        before = [readout(page, norm) for norm in NORMS], [cells(page, n) for n in (0, 1)]
        tap = page.get_by_label(name)
        tap.scroll_into_view_if_needed()
        box = tap.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y - 0.35 * box["height"], steps=4)
        page.mouse.up()
        kernels = shown_kernels(page)
        assert kernels[f"kernel_{name[1]}"][at] == pytest.approx(1.18, abs=0.1)
        expected = OperatorsExplorer(**kernels).readouts()
        for n, (norm, product) in enumerate(zip(NORMS, PRODUCTS, strict=True)):
            assert readout(page, norm) == pytest.approx(expected[norm], rel=1e-12)
            assert abs(readout(page, norm) - before[0][n]) > 0.1
            peak = max(largest(expected[p]) for p in PRODUCTS)  # one scale for both
            shown = cells(page, n)
            np.testing.assert_allclose(shown, np.divide(expected[product], peak), atol=0.0051)
            assert (shown != before[1][n]).any()
    assert_quiet(page)


def test_the_norms_are_equal_for_one_channel_and_differ_for_three(
    page: Page, tmp_path: Path
) -> None:
    page.goto(write_page(tmp_path, OperatorsExplorer()))
    note = page.locator(".convsim-alive")
    expect(note).to_contain_text("OCNN's term is 35\u00a0% of LCS")
    assert readout(page, "ocnn_term") < 0.5 * readout(page, "convolutional_similarity")
    assert (lines(page, 0), lines(page, 1), cells(page, 0).shape) == (4, 0, (30, 30))
    channels = page.get_by_label("Channels", exact=True)
    channels.focus()
    page.keyboard.press("Home")
    assert link_parts(page)["channels"] == "1"
    expect(note).to_contain_text("Equal, as for all kernels of one channel")
    norms = [readout(page, norm) for norm in NORMS]
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)
    assert norms[0] > 0.1
    assert (lines(page, 0), cells(page, 0).shape) == (0, (10, 10))
    assert np.array_equal(cells(page, 0), cells(page, 1).T)
    expect(page.get_by_label("K1 channel 1 tap 2")).to_be_visible()
    expect(page.get_by_label("K1 channel 2 tap 0")).to_be_hidden()
    page.get_by_label("K1 channel 1 tap 0").fill("1.2")
    norms = [readout(page, norm) for norm in NORMS]
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)
    channels.focus()
    page.keyboard.press("ArrowRight")
    assert lines(page, 0) == 2
    page.keyboard.press("ArrowRight")  # the other channels are as they were
    assert shown_kernels(page)["kernel_1"] == [1.2, *OperatorsExplorer().kernel_1[1:]]
    assert lines(page, 0) == 4
    assert_quiet(page)


def test_each_pair_shows_what_its_name_says(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, OperatorsExplorer(channels=1)))
    pair = page.get_by_label("Kernels", exact=True)
    expect(pair).to_have_value("Random taps")

    pair.select_option("Orthogonal kernels")
    assert link_parts(page)["channels"] == "3"
    assert readout(page, "kernel_similarity") == readout(page, "kernel_cosine") == 0
    assert readout(page, "ocnn_term") > 1
    shown = cells(page, 1)
    assert not np.diag(shown).any()
    assert np.abs(shown).max() > 0.5

    for name in ("Different channels", "Channels that cancel"):
        pair.select_option(name)
        assert readout(page, "ocnn_term") == 0
        assert not cells(page, 1).any()
        assert np.abs(cells(page, 0)).max() == 1
        assert readout(page, "convolutional_similarity") > 1
        expect(page.locator(".convsim-alive")).to_contain_text("OCNN's term is 0, and LCS is not")

    page.get_by_label("K2 channel 1 tap 1").fill("0.5")
    expect(pair).to_have_value("")
    assert readout(page, "ocnn_term") > 0
    pair.select_option("Channels that cancel")
    pair.select_option("Your own")  # a name for what nobody chose
    expect(pair).to_have_value("Channels that cancel")
    assert_quiet(page)


def test_random_kernels_come_from_the_seed(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, OperatorsExplorer(channels=2)))

    def drawn(seed: int) -> dict[str, list[float]]:
        taps = [round(200 * v - 100) / 100 for v in uniform_noise(seed, 18)]
        return {"kernel_1": taps[:9], "kernel_2": taps[9:]}

    default = OperatorsExplorer()
    assert shown_kernels(page) == drawn(0) == {n: getattr(default, n) for n in drawn(0)}
    page.get_by_role("button", name="Randomise").click()
    expect(page.get_by_label("Random seed")).to_have_value("1")
    assert shown_kernels(page) == drawn(1)
    page.get_by_label("Random seed").fill("77")
    assert shown_kernels(page) == drawn(77)
    expect(page.get_by_label("Kernels", exact=True)).to_have_value("Random taps")
    assert link_parts(page)["channels"] == "2"
    page.get_by_role("button", name="Reset").click()
    assert shown_kernels(page) == drawn(0)
    assert_quiet(page)


def test_large_taps_share_one_scale_and_a_zero_kernel_is_named(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, OperatorsExplorer(kernel_1=[0, 0, 0, 0, 40, 0, 0, 0, 1])))
    for name in ("K1 channel 1 tap 0", "K1 channel 2 tap 1", "K1 channel 3 tap 2"):
        assert page.get_by_label(name).get_attribute("max") == "40"
    assert page.get_by_label("K1 channel 3 tap 2").input_value() == "1"
    assert page.get_by_label("K2 channel 3 tap 2").get_attribute("max") == "1.5"
    page.get_by_label("Channels", exact=True).fill("1")
    note = page.locator(".convsim-alive")
    expect(note).to_have_class(re.compile("convsim-warning"))
    expect(note).to_contain_text("A kernel is zero")
    for name in ("ocnn_share", "kernel_cosine"):
        expect(page.locator(f'[data-readout="{name}"]')).to_have_text("undefined")
    assert not cells(page, 0).any()
    expect(page.locator(".convsim-unseen")).to_contain_text("A kernel is zero")
    page.get_by_label("K1 channel 1 tap 0").fill("-1")
    assert page.locator(".convsim-warning").count() == 0
    assert page.get_by_label("K1 channel 1 tap 0").get_attribute("max") == "1.5"
    page.get_by_label("Channels", exact=True).fill("3")
    for name, value in (("K1 channel 2 tap 1", "40"), ("K1 channel 1 tap 0", "-1")):
        tap = page.get_by_label(name)
        assert (tap.input_value(), tap.get_attribute("max")) == (value, "40")
    assert_quiet(page)


def test_the_live_operators_are_pythons(page: Page, tmp_path: Path) -> None:
    explorer = OperatorsExplorer(channels=2, seed=5)
    show_live(page, tmp_path, explorer)
    call = page.get_by_label("Constructor call").input_value()
    assert repr(eval(call, {"OperatorsExplorer": OperatorsExplorer})) == repr(explorer)  # noqa: S307
    explorer.kernel_1 = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    page.evaluate("(kernel) => model.receive({ kernel_1: kernel })", explorer.kernel_1)
    for name in (*NORMS, "ocnn_share", "kernel_cosine"):
        output = page.locator(f'[data-readout="{name}"]')
        expect(output).not_to_have_text("")
        assert readout(page, name) == pytest.approx(explorer.readouts()[name], rel=1e-12)
    page.get_by_label("K2 channel 2 tap 0").fill("-1")
    (_, name, value), _ = page.evaluate("model.calls")
    explorer.set_state({name: value})
    assert readout(page, NORMS[0]) == pytest.approx(explorer.readouts()[NORMS[0]], rel=1e-12)
    page.evaluate("dispose()")
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)
