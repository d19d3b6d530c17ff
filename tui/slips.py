"""Why a filter that can be read lets nothing through: a slip of the pen, where it is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.filters import Filter, fits_number
from engine.records import Status
from engine.schema import suggestion

_INSTEAD = {
    **dict.fromkeys(("or", "|", "||"), "seed=1,2 is one of several"),
    **dict.fromkeys(("and", "&", "&&"), "without a word between them"),
    **dict.fromkeys(("not", "!"), "seed!=1 is all others"),
}
"""What is written where other languages have these words."""
Rows = Sequence[Mapping[str, Any]]


def slips(found: Filter, rows: Rows, noun: str = "run") -> list[str]:
    """Which of its columns and statuses there are none of, and where it compares a number with what is none.

    rows: all that it was to choose from, flat. noun: what one of them is.
    """
    columns = {key for each in rows for key in each}
    return [
        *(
            f"{value} is looked for as a word: all terms hold, {_INSTEAD[value.casefold()]}"
            for term in found.terms
            if not term.column
            for value in term.values
            if value.casefold() in _INSTEAD
        ),
        *(_absent(f"no {noun} has", column, columns) for column in found.columns if not _is_there(column, rows)),
        *(
            _absent("no status is called", value, Status)
            for term in found.terms
            if (term.column, term.operator) == ("status", "=")
            for value in term.values
            if value.casefold() not in set(Status)
        ),
        *(
            f"{term.column} is a number, not {value}"
            for term in found.terms
            if "~" not in term.operator and _is_number(term.column, rows)
            for value in term.values
            if not fits_number(value)
        ),
    ]


def _is_there(column: str, rows: Rows) -> bool:
    return any(column in each or each.get(column) is not None for each in rows)


def _is_number(column: str, rows: Rows) -> bool:
    held = [value for each in rows if column and (value := each.get(column)) is not None]
    return bool(held) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in held)


def _absent(what: str, word: str, known: Iterable[str]) -> str:
    near = suggestion(word, known)
    return f"{what} {word}" + (f" ({near})" if near else "")
