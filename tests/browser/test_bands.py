"""The explorer of starts from the spectrum in a browser."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import BandsExplorer
from convsim.explorers.bands import PARTS, SPREADS
from tests.browser.explorer_pages import Facts, assert_quiet, readout, show_live, write_page
from tests.browser.test_input import pixels


def random_explorer(rng: random.Random, number: int) -> BandsExplorer:
    return BandsExplorer(
        spread=SPREADS[number % 3],
        part=[*PARTS][number % 3],
        width=(0.0, rng.uniform(0, math.pi), math.pi)[number % 4 % 3],
        taps=rng.randint(3, 7),
        seed=rng.randint(0, 2**32 - 1),
    )


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-range", "expected_similarity"),
    slowest=lambda: BandsExplorer(taps=7, width=1.0),
    pictures=26,  # the mean spectrum, the photograph; eight kernels, spectra and maps
    widest=lambda: [BandsExplorer(spread="same", part="high", taps=7, width=1.0)],
    mangled=("spread=odd", "part=middle", "width=4", "taps=2", "taps=3.5", "seed=-1"),
)


def test_the_slider_widens_the_bands_until_all_are_alike(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, BandsExplorer()))
    width = page.get_by_label("Width of the bands")
    start = pixels(page, "Kernel K1")
    seen = []
    for _ in range(6):
        seen.append((readout(page, "expected_similarity"), readout(page, "concentration")))
        for _ in range(2):
            width.press("PageUp")
    assert [a for a, _ in seen] == sorted(a for a, _ in seen)
    assert [b for _, b in seen] == sorted((b for _, b in seen), reverse=True)
    assert seen[0][0] < 0.6 < 0.99 < seen[-1][0]
    expect(width).to_have_attribute("aria-valuetext", "σ = 3.14 radians")
    expect(page.locator(".convsim-alive")).to_contain_text("white noise")
    spectrum = pixels(page, "Spectrum p1")
    assert np.ptp(spectrum.astype(int)) <= 12
    assert (pixels(page, "Kernel K1") != start).any()
    assert_quiet(page)


def test_one_band_for_all_and_others_by_choice(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, BandsExplorer()))
    explorer = BandsExplorer()
    for spread in SPREADS:
        page.get_by_label("Frequencies", exact=True).select_option(spread)
        for part in PARTS:
            page.get_by_label("Where", exact=True).select_option(part)
            explorer.set_trait("spread", spread)
            explorer.set_trait("part", part)
            expected = explorer.readouts()
            for name in ("expected_similarity", "similarity", "map_cosine"):
                assert readout(page, name) == pytest.approx(expected[name], abs=1e-9)
    page.get_by_label("Frequencies", exact=True).select_option("same")
    assert readout(page, "expected_similarity") == pytest.approx(1)
    assert np.array_equal(pixels(page, "Spectrum p1"), pixels(page, "Spectrum p8"))
    expect(page.locator(".convsim-alive")).to_contain_text("the spectra coincide")
    assert_quiet(page)


def test_a_spectrum_is_bright_where_its_wave_is(page: Page, tmp_path: Path) -> None:
    explorer = BandsExplorer(taps=7, seed=11)
    page.goto(write_page(tmp_path, explorer))
    for number, (across, down) in enumerate(explorer.frequencies.tolist(), start=1):
        grey = pixels(page, f"Spectrum p{number}").astype(float)
        i, j = np.unravel_index(grey.argmax(), grey.shape)
        steps = np.linspace(-math.pi, math.pi, len(grey))
        # One of the two peaks, or, where both meet or wrap around, close to them.
        apart = [
            max(
                abs((steps[j] - s * across + math.pi) % (2 * math.pi) - math.pi),
                abs((steps[i] - s * down + math.pi) % (2 * math.pi) - math.pi),
            )
            for s in (1, -1)
        ]
        assert min(apart) < 0.5
    assert_quiet(page)


def test_the_live_view_answers_to_python(page: Page, tmp_path: Path) -> None:
    explorer = BandsExplorer(spread="even")
    show_live(page, tmp_path, explorer)
    call = page.get_by_label("Constructor call").input_value()
    assert repr(eval(call, {"BandsExplorer": BandsExplorer})) == repr(explorer)  # noqa: S307
    explorer.taps = 5
    page.evaluate("model.receive({ taps: 5 })")
    output = page.locator('[data-readout="similarity"]')
    expect(output).to_have_text(f"{explorer.readouts()['similarity']:.4f}")
    page.get_by_role("button", name="New kernels").click()
    assert page.evaluate("model.get('seed')") == explorer.seed + 1
    page.evaluate("dispose()")
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)
