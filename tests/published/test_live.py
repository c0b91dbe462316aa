"""The explorers in the two Jupyter front ends, in a browser that reaches only this machine."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from convsim import explorers
from tests.published import environments

PATIENCE = 60_000  # milliseconds: a kernel imports torch, on a machine with other work

SHOW, READ, SET, ALL = CELLS = (
    "from convsim.explorers import SimilarityExplorer\n\nexplorer = SimilarityExplorer()\nexplorer",
    "print(explorer)",  # as a constructor call
    "explorer.kernel_1 = [0.75] * len(explorer.kernel_1)",
    "from IPython.display import display\n\nfrom convsim import explorers\n\n"
    "for name in explorers.__all__:\n    display(getattr(explorers, name)())",
)


@dataclass(frozen=True)
class FrontEnd:
    """How a Jupyter server is started and what its page is made of."""

    command: tuple[str, ...]
    path: str
    idle: str  # there once the kernel can run a cell
    cell: str
    editor: str
    prompt: str
    output: str


FRONT_ENDS = {
    "notebook": FrontEnd(  # 6.5 with ipywidgets 7, as in Colab
        command=(str(environments.PYTHON), "-m", "notebook"),
        path="notebooks/live.ipynb",
        idle=".kernel_idle_icon",
        cell=".code_cell",
        editor=".CodeMirror",
        prompt=".input_prompt",
        output=".output_subarea",
    ),
    "lab": FrontEnd(  # 4 with ipywidgets 8, as `make setup` and Binder install it
        command=(sys.executable, "-m", "jupyterlab", "--LabApp.news_url=None")
        + ("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",),
        path="lab/tree/live.ipynb",
        idle='.jp-StatusBar-Widget :text("| Idle")',
        cell=".jp-CodeCell",
        editor=".cm-content",
        prompt=".jp-InputPrompt",
        output=".jp-OutputArea-output",
    ),
}


@dataclass(frozen=True)
class Server:
    front_end: FrontEnd
    address: str
    log: Path

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@contextmanager
def running(front_end: FrontEnd, folder: Path) -> Iterator[Server]:
    """Run a server in ``folder`` with no settings but these, or fail with the end of its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    address = f"http://127.0.0.1:{port}/{front_end.path}?token={token}"
    server = Server(front_end, address, folder / "server.log")
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_PREFER_ENV_PATH": "1"}
    env = environments.clean() | own | {"JUPYTER_TOKEN": token}
    with (
        server.log.open("wb") as log,
        subprocess.Popen(
            [*front_end.command, *options], cwd=folder, env=env, stdout=log, stderr=log
        ) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE / 1000
            while not answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"no server (exit status {process.poll()}):\n{server.tail()}")
                time.sleep(0.2)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", params=FRONT_ENDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running server; Colab's environment is ours while the notebook of its generation runs."""
    folder = tmp_path_factory.mktemp(request.param)
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "live.ipynb")
    with environments.reserved() if request.param == "notebook" else nullcontext():
        if request.param == "notebook":
            environments.as_new()
            environments.install(environments.snapshot(folder / "snapshot")[0])
        elif importlib.util.find_spec("jupyterlab") is None:
            refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            refuse("JupyterLab is not installed: make setup")
        with running(FRONT_ENDS[request.param], folder) as server:
            yield server


@dataclass(frozen=True)
class Notebook:
    """The notebook of ``CELLS``, open in a front end."""

    page: Page
    front_end: FrontEnd

    def run(self, source: str) -> Locator:
        """Run a cell from the keyboard and return it once it has run."""
        cell = self.page.locator(self.front_end.cell).nth(CELLS.index(source))
        cell.locator(self.front_end.editor).first.click()
        self.page.keyboard.press("Control+Enter")
        ran = re.compile(r"\[\d+\]")
        expect(cell.locator(self.front_end.prompt)).to_have_text(ran, timeout=PATIENCE)
        return cell


