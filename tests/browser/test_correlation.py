"""The explorer of cross-correlation in a browser."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from convsim.explorers import CorrelationExplorer
from convsim.explorers.correlation import MODES
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    largest,
    random_taps,
    readout,
    write_page,
)


def random_explorer(rng: random.Random, number: int) -> CorrelationExplorer:
    length = rng.randint(1, 64)
    return CorrelationExplorer(
        signal=random_taps(rng, length),
        kernel=random_taps(rng, rng.randint(1, min(16, length))),
        mode=MODES[number % 3],
        position=rng.randint(0, 80),
    )


def slowest() -> CorrelationExplorer:
    rng = random.Random(0)
    signal, kernel = ([rng.uniform(-1, 1) for _ in range(size)] for size in (64, 16))
    return CorrelationExplorer(signal=signal, kernel=kernel, mode="same", position=32)


def scale(name: str, value: Any, readouts: dict[str, Any]) -> float:
    return largest(readouts["output"])


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-slider", "value"),
    slowest=slowest,
    pictures=3,
    widest=lambda: [CorrelationExplorer()],
    mangled=("mode=circular", "position=1.5", "position=1e7", "kernel=1,2,3&signal=1,2"),
    scale=scale,
)


def test_correlation_explorer_follows_position_mode_and_taps(page: Page, tmp_path: Path) -> None:
    explorer = CorrelationExplorer()
    page.goto(write_page(tmp_path, explorer))
    for mode, length in (("full", 14), ("same", 12), ("valid", 10)):
        page.get_by_label(mode, exact=True).check()
        position = page.get_by_label("Position")
        assert position.get_attribute("max") == str(length - 1)
        assert f"{length} values" in page.locator(".convsim-note").first.inner_text()
        explorer.mode = mode
        for n in (0, 3, length - 1):
            position.fill(str(n))
            explorer.position = n
            assert readout(page, "value") == pytest.approx(explorer.readouts()["value"], abs=1e-12)
    page.get_by_label("full", exact=True).check()
    position.focus()
    page.keyboard.press("End")
    assert position.input_value() == "13"
    page.get_by_label("valid", exact=True).check()
    assert position.input_value() == "9"
    page.get_by_label("K tap 2").fill("-0.5")
    page.get_by_label("Taps", exact=True).fill("4")
    twin = CorrelationExplorer(kernel=[-1, 0, -0.5, 0], mode="valid", position=8)
    assert position.input_value() == "8"
    assert readout(page, "value") == pytest.approx(twin.readouts()["value"], abs=1e-12)
    assert_quiet(page)
