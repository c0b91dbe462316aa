"""Chapters have names: their numbers come from `_toc.yml` alone, so that one can be inserted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*(ROOT / "chapters").glob("*.ipynb"), *(ROOT / "chapters").glob("*.md")])
NUMBERED = re.compile(r"\bchapters?\s+(?:\d|two\b|three\b|four\b|five\b|six\b)", re.I)


def text_of(page: Path) -> str:
    if page.suffix == ".md":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    outputs = [json.dumps(cell.get("outputs", []), ensure_ascii=False) for cell in cells]
    return "\n".join(["".join(cell["source"]) for cell in cells] + outputs)


def listed() -> list[Path]:
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    return [ROOT / f"{entry['file']}.ipynb" for entry in parts[0]["chapters"]]


def test_chapters_are_named_without_numbers() -> None:
    assert len(listed()) >= 8
    for chapter in listed():
        assert chapter.exists() and re.fullmatch(r"[a-z-]+", chapter.stem), chapter.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_text_counts_chapters(page: Path) -> None:
    assert NUMBERED.findall(text_of(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_chapter_finds_it(page: Path) -> None:
    for target in re.findall(r"\]\(([\w-]+\.(?:ipynb|md))[)#]", text_of(page)):
        assert (ROOT / "chapters" / target).exists(), target
