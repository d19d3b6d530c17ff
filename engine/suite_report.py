"""The report of a suite: its tables, figures and every run, as text for people and files for papers.

Everything in it follows from the runs that are there; it says which are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import msgspec

from engine.comparison import comparisons
from engine.crossing import crossing_table
from engine.drawing import Drawing, drawing
from engine.exporters import export, markdown
from engine.exporters.markdown import escape
from engine.figures import FORMATS, render
from engine.tables import Row, Table, differing, runs_table, suite_rows, suite_table
from engine.values import text

if TYPE_CHECKING:
    from engine.client import Client
    from engine.suites import SuiteState

REPORT = "report.md"
TABLES = {"csv": ".csv", "latex": ".tex"}
"""Formats that each table is written in beside the report."""


def tables(state: SuiteState, *, full: bool = False) -> dict[str, Table]:
    """The tables of a suite by the names of their files, in order: the overview of each, what was published beside it,
    and the crossings. full: the spread of those that nothing was published of, too.
    """
    found = {}
    for i, described in enumerate(state.suite.tables, 1):
        rows = suite_rows(state, described.runs)
        found[f"table{i}"] = suite_table(described, rows)
        if described.published or full:
            beside = comparisons(described, rows)
            found |= {f"table{i}-{'abcdefgh'[j]}": table for j, table in enumerate(beside)}
    for i, crossing in enumerate(state.suite.crossings, 1):
        found[f"crossing{i}"] = crossing_table(crossing, suite_rows(state, crossing.runs))
    return found


def every_run(state: SuiteState) -> Table:
    """One row a run of the suite, the bad ones and the missing ones too: what it is, how it ended, its figures."""
    rows = suite_rows(state)
    labels = list(dict.fromkeys(key for member in state.suite.runs for key in member.labels))
    settings = [key for key in differing(rows, _stated(state)) if key not in labels]
    figures = dict.fromkeys(value for table in state.suite.tables for value in table.values)
    columns = [*labels, *settings, "seed", "status", *figures, "stop_reason", "seconds", "id"]
    there = [key for key in dict.fromkeys(columns) if any(key in row for row in rows)]
    return runs_table(rows, there, title="every run")


def shared_settings(state: SuiteState, prefix: str = "") -> str:
    """The settings that the suite states and that all these runs have alike, as people submit them."""
    keys = [member.key for member in state.suite.runs if member.key.startswith(prefix)]
    params: list[Row] = [state.params.get(key, {}) for key in keys]
    apart = set(differing(params, _stated(state)))
    alike = [key for key in _stated(state) if key not in apart and any(key in each for each in params)]
    return " ".join(f"{key}={text(params[0].get(key))}" for key in alike)


def _stated(state: SuiteState) -> list[str]:
    return list(dict.fromkeys(key for member in state.suite.runs for key in member.spec.params))


def drawings(client: Client, state: SuiteState) -> list[Drawing]:
    """The figures of a suite, those left out of which there is nothing to draw yet."""

    def arrays(run: str, names: Set[str]) -> Mapping[str, Any]:
        report = client.report(run)
        having = (stored for stored in reversed(report.fields) if names <= stored["arrays"].keys())
        newest = next(having, None)
        return report.arrays_of(newest) if newest else {}

    found = []
    for figure in state.suite.figures:
        made = drawing(figure, suite_rows(state, figure.runs), arrays)
        if not made.is_empty:
            alike = f"settings of these runs: {shared_settings(state, figure.runs)}"
            found.append(msgspec.structs.replace(made, notes=(*made.notes, alike)))
    return found


def files(
    client: Client, state: SuiteState, *, made_by: str, commands: Sequence[str], figures: bool = True
) -> dict[str, bytes]:
    """The report and all that belongs to it, by file name. Raises ServiceError for figures without matplotlib."""
    found: dict[str, bytes] = {}
    made = {**tables(state, full=True), "runs": every_run(state)}
    meta = {"made by": made_by, "suite": f"{state.suite.key} --scale {state.suite.scale}"}
    for name, table in made.items():
        for format, suffix in TABLES.items():
            found[name + suffix] = _bytes(export(msgspec.structs.replace(table, meta=meta), format))
    drawn = drawings(client, state) if figures else []
    for i, each in enumerate(drawn, 1):
        found |= {f"figure{i}.{format}": data for format, data in render(each).items()}
    found[REPORT] = "\n".join(_lines(state, made, drawn, made_by, commands)).encode()
    return found


def _lines(
    state: SuiteState, made: Mapping[str, Table], drawn: Sequence[Drawing], made_by: str, commands: Sequence[str]
) -> Iterable[str]:
    suite = state.suite
    yield f"# {escape(suite.title)}"
    yield ""
    yield escape(suite.summary) + "."
    yield ""
    count = len(suite.runs)
    yield f"Scale {suite.scale}: {count - state.without_result} of {count} runs have a result. {escape(made_by)}."
    yield from _origin(state)
    yield ""
    yield from (f"    {command}" for command in commands)
    yield ""
    for i, each in enumerate(drawn, 1):
        yield f"![{escape(each.title)}](figure{i}.{FORMATS[0]})"
        yield ""
        yield from (f"- {escape(note)}" for note in each.notes)
        yield ""
    for i, described in enumerate(suite.tables, 1):
        for name, table in made.items():
            if name.partition("-")[0] == f"table{i}":
                yield markdown.render(table)
        yield f"Settings of these runs: `{shared_settings(state, described.runs)}`; the others as by default."
        yield ""
    for name, table in made.items():
        if name.startswith("crossing"):
            yield markdown.render(table)
    yield f"## Every run\n\n{markdown.render(msgspec.structs.replace(made['runs'], title=''))}"


def _origin(state: SuiteState) -> Iterable[str]:
    """Which code and which machines made the runs."""
    runs = state.runs.values()
    commits = dict.fromkeys(str(run.code["commit"])[:10] for run in runs if run.code.get("commit"))
    devices = dict.fromkeys(run.device for run in runs if run.device)
    changed = sum(bool(run.code.get("dirty")) for run in runs)
    words = [
        f"code: {', '.join(commits)}" + (f" ({changed} runs of a changed tree)" if changed else "") if commits else "",
        f"device: {', '.join(devices)}" if devices else "",
    ]
    if said := "; ".join(word for word in words if word):
        yield ""
        yield escape(said) + "."


def _bytes(rendered: str | bytes) -> bytes:
    return rendered.encode() if isinstance(rendered, str) else rendered
