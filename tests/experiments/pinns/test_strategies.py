"""Stages, as data: strategies are generators that know nothing of training."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from engine.api import discover
from experiments.pinns.strategies import Stage, Strategy, Target, Trained, curriculum, seq2seq
from experiments.pinns.systems import convection, reaction

STRATEGIES: dict[str, Strategy] = discover("experiments.pinns.strategies", "STRATEGY")[0]


def target(beta: float = 30.0, closures: int = 100_000) -> Target:
    coefficients = convection.Coefficients(beta=beta)
    return Target(system=convection.SYSTEM, coefficients=coefficients, loss=1e-7, closures=closures)


def stages_of(strategy: Strategy, settings: Any, target: Target) -> list[Stage]:
    trained = Trained(loss=1e-4, closures=10, stop="loss target", parameters=np.zeros(3))
    stages = strategy.stages(settings, target)
    found = [next(stages)]
    while True:
        try:
            found.append(stages.send(trained))
        except StopIteration:
            return found


def values(target: Target, **settings: Any) -> list[float]:
    chosen = curriculum.Settings(**settings)
    assert curriculum.check(chosen, target) == []
    return [stage.coefficients.beta for stage in stages_of(curriculum.STRATEGY, chosen, target)]


@pytest.mark.parametrize("key", STRATEGIES)
def test_the_last_stage_is_the_target(key: str) -> None:
    strategy, aim = STRATEGIES[key], target()
    stages = stages_of(strategy, strategy.settings(), aim)
    assert stages[-1].coefficients == aim.coefficients
    assert stages[-1].target == aim.loss
    assert stages[-1].closures is None
    assert len({stage.name for stage in stages}) == len(stages)


@pytest.mark.parametrize("key", STRATEGIES)
def test_a_strategy_can_be_replayed(key: str) -> None:
    strategy = STRATEGIES[key]
    assert stages_of(strategy, strategy.settings(), target()) == stages_of(strategy, strategy.settings(), target())


def test_regular_training_is_one_stage() -> None:
    strategy = STRATEGIES["regular"]
    assert [stage.name for stage in stages_of(strategy, strategy.settings(), target())] == ["β=30"]


def test_a_curriculum_rises_by_the_systems_own_step() -> None:
    assert values(target()) == [5, 10, 15, 20, 25, 30]
    aim = Target(system=reaction.SYSTEM, coefficients=reaction.Coefficients(rho=3.0), loss=0.0, closures=10_000)
    stages = stages_of(curriculum.STRATEGY, curriculum.Settings(), aim)
    assert [stage.name for stage in stages] == ["ρ=1", "ρ=2", "ρ=3"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"step": 10.0}, [10, 20, 30]),
        ({"start": 1.0, "step": 10.0}, [1, 11, 21, 30]),
        ({"start": 29.0}, [29, 30]),
        ({"start": 30.0}, [30]),
        ({"start": 40.0, "step": -5.0}, [40, 35, 30]),
        ({"values": [3.0, 29.5, 30.0]}, [3, 29.5, 30]),
        ({"step": 0.1, "start": 29.7}, pytest.approx([29.7, 29.8, 29.9, 30])),
        ({"step": 100.0}, [30]),
    ],
)
def test_a_curriculum_ends_at_its_target(settings: dict[str, Any], expected: list[float]) -> None:
    assert values(target(), **settings) == expected


def test_a_target_below_the_first_step_is_one_stage() -> None:
    assert values(target(beta=3.0)) == [3]
    assert values(target(beta=0.0)) == [0]


def test_stages_before_the_last_have_limits_of_their_own() -> None:
    first, *_, last = stages_of(curriculum.STRATEGY, curriculum.Settings(target=1e-3, closures=70), target())
    assert (first.target, first.closures) == (1e-3, 70)
    assert (last.target, last.closures) == (1e-7, None)


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"coefficient": "rho"}, "strategy.coefficient", "one of beta"),
        ({"values": [5.0, 20.0]}, "strategy.values", "end at the target, beta=30"),
        ({"values": [20.0, 5.0, 30.0]}, "strategy.values", "rise"),
        ({"values": [30.0, 30.0]}, "strategy.values", "rise"),
        ({"values": [-1.0, 30.0]}, "strategy.values", "beta"),
        ({"step": -5.0}, "strategy.step", "above 0"),
        ({"step": 0.0}, "strategy.step", "above 0"),
        ({"start": 40.0, "step": 5.0}, "strategy.step", "below 0"),
        ({"step": 1e-6}, "strategy.step", "at most 1000 stages"),
        ({"start": -10.0, "step": 10.0}, "strategy.start", "beta"),
        ({"closures": 50_000}, "optimizer.closures", "250000"),
    ],
)
def test_a_curriculum_that_cannot_be_is_refused(settings: dict[str, Any], field: str, words: str) -> None:
    (problem,) = curriculum.check(curriculum.Settings(**settings), target())
    assert problem.field == field
    assert words in problem.required


def windows(aim: Target, **settings: Any) -> list[Stage]:
    chosen = seq2seq.Settings(**settings)
    assert seq2seq.check(chosen, aim) == []
    return stages_of(seq2seq.STRATEGY, chosen, aim)


def test_windows_of_time_follow_each_other_without_a_gap() -> None:
    stages = windows(target(), window=0.25)
    assert [stage.name for stage in stages] == ["t=0..0.25", "t=0.25..0.5", "t=0.5..0.75", "t=0.75..1"]
    edges = [stage.window for stage in stages]
    assert edges == [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
    assert {stage.coefficients for stage in stages} == {target().coefficients}


@pytest.mark.parametrize(("window", "count"), [(1.0, 1), (0.1, 10), (0.05, 20), (1 / 3, 3), (0.001, 1000)])
def test_a_window_divides_the_time_up_to_rounding(window: float, count: int) -> None:
    stages = windows(target(), window=window, closures=10)
    assert len(stages) == count
    assert stages[-1].window is not None and stages[-1].window[1] == 1.0


def test_windows_divide_the_time_of_the_system() -> None:
    late = msgspec.structs.replace(convection.SYSTEM, axes={"x": (0.0, 1.0), "t": (-1.0, 3.0)})
    aim = msgspec.structs.replace(target(), system=late)
    assert [stage.window for stage in windows(aim, window=2.0)] == [(-1.0, 1.0), (1.0, 3.0)]


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"window": 0.3}, "strategy.window", "divides the time"),
        ({"window": 1.5}, "strategy.window", "divides the time"),
        ({"window": 0.5 + 1e-6}, "strategy.window", "divides the time"),
        ({"window": 1e-6}, "strategy.window", "at most 1000 windows"),
        ({"closures": 50_000}, "optimizer.closures", "450000"),
    ],
)
def test_windows_that_cannot_be_are_refused(settings: dict[str, Any], field: str, words: str) -> None:
    (problem,) = seq2seq.check(seq2seq.Settings(**settings), target())
    assert problem.field == field
    assert words in problem.required


def test_a_refused_window_is_told_one_that_fits() -> None:
    (problem,) = seq2seq.check(seq2seq.Settings(window=0.3), target())
    assert problem.hint == "such as 0.333333333333"
    assert seq2seq.check(seq2seq.Settings(window=0.333333333333), target()) == []
