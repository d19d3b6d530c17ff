from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.raster import dots
from tui.raster.scale import Scale

COLUMNS, ROWS = 20, 16
SX, SY = Scale(0.0, COLUMNS - 1.0, COLUMNS), Scale(0.0, ROWS - 1.0, ROWS, flipped=True)
"""One unit is one dot; y = 0 is the lowest row."""


def drawn(mask: np.ndarray) -> list[str]:
    return ["".join("#" if dot else "." for dot in row) for row in mask]


def scales(columns: int, rows: int) -> tuple[Scale, Scale]:
    return Scale(0.0, max(columns - 1.0, 1.0), columns), Scale(0.0, max(rows - 1.0, 1.0), rows, flipped=True)


def curve(x: list[float], y: list[float], columns: int, rows: int) -> list[str]:
    return drawn(dots.curve(np.array(x), np.array(y), *scales(columns, rows)))


def test_single_sample_is_one_dot() -> None:
    assert curve([1], [0], 3, 2) == ["...", ".#."]


def test_line_between_two_samples_is_one_dot_thick() -> None:
    assert curve([0, 5], [0, 2], 6, 3) == ["....##", "..##..", "##...."]


def test_steep_line_has_no_holes_and_no_dot_twice() -> None:
    assert curve([0, 1], [0, 5], 2, 6) == [".#", ".#", ".#", "#.", "#.", "#."]


def test_samples_in_one_column_become_their_range() -> None:
    assert curve([0, 0.1, 0.2, 1], [2, 0, 4, 4], 2, 5) == ["##", "#.", "#.", "#.", "#."]


def test_gap_at_a_value_that_is_not_finite() -> None:
    for hole in (np.nan, np.inf, -np.inf):
        assert curve([0, 1, 2, 3, 4], [0, 0, hole, 0, 0], 5, 1) == ["##.##"]


def test_gap_at_an_x_that_is_not_finite() -> None:
    assert curve([0, 1, np.nan, 3, 4], [0, 0, 0, 0, 0], 5, 1) == ["##.##"]


def test_gap_narrower_than_a_column_is_not_bridged() -> None:
    assert curve([0, 0.1, 0.2], [0, np.nan, 4], 1, 5) == ["#", ".", ".", ".", "#"]


def test_curve_that_goes_back_is_not_filled() -> None:
    """A closed square: its inside stays empty."""
    assert curve([0, 4, 4, 0, 0], [0, 0, 4, 4, 0], 5, 5) == ["#####", "#...#", "#...#", "#...#", "#####"]


def test_line_is_cut_exactly_at_the_upper_edge() -> None:
    """It leaves the grid at x = 2; a clamped sample would draw along the edge."""
    assert curve([0, 4], [0, 4], 5, 3) == ["..#..", ".#...", "#...."]


def test_neighbours_beyond_the_sides_are_joined_to() -> None:
    assert curve([-3, 6], [-1, 2], 5, 3) == [".....", "..###", "##..."]


def test_far_away_samples_do_not_overflow() -> None:
    assert curve([-1e300, 1e300], [1, 1], 3, 3) == ["...", "###", "..."]
    assert curve([1, 1], [-1e308, 1e308], 3, 2) == [".#.", ".#."]


def test_nothing_is_drawn_of_nothing() -> None:
    assert not dots.curve(np.array([]), np.array([]), SX, SY).any()
    assert not dots.curve(np.array([np.nan]), np.array([1.0]), SX, SY).any()
    assert not dots.curve(np.array([100.0, 101.0]), np.array([1.0, 1.0]), SX, SY).any()


def test_integers_are_drawn_as_their_values() -> None:
    x, y = np.arange(20), np.arange(20) % 16
    assert (dots.curve(x, y, SX, SY) == dots.curve(x.astype(float), y.astype(float), SX, SY)).all()


def test_zero_is_a_gap_on_a_log_axis() -> None:
    sx, sy = Scale(0.0, 4.0, 5), Scale(1.0, 100.0, 3, log=True, flipped=True)
    y = np.array([100.0, 10.0, 0.0, 10.0, 1.0])
    assert drawn(dots.curve(np.arange(5.0), y, sx, sy)) == ["#....", ".#.#.", "....#"]


