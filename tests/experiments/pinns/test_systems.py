"""Every system is what it says it is: the contract that a new file has to meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from engine.api import describe_struct, discover
from experiments.pinns.problem import System, grid_of, pose

SYSTEMS: dict[str, System] = discover("experiments.pinns.systems", "SYSTEM")[0]
EIGHTH_ORDER = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
EIGHTH_ORDER_TWICE = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return SYSTEMS[request.param]


def differences(system: System, c: Any, name: str, at: Mapping[str, np.ndarray]) -> np.ndarray:
    """A derivative of the reference, by central differences of the eighth order, axis by axis; closer together, the
    thinner the layers that a small diffusivity makes.
    """
    _, _, along = name.partition("_")
    if not along:
        return system.reference(c, *at.values())
    axis, order, others = along[0], along.count(along[0]), along.replace(along[0], "")
    thin = min(1.0, abs(system.linear(c).get("u_xx", 1.0)) ** 0.5) if axis == "x" else 1.0
    h = thin * 1e-3 * (1, 1, 2, 10, 20)[order]
    weights = reduce(np.convolve, [EIGHTH_ORDER_TWICE] * (order // 2) + [EIGHTH_ORDER] * (order % 2))
    total = np.zeros(np.broadcast(*at.values()).shape)
    for k, weight in enumerate(weights, start=-(len(weights) // 2)):
        shifted = {name: values + k * h * (name == axis) for name, values in at.items()}
        total += weight * differences(system, c, f"u_{others}", shifted)
    return total / h**order


def varied(system: System) -> Iterator[Any]:
    """The coefficients of the defaults with one of them changed, each in turn: what says a default where it means a
    coefficient is not the solution there.
    """
    for name in system.coefficients.__struct_fields__:
        low, high = bounds(system, name)
        usual = getattr(system.coefficients(), name)
        value = next(
            value for value in (0.8 * usual, 1.25 * usual, (low + high) / 2) if value != usual and low <= value
        )
        yield system.coefficients(**{name: value})


def test_the_reference_solves_the_equation(system: System) -> None:
    for c in (system.coefficients(), *varied(system)):
        assert deviation(system, c) < 1e-8, c


def deviation(system: System, c: Any) -> float:
    """The largest residual of the reference at points drawn by chance, over the largest linear term."""
    rng = np.random.default_rng(0)
    at = {axis: rng.uniform(low, high, 60) for axis, (low, high) in system.axes.items()}
    at["t"] = np.maximum(at["t"], 0.02)
    values = {name: differences(system, c, name, at) for name in system.derivatives(c)}
    residual = system.residual(c, {**values, **at})
    scale = max(np.abs(values[name] * factor).max() for name, factor in system.linear(c).items())
    return float(np.abs(residual).max() / scale)


def test_the_reference_meets_its_conditions(system: System) -> None:
    """All that a problem is posed with: what the reference meets is what a network is asked for."""
    middle = np.array([[sum(bounds) / 2 for bounds in system.axes.values()]])
    for c in (system.coefficients(), *varied(system)):
        posed = pose(system, c, middle, n_initial=50, n_boundary=40)
        names = {condition.term for condition in posed.conditions}
        assert names == ({"initial", "boundary"} if system.space else {"initial"})
        for condition in posed.conditions:
            found = differences(
                system, c, condition.derivative, dict(zip(system.axes, condition.points.T, strict=True))
            )
            if condition.minus is not None:
                found = found - differences(
                    system, c, condition.derivative, dict(zip(system.axes, condition.minus.T, strict=True))
                )
            np.testing.assert_allclose(found, condition.target, rtol=0, atol=1e-9)


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
    shape = (256, 100) if system.space else (1000,)
    field = grid.reference(system, system.coefficients())
    assert field.shape == grid.shape == shape
    assert grid.points.shape == (field.size, len(system.axes))
    assert field.ravel()[300] == pytest.approx(float(system.reference(system.coefficients(), *grid.points[300])))


def test_fast_growth_does_not_overflow() -> None:
    reaction = SYSTEMS["reaction"]
    field = grid_of(reaction).reference(reaction, reaction.coefficients(rho=100.0))
    assert field.min() >= 0 and field.max() <= 1


@pytest.mark.parametrize("name", [name for name, system in SYSTEMS.items() if system.slopes])
def test_slopes_are_the_derivatives_of_the_nonlinear_part(name: str) -> None:
    system, rng = SYSTEMS[name], np.random.default_rng(0)
    leaves = {read: torch.from_numpy(rng.standard_normal(30)).requires_grad_() for read in system.reads}
    c, at = system.coefficients(), SimpleNamespace(**leaves)
    names = [read for read in system.reads if read not in system.axes]
    expected = torch.autograd.grad(system.nonlinear(c, at).sum(), [leaves[read] for read in names])
    found = system.slopes(c, at)
    assert set(found) == set(names)
    for read, slope in zip(names, expected, strict=True):
        torch.testing.assert_close(found[read].detach(), slope)
