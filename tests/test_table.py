"""A table as text and as HTML, parsed again."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from convsim.table import Table

TABLE = Table(
    columns=(("", "name"), ("group", "a"), ("group", "b")),
    rows=(("<first>", "1", "22"), ("second", "333", "")),
    caption='x & "y"',
    source="<i>",
)


def parsed(table: Table) -> ElementTree.Element:
    return ElementTree.fromstring(f"<body>{table._repr_html_()}</body>")


def style_of(table: Table) -> dict[str, str]:
    (box,) = parsed(table).findall("div")
    rules = (rule.split(": ") for rule in (box.get("style") or "").split("; "))
    return dict(rules)


def test_text_stands_in_columns() -> None:
    assert repr(TABLE).splitlines() == [
        'x & "y"',
        "name     group a  group b",
        "<first>  1        22",
        "second   333",
        "<i>",
    ]


def test_every_cell_is_in_the_html() -> None:
    body = parsed(TABLE)
    head, names = body.findall(".//thead/tr")
    assert [(th.text, th.get("colspan"), th.get("scope")) for th in head] == [
        (None, "1", "colgroup"),
        ("group", "2", "colgroup"),
    ]
    assert [(th.text, th.get("scope")) for th in names] == [
        (name, "col") for name in ("name", "a", "b")
    ]
    rows = [[td.text for td in tr] for tr in body.findall(".//tbody/tr")]
    assert rows == [["<first>", "1", "22"], ["second", "333", None]]
    assert body.findtext(".//caption") == 'x & "y"'
    words = [caption := 'x & "y"', "group", "name", "a", "b"]
    assert "".join(body.itertext()) == "".join([*words, "<first>122", "second333", "<i>"])
    assert "x &amp; &quot;y&quot;" in TABLE._repr_html_() and caption == TABLE.caption
    (source,) = body.findall("p")
    assert source.text == "<i>" and source.get("class") == "convsim-source"


def test_groups_have_a_row_only_where_there_are_any() -> None:
    plain = Table((("", "a"), ("", "b")), (("1", "2"),), "caption", "source")
    assert len(parsed(plain).findall(".//thead/tr")) == 1


def test_neighbouring_columns_of_one_group_share_a_heading() -> None:
    columns = (("g", "a"), ("h", "b"), ("g", "c"))
    table = Table(columns, (("1", "2", "3"),), "caption", "source")
    head, _ = parsed(table).findall(".//thead/tr")
    assert [(th.text, th.get("colspan")) for th in head] == [("g", "1"), ("h", "1"), ("g", "1")]


def test_a_wide_table_scrolls_and_has_a_name_that_the_keyboard_reaches() -> None:
    (box,) = parsed(TABLE).findall("div")
    assert box.get("tabindex") == "0" and box.get("role") == "region"
    assert box.get("aria-label") == 'x & "y"'
    assert style_of(TABLE) == {
        "overflow-x": "auto",
        "white-space": "nowrap",
        "font-size": "0.85em",
    }
    assert box.get("class") == "convsim-table"


def test_prose_wraps() -> None:
    prose = Table(TABLE.columns, TABLE.rows, "caption", "source", prose=True)
    (box,) = parsed(prose).findall("div")
    assert box.get("class") == "convsim-table prose"
    assert style_of(prose) == {"overflow-x": "auto", "text-align": "left", "font-size": "0.85em"}


def test_a_row_that_is_too_short_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        repr(Table(TABLE.columns, (("1", "2"),), "caption", "source"))