def test_line_is_straight_in_the_logarithm() -> None:
    sx, sy = Scale(0.0, 4.0, 5), Scale(1e-4, 1.0, 5, log=True, flipped=True)
    assert drawn(dots.curve(np.array([0.0, 4.0]), np.array([1.0, 1e-4]), sx, sy)) == [
        "#....",
        ".#...",
        "..#..",
        "...#.",
        "....#",
    ]


def test_log_x_axis_places_decades_evenly() -> None:
    sx, sy = Scale(1.0, 1000.0, 4, log=True), Scale(0.0, 0.0 + 1, 1, flipped=True)
    mask = dots.curve(np.array([0.0, 1.0, 10.0, 1000.0]), np.zeros(4), sx, sy)
    assert drawn(mask) == ["####"]


def test_band_fills_between_two_curves_and_stops_at_a_gap() -> None:
    x = np.arange(5.0)
    lo, hi = np.array([0, 0, np.nan, 1, 1.0]), np.array([2, 2, 2, 2, 2.0])
    sx, sy = Scale(0.0, 4.0, 5), Scale(0.0, 3.0, 4, flipped=True)
    assert drawn(dots.band(x, lo, hi, sx, sy)) == [".....", "##.##", "##.##", "##..."]


def test_band_below_zero_leaves_a_log_axis_at_its_foot() -> None:
    sx, sy = Scale(0.0, 1.0, 2), Scale(1.0, 100.0, 3, log=True, flipped=True)
    mask = dots.band(np.arange(2.0), np.array([-5.0, -5.0]), np.array([10.0, 10.0]), sx, sy)
    assert drawn(mask) == ["..", "##", "##"]


def test_bars_stand_where_their_samples_are() -> None:
    mask = dots.bars(np.array([1.0, 3.0, 4.0]), np.array([0.0, 1.0, np.nan]), np.array([2.0, 9.0, 1.0]), *scales(5, 4))
    assert drawn(mask) == ["...#.", ".#.#.", ".#.#.", ".#..."]


