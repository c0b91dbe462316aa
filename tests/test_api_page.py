"""The page of functions leads back to the chapters that explain them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

import convsim
from convsim.explorers.script import EXPLORERS

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
LINK = re.compile(r"\[[^]]+\]\(([\w-]+\.(?:ipynb|md))\)")


def groups() -> dict[str, tuple[list[str], list[str]]]:
    """Of each heading: the names below it, and the pages that its line names."""
    found = {}
    text = (CHAPTERS / "api.md").read_text()
    for heading, body in re.findall(r"(?ms)^##+ (.*?)$(.*?)(?=^##|\Z)", text):
        lines = re.findall(r"(?m)^\*Explained in:\* (.*)\.$", body)
        assert len(lines) <= 1, heading
        names = re.findall(r"(?m)^\.\. auto\w+:: convsim\.(\S+)$", body)
        found[heading] = names, LINK.findall("".join(lines))
    return found


GROUPS = groups()
PAGES_OF = {name: pages for names, pages in GROUPS.values() for name in names}


def source(page: str) -> str:
    text = (CHAPTERS / page).read_text()
    if page.endswith(".md"):
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def listed() -> set[str]:
    """The pages of the book, by file name."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    stems = {Path(entry["file"]).name for part in parts for entry in part["chapters"]}
    return {path.name for path in CHAPTERS.iterdir() if path.stem in stems}


def test_every_name_is_below_a_line_of_links_that_resolve() -> None:
    assert len(PAGES_OF) > 150
    assert [name for name, pages in PAGES_OF.items() if not pages] == []
    assert [heading for heading, (_, pages) in GROUPS.items() if not pages] == []
    assert {page for _, pages in GROUPS.values() for page in pages} <= listed()


@pytest.mark.parametrize("name", convsim.__all__)
def test_what_convsim_exports_is_on_a_page_that_explains_it(name: str) -> None:
    full = getattr(convsim, name).__module__.removeprefix("convsim.") + f".{name}"
    pages = PAGES_OF.get(name) or PAGES_OF[full]
    assert any(re.search(rf"\b{name}\b", source(page)) for page in pages), pages


def test_a_name_that_chapters_refer_to_leads_back_to_one_of_them() -> None:
    referring: dict[str, set[str]] = {}
    for page in listed() - {"api.md", "notation.md", "concordance.md"}:
        for name in re.findall(r"\{\w+\}`~?convsim\.([\w.]+)`", source(page)):
            referring.setdefault(name, set()).add(page)
    assert len(referring) > 20
    astray = {
        name: sorted(pages)
        for name, pages in referring.items()
        if name in PAGES_OF and not pages & set(PAGES_OF[name])
    }
    assert astray == {}


def test_each_explorer_leads_to_a_chapter_that_shows_it() -> None:
    text = (CHAPTERS / "api.md").read_text()
    shown = re.findall(rf"{LINK.pattern} \(`(\w+)`\)", text)
    assert {name for _, name in shown} == {e.__name__ for e in EXPLORERS.values()}
    for page, name in shown:
        assert f"{name}(" in source(page), (page, name)
