"""Check the explorers' JavaScript: ``python -m book.javascript``.

tsc checks the types that stand in the comments of its pieces, eslint the script that they make.
What Python declares of the traits reaches tsc as ``.venv/javascript/explorers.d.ts``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from book.npm import node
from convsim.explorers.script import EXPLORERS, declarations, javascript, pieces

ROOT = Path(__file__).resolve().parent.parent
TYPES = ROOT / ".venv/javascript/explorers.d.ts"
PIECES = "convsim/explorers/js"


def types() -> str:
    """Return in TypeScript what JavaScript is told of the explorers, and what their states hold."""
    declared = declarations()
    lines = [f"declare const EXPLORERS: {json.dumps(declared, ensure_ascii=False)};"]
    lines.append("type Kind = keyof typeof EXPLORERS;\ninterface States {")
    for kind, explorer in EXPLORERS.items():
        state = explorer().get_state(list(explorer.names))
        fields = (
            f"{name}: {type_of(state[name], declared[kind]['traits'][name].get('choices'))}"
            for name in explorer.names
        )
        lines.append(f"  {kind}: {{ {', '.join(fields)} }};")
    return "\n".join([*lines, "}"]) + "\n"


def type_of(value: Any, choices: tuple[str, ...] | None) -> str:
    """Return the TypeScript type of a trait, from its default and the names it may have."""
    if choices:
        return " | ".join(json.dumps(name) for name in choices)
    if isinstance(value, list):
        return f"{type_of(value[0], None)}[]"
    if value is None:
        return "number | null"
    return {str: "string", bool: "boolean"}.get(type(value), "number")


def eslint() -> list[str]:
    """Return what eslint finds in the joined script, by the piece and line where it stands."""
    script = javascript(comments=True)
    starts = {script[: script.index(text)].count("\n"): name for name, text in pieces().items()}
    options = ["--config", ".github/eslint.config.mjs", "--format", "json", "--stdin"]
    done = node("eslint/bin/eslint.js", *options, text=script)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"eslint ended with status {done.returncode}: {done.stderr}")
    found = []
    for fault in json.loads(done.stdout)[0]["messages"]:
        start = max((line for line in starts if line < fault["line"]), default=0)
        place = f"{PIECES}/{starts.get(start, '')}:{fault['line'] - start}:{fault['column']}"
        found.append(f"{place}: {fault['message']} [{fault['ruleId']}]")
    return found


def main() -> None:
    """Print what is wrong and end with status 1, or end in silence."""
    TYPES.parent.mkdir(parents=True, exist_ok=True)
    TYPES.write_text(types(), encoding="utf-8")
    typed = node("typescript/bin/tsc", "--project", ".github/tsconfig.json", "--pretty", "false")
    faults = [typed.stdout + typed.stderr] if typed.returncode else []
    faults += eslint()
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
