from __future__ import annotations

import pytest

from engine.api import SuiteCrossing
from engine.crossing import crossing, crossing_table, value_at
from engine.records import Status


def power(constant, exponent, xs):
    return {x: constant * x**exponent for x in xs}


def test_a_power_law_is_crossed_exactly_where_it_is_between_the_points():
    curve = power(2.0, -0.5, [8, 32, 128, 1024])
    assert crossing(curve, 0.1).x == pytest.approx(400.0)
    assert value_at(curve, 400.0) == pytest.approx(0.1)


def test_a_curve_that_does_not_come_down_so_far_is_bounded_by_its_last_point():
    found = crossing(power(2.0, -0.5, [8, 32]), 0.1)
    assert (found.x, found.beyond, found.before) == (32, True, False)


def test_a_curve_that_is_there_from_the_start_is_bounded_by_its_first_point():
    found = crossing({8: 0.01, 32: 0.005}, 0.1)
    assert (found.x, found.beyond, found.before) == (8, False, True)


def test_the_first_of_several_crossings_counts():
    assert crossing({1: 1.0, 10: 0.1, 100: 1.0, 1000: 0.01}, 0.1).x == pytest.approx(10.0)


def test_nothing_is_known_outside_the_points():
    assert crossing({}, 0.1) is None
    assert value_at({8: 1.0, 16: 0.5}, 4) is None
    assert value_at({8: 1.0, 16: 0.5}, 16) == 0.5


DESCRIBED = SuiteCrossing(
    title="data saved",
    runs="",
    rows=("case",),
    x="samples",
    series="mode",
    ahead="finetune",
    behind="scratch",
    at=64,
    value="rel_l2",
)


def runs(case, seed, scratch, tuned):
    for mode, curve in (("scratch", scratch), ("finetune", tuned)):
        for samples, error in curve.items():
            yield {
                "status": Status.DONE, "case": case, "seed": seed, "mode": mode, "samples": samples, "rel_l2": error
            }  # fmt: skip


def test_the_factor_is_of_each_seed_by_itself_with_its_spread():
    xs = [8, 64, 512, 4096]
    rows = [
        *runs("near", 0, power(8.0, -1.0, xs), {8: 0.1, 64: 8.0 / 640}),
        *runs("near", 1, power(8.0, -1.0, xs), {8: 0.1, 64: 8.0 / 1280}),
        *runs("far", 0, power(8.0, -1.0, xs), {64: 8.0 / 10_000}),
        *runs("far", 1, {}, {64: 0.1}),
    ]
    table = crossing_table(DESCRIBED, rows)
    near, far = [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]
    assert (near["case"], near["n"]) == ("near", 2)
    assert near["crossing"].mean == pytest.approx((640 + 1280) / 2)
    assert near["factor"].mean == pytest.approx(15.0)
    assert near["factor"].std == pytest.approx(10 / 2**0.5)
    assert (near["factor_min"], near["factor_max"]) == (pytest.approx(10.0), pytest.approx(20.0))
    assert near["beyond"].succeeded == 0
    assert (far["n"], far["beyond"].succeeded, far["factor_min"]) == (1, 1, 64.0)
    assert any("lower bounds" in note for note in table.notes)
