"""Workflows, guides and forms name what exists, and say the same as the rest of the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from book import archive, pdf
from tests.test_setup import PROJECT, ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
GUIDES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "chapters/troubleshooting.md",
          "chapters/introduction.md", "chapters/records.ipynb", ".ci/run")]  # fmt: skip
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
FOLDERS = r"_build|book|convsim|chapters|tests|\.github"
# What a target or a workflow makes before it is named.
MADE = {
    pdf.HTML.relative_to(ROOT).as_posix(),
    archive.OUTPUT.relative_to(ROOT).as_posix(),
    pdf.OUTPUT.relative_to(ROOT).as_posix(),
    "_build/linkcheck/output.txt",
    "dist",
}


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("path", [*WORKFLOWS, *GUIDES], ids=lambda p: p.name)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    named = re.findall(r"(?m)(?:run: |`|&& |^\s*)make ([a-z-]+)(?![a-z-]*=)", path.read_text())
    assert set(named) <= TARGETS
    if path.name in ("README.md", "run", "ci.yml"):
        assert {"book", "test"} <= set(named)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_every_path_that_a_workflow_names_exists(path: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    named = set()
    for step in steps(path):
        inputs = step.get("with", {})
        named |= set(str(inputs.get("path", "")).split())
        command = step.get("run", "")
        named |= set(re.findall(rf"(?<![\w/.])(?:{FOLDERS})/[\w./-]+", command))
        named |= set(re.findall(r"(?<!\S)[\w-]+\.txt(?!\S)", command))
    made_here = {"files"} if path.name == "release.yml" else set()
    assert named - MADE - made_here <= set(tracked)
    assert named, "no path was found: has the pattern grown old?"


def test_the_oldest_torch_that_is_tested_is_the_oldest_admitted() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    lines = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["data"]
    for name in ("torch", "torchvision"):
        requirement = next(r for r in map(Requirement, lines) if r.name == name)
        lowest = next(s.version for s in requirement.specifier if s.operator == ">=")
        tested = re.search(rf"s/\^{name}==\.\*/{name}==([\d.]+)/", text)
        assert tested is not None
        assert tested[1].removesuffix(".0") == lowest


def test_every_python_with_constraints_is_tested() -> None:
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    pythons = matrix["strategy"]["matrix"]["python"]
    assert pythons == ["3.10", "3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == f">={pythons[0]}"


def test_only_jobs_that_publish_may_write() -> None:
    may_write = {
        f"{path.stem}/{name}"
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
        if "write" in job.get("permissions", {}).values()
    }
    assert may_write == {"book/deploy", "release/pypi", "release/release"}
    for path in WORKFLOWS:
        allowed = yaml.safe_load(path.read_text())["permissions"]
        assert allowed == {"contents": "read"} | (
            {"issues": "write"} if path.stem == "links" else {}
        )


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"].partition(".dev")[0]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == version
    introduction = (ROOT / "chapters/introduction.md").read_text()
    assert f"version = {{{version}}}" in introduction
    assert f"title   = {{{citation['title']}}}" in introduction
    assert f"url     = {{{citation['url']}}}" in introduction
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


# Messages in the headings of the troubleshooting page, and where they come from.
OURS = {
    "These controls talk to Python.": "book/outputs.py",
    "The book needs Python 3.10 or newer": "Makefile",
    "no Chromium found on PATH": "book/browser.py",
    "no CIFAR-10 in …": "convsim/data.py",
    "expected an NVIDIA GPU for it": "convsim/training/arithmetic.py",
    "a pickle, which torch.save writes, can run any program": "convsim/report/files.py",
}


@pytest.mark.parametrize("message", OURS)
def test_a_message_that_is_explained_is_still_printed(message: str) -> None:
    page = (ROOT / "chapters/troubleshooting.md").read_text()
    assert f'**"{message}' in page
    assert message.rstrip(".…").strip() in (ROOT / OURS[message]).read_text()
