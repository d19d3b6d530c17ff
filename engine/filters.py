"""The language of `--filter` and of the app's filter box, and the flat row of a run that it looks at.

    system=convection beta>=20 status=running,queued tags=paper rel_l2<0.1 name~curr seed!=0 strategy.step=5 curric

Terms are separated by spaces and must all hold. A term is a column, an operator and a value without spaces between, or
a word, which is looked for in id, label, name and tags.

    =  is one of          !=  is none of         a comma separates values, quotes keep spaces and commas
    ~  contains one of    !~  contains none of
    <  <=  >  >=          numbers; ISO dates for created, started and ended; else alphabetical

Case does not matter. `none` is a value that is absent, `nan` one that is not a number. Lists (tags) match by any item,
ranges as `1:5`. `tag` is short for `tags`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from engine import values
from engine.errors import FilterError
from engine.records import ACTIVE, Run

_NAME = re.compile(r"[^\W\d][\w.\-]*")
_OPERATOR = re.compile(r"!=|<=|>=|!~|=|<|>|~")
_SAFE = re.compile(r"[\w.\-:+/@%]+")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TIMES = frozenset({"created", "started", "ended"})
_NUMBERS = frozenset({"seed", "attempt", "seconds"})
_DATE = re.compile(r"\d{4}(-[\dt:.\-]*)?")
_NONE = "none"
_A_DATE = "required a date as 2025-01-31 or 2025-01-31T10:00"
_ALIASES = {"tag": "tags"}
_SEARCHED = ("id", "label", "name", "tags")


class Row(dict[str, Any]):
    """A run as one flat mapping of columns: its own, its parameters, its summary, in this order of precedence.

    `get("param.x")` and `get("summary.x")` name a parameter or a figure whatever else is called `x`; where another
    column has taken the short name, the long one is also among the keys.
    """

    def __init__(self, run: Run, own: Mapping[str, Any]) -> None:
        super().__init__(own)
        self._run = run
        for prefix, figures in (("param.", run.spec.params), ("summary.", run.summary)):
            for key, value in figures.items():
                if self.setdefault(key, value) is not value:
                    self[prefix + key] = value

    def __missing__(self, key: str) -> Any:
        prefix, _, rest = key.partition(".")
        figures = {"param": self._run.spec.params, "summary": self._run.summary}.get(prefix, {})
        if rest in figures:
            return figures[rest]
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default


def row(run: Run, now: float | None = None) -> dict[str, Any]:
    """The flat row of a run, a `Row`. `now` (Unix seconds): count the time of an attempt that is going on."""
    seconds = run.seconds
    if now is not None and run.status in ACTIVE and run.claim is not None:
        seconds += max(0.0, now - run.claim.at)
    return Row(
        run,
        {
            "id": run.id,
            "name": run.spec.name,
            "task": run.spec.task,
            "label": run.label,
            "status": run.status,
            "reason": run.reason,
            "seed": run.spec.seed,
            "device": run.device,
            "created": run.created,
            "started": run.started,
            "ended": run.ended,
            "seconds": seconds,
            "attempt": run.attempt,
            "tags": list(run.spec.tags),
            "note": run.note,
            "archived": run.archived,
            "retry_of": run.retry_of,
            "pack": run.pack,
        },
    )


class Term(msgspec.Struct, frozen=True):
    """One condition; without a column, a word to look for."""

    column: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return self.column + self.operator + ",".join(map(_quoted, self.values))


def in_view(runs: list[Run], expression: str = "", *, all: bool = False) -> list[Run]:
    """Those of a list that was asked for: what is archived only with `all`, or where the filter says `archived`."""
    return runs if all or "archived" in parse(expression).columns else [run for run in runs if not run.archived]


class Filter:
    """Conditions that must all hold. `str` gives an expression that parses to the same filter.

    misfits: what a lenient reading left out because a column cannot hold it, each as a message.
    """

    def __init__(self, terms: tuple[Term, ...] = (), misfits: tuple[str, ...] = ()) -> None:
        self.terms, self.misfits = terms, misfits
        self._conditions = [_condition(term) for term in terms]

    def matches(self, row: Mapping[str, Any]) -> bool:
        return all(condition(row) for condition in self._conditions)

    @property
    def columns(self) -> list[str]:
        """The columns that the terms name."""
        return list(dict.fromkeys(term.column for term in self.terms if term.column))

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.terms)

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"


def parse(text: str, *, lenient: bool = False) -> Filter:
    """The filter that `text` says. Raises FilterError, naming the position.

    lenient: text that is still being typed; a term that is not finished (`beta>=`, an open quote) is left out, and one
    whose value its column cannot hold (`seed=x`) is among the `misfits` instead. Nothing is raised.
    """
    terms, misfits, at = [], [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            term, at = _term(text, at)
            terms.append(term)
        except _Unfinished as stop:
            if not lenient:
                raise FilterError(f"filter, character {stop.at + 1}: {stop} in {text!r}") from None
            if isinstance(stop, _Misfit):
                misfits.append(f"{text[at : stop.resume]}: {stop}")
            at = stop.resume
    return Filter(tuple(terms), tuple(misfits))


class _Unfinished(Exception):
    """Reading stopped `at` a character; a lenient reader goes on from `resume`."""

    def __init__(self, message: str, at: int, resume: int) -> None:
        self.at, self.resume = at, resume
        super().__init__(message)


class _Misfit(_Unfinished):
    """What is finished and cannot be meant."""


def _term(text: str, start: int) -> tuple[Term, int]:
    if found := _OPERATOR.match(text, start):
        message = f"required a column before {found[0]}, got none (no spaces around operators; quotes for a plain word)"
        raise _Unfinished(message, start, _end_of_word(text, start))
    name = _NAME.match(text, start)
    sign = _OPERATOR.match(text, name.end()) if name else None
    if not (name and sign):
        words, end = _values(text, start)
        return Term("", "", words), end
    found_values, end = _values(text, sign.end())
    column = _ALIASES.get(name[0], name[0])
    if sign[0] in _ORDER:
        _require_order(column, sign[0], found_values, sign.end(), end)
    elif "~" not in sign[0]:
        _require_fitting(column, found_values, sign.end(), end)
    return Term(column, sign[0], found_values), end


def _require_order(column: str, sign: str, given: tuple[str, ...], at: int, end: int) -> None:
    if len(given) > 1:
        raise _Misfit(f"required one value after {sign}, got {len(given)}", at, end)
    if column in _TIMES and _moment(given[0]) is None and _number(given[0]) is None:
        raise _Misfit(f"{_A_DATE}, got {given[0]}", at, end)
    if column in _NUMBERS and _number(given[0]) is None:
        raise _Misfit(f"required a number, got {given[0]}", at, end)


def _require_fitting(column: str, given: tuple[str, ...], at: int, end: int) -> None:
    """Of a run's own columns it is known what they hold; what its task calls its own may be anything."""
    for value in given:
        word = value.casefold()
        if column in _NUMBERS and not fits_number(value):
            raise _Misfit(f"required a number, got {value}", at, end)
        if column in _TIMES and not _DATE.match(word) and word != _NONE:
            raise _Misfit(f"{_A_DATE}, got {value}", at, end)
        if column == "archived" and word not in ("true", "false"):
            raise _Misfit(f"required true or false, got {value}", at, end)


