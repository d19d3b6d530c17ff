from __future__ import annotations

from tui.raster.spark import sparkline


def test_values_rise_from_the_lowest_to_the_highest_bar() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6], 10, log=False) == "▁▂▃▄▅▆▇"


def test_positive_values_are_shown_by_magnitude() -> None:
    assert sparkline([1e-6, 1e-3, 1.0], 3) == "▁▄▇"
    assert sparkline([1e-6, 1e-3, 1.0], 3, log=False) == "▁▁▇"


def test_values_that_are_not_finite_are_blanks() -> None:
    nan, inf = float("nan"), float("inf")
    assert sparkline([1.0, nan, 2.0, inf, 4.0], 5) == "▁ ▄ ▇"
    assert sparkline([nan, nan], 5) == "  "


def test_more_values_than_cells_keep_the_last() -> None:
    assert sparkline([9.0] * 50 + [0.0] * 49 + [9.0], 4, log=False) == "▇▇▁▇"


def test_constant_and_empty() -> None:
    assert sparkline([3.0, 3.0], 5) == "▁▁"
    assert sparkline([], 5) == ""


def test_plain_characters(in_ascii: None) -> None:
    assert sparkline([0, 1, 2], 3, log=False) == "_~^"
