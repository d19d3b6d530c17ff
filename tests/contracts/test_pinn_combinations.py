"""Components of all kinds compose: systems, strategies, optimisers, samplers, balancings. A new file is tested at once.

Every two components of different kinds meet in some run of a few evaluations (all combinations would be too many); the
same run resumed anywhere reports the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine import schema
from engine.recorder import Recorder
from experiments.pinns import problem
from experiments.pinns.configuration import BALANCING, OPTIMIZER, SAMPLER, STRATEGY, SYSTEM
from experiments.pinns.task import TASK

SCHEMA = TASK.describe().schema
KINDS = (SYSTEM, STRATEGY, OPTIMIZER, SAMPLER, BALANCING)
COMPONENTS = {kind.key: kind.components() for kind in KINDS}
SMALL = {
    "points": 12,
    "n_initial": 6,
    "n_boundary": 4,
    "model.width": 3,
    "model.depth": 2,
    "optimizer.closures": 24,
    "optimizer.target": 0,
    "resample_every": 2,
}
EVERY: dict[str, dict[str, Any]] = {
    "gradient_norm": {"balancing.every": 3},
    "causal": {"strategy.every": 3},
    "adam": {"optimizer.batch": 5},
    "sgd": {"optimizer.batch": 5},
}
"""What changes while a network trains does so within these few iterations."""
TWO_STAGES: dict[str, dict[str, Any]] = {
    "curriculum": {"strategy.closures": 12, "strategy.target": 0},
    "adaptive": {"strategy.closures": 12, "strategy.target": 1e-9, "strategy.lost": 1e12},
    "causal": {"strategy.closures": 12, "strategy.epsilon": "1,10"},
    "seq2seq": {"strategy.closures": 12, "strategy.target": 0, "strategy.window": 0.5},
}
"""Settings that make two stages of a strategy; one that is not named here is run as it is."""


def pairwise(kinds: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Few choices of one of each kind, in which every two of different kinds meet.

    Each choice begins with a pair that has not met yet, and is filled with what makes most further pairs meet.
    """
    apart = {(i, a, j, b) for i, j in combinations(range(len(kinds)), 2) for a, b in product(kinds[i], kinds[j])}
    chosen = []
    while apart:
        i, a, j, b = min(apart)
        row = {i: a, j: b}
        for k in range(len(kinds)):
            if k not in row:
                row[k] = max(kinds[k], key=lambda key: sum(_pair(k, key, other, row[other]) in apart for other in row))
        apart -= {(m, row[m], n, row[n]) for m, n in combinations(range(len(kinds)), 2)}
        chosen.append(tuple(row[k] for k in range(len(kinds))))
    return chosen


def _pair(i: int, a: str, j: int, b: str) -> tuple[int, str, int, str]:
    return (i, a, j, b) if i < j else (j, b, i, a)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, and errors on few points."""
    torch.set_num_threads(1)
    monkeypatch.setattr(problem, "GRID_X", 32)
    monkeypatch.setattr(problem, "GRID_T", 12)


@pytest.fixture
def params(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen = dict(zip((kind.key for kind in KINDS), request.param, strict=True))
    given = {**SMALL, **chosen, **TWO_STAGES.get(chosen["strategy"], {})}
    for key in chosen.values():
        given |= EVERY.get(key, {})
    if chosen["strategy"] in ("curriculum", "adaptive"):
        system = COMPONENTS["system"][0][chosen["system"]]
        given["strategy.start"] = getattr(system.coefficients(), system.main) / 2
        given["strategy.step"] = given["strategy.start"]
    return schema.complete(SCHEMA, given)


def trained(params: dict[str, Any], folder: Path, **reporter: Any) -> tuple[Recorder, list[Any]]:
    """The run, and its points without the time, which no run repeats."""
    recorder = Recorder(folder, seed=5, **reporter)
    TASK.run(params, recorder)
    return recorder, [(step, {**values, "seconds": 0}) for step, values in recorder.points]


def parameters(recorder: Recorder) -> dict[str, np.ndarray]:
    return load_file(recorder.artifacts["network.safetensors"].path)


@pytest.mark.parametrize("key", COMPONENTS)
def test_no_file_of_a_component_is_broken(key: str) -> None:
    assert COMPONENTS[key][1] == []


CHOICES = pairwise([list(COMPONENTS[kind.key][0]) for kind in KINDS])


def test_every_two_components_meet() -> None:
    for i, j in combinations(range(len(KINDS)), 2):
        met = {(choice[i], choice[j]) for choice in CHOICES}
        assert met == set(product(*(COMPONENTS[KINDS[k].key][0] for k in (i, j))))
    assert len(CHOICES) < 100


@pytest.mark.parametrize("params", CHOICES, indirect=True, ids=lambda keys: "-".join(keys))
def test_a_run_resumes_in_the_middle_bit_for_bit(params: dict[str, Any], tmp_path: Path) -> None:
    assert TASK.check(params) == []
    whole, curve = trained(params, tmp_path, every=0.0)
    expected = parameters(whole)
    for quarter in (1, 3):
        step, state = whole.checkpoints[quarter * len(whole.checkpoints) // 4]
        assert 0 < step < curve[-1][0]
        resumed, rest = trained(params, tmp_path, state=state)
        assert rest == [point for point in curve if point[0] > step]
        found = parameters(resumed)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
    assert resumed.figures["rel_l2"] == whole.figures["rel_l2"]
    assert resumed.figures["stages"] == (1 if params["strategy"] not in TWO_STAGES else 2)
