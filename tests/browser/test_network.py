"""The explorer of networks in a browser."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from torch import nn

from book.networks import scripts
from convsim.explorers.network import CHANGES, NETWORKS, NetworkExplorer
from convsim.pictures import PICTURES, picture
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    largest,
    link_parts,
    readout,
    show_live,
    write_page,
)
from tests.browser.touch import telephone

CHANGE_OF_PICTURE = """
async (names) => {
  const picture = document.querySelector('select[aria-label="Picture"]'), times = [];
  for (let round = 0; round < 60; round++) {
    picture.value = names[round % names.length];
    const start = performance.now();
    picture.dispatchEvent(new Event("change"));
    document.body.getBoundingClientRect();
    times.push(performance.now() - start);
    await new Promise(requestAnimationFrame);
  }
  return times.slice(10);
}
"""


def random_explorer(rng: random.Random, number: int) -> NetworkExplorer:
    return NetworkExplorer(
        network=NETWORKS[number % 5],
        trained=rng.choice(("after", "before")),
        image=rng.choice(PICTURES),
        layer=rng.randint(1, 4),
        stage=rng.choice(("maps", "activations")),
        centered=rng.choice(("raw", "centered")),
        change=CHANGES[number % 7 % 5],
        factor=10 ** rng.uniform(-1, 1),
        first=rng.randint(1, 64),
        second=rng.randint(1, 130),
    )


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-range", "loss"),
    slowest=lambda: NetworkExplorer(change="scale", layer=2),
    pictures=11,
    widest=lambda: [NetworkExplorer(change="scale", factor=10.0)],
    mangled=("network=none", "image=mine", "layer=0", "factor=11", "first=0"),
    scale=lambda name, value, readouts: 100 * largest(value),  # inverse roots of 64 by 64
    frame=100.0,
    held=lambda: NetworkExplorer(change="scale"),
)


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A page as the book has it: nothing is loaded before it is asked for."""
    address = write_page(tmp_path, NetworkExplorer(image="ship"), supplied=False)
    (tmp_path / "_static/networks").mkdir()
    for name, text in scripts().items():
        (tmp_path / "_static/networks" / name).write_text(text, encoding="utf-8")
    return address


def load(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Load the network").click()
    page.locator('[data-readout="map_cosine"][data-value]').wait_for()


def test_a_network_loads_from_disk_when_it_is_asked_for(page: Page, address: str) -> None:
    page.goto(address)
    assert page.locator("script[src*=networks]").count() == 0
    load(page, address)
    expect(page.locator(".convsim-class").first).to_have_text("ship93\u00a0%")
    sources = page.locator("script[src*=networks]").evaluate_all("all => all.map((s) => s.src)")
    assert [Path(source).name for source in sources] == ["default-after.js", "pictures.js"]
    expected = NetworkExplorer(image="ship").readouts()
    for name in ("kernel_cosine", "similarity", "loss", "map_cosine", "moved"):
        assert readout(page, name) == pytest.approx(expected[name], abs=1e-9)
    assert_quiet(page)


def test_another_network_comes_with_everything_else_held(page: Page, address: str) -> None:
    load(page, address)
    page.get_by_label("Layer", exact=True).select_option("3")
    page.get_by_label("Network", exact=True).select_option("scale-free")
    expected = NetworkExplorer(image="ship", network="scale-free", layer=3).readouts()
    page.wait_for_function(
        "(v) => Math.abs(document.querySelector('[data-readout=similarity]').dataset.value - v)"
        " < 1e-9",
        arg=expected["similarity"],
    )
    assert link_parts(page)["layer"] == "3"
    assert_quiet(page)


def test_what_does_not_load_is_said(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, NetworkExplorer(), supplied=False))
    page.get_by_role("button", name="Load the network").click()
    expect(page.get_by_text("The network did not load")).to_be_visible()
    expect(page.get_by_role("button", name="Load the network")).to_be_visible()


def test_a_picture_is_chosen_by_its_thumbnail(page: Page, address: str) -> None:
    load(page, address)
    small = page.get_by_role("group", name="Pictures").get_by_role("button")
    small = small.and_(page.locator("[aria-pressed]"))
    assert [each.get_attribute("aria-label") for each in small.all()] == list(PICTURES)
    expect(small.nth(PICTURES.index("ship"))).to_have_attribute("aria-pressed", "true")
    small.nth(PICTURES.index("frog")).click()
    expected = NetworkExplorer(image="frog").readouts()
    assert readout(page, "map_cosine") == pytest.approx(expected["map_cosine"], abs=1e-9)
    expect(page.get_by_label("Picture", exact=True)).to_have_value("frog")
    pressed = [each.get_attribute("aria-pressed") == "true" for each in small.all()]
    assert [name for name, one in zip(PICTURES, pressed, strict=True) if one] == ["frog"]
    assert_quiet(page)


