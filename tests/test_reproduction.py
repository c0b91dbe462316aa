"""Both papers beside our records, and the list of all records."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from convsim.evidence import provenance, reproduction
from convsim.evidence.reproduction import CLAIMS, Finding
from convsim.evidence.verdicts import AGREE, DIFFER, INCONCLUSIVE, OPEN, SIGNS
from convsim.experiments import paper
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.record import RESULTS, write_record

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
    found = {f.what: f for f in reproduction.similarity_findings()}
    assert found["Table 1, under ⟨K₁, K₂⟩²"].verdict == DIFFER
    assert found["Tables 2 and 3, under L_CS"].verdict == AGREE
    rows[3] = paper.PairRow((0.25, 0.87), 72.0, (67.82, 29.42))
    monkeypatch.setitem(paper.PAIRS, "table1", tuple(rows))
    found = {f.what: f for f in reproduction.similarity_findings()}
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


def test_the_rules_have_a_line_for_each_claim() -> None:
    rows = reproduction.rules_table().rows
    assert [row[0] for row in rows] == [claim.what for claim in CLAIMS]
    assert rows[4][1:] == (
        *("best test accuracy over the epochs, CNN1", "init − scale"),
        *("+4.50", "1", "3", "100"),
    )


def test_long_trainings_reach_the_page(tmp_path: Path) -> None:
    for path in RESULTS.glob("*.json"):
        if not path.name.startswith("table5-"):
            (tmp_path / path.name).write_text(path.read_text())
    settings = TrainingSettings("baseline", data="CIFAR-10 (JPEG copy)")
    reached = {"baseline": 74.0, "init": 78.3, "scale": 78.0, "scale-free": 73.0}
    for condition, accuracy in reached.items():
        for seed, noise in enumerate((0.0, 0.1, -0.1)):
            run = replace(settings, condition=condition, seed=seed)
            metrics = {"top_test_accuracy": accuracy + noise * (condition != "baseline")}
            started = datetime.now(timezone.utc)
            write_record("table5", run, metrics, data="x", started=started, folder=tmp_path)
    found = {f.what: f for f in reproduction.similarity_findings(tmp_path)}
    assert [(found[c.what].verdict, found[c.what].ours.split(":")[0]) for c in CLAIMS] == [
        (AGREE, "the claimed size"),
        (OPEN, "not run"),
        (OPEN, "not run"),
        (OPEN, "not run"),
        (DIFFER, "no gain"),
        (DIFFER, "the opposite"),
    ]
    ours = found["Table 5, CNN1: Algorithm 1"].ours
    assert "+4.30 [" in ours and "100 epochs, 3 seeds, CIFAR-10 (JPEG copy)" in ours
    assert found["Table 5, width 512: baseline"].verdict == OPEN


def test_intervals_that_contain_zero_are_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("spearman", "generalization"):
        around_zero = SimpleNamespace(rho=0.1, low=-0.2, high=0.4)
        monkeypatch.setattr(reproduction, name, lambda *_, found=around_zero, **__: found)
    found = {f.what: f.verdict for f in reproduction.neighborhood_findings()}
    assert found["Overlap varies with regularisation"] == INCONCLUSIVE
    assert found["Overlap tells of generalisation"] == INCONCLUSIVE
    assert found["Overlap varies with depth"] == found["Channels overlap significantly"] == AGREE


@pytest.mark.parametrize(("chance", "verdict"), [(0.5, INCONCLUSIVE), (0.7, DIFFER)])
def test_overlap_is_held_against_chance(
    monkeypatch: pytest.MonkeyPatch, chance: float, verdict: str
) -> None:
    records = deepcopy(reproduction.network_records())
    for record in records:
        for layer in record.metrics["layers"].values():
            layer["after"]["overlap"] |= {"low": 0.4, "high": 0.6}
            layer["after"]["overlap_chance"] = chance
    monkeypatch.setattr(reproduction, "network_records", lambda folder: records)
    found = {f.what: f.verdict for f in reproduction.neighborhood_findings()}
    assert found["Channels overlap significantly"] == verdict
    assert found["Overlap varies with depth"] == INCONCLUSIVE, "the intervals are the same"


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
    whole, left = (
        float(findings[name].ours.split()[0])
        for name in ("Table 5, CNN1: Algorithm 1", "Algorithm 1 helps by that")
    )
    assert 0 < left < whole / 2, "the page says that most of the gain comes with the scale"
    for claim in CLAIMS:
        assert findings[claim.what].verdict == OPEN, f"the page says that {claim.what} is open"
    assert findings["Table 5, width 512: baseline"].verdict == OPEN, "the page says so"
    assert "one seed says that most" in words and "CNN2, the wide network" in words
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
        named = re.search(r"\((.+)\)$", words)
        assert named and set(named[1].lower().split(", ")) <= chapter_names(), name
    recorded = provenance.all_records()
    assert list(recorded) == [name for name in provenance.EXPERIMENTS if name in recorded]


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