@pytest.fixture
def notebook(server: Server, page: Page) -> Iterator[Notebook]:
    page.set_default_timeout(PATIENCE)
    try:
        page.goto(server.address)
        page.locator(server.front_end.idle).first.wait_for()
        yield Notebook(page, server.front_end)
    finally:
        # pytest shows this beside a failure.
        print(f"blocked: {page.outside_requests}", f"server: {server.tail()}", sep="\n")  # type: ignore[attr-defined]
    assert page.errors == []  # type: ignore[attr-defined]


def readout(view: Locator) -> float:
    tile = view.locator('[data-readout="feature_map_similarity"]')
    return float(tile.get_attribute("data-value") or "")


def in_python(notebook: Notebook) -> explorers.SimilarityExplorer:
    """Return a copy of the explorer that the kernel has."""
    call = notebook.run(READ).locator(notebook.front_end.output).inner_text()
    return eval(call, {"SimilarityExplorer": explorers.SimilarityExplorer})  # noqa: S307


def test_the_view_and_python_follow_each_other(notebook: Notebook) -> None:
    page, view = notebook.page, notebook.run(SHOW).locator(".convsim-view")
    slider = view.get_by_label("K1 tap 1")
    slider.wait_for()
    seen = [readout(view)]
    for key in ("ArrowUp", "ArrowRight"):  # which JupyterLab would take for itself
        before = float(slider.input_value())
        slider.press(key)
        assert float(slider.input_value()) == pytest.approx(before + 0.01)
        seen.append(readout(view))
    view.get_by_role("button", name="Randomise").press("Enter")  # this one, too
    seen.append(readout(view))
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    across, height = box["x"] + box["width"] / 2, box["height"]
    page.mouse.move(across, box["y"] + height * (0.5 - float(slider.input_value()) / 4))
    page.mouse.down()
    page.mouse.move(across, box["y"] + 0.9 * height, steps=4)
    page.mouse.up()
    assert float(slider.input_value()) < -0.8
    seen.append(readout(view))
    assert len(set(seen)) == len(seen)

    # Of many changes the front end sends the last once the kernel has answered to the first.
    value, deadline = float(slider.input_value()), time.monotonic() + PATIENCE / 1000
    while (twin := in_python(notebook)).kernel_1[1] != value and time.monotonic() < deadline:
        page.wait_for_timeout(500)
    assert twin.kernel_1[1] == value
    assert twin.readouts()["feature_map_similarity"] == pytest.approx(readout(view), rel=1e-9)

    notebook.run(SET)
    twin.kernel_1 = [0.75] * len(twin.kernel_1)
    expect(slider).to_have_value("0.75", timeout=PATIENCE)
    assert twin.readouts()["feature_map_similarity"] == pytest.approx(readout(view), rel=1e-9)


SMALLEST_TEXT = """
(view) => Math.min(...[...view.querySelectorAll("*")]
  .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3))
  .map((e) => parseFloat(getComputedStyle(e).fontSize)))
"""


def test_every_explorer_appears_with_its_controls(notebook: Notebook) -> None:
    cell = notebook.run(ALL)
    views = cell.locator(".convsim-view")
    expect(views).to_have_count(len(explorers.__all__), timeout=PATIENCE)
    expect(cell.locator(".convsim-explorer")).to_have_count(0)  # the element of a static page
    for view in views.all():
        name = view.get_attribute("aria-label")
        light = view.locator(".convsim-question").count() > 0  # words and no picture
        assert view.locator("input, select, button").count() > (1 if light else 4), name
        assert view.locator("[data-readout][data-value]").count() > 0, name
        drawn = [box.bounding_box() for box in view.locator("svg, canvas").all()]
        assert light or any(box is not None and box["height"] > 50 for box in drawn), name
        assert view.evaluate(SMALLEST_TEXT) >= 9, f"{name}: text too small to read"
