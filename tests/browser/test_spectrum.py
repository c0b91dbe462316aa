"""The explorer of power spectra in a browser."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from convsim import convolutional_similarity
from convsim.explorers import SpectrumExplorer
from convsim.explorers.similarity import uniform_noise
from convsim.explorers.spectrum import LOSSES
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    random_taps,
    readout,
    show_live,
    shown_kernels,
    write_page,
)


def random_explorer(rng: random.Random, number: int) -> SpectrumExplorer:
    count = rng.randint(1, 16)
    return SpectrumExplorer(
        kernel_1=random_taps(rng, count),
        kernel_2=random_taps(rng, count) if number % 5 != 0 else [0.0] * count,
        loss=LOSSES[number % 2],
        learning_rate=rng.uniform(0.001, 1),
        seed=rng.randint(0, 2**32 - 1),
    )


def slowest() -> SpectrumExplorer:
    rng = random.Random(0)
    k1, k2 = ([rng.uniform(-1, 1) for _ in range(16)] for _ in range(2))
    return SpectrumExplorer(kernel_1=k1, kernel_2=k2)


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-slider", "convolutional_similarity"),
    slowest=slowest,
    pictures=2,
    widest=lambda: [
        SpectrumExplorer(kernel_1=[-0.99] * 16),
        SpectrumExplorer(kernel_1=[0] * 8),
    ],
    mangled=("loss=kernel_similarity", "learning_rate=11", "kernel_1=1,2&kernel_2=1"),
)


def powers(page: Page) -> list[torch.Tensor]:
    """Both spectra at 0, 1/2048, … 1/2 of the kernels in the page's link."""
    state = shown_kernels(page)
    kernels = torch.tensor([state["kernel_1"], state["kernel_2"]], dtype=torch.float64)
    return list(torch.fft.rfft(kernels, 2048).abs().square())


def test_the_live_spectrum_is_pythons(page: Page, tmp_path: Path) -> None:
    explorer = SpectrumExplorer(seed=3, loss="normalized")
    show_live(page, tmp_path, explorer)
    call = page.get_by_label("Constructor call").input_value()
    assert repr(eval(call, {"SpectrumExplorer": SpectrumExplorer})) == repr(explorer)  # noqa: S307
    page.get_by_label("Band of K₂").fill("0.3")
    page.evaluate("model.receive({ kernel_1: [1, 0, 0, 2] })")  # one of two messages
    page.evaluate("model.receive({ kernel_2: [1, 1, 0, 0] })")
    explorer.set_kernels([1, 0, 0, 2], [1, 1, 0, 0])
    for name in ("convolutional_similarity", "normalized_similarity", "norm_1"):
        assert readout(page, name) == pytest.approx(explorer.readouts()[name], rel=1e-12)
    calls = page.evaluate("model.calls")
    assert [call[:2] for call in calls] == [["set", "kernel_2"], ["save_changes"]]
    explorer.kernel_2 = calls[0][2]  # Python takes what the page sends
    page.evaluate("dispose()")
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)


def test_bands_move_the_peaks_and_part_the_kernels(page: Page, tmp_path: Path) -> None:
    explorer = SpectrumExplorer(kernel_1=[0.5] * 16, kernel_2=[0, 3] + [0] * 14)
    page.goto(write_page(tmp_path, explorer))
    bands = [page.get_by_label(f"Band of K{digit}") for digit in "₁₂"]
    norms = [2.0, 3.0]
    for frequency in ("0.1", "0.17", "0.25", "0.38", "0.4"):
        for which, band in enumerate(bands):
            band.fill(frequency)
            peak = powers(page)[which].argmax().item() / 2048
            assert peak == pytest.approx(float(frequency), abs=0.002)
            assert readout(page, f"norm_{which + 1}") == pytest.approx(norms[which], rel=1e-14)
    for frequency, at in (("0", 0), ("0.5", 1024)):
        bands[0].fill(frequency)
        assert powers(page)[0].argmax().item() == at
    expect(page.locator(".convsim-spectrum")).to_contain_text("centre 0.50")

    bands[1].fill("0.4")
    values = []
    for frequency in ("0.4", "0.35", "0.3", "0.2", "0.1"):
        bands[0].fill(frequency)
        values.append(readout(page, "convolutional_similarity"))
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1e-4 * values[0]
    assert values[-1] > 0

    # fewer taps or half the scale, the same bands; then a tap by hand: the slider is at the peak
    page.get_by_role("button", name="Halve both").click()
    page.get_by_label("Taps", exact=True).fill("10")
    assert powers(page)[1].argmax().item() / 2048 == pytest.approx(0.4, abs=0.005)
    page.get_by_label("K2 tap 0").fill("1.5")
    peak = powers(page)[1].argmax().item() / 2048
    expect(page.locator(".convsim-spectrum")).to_contain_text(f"peak {peak:.2f}")
    assert float(bands[1].input_value()) == pytest.approx(peak, abs=0.006)
    bands[0].focus()
    page.keyboard.press("ArrowRight")
    assert float(bands[0].input_value()) == pytest.approx(0.11)
    page.get_by_role("button", name="Reset").click()
    assert shown_kernels(page)["kernel_1"] == explorer.kernel_1
    assert_quiet(page)


