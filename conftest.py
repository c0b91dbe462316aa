"""Settings for every test of the project, the notebooks included."""

from __future__ import annotations

from nbval.kernel import RunningKernel


def execute_like_a_notebook(
    self: RunningKernel, cell_input: str, allow_stdin: bool | None = None
) -> str:
    """Run a cell and remember it.

    nbval forgets its cells, and IPython looks a trailing ``;`` up in what it remembers: without
    this, values that the notebook hides would appear.
    """
    return self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)


RunningKernel.execute_cell_input = execute_like_a_notebook
