from __future__ import annotations

import math

import pytest

from engine.cells import Measure, Rate, digits, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98312, "9.83e-1"),
        (0.0150, "1.50e-2"),
        (0.00999, "9.99e-3"),
        (1.036e-4, "1.04e-4"),
        (12.345, "12.3"),
        (123.45, "123"),
        (12345.6, "1.23e4"),
        (99999.9, "1.00e5"),
        (-0.5, "-5.00e-1"),
        (0.0, "0"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_show_three_significant_digits(value, text):
    assert digits(value) == text


def test_cells_for_people():
    assert shown(Measure(mean=0.98312, std=0.0012, n=3, of=3)) == "9.83e-1 ± 1.20e-3"
    assert shown(Measure(mean=0.5, std=None, n=1, of=3)) == "5.00e-1 (1 of 3)"
    assert shown(Measure(mean=None, std=None, n=0, of=3)) == "– (0 of 3)"
    assert shown(Rate(succeeded=2, of=3)) == "2/3"
    assert shown(True) == "yes"
    assert shown([1, 5.0]) == "1,5"
    assert shown(None) == "–"


def test_what_was_set_is_shown_as_set_and_what_was_measured_in_three_digits():
    assert [shown(value, "exact") for value in (30.0, 12.125, 0.1, 1e-7)] == ["30", "12.125", "0.1", "1e-07"]
    assert [shown(value, "number") for value in (30.0, 12.125, 0.1)] == ["30.0", "12.1", "1.00e-1"]
    assert [shown(value, "seconds") for value in (12.125, 1234.5)] == ["12.1", "1234"]
    assert shown(0, "time") == "1970-01-01T00:00:00Z"
