"""A problem posed: where its conditions are asked for, and what they ask."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from experiments.pinns.problem import Condition, Grid, Problem, System, grid_of, pose
from experiments.pinns.systems import burgers, convection, oscillator, wave


def posed(system: System, **sizes: int) -> Problem:
    points = np.zeros((3, len(system.axes)))
    return pose(system, system.coefficients(), points, **{"n_initial": 5, "n_boundary": 4, **sizes})


def conditions(problem: Problem, term: str) -> list[Condition]:
    return [condition for condition in problem.conditions if condition.term == term]


def test_a_periodic_boundary_is_pairs_of_points_and_its_end_point_is_its_first() -> None:
    problem = posed(convection.SYSTEM)
    (initial,), (boundary,) = conditions(problem, "initial"), conditions(problem, "boundary")
    np.testing.assert_allclose(initial.points[:, 0], 2 * np.pi * np.arange(5) / 5)
    assert boundary.minus is not None
    np.testing.assert_allclose(boundary.minus - boundary.points, [[2 * np.pi, 0]] * 4)
    np.testing.assert_array_equal(boundary.target, 0)


def test_an_end_with_a_value_is_asked_for_it_at_each_time() -> None:
    c, t = wave.Coefficients(beta=1.5), np.linspace(0, 1, 4)
    problem = pose(wave.SYSTEM, c, np.zeros((3, 2)), n_initial=5, n_boundary=4)
    lower, upper = conditions(problem, "boundary")
    np.testing.assert_array_equal(lower.points, np.column_stack([np.zeros(4), t]))
    np.testing.assert_array_equal(upper.points, np.column_stack([np.ones(4), t]))
    assert lower.minus is upper.minus is None
    np.testing.assert_array_equal(lower.target, 0)
    np.testing.assert_allclose(upper.target, wave.reference(c, np.ones(4), t), atol=1e-15)
    values, velocities = conditions(problem, "initial")
    assert (values.derivative, velocities.derivative) == ("u", "u_t")
    assert values.points[-1, 0] == 1.0  # not periodic: both ends are there


def test_an_ode_starts_from_a_point_and_has_no_boundary() -> None:
    problem = posed(oscillator.SYSTEM)
    assert problem.terms == ("residual", "initial")
    for condition, expected in zip(conditions(problem, "initial"), (("u", 1.0), ("u_t", 0.0)), strict=True):
        assert (condition.derivative, condition.points.tolist()) == (expected[0], [[0.0]])
        assert condition.target.tolist() == [expected[1]]


def test_a_window_of_time_is_posed_in_it() -> None:
    late = msgspec.structs.replace(burgers.SYSTEM, axes={"x": (-1.0, 1.0), "t": (0.5, 0.75)})
    problem = posed(late)
    (initial,), (lower, _) = conditions(problem, "initial"), conditions(problem, "boundary")
    assert set(initial.points[:, 1]) == {0.5}
    np.testing.assert_allclose(lower.points[:, 1], np.linspace(0.5, 0.75, 4))


@pytest.mark.parametrize("system", [convection.SYSTEM, burgers.SYSTEM, oscillator.SYSTEM], ids=lambda s: s.title)
def test_a_sub_lattice_is_part_of_the_lattice(system: System) -> None:
    whole, c = grid_of(system), system.coefficients()
    part: Any = tuple(slice(None, None, 2) for _ in system.space)
    sub = whole.every(**{axis: 2 if axis != "t" else 3 for axis in system.axes}).until(0.5)
    found = sub.reference(system, c)
    assert found.shape == sub.shape and sub.axes["t"].max() <= 0.5
    np.testing.assert_allclose(found, whole.reference(system, c)[(*part, slice(None, None, 3))][..., : sub.shape[-1]])


def test_points_are_in_the_order_of_a_flattened_field() -> None:
    grid = Grid(axes={"x": np.array([1.0, 2.0]), "t": np.array([3.0, 4.0, 5.0])})
    np.testing.assert_array_equal(grid.points, [[1, 3], [1, 4], [1, 5], [2, 3], [2, 4], [2, 5]])
