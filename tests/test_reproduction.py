"""Both papers beside our records, and the list of all records."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from convsim import provenance, reproduction
from convsim.experiments import paper
from convsim.experiments.record import RESULTS
from convsim.reproduction import AGREE, DIFFER, OPEN, USED, Finding

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    found = [*reproduction.similarity_findings(), *reproduction.neighborhood_findings()]
    return {finding.what: finding for finding in found}


def prose(name: str) -> str:
    cells = json.loads((CHAPTERS / name).read_text())["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def test_every_table_of_the_papers_has_a_line(findings: dict[str, Finding]) -> None:
    named = " ".join(findings)
    for what in ("Table 1", "Tables 2 and 3", "Table 4", "Table 5", "Table 6", "Tables 7 to 9"):
        assert what in named
    assert {finding.verdict for finding in findings.values()} <= {AGREE, DIFFER, OPEN, USED}


def test_chapters_that_a_line_names_exist(findings: dict[str, Finding]) -> None:
    parts = yaml.safe_load((CHAPTERS.parent / "_toc.yml").read_text())["parts"]
    assert {f.chapter for f in findings.values()} <= {
        str(number) for number, _ in enumerate(parts[0]["chapters"], start=1)
    }


def test_a_paper_that_printed_something_else_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(paper.PAIRS["table1"])
    rows[3] = paper.PairRow((0.25 + 0.2, 0.87), 60.7, (67.82, 29.42))
    monkeypatch.setitem(paper.PAIRS, "table1", tuple(rows))
    found = {f.what: f for f in reproduction.similarity_findings()}
    assert found["Table 1, under ⟨K₁, K₂⟩²"].verdict == DIFFER
    assert found["Tables 2 and 3, under L_CS"].verdict == AGREE
    rows[3] = paper.PairRow((0.25, 0.87), 72.0, (67.82, 29.42))
    monkeypatch.setitem(paper.PAIRS, "table1", tuple(rows))
    found = {f.what: f for f in reproduction.similarity_findings()}
    assert found["Table 1, under ⟨K₁, K₂⟩²"].verdict == DIFFER


@pytest.mark.parametrize(
    ("gains", "epochs", "verdict"),
    [
        ([5.0], 100, OPEN),
        ([5.0, 5.1, 4.9], 20, OPEN),
        ([5.0, 5.1, 4.9], 100, AGREE),
        ([-5.0, -5.1, -4.9], 100, DIFFER),
        ([5.0, -5.1, 0.2], 100, DIFFER),
    ],
)
def test_a_training_needs_seeds_and_epochs(gains: list[float], epochs: int, verdict: str) -> None:
    assert reproduction._verdict(gains, epochs, printed=4.5) == verdict


def test_a_control_that_was_not_run_leaves_the_question_open(tmp_path: Path) -> None:
    for path in RESULTS.glob("*.json"):
        stored = json.loads(path.read_text())
        if stored["settings"].get("condition") != "scale":
            (tmp_path / path.name).write_text(path.read_text())
    found = {f.what: f for f in reproduction.similarity_findings(tmp_path)}
    assert found["Algorithm 1 helps by that"].ours == "not run"
    assert found["Algorithm 1 helps by that"].verdict == OPEN


def test_the_words_of_the_page_fit_the_records(findings: dict[str, Finding]) -> None:
    words = prose("reproduced.ipynb")
    what = findings["Algorithm 1 lowers similarity"]
    before, after = map(float, re.findall(r"\d+\.?\d*", what.ours.split(";")[0]))
    assert 500 < before / after < 5000, "the page says three orders of magnitude"
    assert what.verdict == DIFFER, "the page says that the scale-free form does not move"
    assert findings["Algorithm 1 helps by that"].verdict == OPEN, "the page calls it one seed"
    for name, finding in findings.items():
        if name.startswith("Table 5"):
            assert finding.verdict == OPEN, f"the page says that {name} is open"
    assert "one seed says that nearly all" in words and "CNN2, the wide network" in words
    overlap = findings["Overlap tells of generalisation"].ours
    low, high = map(float, re.findall(r"\[(\S+) to (\S+)\]", overlap)[1])
    assert low < 0 < high, "the page says that at fixed dropout there is no correlation"


def test_every_record_is_listed_once() -> None:
    tables = provenance.record_tables()
    listed = [row[0] for table in tables for row in table.rows]
    assert sorted(listed) == sorted(path.name for path in RESULTS.glob("*.json"))
    for table in tables:
        text = table.source + " ".join(name for _, name in table.columns)
        for key in ("data", "hardware", "seconds", "versions", "commit", "command"):
            assert key in text
        assert "seed" in text
    assert f"{len(listed)} records" in provenance.overview_table().source


def test_each_experiment_says_which_chapters_print_it() -> None:
    for name, words in provenance.EXPERIMENTS.items():
        assert re.search(r"\(Chapters? \d( and \d)?\)$", words), name
    assert list(provenance.all_records()) == list(provenance.EXPERIMENTS)


def test_a_record_of_an_unknown_experiment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no record lies in"):
        provenance.all_records(tmp_path)
    stored = json.loads(next(RESULTS.glob("floor-*.json")).read_text())
    (tmp_path / "new-1.json").write_text(json.dumps({**stored, "experiment": "new"}))
    with pytest.raises(ValueError, match=r"new-1\.json is of the experiment 'new'; expected one"):
        provenance.all_records(tmp_path)


def test_what_differs_has_a_column_and_what_does_not_is_said_once() -> None:
    floor = next(t for t in provenance.record_tables() if t.caption.startswith("floor"))
    assert [name for _, name in floor.columns][:2] == ["record", "channels"]
    assert [row[1] for row in floor.rows] == ["1", "4", "64"]
    assert "iterations: 1500" in floor.source
