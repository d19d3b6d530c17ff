"""What every exporter holds to, whatever the table."""

from __future__ import annotations

import math
import re

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


def test_notes_are_kept_by_a_format_that_says_so(format):
    text = plain(Table(title="", columns=COLUMNS[:1], rows=(("x",),), notes=("rel_l2 at most 0.1",)), format)
    assert ("at most 0.1" in text) == exporter(format).KEEPS_NOTES


def plain(table: Table, format: str) -> str:
    """As text, without what pads it or marks the best."""
    text = export(table, format)
    return text if isinstance(text, str) else text.decode("latin-1")


def test_every_column_comes_out_with_its_name(format):
    columns = [Column(key=f"key{i}", kind=kind) for i, kind in enumerate(("text", "integer", "number", "exact"))]
    row = ("words", 271, 828.0, 182.0)
    text = plain(Table(title="", columns=tuple(columns), rows=(row,)), format)
    assert all(f"key{i}" in text for i in range(4))
    assert all(cell in text for cell in ("words", "271", "828", "182"))


def test_a_measure_has_its_spread_and_number_and_a_rate_what_it_is_of(format):
    columns = (Column(key="error", kind="measure"), Column(key="good", kind="rate"))
    cells = (Measure(mean=3.25, std=1.25, n=17, of=19), Rate(succeeded=11, of=13))
    text = plain(Table(title="", columns=columns, rows=(cells,)), format)
    assert all(figure in text for figure in ("3.25", "1.25", "17", "11", "13"))


def test_nan_infinity_and_nothing_are_told_apart_by_a_format_that_says_so(format):
    values = (math.nan, math.inf, -math.inf, None, 0.0)
    texts = {export(Table(title="", columns=COLUMNS[2:3], rows=((value,),)), format) for value in values}
    assert len(texts) == (len(values) if exporter(format).TELLS_NAN else 2)


def test_numbers_for_programs_are_at_full_precision(format):
    if not exporter(format).FOR_PROGRAMS:
        pytest.skip("people read it: three significant digits")
    column = Column(key="value", kind="number")
    values = {0.1 + 0.2, 2.0**70, -5e-324}
    text = plain(Table(title="", columns=(column,), rows=tuple((value,) for value in values)), format)
    assert values <= {float(found) for found in re.findall(r"-?\d[-+.e\d]*", text)}


def test_no_two_formats_have_one_suffix():
    assert len({exporter(name).SUFFIX for name in FORMATS}) == len(FORMATS)


def test_an_unknown_format_is_refused_with_those_that_exist():
    with pytest.raises(UnknownName, match=f"required one of {', '.join(FORMATS)}, got xlsx"):
        export(TABLES["no rows"], "xlsx")
