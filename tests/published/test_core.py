"""The package without its extras: what it installs, what it can do, what it says is missing."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.published.environments import ROOT, run

WHEELS = sorted((ROOT / "dist").glob("convsim-*.whl"))
EXTRAS = {
    "data": ("torchvision", "scikit-learn", "pillow"),
    "experiments": ("matplotlib", "plotly"),
    "explorers": ("anywidget", "ipywidgets"),
}
README = (ROOT / "README.md").read_text()


def all_that_it_needs(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """A distribution beside these tests and what it needs, as far as that is installed here."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for another system
        return set()
    found = {name}
    for need in map(Requirement, lines):
        wanted = ("", *extras)
        if need.marker is None or any(need.marker.evaluate({"extra": each}) for each in wanted):
            found |= all_that_it_needs(canonicalize_name(need.name), frozenset(need.extras))
    return found


def lend(name: str, packages: Path) -> None:
    """Show a distribution in another environment, where it lies here."""
    found = metadata.distribution(name)
    for top in {file.parts[0] for file in found.files or []} - {".."}:
        if not (packages / top).exists():
            (packages / top).symlink_to(str(found.locate_file(top)))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the package's wheel and all it asks for; torch, of 5 GB, is lent."""
    if not WHEELS:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no wheel: make dist")
    folder = tmp_path_factory.mktemp("core")
    run(sys.executable, "-m", "venv", folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in all_that_it_needs("torch"):
        lend(name, packages)
    python = folder / "bin/python"
    pins = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "--quiet", "-c", pins, WHEELS[-1], timeout=1200)
    return python


def installed(python: Path) -> set[str]:
    code = "import importlib.metadata as m; print(*(d.metadata['Name'] for d in m.distributions()))"
    return {canonicalize_name(name) for name in run(python, "-I", "-c", code).split()}


def test_the_core_is_as_small_as_the_readme_says(python: Path) -> None:
    found = installed(python) - {"convsim", "pip"}
    assert found.isdisjoint(name for names in EXTRAS.values() for name in names)
    # torch brings other packages on other systems; the rest is the same everywhere.
    own = found - {canonicalize_name(name) for name in all_that_it_needs("torch")}
    stated = re.search(r"(\d+) packages besides torch and what torch needs", README)
    assert stated is not None
    assert abs(len(own) - int(stated[1])) <= 3, sorted(own)


def test_the_three_lines_of_the_readme_run(python: Path, tmp_path: Path) -> None:
    section = README.split("## Three lines\n")[1].split("\n## ")[0]
    report, losses = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    model = "import torch\nimages = torch.rand(2, 3, 16, 16)\nmodel = torch.nn.Sequential()\n"
    model += "model.conv1 = torch.nn.Conv2d(3, 8, 3)\nmodel.conv2 = torch.nn.Conv2d(8, 4, 3)\n"
    said = run(python, "-I", "-c", f"{model}{losses}\nprint(float(loss), float(total))")
    loss, total = map(float, said.split())
    assert 0 < loss < total
    assert "Sequential: 2 convolutional layers" in run(python, "-I", "-c", model + report)


def test_the_command_reports_on_a_file(python: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save = "import sys, torch, safetensors.torch as s\n"
    save += "s.save_file({'conv.weight': torch.rand(4, 3, 3, 3)}, sys.argv[1])"
    run(python, "-I", "-c", save, path)
    command = python.with_name("convsim")
    assert "1 convolutional layer" in run(command, "report", path)
    assert "done" in run(command, "status", "table1")
    with pytest.raises(RuntimeError, match=r"ended with 2:(.|\n)*pip install 'convsim\[data\]'"):
        run(command, "report", "resnet18")


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("from convsim.data import digits; digits()", "data"),
        ("from convsim.photographs import photograph; photograph()", "data"),
        (
            "import torch; from convsim.neighborhoods.neighbors import nnk_neighbors as f; "
            "f(torch.rand(5, 2), k=2)",
            "data",
        ),
        ("import convsim.figures", "experiments"),
        ("import convsim.evidence.verdicts", "experiments"),
        ("import convsim.explorers", "explorers"),
    ],
)
def test_what_is_missing_says_what_to_install(python: Path, code: str, extra: str) -> None:
    with pytest.raises(RuntimeError) as raised:
        run(python, "-I", "-c", code)
    last = str(raised.value).strip().splitlines()[-1]
    assert re.fullmatch(
        rf"ModuleNotFoundError: \w+ is not installed; expected what `pip install "
        rf"'convsim\[{extra}\]'` installs: run that, or install the package by itself",
        last,
    )
