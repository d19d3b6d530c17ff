"""Components of all kinds compose: systems, strategies, optimisers, samplers, balancings, models, embeddings and
constraints.

Every two components of different kinds that can go together meet in some run of a few evaluations (all combinations
would be too many); the same run resumed anywhere reports the same, bit for bit. A new file is tested at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
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
from experiments.pinns.configuration import BALANCING, EMBEDDING, MODEL, OPTIMIZER, SAMPLER, STRATEGY, SYSTEM, read
from experiments.pinns.task import TASK

SCHEMA = TASK.describe().schema
KINDS = (SYSTEM, STRATEGY, OPTIMIZER, SAMPLER, BALANCING, MODEL)
COMPONENTS = {kind.key: kind.components() for kind in (*KINDS, EMBEDDING)}
NETWORKS = {
    f"{embedding}-{constraints}": {"embedding": embedding, "constraints": constraints}
    for embedding, constraints in product(COMPONENTS["embedding"][0], ("soft", "hard"))
}
"""What makes u: an embedding, and how conditions are met. Hard constraints ask for what both are."""
SMALL = {
    "points": 12,
    "n_initial": 6,
    "n_boundary": 4,
    "optimizer.closures": 24,
    "optimizer.target": 0,
    "resample_every": 2,
}
IF_SET: dict[str, Any] = {
    "model.width": 3,
    "model.depth": 2,
    "strategy.target": 0,
    "strategy.every": 3,
    "balancing.every": 3,
    "optimizer.batch": 5,
}
"""Of components that have such a setting: what changes while a network trains does so within these few iterations."""
TWO_STAGES: dict[str, dict[str, Any]] = {
    "adaptive": {"strategy.target": 1e-9, "strategy.lost": 1e12},
    "causal": {"strategy.epsilon": "1,10"},
    "seq2seq": {"strategy.window": 0.5},
}
"""Settings that make two stages of a strategy, and keep one that judges them from giving up; one that is not named here
has the stages of its defaults.
"""


Pair = tuple[int, str, int, str]


def pairs(kinds: Sequence[Sequence[str]], can_meet: Callable[[Pair], bool]) -> set[Pair]:
    every = {(i, a, j, b) for i, j in combinations(range(len(kinds)), 2) for a, b in product(kinds[i], kinds[j])}
    return set(filter(can_meet, every))


def pairwise(kinds: Sequence[Sequence[str]], can_meet: Callable[[Pair], bool]) -> list[tuple[str, ...]]:
    """Few choices of one of each kind, in which every two of different kinds meet that can.

    Each choice begins with a pair that has not met yet, and is filled with what makes most further pairs meet.
    """
    apart = pairs(kinds, can_meet)
    chosen = []
    while apart:
        i, a, j, b = min(apart)
        row = {i: a, j: b}
        for k in range(len(kinds)):
            if k not in row:
                able = [key for key in kinds[k] if all(can_meet(_pair(k, key, other, row[other])) for other in row)]
                row[k] = max(able, key=lambda key: sum(_pair(k, key, other, row[other]) in apart for other in row))
        apart -= {(m, row[m], n, row[n]) for m, n in combinations(range(len(kinds)), 2)}
        chosen.append(tuple(row[k] for k in range(len(kinds))))
    return chosen


def _pair(i: int, a: str, j: int, b: str) -> Pair:
    return (i, a, j, b) if i < j else (j, b, i, a)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, and errors on few points."""
    torch.set_num_threads(1)
    monkeypatch.setattr(problem, "GRID_X", 32)
    monkeypatch.setattr(problem, "GRID_T", 12)


@pytest.fixture
def params(request: pytest.FixtureRequest) -> dict[str, Any]:
    *keys, network = request.param
    chosen = dict(zip((kind.key for kind in KINDS), keys, strict=True))
    given = {**SMALL, **chosen, **made_of(chosen["system"], network), **TWO_STAGES.get(chosen["strategy"], {})}
    brought = {name for kind in KINDS for name in choice_of(kind.key, chosen[kind.key]).get("properties", {})}
    given = {**{name: value for name, value in IF_SET.items() if name in brought}, **given}
    if {"strategy.start", "strategy.step"} <= brought:
        system = COMPONENTS["system"][0][chosen["system"]]
        given["strategy.start"] = getattr(system.coefficients(), system.main) / 2
        given["strategy.step"] = given["strategy.start"]
    if "strategy.closures" not in brought:
        return schema.complete(SCHEMA, given)
    shares = (schema.complete(SCHEMA, {**given, "strategy.closures": most}) for most in (12, 6, 4, 3, 2, 1))
    return next(complete for complete in shares if TASK.check(complete) == [])


