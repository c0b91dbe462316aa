"""What `import convsim` gives, what it costs, and how the rooms depend on each other."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import convsim

ROOT = Path(convsim.__file__).parent
HEAVY = ("anywidget", "distributed", "filelock", "ipywidgets", "matplotlib", "PIL", "plotly")
HEAVY += ("pandas", "safetensors", "scipy", "sklearn", "torch_pruning", "torchvision", "typer")
# A room may import from those before it; the modules outside any room are the first.
ROOMS = ("", "report", "training", "neighborhoods", "experiments", "evidence", "explorers")
ROOMS += ("commands",)
# Its entry point and the public names are on top of all.
TOP = ("convsim.__main__", "convsim.__init__")


def test_the_public_names() -> None:
    assert set(convsim.__all__) == {
        *("cross_correlate", "autocorrelate", "power_spectrum"),
        *("feature_map_similarity", "kernel_similarity", "convolutional_similarity"),
        *("similarity_matrix", "model_similarity", "redundancy_report"),
    }
    for name in convsim.__all__:
        found = getattr(convsim, name)
        assert found.__name__ == name and found.__doc__


def test_import_is_light() -> None:
    code = "import sys, convsim; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "torch" in loaded and not loaded & set(HEAVY)


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "py.typed").exists()


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, wherever in it but for type checkers alone."""
    found = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {name for name in found if name.split(".")[0] == "convsim"}


def room(module: str) -> str:
    second = module.split(".")[1] if "." in module else ""
    return second if second in ROOMS else ""


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_room_depends_on_a_later_one(path: Path) -> None:
    module = ".".join(("convsim", *path.relative_to(ROOT).with_suffix("").parts))
    if module in TOP:
        return
    for name in imports(path):
        assert ROOMS.index(room(name)) <= ROOMS.index(room(module)), f"{module} imports {name}"
        if room(name) == "explorers":
            assert room(module) == "explorers"


def test_every_module_can_be_imported_first() -> None:
    """None is half loaded when another one wants it: there is no circle of imports."""
    graph: dict[str, set[str]] = {}
    for found in pkgutil.walk_packages([str(ROOT)], "convsim."):
        spec = importlib.util.find_spec(found.name)
        assert spec is not None and spec.origin is not None
        graph[found.name] = imports(Path(spec.origin)) - {found.name}
    done: set[str] = set()
    while ready := {name for name, needs in graph.items() if not (needs & graph.keys()) - done}:
        done |= ready
        for name in ready:
            del graph[name]
    assert not graph, f"imports go round in a circle among {', '.join(sorted(graph))}"
