from __future__ import annotations

import numpy as np
import pytest

from experiments.metrics import maximum_error, mean_absolute_error, relative_l2

REFERENCE = np.array([[3.0, 0.0], [0.0, 4.0]])


def test_relative_l2_is_measured_in_norms_of_the_reference() -> None:
    assert relative_l2(REFERENCE, REFERENCE) == 0
    assert relative_l2(np.zeros((2, 2)), REFERENCE) == 1
    assert relative_l2(REFERENCE + 1, REFERENCE) == pytest.approx(2 / 5)


def test_absolute_and_maximum_error() -> None:
    predicted = REFERENCE + np.array([[1.0, -3.0], [0.0, 0.0]])
    assert mean_absolute_error(predicted, REFERENCE) == 1
    assert maximum_error(predicted, REFERENCE) == 3
