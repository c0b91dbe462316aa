"""A table as text and as HTML, parsed again."""

from __future__ import annotations

from xml.etree import ElementTree

from convsim.table import Table

TABLE = Table(
    columns=(("", "name"), ("group", "a"), ("group", "b")),
    rows=(("<first>", "1", "22"), ("second", "333", "")),
    caption='x & "y"',
    source="<i>",
)


def parsed(table: Table) -> ElementTree.Element:
    return ElementTree.fromstring(f"<body>{table._repr_html_()}</body>")


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
    assert "overflow-x: auto" in (box.get("style") or "")
    assert "white-space: nowrap" in (box.get("style") or "")
    assert box.get("class") == "convsim-table"


def test_prose_wraps() -> None:
    prose = Table(TABLE.columns, TABLE.rows, "caption", "source", prose=True)
    (box,) = parsed(prose).findall("div")
    assert box.get("class") == "convsim-table prose"
    assert "text-align: left" in (box.get("style") or "")
    assert "nowrap" not in (box.get("style") or "")
