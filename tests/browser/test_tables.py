"""Tables show every column on a laptop; on a telephone their first column stays in sight."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.test_pages import HTML, NARROW, PAGES, _built, check_quiet  # noqa: F401

WITH_TABLES = [name for name in PAGES if "<table" in (HTML / name).read_text()]
# What scrolls sideways around a table, or the table itself if nothing does.
BOX = """(table) => {
  for (let box = table.parentElement; box; box = box.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return box;
  return table;
}"""


def show(page: Page, name: str) -> None:
    """Open a page with everything on it unfolded."""
    page.goto((HTML / name).as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    page.evaluate(
        """() => {
          const all = (selector) => document.querySelectorAll(selector);
          for (const button of all(".toggle-hidden .toggle-button")) button.click();
          for (const folded of all("details")) folded.open = true;
        }"""
    )


@pytest.mark.parametrize("name", WITH_TABLES)
@pytest.mark.parametrize("width", [1280, 1264], ids=["1280", "1280 less a scroll bar"])
def test_no_column_is_hidden_on_a_laptop(page: Page, name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show(page, name)
    hidden = page.evaluate(
        f"""() => [...document.querySelectorAll("main table")].map((table) => {{
          const box = ({BOX})(table), name = table.textContent.trim().slice(0, 60);
          return [name, box.scrollWidth - box.clientWidth, box.getBoundingClientRect().right];
        }}).filter(([, more, right]) => more > 0 || right > innerWidth)"""
    )
    assert hidden == []


@pytest.mark.parametrize("name", WITH_TABLES)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_first_column_stays_on_a_telephone(page: Page, name: str, colours: str) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
    show(page, name)
    seen = page.evaluate(
        f"""() => [...document.querySelectorAll("main table:not(.indextable)")].map((table) => {{
          const box = ({BOX})(table);
          box.scrollLeft = 1e6;
          const cells = [...table.querySelectorAll("tbody tr > :first-child")];
          const left = (node) => node.getBoundingClientRect().left;
          return {{
            name: table.textContent.trim().slice(0, 60),
            away: box.scrollLeft,
            left: cells.map((c) => left(c) - left(box)),
            grounds: [...new Set(cells.map((c) => getComputedStyle(c).backgroundColor))],
            width: Math.max(...cells.map((c) => c.getBoundingClientRect().width)),
          }};
        }})"""
    )
    if name == "chapters/kernel-orthogonality.html":
        assert any(table["away"] > 20 for table in seen), "what scrolls is not found"
    for table in seen:
        if not table["away"]:  # it is as narrow as the screen
            continue
        assert max(map(abs, table["left"])) <= 1, table
        assert table["width"] < NARROW["width"] / 2, table
        # Nothing shows through.
        assert all(ground.startswith("rgb(") for ground in table["grounds"]), table
    check_quiet(page)