def test_points_beyond_the_scales_are_left_out() -> None:
    sx, sy = scales(4, 8)
    columns, rows = dots.points(np.array([0.0, 3.0, 9.0, 1.0]), np.array([7.0, 0.0, 1.0, np.nan]), sx, sy)
    assert list(zip(columns.tolist(), rows.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_braille_has_its_dots_where_unicode_says() -> None:
    expected = {(0, 0): "⠁", (1, 0): "⠂", (2, 0): "⠄", (0, 1): "⠈", (1, 1): "⠐", (2, 1): "⠠", (3, 0): "⡀", (3, 1): "⢀"}
    for (row, column), character in expected.items():
        mask = np.zeros((4, 2), bool)
        mask[row, column] = True
        assert chr(dots.braille(dots.bits(mask))[0, 0]) == character
    assert chr(dots.braille(dots.bits(np.ones((4, 2), bool)))[0, 0]) == "⣿"
    assert chr(dots.braille(dots.bits(np.zeros((4, 2), bool)))[0, 0]) == " "


def test_plain_characters_show_the_height_and_strokes() -> None:
    heights = []
    for row in range(4):
        mask = np.zeros((4, 2), bool)
        mask[row] = True
        heights.append(chr(dots.plain(dots.bits(mask))[0, 0]))
    assert heights == ["'", "-", ".", "_"]
    assert chr(dots.plain(dots.bits(np.ones((4, 2), bool)))[0, 0]) == "|"


# -- properties --------------------------------------------------------------------------------------------------------

reach = st.floats(-10, 30, width=32)
samples = st.lists(st.tuples(reach, st.one_of(reach, st.just(float("nan")))), min_size=1, max_size=60)
orders = st.booleans()


def _arrays(pairs: list[tuple[float, float]], rising: bool) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.array(pairs, float).T
    return (np.sort(x), y) if rising else (x, y)


@settings(deadline=None, max_examples=150)
@given(samples, orders)
def test_every_sample_in_range_lights_its_dot(pairs: list[tuple[float, float]], rising: bool) -> None:
    x, y = _arrays(pairs, rising)
    mask = dots.curve(x, y, SX, SY)
    u, v = SX.place(x), SY.place(y)
    for column, row in zip(u, v, strict=True):
        if 0 <= column <= COLUMNS - 1 and 0 <= row <= ROWS - 1:
            nearest = [(r, c) for c in _nearest(column) for r in _nearest(row)]  # either one for a tie
            assert any(mask[r, c] for r, c in nearest)


def _nearest(place: float) -> set[int]:
    return {int(np.rint(place - 1e-6)), int(np.rint(place + 1e-6))}


@settings(deadline=None, max_examples=150)
@given(samples, orders)
def test_no_dot_is_lit_that_the_curve_does_not_pass(pairs: list[tuple[float, float]], rising: bool) -> None:
    x, y = _arrays(pairs, rising)
    mask = dots.curve(x, y, SX, SY)
    u, v = SX.place(x), SY.place(y)
    whole = np.isfinite(u) & np.isfinite(v)
    parts = [(a, b) for a, b in zip(range(len(u)), range(1, len(u)), strict=False) if whole[a] and whole[b]]
    parts += [(a, a) for a in range(len(u)) if whole[a]]
    for row, column in np.argwhere(mask):
        assert any(_passes(u[a], v[a], u[b], v[b], column, row) for a, b in parts)


def _passes(u0: float, v0: float, u1: float, v1: float, column: int, row: int) -> bool:
    """Whether a line passes the square about a dot (Liang and Barsky 1984)."""
    enter, leave, half = 0.0, 1.0, 0.5 + 1e-6
    for start, step, centre in ((u0, u1 - u0, column), (v0, v1 - v0, row)):
        low, high = centre - half - start, centre + half - start
        if step == 0:
            if not low <= 0 <= high:
                return False
            continue
        near, far = sorted((low / step, high / step))
        enter, leave = max(enter, near), min(leave, far)
    return enter <= leave


@settings(deadline=None, max_examples=80)
@given(samples)
def test_curve_is_connected_from_column_to_column(pairs: list[tuple[float, float]]) -> None:
    x, y = (
        _arrays([(a, min(max(b, 0.0), ROWS - 1.0)) for a, b in pairs if b == b], rising=True)
        if any(b == b for _, b in pairs)
        else (np.zeros(1), np.zeros(1))
    )
    mask = dots.curve(x, y, SX, SY)
    lit = np.flatnonzero(mask.any(axis=0))
    assert (np.diff(lit) == 1).all()
    for a, b in pairwise(lit):
        rows_a, rows_b = np.flatnonzero(mask[:, a]), np.flatnonzero(mask[:, b])
        assert np.abs(rows_a[:, None] - rows_b[None, :]).min() <= 1


@settings(deadline=None, max_examples=60)
@given(st.integers(1000, 20000), st.integers(0, 10**6), st.floats(1.0, ROWS - 1.0))
def test_a_spike_among_many_points_is_never_hidden(count: int, where: int, height: float) -> None:
    x, y = np.linspace(0, COLUMNS - 1, count), np.zeros(count)
    y[where % count] = height
    top = np.flatnonzero(dots.curve(x, y, SX, SY).any(axis=1)).min()
    assert top == int(np.rint(SY.place(np.array([height]))[0]))


@pytest.mark.parametrize("count", [50, 5000])
def test_order_of_x_makes_no_difference_to_a_curve_that_rises(count: int) -> None:
    """The bisecting path and the general one draw the same."""
    rng = np.random.default_rng(count)
    x, y = np.sort(rng.uniform(-3, 25, count)), rng.uniform(-3, 20, count)
    y[:: max(count // 7, 1)] = np.nan
    fast = dots.curve(x, y, SX, SY)
    general = dots.curve(np.append(x, np.nan), np.append(y, np.nan), SX, SY)  # NaN: not known to rise
    assert (fast == general).all()