def test_three_taps_on_a_phone_lead_from_a_photograph_to_orthogonal_kernels_with_like_maps(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    photograph = tmp_path / "photograph.jpg"
    pixels = (255 * picture("horse")).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).resize((900, 600)).save(photograph)
    context, phone = telephone(browser)
    context.set_offline(True)
    phone.goto(address)
    phone.get_by_role("button", name="Load the network").tap()
    phone.locator('[data-readout="map_cosine"][data-value]').wait_for()
    before = readout(phone, "map_cosine")
    with phone.expect_file_chooser() as choosing:
        phone.get_by_role("button", name="Your own …").tap()
    choosing.value.set_files(photograph)
    phone.wait_for_function(
        "(old) => document.querySelector('[data-readout=map_cosine]').dataset.value != old",
        arg=before,
    )
    find = phone.get_by_role("button", name="Find orthogonal kernels with like maps")
    find.tap()
    assert abs(readout(phone, "pair_kernels")) < 0.05
    assert abs(readout(phone, "pair_maps")) > 0.9
    assert link_parts(phone)["image"] == "own"
    assert_quiet(phone)
    context.close()


def test_a_cell_and_a_map_choose_the_pair(page: Page, address: str) -> None:
    load(page, address)
    for name, (first, second) in (("Kernels, cosines", (33, 17)), ("Feature maps, cos", (60, 5))):
        matrix = page.locator(f'canvas[aria-label^="{name}"]')
        box = matrix.bounding_box()
        assert box is not None
        x, y = ((n - 0.5) / 64 * box["width"] for n in (second, first))
        matrix.click(position={"x": x, "y": y})
        assert [link_parts(page)[n] for n in ("first", "second")] == [str(first), str(second)]
    sheet = page.locator('canvas[aria-label^="64 feature maps"]')
    box = sheet.bounding_box()
    assert box is not None
    sheet.click(position={"x": box["width"] * 2.5 / 8, "y": box["height"] * 1.5 / 8})
    assert [link_parts(page)[n] for n in ("first", "second")] == ["11", "5"]


def test_a_new_picture_is_answered_within_a_tenth_of_a_second(page: Page, address: str) -> None:
    load(page, address)
    rounds = [page.evaluate(CHANGE_OF_PICTURE, list(PICTURES)) for _ in range(3)]
    p95 = min(statistics.quantiles(times, n=20)[-1] for times in rounds)
    print(f"95th percentile {p95:.1f} ms")
    assert p95 <= 100


def test_scale_moves_the_loss_and_not_the_answer(page: Page, address: str) -> None:
    load(page, address)
    before = readout(page, "loss")
    page.get_by_label("Change this layer").select_option("scale")
    assert readout(page, "loss") == pytest.approx(16 * before)
    assert readout(page, "moved") < 1e-9
    page.get_by_label("Change this layer").select_option("remove")
    assert readout(page, "moved") > 0.001
    expect(page.get_by_text("Removed: map ")).to_be_visible()


def test_like_maps_stand_side_by_side(page: Page, address: str) -> None:
    load(page, address)
    matrix = page.locator('canvas[aria-label^="Feature maps"]')
    near = """(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, 64, 64);
      let sum = 0;
      for (let n = 0; n < 63; n++) sum += data[4 * (64 * n + n + 1) + 3];
      return sum / 63 / 255;
    }"""
    before = matrix.evaluate(near)
    page.get_by_label("Like maps side by side").check()
    assert matrix.evaluate(near) > before + 0.2


def test_a_picture_of_ones_own_is_answered(page: Page, address: str, tmp_path: Path) -> None:
    load(page, address)
    file = tmp_path / "own.png"
    levels = (255 * picture("horse")).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(file)
    page.get_by_label("Picture", exact=True).select_option("own")
    page.get_by_label("Picture file").set_input_files(file)
    expected = NetworkExplorer(image="horse").readouts()["map_cosine"]
    page.wait_for_function(
        "(v) => Math.abs(document.querySelector('[data-readout=map_cosine]').dataset.value - v)"
        " < 1e-9",
        arg=expected,
    )
    assert "own" not in {*link_parts(page)} and link_parts(page)["image"] == "own"
    assert_quiet(page)


def test_a_notebook_is_sent_the_network(page: Page, tmp_path: Path) -> None:
    explorer = NetworkExplorer(image="frog")
    show_live(page, tmp_path, explorer)
    assert readout(page, "loss") == pytest.approx(explorer.readouts()["loss"])
    page.get_by_label("Network", exact=True).select_option("longer")
    expect(page.get_by_label("Network", exact=True)).to_have_value("longer")
    explorer.network = "longer"
    page.evaluate("(packed) => model.receive({ packed })", explorer.packed)
    assert readout(page, "loss") == pytest.approx(explorer.readouts()["loss"])


def test_a_network_of_ones_own_is_drawn(page: Page, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 5, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 7, 3)),
        *(nn.BatchNorm2d(7), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(7 * 14 * 14, 4)),
    ).eval()
    explorer = NetworkExplorer(model, layer=2, image="cat", classes=("a", "b", "c", "d"))
    page.goto(write_page(tmp_path, explorer, supplied=False))
    for name in ("kernel_cosine", "similarity", "map_cosine"):
        assert readout(page, name) == pytest.approx(explorer.readouts()[name], abs=1e-9)
    expect(page.get_by_label("Layer", exact=True).locator("option")).to_have_count(2)
    assert_quiet(page)
