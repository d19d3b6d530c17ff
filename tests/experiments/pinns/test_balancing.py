"""Weights of the terms of the loss: those of the settings, and those that change while a network trains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from engine.recorder import Recorder
from experiments.pinns.balancing import gradient_norm
from experiments.pinns.optimizers import Evaluation

Run = Callable[..., Recorder]
BALANCED = {"beta": 1.0, "optimizer.closures": 40, "balancing": "gradient_norm", "balancing.every": 5}

WEIGHTS = ("weight_residual", "weight_initial", "weight_boundary")


def at(*gradient: float) -> Evaluation:
    return Evaluation(1.0, torch.tensor(gradient, dtype=torch.float64))


def test_weights_go_towards_gradients_of_one_size() -> None:
    alone = {"residual": at(3.0, 4.0), "initial": at(0.0, 1.0), "boundary": at(2.0, 0.0)}
    settings, ones = gradient_norm.Settings(decay=0.0), dict.fromkeys(alone, 1.0)
    assert gradient_norm.balance(settings, ones, alone) == pytest.approx({"residual": 1.6, "initial": 8, "boundary": 4})
    slowly = gradient_norm.balance(gradient_norm.Settings(decay=0.9), ones, alone)
    assert slowly == pytest.approx({"residual": 1.06, "initial": 1.7, "boundary": 1.3})


def test_a_term_without_a_gradient_keeps_its_weight() -> None:
    alone = {"residual": at(3.0, 4.0), "initial": at(0.0, 0.0), "boundary": at(float("nan"), 0.0)}
    found = gradient_norm.balance(
        gradient_norm.Settings(decay=0.0), {"residual": 2.0, "initial": 3.0, "boundary": 4.0}, alone
    )
    assert found == {"residual": 1.0, "initial": 3.0, "boundary": 4.0}


def test_weights_of_the_settings_are_in_the_loss(run: Run) -> None:
    params = {"beta": 1.0, "optimizer.closures": 5, "lambda": 0.5, "weight_initial": 20.0, "weight_boundary": 3.0}
    for _, values in run(params).points:
        parts = 0.5 * values["loss_residual"] + 20 * values["loss_initial"] + 3 * values["loss_boundary"]
        assert values["loss"] == pytest.approx(parts)
        assert "weight_initial" not in values  # it does not change


def test_balanced_weights_are_reported_and_the_loss_is_by_those_of_the_settings(run: Run) -> None:
    recorder = run({**BALANCED, "weight_initial": 2.0})
    weights = [
        [values[f"weight_{term}"] for term in ("residual", "initial", "boundary")] for _, values in recorder.points
    ]
    assert all(weight > 0 for row in weights for weight in row)
    changes = [i for i in range(1, len(weights)) if weights[i] != weights[i - 1]]
    # after 5 iterations: what is minimised from the sixth on
    assert changes and all(step % 5 == 1 for step in changes)
    for _, values in recorder.points:
        parts = values["loss_residual"] + 2 * values["loss_initial"] + values["loss_boundary"]
        assert values["loss"] == pytest.approx(parts)


def test_a_balancing_takes_an_evaluation_a_term_and_one_at_the_iterate(run: Run) -> None:
    recorder = run({**BALANCED, "optimizer": "adam"})
    closures = [values["closures"] for _, values in recorder.points]
    assert closures[:8] == [4, 5, 6, 7, 8, 9, 14, 15]
    assert closures[-1] == recorder.figures["closures"] == 40


def test_a_balanced_start_has_gradients_of_one_size(run: Run) -> None:
    """With nothing of the old weights kept, Σ ‖∇L_j‖ is the norm of every term's gradient."""
    values = run({**BALANCED, "balancing.decay": 0.0, "optimizer.closures": 5}).points[0][1]
    weights = np.array([values[name] for name in WEIGHTS])
    assert np.sum(1 / weights) == pytest.approx(1.0)  # λ_i = Σ_j n_j / n_i


@pytest.mark.parametrize("stop_at", [0, 5, 12])
def test_balanced_weights_are_in_the_checkpoint(run: Run, stop_at: int) -> None:
    whole, stopped = run(BALANCED), run(BALANCED, stop_at=stop_at)
    resumed = run(BALANCED, state=stopped.checkpoints[-1][1])

    def curve(recorder: Recorder) -> list[object]:
        return [(step, {**values, "seconds": 0}) for step, values in recorder.points]

    assert curve(stopped) + curve(resumed) == curve(whole)
