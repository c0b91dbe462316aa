"""Run the notebooks in place and store their outputs: ``python -m book.execute [FILE …]``.

Everything that would differ between two runs of the same notebook is left out (timings, widget
state, random ids, the versions of the kernel), so a run that changes no output changes no file.
``--check`` runs nothing and says which notebooks are not stored like that.
"""

from __future__ import annotations

import argparse
import sys
import time
from copy import deepcopy
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


def faults(path: Path) -> list[str]:
    """Say, a sentence each, how a stored notebook differs from what :func:`execute` stores."""
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    code = [cell for cell in stored.cells if cell.cell_type == "code" and cell.source]
    found = []
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("its cells were not run once, from top to bottom")
    if any(output.output_type == "error" for cell in code for output in cell.outputs):
        found.append("a cell ended in an error")
    normalized = deepcopy(stored)
    normalize(normalized)
    if normalized != stored:
        found.append("it holds what another run would change, such as times or a kernel's name")
    return [f"{path}: {fault}: run `make chapters`" for fault in found]


def main(arguments: list[str]) -> None:
    """Run the named notebooks, or all of them; with ``--check``, look at them."""
    parser = argparse.ArgumentParser(
        prog="book.execute", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; all if none is named")
    parser.add_argument("--check", action="store_true", help="run nothing, report what is amiss")
    options = parser.parse_args(arguments)
    paths = options.files or sorted(CHAPTERS.glob("*.ipynb"))
    if options.check:
        if found := [fault for path in paths for fault in faults(path)]:
            sys.exit("\n".join(found))
        return
    for path in paths:
        start = time.perf_counter()
        execute(path)
        print(f"{path}: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
