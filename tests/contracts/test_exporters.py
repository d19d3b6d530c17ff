"""What every exporter holds to, whatever the table."""

from __future__ import annotations

import math

import pytest

from engine.cells import Measure, Rate
from engine.errors import UnknownName
from engine.exporters import FORMATS, export, exporter
from engine.tables import Column, Table

COLUMNS = (
    Column(key="name", header="a name", unit="m/s"),
    Column(key="n", kind="integer"),
    Column(key="value", kind="number"),
    Column(key="at", kind="time"),
    Column(key="error", kind="measure", best=True),
    Column(key="good", kind="rate"),
)

TABLES = {
    "no rows": Table(title="", columns=COLUMNS, rows=()),
    "nothing in it": Table(title="empty", columns=COLUMNS, rows=((None,) * 6,)),
    "one column of nothing": Table(title="empty", columns=COLUMNS[:1], rows=((None,), ("",))),
    "extremes": Table(
        title="%$&#_{}~^\\|`*<>\n\x1b[2J β 実験 \u202e",
        columns=COLUMNS,
        rows=tuple(
            (text, 10**20, value, 0.5, Measure(mean=value, std=value, n=1, of=2), Rate(succeeded=0, of=0))
            for text in ("=1+1", "a,b\r\nc", '"quoted"', "\x00\x07", "x" * 5000, [1, "a", None], True)
            for value in (0.0, -1e-300, 1.7e308, math.nan, -math.inf)
        ),
        notes=("note %_|\n2",),
        meta={"filter": "name~'%_|'\nbeta>=2"},
    ),
}


@pytest.fixture(params=FORMATS)
def format(request):
    return request.param


@pytest.fixture(params=TABLES)
def table(request):
    return TABLES[request.param]


def test_it_renders_every_table_the_same_way_each_time(format, table):
    first = export(table, format)
    assert first
    assert export(table, format) == first


def test_it_leaves_its_file_encodable_and_ended_by_a_newline(format, table):
    text = export(table, format)
    if isinstance(text, str):
        assert text.encode("utf-8").endswith(b"\n")


def test_it_names_the_suffix_of_its_files(format):
    assert exporter(format).SUFFIX.startswith(".")


def test_every_row_comes_out(format):
    table = Table(title="", columns=COLUMNS[:1], rows=tuple((f"row{i}",) for i in range(100)))
    text = export(table, format)
    if isinstance(text, str):
        assert all(text.count(f"row{i}") >= 1 for i in range(100))


def test_notes_are_kept_where_the_format_has_room_for_them(format):
    text = export(Table(title="", columns=COLUMNS[:1], rows=(("x",),), notes=("rel_l2 at most 0.1",)), format)
    if format != "csv" and isinstance(text, str):
        assert "at most 0.1" in text


def test_an_unknown_format_is_refused_with_those_that_exist():
    with pytest.raises(UnknownName, match="required one of csv, json, markdown, latex, got xlsx"):
        export(TABLES["no rows"], "xlsx")
