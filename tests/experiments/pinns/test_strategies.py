"""Stages, as data: strategies are generators that know nothing of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.api import discover
from experiments.pinns.strategies import (
    START,
    LostTrack,
    Stage,
    Strategy,
    Target,
    Trained,
    adaptive,
    curriculum,
    seq2seq,
)
from experiments.pinns.systems import burgers, convection, reaction, reaction_diffusion

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


def test_a_curriculum_begins_where_the_system_advises_and_may_fall() -> None:
    for nu, expected in ((0.004, [0.03, 0.02, 0.01, 0.004]), (0.045, [0.03, 0.04, 0.045]), (0.03, [0.03])):
        aim = Target(system=burgers.SYSTEM, coefficients=burgers.Coefficients(nu=nu), loss=0.0, closures=10_000)
        assert curriculum.check(curriculum.Settings(), aim) == []
        stages = stages_of(curriculum.STRATEGY, curriculum.Settings(), aim)
        assert [stage.coefficients.nu for stage in stages] == pytest.approx(expected)


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


BOTH = Target(
    system=reaction_diffusion.SYSTEM,
    coefficients=reaction_diffusion.Coefficients(nu=3.0, rho=5.0),
    loss=1e-7,
    closures=100_000,
)


def test_coefficients_rise_together_in_proportion() -> None:
    chosen = curriculum.Settings(coefficient="rho,nu", step=2.0)
    assert curriculum.check(chosen, BOTH) == []
    stages = stages_of(curriculum.STRATEGY, chosen, BOTH)
    assert [stage.name for stage in stages] == ["ρ=2 ν=1.2", "ρ=4 ν=2.4", "ρ=5 ν=3"]
    assert [stage.coefficients.rho for stage in stages] == [2, 4, 5]
    assert [stage.coefficients.nu for stage in stages] == pytest.approx([1.2, 2.4, 3])
    assert stages[-1].coefficients == BOTH.coefficients


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"coefficient": "rho,beta"}, "strategy.coefficient", "one of nu, rho"),
        ({"coefficient": "rho,rho"}, "strategy.coefficient", "once"),
        ({"coefficient": "rho,nu", "step": 0.1}, "strategy.start", "nu"),
    ],
)
def test_coefficients_that_cannot_rise_together_are_refused(settings: dict[str, Any], field: str, words: str) -> None:
    for strategy in (curriculum, adaptive):
        (problem,) = strategy.check(strategy.Settings(**settings), BOTH)
        assert problem.field == field
        assert words in problem.required
    still = msgspec.structs.replace(BOTH, coefficients=reaction_diffusion.Coefficients(rho=0.0))
    (problem,) = curriculum.check(curriculum.Settings(coefficient="rho,nu"), still)
    assert problem.field == "strategy.coefficient"


def followed(
    losses: Callable[[float], float], aim: Target | None = None, **settings: Any
) -> tuple[list[tuple[float, int | None]], str]:
    """What an adaptive curriculum tries where a stage at β ends at a loss: β and whose weights it starts from; and the
    words with which it gives up.
    """
    aim, chosen = aim or target(), adaptive.Settings(**settings)
    assert adaptive.check(chosen, aim) == []
    stages, found = adaptive.stages(chosen, aim), []
    try:
        stage = next(stages)
        while True:
            beta = stage.coefficients.beta
            found.append((beta, stage.after))
            trained = Trained(loss=losses(beta), closures=10, stop="", parameters=np.zeros(3))
            stage = stages.send(trained)
    except StopIteration:
        assert stage.closures is None and stage.target == aim.loss
        return found, ""
    except LostTrack as lost:
        return found, str(lost)


def test_an_adaptive_curriculum_that_keeps_track_takes_its_first_steps() -> None:
    found, _ = followed(lambda beta: 1e-5, step=10.0)
    assert found == [(10, None), (20, None), (30, None), (30, None)]


def test_a_stage_that_loses_track_is_gone_back_behind_and_its_step_halved() -> None:
    tried: list[float] = []

    def losses(beta: float) -> float:
        """20 is too far at first."""
        tried.append(beta)
        return 1.0 if beta >= 20 and len(tried) < 3 else 1e-5

    found, _ = followed(losses, step=10.0)
    # from 10, 20 and then 15 by the weights of stage 0; what follows is half as long again as the last, up to 10
    assert found == [(10, None), (20, None), (15, 0), (22.5, None), (30, None), (30, None)]


def test_steps_grow_only_after_a_stage_that_reached_its_target() -> None:
    found, _ = followed(lambda beta: 1.0 if beta == 30 else 5e-4, step=16.0, start=14.0, smallest=8.0)
    assert [beta for beta, _ in found] == [14, 30, 22, 30]
    found, _ = followed(lambda beta: 5e-4, step=10.0, growth=10.0)
    assert [beta for beta, _ in found] == [10, 20, 30, 30]


def test_a_first_stage_that_loses_track_starts_again_from_the_first_weights() -> None:
    found, words = followed(lambda beta: 1.0 if beta > 4 else 1e-5, step=10.0, smallest=2.0)
    assert found[:3] == [(10, None), (5, START), (2.5, START)]
    assert found[3] == (pytest.approx(2.5 * 2.5), None)
    assert "track is lost" in words


def test_a_track_that_is_lost_for_good_ends_the_run_in_words() -> None:
    found, words = followed(lambda beta: 1.0 if beta > 12 else 1e-5, step=8.0, smallest=2.0)
    assert [beta for beta, _ in found] == [8, 16, 12, 18, 15]
    assert "track is lost at β=" in words and "below 2" in words


def test_a_loss_that_is_not_finite_is_a_lost_track() -> None:
    assert followed(lambda beta: float("nan"), step=10.0, smallest=10.0)[1]


def test_a_loss_that_is_low_on_the_trained_points_only_is_a_lost_track() -> None:
    stages = adaptive.stages(adaptive.Settings(step=10.0), target())
    next(stages)
    trained = Trained(loss=1e-5, fresh_loss=2e-3, closures=1, stop="loss target", parameters=np.zeros(1))
    assert stages.send(trained).coefficients.beta == 5
    assert stages.send(msgspec.structs.replace(trained, fresh_loss=9e-4)).coefficients.beta == 12.5


def test_an_adaptive_curriculum_of_nothing_is_one_stage() -> None:
    assert followed(lambda beta: 1.0, target(beta=0.0)) == ([(0.0, None)], "")
    assert followed(lambda beta: 1.0, target(beta=3.0)) == ([(3.0, None)], "")
    assert followed(lambda beta: 1.0, start=30.0) == ([(30.0, None)], "")


def test_stages_that_are_tried_again_have_names_of_their_own() -> None:
    """From 20, 25 is lost, 22.5 is kept, and 25 is tried again."""
    tried: list[float] = []

    def losses(beta: float) -> float:
        tried.append(beta)
        return 1.0 if beta == 25 and tried.count(25) < 2 else 1e-5

    stages, names = adaptive.stages(adaptive.Settings(start=20.0, step=5.0, growth=1.0), target(beta=25.0)), []
    stage = next(stages)
    while True:
        names.append(stage.name)
        trained = Trained(loss=losses(stage.coefficients.beta), closures=1, stop="", parameters=np.zeros(1))
        try:
            stage = stages.send(trained)
        except StopIteration:
            break
    assert names == ["β=20", "β=25", "β=22.5", "β=25 (2)", "β=25 to the end"]


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"step": -5.0}, "strategy.step", "above 0"),
        ({"start": -10.0, "step": 10.0}, "strategy.start", "beta"),
        ({"step": 5.0, "smallest": 6.0}, "strategy.smallest", "at most the step"),
        ({"coefficient": "rho"}, "strategy.coefficient", "one of beta"),
    ],
)
def test_an_adaptive_curriculum_that_cannot_be_is_refused(settings: dict[str, Any], field: str, words: str) -> None:
    (problem,) = adaptive.check(adaptive.Settings(**settings), target())
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
