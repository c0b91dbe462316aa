"""The explorer of the input in a browser."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from convsim.explorers import InputExplorer
from convsim.explorers.input import INPUTS, SIDE
from tests.browser.explorer_pages import Facts, assert_quiet, readout, show_live, write_page

CONSTANT = [[77] * SIDE] * SIDE


def random_explorer(rng: random.Random, number: int) -> InputExplorer:
    return InputExplorer(
        input=INPUTS[number % 5],
        patches=("raw", "centered")[number % 2],
        eps=(1e-6, 0.001, 10.0, 1e4)[number % 4],
        seed=rng.randint(0, 2**32 - 1),
        own=[[rng.randint(0, 255) for _ in range(SIDE)] for _ in range(SIDE)],
    )


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-range", "map_cosine"),
    slowest=InputExplorer,
    pictures=14,  # one's own, X, R, its eigenvalues, two matrices of cosines, 4 kernels, 4 maps
    widest=lambda: [InputExplorer(input="own", eps=1e-6), InputExplorer(input="own", own=CONSTANT)],
    mangled=("input=music", "patches=centred", "eps=0", "eps=20000", "seed=-1"),
)


def file_of(levels: np.ndarray) -> dict[str, Any]:
    """A picture of grey levels as the file that a reader chooses."""
    buffer = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(buffer, format="PNG")
    return {"name": "picture.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def pixels(page: Page, label: str) -> np.ndarray:
    values = page.get_by_label(label).evaluate(
        "(c) => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
        ".filter((_, i) => i % 4 === 0)"
    )
    side = round(len(values) ** 0.5)
    return np.reshape(values, (side, side))


def cells(page: Page, title: str) -> list[float]:
    """The numbers that a matrix shows, row by row."""
    texts = page.get_by_label(title).locator("text").all_text_contents()
    return [float(text.replace("−", "-")) for text in texts]


def test_the_slider_moves_orthogonality_from_the_kernels_to_the_maps(
    page: Page, tmp_path: Path
) -> None:
    page.goto(write_page(tmp_path, InputExplorer()))
    slider, identity = page.get_by_role("slider"), np.eye(4).flatten().tolist()
    assert cells(page, "Cosines of the kernels") == pytest.approx(identity, abs=1e-4)
    assert readout(page, "kernel_cosine") < 1e-4
    assert readout(page, "map_cosine") > 0.9
    before = pixels(page, "Feature map F1")
    seen = []
    for _ in range(10):
        slider.press("PageUp")
        seen.append((readout(page, "kernel_cosine"), readout(page, "map_cosine")))
    assert [k for k, _ in seen] == sorted(k for k, _ in seen)
    assert [m for _, m in seen] == sorted((m for _, m in seen), reverse=True)
    expect(slider).to_have_attribute("aria-valuetext", "ε = 1.00 × 10⁻⁶")
    assert cells(page, "Cosines of the feature maps") == pytest.approx(identity, abs=1e-4)
    assert seen[-1][1] < 1e-4
    assert seen[-1][0] > 0.2
    gram = InputExplorer(eps=1e-6).readouts()["kernel_gram"]
    assert cells(page, "Cosines of the kernels") == pytest.approx(np.ravel(gram), abs=0.005001)
    label = page.get_by_label("Cosines of the kernels").get_attribute("aria-label") or ""
    assert f"1 and 2 {gram[0][1]:.2f}".replace("-", "−") in label
    assert (pixels(page, "Feature map F1") != before).any()
    assert_quiet(page)


def test_each_input_and_its_centered_patches(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, InputExplorer()))
    explorer = InputExplorer()
    for patches, text in (("raw", "as they are"), ("centered", "less their mean")):
        page.get_by_label("Patches").select_option(text)
        for name in INPUTS:
            page.get_by_label("Input X", exact=True).select_option(name)
            explorer.set_trait("input", name)
            explorer.patches = patches
            expected = explorer.readouts()
            assert readout(page, "map_cosine") == pytest.approx(expected["map_cosine"], abs=1e-9)
            label = page.get_by_label("Eigenvalues of R as shares").get_attribute("aria-label")
            shown = [float(v.split()[0]) / 100 for v in (label or "").split(": ")[1].split(", ")]
            assert shown == pytest.approx(expected["eigenvalues"], rel=0.06)
            grey = pixels(page, "Input X: ")
            assert grey.shape == explorer.signal.shape
            corner = explorer.signal[:2, :2].flatten().numpy()
            assert np.array_equal(np.argsort(grey[:2, :2].flatten()), np.argsort(corner))
    assert_quiet(page)


def test_new_kernels_come_from_the_next_seed_and_reset_takes_them_back(
    page: Page, tmp_path: Path
) -> None:
    page.goto(write_page(tmp_path, InputExplorer(seed=2**32 - 1)))
    first = readout(page, "map_cosine")
    page.get_by_role("button", name="New kernels").click()
    expect(page.get_by_label("Kernel seed")).to_have_value("0")
    expected = InputExplorer(seed=0).readouts()["map_cosine"]
    assert readout(page, "map_cosine") == pytest.approx(expected, abs=1e-9)
    page.get_by_role("button", name="Reset").click()
    assert readout(page, "map_cosine") == first
    assert_quiet(page)


def test_a_picture_of_the_readers_own(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, InputExplorer()))
    chooser = page.get_by_label("Picture file")
    expect(chooser).to_be_hidden()
    page.get_by_label("Input X", exact=True).select_option("own")
    levels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE))
    wide = np.zeros((SIDE, SIDE + 20), dtype=int)
    wide[:, 10:-10] = levels  # the middle square is what counts
    chooser.set_input_files([file_of(wide)])
    expected = InputExplorer(input="own", own=levels).readouts()["map_cosine"]
    output = page.locator('[data-readout="map_cosine"]')
    expect(output).to_have_text(f"{expected:.4f}")
    assert readout(page, "map_cosine") == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(pixels(page, "Input X: "), levels)
    chooser.set_input_files(
        [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}]
    )
    expect(page.get_by_text("This file cannot be read as a picture.")).to_be_visible()
    assert readout(page, "map_cosine") == pytest.approx(expected, abs=1e-9)
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("Input X", exact=True).select_option("own")
    assert chooser.input_value() == ""
    expected = InputExplorer(input="own").readouts()["map_cosine"]
    assert readout(page, "map_cosine") == pytest.approx(expected, abs=1e-9)
    assert_quiet(page)


def test_a_picture_of_one_value_is_undefined_without_its_mean(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, InputExplorer(input="own", own=CONSTANT, eps=1e-6)))
    assert np.abs(cells(page, "Cosines of the feature maps")).tolist() == [1] * 16
    page.get_by_label("Patches").select_option("centered")
    expect(page.locator(".convsim-warning")).to_contain_text("the input is constant")
    expect(page.locator('[data-readout="map_cosine"]')).to_have_text("undefined")
    assert page.get_by_label("Cosines of the kernels: undefined").count() == 1
    dust = page.get_by_label("R, 9 by 9: 0 on the diagonal").locator("rect")
    assert set(dust.evaluate_all("(all) => all.map((c) => c.getAttribute('fill-opacity'))")) == {
        "0"
    }
    assert (pixels(page, "Feature map F1") == 128).all()
    page.get_by_label("Input X", exact=True).select_option("constant")
    assert page.locator(".convsim-warning").count() == 0
    assert readout(page, "map_cosine") < 1e-4
    assert_quiet(page)


def test_the_live_view_takes_pictures_from_python_and_sends_the_readers(
    page: Page, tmp_path: Path
) -> None:
    explorer = InputExplorer(input="own")
    show_live(page, tmp_path, explorer)
    call = page.get_by_label("Constructor call").input_value()
    assert repr(eval(call, {"InputExplorer": InputExplorer})) == repr(explorer)  # noqa: S307
    explorer.own = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE))
    page.evaluate("(own) => model.receive({ own })", explorer.get_state("own")["own"])
    output = page.locator('[data-readout="map_cosine"]')
    expect(output).to_have_text(f"{explorer.readouts()['map_cosine']:.4f}")
    levels = np.random.default_rng(2).integers(0, 256, (SIDE, SIDE))
    page.get_by_label("Picture file").set_input_files([file_of(levels)])
    page.wait_for_function("model.calls.length > 0")
    *sets, saved = page.evaluate("model.calls")
    assert ([name for _, name, _ in sets], saved) == (["input", "own"], ["save_changes"])
    explorer.set_state({name: value for _, name, value in sets})
    assert explorer.own == levels.tolist()
    page.evaluate("dispose()")
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)
