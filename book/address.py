"""Copy the repository's address, and the release, to wherever else they stand.

``python -m book.address`` writes, ``python -m book.address --check`` only compares. The places:
the Colab cell of each notebook, README.md, CITATION.cff, ``[project.urls]`` and the chapters'
text. The address that stood there before is the ``Repository`` of ``[project.urls]``. The book's
own address, on GitHub Pages, follows from that of the repository. As long as the owner is
``OWNER``, the book is not published: README.md says so, and so do its pages (``book.unpublished``).

The Colab cell installs the release that its notebook belongs to, so that a notebook which was
downloaded long ago still runs. A development version, whose number in pyproject.toml ends in
``.dev`` and a digit, installs the branch that ``_config.yml`` names.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
RECORDED = re.compile(r'(?m)^Repository = "https://github\.com/([^"]+)"$')
PAGES = re.compile(r"https://[\w-]+\.github\.io/(?:[\w.-]+/)?")
INSTALL = re.compile(r"git\+https://github\.com/([\w.-]+/[\w-]+)")
PINNED = re.compile(rf"({INSTALL.pattern})(?:@[\w.-]+)?")
VERSION = re.compile(r'(?m)^version = "([^"]+)"$')
PLACEHOLDER = "OWNER"
# What README.md says under this heading as long as the book is not published.
FIRST_STEPS = "## First steps\n\n"
NOTE = """\
> **Not published yet.** Links to the book, its repository, Colab and Binder lead nowhere until `repository.url` in `_config.yml` has an address and `make address` has copied it. That takes this note away.

"""  # noqa: E501

COLAB_CELL = """\
# In Colab: install the book's module.
import sys

if "google.colab" in sys.modules:
    %pip install -q "convsim[all] @ git+https://github.com/{name}@{revision}\""""


def configured(root: Path) -> str:
    """Return ``owner/repository`` from ``repository.url`` in ``_config.yml``."""
    url = str(yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"])
    match = GITHUB.fullmatch(url)
    if match is None:
        raise ValueError(
            f"repository.url in _config.yml is {url!r}; Colab opens notebooks from GitHub, "
            "so write it as https://github.com/OWNER/REPOSITORY"
        )
    return match[1]


def published(root: Path) -> bool:
    """Return whether ``repository.url`` names a repository, and not a placeholder."""
    return configured(root).partition("/")[0] != PLACEHOLDER


def site(name: str) -> str:
    """Return where GitHub Pages serves the book of the repository ``owner/repository``."""
    owner, _, repository = name.partition("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if repository.lower() == host else f"https://{host}/{repository}/"


def recorded(root: Path) -> str:
    """Return the ``owner/repository`` that the other files hold now."""
    match = RECORDED.search((root / "pyproject.toml").read_text())
    if match is None:
        raise ValueError(
            "pyproject.toml names no repository: under [project.urls] write "
            'Repository = "https://github.com/OWNER/REPOSITORY"'
        )
    return match[1]


def revision(root: Path) -> str:
    """Return what a notebook installs: the tag of its release, or a branch before there is one."""
    match = VERSION.search((root / "pyproject.toml").read_text())
    if match is None:
        raise ValueError('pyproject.toml has no version: under [project] write version = "X.Y.Z"')
    if re.fullmatch(r"[\d.]+", match[1]):
        return f"v{match[1]}"
    return str(yaml.safe_load((root / "_config.yml").read_text())["repository"]["branch"])


def colab_cell(root: Path) -> str:
    """Return the first code cell of every notebook."""
    return COLAB_CELL.format(name=configured(root), revision=revision(root))


def places(root: Path) -> list[Path]:
    """Return the files that may hold the address."""
    named = [
        *(root / name for name in ("README.md", "CITATION.cff", "CONTRIBUTING.md")),
        *(root / name for name in ("CHANGELOG.md", "pyproject.toml")),
        *sorted((root / ".github").rglob("*.yml")),
    ]
    chapters = root / "chapters"
    return [
        path
        for path in [*named, *sorted(chapters.glob("*.md")), *sorted(chapters.glob("*.ipynb"))]
        if path.exists()
    ]


def mentions(name: str) -> re.Pattern[str]:
    """Match ``name`` in an address of GitHub, Colab (com/github/name) or Binder (gh/name)."""
    before = r"(?:(?<=github\.com/|com/github/)|(?<=mybinder\.org/v2/gh/))"
    return re.compile(rf"{before}{re.escape(name)}(?![\w-])")


def write(root: Path) -> list[Path]:
    """Bring every place in step, and return the files that changed."""
    old, new = recorded(root), configured(root)
    changed = []
    for path in places(root):
        before = path.read_text()
        after = mentions(old).sub(new, before).replace(site(old), site(new))
        if path.name == "README.md":
            after = after.replace(NOTE, "")
            if not published(root):
                after = after.replace(FIRST_STEPS, FIRST_STEPS + NOTE)
        if path.suffix == ".ipynb":
            after = PINNED.sub(rf"\1@{revision(root)}", after)
        if after != before:
            path.write_text(after)
            changed.append(path)
    return changed


def faults(root: Path) -> list[str]:
    """Return a sentence for each place that is out of step."""
    name = configured(root)
    found = []
    if recorded(root) != name:
        found.append(f"pyproject.toml has {recorded(root)}, _config.yml has {name}")
    for path in places(root):
        for other in set(INSTALL.findall(path.read_text())) - {name}:
            found.append(f"{path.name} installs from {other}, _config.yml has {name}")
        for other in set(PAGES.findall(path.read_text())) - {site(name)}:
            found.append(f"{path.name} says that the book is at {other}, not at {site(name)}")
        if path.name == "README.md" and (NOTE in path.read_text()) == published(root):
            found.append("README.md and _config.yml differ in whether the book is published")
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text())["cells"]
            first = next((cell for cell in cells if cell["cell_type"] == "code"), None)
            if first is None or "".join(first["source"]) != colab_cell(root):
                found.append(f"{path.name} does not begin with the Colab cell of book/address.py")
            elif "colab" not in first["metadata"].get("tags", []):
                found.append(f"{path.name}: the Colab cell lacks the tag 'colab'")
    return found


def main(arguments: list[str]) -> None:
    """Write the address, or with ``--check`` end with what is out of step."""
    parser = argparse.ArgumentParser(
        prog="book.address", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="change nothing, report differences")
    if not parser.parse_args(arguments).check:
        for path in write(ROOT):
            print(f"wrote {path.relative_to(ROOT)}")
    if found := faults(ROOT):
        sys.exit("\n".join([*found, "'make address' copies the address from _config.yml"]))


if __name__ == "__main__":
    main(sys.argv[1:])
