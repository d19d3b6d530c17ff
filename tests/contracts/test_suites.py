"""Every suite: its runs are accepted by their tasks, its references are runs of its own, its tables take in runs."""

from __future__ import annotations

import pytest

from engine import schema, tasks
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
