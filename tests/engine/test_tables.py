from __future__ import annotations

import math

import msgspec
import pytest

from engine.api import RunSpec, Suite, SuiteRun, SuiteTable
from engine.cells import Measure, Rate
from engine.errors import UnknownName
from engine.filters import row
from engine.records import Run, Status
from engine.suites import SuiteState
from engine.tables import (
    best_cells,
    differing,
    flat,
    grouped,
    pivot,
    runs_table,
    suite_rows,
    suite_table,
)


def run(status="done", **values):
    return {"id": "r1", "status": Status(status), **values}


REACTION = [
    run(strategy="regular", seed=0, rel_l2=0.9),
    run(strategy="regular", seed=1, rel_l2=1.1),
    run(strategy="curriculum", seed=0, rel_l2=0.01),
    run(strategy="curriculum", seed=1, rel_l2=0.02),
    run(strategy="curriculum", seed=2, rel_l2=0.06),
]


def records(table):
    names, rows = flat(table)
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_group_has_mean_sample_deviation_minimum_median_and_success_rate():
    curriculum, regular = records(grouped(REACTION, ["strategy"]))
    assert curriculum == {
        "strategy": "curriculum",
        "n": 3,
        "rel_l2_mean": pytest.approx(0.03),
        "rel_l2_std": pytest.approx(math.sqrt((0.02**2 + 0.01**2 + 0.03**2) / 2)),
        "rel_l2_n": 3,
        "rel_l2_min": 0.01,
        "rel_l2_median": 0.02,
        "succeeded": 3,
        "succeeded_of": 3,
    }
    assert (regular["n"], regular["rel_l2_mean"], regular["succeeded"]) == (2, pytest.approx(1.0), 0)


def test_the_spread_of_a_single_run_is_undefined_and_left_empty():
    (only,) = records(grouped([run(rel_l2=0.5)], []))
    assert only["rel_l2_mean"] == 0.5
    assert only["rel_l2_std"] is None


def test_diverged_and_failed_runs_count_in_n_and_in_the_success_rate_but_not_in_the_mean():
    rows = [run(rel_l2=0.05), run("diverged", rel_l2=3.0), run("failed")]
    table = grouped(rows, [])
    assert table.rows == ((3, Measure(mean=0.05, std=None, n=1, of=3), 0.05, 0.05, Rate(succeeded=1, of=3)),)
    assert "in n, but not in means: 1 diverged, 1 failed" in table.notes


def test_runs_that_say_nothing_of_the_method_are_not_counted_and_the_notes_say_so():
    rows = [run(rel_l2=0.05), run("running", rel_l2=0.9), run("stopped", rel_l2=0.9), run("lost"), run("queued")]
    table = grouped(rows, [])
    assert table.rows[0][0] == 1
    assert "not counted: 1 running, 1 stopped, 1 lost, 1 queued" in table.notes


def test_a_done_run_without_a_finite_value_is_no_success_and_not_in_the_mean():
    table = grouped([run(rel_l2=0.05), run(rel_l2=math.nan), run(rel_l2=None)], [])
    assert table.rows[0][1] == Measure(mean=0.05, std=None, n=1, of=3)
    assert table.rows[0][-1] == Rate(succeeded=1, of=3)
    assert "in n, but not in means: 2 done without a finite rel_l2" in table.notes


def test_the_threshold_of_the_success_rate_is_in_the_notes():
    assert "a run succeeds when rel_l2 <= 0.1" in grouped(REACTION, []).notes
    strict = grouped(REACTION, [], threshold=0.015)
    assert "a run succeeds when rel_l2 <= 0.015" in strict.notes
    assert strict.rows[0][-1] == Rate(succeeded=1, of=5)


def test_an_error_equal_to_the_threshold_succeeds():
    assert grouped([run(rel_l2=0.1)], []).rows[0][-1] == Rate(succeeded=1, of=1)


def test_there_is_no_success_rate_where_nothing_is_judged():
    table = grouped([run(samples=8, loss=0.1)], [], ["loss"])
    assert [column.key for column in table.columns] == ["n", "loss", "loss_min", "loss_median"]
    assert not any("succeeds" in note for note in table.notes)


def test_groups_are_sorted_by_value_with_what_is_missing_last():
    rows = [run(beta=beta, rel_l2=0.1) for beta in (30, 5.0, None, 10, "auto")]
    assert [row[0] for row in grouped(rows, ["beta"]).rows] == [5.0, 10, 30, "auto", None]
    assert [row[0] for row in grouped(rows, ["beta"], ordered=False).rows] == [30, 5.0, None, 10, "auto"]


