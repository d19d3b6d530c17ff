from __future__ import annotations

import msgspec

from engine import suite_report
from engine.api import RunSpec, Suite, SuiteRun, SuiteTable
from engine.records import Run, Status
from engine.suites import SuiteState


def member(key: str, **params: object) -> SuiteRun:
    seed = int(key[-1])
    return SuiteRun(key=key, spec=RunSpec(task="pinn", params=params, seed=seed), labels={"method": key[:-2]})  # type: ignore[arg-type]


MEMBERS = (
    member("regular/0", beta=30.0, points=100),
    member("regular/1", beta=30.0, points=100),
    member("curriculum/0", beta=30.0, points=100, step=5.0),
)


def state(members: tuple[SuiteRun, ...] = MEMBERS, **ended: float) -> SuiteState:
    """Of which these runs are done, with their error."""
    keys = {member.key.replace("/", "_"): member for member in members}
    table = SuiteTable(title="t", runs="", rows=("method",), values=("rel_l2",))
    suite = Suite(key="s", title="", summary="", runs=members, tables=(table,))
    runs = {
        keys[name].key: Run(id=name, spec=keys[name].spec, status=Status.DONE, summary={"rel_l2": error})
        for name, error in ended.items()
    }
    defaults = {"step": None, "dtype": "float64"}
    params = {member.key: {**defaults, **member.spec.params} for member in members}
    return SuiteState(suite=suite, runs=runs, params=params)  # type: ignore[arg-type]


def test_settings_are_those_that_the_suite_states_and_that_all_runs_have_alike() -> None:
    assert suite_report.shared_settings(state()) == "beta=30 points=100"
    assert suite_report.shared_settings(state(), "curriculum/") == "beta=30 points=100 step=5"


def test_every_run_is_reported_with_what_tells_it_apart_the_missing_ones_too() -> None:
    table = suite_report.every_run(state(regular_0=0.9, curriculum_0=0.01))
    assert [column.key for column in table.columns] == ["method", "step", "seed", "status", "rel_l2", "seconds", "id"]
    assert [(row[0], row[2], row[3], row[4]) for row in table.rows] == [
        ("regular", 0, "done", 0.9),
        ("regular", 1, "not run", None),
        ("curriculum", 0, "done", 0.01),
    ]


def test_the_spread_of_a_table_without_published_figures_is_in_the_full_report_only() -> None:
    found = state(regular_0=0.9)
    assert list(suite_report.tables(found)) == ["table1"]
    assert list(suite_report.tables(found, full=True)) == ["table1", "table1-a"]


def test_a_run_that_was_stopped_has_no_result() -> None:
    found = state(regular_0=0.9, regular_1=0.9, curriculum_0=0.01)
    assert (found.without_result, found.is_complete) == (0, True)
    found.runs["regular/1"] = msgspec.structs.replace(found.runs["regular/1"], status=Status.STOPPED)
    assert (found.without_result, found.is_complete) == (1, False)
    report = suite_report.files(None, found, made_by="a test", commands=(), figures=False)["report.md"]  # type: ignore[arg-type]
    assert b"2 of 3 runs have a result" in report
