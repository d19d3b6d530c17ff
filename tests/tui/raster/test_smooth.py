from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.raster.smooth import moving_average


def plain_loop(values: np.ndarray, weight: float) -> np.ndarray:
    total = count = 0.0
    averages = []
    for value in values:
        total, count = weight * total, weight * count
        if np.isfinite(value):
            total, count = total + value, count + 1
        averages.append(total / count if np.isfinite(value) else np.nan)
    return np.array(averages)


value = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(float("inf")))


@settings(deadline=None)
@given(st.lists(value, max_size=1500), st.sampled_from([0.01, 0.3, 0.9, 0.99, 0.999]))
def test_average_is_that_of_a_plain_loop(values: list[float], weight: float) -> None:
    data = np.array(values, float)
    np.testing.assert_allclose(moving_average(data, weight), plain_loop(data, weight), rtol=1e-9, atol=1e-6)


def test_long_series_without_gaps() -> None:
    data = np.random.default_rng(0).normal(size=20_000) + 5
    np.testing.assert_allclose(moving_average(data, 0.99), plain_loop(data, 0.99), rtol=1e-10)


def test_constant_stays_constant_from_the_first_point() -> None:
    assert moving_average(np.full(1000, 3.5), 0.99) == pytest.approx(3.5)


def test_weight_zero_changes_nothing() -> None:
    assert moving_average(np.array([1.0, np.nan, 3.0]), 0.0).tolist()[::2] == [1.0, 3.0]


@pytest.mark.parametrize("weight", [-0.1, 1.0, float("nan")])
def test_weight_must_be_below_one(weight: float) -> None:
    with pytest.raises(ValueError, match=r"required a weight in \[0, 1\)"):
        moving_average(np.ones(3), weight)
