"""The explorer of similarity in a browser, and the descent of two kernels."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Page, expect

from convsim import convolutional_similarity
from convsim.explorers import SimilarityExplorer
from convsim.explorers.similarity import INPUTS, LOSSES
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    largest,
    random_taps,
    readout,
    shown_kernels,
    write_page,
)


def random_explorer(rng: random.Random, number: int) -> SimilarityExplorer:
    count = rng.randint(1, 16)
    return SimilarityExplorer(
        kernel_1=random_taps(rng, count),
        kernel_2=random_taps(rng, count),
        input=INPUTS[number % len(INPUTS)],
        seed=rng.randint(0, 2**32 - 1),
        photograph=random_taps(rng, 64),
        own=random_taps(rng, 64),
    )


def slowest() -> SimilarityExplorer:
    rng = random.Random(0)
    k1, k2 = ([rng.uniform(-1, 1) for _ in range(16)] for _ in range(2))
    return SimilarityExplorer(kernel_1=k1, kernel_2=k2)


def scale(name: str, value: Any, readouts: dict[str, Any]) -> float:
    if name.endswith("cosine"):
        return 1.0
    return value if name == "convolutional_similarity" else largest(readouts["lag_terms"])


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-slider", "feature_map_similarity"),
    slowest=slowest,
    pictures=6,
    widest=lambda: [
        SimilarityExplorer(),
        SimilarityExplorer(kernel_1=[-0.99] * 16, kernel_2=[0.5] * 16, input="own"),
    ],
    mangled=(
        "kernel_1=1,2&kernel_2=1,NaN",
        "kernel_1=1,2&kernel_2=1,2,3",
        "kernel_1=",
        "input=constructor",
        "loss=normalized",
        "seed=1e99",
        "seed=-1",
        "learning_rate=0",
        "kernel_1=%E0%A4%A",
        "kernel_1=" + ",".join("1" * 17) + "&kernel_2=" + ",".join("1" * 17),
    ),
    scale=scale,
)


@pytest.mark.parametrize("name", INPUTS)
def test_javascript_draws_pythons_signal(page: Page, tmp_path: Path, name: str) -> None:
    """A one-tap kernel makes the feature map X itself; ⟨X, X[n]⟩ is read off with impulses."""
    page.goto(write_page(tmp_path))
    for seed in (0, 7, 2**32 - 1):
        explorer = SimilarityExplorer(kernel_1=[1], kernel_2=[1], input=name, seed=seed)
        state = explorer.get_state(list(explorer.names))
        lags = []
        for n in range(16):
            state["kernel_1"] = [float(i == 0) for i in range(n + 1)]
            state["kernel_2"] = [float(i == n) for i in range(n + 1)]
            got = page.evaluate("(state) => convsimExplorers.compute('similarity', state)", state)
            lags.append(got["feature_map_similarity"])
        x = explorer.signal
        expected = [(x[: 64 - n] * x[n:]).sum().item() for n in range(16)]
        assert lags == pytest.approx(expected, abs=1e-12 * 64)


def test_a_slider_moves_numbers_and_picture(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer()
    page.goto(write_page(tmp_path, explorer))
    pictures = [chart.inner_html() for chart in page.locator(".convsim-chart").all()]
    slider = page.get_by_label("K2 tap 3")
    slider.fill("1.25")
    explorer.kernel_2 = [*explorer.kernel_2[:3], 1.25, *explorer.kernel_2[4:]]
    expected = explorer.readouts()
    for name in ("kernel_similarity", "feature_map_similarity", "lag_0", "other_lags"):
        assert readout(page, name) == pytest.approx(expected[name], abs=1e-9)
    now = [chart.inner_html() for chart in page.locator(".convsim-chart").all()]
    *moved, signal = (new != old for new, old in zip(now, pictures, strict=True))
    assert all(moved) and len(moved) == 4  # maps, lags, both kernels, norms
    assert not signal

    slider.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert shown_kernels(page)["kernel_2"][3] == 1.27
    page.keyboard.press("ArrowDown")
    assert shown_kernels(page)["kernel_2"][3] == 1.26
    assert_quiet(page)


def test_bars_and_running_sum_are_eq_11(page: Page, tmp_path: Path) -> None:
    """Heights read off the picture, in units of the axis, against the readouts."""
    explorer = SimilarityExplorer()
    page.goto(write_page(tmp_path, explorer))
    chart = page.locator(".convsim-chart:has(.convsim-fill-other)")
    ticks = chart.locator(".convsim-tick").evaluate_all(
        "(all) => all.filter((t) => t.getAttribute('text-anchor') === 'end')"
        ".map((t) => [Number(t.textContent.replace('−', '-')), t.getAttribute('y') - 4])"
    )
    (low, bottom), (high, top) = min(ticks), max(ticks)

    def heights(mark: str, pattern: str) -> list[float]:
        path = chart.locator(mark).get_attribute("d") or ""
        ys = (float(y) for y in re.findall(pattern, path))
        return [low + (y - bottom) / (top - bottom) * (high - low) for y in ys]

    terms = explorer.readouts()["lag_terms"]
    sums = torch.tensor(terms).cumsum(0).tolist()
    step = 0.01 * (high - low) / (bottom - top)  # the picture is rounded to 1/100 pixel
    bars = heights(".convsim-fill-other", r"V(-?[\d.]+)H")
    assert bars == pytest.approx(terms[:4] + terms[5:], abs=step)
    assert heights(".convsim-fill-lag0", r"V(-?[\d.]+)H") == pytest.approx([terms[4]], abs=step)
    line = heights(".convsim-line-text", r"[ML][\d.]+ (-?[\d.]+)")
    assert line == pytest.approx(sums, abs=step)
    final = heights(".convsim-final", r"M[\d.]+ (-?[\d.]+)")
    expected = explorer.readouts()["feature_map_similarity"]
    assert final == pytest.approx([expected], abs=step)


def test_dragging_with_the_mouse_follows_the_pointer(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SimilarityExplorer()))
    box = page.get_by_label("K1 tap 1").bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share, sign in ((0.1, 1), (0.9, -1)):
        page.mouse.move(x, box["y"] + share * box["height"], steps=4)
        assert sign * shown_kernels(page)["kernel_1"][1] > 0.8
    page.mouse.up()


def test_taps_change_both_kernels_and_inputs_change_x(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer()
    page.goto(write_page(tmp_path, explorer))
    page.get_by_label("Taps", exact=True).fill("16")
    assert page.get_by_label("K1 tap", exact=False).count() == 16
    assert page.locator(".convsim-slider").count() == 32
    page.get_by_label("Taps", exact=True).fill("1")
    assert page.locator(".convsim-slider").count() == 2
    page.get_by_label("Taps", exact=True).fill("2")
    for name in INPUTS:
        page.get_by_label("Input X", exact=True).select_option(name)
        expect(page.get_by_label("Seed")).to_be_visible(visible=name == "noise")
        twin = SimilarityExplorer(kernel_1=[0.25, 0], kernel_2=[0.5, 0], input=name)
        expected = twin.readouts()["feature_map_similarity"]
        assert readout(page, "feature_map_similarity") == pytest.approx(expected, abs=1e-10)
    page.get_by_label("Input X", exact=True).select_option("noise")
    page.get_by_label("Seed").fill("12")
    expected = SimilarityExplorer(kernel_1=[0.25, 0], kernel_2=[0.5, 0], seed=12).readouts()
    assert readout(page, "lag_0") == pytest.approx(expected["lag_0"], abs=1e-10)
    page.get_by_label("Seed").fill("-3")
    assert readout(page, "lag_0") == pytest.approx(expected["lag_0"], abs=1e-10)
    expect(page.get_by_label("Seed")).to_have_attribute("aria-invalid", "true")
    assert_quiet(page)


def test_orthogonal_kernels_leave_similar_feature_maps(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SimilarityExplorer()))
    assert abs(readout(page, "kernel_similarity")) > 0.1
    page.get_by_role("button", name="Make K₂ ⟂ K₁").click()
    assert abs(readout(page, "kernel_similarity")) < 1e-12
    assert abs(readout(page, "lag_0")) < 1e-10
    assert abs(readout(page, "feature_map_similarity")) > 1
    assert page.locator('[data-readout="kernel_similarity"]').inner_text() == "0"

    page.get_by_role("button", name="Reset").click()
    for n in range(5):
        page.get_by_label(f"K1 tap {n}").fill("0")
    assert page.locator('[data-readout="kernel_cosine"]').inner_text() == "undefined"
    page.get_by_role("button", name="Make K₂ ⟂ K₁").click()
    expect(page.get_by_text("K₁ is zero")).to_be_visible()
    assert shown_kernels(page)["kernel_2"] == SimilarityExplorer().kernel_2
    assert_quiet(page)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("taps", [1, 5, 16])
def test_one_step_is_torchs_gradient_step(page: Page, tmp_path: Path, loss: str, taps: int) -> None:
    rng = random.Random(taps)
    k1, k2 = ([rng.uniform(-1, 1) for _ in range(taps)] for _ in range(2))
    page.goto(
        write_page(tmp_path, SimilarityExplorer(kernel_1=k1, kernel_2=k2, learning_rate=0.03))
    )
    page.get_by_label("Descend on").select_option(loss)
    page.get_by_role("button", name="One step").click()
    kernels = torch.tensor([k1, k2], dtype=torch.float64, requires_grad=True)
    value = (
        convolutional_similarity(kernels.unsqueeze(1))
        if loss == "convolutional_similarity"
        else (kernels[0] * kernels[1]).sum() ** 2
    )
    (gradient,) = torch.autograd.grad(value, kernels)
    expected = (kernels - 0.03 * gradient).detach()
    got = shown_kernels(page)
    assert got["kernel_1"] == pytest.approx(expected[0].tolist(), abs=1e-13)
    assert got["kernel_2"] == pytest.approx(expected[1].tolist(), abs=1e-13)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
@pytest.mark.parametrize("loss", LOSSES)
def test_descent_reduces_its_loss_and_stops_by_itself(
    page: Page, tmp_path: Path, motion: Any, loss: str
) -> None:
    page.emulate_media(reduced_motion=motion)
    page.goto(write_page(tmp_path, SimilarityExplorer(loss=loss)))
    name = loss
    before = readout(page, name)
    run = page.locator(".convsim-descent button").last
    # Clicked and read in one step: on a busy machine the descent ends before the next question.
    label = run.evaluate("button => { button.click(); return button.textContent; }")
    if motion == "no-preference":
        assert label == "Stop"
    expect(page.get_by_text("Converged after")).to_be_visible(timeout=60_000)
    expect(run).to_have_text("Run")
    assert abs(readout(page, name)) < 0.05 * abs(before)
    assert_quiet(page)


def test_descent_stops_on_request_and_on_divergence(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer(learning_rate=1e-5)
    page.goto(write_page(tmp_path, explorer))
    run = page.locator(".convsim-descent button").last
    run.click()
    expect(page.get_by_text(re.compile(r"Step \d\d"))).to_be_visible()
    run.click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    kernels = shown_kernels(page)
    assert kernels["kernel_1"] != explorer.kernel_1
    page.wait_for_timeout(100)
    assert shown_kernels(page) == kernels

    page.get_by_label("Step size").fill("5")
    run.click()
    expect(page.get_by_text("the step size is too large")).to_be_visible()
    assert shown_kernels(page) == kernels
    page.get_by_role("button", name="Reset").click()
    assert shown_kernels(page)["kernel_1"] == explorer.kernel_1
    assert_quiet(page)


def test_a_diverged_descent_puts_the_kernels_back(page: Page, tmp_path: Path) -> None:
    """With one tap each, 1 and 1, this step size grows from step to step; two make a frame."""
    explorer = SimilarityExplorer(kernel_1=[1], kernel_2=[1], learning_rate=1.05)
    page.goto(write_page(tmp_path, explorer))
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Diverged after 3 steps")).to_be_visible()
    assert shown_kernels(page) == {"kernel_1": [1.0], "kernel_2": [1.0]}


def test_randomise_and_reset(page: Page, tmp_path: Path) -> None:
    explorer = SimilarityExplorer()
    page.goto(write_page(tmp_path, explorer))
    link = page.locator(".convsim-link").input_value()
    page.get_by_role("button", name="Randomise").click()
    kernels = shown_kernels(page)
    assert kernels["kernel_1"] != explorer.kernel_1
    assert all(-1 <= tap <= 1 for kernel in kernels.values() for tap in kernel)
    page.get_by_label("Input X", exact=True).select_option("sine")
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".convsim-link").input_value() == link
    expected = explorer.readouts()["feature_map_similarity"]
    assert readout(page, "feature_map_similarity") == pytest.approx(expected, abs=1e-10)
