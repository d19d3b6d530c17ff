"""Every system is what it says it is: the contract that a new file has to meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from engine.api import discover
from experiments.pinns.problem import System, grid_of

SYSTEMS: dict[str, System] = discover("experiments.pinns.systems", "SYSTEM")[0]
EIGHTH_ORDER = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
EIGHTH_ORDER_TWICE = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return SYSTEMS[request.param]


def differences(system: System, c: Any, name: str, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """A derivative of the reference, by central differences of the eighth order; closer together, the thinner the
    layers that a small diffusivity makes.
    """
    order = name.removeprefix("u").removeprefix("_")
    if not order:
        return system.reference(c, x, t)
    assert len(set(order)) == 1 and len(order) <= 2
    weights, h = (
        (EIGHTH_ORDER, 1e-3)
        if len(order) == 1
        else (
            EIGHTH_ORDER_TWICE,
            2e-3 * min(1.0, abs(system.linear(c).get(name, 1.0)) ** 0.5),
        )
    )
    total = np.zeros(np.broadcast(x, t).shape)
    for k, weight in zip(range(-4, 5), weights, strict=True):
        dx, dt = (k * h, 0.0) if order[0] == "x" else (0.0, k * h)
        total += weight * system.reference(c, x + dx, t + dt)
    return total / h ** len(order)


def test_the_reference_solves_the_equation(system: System) -> None:
    c = system.coefficients()
    rng = np.random.default_rng(0)
    (x0, x1), (t0, t1) = system.axes["x"], system.axes["t"]
    x, t = rng.uniform(x0, x1, 120), rng.uniform(t0 + 0.02, t1 - 0.02, 120)
    values = {name: differences(system, c, name, x, t) for name in system.derivatives(c)}
    residual = system.residual(c, {**values, "x": x, "t": t})
    scale = max(np.abs(values[name] * factor).max() for name, factor in system.linear(c).items())
    assert np.abs(residual).max() < 1e-8 * scale


def test_the_reference_meets_the_initial_and_boundary_conditions(system: System) -> None:
    c = system.coefficients()
    x, t = np.linspace(*system.axes["x"], 50), np.linspace(*system.axes["t"], 50)
    start = np.full_like(x, system.axes["t"][0])
    for name, value in system.initial.items():
        np.testing.assert_allclose(differences(system, c, name, x, start), value(c, x), atol=1e-9)
    low, high = (np.full_like(t, end) for end in system.axes["x"])
    for name in system.periodic:
        np.testing.assert_allclose(
            differences(system, c, name, low, t), differences(system, c, name, high, t), atol=1e-9
        )


def test_the_residual_is_the_same_for_numpy_and_torch(system: System) -> None:
    c, rng = system.coefficients(), np.random.default_rng(1)
    names = [*system.derivatives(c), *system.axes, "u"]
    arrays = {name: rng.standard_normal(30) for name in names}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    np.testing.assert_allclose(system.residual(c, tensors).numpy(), system.residual(c, arrays), rtol=1e-14)


def test_the_reference_is_finite_at_the_bounds_of_every_coefficient(system: System) -> None:
    fields = system.coefficients.__struct_fields__
    schema = {name: bounds(system, name) for name in fields}
    for name, (low, high) in schema.items():
        for value in (low, high):
            field = grid_of(system).reference(system, system.coefficients(**{name: value}))
            assert np.isfinite(field).all(), f"{name}={value}"


def bounds(system: System, name: str) -> tuple[float, float]:
    from engine.api import describe_struct

    described = describe_struct(system.coefficients)[name]
    assert described["description"] and described["x-symbol"] and described["x-unit"]
    return described["minimum"], described["maximum"]


def test_a_system_says_what_a_list_shows_of_it(system: System) -> None:
    c = system.coefficients()
    values = {name: getattr(c, name) for name in system.coefficients.__struct_fields__}
    assert system.label.format(**values) != system.label
    assert system.title and system.summary and system.equation and system.source
    assert system.main in values and system.step > 0


def test_the_grid_is_that_of_the_papers(system: System) -> None:
    grid = grid_of(system)
    assert grid.points.shape == (256 * 100, 2)
    field = grid.reference(system, system.coefficients())
    assert field.shape == (256, 100)
    x, t = grid.points[300]
    assert field.ravel()[300] == pytest.approx(float(system.reference(system.coefficients(), x, t)))


def test_fast_growth_does_not_overflow() -> None:
    reaction = SYSTEMS["reaction"]
    field = grid_of(reaction).reference(reaction, reaction.coefficients(rho=100.0))
    assert field.min() >= 0 and field.max() <= 1
