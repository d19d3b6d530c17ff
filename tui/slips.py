"""Why a filter that can be read lets nothing through: a slip of the pen, where it is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


class Slips:
    """What is mistaken about a filter, by all rows that it was to choose from, flat. They are taken one by one, so that
    of very many each can wait its turn.
    """

    def __init__(self, found: Filter) -> None:
        self._filter = found
        self._columns: set[str] = set()
        self._kinds: dict[str, set[bool]] = {column: set() for column in found.columns}
        """Of each column of the filter that there is, whether what it holds is a number."""

    def take(self, row: Mapping[str, Any]) -> None:
        self._columns.update(row)
        for column, kinds in self._kinds.items():
            value = row.get(column)
            if value is not None:
                kinds.add(isinstance(value, int | float) and not isinstance(value, bool))

    def said(self, noun: str = "run") -> list[str]:
        """Which of its columns and statuses there are none of, and where it compares a number with what is none. noun:
        what one of the rows is.
        """
        found = self._filter
        return [
            *(
                f"{value} is looked for as a word: all terms hold, {_INSTEAD[value.casefold()]}"
                for term in found.terms
                if not term.column
                for value in term.values
                if value.casefold() in _INSTEAD
            ),
            *(
                _absent(f"no {noun} has", column, self._columns)
                for column, kinds in self._kinds.items()
                if not kinds and column not in self._columns
            ),
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
                if "~" not in term.operator and self._kinds.get(term.column) == {True}
                for value in term.values
                if not fits_number(value)
            ),
        ]


def slips(found: Filter, rows: Iterable[Mapping[str, Any]], noun: str = "run") -> list[str]:
    """As `Slips` says it of these rows."""
    made = Slips(found)
    for row in rows:
        made.take(row)
    return made.said(noun)


def _absent(what: str, word: str, known: Iterable[str]) -> str:
    near = suggestion(word, known)
    return f"{what} {word}" + (f" ({near})" if near else "")
