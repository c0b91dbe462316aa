"""The page that says where the papers are names all of them, and the claims that have verdicts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convsim.evidence.neighborhood_findings import neighborhood_findings
from convsim.evidence.similarity_findings import similarity_findings
from convsim.evidence.verdicts import OPEN

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
PAGE = (CHAPTERS / "concordance.md").read_text()
FULL_TEXT = CHAPTERS.parent.parent / "shared/papers/belmekki-v2-full-text.txt"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its first two lines."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def numbers(cell: str) -> list[str]:
    return re.findall(r"\d+[ab]?", cell)


def test_every_numbered_equation_of_the_paper_has_a_line() -> None:
    found = [number for row in rows("Equations") for number in numbers(row[0])]
    assert found == ["1a", "1b", "2a", "2b", *map(str, range(3, 22))]


def test_the_numbers_are_those_of_the_papers_text() -> None:
    if not FULL_TEXT.exists():
        pytest.skip("the paper's text is not here")
    printed = set(re.findall(r"(?m)^ ?\((\d+[ab]?)\)$", FULL_TEXT.read_text()))
    assert len(printed) > 15
    assert printed <= {number for row in rows("Equations") for number in numbers(row[0])}


def test_every_number_that_the_book_prints_has_a_line() -> None:
    labels = {
        label
        for path in [*CHAPTERS.glob("*.ipynb"), *CHAPTERS.glob("*.md")]
        for label in re.findall(r"\$\$ \(eq-(\w+)\)", path.read_text())
    }
    linked = set(re.findall(r"eq}`eq-(\w+)`", " ".join(row[2] for row in rows("Equations"))))
    assert linked == labels


def test_every_table_figure_and_algorithm_has_a_line() -> None:
    found = [row[0] for row in rows("Algorithms, tables and figures")]
    for kind, last in {"Algorithm": 2, "Table": 9, "Figure": 5}.items():
        cells = " ".join(cell for cell in found if cell.startswith(kind))
        assert [int(n) for n in numbers(cells)] == list(range(1, last + 1))


def test_the_claims_are_those_with_a_verdict_in_the_same_order() -> None:
    findings = [*similarity_findings(), *neighborhood_findings()]
    claims = rows("Claims")
    assert [row[0] for row in claims] == [finding.what for finding in findings]
    for (_, _, place), finding in zip(claims, findings, strict=True):
        if place in ("open", "not read"):
            assert finding.verdict == OPEN
        else:
            assert re.match(rf"\[{re.escape(finding.chapter)}\]\(", place), finding.what
