"""Every suite: its runs are accepted by their tasks, its references are runs of its own, its tables take in runs."""

from __future__ import annotations

import pytest

from engine import schema, tasks
from engine.api import Suite
from engine.tables import suite_table

KNOWN, BROKEN = tasks.suites()
SUITES = {f"{key}-{scale}": suite for key, scales in KNOWN.items() for scale, suite in scales.items()}
TASKS, DESCRIBED, _ = tasks.tasks()


def test_no_suite_is_broken() -> None:
    assert not [broken for broken in BROKEN if broken.file.startswith("experiments.suites")]


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_every_run_of_a_suite_is_accepted_by_its_task(suite: Suite) -> None:
    keys = {run.key for run in suite.runs}
    assert len(keys) == len(suite.runs), "keys are unique"
    for run in suite.runs:
        described = DESCRIBED[run.spec.task].schema
        complete = schema.complete(described, run.spec.params)
        assert TASKS[run.spec.task].check(complete) == []
        for _, _, name in schema.references(described, complete):
            assert not name.startswith("@") or name[1:] in keys


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_every_table_of_a_suite_takes_in_some_of_its_runs(suite: Suite) -> None:
    for table in suite.tables:
        assert any(run.key.startswith(table.runs) for run in suite.runs)
        assert suite_table(table, {}).title == table.title
