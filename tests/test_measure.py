"""The page on measuring a model, and what the front page and the README say of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from book import pictures, report_picture
from convsim import redundancy_report
from convsim.report.table import layer_table
from convsim.table import Table

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
FRONT = CHAPTERS / "introduction.md"
README = ROOT / "README.md"
PAGE = CHAPTERS / "measure.ipynb"


def text_of(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def section(path: Path, heading: str) -> str:
    found = re.search(rf"(?ms)^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text_of(path))
    assert found is not None, f"{path.name} has no section {heading!r}"
    return found[1]


def stored_rows() -> list[list[str]]:
    """The rows of the page's table, as the notebook stores it."""
    for cell in json.loads(PAGE.read_text())["cells"]:
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                lines = "".join(output["data"]["text/plain"]).splitlines()
                total = next(n for n, line in enumerate(lines) if line.startswith("total "))
                return [re.split(r" {2,}", line) for line in lines[1 : total + 1]]
    raise AssertionError("the page shows no report")


def test_the_page_has_a_part_between_the_book_and_the_evidence() -> None:
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    files = [[entry["file"] for entry in part["chapters"]] for part in parts]
    assert files[1] == ["chapters/a-network", "chapters/measure"]
    assert parts[2]["caption"] == "Evidence"


@pytest.mark.parametrize(
    ("path", "where"),
    [(FRONT, "Measure your model in 30 seconds"), (README, "Three lines"), (PAGE, "")],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_the_three_lines_give_a_report(
    path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = section(path, where) if where else text_of(path)
    block = re.search(r"(?s)```python\n(.*?)```", text)
    assert block is not None
    code = [line for line in block[1].splitlines() if line]
    assert len(code) == 3 and max(map(len, code)) <= 84
    model, images = nn.Sequential(nn.Conv2d(3, 4, 3)), torch.rand(2, 3, 8, 8)
    exec(block[1], {"model": model, "images": images})
    assert "1 convolutional layer, images of shape (2, 3, 8, 8)" in capsys.readouterr().out
    # What to install stands before it, what comes back and where to go on after it.
    everything = path.read_text()
    assert "pip install" in everything.split("redundancy_report")[0]
    if path != PAGE:
        after = text.split(block[0])[1]
        assert "images/report.svg" in after and "measure.ipynb" in after


def test_the_front_page_measures_before_it_lists_chapters() -> None:
    text = FRONT.read_text()
    headings = re.findall(r"(?m)^## (.*)$", text)
    assert headings[:2] == ["Measure your model in 30 seconds", "What you will be able to do"]
    assert text.index("```{explorer}") < text.index("## Measure your model")


def test_the_chapter_on_linear_time_leaves_it_to_the_page() -> None:
    text = text_of(CHAPTERS / "linear-time.ipynb")
    assert "redundancy_report(" not in text
    assert "measure.ipynb" in section(CHAPTERS / "linear-time.ipynb", "Try your own model")


def test_the_picture_is_a_part_of_the_report_on_the_page() -> None:
    drawn = report_picture.rows()
    texts = re.findall(r"<!-- (.*?) -->", (pictures.IMAGES / "report.svg").read_text())
    assert texts == [cell for row in drawn for cell in row if cell], "run `make chapters`"
    heading, *stored = stored_rows()
    names = [" ".join(filter(None, pair)) for pair in zip(*drawn[:2], strict=True)]
    places = [heading.index(name) for name in names]
    layers = stored[:-1]  # the last row is the total
    expected = [[row[place] for place in places] for row in (*layers[:5], layers[-1])]
    assert [*drawn[2:7], drawn[8]] == expected
    assert drawn[7] == ["⋮"] * len(names)
    front = section(FRONT, "Measure your model in 30 seconds")
    assert (len(layers), len(heading)) == (20, 12)
    assert (len(expected), len(names)) == (6, 6)
    assert "Six of twenty rows, six of twelve columns." in front


def every_column() -> Table:
    """A table with all columns that there are: a dead kernel has dead maps."""
    layer = nn.Conv2d(1, 3, 3)
    with torch.no_grad():
        layer.weight[0] = 0
        assert layer.bias is not None
        layer.bias[0] = 0
    return layer_table(redundancy_report(layer, torch.rand(2, 1, 5, 5)).layers, "")


def test_the_page_explains_every_column() -> None:
    explained = section(PAGE, "What the columns say")
    bold = re.findall(r"(?m)^- \*\*(.*?)\*\*", explained)
    columns = [" ".join(filter(None, column)) for column in every_column().columns]
    assert columns[:4] == ["layer", "S", "C", "size"]
    dead = [column for column in columns if column.endswith("dead")]
    assert len(dead) == 2
    assert bold == [column for column in columns[4:] if column not in dead] + ["dead"]


def test_what_the_page_says_of_one_by_one_kernels_is_in_its_table() -> None:
    heading, *rows = stored_rows()
    assert "*expected* is six to ten times as large" in text_of(PAGE)
    small = [dict(zip(heading, row, strict=True)) for row in rows if "1 × 1" in row]
    times = [float(r["feature maps expected"]) / float(r["kernels |cos|"]) for r in small]
    assert [round(t) for t in (min(times), max(times))] == [6, 10] and len(times) == 3
    assert {r["floor"] + r["normalised"] for r in small} == {"––"}


def printed(cell_id: str) -> list[str]:
    """The lines that the notebook stores below a cell, as text."""
    for cell in json.loads(PAGE.read_text())["cells"]:
        if cell["id"] == cell_id:
            found = [o.get("text") or o["data"]["text/plain"] for o in cell["outputs"]]
            return "".join("".join(text) for text in found).splitlines()
    raise AssertionError(f"the page has no cell {cell_id}")


def test_what_the_page_says_of_chance_is_in_its_table() -> None:
    rows = [re.split(r" {2,}", line) for line in printed("measure-12b") if "blocks" in line]
    ways = {(row[0], row[1]): row[-1] for row in rows}
    assert (len(rows), sum("as random" in way for way in ways.values())) == (24, 19)
    assert [key for key, way in ways.items() if key[0] == "blocks.0.0" and "less" in way] == [
        ("blocks.0.0", "feature maps expected")
    ]
    for layer in ("blocks.1.0", "blocks.2.0", "blocks.3.0"):
        assert ways[layer, "L_CS"].startswith("-") and ways[layer, "L_CS"].endswith("more alike")
    last = next(row for row in rows if row[:2] == ["blocks.3.0", "feature maps |cos|"])
    assert [round(float(cell), 2) for cell in last[2:4]] == [0.24, 0.29]
    moved = next(line for line in printed("measure-10") if line.startswith("blocks.3.0"))
    assert "0.43 → 0.24" in moved


def test_what_the_page_says_of_pairs_and_removals() -> None:
    first = printed("measure-12f")[2].split()
    assert first[:2] == ["53,", "56"] and abs(float(first[3])) <= 0.004
    assert round(float(first[5]), 2) == 0.7
    rows = [re.split(r" {2,}", line) for line in printed("measure-12i")[2:14]]
    change = {row[0]: float(row[3]) for row in rows}
    assert round(100 * change["median of these"]) == 12
    assert round(100 * change["median at random"]) == 14
    assert [row[4] for row in rows[-2:]] == ["5.6%"] * 2  # one of eighteen
    alone = [row[0] for row in rows[:10]]
    assert max(alone, key=lambda n: change[n]) == "48" == alone[3]
    assert min(alone, key=lambda n: change[n]) == alone[0]
