"""Many trainings in lock-step: each is the training that it would have been alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine.api import Diverged, TaskError
from engine.recorder import Recorder
from experiments.pinns import configuration, pack, train
from experiments.pinns.optimizers import Evaluation
from experiments.pinns.task import TASK

MANY: list[dict[str, Any]] = [
    {"beta": 1.0, "optimizer.closures": 40},
    {"beta": 3.0, "optimizer.closures": 25, "optimizer": "lbfgs"},
    {"system": "reaction", "rho": 2.0, "strategy": "curriculum", "strategy.closures": 15, "optimizer.closures": 50},
    {"beta": 2.0, "strategy": "seq2seq", "strategy.window": 0.5, "optimizer.closures": 40},
    {"beta": 1.0, "model.activation": "sin", "optimizer.closures": 20, "optimizer": "adam"},
    {"beta": 1.0, "dtype": "float32", "points": 90, "optimizer.closures": 30},
    {
        **{"beta": 1.0, "strategy": "causal", "strategy.epsilon": "1,10", "strategy.every": 3, "strategy.closures": 15},
        **{"balancing": "gradient_norm", "balancing.every": 5, "optimizer.closures": 40},
    },
    {
        **{"beta": 1.0, "optimizer": "adam", "optimizer.batch": 20, "optimizer.closures": 20},
        **{"sampler": "rad", "resample_every": 5},
    },
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


def test_evaluated_at_once_each_takes_the_steps_that_it_takes_alone(
    complete: Callable[..., dict[str, Any]],
    run: Callable[..., Recorder],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Two shapes, one of which ends and changes as stages end, and what cannot be evaluated at once."""
    rising = {"strategy": "curriculum", "strategy.start": 1.0, "strategy.step": 1.0, "strategy.closures": 12}
    many: list[dict[str, Any]] = [
        *({"beta": beta, **rising, "optimizer.closures": closures} for beta, closures in ((2.0, 30), (3.0, 40))),
        {"beta": 5.0, "optimizer": "lbfgs", "optimizer.closures": 30},
        *({"system": "reaction", "rho": rho, "optimizer.closures": 25} for rho in (1.0, 2.0)),
        {"beta": 1.0, "model.activation": "sin", "optimizer.closures": 20},
    ]
    sizes = []

    class Watched(pack.Batch):
        def __call__(self, flats: Sequence[torch.Tensor]) -> list[Evaluation]:
            sizes.append(len(flats))
            return super().__call__(flats)

    monkeypatch.setattr(pack, "Batch", Watched)
    recorders = [Recorder(tmp_path / str(i), seed=i) for i in range(len(many))]
    for recorder in recorders:
        recorder.folder.mkdir()
    jobs = [configuration.read(complete(**params)) for params in many]
    trainings = [train.Training(job, recorder) for job, recorder in zip(jobs, recorders, strict=True)]
    assert dict(pack.train(trainings, at_once=True)) == dict.fromkeys(range(len(many)))
    assert set(sizes) == {2, 3}
    for i, (params, member) in enumerate(zip(many, recorders, strict=True)):
        alone = run(params, seed=i)
        assert member.figures["closures"] == alone.figures["closures"]
        assert list(member.stages) == list(alone.stages)
        for (step, ours), (same_step, theirs) in zip(member.points, alone.points, strict=True):
            assert step == same_step and ours["closures"] == theirs["closures"]
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-6)


def test_a_pack_keeps_to_its_device(
    complete: Callable[..., dict[str, Any]], gpu: Callable[..., Any], tmp_path: Path
) -> None:
    """With a GPU pretended, on which those of a shape are evaluated at once, and replayed."""
    hard = {"constraints": "hard", "embedding": "periodic"}
    shapes: list[dict[str, Any]] = [{}, {"optimizer": "lbfgs", "dtype": "float32"}, {"system": "reaction", **hard}]
    many = [complete(**{**given, "optimizer.closures": 8 + i}) for given in shapes for i in range(2)]
    many.append(complete(**{"model.activation": "sin", "optimizer.closures": 5}))

    def losses(device: str) -> list[float]:
        recorders = [Recorder(tmp_path, seed=i, device=device) for i in range(len(many))]
        assert dict(TASK.run_many(many, recorders)) == dict.fromkeys(range(len(many)))
        return [recorder.points[-1][1]["loss"] for recorder in recorders]

    with gpu() as there:
        found = losses(there.name)
    assert there.captured >= 2
    assert found == pytest.approx(losses("cpu"), rel=1e-3)


def test_networks_that_memory_does_not_hold_together_are_evaluated_in_parts(
    complete: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pack, "MOST_BYTES", 1.0)
    job = configuration.read(complete(**MANY[0]))
    ended = dict(pack.train([train.Training(job, Recorder(tmp_path, seed=i)) for i in range(2)], at_once=True))
    assert ended == {0: None, 1: None}


def test_a_residual_that_takes_coefficients_for_plain_numbers_is_evaluated_alone(
    complete: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    job = configuration.read(complete(system="reaction", rho=2.0, **{"optimizer.closures": 10}))
    system = msgspec.structs.replace(job.system, nonlinear=lambda c, d: -math.exp(math.log(c.rho)) * d.u * (1 - d.u))
    jobs = [
        msgspec.structs.replace(job, system=system, coefficients=system.coefficients(rho=rho)) for rho in (2.0, 3.0)
    ]
    recorders = [Recorder(tmp_path, seed=i) for i in range(2)]
    trainings = [train.Training(job, recorder) for job, recorder in zip(jobs, recorders, strict=True)]
    assert dict(pack.train(trainings, at_once=True)) == {0: None, 1: None}
    assert [recorder.figures["closures"] for recorder in recorders] == [10, 10]


def test_one_that_cannot_begin_leaves_the_others_alone(packed: Callable[..., Any]) -> None:
    recorders, ended = packed([{"beta": 1.0, "init": "r0404"}, MANY[0]])
    assert isinstance(ended[0], TaskError)
    assert ended[1] is None and recorders[1].figures["closures"] == 40


@pytest.mark.parametrize("at_once", [False, True])
def test_one_that_diverges_or_has_a_fault_leaves_the_others_alone(
    complete: Callable[..., dict[str, Any]], tmp_path: Path, at_once: bool
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
    ended = dict(pack.train(trainings, at_once=at_once))
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