def _values(text: str, at: int) -> tuple[tuple[str, ...], int]:
    found = []
    while True:
        value, at = _value(text, at)
        found.append(value)
        if at >= len(text) or text[at] != ",":
            return tuple(found), at
        at += 1


def _value(text: str, at: int) -> tuple[str, int]:
    if at < len(text) and text[at] in "\"'":
        return _quoted_value(text, at)
    end = at
    while end < len(text) and not text[end].isspace() and text[end] != ",":
        end += 1
    if end == at:
        raise _Unfinished("required a value, got none", at, _end_of_word(text, at))
    return text[at:end], end


def _quoted_value(text: str, start: int) -> tuple[str, int]:
    quote, at, letters = text[start], start + 1, []
    while at < len(text) and text[at] != quote:
        at += text[at] == "\\" and at + 1 < len(text)
        letters.append(text[at])
        at += 1
    if at >= len(text):
        raise _Unfinished(f"required a closing {quote}, got the end", start, len(text))
    if at + 1 < len(text) and not text[at + 1].isspace() and text[at + 1] != ",":
        raise _Unfinished(f"required a space or a comma after {quote}, got {text[at + 1]}", at + 1, len(text))
    return "".join(letters), at + 1


def _end_of_word(text: str, at: int) -> int:
    while at < len(text) and not text[at].isspace():
        at += 1
    return at


def _quoted(value: str) -> str:
    if _SAFE.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


Condition = Callable[[Mapping[str, Any]], bool]


def _condition(term: Term) -> Condition:
    column, needles = term.column, [value.casefold() for value in term.values]
    if not column:
        return lambda row: any(_contains(row.get(key), needle) for key in _SEARCHED for needle in needles)
    if term.operator in _ORDER:
        return _ordered(column, _ORDER[term.operator], term.values[0])
    test: Callable[[Any, str], bool] = _contains if "~" in term.operator else _equals
    if column in _TIMES:
        test = _dated
    wanted = not term.operator.startswith("!")
    return lambda row: any(test(row.get(column), needle) for needle in needles) is wanted


def _ordered(column: str, compare: Callable[[Any, Any], bool], value: str) -> Condition:
    limit = _moment(value) if column in _TIMES else None
    number = limit if limit is not None else _number(value)
    word = value.casefold()

    def holds(row: Mapping[str, Any]) -> bool:
        got = row.get(column)
        if isinstance(got, int | float):
            return number is not None and compare(got, number)
        return isinstance(got, str) and compare(got.casefold(), word)

    return holds


def _equals(got: Any, needle: str) -> bool:
    if isinstance(got, float | int) and not isinstance(got, bool):
        number = _number(needle)
        if number is None:
            return False
        return (got != got and number != number) or math.isclose(got, number, rel_tol=1e-9)
    if isinstance(got, list | tuple):
        return any(_equals(item, needle) for item in got) or ":".join(map(values.text, got)) == needle
    return values.text(got).casefold() == needle


def _contains(got: Any, needle: str) -> bool:
    if got is None:
        return False
    if isinstance(got, list | tuple):
        return any(_contains(item, needle) for item in got)
    return needle in values.text(got).casefold()


def _dated(got: Any, needle: str) -> bool:
    """A time matches the beginning of its local ISO date: `created=2025-01-31`."""
    if got is None:
        return needle == _NONE
    return datetime.fromtimestamp(got).isoformat(timespec="seconds").casefold().startswith(needle)


def fits_number(text: str) -> bool:
    """Whether a column of numbers may equal this."""
    return _number(text) is not None or text.casefold() == _NONE


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moment(text: str) -> float | None:
    """Unix seconds of an ISO date, in local time unless it names a zone."""
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        return None
