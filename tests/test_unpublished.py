"""A book without an address leads nobody astray; with one, every button and link is there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from book import address, archive, one_page
from book.unpublished import ANNOUNCEMENT, REMARK

ROOT = Path(__file__).resolve().parent.parent
ADDRESSES = {False: "OWNER/convsim", True: "someone/a-book"}
PAGE = """\
# A page

```{{explorer}} similarity
```

Its [repository](https://github.com/{name}), [issues](https://github.com/{name}/issues/new/choose),
[**latest** release](https://github.com/{name}/releases/latest),
[Colab](https://colab.research.google.com/github/{name}/blob/main/chapters/notebook.ipynb),
[Binder](https://mybinder.org/v2/gh/{name}/main) and [site]({site}chapters/page.html), beside
[another repository](https://github.com/pytorch/pytorch) and [a notebook](notebook.ipynb).
"""
NOTEBOOK = {
    "cells": [{"cell_type": "markdown", "metadata": {}, "source": ["# A notebook"]}],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def make_book(folder: Path, name: str) -> Path:
    """Write a book of two pages with the settings of this one, at the address ``name``."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    settings["repository"]["url"] = f"https://github.com/{name}"
    extensions = settings["sphinx"]["local_extensions"]
    settings["sphinx"]["local_extensions"] = dict.fromkeys(extensions, str(ROOT))
    (folder / "chapters/images").mkdir(parents=True)
    (folder / "_config.yml").write_text(yaml.safe_dump(settings))
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: chapters/page\nchapters:\n- file: chapters/notebook\n"
    )
    page = PAGE.format(name=name, site=address.site(name))
    (folder / "chapters/page.md").write_text(page)
    (folder / "chapters/notebook.ipynb").write_text(json.dumps(NOTEBOOK))
    for file in ("chapters/references.bib", "chapters/images/favicon.svg"):
        shutil.copy(ROOT / file, folder / file)
    return folder


def build(book: Path, *options: str) -> Path:
    """Build it as ``make book`` does, and return where its files are."""
    command = [Path(sys.executable).with_name("jupyter-book"), "build", book, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return book / "_build/html"


@pytest.fixture(scope="module", params=[False, True], ids=["no address", "an address"])
def published(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def html(published: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    book = make_book(tmp_path_factory.mktemp("book"), ADDRESSES[published])
    return build(book, "--all", "-W", "-n", "--keep-going")


def read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


def targets(soup: BeautifulSoup) -> list[str]:
    return [str(link["href"]) for link in soup.select("a[href]")]


def test_the_buttons_are_there_or_a_line_that_they_come(html: Path, published: bool) -> None:
    name = ADDRESSES[published]
    page, notebook = (
        targets(read(html / "chapters/page.html")),
        read(html / "chapters/notebook.html"),
    )
    launch = {
        f"https://colab.research.google.com/github/{name}/blob/main/chapters/notebook.ipynb",
        f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/chapters/notebook.ipynb",
    }
    everywhere = {f"https://github.com/{name}"}
    assert (launch <= set(targets(notebook))) == published
    assert (everywhere <= set(targets(notebook))) == published
    for soup in (notebook, read(html / "search.html"), read(html / "chapters/page.html")):
        issues = [
            t for t in targets(soup) if t.startswith(f"https://github.com/{name}/issues/new?")
        ]
        assert len(issues) == published
        assert (ANNOUNCEMENT in soup.get_text()) != published
        if not published:
            assert not [t for t in targets(soup) if "OWNER" in t or "owner.github.io" in t]
    assert "https://github.com/pytorch/pytorch" in page and "notebook.html" in page


def test_links_in_the_text_are_links_or_words_with_a_remark(html: Path, published: bool) -> None:
    article = read(html / "chapters/page.html").select_one("article.bd-article")
    assert article is not None
    name, text = ADDRESSES[published], " ".join(article.get_text().split())
    assert text.count(REMARK) == (0 if published else 6)
    assert ("latest release, Colab," in text) == published
    expected = {
        f"https://github.com/{name}",
        f"https://github.com/{name}/issues/new/choose",
        f"https://github.com/{name}/releases/latest",
        f"https://colab.research.google.com/github/{name}/blob/main/chapters/notebook.ipynb",
        f"https://mybinder.org/v2/gh/{name}/main",
        f"{address.site(name)}chapters/page.html",
    }
    assert expected & set(targets(read(html / "chapters/page.html"))) == (
        expected if published else set()
    )
    assert article.find("strong", string="latest") is not None  # the words keep their form


def test_each_page_is_found_under_the_address_of_the_settings(html: Path, published: bool) -> None:
    site = address.site(ADDRESSES[published])
    link = read(html / "chapters/page.html").select_one("link[rel=canonical]")
    assert link is not None and link["href"] == f"{site}chapters/page.html"
    assert f"{site}chapters/notebook.html" in (html / "sitemap.xml").read_text()
    assert f"{site}sitemap.xml" in (html / "robots.txt").read_text()


def test_the_copies_to_take_along_name_the_site_if_there_is_one(
    html: Path, published: bool
) -> None:
    book, site = html.parent.parent, address.site(ADDRESSES[published])
    joined = BeautifulSoup(one_page.join(html, book), "html.parser")
    live = [str(a["href"]) for a in joined.select(".print-live a")]
    assert live == ([f"{site}chapters/page.html#convsim=0"] if published else [])
    title = joined.select_one(".print-title")
    assert title is not None and (site in title.get_text()) == published
    assert ("The newest edition is at" in archive.readme(book)) == published
    assert (site in archive.readme(book)) == published


def test_links_that_lead_nowhere_are_not_checked(tmp_path: Path) -> None:
    """The weekly check would report them every week."""
    book = make_book(tmp_path, ADDRESSES[False])
    page = book / "chapters/page.md"
    page.write_text(
        page.read_text().replace("https://github.com/pytorch/pytorch", "notebook.ipynb")
    )
    build(book, "--builder", "custom", "--custom-builder", "linkcheck")
    assert (book / "_build/linkcheck/output.txt").read_text() == ""


def test_the_readme_says_so_until_make_address_has_an_address(tmp_path: Path) -> None:
    def settle(name: str) -> str:
        (tmp_path / "_config.yml").write_text(
            f"repository:\n  url: https://github.com/{name}\n  branch: main\n"
        )
        stale = address.faults(tmp_path)
        address.write(tmp_path)
        assert address.faults(tmp_path) == []
        assert bool(stale) == (before != (tmp_path / "README.md").read_text())
        return (tmp_path / "README.md").read_text()

    project = (
        'version = "1.0.0"\n[project.urls]\nRepository = "https://github.com/someone/a-book"\n'
    )
    (tmp_path / "pyproject.toml").write_text(project)
    plain = "# A book\n\n## First steps\n\nRead [it](https://github.com/someone/a-book).\n"
    (tmp_path / "README.md").write_text(plain)
    before = plain
    assert settle("someone/a-book") == plain
    noted = settle("OWNER/a-book")
    before = noted
    assert (
        noted.index("## First steps") < noted.index("**Not published yet.**") < noted.index("Read")
    )
    assert settle("OWNER/a-book") == noted
    assert settle("someone/a-book") == plain


def test_this_readme_has_a_heading_for_the_note() -> None:
    assert address.FIRST_STEPS in (ROOT / "README.md").read_text()
