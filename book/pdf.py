"""Print the built book as one PDF: ``python -m book.pdf``.

The pages of ``_build/html`` are joined by ``book.one_page`` and printed by Chromium, twice: the
first print says on which page every heading is, the second has these numbers in its contents.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from playwright.sync_api import Browser, Error, Page, Route
from pypdf import PdfReader, PdfWriter
from pypdf.generic import BooleanObject, Destination, DictionaryObject, Fit, NameObject

from book.address import configured, site
from book.browser import open_chromium
from book.one_page import join, subject
from convsim.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"
OUTPUT = ROOT / "_build/convsim-book.pdf"
SCALE = 0.8
# Plotly and the explorers draw for the width that they see, so the screen is as wide as the paper
# (media queries count its margins, too) and the text as wide as A4 less the margins of print.css.
PAPER = round(210 / 25.4 * 96 / SCALE)
TEXT = round((210 - 2 * 18) / 25.4 * 96 / SCALE)
PATIENCE = 120_000  # milliseconds, for two thousand formulas on a slow machine

# A formula or a table that is wider than its place shrinks. Returned is what sticks out anyhow:
# Chromium would shrink the whole book for it.
FIT = """() => {
  for (const wide of document.querySelectorAll("div.math > mjx-container, main table")) {
    const room = wide.parentElement.clientWidth, width = wide.getBoundingClientRect().width;
    if (width > room) wide.style.zoom = room / width;
  }
  const paper = document.body.getBoundingClientRect(), out = new Set();
  for (const e of document.querySelectorAll("body :not(svg, svg *)")) {
    const box = e.getBoundingClientRect();
    if (box.width && (box.left < paper.left - 1 || box.right > paper.right + 1)) out.add(e);
  }
  return [...out].filter((e) => !out.has(e.parentElement))
    .map((e) => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 60)}`);
}"""

# An unknown macro is no error to MathJax: it prints its name in red.
WRONG_MATHS = """() => [...MathJax.startup.document.math]
  .filter((m) => m.typesetRoot.querySelector("mjx-merror, mjx-mtext[style*='color: red']"))
  .map((m) => m.math)"""

FILL_IN = """(pages) => {
  for (const entry of document.querySelectorAll("[data-page-of]"))
    entry.textContent = pages[entry.dataset.pageOf];
}"""

ENTRIES = """() => [...document.querySelectorAll(".print-contents a")].map((a) => ({
  level: Number(a.dataset.level), target: a.hash.slice(1), title: a.firstElementChild.textContent,
}))"""


@contextmanager
def opened(browser: Browser, html: Path, root: Path) -> Iterator[Page]:
    """Show the joined book as if it were published, with the files in ``html`` and no network.

    At its own address every link that leaves the document comes out right. Raises
    ``RuntimeError`` if the page needs a file that is not in ``html``, or reports an error.
    """
    document, address = join(html, root), site(configured(root))
    here, faults = f"{address}book.html", list[str]()

    def answer(route: Route) -> None:
        url = route.request.url.partition("?")[0]
        file = html / unquote(url.removeprefix(address))
        if url == here:
            route.fulfill(body=document, content_type="text/html; charset=utf-8")
        elif url.startswith(address) and file.is_file():
            route.fulfill(path=file)
        else:
            faults.append(f"not in the built book: {url}")
            route.abort()

    page = browser.new_page(
        viewport={"width": PAPER, "height": 1200}, color_scheme="light", service_workers="block"
    )
    page.set_default_timeout(PATIENCE)
    page.emulate_media(media="print")
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.route("**/*", answer)
    try:
        page.goto(here)
        page.add_style_tag(content=f"body {{ width: {TEXT}px }}")
        yield page
    except Error as fault:  # what keeps a page waiting is usually among the faults
        faults.append(str(fault))
    finally:
        page.close()
    if faults:
        raise RuntimeError("\n".join(["the book cannot be printed:", *faults]))


def settle(page: Page) -> None:
    """Wait until all is drawn, for the width of the paper; raise ``RuntimeError`` if it is not."""
    page.evaluate("MathJax.startup.promise.then(() => null)")
    if wrong := page.evaluate(WRONG_MATHS):
        raise RuntimeError("\n".join(["MathJax cannot typeset:", *wrong]))
    maths, typeset = page.locator(".math").count(), page.locator("mjx-container").count()
    if typeset < maths:
        raise RuntimeError(f"MathJax typeset {typeset} of {maths} formulas")
    for figure in page.locator(".convsim-plotly").all():
        figure.scroll_into_view_if_needed()  # the site draws a figure when it comes into view
        figure.locator("xpath=self::*[@data-drawn]").wait_for()
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    page.evaluate("document.fonts.ready.then(() => null)")
    if wide := page.evaluate(FIT):
        raise RuntimeError("\n".join(["wider than the paper:", *wide]))


def printed(page: Page) -> bytes:
    return page.pdf(scale=SCALE, prefer_css_page_size=True, print_background=True, tagged=True)


def destinations(pdf: bytes) -> dict[str, tuple[int, Destination]]:
    """Return the page, from 1, and the place of every id that a link leads to."""
    reader = PdfReader(io.BytesIO(pdf))
    found = {}
    for name, place in reader.named_destinations.items():
        index = reader.get_destination_page_number(place)
        if index is None:
            raise RuntimeError(f"{name} is on no page of the print")
        found[name.removeprefix("/")] = index + 1, place
    return found


def finished(pdf: bytes, entries: list[dict[str, Any]], settings: dict[str, Any]) -> bytes:
    """Return the print with an outline, a title, an author and a subject.

    Chromium could write the outline, but takes its words from the lines as they are set, without
    the space at a line's end.
    """
    places = destinations(pdf)
    writer = PdfWriter(io.BytesIO(pdf), full=True)
    chapter = None
    for entry in entries:
        number, place = places[entry["target"]]
        parent = chapter if entry["level"] > 1 else None
        fit = Fit.xyz(left=place.left, top=place.top)
        item = writer.add_outline_item(
            title=entry["title"], page_number=number - 1, parent=parent, fit=fit, is_open=False
        )
        chapter = chapter if parent else item
    writer.add_metadata(
        {"/Title": settings["title"], "/Author": settings["author"], "/Subject": subject()}
    )
    writer.page_mode = "/UseOutlines"
    writer.root_object[NameObject("/ViewerPreferences")] = DictionaryObject(
        {NameObject("/DisplayDocTitle"): BooleanObject(True)}
    )
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def make(browser: Browser, html: Path, output: Path, root: Path = ROOT) -> int:
    """Print the book built in ``html`` to ``output`` and return the number of its pages."""
    with opened(browser, html, root) as page:
        settle(page)
        numbers = {name: number for name, (number, _) in destinations(printed(page)).items()}
        page.evaluate(FILL_IN, numbers)
        pdf, entries = printed(page), page.evaluate(ENTRIES)
    if numbers != {name: number for name, (number, _) in destinations(pdf).items()}:
        raise RuntimeError("the page numbers moved the pages: widen .print-page in print.css")
    settings = yaml.safe_load((root / "_config.yml").read_text())
    write_atomically(output, finished(pdf, entries, settings))
    return len(PdfReader(output).pages)


def main(arguments: list[str]) -> None:
    """Print the book, or end with what is in the way."""
    parser = argparse.ArgumentParser(prog="book.pdf", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--html", type=Path, default=HTML)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    try:
        with open_chromium() as browser:
            pages = make(browser, options.html, options.output)
    except (OSError, RuntimeError, ValueError) as fault:
        sys.exit(f"book.pdf: {fault}")
    print(f"{options.output}: {pages} pages, {options.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
