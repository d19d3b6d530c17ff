"""What was chosen in the export dialog -> its fields, what is wrong, the table, where it goes. Pure, but blocking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from engine import schema, values
from engine.errors import Problem
from engine.exporters import DEFAULT, FORMATS, exporter
from engine.tables import Row, Table, differing, grouped, runs_table
from tui import exports
from tui.fields import Field, Option

WHAT, ROWS, COLUMNS, BY, FIGURES, FORMAT, FILE = "what", "rows", "columns", "group by", "figures", "format", "file"

RUNS, GROUPS = "one each", "groups"

_GROUPABLE = ("task", "label", "name", "seed", "device")
"""What runs can be grouped by besides their settings, where it differs."""


class Rows:
    """Flat rows, of runs or of anything else. about: the filter that they passed. noun: what each of them is."""

    def __init__(self, rows: Sequence[Row], about: str = "", noun: str = "runs") -> None:
        self.rows, self.about, self.noun = rows, about, noun

    @cached_property
    def columns(self) -> list[str]:
        known = exports.all_columns(self.rows) if self.are_runs else [key for row in self.rows for key in row]
        return list(dict.fromkeys(known))

    def columns_for(self, format: str) -> list[str]:
        """Those that a table has unless others are chosen."""
        return self._telling if self.are_runs and not exporter(format).FOR_PROGRAMS else self.columns

    @cached_property
    def _telling(self) -> list[str]:
        return exports.telling(self.rows)

    @cached_property
    def groupable(self) -> list[str]:
        """The settings that differ, and what else tells runs apart."""
        others = [key for key in differing(self.rows, _GROUPABLE) if key not in self._settings]
        return [*self._settings, *others] or ["task"]

    @cached_property
    def grouping(self) -> list[str]:
        return self._settings or ["task"]

    @cached_property
    def figures(self) -> list[str]:
        """Columns with measured numbers."""
        known = set(self._settings) | set(_GROUPABLE) | {"created", "started", "ended", "attempt"}
        numeric = (key for row in self.rows for key, value in row.items() if _is_number(value) and key not in known)
        return list(dict.fromkeys(numeric)) or ["seconds"]

    @property
    def averaged(self) -> list[str]:
        return exports.averaged(self.rows)

    @property
    def are_runs(self) -> bool:
        return bool(self.rows) and all("status" in row for row in self.rows)

    @cached_property
    def _settings(self) -> list[str]:
        return exports.differing_settings(self.rows)


Source = Rows | Callable[[], Table]


class ExportForm:
    """Sources by name, and what was chosen so far. Immutable: `typing` gives the next one.

    folder: where a file goes that is named without one.
    """

    def __init__(
        self, sources: Mapping[str, Source], typed: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> None:
        self.sources, self.typed, self.folder = dict(sources), dict(typed or {}), folder or Path.cwd()

    def typing(self, key: str, text: str) -> ExportForm:
        return ExportForm(self.sources, {**self.typed, key: text}, self.folder)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        what = _choice(WHAT, {name: _size(source) for name, source in self.sources.items()})
        formats = _choice(FORMAT, dict.fromkeys(FORMATS, ""))
        return (what, *self._about_rows(), formats, _text(FILE, self._free_name, "Where the table is written"))

    @property
    def by_key(self) -> dict[str, Field]:
        return {field.key: field for field in self.fields}

    def text(self, field: Field) -> str:
        return self.typed.get(field.key, "").strip() or field.defaults[0]

    @property
    def source(self) -> Source:
        return self.sources.get(self.typed.get(WHAT, ""), next(iter(self.sources.values())))

    @property
    def format(self) -> str:
        return self.typed.get(FORMAT) or DEFAULT

    @property
    def path(self) -> Path:
        return (self.folder / Path(self.text(self.by_key[FILE])).expanduser()).absolute()

    @cached_property
    def problems(self) -> dict[str, Problem]:
        """What is wrong, by field."""
        found = {}
        for field in self.fields:
            known = [option.key for option in field.options]
            if field.kind == "list" and (unknown := [key for key in self._keys(field) if key not in known]):
                hint = schema.suggestion(unknown[0], known)
                found[field.key] = Problem(field.key, "columns that there are", ", ".join(unknown), hint)
        if not self.path.parent.is_dir():
            found[FILE] = Problem(FILE, "a folder that exists", str(self.path.parent))
        elif self.path.is_dir():
            found[FILE] = Problem(FILE, "the name of a file", f"the folder {self.path}")
        return found

    def hint(self, field: Field) -> str:
        """What is beside a value."""
        if field.key == WHAT:
            return next((option.summary for option in field.options if option.key == self.text(field)), "")
        if field.kind == "list":
            return f"{len(self._keys(field))} of {len(field.options)}"
        if field.key == FILE:
            return f"in {self.path.parent}" + ("; it exists" if self.path.exists() else "")
        return ""

    def table(self) -> Table:
        """Raises what its source raises; UnknownName for a column that there is not."""
        source = self.source
        if not isinstance(source, Rows):
            made = source()
            return msgspec.structs.replace(made, meta={**made.meta, "made by": exports.made_by()})
        fields = self.by_key
        if BY in fields:
            made = grouped(source.rows, self._keys(fields[BY]), self._keys(fields[FIGURES]))
        else:
            made = runs_table(source.rows, self._keys(fields[COLUMNS]), title=source.noun)
        return msgspec.structs.replace(made, meta=exports.origin(source.about, len(source.rows)))

    def render(self, table: Table) -> str | bytes:
        return exporter(self.format).render(table)

    def _about_rows(self) -> tuple[Field, ...]:
        source = self.source
        if not isinstance(source, Rows):
            return ()
        columns = _keys_field(COLUMNS, source.columns, source.columns_for(self.format), "Columns, in this order")
        if not source.are_runs:
            return (columns,)
        if self.typed.get(ROWS) != GROUPS:
            return (_choice(ROWS, _KINDS), columns)
        by = _keys_field(BY, source.groupable, source.grouping, "One row for each combination of these")
        figures = _keys_field(FIGURES, source.figures, source.averaged, "Of each: mean, spread, minimum and median")
        return (_choice(ROWS, _KINDS), by, figures)

    def _keys(self, field: Field) -> list[str]:
        return list(dict.fromkeys(filter(None, values.split_list(self.text(field)))))

    @cached_property
    def _free_name(self) -> str:
        """A name that no file has yet."""
        source, suffix = self.source, exporter(self.format).SUFFIX
        name = source.noun if isinstance(source, Rows) else self.typed.get(WHAT) or next(iter(self.sources))
        stem = "".join(letter if letter.isalnum() else "-" for letter in name).strip("-") or "table"
        names = (f"{stem}{number}{suffix}" for number in ("", *(f"-{n}" for n in range(2, 10_000))))
        return next((name for name in names if not (self.folder / name).exists()), f"{stem}{suffix}")


_KINDS = {RUNS: "a row for each run", GROUPS: "a row for each group, with mean and spread"}


def _choice(key: str, options: Mapping[str, str]) -> Field:
    return Field(
        key=key,
        kind="choice",
        properties=({"default": next(iter(options), "")},),
        options=tuple(Option(name, summary=summary) for name, summary in options.items()),
    )


def _text(key: str, default: str, help: str) -> Field:
    return Field(key=key, kind="text", properties=({"default": default},), help=help, single=True)


def _keys_field(key: str, known: Sequence[str], default: Sequence[str], help: str) -> Field:
    options = tuple(Option(name) for name in known)
    return Field(
        key=key,
        kind="list",
        properties=({"default": ",".join(default)},),
        options=options,
        group=ROWS,
        depth=1,
        help=help,
        single=True,
    )


def _size(source: Source) -> str:
    if not isinstance(source, Rows):
        return ""
    count = len(source.rows)
    return f"{count:,} {source.noun.removesuffix('s') if count == 1 else source.noun}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
