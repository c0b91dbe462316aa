"""A picture of the reader's own in a browser: chosen, dropped, pasted or drawn."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from convsim.explorers import ImageExplorer, InputExplorer, SimilarityExplorer
from convsim.explorers.base import Explorer
from convsim.explorers.script import javascript
from tests.browser.explorer_pages import assert_quiet, link_parts, show_live, write_page
from tests.browser.touch import SIZE, swipe, telephone

TAKERS: list[type[Any]] = [InputExplorer, ImageExplorer, SimilarityExplorer]
SIDES = {InputExplorer: 32, ImageExplorer: 64, SimilarityExplorer: 64}
CANVAS = ".convsim-own"
every_taker = pytest.mark.parametrize("taker", TAKERS)
SHARE = {InputExplorer: "map_cosine"}  # a readout that the input moves

# A file as it comes from another window, or from the clipboard.
ARRIVE = """(root, [kind, bytes, type]) => {
  const data = new DataTransfer();
  const file = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  data.items.add(new File([file], "picture", { type }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent("paste", { ...options, clipboardData: data })
    : new DragEvent(kind, { ...options, dataTransfer: data });
  return !root.dispatchEvent(event);
}"""


def png(levels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def arrive(page: Page, kind: str, content: bytes, type_: str = "image/png") -> bool:
    """Drag over, drop or paste a file on an explorer; whether the page kept it to itself."""
    text = base64.b64encode(content).decode()
    where = page.locator(".convsim-caption").first
    kept: bool = where.evaluate(ARRIVE, [kind, text, type_])
    return kept


def made_with(taker: type[Any], levels: np.ndarray) -> Explorer:
    """What Python makes of the picture: grey levels, or their middle row."""
    own = levels[len(levels) // 2] / 255 if taker is SimilarityExplorer else levels
    explorer: Explorer = taker(input="own", own=own)
    return explorer


def shown(page: Page, taker: type[Any]) -> float:
    name = SHARE.get(taker, "feature_map_similarity")
    cell = page.locator(f'[data-readout="{name}"]').first
    return float(cell.get_attribute("data-value") or "nan")


def expect_readout(page: Page, taker: type[Any], levels: np.ndarray) -> None:
    name = SHARE.get(taker, "feature_map_similarity")
    expected = made_with(taker, levels).readouts()[name]
    page.wait_for_function(
        "([name, value]) => Math.abs(document.querySelector(`[data-readout=${name}]`).dataset.value"
        " - value) <= 1e-9 * Math.max(1, Math.abs(value))",
        arg=[name, expected],
    )


def own_canvas(page: Page) -> np.ndarray:
    pixels: list[int] = page.locator(CANVAS).evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    side = round((len(pixels) / 4) ** 0.5)
    return np.reshape(pixels, (side, side, 4))[..., :3]


def random_levels(taker: type[Any]) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (SIDES[taker], SIDES[taker]))


@every_taker
@pytest.mark.parametrize("way", ["file", "drop", "paste"])
def test_a_picture_comes_in_by_every_way(
    page: Page, tmp_path: Path, taker: type[Any], way: str
) -> None:
    page.goto(write_page(tmp_path, taker()))
    before = link_parts(page)
    levels = random_levels(taker)
    if way == "file":
        page.get_by_label("Input X", exact=True).select_option("own")
        file = {"name": "x.png", "mimeType": "image/png", "buffer": png(levels)}
        page.get_by_label("Picture file").set_input_files([file])
    else:
        assert before["input"] != "own"
        assert arrive(page, way, png(levels))
    expect_readout(page, taker, levels)
    expect(page.get_by_label("Input X", exact=True)).to_have_value("own")
    assert np.array_equal(own_canvas(page), np.repeat(levels[..., None], 3, axis=2))
    assert link_parts(page) == {**before, "input": "own"}  # and nothing of the picture
    page.get_by_role("button", name="Reset").click()
    assert link_parts(page) == before
    page.get_by_label("Input X", exact=True).select_option("own")
    assert page.get_by_label("Picture file").input_value() == ""
    name = SHARE.get(taker, "feature_map_similarity")
    assert shown(page, taker) == pytest.approx(taker(input="own").readouts()[name], rel=1e-9)
    assert_quiet(page)


@every_taker
def test_what_is_no_picture_is_said_and_changes_nothing(
    page: Page, tmp_path: Path, taker: type[Any]
) -> None:
    page.goto(write_page(tmp_path, taker()))
    before = page.locator(".convsim-link").input_value()
    message = page.get_by_text("This file cannot be read as a picture.")
    assert arrive(page, "drop", b"no picture", "text/plain")
    expect(message).to_be_visible()
    assert page.locator(".convsim-link").input_value() == before
    assert arrive(page, "drop", png(random_levels(taker)))
    expect(page.get_by_label("Input X", exact=True)).to_have_value("own")
    expect(message).to_have_count(0)
    assert_quiet(page)


def test_the_middle_square_of_a_photograph_in_colour_on_white(page: Page, tmp_path: Path) -> None:
    """Wide, eight times as fine, half transparent; grey is 0.299 R + 0.587 G + 0.114 B."""
    page.goto(write_page(tmp_path, InputExplorer()))
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (32, 32, 3))
    wide = np.zeros((256, 400, 4), dtype=np.uint8)
    wide[:, 72:328, :3] = np.kron(colours, np.ones((8, 8, 1)))
    wide[:128, :, 3] = 255  # nothing below: white
    arrive(page, "drop", png(wide))
    page.wait_for_function("document.querySelector('select').value === 'own'")
    seen = own_canvas(page)
    assert (seen[17:] == 255).all()
    assert np.abs(seen[:15].astype(int) - colours[:15]).mean() < 8  # of browsers' smoothing
    grey = page.get_by_label("Input X: Your own picture").evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, 32, 32).data]"
        ".filter((_, i) => i % 4 === 0)"
    )
    expected = seen @ np.array([0.299, 0.587, 0.114])
    assert np.abs(np.reshape(grey, (32, 32)) - expected).max() <= 0.5 + 1e-9
    assert_quiet(page)


def test_in_colour_the_channels_come_one_after_the_other(page: Page, tmp_path: Path) -> None:
    """No explorer asks for colour; one that does is told red, green and blue apart."""
    page.goto(write_page(tmp_path))
    script, end = javascript().rsplit("start();", 1)
    page.add_script_tag(content=f"{script}globalThis.ownPicture = ownPicture;{end}")
    page.evaluate(
        """() => {
          const take = (levels) => { globalThis.taken = levels; };
          globalThis.made = ownPicture({ side: 32, channels: 3, take });
          document.body.append(made.node, made.note);
        }"""
    )
    colours = np.random.default_rng(1).integers(0, 256, (32, 32, 3))
    file = {"name": "x.png", "mimeType": "image/png", "buffer": png(colours)}
    page.get_by_label("Picture file").set_input_files([file])
    page.wait_for_function("globalThis.taken")
    levels = np.frombuffer(base64.b64decode(page.evaluate("taken")), np.uint8).reshape(3, 32, 32)
    assert np.array_equal(levels, np.moveaxis(colours, 2, 0))
    other = base64.b64encode((255 - levels).tobytes()).decode()
    page.evaluate("(levels) => made.draw(true, levels)", other)
    assert np.array_equal(own_canvas(page), 255 - colours)
    page.get_by_label("Brush").select_option("blue")
    page.locator(CANVAS).click()
    assert own_canvas(page)[16, 16].tolist() == [0, 0, 255]
    assert_quiet(page)


@every_taker
def test_a_drawing_with_the_mouse(page: Page, tmp_path: Path, taker: type[Any]) -> None:
    page.goto(write_page(tmp_path, taker()))
    page.get_by_label("Input X", exact=True).select_option("own")
    page.get_by_role("button", name="Clear").click()
    assert (own_canvas(page) == 255).all()
    box = page.locator(CANVAS).bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    for brush, x0, x1 in (("black", 0.1, 0.6), ("gray", 0.8, 0.8)):
        page.get_by_label("Brush").select_option(brush)
        page.mouse.move(box["x"] + x0 * box["width"], middle)
        page.mouse.down()
        page.mouse.move(box["x"] + x1 * box["width"], middle, steps=4)
        page.mouse.up()
    page.mouse.move(box["x"], box["y"])  # no button: no line
    seen, side = own_canvas(page), SIDES[taker]
    row = seen[side // 2, :, 0]
    assert (row[side // 8 : side // 2] == 0).all()
    assert row[round(0.8 * side)] == 128
    assert row[-1] == row[round(0.7 * side)] == 255
    assert (seen[: side // 4] == 255).all() and (seen[-side // 4 :] == 255).all()
    expect_readout(page, taker, seen[..., 0])
    assert "own" not in link_parts(page)
    assert_quiet(page)


@every_taker
def test_a_finger_draws_on_the_canvas_and_moves_the_page_beside_it(
    browser: Browser, tmp_path: Path, taker: type[Any]
) -> None:
    context, page = telephone(browser)
    tall = "<style>body { padding-bottom: 1500px; }</style>"
    page.goto(write_page(tmp_path, taker(input="own"), head=tall))
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZE["width"]
    canvas = page.locator(CANVAS)
    box = canvas.bounding_box()
    assert box is not None
    before = own_canvas(page)
    assert swipe(page, box["x"] + 60, box["y"] + 150, by=-100) == 0
    after = own_canvas(page)
    column = round(60 / box["width"] * SIDES[taker])
    assert (after[SIDES[taker] // 2, column] == 0).all() and (after != before).any()
    words = page.get_by_text("Draw on the square").bounding_box()
    assert words is not None
    assert swipe(page, words["x"] + 20, words["y"] + 10) > 50
    assert np.array_equal(own_canvas(page), after)
    assert_quiet(page)
    context.close()


@pytest.mark.parametrize("row", [0, 10, 63])
def test_any_row_of_a_picture_is_the_signal(page: Page, tmp_path: Path, row: int) -> None:
    page.goto(write_page(tmp_path, SimilarityExplorer()))
    levels = random_levels(SimilarityExplorer)
    arrive(page, "drop", png(levels))
    expect_readout(page, SimilarityExplorer, levels)
    page.get_by_label("Row of the picture that is X").fill(str(row))
    expect_readout(page, SimilarityExplorer, np.repeat(levels[row][None], 64, axis=0))
    assert np.array_equal(own_canvas(page)[..., 0], levels)
    frame = page.locator(".convsim-own-frame .convsim-frame").bounding_box()
    canvas = page.locator(CANVAS).bounding_box()
    assert frame is not None and canvas is not None
    assert frame["y"] - canvas["y"] == pytest.approx(row / 64 * canvas["height"], abs=0.5)
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("Input X", exact=True).select_option("own")
    expect(page.get_by_label("Row of the picture that is X")).to_have_value("32")
    flower = np.array(SimilarityExplorer().own) * 255
    assert np.array_equal(own_canvas(page)[..., 0], np.tile(flower.round(), (64, 1)))


@every_taker
def test_python_hears_of_a_picture_and_shows_its_own(
    page: Page, tmp_path: Path, taker: type[Any]
) -> None:
    explorer = taker()
    show_live(page, tmp_path, explorer)
    levels = random_levels(taker)
    arrive(page, "drop", png(levels))
    page.wait_for_function("model.calls.length > 0")
    *sets, saved = page.evaluate("model.calls")
    assert saved == ["save_changes"]
    explorer.set_state({name: value for _, name, value in sets})
    assert explorer.input == "own"
    assert explorer.readouts() == made_with(taker, levels).readouts()
    other = made_with(taker, 255 - levels)
    page.evaluate("(own) => model.receive({ own })", other.get_state("own")["own"])
    expect_readout(page, taker, 255 - levels)
    row = SIDES[taker] // 2
    assert np.array_equal(own_canvas(page)[row, :, 0], 255 - levels[row])
    assert_quiet(page)


def test_a_file_over_an_explorer_is_welcomed_and_text_is_left_alone(
    page: Page, tmp_path: Path
) -> None:
    page.goto(write_page(tmp_path, ImageExplorer()))
    view = page.locator(".convsim-view")
    assert arrive(page, "dragover", b"")
    assert "convsim-over" in (view.get_attribute("class") or "")
    assert arrive(page, "drop", png(random_levels(ImageExplorer)))
    assert "convsim-over" not in (view.get_attribute("class") or "")
    left = page.get_by_label("K1 row 0 column 0").evaluate(
        """(cell) => {
          const data = new DataTransfer();
          data.setData("text/plain", "3");
          return ["paste", "dragover", "drop"].map((kind) => cell.dispatchEvent(kind === "paste"
            ? new ClipboardEvent(kind, { bubbles: true, cancelable: true, clipboardData: data })
            : new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data })));
        }"""
    )
    assert left == [True, True, True]
    page.locator(".convsim-own-ways").click(position={"x": 2, "y": 2})
    assert page.evaluate("document.activeElement.ariaLabel") == "Your own picture"
    assert_quiet(page)
