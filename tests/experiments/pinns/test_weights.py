"""Networks as files, and runs that begin with the network of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine import schema
from engine.api import Artifact, Reference, TaskError
from engine.recorder import Recorder
from experiments.pinns.task import TASK

Run = Callable[..., Recorder]
FIRST = {"system": "reaction", "rho": 2.0, "optimizer.closures": 20}
FOURIER = {"embedding": "fourier", "embedding.waves": 3}


@pytest.fixture
def first(run: Run, tmp_path: Path) -> Callable[..., dict[str, dict[str, Artifact]]]:
    """A run of its own seed, as what others are given of it; its file is kept from theirs."""

    def make(**params: Any) -> dict[str, dict[str, Artifact]]:
        recorder = run({**FIRST, **params}, seed=8)
        kept = tmp_path / "first.safetensors"
        recorder.artifacts["network.safetensors"].path.rename(kept)
        made = recorder.artifact(kept, "network.safetensors", rel_l2=recorder.points[-1][1]["rel_l2"])
        return {"first": {made.name: made}}

    return make


def test_a_run_to_begin_with_is_a_reference() -> None:
    described = TASK.describe().schema
    assert schema.references(described, schema.complete(described, {"init": "pinn-1"})) == [("init", "run", "pinn-1")]
    assert schema.references(described, schema.complete(described, {})) == []


@pytest.mark.parametrize("strategy", ["regular", "curriculum", "adaptive", "seq2seq"])
@pytest.mark.parametrize("embedding", [{}, FOURIER], ids=["plain", "fourier"])
def test_the_first_stage_begins_with_the_network_of_another_run(
    run: Run, first: Callable[..., Any], strategy: str, embedding: dict[str, Any]
) -> None:
    """The same function, with the numbers of its embedding, whatever this run's seed."""
    inputs = first(**embedding)
    budget = {"optimizer.closures": 30} | ({} if strategy == "regular" else {"strategy.closures": 2})
    params = {**FIRST, **embedding, **budget, "strategy": strategy, "init": "first"}
    recorder = run(params, inputs=inputs, seed=3)
    assert recorder.points[0][1]["rel_l2"] == inputs["first"]["network.safetensors"].facts["rel_l2"]
    if embedding:
        theirs = load_file(inputs["first"]["network.safetensors"].path)["embedding.random"]
        np.testing.assert_array_equal(
            load_file(recorder.artifacts["network.safetensors"].path)["embedding.random"], theirs
        )


def test_a_run_that_began_with_another_network_resumes_bit_for_bit(run: Run, first: Callable[..., Any]) -> None:
    inputs = first(**FOURIER)
    params = {**FIRST, **FOURIER, "init": "first", "strategy": "curriculum", "strategy.closures": 8}

    def weights(recorder: Recorder) -> np.ndarray:
        return load_file(recorder.artifacts["network.safetensors"].path)["parameters"]

    whole = weights(run(params, inputs=inputs))
    stopped = run(params, inputs=inputs, stop_at=4)
    np.testing.assert_array_equal(weights(run(params, inputs=inputs, state=stopped.checkpoints[-1][1])), whole)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model.width": 9}, "model.width=9, as this run's, got model.width=8"),
        ({"model.depth": 3}, "model.depth=3"),
        ({"model.activation": "sin"}, "model.activation=sin"),
        (FOURIER, "embedding="),
        ({"init": "second"}, "required a run that is done"),
    ],
)
def test_a_network_of_another_shape_is_refused(
    run: Run, first: Callable[..., Any], given: dict[str, Any], words: str
) -> None:
    inputs = first()
    with pytest.raises(TaskError, match=words):
        run({**FIRST, "init": "first", **given}, inputs=inputs)


def refused(given: dict[str, Any], task: str = "pinn", **theirs: Any) -> list[str]:
    described = TASK.describe().schema
    there = Reference(kind="run", name="r1", task=task, params=schema.complete(described, theirs) if theirs else {})
    params = schema.complete(described, {"init": "r1", **given})
    return [str(problem) for problem in TASK.check_references(params, {"init": [there]})]


def test_a_run_that_cannot_be_begun_with_is_refused_when_it_is_submitted() -> None:
    hint = "(give this run the network of the other, or leave init empty)"
    usual: dict[str, Any] = {"model.width": 8}
    assert refused(usual, **usual) == [] == refused({**usual, "system": "reaction"}, **usual)
    assert refused(usual, **{"model.width": 9}) == [
        f"init: required a network of model.width=8, as this run's, got r1 of 9 {hint}"
    ]
    assert "embedding={'" in refused({"embedding": "periodic"}, **{"model.width": 20})[0]
    assert "axes=2" in refused({}, system="oscillator")[0]
    hard = {"embedding": "periodic", "constraints": "hard"}
    assert "constraints=hard" in refused(hard, embedding="periodic")[0]
    assert refused({}, task="operator") == ["init: required a run of the task pinn, got r1, of the task operator"]
    assert refused({}) == []  # of parameters that nothing is known of


def test_a_run_without_a_network_is_refused(run: Run, first: Callable[..., Any]) -> None:
    with pytest.raises(TaskError, match="left no trained network"):
        run({**FIRST, "init": "data"}, inputs={"data": {}})
    inputs = first()
    inputs["first"]["network.safetensors"].path.write_bytes(b"cut short")
    with pytest.raises(TaskError, match="cannot be read"):
        run({**FIRST, "init": "first"}, inputs=inputs)
