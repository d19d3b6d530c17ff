from __future__ import annotations

import msgspec
import pytest

from engine.api import Published, SuiteTable
from engine.cells import Measure, Rate
from engine.comparison import Verdict, comparisons, verdict
from engine.records import Status

FAILS = 0.9
HALF_WORKS = 0.2
"""Above the threshold, and no failure either."""
WORKS = 0.02


@pytest.mark.parametrize(
    ("ours", "published", "expected"),
    [
        ([0.02], WORKS, Verdict.REPRODUCED),
        ([0.01], WORKS, Verdict.BETTER),
        ([0.021], WORKS, Verdict.NOT_REACHED),
        ([0.99], FAILS, Verdict.REPRODUCED),
        ([0.09], FAILS, Verdict.BETTER),
        ([0.8], HALF_WORKS, Verdict.NOT_REACHED),
        ([0.2], HALF_WORKS, Verdict.REPRODUCED),
        ([0.1], HALF_WORKS, Verdict.BETTER),
        ([], WORKS, Verdict.NOT_REACHED),
        ([], FAILS, Verdict.REPRODUCED),
    ],
)
def test_a_verdict_is_on_the_published_figure_and_on_whether_the_method_succeeds(ours, published, expected):
    assert verdict(ours, 1, published, "mean", threshold=0.1) is expected


def test_a_verdict_is_on_the_statistic_that_is_asked_for():
    ours = [0.001, 0.002, 0.5]
    assert verdict(ours, 3, 0.004, "mean", 0.1) is Verdict.NOT_REACHED
    assert verdict(ours, 3, 0.004, "median", 0.1) is Verdict.BETTER
    assert verdict(ours, 3, 0.0015, "best", 0.1) is Verdict.REPRODUCED


def test_a_run_without_a_figure_is_not_excused():
    assert verdict([0.001, 0.001], 3, WORKS, "mean", 0.1) is Verdict.NOT_REACHED
    assert verdict([0.001, 0.001], 3, WORKS, "median", 0.1) is Verdict.BETTER
    assert verdict([0.001, 0.001], 3, WORKS, "best", 0.1) is Verdict.BETTER


def test_nothing_is_said_of_what_was_not_run():
    assert verdict([], 0, WORKS, "mean", 0.1) is Verdict.NOT_RUN


def run(beta, method, error, status="done", **more):
    return {"status": Status(status), "beta": beta, "method": method, "rel_l2": error, "closures": 100, **more}


TABLE = SuiteTable(
    title="t",
    runs="",
    rows=("beta",),
    columns="method",
    values=("rel_l2", "abs_err"),
    threshold=0.1,
    published=(
        Published(row=(20.0,), column="regular", figure=0.75),
        Published(row=(20.0,), column="curriculum", figure=0.01),
        Published(row=(30.0,), column="curriculum", figure=0.02),
        Published(row=(20.0,), column="regular", value="abs_err", figure=0.43),
        Published(row=(20.0,), column="curriculum", value="abs_err", figure=0.005),
    ),
    published_in="Tab. 1",
)


def records(table):
    return [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]


def test_each_cell_has_the_published_figure_ours_with_spread_success_cost_and_a_verdict():
    rows = [
        run(20.0, "regular", 0.9),
        run(20.0, "regular", None, status="diverged"),
        run(20.0, "curriculum", 0.003),
        run(20.0, "curriculum", 0.001),
        run(40.0, "curriculum", 0.5),
        {"status": "not run", "beta": 30.0, "method": "curriculum"},
    ]
    table, _ = comparisons(TABLE, rows)
    regular, curriculum, beyond, absent = records(table)
    assert (regular["beta"], regular["method"], regular["published"]) == (20.0, "regular", 0.75)
    assert (regular["n"], regular["succeeded"]) == (2, Rate(succeeded=0, of=2))
    assert regular["rel_l2"] == Measure(mean=0.9, std=None, n=1, of=2)
    assert regular["verdict"] == "reproduced"
    assert curriculum["rel_l2"].mean == pytest.approx(0.002)
    assert [curriculum[f"rel_l2_{name}"] for name in ("median", "best", "worst")] == [
        pytest.approx(0.002),
        0.001,
        0.003,
    ]
    assert curriculum["closures"] == Measure(mean=100.0, std=0.0, n=2, of=2)
    assert curriculum["verdict"] == "better"
    assert (beyond["published"], beyond["verdict"]) == (None, None)
    assert (absent["beta"], absent["n"], absent["verdict"]) == (30.0, 0, "not run")
    assert any("verdict on the mean beside Tab. 1" in note for note in table.notes)


def test_other_figures_get_a_verdict_only_where_the_published_method_succeeds():
    rows = [run(20.0, "regular", 0.9, abs_err=0.5), run(20.0, "curriculum", 0.003, abs_err=0.004)]
    _, absolute = comparisons(TABLE, rows)
    assert [(row["published"], row["verdict"]) for row in records(absolute)] == [(0.43, None), (0.005, "reproduced")]


def test_what_a_verdict_means_where_a_method_fails_is_said_only_where_one_does():
    fails, works = TABLE.published[0], TABLE.published[1]
    for known, said in ((fails, True), (works, False)):
        (table,) = comparisons(msgspec.structs.replace(TABLE, published=(known,)), [])
        assert any("the method fails there" in note for note in table.notes) is said


def test_a_table_without_published_figures_has_the_spread_alone():
    plain = SuiteTable(title="t", runs="", rows=("beta",), values=("rel_l2",))
    (table,) = comparisons(plain, [run(20.0, "x", 0.1), run(20.0, "x", 0.3)])
    (row,) = records(table)
    assert "verdict" not in row and "succeeded" not in row
    assert (row["rel_l2"].mean, row["rel_l2_best"], row["n"]) == (pytest.approx(0.2), 0.1, 2)
