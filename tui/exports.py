"""Tables in files: which columns matter, what a table says of where it comes from, writing without surprises."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from engine.errors import RequestError, StoreCorrupt
from engine.exporters import exporter
from engine.tables import JUDGED, Row, differing, is_setting

FIRST = ("id", "name", "task", "status", "reason", "seed")
FIGURES = ("loss", JUDGED, "abs_err", "linf", "closures", "stop_reason", "seconds")
"""What a reader looks for first; of them, those that the runs have are in a table for people."""
_BLOCK = 1 << 22
"""Bytes copied at a time."""


def columns_for(format: str, rows: Sequence[Row]) -> list[str]:
    """The columns of a table of runs in a format, unless others are asked for."""
    return all_columns(rows) if exporter(format).FOR_PROGRAMS else telling(rows)


def all_columns(rows: Sequence[Row]) -> list[str]:
    """Every column of the runs, settings in their order before figures in theirs."""
    return list(dict.fromkeys((*FIRST, *(key for row in rows for key in row))))


def telling(rows: Sequence[Row]) -> list[str]:
    """What a table on paper can hold: which run, the settings that differ, the result."""
    figures = [key for key in FIGURES if any(key in row for row in rows)]
    return list(dict.fromkeys(("id", "status", "seed", *differing_settings(rows), *figures)))


def differing_settings(rows: Sequence[Row]) -> list[str]:
    return [key for key in differing(rows) if is_setting(key, rows)]


def averaged(rows: Sequence[Row]) -> list[str]:
    """The figures of which groups have means unless others are asked for."""
    return [key for key in (JUDGED, "seconds") if any(key in row for row in rows)] or ["seconds"]


def origin(filter: str, count: int) -> dict[str, str]:
    """What a table says of where it comes from: its metadata."""
    return {"made by": made_by(), "runs": f"{count} ({filter or 'all'})"}


def made_by() -> str:
    """The program with its version, and when."""
    from importlib.metadata import version

    from engine.cells import moment

    return f"sciml-tui {version('sciml-tui')}, {moment(time.time())}"


def write(path: Path, text: str | bytes, *, force: bool) -> None:
    """The whole file or none. Raises RequestError if it exists, unless forced; StoreError."""
    from engine import atomic

    _require_free(path, force)
    atomic.write(path, text.encode() if isinstance(text, str) else text)


def copy(source: Path, path: Path, sha256: str, *, force: bool) -> None:
    """A copy of a file of this hash, whole or none. Raises as `write`; StoreCorrupt where the file has another hash."""
    import hashlib

    from engine import atomic

    _require_free(path, force)
    digest = hashlib.sha256()
    with source.open("rb") as read, atomic.replacing(path) as written:
        while block := read.read(_BLOCK):
            digest.update(block)
            written.write(block)
        if digest.hexdigest() != sha256:
            raise StoreCorrupt(f"{source}: required the hash {sha256[:12]}.., got {digest.hexdigest()[:12]}..: damaged")


def _require_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise RequestError(f"output: required a file that does not exist, got {path}; --force overwrites it")
    if not path.parent.is_dir():
        raise RequestError(f"output: required a folder that exists, got {path.parent}")
