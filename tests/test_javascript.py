"""What tsc is told of the explorers' traits."""

from __future__ import annotations

import json
import re

from book.javascript import type_of, types
from convsim.explorers.script import declarations


def test_a_state_has_the_types_of_its_traits() -> None:
    text = types()
    assert "  nnk: { query: number[], candidates: number[][], k: number, sigma: number };" in text
    assert 'mode: "full" | "same" | "valid", position: number };' in text
    assert "seed: number, photograph: string };" in text  # as base64
    declared = re.match(r"declare const EXPLORERS: (.*);\n", text)
    assert declared is not None
    assert json.loads(declared[1]) == json.loads(json.dumps(declarations()))


def test_types_come_from_values_and_choices() -> None:
    assert type_of([[1.0]], None) == "number[][]"
    assert type_of("full", ("full", "same")) == '"full" | "same"'