def test_a_band_for_a_dead_kernel_has_norm_one(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SpectrumExplorer(kernel_1=[0] * 4, kernel_2=[1, 0, 0, 0])))
    page.get_by_label("Band of K₁").fill("0.5")
    assert readout(page, "norm_1") == pytest.approx(1, rel=1e-14)
    page.get_by_label("Taps", exact=True).fill("1")
    page.get_by_label("Band of K₁").fill("0.2")
    assert shown_kernels(page)["kernel_1"] == pytest.approx([1])
    assert_quiet(page)


def test_the_area_has_the_mean_that_the_line_shows(page: Page, tmp_path: Path) -> None:
    """Heights read off the picture, in units of the axis, against the loss."""
    explorer = SpectrumExplorer()
    page.goto(write_page(tmp_path, explorer))
    chart = page.locator(".convsim-chart").last
    ticks = chart.locator(".convsim-tick[text-anchor=end]:not(.convsim-strong)").evaluate_all(
        "(all) => all.map((t) => [Number(t.textContent), t.getAttribute('y') - 4])"
    )
    (low, bottom), (high, top) = min(ticks), max(ticks)
    path = chart.locator(".convsim-area").get_attribute("d") or ""
    height = [
        low + (float(y) - bottom) / (top - bottom) * (high - low)
        for y in re.findall(r"L[\d.]+ ([\d.]+)", path)
    ]
    assert len(height) == 161
    mean = (2 * sum(height) - height[0] - height[-1]) / 320
    line = float(chart.locator(".convsim-mean").get_attribute("y1") or "")
    expected = explorer.readouts()["convolutional_similarity"]
    step = 0.01 * (high - low) / (bottom - top)  # the picture is rounded to 1/100 pixel
    assert mean == pytest.approx(expected, abs=step)
    assert low + (line - bottom) / (top - bottom) * (high - low) == pytest.approx(
        expected, abs=step
    )
    assert "its mean, L CS, is 1.7251" in (chart.get_attribute("aria-label") or "")
    curves = page.locator(".convsim-chart").first.locator("path")
    assert [curve.get_attribute("class") for curve in curves.all()] == [
        "convsim-line-one",
        "convsim-line-two",
    ]


def test_halving_and_doubling_both_kernels(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SpectrumExplorer()))
    names = ("convolutional_similarity", "normalized_similarity", "norm_1", "norm_2")
    before = [readout(page, name) for name in names]
    page.get_by_role("button", name="Halve both").click()
    after = [readout(page, name) for name in names]
    expected = [before[0] / 16, before[1], before[2] / 2, before[3] / 2]
    assert after == pytest.approx(expected, rel=1e-14)
    expect(page.get_by_text("a sixteenth; the normalised form is still 0.5562")).to_be_visible()
    page.get_by_role("button", name="Double both").click()
    assert shown_kernels(page)["kernel_1"] == SpectrumExplorer().kernel_1
    for _ in range(25):
        page.get_by_role("button", name="Double both").click()
    expect(page.get_by_text("The taps would exceed one million.")).to_be_visible()
    largest = max(abs(tap) for kernel in shown_kernels(page).values() for tap in kernel)
    assert 5e5 < largest <= 1e6
    assert_quiet(page)


