"""What the chapter on a network says of its numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean

from convsim.explorers.network import CHANGES, NETWORKS, NetworkExplorer, stored
from convsim.pictures import PICTURES

CHAPTER = Path(__file__).resolve().parent.parent / "chapters/a-network.ipynb"


def printed(start: str) -> list[list[float]]:
    """Rows of numbers in the output of the cell whose source has some words."""
    cells = json.loads(CHAPTER.read_text())["cells"]
    (cell,) = (c for c in cells if c["cell_type"] == "code" and start in "".join(c["source"]))
    text = "".join("".join(output.get("text", "")) for output in cell["outputs"])
    return [
        [float(n) for n in re.findall(r"[-+]?\d+\.\d+", line)]
        for line in text.splitlines()
        if re.search(r"\d\.\d", line)
    ]


def test_neither_matrix_knows_which_maps_are_alike() -> None:
    found = printed("spearmanr")
    assert len(found) == 4 and max(abs(n) for row in found for n in row) < 0.15


def test_algorithm_1_moves_the_loss_and_not_the_maps() -> None:
    rows = printed("before training")
    default, algorithm, scale, free = (rows[n : n + 2] for n in (0, 2, 4, 6))
    assert [round(a[0] / b[0], -2) for a, b in zip(default, algorithm, strict=True)][0] == 500
    assert 40_000 < default[1][0] / algorithm[1][0] < 50_000
    for start in (algorithm, scale):
        for a, b in zip(start, default, strict=True):
            assert max(abs(x - y) for x, y in zip(a[1:], b[1:], strict=True)) <= 0.04
    for a, b in zip(free, default, strict=True):
        assert 0.9 < a[0] / b[0] < 1.1 and a[3] < 0.7 * b[3]


def test_the_changes_of_layer_1_come_in_the_order_of_the_solution() -> None:
    moved = {
        change: [
            NetworkExplorer(image=name, change=change).readouts()["moved"] for name in PICTURES
        ]
        for change in CHANGES
    }
    assert max(moved["scale"]) < 1e-9
    assert fmean(moved["remove"]) < fmean(moved["orthogonal-kernels"])
    pairs = zip(moved["orthogonal-maps"], moved["orthogonal-kernels"], strict=True)
    assert sum(maps > kernels for maps, kernels in pairs) == 9
    found = NetworkExplorer(change="orthogonal-kernels").readouts()["kernel_cosine"]
    assert f"{found:.2f}" == "0.12"
    assert f"{NetworkExplorer().readouts()['kernel_cosine']:.2f}" == "0.15"


def test_a_network_is_at_most_150_kb_and_loses_little() -> None:
    for network in NETWORKS:
        packed = stored(network, "after")
        assert len(json.dumps(packed)) <= 150 * 1024
        kept, eight = packed["accuracy"]
        assert abs(kept - eight) < 0.3


def test_the_ship_loses_little_with_one_map() -> None:
    found = NetworkExplorer(image="ship", layer=2, change="remove").readouts()
    assert f"{100 * found['moved']:.1f}" == "0.5"  # the question asks for it
