"""Many trainings in lock-step: each is the training that it would have been alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.api import Diverged, TaskError
from engine.recorder import Recorder
from experiments.pinns import configuration, pack, train
from experiments.pinns.task import TASK

MANY: list[dict[str, Any]] = [
    {"beta": 1.0, "optimizer.closures": 40},
    {"beta": 3.0, "optimizer.closures": 25, "optimizer": "lbfgs"},
    {"system": "reaction", "rho": 2.0, "strategy": "curriculum", "strategy.closures": 15, "optimizer.closures": 50},
    {"beta": 2.0, "strategy": "seq2seq", "strategy.window": 0.5, "optimizer.closures": 40},
    {"beta": 1.0, "model.activation": "sin", "optimizer.closures": 20, "optimizer": "adam"},
    {"beta": 1.0, "dtype": "float32", "points": 90, "optimizer.closures": 30},
]


@pytest.fixture
def packed(
    complete: Callable[..., dict[str, Any]], tmp_path: Path
) -> Callable[..., tuple[list[Recorder], dict[int, Any]]]:
    """Trains all of them together, with seeds 0, 1, ...; the recorders, and how each ended."""

    def together(many: list[dict[str, Any]], **options: dict[int, Any]) -> tuple[list[Recorder], dict[int, Any]]:
        recorders = []
        for i in range(len(many)):
            folder = tmp_path / f"packed-{i}-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            own = {name: values[i] for name, values in options.items() if i in values}
            recorders.append(Recorder(folder, seed=i, **own))
        return recorders, dict(TASK.run_many([complete(**params) for params in many], recorders))

    return together


def curve(recorder: Recorder) -> list[tuple[int, dict[str, float]]]:
    return [
        (step, {name: value for name, value in values.items() if name != "seconds"}) for step, values in recorder.points
    ]


def weights(recorder: Recorder) -> np.ndarray:
    return load_file(recorder.artifacts["network.safetensors"].path)["parameters"]


def test_each_training_of_a_pack_is_the_one_that_it_is_alone(
    packed: Callable[..., Any], run: Callable[..., Recorder]
) -> None:
    recorders, ended = packed(MANY)
    assert ended == dict.fromkeys(range(len(MANY)))
    for i, (params, member) in enumerate(zip(MANY, recorders, strict=True)):
        alone = run(params, seed=i)
        assert curve(member) == curve(alone)
        assert np.array_equal(weights(member), weights(alone))
        assert member.figures["closures"] == alone.figures["closures"]


def test_one_that_cannot_begin_leaves_the_others_alone(packed: Callable[..., Any]) -> None:
    recorders, ended = packed([{"beta": 1.0, "init": "r0404"}, MANY[0]])
    assert isinstance(ended[0], TaskError)
    assert ended[1] is None and recorders[1].figures["closures"] == 40


def test_one_that_diverges_or_has_a_fault_leaves_the_others_alone(
    complete: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    calls = 0

    def breaks_down(c: Any, d: Any) -> Any:
        nonlocal calls
        calls += 1
        return -c.rho * d.u * (1 - d.u) * (math.nan if calls > 12 else 1.0)

    def has_a_fault(c: Any, d: Any) -> Any:
        raise ZeroDivisionError

    job = configuration.read(complete(**MANY[2]))
    recorders = [Recorder(tmp_path, seed=0) for _ in range(3)]
    trainings = [
        train.Training(msgspec.structs.replace(job, system=msgspec.structs.replace(job.system, **changed)), recorder)
        for changed, recorder in zip(
            ({"nonlinear": breaks_down}, {}, {"nonlinear": has_a_fault}), recorders, strict=True
        )
    ]
    ended = dict(pack.train(trainings))
    assert isinstance(ended[0], Diverged) and len(recorders[0].points) == ended[0].step
    assert isinstance(ended[2], ZeroDivisionError)
    assert ended[1] is None and recorders[1].figures["closures"] == 50


def test_one_that_is_stopped_is_resumed_alone_to_the_same_end(
    packed: Callable[..., Any], run: Callable[..., Recorder]
) -> None:
    recorders, ended = packed([MANY[0], MANY[2]], stop_at={1: 7})
    assert ended == {0: None, 1: None}
    stopped = recorders[1]
    assert stopped.figures["stop_reason"] == "stopped" and recorders[0].figures["closures"] == 40
    _, state = stopped.checkpoints[-1]
    whole, rest = run(MANY[2], seed=1), run(MANY[2], seed=1, state=state)
    assert np.array_equal(weights(rest), weights(whole))
    assert curve(stopped) + curve(rest) == curve(whole)
