"""Gradient descent beside torch's; and batches of collocation points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine.recorder import Recorder
from experiments.pinns import formulation
from experiments.pinns.optimizers import Evaluation, drive, sgd

Run = Callable[..., Recorder]
BATCHES = {"beta": 1.0, "optimizer": "adam", "optimizer.batch": 20, "optimizer.closures": 30}


def evaluate(x: torch.Tensor) -> Evaluation:
    """Rosenbrock's function."""
    leaf = x.detach().clone().requires_grad_()
    value = (100 * (leaf[1:] - leaf[:-1] ** 2) ** 2 + (1 - leaf[:-1]) ** 2).sum()
    (gradient,) = torch.autograd.grad(value, leaf)
    return Evaluation(value.item(), gradient)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.8, False), (0.8, True)])
def test_sgd_makes_the_steps_of_torch(momentum: float, nesterov: bool) -> None:
    start = torch.linspace(-1.2, 0.8, 7, dtype=torch.float64)
    parameter = start.clone().requires_grad_()
    theirs = torch.optim.SGD([parameter], lr=2e-4, momentum=momentum, nesterov=nesterov)
    ours = sgd.SGD(sgd.Settings(learning_rate=2e-4, momentum=momentum, nesterov=nesterov))
    drive(ours.begin(start), evaluate)
    for _ in range(100):
        parameter.grad = evaluate(parameter).gradient
        theirs.step()
        assert drive(ours.iterate(1), evaluate) is None
    torch.testing.assert_close(ours.x, parameter.detach(), rtol=1e-12, atol=0.0)
    assert ours.at.loss < 0.5 * evaluate(start).loss


def test_batches_go_through_all_points_and_then_in_another_order(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[np.ndarray] = []

    def remembering(real: Callable[..., Any]) -> Callable[..., Any]:
        def remember(*given: Any) -> Any:
            evaluated.append(given[-1].collocation)
            return real(*given)

        return remember

    for name in ("objective", "moved"):
        monkeypatch.setattr(formulation, name, remembering(getattr(formulation, name)))
    run(BATCHES)
    whole, *rest = evaluated  # all 60 points, in batches of 20
    batches = [tuple(map(tuple, points)) for points in rest if len(points) == 20]
    assert len(batches) == 30
    epochs = [batches[i : i + 3] for i in range(0, 30, 3)]
    for epoch in epochs:
        assert {point for batch in epoch for point in batch} == {*map(tuple, whole)}
    assert len({tuple(epoch) for epoch in epochs}) == 10


def test_the_loss_that_is_reported_is_of_all_points(run: Run) -> None:
    recorder = run({**BATCHES, "optimizer.learning_rate": 1e-9, "resample": "never"})
    fixed = run({"beta": 1.0, "optimizer.closures": 1})
    reported = [(step, values) for step, values in recorder.points if "loss" in values]
    assert [step for step, _ in reported] == [0, 29]  # where errors are looked at
    for _, values in reported:
        assert values["loss"] == pytest.approx(fixed.points[0][1]["loss"], rel=1e-6)
        assert "rel_l2" in values
    batches = [values["loss_batch"] for _, values in recorder.points]
    assert len(batches) == 30 and len(set(batches)) > 3
    assert recorder.figures["loss"] == reported[-1][1]["loss"]
    assert [values["closures"] for _, values in recorder.points] == list(range(1, 31))


def test_a_batch_that_holds_all_points_is_no_batch(run: Run) -> None:
    all_of_them = run({**BATCHES, "optimizer.batch": 60})
    assert "loss_batch" not in all_of_them.points[0][1]
    assert [v["loss"] for _, v in all_of_them.points] == [
        v["loss"] for _, v in run({**BATCHES, "optimizer.batch": 0}).points
    ]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("stop_at", [0, 10, 11])
def test_batches_are_resumed_where_they_were(run: Run, optimizer: str, stop_at: int) -> None:
    params = {**BATCHES, "optimizer": optimizer}
    whole, stopped = run(params), run(params, stop_at=stop_at)
    expected = load_file(whole.artifacts["network.safetensors"].path)["parameters"]
    whole_points = [values["loss_batch"] for _, values in whole.points]
    resumed = run(params, state=stopped.checkpoints[-1][1])
    np.testing.assert_array_equal(load_file(resumed.artifacts["network.safetensors"].path)["parameters"], expected)
    assert [values["loss_batch"] for _, values in stopped.points + resumed.points] == whole_points
    assert resumed.figures["loss"] == whole.figures["loss"]


def test_a_run_on_batches_ends_at_its_loss_target(run: Run) -> None:
    recorder = run({**BATCHES, "optimizer.target": 10.0})
    assert recorder.figures["stop_reason"] == "loss target" and recorder.figures["closures"] == 1
