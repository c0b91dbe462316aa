"""The count of planted faults, and the settings that it rests on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from book import mutants

HERE = Path(__file__).resolve().parent.parent


def leave(folder: Path, name: str, codes: list[int | None]) -> None:
    """What mutmut leaves of a file."""
    path = folder / f"{name}.meta"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"exit_code_by_key": dict(enumerate(codes))}))


def test_what_survived_or_has_no_test_was_not_seen(tmp_path: Path) -> None:
    leave(tmp_path, "convsim/b.py", [1, 1, 0, 33, None, 36])
    leave(tmp_path, "convsim/a.py", [1])
    leave(tmp_path, "convsim/later.py", [None, None])
    leave(tmp_path, "convsim/empty.py", [])
    assert list(mutants.counted(tmp_path)) == [("convsim/a.py", 1, 1), ("convsim/b.py", 5, 3)]


@pytest.mark.parametrize(("survivors", "enough"), [(3, True), (4, False)])
def test_less_than_85_per_cent_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    survivors: int,
    enough: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"nothing was counted in mutants/.*`make mutants`"):
        mutants.main()
    leave(tmp_path / "mutants", "convsim/a.py", [0] * survivors + [1] * (20 - survivors))
    if enough:
        mutants.main()
    else:
        with pytest.raises(SystemExit, match="the tests see less than 85 % of the faults"):
            mutants.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        [name, str(20 - survivors), "of", "20", f"{5 * (20 - survivors)}.0", "%"]
        for name in ("convsim/a.py", "all")
    ]


def test_the_files_that_the_settings_name_exist() -> None:
    """Read without tomllib, which Python 3.10 lacks."""
    settings = (HERE / "pyproject.toml").read_text().partition("[tool.mutmut]")[2]
    named = re.findall(r'"((?:tests|convsim)/\S+\.py)"', settings.partition("\n[")[0])
    assert len(named) > 20
    for pattern in named:
        assert list(HERE.glob(pattern)), pattern
