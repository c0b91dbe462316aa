"""A report as a page of its own: its headings sort it."""

from __future__ import annotations

from pathlib import Path

import torch
from playwright.sync_api import Page, expect
from torch import nn

from convsim import redundancy_report
from tests.browser.explorer_pages import assert_quiet


def test_a_heading_sorts_by_its_column_and_the_total_stays(page: Page, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Conv2d(2, 2, n) for n in (3, 1, 5)), nn.Conv2d(2, 12, 3))
    report = redundancy_report(model)
    path = tmp_path / "report.html"
    path.write_text(report.to_html(), encoding="utf-8")
    page.goto(path.as_uri())
    table, beside = page.locator("table").all()
    layers = table.locator("tbody tr td:first-child")
    expect(layers).to_have_text(["0", "1", "2", "3"])
    by_similarity = sorted(range(4), key=lambda n: report.layers[n].similarity)
    head = table.get_by_role("columnheader", name="L_CS")
    head.get_by_role("button").click()
    expect(layers).to_have_text([str(n) for n in by_similarity])
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").press("Enter")
    expect(layers).to_have_text([str(n) for n in reversed(by_similarity)])
    table.get_by_role("button", name="normalised").click()
    defined = [n for n in range(4) if report.layers[n].normalized_similarity is not None]
    defined.sort(key=lambda n: report.layers[n].normalized_similarity or 0)
    expect(layers).to_have_text([*map(str, defined), "1"])  # undefined for one tap
    expect(head).not_to_have_attribute("aria-sort", "ascending")
    table.get_by_role("button", name="S", exact=True).click()
    expect(layers.last).to_have_text("3")  # 12 comes after 2
    expect(table.locator("tfoot td").first).to_have_text("total")
    # The readings beside random kernels are a table of their own, which sorts alone.
    beside.get_by_role("button", name="here").click()
    here = [float(cell) for cell in beside.locator("tbody tr td:nth-child(3)").all_inner_texts()]
    assert here == sorted(here) and len(here) == 3 * 3 + 1
    expect(layers.last).to_have_text("3")
    assert_quiet(page)