@pytest.mark.parametrize("taps", [1, 5, 16])
@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_one_normalised_step_is_torchs_with_the_norms_held(
    page: Page, tmp_path: Path, taps: int, size: float
) -> None:
    rng = random.Random(taps)
    k1, k2 = ([rng.uniform(-size, size) for _ in range(taps)] for _ in range(2))
    page.goto(write_page(tmp_path, SpectrumExplorer(kernel_1=k1, kernel_2=k2, learning_rate=0.2)))
    page.get_by_label("Descend on").select_option("normalized")
    page.get_by_role("button", name="One step").click()
    kernels = torch.tensor([k1, k2], dtype=torch.float64)
    norms = kernels.norm(dim=1, keepdim=True)
    units = (kernels / norms).requires_grad_()
    value = convolutional_similarity(units.unsqueeze(1), normalized=True)
    (gradient,) = torch.autograd.grad(value, units)
    stepped = (units - 0.2 * gradient).detach()
    expected = norms * stepped / stepped.norm(dim=1, keepdim=True)
    got = shown_kernels(page)
    assert got["kernel_1"] == pytest.approx(expected[0].tolist(), abs=1e-13 * size)
    assert got["kernel_2"] == pytest.approx(expected[1].tolist(), abs=1e-13 * size)


def test_normalised_descent_parts_the_bands_and_keeps_the_norms(page: Page, tmp_path: Path) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(write_page(tmp_path, SpectrumExplorer()))
    norms = [readout(page, name) for name in ("norm_1", "norm_2")]
    run = page.locator(".convsim-descent button").last
    page.get_by_label("Descend on").select_option("normalized")
    run.click()
    expect(page.get_by_text(re.compile("(Converged|Stopped) after"))).to_be_visible()
    assert readout(page, "normalized_similarity") < 0.02
    assert [readout(page, n) for n in ("norm_1", "norm_2")] == pytest.approx(norms, rel=1e-10)
    expect(page.locator(".convsim-alive")).to_contain_text("Alive")

    # the plain loss shrinks them as well; with one band for both, the smaller one dies
    page.get_by_role("button", name="Reset").click()
    run.click()
    expect(page.get_by_text("Converged after")).to_be_visible()
    assert readout(page, "norm_1") < 0.9 * norms[0]
    assert readout(page, "norm_2") < 0.9 * norms[1]
    page.goto("about:blank")
    page.goto(write_page(tmp_path, SpectrumExplorer(kernel_1=[1], kernel_2=[0.5])))
    run.click()
    expect(page.get_by_text("Converged after")).to_be_visible()
    assert readout(page, "norm_1") > 0.8
    expect(page.locator(".convsim-alive")).to_contain_text("Nearly dead: K₂")
    assert_quiet(page)


def test_a_dead_kernel_is_named_and_cannot_be_descended(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SpectrumExplorer(kernel_1=[0, 0], kernel_2=[1, 2])))
    note = page.locator(".convsim-alive")
    expect(note).to_contain_text("Dead: K₁")
    expect(note).to_have_class(re.compile("convsim-warning"))
    assert page.locator('[data-readout="normalized_similarity"]').inner_text() == "undefined"
    page.get_by_label("Descend on").select_option("normalized")
    for name in ("One step", "Run"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_text("the normalised form is undefined: there is")).to_be_visible()
    assert shown_kernels(page) == {"kernel_1": [0.0, 0.0], "kernel_2": [1.0, 2.0]}
    page.get_by_label("K1 tap 1").fill("0.01")
    expect(note).to_contain_text("Nearly dead: K₁")
    expect(page.locator(".convsim-unseen")).to_contain_text("Nearly dead: K₁")
    page.get_by_label("K1 tap 1").fill("1")
    expect(note).to_contain_text("Alive")
    assert_quiet(page)


def test_random_kernels_come_from_the_seed(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, SpectrumExplorer()))
    page.get_by_role("button", name="Randomise").click()
    expect(page.get_by_label("Random seed")).to_have_value("1")
    drawn = [round(200 * v - 100) / 100 for v in uniform_noise(1, 16)]
    assert shown_kernels(page) == {"kernel_1": drawn[:8], "kernel_2": drawn[8:]}
    page.get_by_label("Random seed").fill("7")
    assert shown_kernels(page)["kernel_1"] != drawn[:8]
    page.get_by_label("Random seed").fill("1")
    assert shown_kernels(page)["kernel_1"] == drawn[:8]
    assert_quiet(page)
