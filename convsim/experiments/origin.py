"""Where a record says it comes from: the command, the machine, the code."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

PACKAGE = Path(__file__).resolve().parent.parent
_MODULE = PACKAGE / "__main__.py"
COMMANDS = {
    "pairs": ("convsim run table1", "convsim run table2", "convsim run table6"),
    "table5choice": ("convsim run table5",),
    "inputpatches": ("convsim run input",),
    "inputsteps": ("convsim run input",),
    "overlapregularized": ("convsim run overlap",),
    "benchmark": ("python benchmarks/similarity.py",),
    "penaltybenchmark": ("python benchmarks/similarity.py --penalties",),
    "trainingbenchmark": ("python benchmarks/training.py",),
    "overlapbenchmark": ("python benchmarks/overlap.py",),
    "reportbenchmark": ("python benchmarks/report.py",),
}
"""What writes the records of an experiment, where it is not ``convsim run`` and their name."""


def commands_of(experiment: str) -> str:
    """What to type for the records of an experiment, in words: ``"`convsim run floor`"``."""
    commands = COMMANDS.get(experiment, (f"convsim run {experiment}",))
    return " or ".join(f"`{command}`" for command in commands)


def command_of(experiment: str) -> str:
    """The command that asked for a record: this process's, if it is one that writes records."""
    program = Path(sys.argv[0])
    if program.name == "convsim" or program == _MODULE or program.parent.name == "benchmarks":
        return command_line()
    return COMMANDS.get(experiment, (f"convsim run {experiment}",))[0]  # as a user would have it


def command_line(words: Sequence[str] | None = None) -> str:
    """A command as a user would type it again, wherever the program and the folders lie.

    Absolute paths, which say nothing elsewhere, are given by name.

    Args:
        words: program and arguments; by default those of this process.
    """
    program, *arguments = sys.argv if words is None else words
    return shlex.join([*_typed(Path(program)), *map(_without_folders, arguments)])


def _typed(program: Path) -> list[str]:
    """How a user starts a program: the command, or Python with a script of the checkout."""
    if program == _MODULE:  # python -m convsim
        return ["convsim"]
    if program.suffix != ".py":
        return [program.name]
    inside = program.parent.name == "benchmarks"
    return ["python", f"benchmarks/{program.name}" if inside else program.name]


def _without_folders(word: str) -> str:
    option, equals, value = word.rpartition("=")  # as in --data-dir=/home/me/cifar10
    return option + equals + (Path(value).name if Path(value).is_absolute() else value)


def hardware_in_words(device: torch.device) -> str:
    """The processor a run used, for a reader: ``"Intel Xeon …, 2 threads"`` or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    name = found.group(1) if found else platform.processor() or platform.machine()
    return f"{' '.join(name.split())}, {torch.get_num_threads()} threads"


def git_commit() -> str | None:
    """Commit of the checkout the package lies in, or None if it was installed otherwise."""
    git = ["git", "-C", str(PACKAGE)]
    try:
        # Asking for a tracked file keeps an unrelated repository around site-packages out.
        tracked = subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], **_QUIET)
        if tracked.returncode != 0:
            return None
        commit = subprocess.run([*git, "rev-parse", "HEAD"], **_QUIET).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno", "--", "."], **_QUIET)
    except FileNotFoundError:  # no git on this machine
        return None
    return commit + ("+" if changed.stdout.strip() else "")


_QUIET: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
