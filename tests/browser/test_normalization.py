"""The explorer of batch normalisation in a browser."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from convsim.explorers import NormalizationExplorer
from convsim.explorers.normalization import OPTIMIZERS, normalized_loss
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    link_parts,
    points_of,
    readout,
    show_live,
    write_page,
)


def random_explorer(rng: random.Random, number: int) -> NormalizationExplorer:
    return NormalizationExplorer(
        scale=10 ** rng.uniform(-1, 1),
        angle=rng.uniform(-180, 180),
        learning_rate=10 ** rng.uniform(-2, 1),
        steps=rng.randint(1, 100),
        optimizer=list(OPTIMIZERS)[number % len(OPTIMIZERS)],
    )


FACTS = Facts(
    random=random_explorer,
    slider=('[aria-label^="Start scale"]', "norm_start"),
    slowest=lambda: NormalizationExplorer(steps=100, optimizer="Adam"),
    pictures=2,
    widest=lambda: [
        NormalizationExplorer(angle=-178.5, learning_rate=0.0123, optimizer=name)
        for name in OPTIMIZERS
    ],
    mangled=("scale=0.01", "angle=200", "steps=1.5", "learning_rate=0.001", "optimizer=adam"),
)


def test_logarithmic_sliders_set_scale_and_rate(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, NormalizationExplorer()))
    scale, rate = page.get_by_label("Start scale s"), page.get_by_label("Learning rate η")
    for position, value in (("-1", "0.1"), ("0", "1"), ("1", "10"), ("-0.48", "0.331")):
        scale.fill(position)
        assert link_parts(page)["scale"] == value
        assert float(scale.input_value()) == float(position)  # it stays where it was put
        expect(scale).to_have_attribute("aria-valuetext", f"s = {value}")
    for position, value in (("-2", "0.01"), ("1", "10"), ("-0.7", "0.2")):
        rate.fill(position)
        assert link_parts(page)["learning_rate"] == value
    page.get_by_label("Start angle α").fill("-35")
    page.get_by_label("Steps", exact=True).fill("7")
    assert link_parts(page) | {"convsim": ""} == {
        "convsim": "", "scale": "0.331", "angle": "-35", "learning_rate": "0.2", "steps": "7",
        "optimizer": "SGD",
    }  # fmt: skip
    twin = NormalizationExplorer(scale=0.331, angle=-35, learning_rate=0.2, steps=7).readouts()
    for cell in page.locator("[data-readout]").all():
        name = cell.get_attribute("data-readout") or ""
        tolerance = {"abs": 1e-12} if name == "largest_gap" else {"rel": 1e-9}
        assert readout(page, name) == pytest.approx(twin[name], **tolerance), name
    rate.focus()
    page.keyboard.press("ArrowRight")
    assert link_parts(page)["learning_rate"] == "0.204"
    page.keyboard.press("Home")
    assert link_parts(page)["learning_rate"] == "0.01"
    page.get_by_role("button", name="Reset").click()
    assert link_parts(page)["scale"] == "0.3"
    assert_quiet(page)


def test_dragging_the_scale_redraws_both_pictures(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, NormalizationExplorer()))
    box = page.get_by_label("Start scale s").bounding_box()
    assert box is not None
    y, seen = box["y"] + box["height"] / 2, set()
    page.mouse.move(box["x"] + box["width"] * 0.3, y)
    page.mouse.down()
    for share in (0.1, 0.5, 0.9):
        page.mouse.move(box["x"] + share * box["width"], y, steps=4)
        scale = float(link_parts(page)["scale"])
        assert scale == pytest.approx(10 ** (2 * share - 1), rel=0.15)
        assert readout(page, "norm_start") == pytest.approx(scale)
        assert readout(page, "largest_gap") < 1e-11
        seen.add(tuple(chart.inner_html() for chart in page.locator(".convsim-chart").all()))
    page.mouse.up()
    assert len({plane for plane, _ in seen}) == len({curves for _, curves in seen}) == 3
    assert_quiet(page)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize(("scale", "rate"), [(0.1, 10.0), (0.3, 0.1), (10.0, 1.0)])
def test_the_plane_shows_the_path_and_the_curves_coincide(
    page: Page, tmp_path: Path, scale: float, rate: float, width: int
) -> None:
    """Places read off the picture, in units of the plane, against the readouts."""
    page.set_viewport_size({"width": width, "height": 740})
    explorer = NormalizationExplorer(scale=scale, learning_rate=rate, angle=150, steps=60)
    page.goto(write_page(tmp_path, explorer))
    expected = explorer.readouts()
    plane = page.locator(".convsim-chart").first
    expect(plane.locator(".convsim-hollow")).to_be_visible()
    outer = plane.locator(".convsim-hollow")
    x, y, radius = (float(outer.get_attribute(name) or "") for name in ("cx", "cy", "r"))
    pixels = radius / expected["norm_end"]
    path = [((a - x) / pixels, (y - b) / pixels) for a, b in points_of(page, ".convsim-line-one")]
    assert len(path) == 61
    for got, wanted in zip(path, expected["path"], strict=True):
        assert got == pytest.approx(wanted, abs=2 * expected["norm_end"] / radius / 100)
    inner = float(plane.locator(".convsim-start").get_attribute("r") or "")
    assert inner == pytest.approx(pixels * scale, abs=0.02)

    # the ring is lowest where the loss is, and the dotted ray points there
    fine = torch.arange(0, 360, 0.5, dtype=torch.float64).deg2rad()
    loss = normalized_loss(torch.stack([fine.cos(), fine.sin()], dim=1))
    ring = [math.hypot(a - x, b - y) for a, b in points_of(page, ".convsim-area")]
    rise = 30 * (loss - loss.min()) / (loss.max() - loss.min())
    assert ring[:-1] == pytest.approx((radius + rise).tolist(), abs=0.02)
    tip = points_of(page, "path.convsim-mean")[1]
    angle = math.atan2(y - tip[1], tip[0] - x) % math.tau
    assert angle == pytest.approx(fine[loss.argmin()].item(), abs=0.001)
    box = plane.bounding_box()
    assert box is not None
    assert max(ring) < min(box["width"], box["height"]) / 2

    own, other = points_of(page, ".convsim-line-wide"), points_of(page, ".convsim-line-two")
    assert len(own) == 61
    assert own == [pytest.approx(point, abs=0.011) for point in other]
    assert own != points_of(page, ".convsim-line-text")
    assert_quiet(page)


def test_the_optimiser_changes_numbers_pictures_and_words(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, NormalizationExplorer()))
    choice, note = page.get_by_label("Optimiser"), page.locator("p.convsim-note")
    rate, legend = (
        page.locator(".convsim-tile:has([data-readout=rate_start])"),
        page.locator(".convsim-key"),
    )
    seen = set()
    for name, said, power in (
        ("momentum", "10 η/‖w‖² at start", "η/s²"),
        ("SGDP", "10 η/‖w‖² at start", "η/s²"),
        ("Adam", "η/‖w‖ at start", "η/s"),
        ("SGD", "η/‖w‖² at start", "η/s²"),
    ):
        choice.select_option(name)
        assert link_parts(page)["optimizer"] == name
        twin = NormalizationExplorer(optimizer=name).readouts()
        for cell in page.locator("[data-readout]").all():
            key = cell.get_attribute("data-readout") or ""
            assert readout(page, key) == pytest.approx(twin[key], rel=1e-9, abs=1e-12), key
        expect(rate.locator(".convsim-label")).to_have_text(said)
        expect(legend.filter(has_text="B:")).to_have_text(f"B: from scale 1 with {power}")
        assert ("may fall" in note.inner_text()) == (name == "Adam")
        assert ("never falls" in note.inner_text()) == (name != "Adam")
        seen.add(tuple(chart.inner_html() for chart in page.locator(".convsim-chart").all()))
    assert len({plane for plane, _ in seen}) == len({curves for _, curves in seen}) == 4
    choice.select_option("Adam")
    page.get_by_role("button", name="Reset").click()
    expect(choice).to_have_value("SGD")
    assert_quiet(page)


def test_the_plane_holds_a_path_that_turns_back_inwards(page: Page, tmp_path: Path) -> None:
    explorer = NormalizationExplorer(scale=2, angle=-90, learning_rate=0.08, optimizer="Adam")
    page.goto(write_page(tmp_path, explorer))
    outer = page.locator(".convsim-chart").first.locator(".convsim-hollow")
    x, y, radius = (float(outer.get_attribute(name) or "") for name in ("cx", "cy", "r"))
    distances = [math.hypot(a - x, b - y) for a, b in points_of(page, ".convsim-line-one")]
    norms = [math.hypot(*w) for w in explorer.readouts()["path"]]
    assert norms[-1] < max(norms)
    assert distances == pytest.approx([radius * n / max(norms) for n in norms], abs=0.02)
    assert_quiet(page)


def test_the_live_normalization_is_pythons(page: Page, tmp_path: Path) -> None:
    explorer = NormalizationExplorer(scale=2, steps=30)
    show_live(page, tmp_path, explorer)
    call = page.get_by_label("Constructor call").input_value()
    copy = eval(call, {"NormalizationExplorer": NormalizationExplorer})  # noqa: S307
    assert repr(copy) == repr(explorer)
    page.evaluate("model.receive({ scale: 0.5 })")
    explorer.scale = 0.5
    for name in ("norm_end", "rate_end", "loss_end", "turned"):
        assert readout(page, name) == pytest.approx(explorer.readouts()[name], rel=1e-9)
    page.get_by_label("Steps", exact=True).fill("12")
    assert page.evaluate("model.calls") == [["set", "steps", 12], ["save_changes"]]
    page.evaluate("dispose()")
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)
