"""A thousand bits that flip, one at a time: none changes a number unseen, none ends in a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bit_flips import KINDS, flip


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_said_or_harmless(kind: str, tmp_path: Path) -> None:
    path, read = KINDS[kind](tmp_path)
    assert flip(path, read, flips=1000) > 900
