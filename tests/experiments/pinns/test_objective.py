"""Losses and gradients: the fast passes against automatic differentiation, and that against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from engine.api import Spec, discover
from experiments.models import mlp
from experiments.pinns import network as module
from experiments.pinns.field import Field
from experiments.pinns.network import Network, residuals
from experiments.pinns.objective import Automatic, Fused, objective
from experiments.pinns.plan import plan
from experiments.pinns.problem import System

Make = Callable[..., Any]
SYSTEMS: dict[str, System] = discover("experiments.pinns.systems", "SYSTEM")[0]


class Coefficients(Spec, frozen=True, kw_only=True):
    nu: float = 0.3


def made(**parts: Any) -> System:
    """A system made up for its derivatives; it has no solution to speak of."""
    words = dict.fromkeys(("title", "summary", "equation", "source", "label"), "")
    return System(
        **{
            "initial": {"u": lambda c, x: np.sin(x)},
            "periodic": ("u",),
            "reference": lambda c, x, t: np.sin(x - t),
            "coefficients": Coefficients,
            "main": "nu",
            "step": 1.0,
            **words,
            **parts,
        }
    )


MADE = {
    "heat": made(linear=lambda c: {"u_t": 1.0, "u_xx": -c.nu}),
    "reaction_diffusion": made(
        linear=lambda c: {"u_t": 1.0, "u_xx": -c.nu}, nonlinear=lambda c, d: -5 * d.u * (1 - d.u), reads=("u",)
    ),
    "burgers_forced": made(
        linear=lambda c: {"u_t": 1.0, "u_xx": -c.nu, "u": 0.7},
        nonlinear=lambda c, d: d.u * d.u_x + d.t * d.u**2,
        reads=("u", "u_x", "t"),
        periodic=("u", "u_x"),
    ),
    "wave": made(
        linear=lambda c: {"u_tt": 1.0, "u_xx": -c.nu},
        initial={"u": lambda c, x: np.sin(x), "u_t": lambda c, x: np.cos(x)},
    ),
    "quasilinear": made(
        linear=lambda c: {"u_t": 1.0}, nonlinear=lambda c, d: d.u_xx * d.u + d.u_t**2, reads=("u", "u_xx", "u_t")
    ),
    "decay": made(linear=lambda c: {"u_t": 1.0, "u": c.nu}),
    "walls": made(
        axes={"x": (-1.0, 2.0), "t": (0.5, 1.0)},
        linear=lambda c: {"u_t": 1.0, "u_xx": -c.nu},
        periodic=(),
        boundary={"u": (lambda c, t: np.sin(t), lambda c, t: 0.0), "u_x": (lambda c, t: c.nu, lambda c, t: t)},
    ),
}
ALL = {**SYSTEMS, **MADE}


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("name", ALL)
def test_fast_passes_agree_with_automatic_differentiation(
    name: str, network_of: Make, weights_of: Make, problem_of: Make
) -> None:
    system = ALL[name]
    network = network_of(axes=len(system.axes))
    problem, flat = problem_of(system, system.coefficients()), weights_of(network)
    fast, slow = objective(network, problem), Automatic(network, problem)
    assert isinstance(fast, Fused)
    ours, theirs = fast(flat), slow(flat)
    assert difference(ours.gradient, theirs.gradient) < 1e-13
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-13)
    assert ours.terms == pytest.approx(dict(theirs.terms), rel=1e-12)


@pytest.mark.parametrize("name", ["burgers_forced", "wave", "quasilinear"])
def test_fast_passes_know_factorised_weights(name: str, network_of: Make, weights_of: Make, problem_of: Make) -> None:
    system, network = ALL[name], network_of(axes=len(ALL[name].axes), factorised=True)
    problem, flat = problem_of(system, system.coefficients()), weights_of(network)
    fast, slow = objective(network, problem), Automatic(network, problem)
    assert isinstance(fast, Fused)
    ours, theirs = fast(flat), slow(flat)
    assert difference(ours.gradient, theirs.gradient) < 1e-13
    assert ours.terms == pytest.approx(dict(theirs.terms), rel=1e-12)


@pytest.mark.parametrize("name", ["convection", "burgers_forced", "wave"])
def test_blocks_change_nothing_but_the_order_of_sums(
    name: str, monkeypatch: pytest.MonkeyPatch, network_of: Make, weights_of: Make, problem_of: Make
) -> None:
    system, network = ALL[name], network_of()
    problem, flat = problem_of(system, system.coefficients()), weights_of(network)
    whole = objective(network, problem)(flat)
    monkeypatch.setattr(module, "BLOCK", 40)
    pieces = objective(network, problem)(flat)
    assert difference(pieces.gradient, whole.gradient) < 1e-13
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-13)


def test_the_gradient_is_that_of_the_loss(network_of: Make, weights_of: Make, problem_of: Make) -> None:
    system, network = MADE["burgers_forced"], network_of(width=4, depth=2)
    function, flat = objective(network, problem_of(system, Coefficients())), weights_of(network)
    gradient, h = function(flat).gradient, 1e-5
    for i in range(0, len(flat), 5):
        step = torch.zeros_like(flat)
        step[i] = h
        slope = (function(flat + step).loss - function(flat - step).loss) / (2 * h)
        assert slope == pytest.approx(float(gradient[i]), rel=1e-6, abs=1e-8)


def test_an_evaluation_is_not_touched_by_the_next(network_of: Make, weights_of: Make, problem_of: Make) -> None:
    system, network = SYSTEMS["convection"], network_of()
    function, flat = objective(network, problem_of(system, system.coefficients())), weights_of(network)
    first = function(flat)
    kept = first.gradient.clone()
    function(flat * 1.1)
    assert torch.equal(first.gradient, kept)
    assert torch.equal(function(flat).gradient, kept)


def test_single_precision_agrees_to_single_precision(network_of: Make, weights_of: Make, problem_of: Make) -> None:
    system = SYSTEMS["reaction"]
    problem = problem_of(system, system.coefficients())
    double, single = network_of(), network_of(torch.float32)
    exact = objective(double, problem)(weights_of(double))
    ours = objective(single, problem)(weights_of(single))
    assert ours.gradient.dtype == torch.float32
    assert difference(ours.gradient.double(), exact.gradient) < 1e-5


@pytest.mark.parametrize(
    ("name", "channels"),
    [("convection", 1), ("reaction", 1), ("heat", 2), ("burgers_forced", 2), ("wave", 3), ("quasilinear", 3)],
)
def test_a_linear_operator_costs_one_channel(name: str, channels: int, problem_of: Make) -> None:
    system = ALL[name]
    found = plan(problem_of(system, system.coefficients()))
    assert found is not None and len(found.channels) == channels


@pytest.mark.parametrize("derivative", ["u_xt", "u_xxx"])
def test_what_the_fast_passes_do_not_know_is_differentiated_automatically(
    derivative: str, network_of: Make, weights_of: Make, problem_of: Make
) -> None:
    system, network = made(linear=lambda c: {"u_t": 1.0, derivative: c.nu}), network_of()
    function = objective(network, problem_of(system, Coefficients()))
    assert isinstance(function, Automatic)
    assert function(weights_of(network)).gradient.isfinite().all()


def test_another_activation_is_differentiated_automatically(network_of: Make, problem_of: Make) -> None:
    system, network = SYSTEMS["convection"], network_of(activation="sin")
    function = objective(network, problem_of(system, system.coefficients()))
    assert isinstance(function, Automatic)


def test_third_derivatives_are_exact(problem_of: Make) -> None:
    """u = sin(w·(x, t)) by a network of one sine unit: u_xxx = -w_x³ cos(w·(x, t))."""
    system = made(linear=lambda c: {"u_xxx": 1.0})
    network = Network(mlp.MODEL, mlp.MLP(width=1, depth=1, activation="sin"), 2, torch.float64, torch.device("cpu"))
    problem = problem_of(system, Coefficients())
    flat = torch.tensor([0.8, 0.3, 0.1, 1.0, 0.0], dtype=torch.float64)
    phase = problem.collocation @ [0.8, 0.3] + 0.1
    expected = np.mean((0.8**3 * np.cos(phase)) ** 2)
    assert objective(network, problem)(flat).terms["residual"] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("activation", ["tanh", "sin"])
def test_a_field_is_the_value_of_the_network(
    activation: str, monkeypatch: pytest.MonkeyPatch, network_of: Make, weights_of: Make
) -> None:
    monkeypatch.setattr(module, "BLOCK", 30)
    network, points = network_of(activation=activation), np.random.default_rng(0).random((100, 2))
    flat = weights_of(network)
    expected = mlp.forward(network.spec, flat, torch.from_numpy(points), 1)[:, 0].numpy()
    np.testing.assert_allclose(Field(network, points)(flat), expected, atol=1e-14)


@pytest.mark.parametrize("name", ["convection", "burgers_forced", "wave"])
def test_weights_of_points_are_in_the_loss_and_its_gradient_and_not_in_the_terms(
    name: str, monkeypatch: pytest.MonkeyPatch, network_of: Make, weights_of: Make, problem_of: Make
) -> None:
    """Fast passes, block by block, and automatic differentiation, against the residual at each point."""
    monkeypatch.setattr(module, "BLOCK", 40)
    system, network = ALL[name], network_of()
    plain, flat = problem_of(system, system.coefficients()), weights_of(network)
    weights = np.random.default_rng(1).random(len(plain.collocation))
    weighted = msgspec.structs.replace(plain, point_weights=weights)
    fast, slow = objective(network, weighted)(flat), Automatic(network, weighted)(flat)
    assert difference(fast.gradient, slow.gradient) < 1e-13
    assert fast.loss == pytest.approx(slow.loss, rel=1e-13)
    terms = objective(network, plain)(flat).terms
    assert fast.terms == pytest.approx(dict(terms), rel=1e-12) == dict(slow.terms)
    found = residuals(network, system, plain.coefficients, flat, plain.collocation)
    assert np.mean(found**2) == pytest.approx(terms["residual"], rel=1e-12)
    assert fast.loss == pytest.approx(plain.loss({**terms, "residual": np.mean(weights * found**2)}), rel=1e-12)


def test_a_term_alone_is_its_part_of_the_loss(network_of: Make, weights_of: Make, problem_of: Make) -> None:
    system, network = MADE["burgers_forced"], network_of()
    problem, flat = problem_of(system, Coefficients()), weights_of(network)
    whole = objective(network, problem)(flat)
    alone = [objective(network, problem.alone(term))(flat) for term in problem.terms]
    assert sum(at.loss for at in alone) == pytest.approx(whole.loss, rel=1e-13)
    assert difference(sum(at.gradient for at in alone[1:]) + alone[0].gradient, whole.gradient) < 1e-13


def test_batches_that_make_up_all_points_make_up_the_loss(network_of: Make, weights_of: Make, problem_of: Make) -> None:
    system, network = MADE["burgers_forced"], network_of()
    problem, flat = problem_of(system, Coefficients()), weights_of(network)
    problem = msgspec.structs.replace(problem, point_weights=np.linspace(0, 1, len(problem.collocation)))
    whole = objective(network, problem)(flat)
    parts = np.split(np.random.default_rng(2).permutation(len(problem.collocation)), 3)
    batches = [objective(network, problem.part(part))(flat) for part in parts]
    assert np.mean([at.loss for at in batches]) == pytest.approx(whole.loss, rel=1e-13)
    assert difference(sum(at.gradient for at in batches[1:]) + batches[0].gradient, 3 * whole.gradient) < 1e-13
