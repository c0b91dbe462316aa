"""The script that draws every explorer: what Python declares of them and the pieces in ``js/``.

A page loads it as a classic script, for browsers refuse modules in pages opened from disk; a
notebook takes it as an anywidget module. So the pieces share one scope, without import or export.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from convsim.explorers.traits import Checked

if TYPE_CHECKING:
    from convsim.explorers.base import Explorer

EXPLORERS: dict[str, type[Explorer]] = {}  # by kind; each adds itself

_SOURCE = files("convsim.explorers")
_DOC = r"/\*\*(?:(?!\*/).)*\*/"
_COMMENT = re.compile(rf"^[ \t]*(?://[^\n]*|{_DOC})\n|{_DOC} ?", re.MULTILINE | re.DOTALL)


def pieces() -> dict[str, str]:
    """Return the pieces by file name: what the drawings share, then a drawing for each explorer.

    Raises:
        FileNotFoundError: for an explorer that no piece draws.
    """
    found = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in _SOURCE.joinpath("js").iterdir()
        if entry.name.endswith(".js")
    }
    drawings = [f"{kind}.js" for kind in EXPLORERS]
    if missing := [name for name in drawings if name not in found]:
        raise FileNotFoundError(
            f"no convsim/explorers/js/{missing[0]}, expected a file for each of "
            f"{', '.join(EXPLORERS)}: write it, or rename the explorer's Python file"
        )
    shared = found.keys() - set(drawings)
    return {name: found[name] for name in [*sorted(shared), *sorted(drawings)]}


def declarations() -> dict[str, Any]:
    """Return what JavaScript is told of each explorer: name, constants, traits and their bounds."""
    return {kind: _declared(explorer) for kind, explorer in sorted(EXPLORERS.items())}


def _declared(explorer: type[Explorer]) -> dict[str, Any]:
    traits = explorer.class_traits()
    return {
        "name": explorer.__name__,
        "constants": explorer.constants,
        "traits": {name: _bounds(traits[name]) for name in explorer.names},
    }


def _bounds(trait: Any) -> dict[str, Any]:
    if trait.metadata.get("fixed"):
        return {"fixed": True}
    if not isinstance(trait, Checked):
        raise TypeError(
            f"{trait.name} is a {type(trait).__name__}, expected a trait from "
            "convsim.explorers.traits or one tagged fixed=True: links could not be checked"
        )
    return trait.bounds


@cache
def javascript(*, comments: bool = False) -> str:
    """Return the whole script, with its types and the comments that fill a line if asked for."""
    head = f"const EXPLORERS = {json.dumps(declarations(), separators=(',', ':'))};\n"
    body = "".join(pieces().values())
    if not comments:
        body = _COMMENT.sub("", body)
    return (
        "/* convsim/explorers/js, joined by script.py */\n"
        f'(() => {{\n"use strict";\n{head}{body}start();\n}})();\n'
    )


def module() -> str:
    """Return the script as the module that anywidget loads."""
    return javascript() + "\nexport default { render: globalThis.convsimExplorers.render };\n"


def stylesheet() -> str:
    """Return the style, in pixels: the classic Notebook sets its rem to 10 px."""
    return re.sub(
        r"(?<![\w.])([\d.]+)rem\b",
        lambda length: f"{16 * float(length[1]):g}px",
        _SOURCE.joinpath("explorers.css").read_text(encoding="utf-8"),
    )
