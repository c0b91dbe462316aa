"""Reports as other programs take them, read by these programs or by their rules."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from convsim import redundancy_report
from convsim.__main__ import app
from convsim.report.readings import RedundancyReport


@pytest.fixture
def report() -> RedundancyReport:
    """Three layers, one of them grouped, one of one kernel; a name that HTML and LaTeX mind."""
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("a_b<c>&d", nn.Conv2d(2, 4, 3))
    model.add_module("deep", nn.Conv2d(4, 6, (3, 2), groups=2))
    model.add_module("last", nn.Conv2d(6, 1, 1))
    return redundancy_report(model, torch.rand(2, 2, 9, 9))


def test_csv_holds_every_number_in_full(report: RedundancyReport) -> None:
    lines = list(csv.DictReader(io.StringIO(report.to_csv())))
    layers = report.to_dict()["layers"]
    assert [line["name"] for line in lines] == ["a_b<c>&d", "deep", "last"]
    for line, layer in zip(lines, layers, strict=True):
        assert line["kernel_size"] == "x".join(map(str, layer["kernel_size"]))
        flat = {key: value for key, value in layer.items() if not isinstance(value, dict)}
        for group in ("random", "floors", "scatter"):
            flat |= {f"{group}_{key}": value for key, value in layer[group].items()}
        assert [*line] == [*flat]
        for key in flat.keys() - {"name", "kernel_size"}:
            assert (float(line[key]) if line[key] else None) == flat[key]


def test_latex_is_one_table_whose_rows_are_equally_long(report: RedundancyReport) -> None:
    text = report.to_latex()
    assert [text.count(rf"\{each}rule") for each in ("top", "mid", "bottom")] == [1, 1, 1]
    assert re.findall(r"\\(?:begin|end)\{(\w+)\}", text) == ["table", "tabular", "tabular", "table"]
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns
    rows = re.findall(r"(?m)^(.*) \\\\$", text)
    assert len(rows) == 2 + 3 + 1
    for row in rows:
        spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row))
        assert len(re.findall(r"(?<!\\)&", row)) + spans == len(columns[1]) - 1
    assert r"a\_b<c>\&d" in text
    plain = re.sub(r"\$\\[a-zA-Z]+\$", "", text)
    assert not re.search(r"(?<!\\)[_$#%^~|‖×–]", plain), "a sign that LaTeX reads otherwise"
    assert text.isascii()


class Cells(HTMLParser):
    """The rows of a page's table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href"} & {name for name, _ in attrs}, "the page needs another"
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_html_has_the_cells_of_the_table_and_needs_no_other_file(report: RedundancyReport) -> None:
    rows = Cells(report.to_html().split("</table>")[0]).rows
    assert rows[1][:3] == ["layer", "S", "C"]
    assert [row[0] for row in rows[2:]] == ["a_b<c>&d", "deep", "last", "total"]
    assert rows[3][1:4] == ["6", "2, 2 groups", "3 × 2"]


def test_the_command_prints_each_form_and_one_at_a_time() -> None:
    run = CliRunner().invoke
    outputs = {form: run(app, ["report", "resnet18", form]).stdout for form in FORMS}
    assert all(re.search(FORMS[form], text) for form, text in outputs.items())
    refused = run(app, ["report", "resnet18", "--csv", "--html"])
    assert refused.exit_code == 2
    assert "--csv and --html were asked for; expected one of them" in refused.output


FORMS = {
    "--json": r"^\{",
    "--csv": "^name,kernels,",
    "--latex": r"^\\begin",
    "--html": "^<!doctype",
}
