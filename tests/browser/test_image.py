"""The explorer of images in a browser."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Page, expect

from convsim import cross_correlate
from convsim.explorers import ImageExplorer
from convsim.explorers.image import INPUTS
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    largest,
    random_taps,
    readout,
    write_page,
)


def random_explorer(rng: random.Random, number: int) -> ImageExplorer:
    size = rng.choice([3, 5])
    return ImageExplorer(
        kernel_1=[random_taps(rng, size) for _ in range(size)],
        kernel_2=[random_taps(rng, size) for _ in range(size)],
        input=INPUTS[number % 2],
        photograph=[[rng.randint(0, 255) for _ in range(64)] for _ in range(64)],
        own=[[rng.randint(0, 255) for _ in range(64)] for _ in range(64)],
    )


def slowest() -> ImageExplorer:
    rng = random.Random(0)
    k1, k2 = ([[rng.uniform(-1, 1) for _ in range(5)] for _ in range(5)] for _ in range(2))
    return ImageExplorer(kernel_1=k1, kernel_2=k2)


def scale(name: str, value: Any, readouts: dict[str, Any]) -> float:
    if name.endswith("cosine"):
        return 1.0
    return value if name == "convolutional_similarity" else largest(readouts["lag_terms"])


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-matrix input", "feature_map_similarity"),
    slowest=slowest,
    pictures=6,
    widest=lambda: [ImageExplorer(kernel_1=[[-0.123] * 5] * 5), ImageExplorer(input="own")],
    mangled=(
        "kernel_1=1,2;3,4&kernel_2=1,2;3,4",
        "kernel_1=1,2,3;4,5,6;7,8,NaN",
        "kernel_1=" + ";".join(["1,1,1,1,1"] * 5),
        "input=noise",
    ),
    scale=scale,
)


def pixels(page: Page, label: str) -> list[int]:
    return page.get_by_label(label).evaluate(
        "(c) => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
        ".filter((_, i) => i % 4 === 0)"
    )


def test_image_explorer_draws_feature_maps_on_one_scale(page: Page, tmp_path: Path) -> None:
    explorer = ImageExplorer()
    page.goto(write_page(tmp_path, explorer))
    page.get_by_label("Kernel K₂").select_option("Blur")
    page.get_by_label("K1 row 0 column 0").fill("-1.75")
    explorer.kernel_1 = [[-1.75, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    explorer.kernel_2 = [
        [1 / 16, 2 / 16, 1 / 16],
        [2 / 16, 4 / 16, 2 / 16],
        [1 / 16, 2 / 16, 1 / 16],
    ]
    for name in ("kernel_similarity", "feature_map_similarity", "convolutional_similarity"):
        assert readout(page, name) == pytest.approx(explorer.readouts()[name], rel=1e-9)
    maps = [
        cross_correlate(explorer.signal, torch.tensor(k, dtype=torch.float64), dims=2)
        for k in (explorer.kernel_1, explorer.kernel_2)
    ]
    white = max(f.abs().max().item() for f in maps)
    assert pixels(page, "Input X: Photograph") == [
        level for row in explorer.photograph for level in row
    ]
    for number, f in enumerate(maps, start=1):
        grey = (127.5 + 127.5 * f / white).flatten()
        assert (
            torch.tensor(pixels(page, f"Feature map F{number}")) - grey
        ).abs().max() <= 0.5 + 1e-6
    expect(page.get_by_label("Kernel K₁")).to_have_value("")
    assert_quiet(page)


def test_image_presets_sizes_and_typing(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, ImageExplorer()))
    expect(page.get_by_label("Kernel K₁")).to_have_value("Sobel x")
    for size in ("5", "3"):
        page.get_by_label("Size", exact=True).select_option(size)
        assert page.locator(".convsim-matrix input").count() == 2 * int(size) ** 2
        expect(page.get_by_label("Kernel K₁")).to_have_value("Sobel x")
        for name in ("Sobel y", "Blur", "Sharpen", "Gabor", "Random", "Sobel x"):
            page.get_by_label("Kernel K₁").select_option(name)
            expect(page.get_by_label("Kernel K₁")).to_have_value(name)
    page.get_by_label("Kernel K₁").select_option("Random")
    seen = readout(page, "kernel_similarity")
    page.get_by_label("Random seed").fill("5")
    assert readout(page, "kernel_similarity") != seen
    page.get_by_label("Random seed").fill("0")
    assert readout(page, "kernel_similarity") == seen
    cell = page.get_by_label("K2 row 1 column 1")
    cell.fill("")
    expect(cell).to_have_attribute("aria-invalid", "true")
    assert readout(page, "kernel_similarity") == seen
    cell.fill("0.125")
    expect(cell).to_have_attribute("aria-invalid", "false")
    assert readout(page, "kernel_similarity") != seen
    assert_quiet(page)
