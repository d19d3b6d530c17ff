"""Optimisers beside torch's and scipy's, and the contract that every one of them meets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import torch

from engine.api import discover
from experiments.pinns.objective import objective
from experiments.pinns.optimizers import Evaluation, Minimiser, Optimizer, Stop, drive, lbfgs, ssbfgs, ssbroyden
from experiments.pinns.optimizers._line_search import CURVATURE, DECREASE, Trial, strong_wolfe
from experiments.pinns.optimizers._quasi_newton import Descent, QuasiNewton

OPTIMIZERS: dict[str, Optimizer] = discover("experiments.pinns.optimizers", "OPTIMIZER")[0]
DESCENTS = {key: found for key, found in OPTIMIZERS.items() if isinstance(found.make(found.settings()), Descent)}
ENDLESS = 10**9


class Function:
    """A function with its gradient, counting and remembering what it was asked."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._function = function
        self.losses: list[float] = []

    def __call__(self, x: torch.Tensor) -> Evaluation:
        leaf = x.detach().clone().requires_grad_()
        value = self._function(leaf)
        (gradient,) = torch.autograd.grad(value, leaf)
        self.losses.append(value.item())
        return Evaluation(value.item(), gradient)

    def numpy(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        at = self(torch.from_numpy(x))
        return at.loss, at.gradient.numpy()


def rosenbrock(x: torch.Tensor) -> torch.Tensor:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quadratic(size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Curvatures from 1 to 1,000, along axes that are not those of the parameters; the minimum, 0, is at x = 1."""
    axes, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))
    matrix = torch.from_numpy(axes @ np.diag(np.logspace(0, 3, size)) @ axes.T)
    return lambda x: (x - 1) @ matrix @ (x - 1) / 2


def minimise(minimiser: Minimiser, function: Function, x: torch.Tensor, iterations: int = 1000) -> Stop | None:
    drive(minimiser.begin(x), function)
    for _ in range(iterations):
        if stop := drive(minimiser.iterate(ENDLESS), function):
            return stop
    return None


def start(size: int) -> torch.Tensor:
    return torch.full((size,), -1.2, dtype=torch.float64)


# The line search


@pytest.mark.parametrize("step", [1e-4, 0.1, 1.0, 30.0])
def test_a_line_search_ends_where_the_wolfe_conditions_hold(step: float) -> None:
    function = Function(lambda x: torch.cosh(x[0] - 2) + 0.3 * torch.sin(4 * x[0]))
    x, direction = torch.tensor([0.0], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    at = function(x)
    slope = float(at.gradient.dot(direction))
    found = drive(strong_wolfe(x, direction, Trial(0.0, at, slope), step, 25, 1e-12), function)
    assert found.loss <= at.loss + DECREASE * found.step * slope
    assert abs(found.slope) <= CURVATURE * abs(slope)
    assert found.loss == function(x + found.step * direction).loss


def test_a_step_into_nothing_is_shortened() -> None:
    function = Function(lambda x: -torch.log(1 - x[0]) - 2 * x[0])  # NaN beyond 1, its minimum at 1/2
    x, direction = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    at = function(x)
    found = drive(strong_wolfe(x, direction, Trial(0.0, at, -1.0), 50.0, 25, 1e-12), function)
    assert math.isnan(function.losses[1])
    assert 0 < found.step < 1 and found.loss < 0


def test_a_search_that_finds_nothing_lower_returns_its_start() -> None:
    function = Function(lambda x: x[0] ** 2)
    x, direction = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    begin = Trial(0.0, function(x), -1.0)  # the slope is a lie
    assert drive(strong_wolfe(x, direction, begin, 1.0, 25, 1e-12), function) is begin


def test_a_search_keeps_to_its_budget() -> None:
    function = Function(rosenbrock)
    x = start(4)
    at = function(x)
    direction = -at.gradient
    drive(strong_wolfe(x, direction, Trial(0.0, at, float(at.gradient.dot(direction))), 1.0, 3, 0.0), function)
    assert len(function.losses) == 1 + 3


# L-BFGS beside torch's


def torch_losses(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, history: int, most: int
) -> list[float]:
    parameter, losses = x.clone().requires_grad_(), []
    theirs = torch.optim.LBFGS(
        [parameter],
        max_iter=most,
        max_eval=ENDLESS,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        history_size=history,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        theirs.zero_grad()
        loss = function(parameter)
        loss.backward()
        losses.append(loss.item())
        return loss

    theirs.step(closure)
    return losses


@pytest.mark.parametrize("history", [3, 100])
@pytest.mark.parametrize(
    ("function", "size", "iterations"), [(rosenbrock, 2, 24), (rosenbrock, 10, 40), (quadratic(12), 12, 40)]
)
def test_lbfgs_makes_the_evaluations_of_torch(function: Any, size: int, iterations: int, history: int) -> None:
    expected = torch_losses(function, start(size), history, iterations)
    ours = Function(function)
    minimise(lbfgs.LBFGS(lbfgs.Settings(history=history)), ours, start(size), iterations)
    assert len(ours.losses) == len(expected) > 20
    np.testing.assert_allclose(ours.losses, expected, rtol=1e-6, atol=1e-14)


def test_lbfgs_makes_the_evaluations_of_torch_on_a_network(network_of: Any, weights_of: Any, problem_of: Any) -> None:
    system = discover("experiments.pinns.systems", "SYSTEM")[0]["reaction"]
    network = network_of()
    function = objective(network, problem_of(system, system.coefficients()))
    losses: list[float] = []

    def recorded(x: torch.Tensor) -> Evaluation:
        at = function(x)
        losses.append(at.loss)
        return at

    class Autograd(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            at = function(x)
            ctx.save_for_backward(at.gradient)
            return x.new_tensor(at.loss)

        @staticmethod
        def backward(ctx: Any, by: torch.Tensor) -> torch.Tensor:
            return by * ctx.saved_tensors[0]

    flat = weights_of(network)
    expected = torch_losses(Autograd.apply, flat, 20, 40)
    minimiser = lbfgs.LBFGS(lbfgs.Settings(history=20))
    drive(minimiser.begin(flat), recorded)
    for _ in range(40):
        assert drive(minimiser.iterate(ENDLESS), recorded) is None
    assert len(losses) == len(expected)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


# The self-scaled family beside scipy's BFGS


@pytest.mark.parametrize("component", [ssbfgs, ssbroyden])
@pytest.mark.parametrize(("function", "size"), [(rosenbrock, 2), (rosenbrock, 12), (quadratic(12), 12)])
def test_self_scaled_methods_reach_the_minimum_in_evaluations_like_scipys_bfgs(
    component: Any, function: Any, size: int
) -> None:
    theirs = Function(function)
    scipy.optimize.minimize(theirs.numpy, start(size).numpy(), jac=True, method="BFGS", options={"gtol": 1e-9})
    ours = Function(function)
    minimiser = component.make(QuasiNewton(tolerance_change=0.0))
    minimise(minimiser, ours, start(size))
    assert min(ours.losses) < 1e-18
    assert torch.allclose(minimiser.x, torch.ones(size, dtype=torch.float64), atol=1e-8)
    assert len(ours.losses) < 2.5 * len(theirs.losses)


@pytest.mark.parametrize("component", [ssbfgs, ssbroyden])
def test_the_inverse_hessian_meets_the_secant_equation_and_is_the_published_update(component: Any) -> None:
    function, minimiser = Function(rosenbrock), component.make(QuasiNewton())
    drive(minimiser.begin(start(6)), function)
    for _ in range(9):
        drive(minimiser.iterate(ENDLESS), function)
    before, x, at = minimiser._inverse.clone(), minimiser.x, minimiser.at
    drive(minimiser.iterate(ENDLESS), function)
    after, s, y = minimiser._inverse, minimiser.x - x, minimiser.at.gradient - at.gradient
    torch.testing.assert_close(after @ y, s, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(after, after.T, rtol=1e-12, atol=1e-14)
    assert float(torch.linalg.eigvalsh(after)[0]) > 0
    hy, ys = before @ y, y @ s
    yhy = y @ hy
    b, h = float(s @ torch.linalg.solve(before, s) / ys), float(yhy / ys)
    phi, tau = component.rule(b, h, 6)
    v = yhy.sqrt() * (s / ys - hy / yhy)
    published = (before - hy.outer(hy) / yhy + phi * v.outer(v)) / tau + s.outer(s) / ys
    torch.testing.assert_close(after, published, rtol=1e-6, atol=1e-9)


def test_ssbroyden_is_ssbfgs_where_the_step_was_foreseen() -> None:
    assert ssbroyden.rule(2.0, 0.5, 10) == ssbfgs.rule(2.0, 0.5, 10) == (1.0, 0.5)


@pytest.mark.parametrize("self_scaled", [ssbfgs.OPTIMIZER, ssbroyden.OPTIMIZER], ids=["ssbfgs", "ssbroyden"])
def test_a_step_that_gains_hardly_anything_ends_a_stage_only_from_steepest_descent(self_scaled: Optimizer) -> None:
    """Where the curvature that was learnt allows steps along one axis only, and the minimum lies along the others."""
    steep, others = 1000.0, torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64)
    curvatures = torch.cat([torch.tensor([steep], dtype=torch.float64), others])
    function = Function(lambda x: (curvatures * x.square()).sum() / 2)
    minimiser = fresh(self_scaled)
    drive(minimiser.begin(torch.tensor([2e-10, 1e-4, 1e-4, 1e-4], dtype=torch.float64)), function)
    misled = torch.zeros(4, 4, dtype=torch.float64)
    misled[0, 0] = 1
    minimiser.restore({**minimiser.state(), "inverse": misled.numpy(), "fresh": False}, start(4))
    lost = minimiser.at.loss
    assert drive(minimiser.iterate(ENDLESS), function) is None
    assert 0 < lost - minimiser.at.loss < 1e-14
    stop = None
    while stop is None:
        stop = drive(minimiser.iterate(ENDLESS), function)
    assert minimiser.at.loss < 1e-17
    flat = Function(lambda x: 1 + 1e-8 * x.square().sum())
    assert minimise(fresh(self_scaled, tolerance_gradient=0.0), flat, 1e-4 * torch.ones(4).double(), 3) is Stop.CHANGE


# What every optimiser does


@pytest.fixture(params=OPTIMIZERS)
def optimizer(request: pytest.FixtureRequest) -> Optimizer:
    return OPTIMIZERS[request.param]


@pytest.fixture(params=DESCENTS)
def descent(request: pytest.FixtureRequest) -> Optimizer:
    """Those that search along a line."""
    return DESCENTS[request.param]


def fresh(optimizer: Optimizer, **settings: Any) -> Minimiser:
    return optimizer.make(optimizer.settings(**settings))


def test_a_quadratic_is_minimised(descent: Optimizer) -> None:
    minimiser = fresh(descent)
    assert minimise(minimiser, Function(quadratic(8)), start(8)) in (Stop.GRADIENT, Stop.CHANGE)
    assert torch.allclose(minimiser.x, torch.ones(8, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("iterations", [0, 1, 7, 150])
def test_a_restored_optimiser_goes_on_bit_for_bit(optimizer: Optimizer, iterations: int) -> None:
    settings = {"history": 40} if "history" in optimizer.settings.__struct_fields__ else {}
    one, two, function = fresh(optimizer, **settings), fresh(optimizer, **settings), Function(rosenbrock)
    drive(one.begin(start(40)), function)
    for _ in range(iterations):
        drive(one.iterate(ENDLESS), function)
    state = one.state()
    for _ in range(10):
        drive(one.iterate(ENDLESS), function)
    two.restore(state, start(1))
    for _ in range(10):
        drive(two.iterate(ENDLESS), function)
    assert torch.equal(one.x, two.x)
    assert one.at.loss == two.at.loss and torch.equal(one.at.gradient, two.at.gradient)


def test_a_state_is_made_of_arrays_and_scalars(optimizer: Optimizer) -> None:
    minimiser = fresh(optimizer)
    minimise(minimiser, Function(rosenbrock), start(5), 5)

    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(plain, value.values()))
        return value is None or isinstance(value, np.ndarray | bool | int | float | str)

    assert plain(minimiser.state())


def test_curvature_is_kept_when_the_function_changes(descent: Optimizer) -> None:
    """Of a quadratic and its double: the second is minimised in fewer evaluations than from nothing."""
    first, second = quadratic(8), lambda x: 2 * quadratic(8)(x + 0.1)
    minimiser = fresh(descent)
    minimise(minimiser, Function(first), start(8))
    carried, anew = Function(second), Function(second)
    minimise(minimiser, carried, minimiser.x)
    minimise(fresh(descent), anew, minimiser.x + 0.1)
    assert len(carried.losses) < len(anew.losses)


def test_a_loss_that_is_not_finite_is_said(optimizer: Optimizer) -> None:
    minimiser = fresh(optimizer)
    assert minimise(minimiser, Function(lambda x: torch.log(x).sum()), -torch.ones(3).double()) is Stop.NOT_FINITE


def test_a_minimum_is_recognised(optimizer: Optimizer) -> None:
    minimiser = fresh(optimizer)
    assert minimise(minimiser, Function(quadratic(4)), torch.ones(4).double()) is Stop.GRADIENT


def test_a_direction_without_descent_is_said(descent: Optimizer) -> None:
    """A gradient of the wrong sign: after steepest descent there is nothing left to try."""

    def wrong(x: torch.Tensor) -> Evaluation:
        return Evaluation(float(x.square().sum()), -2 * x)

    minimiser = fresh(descent)
    drive(minimiser.begin(torch.ones(3).double()), wrong)
    assert drive(minimiser.iterate(ENDLESS), wrong) is Stop.LINE_SEARCH


def test_memory_is_estimated(optimizer: Optimizer) -> None:
    minimiser = fresh(optimizer)
    minimise(minimiser, Function(rosenbrock), start(60), 20)
    held = sum(array.nbytes for array in _arrays(minimiser.state()))
    assert held < optimizer.memory(optimizer.settings(), 60) + 10_000


def _arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, dict):
        return [array for inner in value.values() for array in _arrays(inner)]
    return [value] if isinstance(value, np.ndarray) else []
