"""Both papers beside the book's records: what the page says is what these say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from convsim.evidence.deeper_tables import trainings
from convsim.evidence.neighborhood_findings import neighborhood_findings
from convsim.evidence.similarity_findings import CLAIMS, similarity_findings
from convsim.evidence.verdicts import AGREE, DIFFER, MIXED, OPEN, SIGNS, Finding
from convsim.experiments import paper
from convsim.experiments.record import RESULTS

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    found = [*similarity_findings(), *neighborhood_findings()]
    return {finding.what: finding for finding in found}


def prose(name: str) -> str:
    cells = json.loads((CHAPTERS / name).read_text())["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def test_every_table_of_the_papers_has_a_line(findings: dict[str, Finding]) -> None:
    named = " ".join(findings)
    for what in ("Table 1", "Tables 2 and 3", "Table 4", "Table 5", "Table 6", "Tables 7 to 9"):
        assert what in named
    assert {finding.verdict for finding in findings.values()} <= set(SIGNS)


def chapter_names() -> set[str]:
    """Of the chapters of the first part, in lower case."""
    parts = yaml.safe_load((CHAPTERS.parent / "_toc.yml").read_text())["parts"]
    return {Path(entry["file"]).name.replace("-", " ") for entry in parts[0]["chapters"]}


def test_chapters_that_a_line_names_exist(findings: dict[str, Finding]) -> None:
    assert {f.chapter.lower() for f in findings.values()} <= chapter_names()


def test_a_paper_that_printed_something_else_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(paper.PAIRS["table1"])
    rows[3] = paper.PairRow((0.25 + 0.2, 0.87), 60.7, (67.82, 29.42))
    monkeypatch.setitem(paper.PAIRS, "table1", tuple(rows))
    found = {f.what: f for f in similarity_findings()}
    assert found["Table 1, under ⟨K₁, K₂⟩²"].verdict == DIFFER
    assert found["Tables 2 and 3, under L_CS"].verdict == AGREE
    rows[3] = paper.PairRow((0.25, 0.87), 72.0, (67.82, 29.42))
    monkeypatch.setitem(paper.PAIRS, "table1", tuple(rows))
    found = {f.what: f for f in similarity_findings()}
    assert found["Table 1, under ⟨K₁, K₂⟩²"].verdict == DIFFER


def test_the_claims_are_those_of_table_5_and_what_explains_them(
    findings: dict[str, Finding],
) -> None:
    asked = [(c.condition, c.control, c.width, c.gain) for c in CLAIMS]
    assert asked == [
        ("init", "baseline", 64, 4.5),
        ("regularise", "baseline", 64, 2.5),
        ("init", "baseline", 128, 5.46),
        ("regularise", "baseline", 128, 3.13),
        ("init", "scale", 64, 4.5),
        ("scale-free", "baseline", 64, 4.5),
    ]
    names = list(findings)
    assert {c.what for c in CLAIMS} <= set(names)
    assert names.index("Lower similarity helps") == names.index("Algorithm 1 helps by that") + 1
    for claim in CLAIMS:
        assert claim.margin < claim.gain / 2, "no gain and the claimed gain would be one"
        assert f"{claim.gain:+.2f} points" in findings[claim.what].paper


def test_a_control_that_was_not_run_leaves_the_question_open(tmp_path: Path) -> None:
    for path in RESULTS.glob("*.json"):
        stored = json.loads(path.read_text())
        if stored["settings"].get("condition") != "scale":
            (tmp_path / path.name).write_text(path.read_text())
    found = {f.what: f for f in similarity_findings(tmp_path)}
    assert found["Algorithm 1 helps by that"].ours == "not run"
    assert found["Algorithm 1 helps by that"].verdict == OPEN


def test_the_words_of_the_page_fit_the_records(findings: dict[str, Finding]) -> None:
    words = prose("reproduced.ipynb")
    what = findings["Algorithm 1 lowers similarity"]
    before, after = map(float, findings["Algorithm 1 lowers L_CS"].ours.split(" → "))
    assert 500 < before / after < 5000, "the page says three orders of magnitude"
    assert what.verdict == DIFFER, "the page says that the scale-free form does not move"
    whole, left = (
        float(findings[name].ours.split()[0])
        for name in ("Table 5, CNN1: Algorithm 1", "Algorithm 1 helps by that")
    )
    assert 0 < left < whole / 10, "the page says that shrinking alone gains as much"
    for claim in CLAIMS:
        assert findings[claim.what].verdict == OPEN, f"the page says that {claim.what} is open"
    assert findings["Table 5, width 512: baseline"].verdict == OPEN, "the page says so"
    assert "shrinking alone gains as much" in words and "CNN2 and the wide network" in words
    lengths = {
        (run.settings["epochs"], run.settings["images"]) for run in trainings(model="ResNet18")
    }
    assert lengths == {(10, 10_000)} and "ten epochs on a fifth of the images" in words
    overlap = findings["Overlap tells of generalisation"].ours
    low, high = map(float, re.findall(r"\[(\S+) to (\S+)\]", overlap)[1])
    assert findings["Overlap tells of generalisation"].verdict == MIXED, "the page says so"
    assert low < 0 < high, "the page says that at fixed dropout there is no correlation"