def choice_of(kind: str, key: str) -> dict[str, Any]:
    return SCHEMA["properties"][kind]["x-choices"][key]


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


def made_of(system: str, network: str) -> dict[str, Any]:
    given: dict[str, Any] = dict(NETWORKS[network])
    is_periodic = bool(COMPONENTS["system"][0][system].periodic_axes)
    if given == {"embedding": "fourier", "constraints": "hard"} and is_periodic:
        given["embedding.periodic"] = True
    return given


@cache
def can_meet(pair: Pair) -> bool:
    """A system and a network whose conditions or period the system does not have cannot; all others can."""
    i, system, j, network = pair
    if (i, j) != (0, len(KINDS)):
        return True
    return TASK.check(schema.complete(SCHEMA, {"system": system, **made_of(system, network)})) == []


ALL = [*(list(COMPONENTS[kind.key][0]) for kind in KINDS), list(NETWORKS)]
CHOICES = pairwise(ALL, can_meet)


def test_every_two_components_meet() -> None:
    met = {(i, choice[i], j, choice[j]) for choice in CHOICES for i, j in combinations(range(len(ALL)), 2)}
    assert met == pairs(ALL, can_meet)
    most, next_most = sorted(map(len, ALL))[-1:-3:-1]
    assert len(CHOICES) < 1.5 * most * next_most


def test_a_network_that_a_system_cannot_have_is_one_without_its_period_or_an_ansatz_that_is_not_there() -> None:
    for name, network in product(ALL[0], ALL[-1]):
        made = read({"system": name, **made_of(name, network)})
        has_period, is_periodic = made.embedding.is_periodic(made.embedding_settings), bool(made.system.periodic_axes)
        can_be_hard = made.system.ansatz is not None and has_period == is_periodic
        is_sound = can_be_hard if made.is_hard else is_periodic or not has_period
        assert can_meet((0, name, len(KINDS), network)) is is_sound, (name, network)


def covering(choices: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Few of them, in which each component comes at least once."""
    left, chosen = {(i, key) for choice in choices for i, key in enumerate(choice)}, []
    while left:
        chosen.append(max(choices, key=lambda choice: len(left & set(enumerate(choice)))))
        left -= set(enumerate(chosen[-1]))
    return chosen


@pytest.mark.parametrize("params", covering(CHOICES), indirect=True, ids=lambda keys: "-".join(keys))
def test_a_run_keeps_to_its_device(params: dict[str, Any], tmp_path: Path, gpu: Callable[..., Any]) -> None:
    """With a GPU pretended, and evaluations replayed from graphs: the same points, bit for bit."""
    params |= {"optimizer.closures": 12, **({"strategy.closures": 6} if "strategy.closures" in params else {})}
    with gpu() as there:
        run, curve = trained(params, tmp_path, device=there.name)
    expected = trained(params, tmp_path)
    assert curve == expected[1]
    assert run.figures["rel_l2"] == expected[0].figures["rel_l2"]


@pytest.mark.parametrize("params", CHOICES, indirect=True, ids=lambda keys: "-".join(keys))
def test_a_run_resumes_in_the_middle_bit_for_bit(params: dict[str, Any], tmp_path: Path) -> None:
    assert TASK.check(params) == []
    whole, curve = trained(params, tmp_path, every=0.0)
    expected = parameters(whole)
    inside = [(step, state) for step, state in whole.checkpoints if 0 < step < curve[-1][0]]
    for step, state in (inside[len(inside) // 4], inside[3 * len(inside) // 4]):
        resumed, rest = trained(params, tmp_path, state=state)
        assert rest == [point for point in curve if point[0] > step]
        found = parameters(resumed)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
    assert resumed.figures["rel_l2"] == whole.figures["rel_l2"]
    assert resumed.figures["stages"] == whole.figures["stages"]
    assert (whole.figures["stages"] > 1) == ("strategy.closures" in params)
