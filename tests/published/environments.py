"""What the published book meets: Colab's Python, and the working tree as a git repository."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from book import address
from convsim.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).with_name("colab.txt")
COLAB = ROOT / ".venv/colab"
PYTHON = COLAB / "bin/python"
STAMP = COLAB / ".built"

# Stands in for Colab's own package, which is on no registry: what the Colab cell and anywidget
# ask of it. Colab's kernel imports it before any cell runs; enabling the widget manager notes an
# address and puts it into the metadata of every widget that is displayed, without which Colab
# draws none of another origin. Colab's address is that of a script, which nothing here loads.
STUB = {
    "google/colab/__init__.py": "from google.colab import output\n",
    "google/colab/output/__init__.py": """\
from google.colab.output import _widgets
from google.colab.output._widgets import enable_custom_widget_manager
""",
    "google/colab/output/_widgets.py": """\
import IPython

WIDGET = "application/vnd.jupyter.widget-view+json"
_installed_url = None


def enable_custom_widget_manager():
    global _installed_url
    if _installed_url is None:
        IPython.get_ipython().display_pub.register_hook(_name_the_manager)
    _installed_url = "about:blank#manager"


def _name_the_manager(message):
    content = message.get("content", {})
    if WIDGET in content.get("data", {}):
        about = content.setdefault("metadata", {}).setdefault(WIDGET, {})
        about["colab"] = {"custom_widget_manager": {"url": _installed_url}}
    return message
""",
    "colab_kernel_launcher.py": """\
import google.colab
from ipykernel.kernelapp import launch_new_instance

launch_new_instance()
""",
}
KERNEL = {
    "argv": [str(PYTHON), "-m", "colab_kernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python 3 (like Colab's)",
    "language": "python",
}

VERSIONS = """\
import importlib.metadata, json, re
found = importlib.metadata.distributions()
print(json.dumps({re.sub("[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in found}))
"""


def run(*command: str | Path, cwd: Path = ROOT, timeout: int = 600) -> str:
    """Return what ``command`` prints; a failure says what it was and how its output ended."""
    said, shown = b"", " ".join(map(str, command))
    try:
        done = subprocess.run(
            command, cwd=cwd, env=clean(), timeout=timeout, capture_output=True, check=False
        )
        said, end = done.stderr, f"ended with {done.returncode}"
        if done.returncode == 0:
            return done.stdout.decode()
    except subprocess.TimeoutExpired as late:
        said, end = late.stderr or b"", f"took longer than {timeout} s"
    raise RuntimeError(f"{shown} {end}:\n{said.decode(errors='replace')[-4000:]}")


def clean() -> dict[str, str]:
    """Return the environment without what makes Python or Jupyter find this checkout."""
    jupyter = ("PYTHON", "IPYTHON", "JUPYTER", "PLOTLY", "MPLBACKEND", "VIRTUAL_ENV")
    hook = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    return {name: at for name, at in os.environ.items() if not name.startswith(jupyter + hook)}


@contextmanager
def reserved() -> Iterator[None]:
    """Wait until no other test process uses the environment, then keep it."""
    COLAB.parent.mkdir(exist_ok=True)
    with COLAB.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def versions() -> dict[str, str]:
    """Return what is installed in the environment, by canonical name."""
    found: dict[str, str] = json.loads(run(PYTHON, "-I", "-c", VERSIONS))
    return found


def _recipe() -> str:
    text = PINS.read_text() + json.dumps([STUB, KERNEL]) + sys.version
    return hashlib.sha256(text.encode()).hexdigest()


def _build() -> dict[str, str]:
    """Build the environment from nothing; the stamp comes last, so that half of one is none."""
    STAMP.unlink(missing_ok=True)
    if COLAB.exists():
        shutil.rmtree(COLAB)
    run(sys.executable, "-m", "venv", COLAB)
    run(PYTHON, "-m", "pip", "install", "--quiet", "-r", PINS, timeout=1800)
    (packages,) = COLAB.glob("lib/python*/site-packages")
    files = {packages / name: text for name, text in STUB.items()}
    files[COLAB / "share/jupyter/kernels/colab/kernel.json"] = json.dumps(KERNEL)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    installed = versions()
    write_atomically(STAMP, json.dumps({"recipe": _recipe(), "installed": installed}))
    return installed


def as_new() -> dict[str, str]:
    """Bring the environment to its state before any chapter ran and return what it holds."""
    stamp = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    if stamp.get("recipe") != _recipe():
        return _build()
    installed: dict[str, str] = stamp["installed"]
    if added := sorted(versions().keys() - installed):
        run(PYTHON, "-m", "pip", "uninstall", "--quiet", "--yes", *added)
    return installed if versions() == installed else _build()


def install(address: str) -> None:
    """Install convsim from the repository at ``address``, as the Colab cell does."""
    run(PYTHON, "-m", "pip", "install", "--quiet", f"convsim[all] @ git+{address}")


def snapshot(folder: Path) -> tuple[str, str]:
    """Commit the working tree to a clone in ``folder``; return its address and the commit."""

    def git(*arguments: str, root: Path = folder) -> str:
        return run("git", "-c", "core.quotePath=false", *arguments, cwd=root)

    def files(root: Path, *which: str) -> set[str]:
        return set(git("ls-files", "-z", *which, root=root).split("\0")) - {""}

    git("clone", "--quiet", str(ROOT), str(folder), root=ROOT)
    present = {name for name in files(ROOT, "-co", "--exclude-standard") if (ROOT / name).is_file()}
    for name in files(folder) - present:
        (folder / name).unlink()
    for name in present:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    git("add", "--all")
    author = ("-c", "user.name=convsim", "-c", "user.email=convsim@example.invalid")
    plain = ("-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null")
    git(*author, *plain, "commit", "--quiet", "--allow-empty", "-m", "The working tree")
    # What the notebooks install: on GitHub it is there when they are.
    git("update-ref", f"refs/heads/{address.revision(ROOT)}", "HEAD")
    return folder.as_uri(), git("rev-parse", "HEAD").strip()
