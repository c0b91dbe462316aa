"""The book as one zip: unpacked and read in a browser, from disk and without a network."""

from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from book import archive
from tests.browser.test_pages import HTML, _built, check_quiet  # noqa: F401


@pytest.fixture(scope="module")
def unpacked(_built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The archive, unpacked where a careless address would break."""
    folder = tmp_path_factory.mktemp("my books #")
    archive.main(["--html", str(HTML), "--output", str(folder / "book.zip")])
    with zipfile.ZipFile(folder / "book.zip") as archived:
        archived.extractall(folder / "unpacked")
    assert [path.name for path in (folder / "unpacked").iterdir()] == ["convsim-book"]
    return folder / "unpacked/convsim-book"


def test_the_unpacked_book_works_from_disk(page: Page, unpacked: Path) -> None:
    page.goto((unpacked / "index.html").as_uri())
    page.wait_for_url("**/chapters/introduction.html")
    explorer = page.locator(".convsim-explorer").first
    readout = explorer.locator("[data-readout=feature_map_cosine]")
    before = readout.inner_text()
    explorer.locator("input.convsim-slider").first.press("Home")
    expect(readout).not_to_have_text(before)

    with_figures = sorted(
        path for path in unpacked.glob("chapters/*.html") if "convsim-plotly" in path.read_text()
    )
    assert with_figures, "no chapter has a Plotly figure"
    page.goto(with_figures[0].as_uri())
    figure = page.locator(".convsim-plotly").first
    figure.scroll_into_view_if_needed()
    figure.locator("svg.main-svg").first.wait_for()
    check_quiet(page)


def test_every_local_link_leads_to_a_file(unpacked: Path) -> None:
    links = [
        path.parent / unquote(target)
        for path in unpacked.rglob("*.html")
        for target in re.findall(r'(?:href|src)="([^"#?:]+)[^":]*"', path.read_text())
    ]
    assert len(links) > 1000
    assert [link for link in links if not link.exists()] == []


def test_the_archive_has_what_a_reader_needs_and_no_more(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    assert "open index.html" in (unpacked / "README.txt").read_text()
    assert {"index.html", "search.html", "_sources/chapters/introduction.md"} <= names
    assert not names & {".buildinfo", "objects.inv", "sitemap.xml", "robots.txt"}
    assert not [name for name in names if name.endswith((".map", ".pickle", ".doctree"))]


def test_the_same_book_gives_the_same_bytes(tmp_path: Path) -> None:
    packed = []
    for name, files in (("one", archive.EXPECTED), ("two", reversed(archive.EXPECTED))):
        for number, file in enumerate(files):
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)
            os.utime(path, (1e9 + 1e6 * number, 1e9))
            path.chmod(0o600 if name == "two" else 0o644)
        packed.append(archive.pack(tmp_path / name))
    assert packed[0] == packed[1]
    with zipfile.ZipFile(io.BytesIO(packed[0])) as archived:
        names = archived.namelist()
    assert names == sorted(f"convsim-book/{name}" for name in (*archive.EXPECTED, "README.txt"))


@pytest.mark.parametrize("made", [[], ["index.html"]])
def test_a_folder_that_is_no_book_is_refused(made: list[str], tmp_path: Path) -> None:
    for name in made:
        (tmp_path / name).touch()
    output = tmp_path / "out.zip"
    with pytest.raises(SystemExit, match="is not a built book, it has no .*make book"):
        archive.main(["--html", str(tmp_path), "--output", str(output)])
    assert not output.exists()
