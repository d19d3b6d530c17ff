"""Training on observations: alone, and beside the equation; with noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.recorder import Recorder
from experiments.pinns.observations import Data, Observations, added, check, observe
from experiments.pinns.problem import Problem, grid_of
from experiments.pinns.systems import burgers, oscillator, reaction
from experiments.pinns.task import TASK

Run = Callable[..., Recorder]
SEEN: dict[str, Any] = {"system": "oscillator", "data.points": 12, "data.until": 0.4}
SHORT: dict[str, Any] = {"optimizer.closures": 30}


def drawn(data: Data, seed: int = 0) -> Observations:
    return observe(oscillator.SYSTEM, oscillator.Coefficients(), data, np.random.default_rng(seed))


def test_without_noise_they_are_the_solution_in_the_time_that_was_asked_for() -> None:
    found = drawn(Data(points=20, until=0.4))
    assert found.points.shape == (20, 1) and found.points.max() <= 0.4
    np.testing.assert_array_equal(found.values, oscillator.reference(oscillator.Coefficients(), found.points[:, 0]))
    assert len(set(np.floor(found.points[:, 0] / 0.02))) == 20  # one in each of as many slices


def test_noise_has_the_size_that_was_asked_for() -> None:
    c = reaction.Coefficients()
    data = Data(points=4000, noise=0.1)
    found = observe(reaction.SYSTEM, c, data, np.random.default_rng(1))
    errors = found.values - reaction.reference(c, *found.points.T)
    size = np.sqrt(np.mean(grid_of(reaction.SYSTEM).reference(reaction.SYSTEM, c) ** 2))
    assert np.std(errors) == pytest.approx(0.1 * size, rel=0.05)
    assert abs(np.mean(errors)) < 4 * 0.1 * size / np.sqrt(4000)


def test_the_noise_changes_not_where_they_lie() -> None:
    clean, noisy = drawn(Data(points=9)), drawn(Data(points=9, noise=0.5))
    np.testing.assert_array_equal(clean.points, noisy.points)
    assert (clean.values != noisy.values).all()


def test_a_window_of_time_is_shown_those_that_lie_in_it(problem_of: Callable[..., Problem]) -> None:
    problem = problem_of(burgers.SYSTEM, burgers.Coefficients())
    points = np.array([[0.1, 0.2], [0.3, 0.6], [0.5, 1.0]])
    seen = Observations(points=points, values=np.array([1.0, 2.0, 3.0]))
    assert seen.within({"x": (-1, 1), "t": (0.5, 0.75)}).values.tolist() == [2.0]
    data = Data(points=3, weight=4.0)
    whole = added(problem, seen, data, physics=True)
    assert whole.terms == ("residual", "initial", "boundary", "data")
    assert whole.weights == {**problem.weights, "data": 4.0}
    alone = added(problem, seen, data, physics=False)
    assert alone.weights == {"residual": 0.0, "initial": 0.0, "boundary": 0.0, "data": 4.0}
    nothing = Observations(points=points[:0], values=np.zeros(0))
    assert added(problem, nothing, data, physics=True) == problem


def test_their_mean_square_error_is_a_term_of_the_loss(run: Run) -> None:
    for _, values in run({**SEEN, **SHORT, "lambda": 1e-3, "data.weight": 5.0}).points:
        parts = 1e-3 * values["loss_residual"] + values["loss_initial"] + 5 * values["loss_data"]
        assert values["loss"] == pytest.approx(parts)
    for _, values in run({**SEEN, **SHORT, "physics": False}).points:
        assert values["loss"] == pytest.approx(values["loss_data"])
        assert values["loss_residual"] > 0  # what they say of the equation is still told


def test_a_run_reports_them_with_its_fields(run: Run) -> None:
    recorder = run({**SEEN, **SHORT, "data.noise": 0.2}, seed=3)
    (_, fields), *_ = recorder.stored_fields
    assert fields["observations"].shape == (12, 2)
    again = run({**SEEN, **SHORT, "data.noise": 0.2}, seed=3).stored_fields[0][1]["observations"]
    other = run({**SEEN, **SHORT, "data.noise": 0.2}, seed=4).stored_fields[0][1]["observations"]
    np.testing.assert_array_equal(fields["observations"], again)
    assert (fields["observations"] != other).all()
    assert "observations" not in run({"system": "oscillator", **SHORT}).stored_fields[0][1]


@pytest.mark.parametrize("strategy", ["regular", "seq2seq"])
def test_a_run_resumes_to_the_same_loss(run: Run, strategy: str) -> None:
    windows = {"strategy.window": 0.5, "strategy.closures": 20} if strategy == "seq2seq" else {}
    params = {**SEEN, **windows, "strategy": strategy, "data.until": 1.0, "data.noise": 0.1, "optimizer.closures": 40}
    whole = run(params, seed=2)
    state = run(params, seed=2, stop_at=9).checkpoints[-1][1]
    resumed = run(params, seed=2, state=state)
    assert resumed.figures["loss"] == whole.figures["loss"]
    assert all("loss_data" in values for _, values in whole.points)


def test_the_equation_carries_the_solution_beyond_what_was_observed(run: Run) -> None:
    """The illustration of the talk: data alone fits what it is shown, data with physics goes on from there."""
    settings = {
        **SEEN,
        "points": 80,
        "data.noise": 0.05,
        "lambda": 1e-3,
        "data.weight": 10.0,
        "optimizer.closures": 600,
    }
    small = {"k": 200.0, "model.width": 12, "optimizer": "ssbroyden"}
    alone = run({**settings, **small, "physics": False})
    both = run({**settings, **small})
    assert alone.figures["loss"] < both.figures["loss"]
    assert alone.figures["rel_l2"] > 0.3 and both.figures["rel_l2"] < 0.05
    assert any("fits the observations" in text for text in alone.warnings)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"physics": False}, "physics"),
        ({"data.points": 5, "data.until": 1.5}, "data.until"),
        ({"data.points": 5, "data.until": 0.0}, "data.until"),
        ({"data.noise": -0.1}, "data.noise"),
    ],
)
def test_what_cannot_be_observed_is_refused(given: dict[str, Any], field: str, complete: Callable[..., Any]) -> None:
    assert [problem.field for problem in TASK.check({**complete(), **given})] == [field]
    assert check(Data(points=3), oscillator.SYSTEM, physics=False) == []
