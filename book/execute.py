"""Run the notebooks in place and store their outputs: ``python -m book.execute [FILE …]``.

Everything that would differ between two runs of the same notebook is left out (timings, widget
state, random ids, the versions of the kernel), so a run that changes no output changes no file.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from book.outputs import WIDGET

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def normalize(notebook: Any) -> None:
    """Leave in ``notebook`` only what the next run would write again."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled", "ExecuteTime", "pycharm"):
            cell.metadata.pop(key, None)
        outputs = cell.get("outputs", [])
        for number, output in enumerate(outputs):
            if WIDGET in output.get("data", {}):
                # Names a model of the kernel that is gone.
                output.data[WIDGET].model_id = f"{cell.id}-{number}"


def execute(path: Path) -> None:
    """Run one notebook from top to bottom, in its own folder, and store what it shows."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        timeout=600,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    normalize(notebook)
    nbformat.write(notebook, path)


def main(arguments: list[str]) -> None:
    """Run the named notebooks, or all of them."""
    for path in map(Path, arguments) if arguments else sorted(CHAPTERS.glob("*.ipynb")):
        start = time.perf_counter()
        execute(path)
        print(f"{path}: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
