"""Each chapter from its first cell to its last where only the notebook is, as in Colab."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book import address
from tests.published import environments
from tests.published.environments import PYTHON, ROOT, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
NAME = address.configured(ROOT)
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
SOURCES = [ROOT / "README.md", *sorted((ROOT / "chapters").glob("*.md")), *NOTEBOOKS]
PAGES = sorted((ROOT / "_build/html/chapters").glob("*.html"))
LINK = re.compile(r"https?://colab\.research\.google\.com[^\s\"'()<>\\]*")
WIDGET = "application/vnd.jupyter.widget-view+json"


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """Return the requirements that hold for this Python, by canonical name."""
    parsed = map(Requirement, (line for line in lines if line and not line.startswith("#")))
    holding = (r for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""}))
    return {canonicalize_name(requirement.name): requirement for requirement in holding}


PINS = requirements(environments.PINS.read_text().splitlines())
EXTRAS = PROJECT["optional-dependencies"]
INSTALLED = ("data", "experiments", "explorers", "pruning", "all")
NEEDED = requirements(
    [
        *PROJECT["dependencies"],
        *(line for name in INSTALLED for line in EXTRAS[name]),
    ]
)
del NEEDED["convsim"]  # the extras name each other
ADDED = {"orthogonium", "torch-pruning"}
"""What the Colab cell installs beside convsim: small, pure Python, needing what is there."""


def with_all_they_need(names: set[str]) -> set[str]:
    """Return ``names`` and what they need, as far as it is installed beside these tests."""
    here = {canonicalize_name(found.metadata["Name"]) for found in metadata.distributions()}
    found: set[str] = set()
    while new := (names & here) - found:
        found |= new
        names = {need for name in new for need in requirements(metadata.requires(name) or [])}
    return found


@cache
def modules_of_the_build() -> dict[str, set[str]]:
    """Return the modules that ``make book`` and ``make test`` import, and who installs each."""
    build = with_all_they_need(set(requirements(EXTRAS["book"] + EXTRAS["test"])) - {"convsim"})
    build -= with_all_they_need(set(NEEDED))
    owners = {
        module: {str(canonicalize_name(name)) for name in names}
        for module, names in metadata.packages_distributions().items()
    }
    found = {module: names for module, names in owners.items() if names <= build}
    assert {"jupyter_book", "sphinx", "myst_nb", "nbval", "playwright"} <= found.keys()
    return found


@pytest.fixture(scope="module")
def reserved() -> Iterator[None]:
    with environments.reserved():
        yield


@pytest.fixture
def as_new(reserved: None) -> dict[str, str]:
    """What is installed before the first cell runs: in Colab, each chapter has its own machine."""
    return environments.as_new()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return environments.snapshot(tmp_path_factory.mktemp("snapshot") / "convsim")


def test_torch_is_the_oldest_that_we_admit() -> None:
    for name in ("torch", "torchvision"):
        (oldest,) = (bound for bound in NEEDED[name].specifier if bound.operator == ">=")
        assert PINS[name].specifier.contains(oldest.version), f"{PINS[name]}, not {oldest}"


def test_colab_has_what_convsim_needs() -> None:
    assert not ADDED & PINS.keys() and NEEDED.keys() >= ADDED
    assert with_all_they_need(ADDED) - ADDED <= with_all_they_need({"torch", "numpy"})
    for name in NEEDED.keys() - ADDED:
        requirement, (pin,) = NEEDED[name], PINS[name].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{name}{pin}"


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def run_as_in_colab(notebook: Any, folder: Path) -> None:
    """Run every cell with Colab's kernel in ``folder``."""
    client = NotebookClient(
        notebook,
        kernel_name="colab",
        timeout=600,
        startup_timeout=120,
        resources={"metadata": {"path": str(folder)}},
    )
    # No profile and no startup files of this machine's user.
    kernel = environments.clean() | {"IPYTHONDIR": str(folder.with_name("ipython"))}
    try:
        client.execute(env=kernel)
    except CellExecutionError as error:
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        said = "".join(output.get("text", "") for output in first.outputs)
        pytest.fail(f"{error}\nThe Colab cell had printed:\n{said[-3000:]}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_chapter_runs_from_its_colab_cell(
    path: Path,
    as_new: dict[str, str],
    snapshot: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "convsim" not in as_new
    stored, notebook = (nbformat.read(path, as_version=4) for _ in range(2))
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    url, commit = snapshot
    assert cell.source == address.colab_cell(ROOT)
    assert cell.source.count(f"https://github.com/{NAME}") == 1
    cell.source = cell.source.replace(f"https://github.com/{NAME}", url)

    (folder := tmp_path / "content").mkdir()
    monkeypatch.setenv("JUPYTER_PATH", str(environments.COLAB / "share/jupyter"))
    run_as_in_colab(notebook, folder)

    after = environments.versions()
    assert after.pop("convsim") == PROJECT["version"]
    for name in ADDED:
        assert NEEDED[name].specifier.contains(after.pop(name))
    assert after == as_new, "the Colab cell did more than install convsim"
    read = "import importlib.metadata as m; print(m.distribution('convsim').read_text(%r))"
    origin = json.loads(run(PYTHON, "-I", "-c", read % "direct_url.json"))
    assert (origin["url"], origin["vcs_info"]["commit_id"]) == (url, commit)

    only = [module for module, names in modules_of_the_build().items() if not names & as_new.keys()]
    look = "import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec(m)))"
    assert run(PYTHON, "-I", "-c", look, *only).split() == []

    shown = [output for output in outputs(notebook) if WIDGET in output.get("data", {})]
    assert len(shown) == sum(WIDGET in output.get("data", {}) for output in outputs(stored))
    for output in shown:
        about = output.metadata.get(WIDGET, {}).get("colab", {})
        assert about.get("custom_widget_manager"), "Colab would not draw this explorer"


def check_links(text: str, where: str) -> int:
    """Check that every link to Colab opens a file of this repository; return how many there are."""
    start = f"{CONFIG['launch_buttons']['colab_url']}/github/{NAME}/blob/"
    start += f"{CONFIG['repository']['branch']}/"
    tracked = set(run("git", "ls-files", "-z").split("\0"))
    links = LINK.findall(text)
    for link in links:
        assert link.startswith(start), f"{where}: {link} does not begin with {start}"
        assert link.removeprefix(start) in tracked, f"{where}: git has no file for {link}"
        assert link.endswith(".ipynb"), f"{where}: {link} is no notebook"
    return len(links)


def test_every_link_to_colab_in_the_sources_opens_a_notebook() -> None:
    assert sum(check_links(path.read_text(), path.name) for path in SOURCES) > 0


def test_every_launch_button_opens_a_notebook() -> None:
    if not PAGES:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("not built: make book")
    found = {page.stem: check_links(page.read_text(), page.name) for page in PAGES}
    launched = {name for name, count in found.items() if count}
    # tests/test_unpublished.py has a book with an address, and one without
    expected = {path.stem for path in NOTEBOOKS} if address.published(ROOT) else set()
    assert launched == expected


def test_binder_reads_environment_yml_as_conda_does() -> None:
    """Bounds and order: tests/test_setup.py. Here, what makes Binder use the file at all."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment.keys() == {"name", "channels", "dependencies"}
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert "pip" in conda  # conda warns and guesses otherwise
    assert [entry for entry in environment["dependencies"] if entry not in conda] == [
        {"pip": environment["dependencies"][-1]["pip"]}
    ]
    # repo2docker takes the first of these that it finds, and environment.yml only after them.
    first = {"Dockerfile", "Project.toml", "JuliaProject.toml", "REQUIRE", "default.nix"}
    first |= {"DESCRIPTION", "install.R", "runtime.txt", "binder", ".binder"}
    tracked = run("git", "ls-files", "-z").split("\0")
    assert first.isdisjoint(Path(name).parts[0] for name in tracked if name)
