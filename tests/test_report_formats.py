"""Reports as other programs take them, read by these programs or by their rules."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas
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


def test_html_has_the_readings_beside_random_kernels_as_well(report: RedundancyReport) -> None:
    rows = Cells(report.to_html().split("</table>")[1]).rows
    table = report.against_random()
    assert rows[1] == [name for _, name in table.columns]
    assert [tuple(row) for row in rows[2:]] == list(table.rows)


def test_a_data_frame_has_the_columns_and_numbers_of_csv(report: RedundancyReport) -> None:
    frame = report.to_dataframe()
    again = pandas.read_csv(io.StringIO(report.to_csv()))
    assert list(frame.columns) == list(again.columns) and len(frame) == 3
    assert frame["random_correlation"].astype(float).equals(again["random_correlation"])
    assert frame.set_index("name").loc["deep", "kernels"] == 6


def test_the_plot_has_each_reading_and_that_of_random_kernels(report: RedundancyReport) -> None:
    figure = report.plot()
    drawn = {line.name: list(line.y) for line in figure.data}
    assert len(drawn) == 2 * 5
    for attribute, name in (("kernel_cosine", "kernels |cos|"), ("correlation", "centred")):
        of, random = (
            next(y for x, y in drawn.items() if name in x and ("random" in x) == chance)
            for chance in (False, True)
        )
        for layer, here, there in zip(report.layers, of, random, strict=True):
            expected = getattr(layer, attribute), getattr(layer.random, attribute)
            assert [here, there] == pytest.approx([*expected], abs=1e-4, nan_ok=True)
    assert "3 layers, from a_b<c>&d to last" in figure.layout.meta["alt"]


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_a_plot_is_saved_in_the_format_of_its_suffix(
    report: RedundancyReport, tmp_path: Path, suffix: str, begins: bytes
) -> None:
    report.save_plot(tmp_path / f"report{suffix}")
    assert (tmp_path / f"report{suffix}").read_bytes().startswith(begins)


def test_a_plot_of_no_format_is_refused(report: RedundancyReport, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in '\.txt'; expected a picture's suffix, such as"):
        report.save_plot(tmp_path / "report.txt")
    assert list(tmp_path.iterdir()) == []


def test_the_command_draws_and_prints_beside_random_kernels(tmp_path: Path) -> None:
    path = tmp_path / "report.svg"
    done = CliRunner().invoke(app, ["report", "resnet18", "--against-random", "--plot", str(path)])
    assert done.exit_code == 0, done.output
    assert "resnet18, random weights, seed 0, beside random kernels" in done.stdout
    assert done.stdout.count("as random") >= 17 * 3 + 3
    assert "layer4.1.conv2" in path.read_text()


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
