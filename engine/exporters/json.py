"""JSON, strict: one object with the table's title, metadata, notes, columns, and the rows as records.

NaN and infinity are not JSON: they are null here. Where they must be told from what is missing, export CSV.
"""

from __future__ import annotations

import msgspec

from engine.tables import Table, flat

SUFFIX = ".json"


def render(table: Table) -> str:
    names, rows = flat(table)
    document = {
        "title": table.title,
        "metadata": table.meta,
        "notes": table.notes,
        "columns": [{"key": c.key, "title": c.title, "unit": c.unit, "kind": c.kind} for c in table.columns],
        "records": [dict(zip(names, row, strict=True)) for row in rows],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
