"""The book as one PDF, made from the built pages and read with pypdf."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import Browser
from pypdf import PdfReader

from book import address, one_page, pdf
from book.pdf import ROOT
from tests.browser.test_pages import HTML, _built  # noqa: F401

SITE = address.site(address.configured(ROOT))
LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl"})
EXPLORERS = ".convsim-explorer:not([data-explorer=prediction])"  # questions are light
NAMES = [name for _, name in one_page.documents(ROOT / "_toc.yml")]


@pytest.fixture(scope="module")
def book(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    path = tmp_path_factory.mktemp("pdf") / "book.pdf"
    assert pdf.make(browser, HTML, path) == len(PdfReader(path).pages)
    assert path.stat().st_size < 30e6
    return PdfReader(path)


@pytest.fixture(scope="module")
def texts(book: PdfReader) -> list[str]:
    """The text of each page, with ligatures spelt out."""
    return [page.extract_text().translate(LIGATURES) for page in book.pages]


def built(name: str) -> BeautifulSoup:
    return BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def headings(name: str, levels: list[str]) -> list[str]:
    """The headings of a built page as a reader sees them, read without ``book.one_page``."""
    article = built(name).select_one("article.bd-article")
    assert article is not None
    titles = [title.get_text().removesuffix("#") for title in article.find_all(levels)]
    return [" ".join(title.split()) for title in titles]


def chapters(book: PdfReader) -> list[Any]:
    return [item for item in book.outline if not isinstance(item, list)]


def sections(book: PdfReader) -> list[Any]:
    return [item for below in book.outline if isinstance(below, list) for item in below]


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def annotations(book: PdfReader) -> Iterator[Any]:
    for page in book.pages:
        for annotation in page.get("/Annots", []):
            yield annotation.get_object()


def test_the_evidence_in_four_pages_has_four(book: PdfReader) -> None:
    starts = {item.title: book.get_destination_page_number(item) for item in chapters(book)}
    assert starts["What we reproduced"] - starts["The evidence in four pages"] == 4


def test_contents_name_every_section_and_the_page_where_it_is(texts: list[str]) -> None:
    start = next(n for n, text in enumerate(texts) if re.search(r"(?m)^Contents$", text))
    first = headings(NAMES[0], ["h1"])[0]
    end = next(n for n in range(start + 1, len(texts)) if re.match(rf"{first}\n", texts[n]))
    lines = "\n".join(texts[start:end])
    entries = re.findall(r"(?m)^(.*\S) (\d+)$", lines)
    assert [title for title, _ in entries] == [
        title for name in NAMES for title in headings(name, ["h1", "h2"])
    ]
    for title, number in entries:
        assert squeezed(title) in squeezed(texts[int(number) - 1]), f"{title} is not on {number}"
    assert [int(number) for _, number in entries] == sorted(int(number) for _, number in entries)


def test_each_chapter_starts_a_page_under_its_own_head(book: PdfReader, texts: list[str]) -> None:
    starts = [book.get_destination_page_number(item) for item in chapters(book)]
    titles = [headings(name, ["h1"])[0] for name in NAMES]
    assert len(set(starts)) == len(NAMES)
    for title, start, end in zip(titles, starts, [*starts[1:], len(texts)], strict=True):
        assert start is not None
        assert squeezed(texts[start]).count(squeezed(title)) >= 2, "no title under the head"
        for number in range(start, end or len(texts)):
            assert texts[number].startswith(f"{title}\n{number + 1}\n"), f"page {number + 1}"


def test_the_outline_has_every_chapter_and_section(book: PdfReader) -> None:
    assert [item.title for item in chapters(book)] == [headings(name, ["h1"])[0] for name in NAMES]
    assert [item.title for item in sections(book)] == [
        title for name in NAMES for title in headings(name, ["h2"])
    ]


def test_every_page_is_a4_numbered_and_full_size(book: PdfReader) -> None:
    for number, page in enumerate(book.pages, 1):
        width, height = (float(side) / 72 * 25.4 for side in page.mediabox[2:])
        assert (round(width), round(height)) == (210, 297)
        pieces: list[tuple[str, float, float]] = []  # what, millimetres above the edge, scale

        def note(
            text: str, outer: list[float], inner: list[float], *_: Any, pieces: Any = pieces
        ) -> None:
            if text.strip():
                above = (outer[3] * inner[5] + outer[5]) / 72 * 25.4
                pieces.append((text.strip(), above, round(abs(outer[0]), 3)))

        page.extract_text(visitor_text=note)
        assert [text for text, above, _ in pieces if above < 15 and text.isdigit()] == [str(number)]
        scales = [scale for _, above, scale in pieces if 15 < above < 297 - 15]
        assert scales, f"page {number} is empty"
        # Chromium shrinks the whole book where one thing is wider than the paper.
        assert statistics.mode(scales) == round(0.75 * pdf.SCALE, 3), f"page {number} is shrunk"


def test_links_lead_to_places_in_the_book_or_to_the_web(book: PdfReader) -> None:
    places, inside, outside = book.named_destinations, set(), set()
    for annotation in annotations(book):
        if "/Dest" in annotation:
            inside.add(str(annotation["/Dest"]))
        else:
            outside.add(str(annotation["/A"]["/URI"]))
    assert len(inside) > len(NAMES)
    assert inside <= places.keys()
    assert all(url.startswith("https://") for url in outside), outside
    pages = [url for url in outside if re.fullmatch(rf"{SITE}chapters/[^#]*\.html(#.*)?", url)]
    assert all("#convsim=" in url for url in pages), "a link leaves the PDF for one of its pages"


def test_each_explorer_has_its_live_address(book: PdfReader, texts: list[str]) -> None:
    """If it has one: tests/test_unpublished.py has the pages of a book with an address."""
    live = [
        f"{SITE}{name}.html#convsim={index}"
        for name in NAMES
        for index, _ in enumerate(built(name).select(EXPLORERS))
    ]
    assert live, "the book has no explorer"
    live = live if address.published(ROOT) else []
    assert re.findall(r"Live:\s+(\S+)", "\n".join(texts)) == live
    linked = [str(a["/A"]["/URI"]) for a in annotations(book) if "/A" in a]
    assert [url for url in linked if "#convsim=" in url] == live


def test_explorers_figures_and_solutions_are_drawn(texts: list[str]) -> None:
    text = "\n".join(texts)
    assert "This explorer draws itself with JavaScript" not in text
    assert not re.search(r"Reset\s+Copy link|One step\s+Run", text)
    solutions = sum(len(built(name).select(".solution")) for name in NAMES)
    assert solutions
    assert len(re.findall(r"(?m)^Solution to", text)) == solutions
    layouts = [
        json.loads(data.text)["layout"]
        for name in NAMES
        for data in built(name).select(".convsim-plotly + script")
    ]
    titles = [
        axis["title"]["text"].replace("<br>", " ")
        for layout in layouts
        for key, axis in layout.items()
        if key.startswith("xaxis") and "title" in axis
    ]
    assert len(titles) >= len(layouts) > 0
    assert [title for title in titles if squeezed(title) not in squeezed(text)] == []


def test_no_raw_maths_is_left(texts: list[str]) -> None:
    for number, text in enumerate(texts, 1):
        for sign in ("$$", "\\begin{", "\\(", "\\[", "Math input error"):
            assert sign not in text, f"page {number} has {sign}"


def test_metadata(book: PdfReader) -> None:
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert book.metadata is not None
    assert book.metadata.title == settings["title"]
    assert book.metadata.author == settings["author"]
    assert book.metadata.subject
    assert book.root_object["/Lang"] == "en"


WRONG = {
    r"<span class='math'>\(\frac{1}\)</span>": "MathJax cannot typeset:\n.frac",
    r"<span class='math'>\(\nosuchmacro\)</span>": "MathJax cannot typeset:\n.nosuchmacro",
    "<p style='width: 300rem'>wide</p>": "wider than the paper:\nP.: wide",
    "<img src='gone.png'>": "not in the built book: .*gone.png",
    "<script src='https://example.org/a.js'></script>": "not in the built book: https://example",
    "<script>throw new Error('broken')</script>": "broken",
}


@pytest.mark.parametrize(("fault", "message"), WRONG.items())
def test_what_cannot_be_printed_is_named(
    browser: Browser, fault: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    top = one_page.head(one_page.read_page(HTML, NAMES[0]), f"{SITE}{NAMES[0]}.html")
    document = f"<!DOCTYPE html><head>{top}</head><body><main>{fault}</main></body>"
    monkeypatch.setattr(pdf, "join", lambda html, root: document)
    with pytest.raises(RuntimeError, match=message):
        pdf.make(browser, HTML, tmp_path / "book.pdf")
    assert not (tmp_path / "book.pdf").exists()


def test_a_book_that_is_not_built_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "book.pdf", "--html", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "introduction.html is missing: build the book first" in done.stderr
