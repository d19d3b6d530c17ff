"""Causal weighting: weights by what comes before, and the function that they leave to be minimised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.recorder import Recorder
from experiments.pinns.strategies import Target, causal
from experiments.pinns.strategies.causal import Causality
from experiments.pinns.systems import convection

Run = Callable[..., Recorder]
CAUSAL = {
    "system": "reaction",
    "rho": 4.0,
    "strategy": "causal",
    "strategy.epsilon": "1,50",
    "strategy.slices": 8,
    "strategy.every": 4,
    "strategy.closures": 30,
    "optimizer.closures": 80,
}


def causality(**given: float) -> Causality:
    return Causality(**{"epsilon": 2.0, "slices": 4, "every": 1, "enough": 0.5, **given})


def test_a_weight_is_by_the_mean_square_residual_in_the_slices_before() -> None:
    t = np.array([0.1, 0.2, 0.3, 0.6, 0.9, 1.0, 0.0])
    residual = np.array([1.0, 2.0, 0.5, 0.1, 9.0, 9.0, 1.0])
    points = np.column_stack([np.linspace(0, 6, 7), t])
    first, second, third = (1 + 4 + 1) / 3, 0.25, 0.01
    sums = {0: 0.0, 1: first, 2: first + second, 3: first + second + third}
    expected = [np.exp(-2 * sums[place]) for place in (0, 0, 1, 2, 3, 3, 0)]
    np.testing.assert_allclose(causality().weights(points, residual, convection.SYSTEM), expected, rtol=1e-14)


def test_a_slice_without_points_holds_nothing_back() -> None:
    points, residual = np.array([[0.0, 0.1], [0.0, 0.9]]), np.array([0.5, 1.0])
    np.testing.assert_allclose(
        causality(slices=100).weights(points, residual, convection.SYSTEM), [1.0, np.exp(-2 * 0.25)], rtol=1e-14
    )


def test_weights_settle_at_the_least_that_is_enough() -> None:
    weights = np.array([1.0, 0.5])
    assert causality(enough=0.5).is_settled(weights) and not causality(enough=0.6).is_settled(weights)
    assert not causality(enough=None).is_settled(np.ones(2))


@pytest.mark.parametrize("epsilon", [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_causality_rises_from_stage_to_stage(epsilon: tuple[float, ...]) -> None:
    target = Target(system=convection.SYSTEM, coefficients=convection.Coefficients(), loss=0.0, closures=10_000)
    (problem,) = causal.check(causal.Settings(epsilon=epsilon), target)
    assert problem.field == "strategy.epsilon"
    assert causal.check(causal.Settings(), target) == []


def test_weights_are_held_for_some_iterations_and_then_taken_anew(run: Run) -> None:
    recorder = run(CAUSAL)
    assert list(recorder.stages) == ["ε=1", "ε=50"]
    first = recorder.stages["ε=1"]
    weights = [values["weight_point_min"] for step, values in recorder.points if step <= first["ended"]]
    changes = [step for step in range(1, len(weights)) if weights[step] != weights[step - 1]]
    assert changes == list(range(5, len(weights), 4))
    assert 0 < weights[0] < 1
    for _, values in recorder.points:
        # reported and judged without the weights of points
        parts = sum(values[f"loss_{term}"] for term in ("residual", "initial", "boundary"))
        assert values["loss"] == pytest.approx(parts)


def test_a_stage_ends_when_no_weight_is_small(run: Run) -> None:
    recorder = run({**CAUSAL, "strategy.epsilon": "0.001,50"})
    first = recorder.stages["ε=0.001"]
    assert first["stop_reason"] == "weights settled" and first["iterations"] == 4
    assert recorder.stages["ε=50"]["stop_reason"] == "closures"


@pytest.mark.parametrize("stop_at", [0, 3, 4, 6])
def test_weights_of_points_are_in_the_checkpoint(run: Run, stop_at: int) -> None:
    whole, stopped = run(CAUSAL), run(CAUSAL, stop_at=stop_at)
    resumed = run(CAUSAL, state=stopped.checkpoints[-1][1])

    def curve(recorder: Recorder) -> list[object]:
        return [(step, {**values, "seconds": 0}) for step, values in recorder.points]

    assert curve(stopped) + curve(resumed) == curve(whole)
