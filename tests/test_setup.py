"""The lists of requirements, the commands and the repository's address agree with each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book import address
from book.execute import KERNEL, faults

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """Parse requirement lines into a dictionary by canonical name."""
    found: dict[str, Requirement] = {}
    for requirement in map(Requirement, lines):
        if requirement.name == PROJECT["name"]:  # extras of this package, by name
            for extra in requirement.extras:
                found |= requirements(EXTRAS[extra])
        else:
            found[canonicalize_name(requirement.name)] = requirement
    return found


def test_environment_has_the_bounds_of_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    packages = next(entry["pip"] for entry in environment if isinstance(entry, dict))
    assert packages[-1] == "-e ."
    expected = requirements(PROJECT["dependencies"] + EXTRAS["book"] + EXTRAS["test"])
    assert requirements(packages[:-1]) == expected
    for name in ("jupyter-book", "torch", "torchvision", "ipywidgets", "plotly", "nbval"):
        assert name in expected
    assert f"python{PROJECT['requires-python']}" in environment


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_constraints_pin_every_requirement_within_its_bounds(python: str) -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert not re.search(r"(?m)^\s*-", text)
    marker_values = {"python_version": python, "python_full_version": f"{python}.9"}
    lines = [Requirement(line) for line in text.splitlines()]
    environment = {**default_environment(), **marker_values}
    pinned = {
        canonicalize_name(line.name): next(iter(line.specifier))
        for line in lines
        if line.marker is None or line.marker.evaluate(environment)  # type: ignore[arg-type]
    }
    direct = PROJECT["dependencies"] + [line for extra in EXTRAS.values() for line in extra]
    for name, requirement in requirements(direct).items():
        assert name in pinned, f"constraints.txt does not pin {name} for Python {python}"
        assert pinned[name].operator == "=="
        assert requirement.specifier.contains(pinned[name].version), f"{pinned[name]} of {name}"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small copy of what holds the address, all in step with owner/name."""
    (tmp_path / "chapters").mkdir()
    source = address.COLAB_CELL.format(name="OWNER/convsim", revision="main")
    cell = {
        "cell_type": "code",
        "source": source.splitlines(keepends=True),
        "metadata": {"tags": ["colab"]},
    }
    (tmp_path / "chapters/01.ipynb").write_text(json.dumps({"cells": [cell]}))
    (tmp_path / "_config.yml").write_text(
        "repository:\n  url: https://github.com/new/book\n  branch: main\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nversion = "1.2.0.dev0"\n[project.urls]\nRepository = "https://github.com/OWNER/convsim"\n'
    )
    (tmp_path / "README.md").write_text(
        "git clone https://github.com/OWNER/convsim.git\n"
        "https://colab.research.google.com/github/OWNER/convsim/blob/main/x.ipynb\n"
        "pip install git+https://github.com/OWNER/convsim\n"
        "https://github.com/OWNER/convsim-other and the folder convsim/convsim\n"
        "https://mybinder.org/v2/gh/OWNER/convsim/main\n"
        "Read it at https://owner.github.io/convsim/chapters/introduction.html.\n"
    )
    return tmp_path


def test_address_reaches_every_place(repository: Path) -> None:
    assert len(address.faults(repository)) == 5
    changed = {path.name for path in address.write(repository)}
    assert changed == {"README.md", "pyproject.toml", "01.ipynb"}
    assert address.faults(repository) == []
    assert address.write(repository) == []
    assert (repository / "README.md").read_text() == (
        "git clone https://github.com/new/book.git\n"
        "https://colab.research.google.com/github/new/book/blob/main/x.ipynb\n"
        "pip install git+https://github.com/new/book\n"
        "https://github.com/OWNER/convsim-other and the folder convsim/convsim\n"
        "https://mybinder.org/v2/gh/new/book/main\n"
        "Read it at https://new.github.io/book/chapters/introduction.html.\n"
    )
    source = json.loads((repository / "chapters/01.ipynb").read_text())["cells"][0]["source"]
    assert "".join(source) == address.COLAB_CELL.format(name="new/book", revision="main")


def test_a_notebook_installs_the_release_that_it_belongs_to(repository: Path) -> None:
    def installed() -> str:
        address.write(repository)
        assert address.faults(repository) == []
        cell = json.loads((repository / "chapters/01.ipynb").read_text())["cells"][0]
        (requirement,) = re.findall(r'"convsim\[all\] @ (\S+)"', "".join(cell["source"]))
        return requirement

    def release(version: str) -> None:
        project = repository / "pyproject.toml"
        project.write_text(re.sub("version = .*", f'version = "{version}"', project.read_text()))

    assert installed() == "git+https://github.com/new/book@main"
    release("1.2.0")
    assert len(address.faults(repository)) == 1  # until `make address`
    assert installed() == "git+https://github.com/new/book@v1.2.0"
    release("1.10.3")
    assert installed() == "git+https://github.com/new/book@v1.10.3"
    release("1.11.0.dev0")
    assert installed() == "git+https://github.com/new/book@main"


def test_the_book_of_a_repository_named_like_its_site_is_at_the_root() -> None:
    assert address.site("Owner/convsim") == "https://owner.github.io/convsim/"
    assert address.site("Owner/owner.github.io") == "https://owner.github.io/"


def test_a_notebook_without_the_colab_cell_is_a_fault(repository: Path) -> None:
    address.write(repository)
    (repository / "chapters/01.ipynb").write_text(json.dumps({"cells": []}))
    assert address.faults(repository) == [
        "01.ipynb does not begin with the Colab cell of book/address.py"
    ]


def test_an_address_that_colab_cannot_open(repository: Path) -> None:
    (repository / "_config.yml").write_text("repository:\n  url: https://gitlab.com/a/b\n")
    with pytest.raises(ValueError, match="write it as https://github.com/OWNER/REPOSITORY"):
        address.faults(repository)


def test_the_address_is_in_step() -> None:
    command = [sys.executable, "-m", "book.address", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.name)
def test_notebooks_are_stored_as_make_chapters_stores_them(path: Path) -> None:
    assert faults(path) == []


def test_a_notebook_that_was_not_run_through_is_a_fault(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    cell = nbformat.v4.new_code_cell("1 / 0", execution_count=4)
    cell.outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    notebook.cells = [cell]
    path = tmp_path / "new.ipynb"
    nbformat.write(notebook, path)
    found = [fault.split(": ")[1] for fault in faults(path)]
    assert found == [
        "its cells were not run once, from top to bottom",
        "a cell ended in an error",
        "it holds what another run would change, such as times or a kernel's name",
    ]


def test_the_makefile_refuses_an_old_python(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "convsim").mkdir()
    done = subprocess.run(
        ["make", "setup", f"PYTHON={old}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "The book needs Python 3.10 or newer" in done.stdout
