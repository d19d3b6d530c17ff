"""CSV after RFC 4180 (CRLF, quotes doubled): a header and raw numbers at full precision, so that any reader takes it.

Nothing is an empty field; NaN and infinity are `nan`, `inf`; times are ISO 8601 in UTC; a list is `a,b`, as submitted.
A text that a spreadsheet would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from engine.cells import moment
from engine.tables import Table, flat

SUFFIX = ".csv"
FOR_PROGRAMS, TELLS_NAN = True, True
KEEPS_NOTES = False

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def render(table: Table) -> str:
    names, rows = flat(table)
    times = {column.key for column in table.columns if column.kind == "time"}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_field(name) for name in names])
    for row in rows:
        pairs = zip(names, row, strict=True)
        writer.writerow([_field(moment(v) if name in times and v is not None else v) for name, v in pairs])
    return out.getvalue()


def _field(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list():
            value = ",".join(map(_field, value))
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
