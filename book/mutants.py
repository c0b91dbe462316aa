"""How many planted faults the tests see: what ``make mutants`` prints.

mutmut changes one thing in the code at a time, an operator, a number, a word, an argument, and runs
the tests that reach it. What it left in ``mutants/`` is counted here, file by file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path("mutants")
SURVIVED, UNTESTED = (0,), (5, 33)
"""What a mutant's tests return that saw nothing, or where there are none. All else stopped it."""
WANTED = 85.0
"""Per cent of mutants that the tests are to see."""


def counted(folder: Path = FOLDER) -> Iterator[tuple[str, int, int]]:
    """Each file that was changed, with the mutants that were run and those that the tests saw."""
    for path in sorted(folder.glob("**/*.meta")):
        codes: Mapping[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        run = [code for code in codes.values() if code is not None]
        if run:
            seen = sum(code not in SURVIVED + UNTESTED for code in run)
            yield str(path.relative_to(folder).with_suffix("")), len(run), seen


def main() -> None:
    rows = list(counted())
    if not rows:
        sys.exit(f"nothing was counted in {FOLDER}/; expected what mutmut leaves: `make mutants`")
    rows.append(("all", sum(run for _, run, _ in rows), sum(seen for _, _, seen in rows)))
    for name, run, seen in rows:
        print(f"{name:<48} {seen:>5} of {run:>5} {100 * seen / run:>6.1f} %")
    _, run, seen = rows[-1]
    if 100 * seen / run < WANTED:
        sys.exit(
            f"the tests see less than {WANTED:.0f} % of the faults: `mutmut browse` shows them"
        )


if __name__ == "__main__":
    main()
