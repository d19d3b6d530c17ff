"""Every suite: its runs are accepted by their tasks, its references are runs of its own, its tables take in runs."""

from __future__ import annotations

import pytest

from engine import schema, suite_report, tasks
from engine.api import Suite
from engine.suites import SuiteState
from engine.tables import suite_rows, suite_table

KNOWN, BROKEN = tasks.suites()
SUITES = {f"{key}-{scale}": suite for key, scales in KNOWN.items() for scale, suite in scales.items()}
TASKS, DESCRIBED, _ = tasks.tasks()


def test_no_suite_is_broken() -> None:
    assert not [broken for broken in BROKEN if broken.file.startswith("experiments.suites")]


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_every_run_of_a_suite_is_accepted_by_its_task(suite: Suite) -> None:
    keys = {run.key for run in suite.runs}
    assert len(keys) == len(suite.runs), "keys are unique"
    different = {repr((run.spec.task, run.spec.params)): run for run in suite.runs}  # not the seeds: they are many
    for run in different.values():
        described = DESCRIBED[run.spec.task].schema
        complete = schema.complete(described, run.spec.params)
        assert TASKS[run.spec.task].check(complete) == []
        for _, _, name in schema.references(described, complete):
            assert not name.startswith("@") or name[1:] in keys


def state_of(suite: Suite) -> SuiteState:
    """Before anything of it was run."""
    params = {run.key: schema.complete(DESCRIBED[run.spec.task].schema, run.spec.params) for run in suite.runs}
    return SuiteState(suite=suite, runs={}, params=params)


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_every_table_of_a_suite_takes_in_runs_that_its_rows_and_columns_tell_apart(suite: Suite) -> None:
    state = state_of(suite)
    for table in suite.tables:
        rows = suite_rows(state, table.runs)
        assert rows, table.runs
        keys = [key for key in (*table.rows, table.columns) if key]
        assert [key for key in keys if not any(key in row for row in rows)] == []
        assert suite_table(table, rows).title == table.title


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_every_published_figure_is_of_a_cell_that_its_table_may_have(suite: Suite) -> None:
    state = state_of(suite)
    for table in suite.tables:
        columns = {row.get(table.columns) for row in suite_rows(state, table.runs)}
        for known in table.published:
            assert len(known.row) == len(table.rows)
            assert known.value in ("", *table.values)
            assert not table.columns or known.column in columns
    for figure in suite.figures:
        assert all(len(known.row) == 1 for known in figure.published)


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_every_figure_and_crossing_of_a_suite_takes_in_runs_that_it_can_tell_apart(suite: Suite) -> None:
    state = state_of(suite)
    for figure in suite.figures:
        rows = suite_rows(state, figure.runs)
        asked = [*figure.series, *([figure.x] if figure.kind == "lines" else [])]
        assert rows and all(any(key in row for row in rows) for key in asked), figure.title
    for crossing in suite.crossings:
        rows = suite_rows(state, crossing.runs)
        assert all(any(key in row for row in rows) for key in (*crossing.rows, crossing.by)), crossing.title
        assert {crossing.ahead, crossing.behind} <= {row.get(crossing.series) for row in rows}
        assert crossing.at in {row.get(crossing.x) for row in rows}


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_the_report_of_a_suite_can_be_made_before_anything_was_run(suite: Suite) -> None:
    state = state_of(suite)
    assert next(iter(suite_report.tables(state, full=True))) == "table1"
    every = suite_report.every_run(state)
    assert len(every.rows) == len(suite.runs)