def test_lists_and_whole_numbers_written_as_floats_make_groups():
    rows = [run(range=[1, 5], beta=5, rel_l2=0.1), run(range=[1, 5], beta=5.0, rel_l2=0.2)]
    (only,) = grouped(rows, ["range", "beta"]).rows
    assert only[2] == 2


def test_a_pivot_has_a_column_for_each_value_in_their_order():
    rows = [
        run(mode=mode, samples=samples, rel_l2=error)
        for mode, samples, error in (
            ("scratch", 64, 0.2),
            ("scratch", 8, 0.8),
            ("scratch", 8, 0.6),
            ("finetune", 8, 0.1),
            ("zeroshot", None, 0.5),
        )
    ]
    table = pivot(rows, ["mode"], "samples", "rel_l2", ordered=False)
    assert [column.title for column in table.columns] == ["mode", "samples=8", "samples=64", "samples=–"]
    scratch, finetune, zeroshot = table.rows
    assert scratch[1] == Measure(mean=pytest.approx(0.7), std=pytest.approx(math.sqrt(0.02)), n=2, of=2)
    assert scratch[2:] == (Measure(mean=0.2, std=None, n=1, of=1), None)
    assert finetune[1:] == (Measure(mean=0.1, std=None, n=1, of=1), None, None)
    assert zeroshot[3] == Measure(mean=0.5, std=None, n=1, of=1)


def test_the_lowest_mean_of_a_column_is_best_where_rows_differ_in_one_key():
    rows = [run(mode="a", samples=8, rel_l2=0.2), run(mode="b", samples=8, rel_l2=0.1)]
    assert best_cells(pivot(rows, ["mode"], "samples", "rel_l2")) == {(1, 1)}
    assert best_cells(pivot(rows[:1], ["mode"], "samples", "rel_l2")) == set()
    assert best_cells(pivot(rows, ["mode", "id"], "samples", "rel_l2")) == set()


def test_the_best_of_methods_side_by_side_is_that_of_a_row():
    rows = [
        *(run(mode="scratch", samples=n, rel_l2=0.8 / n) for n in (8, 32)),
        *(run(mode="finetune", samples=n, rel_l2=0.2) for n in (8, 32)),
    ]
    table = pivot(rows, ["samples"], "mode", "rel_l2")
    assert [column.key for column in table.columns[1:]] == ["mode=finetune", "mode=scratch"]
    assert best_cells(table) == {(0, 2), (1, 2)}


def test_no_problem_is_the_best_of_problems():
    rows = [run(beta=beta, rel_l2=beta / 100, method="one") for beta in (1, 2)]
    assert best_cells(grouped(rows, ["beta"])) == set()
    assert best_cells(grouped([*rows, run(beta=1, rel_l2=0.5, method="two")], ["method"])) == {(0, 2)}


def test_a_column_that_no_run_has_is_refused_with_those_that_exist():
    with pytest.raises(UnknownName, match=r"got nothing; there are id, status, strategy, seed, rel_l2"):
        runs_table(REACTION, ["id", "nothing"])
    with pytest.raises(UnknownName, match=r"got stratgey; did you mean strategy\?$"):
        grouped(REACTION, ["stratgey"])
    assert runs_table([], ["anything"]).rows == ()


def test_columns_take_their_kind_from_the_values():
    table = runs_table([run(a=1, b=2.5, c="x", d=True, seconds=1.0)], ["a", "b", "c", "d", "seconds"])
    assert [column.kind for column in table.columns] == ["integer", "number", "text", "text", "seconds"]
    assert [column.align for column in table.columns] == ["right", "right", "left", "left", "right"]
    assert table.columns[-1].title == "time (s)"


def test_what_a_task_reports_may_be_nested():
    rows = [run(found={"a": [1, 2]}, pairs=[[1, 2]]), run(found={"a": [1, 3]}, pairs=[[1, 2]])]
    assert differing(rows) == ["found"]


def test_only_the_settings_that_differ_are_named():
    rows = [run(beta=5, lr=0.1, extra=1), run(beta=5.0, lr=0.2)]
    assert differing(rows) == ["lr", "extra"]
    assert differing(rows, ["beta", "lr"]) == ["lr"]


def stored(key, status=Status.DONE, summary=None, **params):
    return key, Run(id=key, spec=RunSpec(task="pinn", params=params), status=status, summary=summary or {})


def drawn(described, runs, absent=()):
    members = tuple(SuiteRun(key=key, spec=run.spec) for key, run in runs.items())
    suite = Suite(key="s", title="", summary="", runs=(*members, *absent))
    params = {member.key: dict(member.spec.params) for member in suite.runs}
    return suite_table(described, suite_rows(SuiteState(suite=suite, runs=runs, params=params), described.runs))


