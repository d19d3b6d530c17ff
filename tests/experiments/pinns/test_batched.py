"""Many networks evaluated at once: each gets what it would get alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from engine.api import discover
from experiments import graphs
from experiments.graphs import CAPTURED_AFTER
from experiments.pinns import ansatz
from experiments.pinns.batched import Batch, Part
from experiments.pinns.network import Network
from experiments.pinns.objective import Fused, objective
from experiments.pinns.problem import Problem, System

Make = Callable[..., Any]
SYSTEMS: dict[str, System] = discover("experiments.pinns.systems", "SYSTEM")[0]


@pytest.fixture
def problems_of(problem_of: Make) -> Callable[..., list[Problem]]:
    """Three problems of one shape, which share nothing else: coefficients, points, weights of terms and of points."""

    def make(system: System, *, weighted: bool = False, **options: Any) -> list[Problem]:
        found = []
        for i in range(3):
            default = system.coefficients()
            values = {name: value * (1 + 0.1 * i) for name, value in msgspec.structs.asdict(default).items()}
            problem = problem_of(system, msgspec.structs.replace(default, **values), **options)
            rng = np.random.default_rng(i)
            found.append(
                msgspec.structs.replace(
                    problem,
                    collocation=rng.permuted(problem.collocation, axis=0),
                    weights={name: weight * (1 + i) for name, weight in problem.weights.items()},
                    point_weights=rng.random(len(problem.collocation)) if weighted else None,
                )
            )
        return found

    return make


def require_same(networks: list[Network], problems: list[Problem], flats: list[torch.Tensor]) -> None:
    parts = [Part(network, problem) for network, problem in zip(networks, problems, strict=True)]
    assert len({part.shape for part in parts}) == 1
    for found, network, problem, flat in zip(Batch(parts)(flats), networks, problems, flats, strict=True):
        alone = objective(network, problem)
        assert isinstance(alone, Fused)
        expected = alone(flat)
        assert float((found.gradient - expected.gradient).norm() / expected.gradient.norm()) < 1e-13
        assert found.loss == pytest.approx(expected.loss, rel=1e-13)
        assert found.terms == pytest.approx(dict(expected.terms), rel=1e-12)
        assert list(found.terms) == list(expected.terms)


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_gets_the_loss_and_the_gradient_that_it_gets_alone(
    name: str, network_of: Make, weights_of: Make, problems_of: Make
) -> None:
    system = SYSTEMS[name]
    network = network_of(axes=len(system.axes))
    require_same([network] * 3, problems_of(system), [weights_of(network, seed) for seed in range(3)])


@pytest.mark.parametrize("name", [name for name, system in SYSTEMS.items() if system.ansatz])
@pytest.mark.parametrize("hard", [False, True])
def test_hard_constraints_are_each_networks_own(
    name: str, hard: bool, network_of: Make, weights_of: Make, problems_of: Make
) -> None:
    system = SYSTEMS[name]
    problems = problems_of(system, hard=hard)
    networks = [
        network_of(axes=len(system.axes))._replace(ansatz=ansatz.of_system(system, problem.coefficients))
        for problem in problems
    ]
    require_same(networks, problems, [weights_of(network, seed) for seed, network in enumerate(networks)])


def test_points_have_weights_of_their_own(network_of: Make, weights_of: Make, problems_of: Make) -> None:
    network = network_of()
    flats = [weights_of(network, seed) for seed in range(3)]
    require_same([network] * 3, problems_of(SYSTEMS["reaction"], weighted=True), flats)


def test_an_evaluation_is_not_overwritten_by_the_next(network_of: Make, weights_of: Make, problems_of: Make) -> None:
    network = network_of()
    batch = Batch([Part(network, problem) for problem in problems_of(SYSTEMS["convection"])])
    flats = [weights_of(network, seed) for seed in range(3)]
    first = batch(flats)
    kept = [evaluation.gradient.clone() for evaluation in first]
    batch([2 * flat for flat in flats])
    assert all(torch.equal(evaluation.gradient, before) for evaluation, before in zip(first, kept, strict=True))


def test_a_loss_that_is_not_finite_is_one_networks_alone(network_of: Make, weights_of: Make, problems_of: Make) -> None:
    network = network_of()
    batch = Batch([Part(network, problem) for problem in problems_of(SYSTEMS["convection"])])
    flats = [weights_of(network, seed) for seed in range(3)]
    expected = batch(flats)
    found = batch([flats[0], flats[1] * float("nan"), flats[2]])
    assert np.isnan(found[1].loss)
    for i in (0, 2):
        assert found[i].loss == expected[i].loss and torch.equal(found[i].gradient, expected[i].gradient)


def test_other_points_conditions_precision_or_models_make_another_shape(network_of: Make, problem_of: Make) -> None:
    system = SYSTEMS["convection"]
    c = system.coefficients()
    shape = Part(network_of(), problem_of(system, c)).shape
    others = [
        Part(network_of(), problem_of(system, c, points=151)),
        Part(network_of(), problem_of(system, c, n_initial=21)),
        Part(network_of(dtype=torch.float32), problem_of(system, c)),
        Part(network_of(width=8), problem_of(system, c)),
        Part(network_of(), problem_of(SYSTEMS["reaction"], SYSTEMS["reaction"].coefficients())),
    ]
    assert len({shape, *(other.shape for other in others)}) == 6
    with pytest.raises(ValueError, match="required a plain tanh MLP"):
        Part(network_of(activation="sin"), problem_of(system, c))


def test_a_batch_that_is_used_often_is_captured_once(
    network_of: Make, weights_of: Make, problems_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the graph faked: a function over memory of its own."""
    captures: list[torch.Tensor] = []

    def captured(function: graphs.Function, like: torch.Tensor) -> graphs.Function:
        captures.append(given := like.clone())
        return lambda flats: function(given.copy_(flats))

    monkeypatch.setattr(graphs, "are_possible", lambda device: True)
    monkeypatch.setattr(graphs, "captured", captured)
    network = network_of()
    batch = Batch([Part(network, problem) for problem in problems_of(SYSTEMS["reaction"])])
    flats = [weights_of(network, seed) for seed in range(3)]
    launched = [batch([flat * (1 + i / 100) for flat in flats]) for i in range(CAPTURED_AFTER - 1)]
    assert not captures
    for i, before in enumerate(launched):
        for ours, theirs in zip(batch([flat * (1 + i / 100) for flat in flats]), before, strict=True):
            assert ours.loss == theirs.loss and torch.equal(ours.gradient, theirs.gradient)
    assert len(captures) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_graph_of_a_batch_gives_what_each_gets_alone(
    name: str, network_of: Make, weights_of: Make, problems_of: Make
) -> None:
    system = SYSTEMS[name]
    network = network_of(axes=len(system.axes))._replace(device=torch.device("cuda"))
    problems, flats = problems_of(system), [weights_of(network, seed) for seed in range(3)]
    batch, alone = Batch([Part(network, problem) for problem in problems]), [objective(network, it) for it in problems]
    for i in range(CAPTURED_AFTER + 3):
        points = [flat * (1 + i / 100) for flat in flats]
        for found, function, point in zip(batch(points), alone, points, strict=True):
            expected = function(point)
            assert found.loss == pytest.approx(expected.loss, rel=1e-12)
            assert float((found.gradient - expected.gradient).norm() / expected.gradient.norm()) < 1e-12
    assert batch._replayed is not None
