from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import palette
from tui.widgets import columns
from tui.widgets.columns import GAP, Column, layout, sort_order


def column(key: str, width: int, importance: int, least: int = 0, most: int = 0) -> Column:
    return Column(key, key, lambda record: record, columns.words, width, least, most, importance=importance)


COLUMNS = (
    column("run", 4, 90),
    column("system", 16, 80, least=10, most=24),
    column("dtype", 8, 10),
    column("loss", 8, 70),
)


def placed(width: int) -> list[tuple[str, int, int]]:
    return [(each.column.key, each.x, each.width) for each in layout(COLUMNS, width)]


def test_columns_that_fit_have_the_width_they_like() -> None:
    assert placed(42) == [("run", 0, 4), ("system", 6, 16), ("dtype", 24, 8), ("loss", 34, 8)]


def test_a_column_gives_way_to_its_least_before_another_goes() -> None:
    assert placed(36) == [("run", 0, 4), ("system", 6, 10), ("dtype", 18, 8), ("loss", 28, 8)]


def test_the_least_important_column_goes_first() -> None:
    assert [key for key, _, _ in placed(35)] == ["run", "system", "loss"]
    assert [key for key, _, _ in placed(20)] == ["run", "system"]
    assert placed(3) == [("run", 0, 3)]


def test_what_is_left_over_goes_to_those_that_can_use_it() -> None:
    assert placed(60)[1] == ("system", 6, 24)


@given(st.integers(1, 300))
def test_columns_stay_within_the_width_and_do_not_overlap(width: int) -> None:
    found = placed(width)
    assert found and found[-1][1] + found[-1][2] <= width
    assert all(a[1] + a[2] + GAP == b[1] for a, b in pairwise(found))


def test_sorting_puts_what_is_missing_last_either_way() -> None:
    values = [3.0, None, 1.0, float("nan"), 2.0]
    assert sort_order("abcde", values, reverse=False) == ["c", "e", "a", "b", "d"]
    assert sort_order("abcde", values, reverse=True) == ["a", "e", "c", "b", "d"]


def test_sorting_keeps_the_order_of_equal_values() -> None:
    assert sort_order("abcd", [1, 0, 1, 0], reverse=False) == ["b", "d", "a", "c"]
    assert sort_order("abcd", [1, 0, 1, 0], reverse=True) == ["a", "c", "b", "d"]


def test_sorting_numbers_and_words_together_does_not_fail() -> None:
    assert sort_order("abc", ["x", 2, 1], reverse=False) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("show", "value", "expected"),
    [
        (columns.words, "\x1b[31mred\x07", "red"),
        (columns.words, None, ""),
        (columns.whole, 12345, "12,345"),
        (columns.measured(2), 0.0149, "1.5e-2"),
        (columns.measured(), None, "–"),
        (columns.measured(), 1e-300, "1.0e-300"),
        (columns.setting, 30.0, "30"),
        (columns.elapsed, 3753.0, "1:02:33"),
        (columns.ago, 200.0, "3 min"),
        (columns.memory, 1.25e9, "1.2 GB"),
        (columns.quiet, "note", [("note", "muted")]),
        (columns.state, ("done", ""), [("✓", palette.GREEN), (" done", "")]),
        (columns.state, ("running", "β=20"), [("●", palette.SKY), (" β=20", "")]),
        (columns.state, ("lost", "host gone"), [("?", palette.status("lost")[1]), (" lost", "")]),
        (columns.trend, (1.0, 10.0), [("▁▇", "muted")]),
    ],
)
def test_values_are_shown_in_the_notation_of_their_kind(show: object, value: object, expected: object) -> None:
    assert show(value, 8) == expected