def test_a_suite_table_keeps_the_order_of_the_suite_and_takes_only_its_own_runs():
    runs = dict(
        (
            stored("pinn/regular", summary={"rel_l2": 0.98, "seconds": 60.0}, strategy="regular"),
            stored("pinn/curriculum", summary={"rel_l2": 0.02, "seconds": 80.0}, strategy="curriculum"),
            stored("operator/x", summary={"rel_l2": 0.5}),
        )
    )
    described = SuiteTable(
        title="reaction", runs="pinn/", rows=("strategy",), values=("rel_l2",), threshold=0.05, notes="3 seeds"
    )
    table = drawn(described, runs)
    assert [row[0] for row in table.rows] == ["regular", "curriculum"]
    assert [row[-1] for row in table.rows] == [Rate(succeeded=0, of=1), Rate(succeeded=1, of=1)]
    assert table.title == "reaction"
    assert table.notes[:2] == ("3 seeds", "a run succeeds when rel_l2 <= 0.05")


def test_a_suite_table_with_columns_is_a_pivot_of_its_first_value():
    runs = dict(
        stored(f"op/{mode}/{samples}", summary={"rel_l2": error}, mode=mode, samples=samples)
        for mode, samples, error in (("scratch", 8, 0.8), ("scratch", 64, 0.2), ("finetune", 8, 0.1))
    )
    table = drawn(SuiteTable(title="t", runs="op/", rows=("mode",), columns="samples", values=("rel_l2",)), runs)
    assert [column.title for column in table.columns] == ["mode", "samples=8", "samples=64"]
    assert [row[0] for row in table.rows] == ["scratch", "finetune"]


def test_of_a_choice_none_is_best():
    runs = dict(
        stored(f"op/{mode}", summary={"lr": lr}, mode=mode) for mode, lr in (("scratch", 1e-2), ("tuned", 1e-3))
    )
    described = SuiteTable(title="t", runs="op/", rows=("mode",), values=("lr",))
    assert best_cells(drawn(described, runs)) == {(1, 2)}
    assert best_cells(drawn(msgspec.structs.replace(described, lowest_is_best=False), runs)) == set()


def test_a_suite_table_can_be_drawn_before_any_run_has_ended():
    runs = dict((stored("a", Status.RUNNING, mode="x"), stored("b", Status.QUEUED, mode="y")))
    for columns in ("", "samples"):
        table = drawn(SuiteTable(title="t", runs="", rows=("mode",), columns=columns, values=("rel_l2",)), runs)
        assert table.rows == ()
        assert "not counted: 1 running, 1 queued" in table.notes


def test_settings_of_runs_are_shown_as_set_even_where_a_figure_has_the_same_name():
    _, run = stored("r", summary={"beta": 12.126, "loss": 12.126}, beta=12.126)
    table = runs_table([row(run)], ["beta", "loss", "summary.beta"])
    assert [column.kind for column in table.columns] == ["exact", "number", "number"]


def test_a_suite_table_has_means_alone_under_the_names_people_know():
    runs = dict([stored("a", summary={"rel_l2": 0.02, "seconds": 80.0}, strategy="curriculum")])
    described = SuiteTable(title="t", runs="", rows=("strategy",), values=("rel_l2", "seconds"), threshold=0.1)
    titles = [column.title for column in drawn(described, runs).columns]
    assert titles == ["strategy", "n", "rel_l2", "time (s)", "succeeded"]


def test_a_suites_runs_are_named_by_labels_and_those_that_are_missing_are_told():
    key, found = stored("a/0", summary={"rel_l2": 0.02}, window=0.1)
    runs = {key: found}
    suite = Suite(
        key="s",
        title="",
        summary="",
        runs=(
            SuiteRun(key=key, spec=found.spec, labels={"method": "seq2seq"}),
            SuiteRun(key="a/1", spec=RunSpec(task="pinn", seed=1), labels={"method": "full"}),
        ),
    )
    rows = suite_rows(SuiteState(suite=suite, runs=runs, params={"a/1": {"window": 1.0}}), "a/")
    assert [(row["method"], row["window"], row["status"]) for row in rows] == [
        ("seq2seq", 0.1, "done"),
        ("full", 1.0, "not run"),
    ]
    table = suite_table(SuiteTable(title="t", runs="a/", rows=("method",), values=("rel_l2",)), rows)
    assert [row[0] for row in table.rows] == ["seq2seq"]
    assert "not counted: 1 not run" in table.notes
