"""Training in windows of time: what each starts from, and what the prediction is made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine.recorder import Recorder
from experiments.models import mlp
from experiments.pinns import formulation, problem
from experiments.pinns.monitor import Monitor
from experiments.pinns.network import Network
from experiments.pinns.systems import reaction

Run = Callable[..., Recorder]
WINDOWS = {
    "system": "reaction",
    "rho": 2.0,
    "strategy": "seq2seq",
    "strategy.window": 0.5,
    "strategy.closures": 20,
    "optimizer.closures": 50,
    "n_boundary": 7,
}


def test_the_prediction_of_earlier_windows_stays(run: Run) -> None:
    recorder = run(WINDOWS)
    (_, first), (_, last) = recorder.stored_fields
    inner = first["t"] < 0.5
    assert first["t"][-1] <= 0.5 and last["t"][-1] == 1.0
    np.testing.assert_array_equal(last["predicted"][:, : len(first["t"])][:, inner], first["predicted"][:, inner])


def test_errors_of_a_window_are_over_the_time_up_to_its_end(run: Run) -> None:
    recorder = run(WINDOWS)
    for (_, fields), stage in zip(recorder.stored_fields, recorder.stages.values(), strict=True):
        error = np.linalg.norm(fields["error"]) / np.linalg.norm(fields["reference"])
        np.testing.assert_allclose(stage["rel_l2"], error, rtol=1e-5)
        values = dict(recorder.points)[stage["ended"]]
        np.testing.assert_allclose(values["rel_l2_stage"], error, rtol=0.2)
    assert recorder.figures["rel_l2"] == stage["rel_l2"]


def test_collocation_points_are_shared_and_windows_start_from_the_prediction(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    posed: list[problem.Problem] = []

    def remember(*args: object, **options: object) -> problem.Problem:
        posed.append(problem.pose(*args, **options))  # type: ignore[arg-type]
        return posed[-1]

    monkeypatch.setattr(formulation, "pose", remember)
    recorder = run(WINDOWS)
    first, _, second, *_ = posed  # each stage is posed for training, then at fresh points
    for window, (low, high) in ((first, (0.0, 0.5)), (second, (0.5, 1.0))):
        times = window.collocation[:, 1]
        assert len(times) == 30
        assert low <= times.min() < low + 0.1 and high - 0.1 < times.max() <= high
        (initial,) = (condition for condition in window.conditions if condition.term == "initial")
        assert set(initial.points[:, 1]) == {low}
        (boundary,) = (condition for condition in window.conditions if condition.term == "boundary")
        assert len(boundary.points) == WINDOWS["n_boundary"]
        assert low <= boundary.points[:, 1].min() and boundary.points[:, 1].max() <= high
    saved = load_file(recorder.artifacts["network.safetensors"].path)
    np.testing.assert_array_equal(saved["earlier_ends"], [0.5])
    spec = mlp.MLP(width=8, depth=2)
    earlier = torch.from_numpy(saved["earlier_parameters"][0])
    predicted = mlp.forward(spec, earlier, torch.from_numpy(initial.points), 1)[:, 0]
    np.testing.assert_allclose(initial.target, predicted.numpy(), rtol=1e-12)


def test_what_is_settled_stays_whatever_is_settled_later(
    network_of: Callable[..., Network], weights_of: Callable[..., torch.Tensor]
) -> None:
    network = network_of()
    monitor = Monitor(network, reaction.SYSTEM, reaction.Coefficients())
    flats = [weights_of(network, seed) for seed in range(3)]
    alone = [
        Monitor(network, reaction.SYSTEM, reaction.Coefficients()).judge(flat, reaction.Coefficients()).predicted
        for flat in flats
    ]
    monitor.settle(flats[0], 0.3)
    monitor.settle(flats[1], 0.6)
    found, t = monitor.judge(flats[2], reaction.Coefficients()).predicted, monitor.grid.axes["t"]
    which = np.where(t < 0.3, 0, np.where(t < 0.6, 1, 2))
    np.testing.assert_array_equal(found, np.choose(which, alone))
