"""JSON, strict: one object with the table's title, metadata, notes, columns, and the rows as records.

NaN and infinity are not JSON: they are null here. Where they must be told from what is missing, export CSV.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.tables import Table, flat

SUFFIX = ".json"
FOR_PROGRAMS, TELLS_NAN = True, False
KEEPS_NOTES = True


def render(table: Table) -> str:
    return msgspec.json.format(msgspec.json.encode(document(table)), indent=2).decode() + "\n"


def document(table: Table) -> dict[str, Any]:
    """What is written, as data; NaN is in it still."""
    names, rows = flat(table)
    return {
        "title": table.title,
        "metadata": table.meta,
        "notes": table.notes,
        "columns": [{"key": c.key, "title": c.title, "unit": c.unit, "kind": c.kind} for c in table.columns],
        "records": [dict(zip(names, row, strict=True)) for row in rows],
    }
