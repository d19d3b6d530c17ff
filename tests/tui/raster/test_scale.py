from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.raster.scale import Scale, limits_of, linear_label, nice_step, stepped, ticks

numbers = st.floats(-1e6, 1e6)
positive = st.floats(1e-12, 1e12)


def labels(lo: float, hi: float, most: int, *, log: bool = False, written_out: bool = False) -> list[str]:
    return [tick.label for tick in ticks(Scale(lo, hi, 100, log), most, written_out=written_out)]


def test_ends_of_a_scale_are_its_first_and_last_dot() -> None:
    assert Scale(2.0, 4.0, 9).place(np.array([2.0, 3.0, 4.0])).tolist() == [0, 4, 8]
    assert Scale(2.0, 4.0, 9, flipped=True).place(np.array([2.0, 4.0])).tolist() == [8, 0]
    assert Scale(0.01, 100.0, 5, log=True).place(np.array([0.01, 1.0, 100.0])).tolist() == [0, 2, 4]


def test_value_undoes_place() -> None:
    for scale in (Scale(-3.0, 7.0, 50), Scale(-3.0, 7.0, 50, flipped=True), Scale(1e-5, 10.0, 50, log=True)):
        for dot in (0.0, 12.5, 49.0):
            assert scale.place(np.array([scale.value(dot)]))[0] == pytest.approx(dot)


@pytest.mark.parametrize(
    ("lo", "hi", "most", "expected"),
    [
        (0, 1000, 6, ["0", "200", "400", "600", "800", "1,000"]),
        (0, 1877, 4, ["0", "500", "1,000", "1,500"]),
        (0, 1, 6, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-1, 1, 3, ["-1", "0", "1"]),
        (0.013, 0.017, 5, ["0.013", "0.014", "0.015", "0.016", "0.017"]),
        (0, 3e7, 4, ["0", "1e7", "2e7", "3e7"]),
        (0, 4e-5, 5, ["0", "1e-5", "2e-5", "3e-5", "4e-5"]),
    ],
)
def test_linear_ticks_are_at_round_values(lo: float, hi: float, most: int, expected: list[str]) -> None:
    assert labels(lo, hi, most) == expected


@pytest.mark.parametrize(
    ("lo", "hi", "most", "expected"),
    [
        (1e-4, 1.0, 5, ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]),
        (1e-4, 1.0, 3, ["10⁻⁴", "10⁻²", "10⁰"]),
        (1e-12, 1.0, 4, ["10⁻¹⁰", "10⁻⁵", "10⁰"]),
        (0.01, 0.5, 6, ["10⁻²", "2e-2", "5e-2", "10⁻¹", "2e-1", "5e-1"]),
        (0.01, 0.5, 4, ["10⁻²", "3e-2", "10⁻¹", "3e-1"]),
        (0.031, 0.039, 4, ["0.032", "0.034", "0.036", "0.038"]),
    ],
)
def test_log_ticks_are_decades_and_between_them_where_there_are_few(
    lo: float, hi: float, most: int, expected: list[str]
) -> None:
    assert labels(lo, hi, most, log=True) == expected


def test_log_ticks_written_out_are_counts() -> None:
    assert labels(8, 512, 9, log=True, written_out=True) == ["10", "20", "50", "100", "200", "500"]
    assert labels(1, 1e5, 9, log=True, written_out=True) == ["1", "10", "100", "1,000", "10,000", "100,000"]


def test_ticks_of_what_is_counted_are_whole() -> None:
    assert labels(0, 2, 9, written_out=True) == ["0", "1", "2"]
    assert labels(-0.5, 0.5, 9, written_out=True) == ["0"]


def test_ticks_in_ascii(in_ascii: None) -> None:
    assert labels(1e-2, 1.0, 3, log=True) == ["1e-2", "1e-1", "1e0"]


def test_zero_has_no_sign() -> None:
    assert linear_label(-0.0, 0.1) == "0.0"


@given(numbers, numbers, st.integers(1, 12))
def test_linear_ticks_are_within_and_no_more_than_asked(a: float, b: float, most: int) -> None:
    lo, hi = limits_of(min(a, b), max(a, b), log=False)
    made = ticks(Scale(lo, hi, 100), most)
    assert len(made) <= most
    assert all(lo - 1e-6 * (hi - lo) <= tick.value <= hi + 1e-6 * (hi - lo) for tick in made)
    assert len({tick.label for tick in made}) == len(made)


@given(positive, positive, st.integers(1, 12))
def test_log_ticks_are_within_and_no_more_than_asked(a: float, b: float, most: int) -> None:
    lo, hi = limits_of(min(a, b), max(a, b), log=True)
    made = ticks(Scale(lo, hi, 100, log=True), most)
    assert len(made) <= most
    assert all(lo * (1 - 1e-6) <= tick.value <= hi * (1 + 1e-6) for tick in made)


@given(positive)
def test_nice_step_is_the_next_of_one_two_five(least: float) -> None:
    step = nice_step(least)
    mantissa = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    assert step >= least * (1 - 1e-9) and step <= least * 2.5 * (1 + 1e-9)
    assert min(abs(mantissa - round_value) for round_value in (1, 2, 5, 10)) < 1e-6


@given(numbers, numbers)
def test_linear_limits_hold_the_data_and_settle(a: float, b: float) -> None:
    lo, hi = min(a, b), max(a, b)
    low, high = stepped(lo, hi, log=False)
    assert low <= lo + 1e-6 * (high - low) and hi <= high + 1e-6 * (high - low)
    assert stepped(lo, hi, log=False, previous=(low, high)) == (low, high)


@given(positive, positive)
def test_log_limits_hold_the_data_and_settle(a: float, b: float) -> None:
    lo, hi = min(a, b), max(a, b)
    low, high = stepped(lo, hi, log=True)
    assert low <= lo * (1 + 1e-6) and hi <= high * (1 + 1e-6)
    assert stepped(lo, hi, log=True, previous=(low, high)) == (low, high)


def test_limits_of_growing_data_change_rarely() -> None:
    """From 10 to 100,000 iterations, a few at a time: some six changes a decade."""
    limits, changes = None, 0
    for count in range(10, 100_000, 7):
        new = stepped(0.0, float(count), log=False, previous=limits)
        changes += new != limits
        limits = new
    assert changes <= 26


def test_limits_of_a_falling_loss_change_by_decades_once_there_are_two() -> None:
    limits, changes = None, 0
    for least in np.geomspace(1.0, 1e-6, 2000):
        new = stepped(float(least), 2.6, log=True, previous=limits)
        changes += new != limits
        limits = new
    assert changes <= 11
    assert limits == pytest.approx((1e-6, 5.0))


def test_limits_shrink_when_the_data_fill_little_of_them() -> None:
    assert stepped(0.0, 50.0, log=False, previous=(0.0, 100.0)) == (0.0, 100.0)
    assert stepped(0.0, 10.0, log=False, previous=(0.0, 100.0)) == (0.0, 10.0)


@pytest.mark.parametrize("value", [0.0, 5.0, -2.0, 1e-30])
def test_one_value_has_room_around_it(value: float) -> None:
    lo, hi = stepped(value, value, log=False)
    assert lo < hi and lo <= value <= hi


def test_data_below_the_resolution_of_numbers_still_have_a_scale() -> None:
    value = 1.0 + 1e-12
    lo, hi = stepped(1.0, value, log=False)
    assert hi - lo > 1e-3
