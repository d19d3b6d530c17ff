"""Evaluations that are replayed from a CUDA graph: the same numbers as launched one by one."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from experiments import graphs
from experiments.graphs import CAPTURED_AFTER
from experiments.pinns.batched import Batch, Part
from experiments.pinns.configuration import SYSTEM
from experiments.pinns.objective import Automatic, Fused, objective

Make = Callable[..., Any]
SYSTEMS = SYSTEM.components()[0]


def test_a_function_that_is_used_often_is_captured_once(
    network_of: Make, weights_of: Make, problem_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the graph faked: a function over memory of its own."""
    captures: list[torch.Tensor] = []

    def captured(function: graphs.Function, like: torch.Tensor) -> graphs.Function:
        captures.append(given := like.clone())

        def replayed(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            given.copy_(flat)
            return function(given)

        return replayed

    monkeypatch.setattr(graphs, "are_possible", lambda device: True)
    monkeypatch.setattr(graphs, "captured", captured)
    system, network = SYSTEMS["reaction"], network_of()
    problem, flat = problem_of(system, system.coefficients()), weights_of(network)
    function = objective(network, problem)
    assert isinstance(function, Fused)
    launched = [function(flat * (1 + i / 100)) for i in range(CAPTURED_AFTER - 1)]
    assert not captures
    for i, before in enumerate(launched):
        after = function(flat * (1 + i / 100))
        assert after.loss == before.loss and torch.equal(after.gradient, before.gradient)
    assert len(captures) == 1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_replayed_is_what_was_launched(
    name: str, weighted: bool, network_of: Make, weights_of: Make, problem_of: Make, gpu: Make
) -> None:
    """With a GPU pretended: kernels on the same memory, and nothing that Python does in between; other points, too."""
    system = SYSTEMS[name]
    network = network_of(axes=len(system.axes))
    problem, flat = problem_of(system, system.coefficients()), weights_of(network)
    rng = np.random.default_rng(0)
    if weighted:
        problem = msgspec.structs.replace(problem, point_weights=rng.random(len(problem.collocation)))
    moved = msgspec.structs.replace(problem, collocation=rng.permuted(problem.collocation, axis=0))
    with gpu() as there:
        far = network._replace(device=torch.device(there.name))
        functions = [objective(far, problem)]
        for here in (problem, moved):
            for i in range(4):
                point = flat * (1 + i / 100)
                ours, theirs = functions[-1](point.to(there.name)), objective(network, here)(point)
                assert ours.loss == theirs.loss
                assert torch.equal(ours.gradient.cpu(), theirs.gradient)
            functions.append(functions[-1].moved(moved))
    assert there.captured == 2


@pytest.mark.parametrize(("factorised", "with_slopes"), [(True, True), (False, False)])
def test_what_is_differentiated_and_what_is_factorised_is_replayed_as_well(
    factorised: bool, with_slopes: bool, network_of: Make, weights_of: Make, problem_of: Make, gpu: Make
) -> None:
    """A residual whose slopes are not given, and weights that are products."""
    system = SYSTEMS["burgers"] if with_slopes else msgspec.structs.replace(SYSTEMS["burgers"], slopes=None)
    network = network_of(factorised=factorised)
    problem, flat = problem_of(system, system.coefficients()), weights_of(network)
    with gpu() as there:
        far = network._replace(device=torch.device(there.name))
        functions = [objective(far, problem)]
        if not factorised:
            functions.append(lambda point, batch=Batch([Part(far, problem)] * 2): batch([point, point])[1])
        for function in functions:
            for i in range(4):
                ours = function((flat * (1 + i / 100)).to(there.name))
                theirs = objective(network, problem)(flat * (1 + i / 100))
                assert ours.loss == pytest.approx(theirs.loss, rel=1e-13)
                assert float((ours.gradient.cpu() - theirs.gradient).norm() / theirs.gradient.norm()) < 1e-13
    assert there.captured == len(functions)


def test_a_function_gives_its_memory_back_at_once(network_of: Make, weights_of: Make, problem_of: Make) -> None:
    """And does not wait for the garbage collector, which knows nothing of a GPU's memory."""
    system, network = SYSTEMS["convection"], network_of()
    function = objective(network, problem_of(system, system.coefficients()))
    function(weights_of(network))
    left = weakref.ref(function)
    gc.disable()
    try:
        del function
        assert left() is None
    finally:
        gc.enable()


def test_what_cannot_be_captured_is_launched(
    network_of: Make, weights_of: Make, problem_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(function: graphs.Function, given: tuple[torch.Tensor, ...]) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(graphs, "are_possible", lambda device: True)
    monkeypatch.setattr(graphs, "_capture", fails)
    system, network = SYSTEMS["convection"], network_of()
    function, flat = objective(network, problem_of(system, system.coefficients())), weights_of(network)
    first = function(flat)
    with pytest.warns(UserWarning, match="no CUDA graph, kernels are launched one by one: CUDA out of memory"):
        others = [function(flat) for _ in range(CAPTURED_AFTER)]
    assert all(torch.equal(other.gradient, first.gradient) for other in others)


@pytest.mark.parametrize(
    ("error", "again"), [(torch.OutOfMemoryError("CUDA out of memory"), True), (RuntimeError("not permitted"), False)]
)
def test_after_a_fault_that_is_not_of_memory_nothing_is_captured(
    error: RuntimeError, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(function: graphs.Function, given: tuple[torch.Tensor, ...]) -> Any:
        raise error

    monkeypatch.setattr(graphs, "_capture", fails)
    monkeypatch.setattr(graphs, "_faults", [])
    with pytest.warns(UserWarning, match="no CUDA graph"):
        assert graphs.captured(lambda flat: (flat, flat), torch.zeros(1)) is None
    assert graphs.are_possible(torch.device("cuda")) is again


def test_a_cpu_launches() -> None:
    assert not graphs.are_possible(torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("with_slopes", [True, False])
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_graph_gives_what_automatic_differentiation_gives(
    name: str, with_slopes: bool, network_of: Make, weights_of: Make, problem_of: Make
) -> None:
    system = SYSTEMS[name] if with_slopes else msgspec.structs.replace(SYSTEMS[name], slopes=None)
    network = network_of(axes=len(system.axes))._replace(device=torch.device("cuda"))
    problem, flat = problem_of(system, system.coefficients()), weights_of(network)
    function, slow = objective(network, problem), Automatic(network, problem)
    for i in range(CAPTURED_AFTER + 3):
        point = flat * (1 + i / 100)
        ours, theirs = function(point), slow(point)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-12)
        assert float((ours.gradient - theirs.gradient).norm() / theirs.gradient.norm()) < 1e-12
    assert isinstance(function, Fused) and function._replayed is not None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_an_evaluation_is_not_touched_by_the_next_replay(network_of: Make, weights_of: Make, problem_of: Make) -> None:
    system, network = SYSTEMS["convection"], network_of()._replace(device=torch.device("cuda"))
    function, flat = objective(network, problem_of(system, system.coefficients())), weights_of(network)
    for _ in range(CAPTURED_AFTER):
        first = function(flat)
    kept = first.gradient.clone()
    function(flat * 1.1)
    assert torch.equal(first.gradient, kept)
