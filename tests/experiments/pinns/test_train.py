"""Whole runs, small ones: what they report, that they repeat, and that they can be stopped and resumed anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine.api import Diverged, TaskError
from engine.recorder import Recorder
from experiments.pinns import configuration, formulation, train

Run = Callable[..., Recorder]
BUDGET = {"optimizer.closures": 100}
REACTION: dict[str, Any] = {
    "system": "reaction",
    "rho": 2.0,
    "strategy": "curriculum",
    "strategy.closures": 15,
    "optimizer.closures": 50,
}


def curve(recorder: Recorder) -> list[tuple[int, dict[str, float]]]:
    """All points, but for the time, which no run repeats."""
    return [
        (step, {name: value for name, value in values.items() if name != "seconds"}) for step, values in recorder.points
    ]


def weights(recorder: Recorder) -> np.ndarray:
    return load_file(recorder.artifacts["network.safetensors"].path)["parameters"]


def test_a_run_reports_every_iteration(run: Run) -> None:
    recorder = run({"beta": 1.0, "optimizer.closures": 20})
    assert [step for step, _ in recorder.points] == list(range(recorder.figures["iterations"] + 1))
    for _, values in recorder.points:
        assert values["beta"] == 1.0
        parts = values["loss_residual"] + values["loss_initial"] + values["loss_boundary"]
        assert values["loss"] == pytest.approx(parts)
        assert values["gradient_norm"] > 0 and values["seconds"] > 0
    losses = [values["loss"] for _, values in recorder.points]
    assert losses == sorted(losses, reverse=True)
    closures = [values["closures"] for _, values in recorder.points]
    assert closures[0] == 1 and closures[-1] == recorder.figures["closures"] == 20
    assert closures == sorted(closures)


def test_errors_are_reported_at_both_ends_of_a_stage_and_at_even_spaces_between(run: Run) -> None:
    recorder = run({"beta": 1.0, "optimizer.closures": 60, "points": 600})
    *steps, last = (step for step, values in recorder.points if "rel_l2" in values)
    assert steps[0] == 0 and last == recorder.points[-1][0]
    assert len(steps) > 3 and len({after - before for before, after in pairwise(steps)}) == 1
    first, last = (recorder.points[i][1] for i in (0, -1))
    assert last["rel_l2"] == pytest.approx(recorder.figures["rel_l2"], rel=0.05)
    assert last["rel_l2"] < first["rel_l2"]


def test_a_training_that_is_driven_from_outside_is_the_run(
    run: Run, complete: Callable[..., Any], tmp_path: Path
) -> None:
    """Two at once, an evaluation of each in turn: every point and the weights are those of a run alone."""
    many = [{**REACTION, "rho": rho} for rho in (2.0, 3.0)]
    recorders = []
    driven = []
    for params in many:
        folder = tmp_path / f"driven {params['rho']}"
        folder.mkdir()
        recorders.append(Recorder(folder))
        driven.append(train.Training(configuration.read(complete(**params)), recorders[-1]).evaluations())
    asked = [next(evaluations) for evaluations in driven]
    for _ in range(REACTION["optimizer.closures"] - 1):
        asked = [evaluations.send(one.answer()) for evaluations, one in zip(driven, asked, strict=True)]
    for evaluations, one, recorder, params in zip(driven, asked, recorders, many, strict=True):
        with pytest.raises(StopIteration):
            evaluations.send(one.answer())
        alone = run(params)
        assert curve(recorder) == curve(alone)
        assert np.array_equal(weights(recorder), weights(alone))


def test_the_weight_of_the_residual_enters_the_loss(run: Run) -> None:
    values = run({"beta": 1.0, "optimizer.closures": 5, "lambda": 0.1}).points[0][1]
    parts = 0.1 * values["loss_residual"] + values["loss_initial"] + values["loss_boundary"]
    assert values["loss"] == pytest.approx(parts)


def test_a_curriculum_carries_its_weights_from_stage_to_stage(run: Run) -> None:
    recorder = run(REACTION)
    assert list(recorder.stages) == ["ρ=1", "ρ=2"]
    first, second = recorder.stages.values()
    assert (first["rho"], second["rho"]) == (1.0, 2.0)
    assert (first["stop_reason"], first["closures"]) == ("closures", 15)
    assert (second["stop_reason"], second["closures"]) == ("closures", 35)
    assert recorder.figures["stop_reason"] == "closures"
    points = dict(recorder.points)
    before, after = points[second["step"] - 1], points[second["step"]]
    assert (before["rho"], after["rho"]) == (1.0, 2.0)
    # the same network: against the target it is as good as it was
    assert after["rel_l2"] == before["rel_l2"]
    assert before["rel_l2_stage"] != before["rel_l2"] and after["rel_l2_stage"] == after["rel_l2"]


def test_a_stage_ends_at_its_loss_target(run: Run) -> None:
    recorder = run({**REACTION, "strategy.target": 0.02, "strategy.closures": 40, "optimizer.closures": 120})
    first = recorder.stages["ρ=1"]
    assert first["stop_reason"] == "loss target"
    assert first["loss"] <= 0.02 and first["closures"] < 40
    done = run({"beta": 1.0, "optimizer.target": 10.0})
    assert done.figures["stop_reason"] == "loss target" and done.figures["iterations"] == 0


ADAPTIVE = {
    **REACTION,
    "rho": 9.0,
    "strategy": "adaptive",
    "strategy.start": 1.0,
    "strategy.target": 0.02,
    "strategy.lost": 1.0,
    "strategy.step": 8.0,
    "strategy.closures": 40,
    "optimizer.closures": 300,
}


def test_an_adaptive_curriculum_goes_back_to_the_weights_that_kept_track(run: Run) -> None:
    recorder = run(ADAPTIVE, every=0.0)
    names, stages = list(recorder.stages), list(recorder.stages.values())
    assert names[:3] == ["ρ=1", "ρ=9", "ρ=5"]
    good, lost, again = stages[:3]
    assert good["loss"] <= 0.02 < lost["loss"] and lost["closures"] == 40
    points = dict(recorder.points)
    # the same network: against the target it is as good as the one that was gone back to
    assert points[again["step"]]["rel_l2"] == points[good["ended"]]["rel_l2"] != points[lost["ended"]]["rel_l2"]
    state = next(state for step, state in recorder.checkpoints if step == again["step"] + 3)
    assert np.array_equal(weights(run(ADAPTIVE, state=state)), weights(recorder))


def test_a_run_that_loses_track_says_so(run: Run) -> None:
    recorder = run({**ADAPTIVE, "strategy.target": 1e-9, "strategy.smallest": 5.0})
    assert recorder.figures["stop_reason"] == "lost track" and recorder.figures["stages"] == 1
    assert any("track is lost at ρ=1" in text for text in recorder.warnings)


def test_a_run_that_does_not_get_to_its_target_says_so(run: Run) -> None:
    recorder = run({**ADAPTIVE, "optimizer.closures": 15})
    assert recorder.figures["stop_reason"] == "closures"
    assert any("before the target" in text for text in recorder.warnings)


def test_fields_and_errors_are_those_of_the_stage(run: Run) -> None:
    recorder = run(REACTION)
    for (step, fields), stage in zip(recorder.stored_fields, recorder.stages.values(), strict=True):
        assert step == stage["ended"]
        assert fields["x"].shape == (256,) and fields["t"].shape == (100,)
        error = fields["predicted"].astype(float) - fields["reference"]
        np.testing.assert_allclose(fields["error"], error, atol=1e-6)
        assert stage["rel_l2"] == pytest.approx(np.linalg.norm(error) / np.linalg.norm(fields["reference"]), rel=1e-5)
        assert stage["abs_err"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
        assert stage["linf"] == pytest.approx(np.abs(error).max(), rel=1e-5)
    assert recorder.figures["rel_l2"] == stage["rel_l2"]
    assert recorder.figures["fresh_residual"] == stage["fresh_residual"]


def test_fields_are_stored_while_it_trains_at_twice_the_iterations_each_time(run: Run) -> None:
    """Those of the stage that is trained then; of a run that is resumed, at the same iterations."""
    params = {"beta": 1.0, "optimizer": "adam", "optimizer.closures": 250, "points": 600}
    whole = run(params, every=0.0)
    *between, last = (step for step, _ in whole.stored_fields)
    assert last == 249
    assert between[0] >= train.FIRST_FIELDS and len(between) == 3
    assert all(later >= 2 * earlier for earlier, later in pairwise(between))
    errors = [float(np.linalg.norm(fields["error"])) for _, fields in whole.stored_fields]
    assert errors == sorted(errors, reverse=True)
    reported = {step: values["rel_l2"] for step, values in whole.points if "rel_l2" in values}
    for step, fields in whole.stored_fields:
        everywhere = np.linalg.norm(fields["error"]) / np.linalg.norm(fields["reference"])
        assert reported[step] == pytest.approx(everywhere, rel=0.2), "on fewer points"
    step, state = next(saved for saved in whole.checkpoints if saved[0] == between[0] + 1)
    assert [step for step, _ in run(params, state=state).stored_fields] == [*between[1:], last]


def test_the_residual_on_fresh_points_is_of_other_points(run: Run) -> None:
    recorder = run({"beta": 1.0, "optimizer.closures": 30})
    trained = recorder.points[-1][1]["loss_residual"]
    assert recorder.figures["fresh_residual"] != trained
    assert recorder.figures["fresh_residual"] == pytest.approx(trained, rel=2)


@pytest.mark.parametrize("resample", ["stage", "never"])
def test_points_are_drawn_anew_for_each_stage_if_so_wished(run: Run, resample: str) -> None:
    """With the same points, a curriculum that stands still goes on from the very same loss."""
    settings = {"beta": 1e-9, "strategy": "curriculum", "strategy.values": "0,1e-9", "strategy.closures": 8}
    recorder = run({**settings, "optimizer.closures": 16, "resample": resample})
    begin = recorder.stages["β=1e-09"]["step"]
    points = dict(recorder.points)
    assert (points[begin]["loss"] == pytest.approx(points[begin - 1]["loss"], rel=1e-6)) == (resample == "never")


@pytest.mark.parametrize("sampler", ["random", "rad"])
def test_points_are_drawn_anew_within_a_stage_if_so_wished(run: Run, sampler: str) -> None:
    """Between iterations, at the cost of one evaluation; resumed anywhere to the same curve."""
    params = {"beta": 1.0, "optimizer.closures": 40, "sampler": sampler, "resample_every": 4}
    whole = run(params, every=0.0)
    closures = [values["closures"] for _, values in run({**params, "optimizer": "adam"}).points]
    assert closures[:11] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13]
    for step, state in whole.checkpoints[:9]:
        assert curve(run(params, state=state)) == curve(whole)[step + 1 :], f"from step {step}"


def test_a_new_stage_starts_on_points_by_the_residual(run: Run) -> None:
    """Of a sampler that follows it, once something is trained."""
    params = {"beta": 2.0, "strategy": "curriculum", "strategy.values": "1,2", "strategy.closures": 10}
    rad = {"sampler": "rad", "resample_every": 1000, "sampler.exponent": 3.0, "sampler.constant": 0.0}
    first, second = (run({**params, **given, "optimizer.closures": 12}).stages["β=2"] for given in ({}, rad))
    points = [run({**params, **given, "optimizer.closures": 12}) for given in ({}, rad)]
    begins = [dict(recorder.points)[stage["step"]] for recorder, stage in zip(points, (first, second), strict=True)]
    assert begins[1]["loss_residual"] > 1.3 * begins[0]["loss_residual"]


@pytest.mark.parametrize("optimizer", ["ssbfgs", "lbfgs"])
def test_the_same_seed_gives_the_same_curve_bit_for_bit(run: Run, optimizer: str) -> None:
    params = {**REACTION, "optimizer": optimizer}
    one, same, other = run(params, seed=3), run(params, seed=3), run(params, seed=4)
    assert curve(one) == curve(same)
    assert curve(one) != curve(other)


def test_runs_do_not_lean_on_global_random_numbers(run: Run) -> None:
    one = run(REACTION)
    torch.manual_seed(99)
    np.random.seed(99)
    assert curve(run(REACTION)) == curve(one)


@pytest.mark.parametrize("optimizer", ["ssbfgs", "ssbroyden", "lbfgs"])
@pytest.mark.parametrize("stop_at", [0, 4, 21])
def test_a_stopped_run_resumes_to_the_same_weights(run: Run, optimizer: str, stop_at: int) -> None:
    params = {**REACTION, "optimizer": optimizer, "optimizer.closures": 70}
    whole = run(params)
    expected = weights(whole)
    stopped = run(params, stop_at=stop_at)
    assert stopped.points[-1][0] == stop_at
    assert stopped.figures["stop_reason"] == "stopped"
    step, state = stopped.checkpoints[-1]
    assert step == stop_at
    resumed = run(params, state=state)
    assert np.array_equal(weights(resumed), expected)
    assert curve(stopped) + curve(resumed) == curve(whole)
    for name in ("loss", "rel_l2", "closures", "iterations", "stop_reason", "fresh_residual"):
        assert resumed.figures[name] == whole.figures[name]


def test_every_checkpoint_leads_to_the_same_end(run: Run) -> None:
    """Those in the middle of a stage, those at the ends of stages, and the one after the last."""
    whole = run(REACTION, every=0.0)
    expected = weights(whole)
    ends = {stage["ended"] for stage in whole.stages.values()}
    assert ends <= {step for step, _ in whole.checkpoints}
    for step, state in whole.checkpoints[:: max(1, len(whole.checkpoints) // 6)] + whole.checkpoints[-1:]:
        resumed = run(REACTION, state=state)
        assert np.array_equal(weights(resumed), expected), f"from step {step}"
        assert curve(resumed) == curve(whole)[step + 1 :]


def test_a_checkpoint_survives_the_engines_own_format(run: Run, tmp_path: Path) -> None:
    from engine import checkpoint

    stopped = run(REACTION, stop_at=5)
    file = tmp_path / "state" / "step-5.safetensors"
    checkpoint.save(file, stopped.checkpoints[-1][1])
    assert np.array_equal(weights(run(REACTION, state=checkpoint.load(file))), weights(run(REACTION)))


@pytest.mark.parametrize("optimizer", ["ssbfgs", "lbfgs", "sgd", "adam_lbfgs"])
@pytest.mark.parametrize("at", [0, 12, 30])
def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(
    complete: Callable[..., Any], tmp_path: Path, at: int, optimizer: str
) -> None:
    """From the start, in the middle of a stage, at the start of a stage."""
    job = configuration.read(complete(**{**REACTION, **BUDGET, "optimizer": optimizer, "strategy.closures": 30}))
    calls = 0

    def breaks_down(c: Any, d: Any) -> Any:
        nonlocal calls
        calls += 1
        return -c.rho * d.u * (1 - d.u) * (math.nan if calls > at else 1.0)

    broken = msgspec.structs.replace(job, system=msgspec.structs.replace(job.system, nonlinear=breaks_down))
    recorder = Recorder(tmp_path)
    with pytest.raises(Diverged, match="loss is not finite at step") as raised:
        train.Training(broken, recorder).run()
    assert raised.value.step == len(recorder.points)
    assert all(math.isfinite(values["loss"]) for _, values in recorder.points)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "numpy"],
)
@pytest.mark.parametrize("at", [1, 5])
def test_memory_that_runs_out_is_said_with_what_to_lower(
    run: Run, monkeypatch: pytest.MonkeyPatch, at: int, error: Exception
) -> None:
    """Where an evaluation is prepared or made."""
    real = formulation.objective

    def fails(network: Any, problem: Any) -> Any:
        function, calls = real(network, problem), 0
        if at == 1:
            raise error

        def evaluate(flat: torch.Tensor) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise error
            return function(flat)

        return evaluate

    monkeypatch.setattr(formulation, "objective", fails)
    with pytest.raises(TaskError, match=r"out of memory: .*lower points.*model\.width") as raised:
        run({"beta": 1.0, "optimizer.closures": 20})
    assert raised.value.__cause__ is error


def test_another_fault_stays_what_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(network: Any, problem: Any) -> Any:
        raise RuntimeError("a shape is wrong")

    monkeypatch.setattr(formulation, "objective", fails)
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        run({"beta": 1.0})


def test_single_precision_runs_in_single_precision(run: Run) -> None:
    recorder = run({"beta": 1.0, "optimizer.closures": 20, "dtype": "float32"})
    assert weights(recorder).dtype == np.float32
    assert recorder.figures["rel_l2"] < recorder.points[0][1]["rel_l2"]


@pytest.mark.parametrize("optimizer", configuration.OPTIMIZER.components()[0])
def test_a_run_goes_on_on_another_device(run: Run, gpu: Callable[..., Any], optimizer: str) -> None:
    """With a GPU pretended, whose kernels are those of the CPU: to the same weights, there and back."""
    params = {"system": "reaction", "rho": 1.0, "optimizer": optimizer, "optimizer.closures": 14}
    whole = run(params)
    expected, first = weights(whole), run(params, stop_at=2).checkpoints[-1][1]
    with gpu() as there:
        second = run(params, device=there.name, state=first, stop_at=4).checkpoints[-1][1]
    resumed = run(params, state=second)
    np.testing.assert_array_equal(weights(resumed), expected)
    assert resumed.figures["rel_l2"] == whole.figures["rel_l2"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimizer", ["ssbfgs", "lbfgs"])
def test_a_gpu_takes_the_steps_of_a_cpu(run: Run, optimizer: str) -> None:
    params = {"beta": 1.0, "optimizer.closures": 12, "optimizer": optimizer}
    on_cpu, on_gpu = run(params), run(params, device="cuda")
    for (_, ours), (_, theirs) in zip(on_gpu.points, on_cpu.points, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-8)


def test_another_network_is_trained_by_automatic_differentiation(run: Run) -> None:
    recorder = run({"beta": 1.0, "optimizer.closures": 30, "model.activation": "sin"})
    assert recorder.points[-1][1]["loss"] < 0.3 * recorder.points[0][1]["loss"]


def test_a_low_loss_that_is_not_success_is_warned_of(run: Run) -> None:
    """Two points are met exactly, and say nothing of the solution."""
    recorder = run({"beta": 30.0, "points": 2, "optimizer.closures": 600, "optimizer.target": 1e-4, "model.width": 12})
    assert recorder.figures["stop_reason"] == "loss target"
    assert recorder.figures["rel_l2"] > 0.5
    assert any("relative L2 error" in text for text in recorder.warnings)
    assert any("fresh points" in text for text in recorder.warnings)


def test_a_run_that_succeeds_warns_of_nothing_and_is_cheap_to_watch(run: Run) -> None:
    """The curriculum of the paper's failing case, with the default network, optimiser and points."""
    recorder = run(
        {
            "system": "reaction",
            "rho": 5.0,
            "strategy": "curriculum",
            "points": 500,
            "n_initial": 128,
            "n_boundary": 64,
            "model.width": 20,
            "model.depth": 4,
            "optimizer.target": 1e-7,
        },
        seed=1,
    )
    assert recorder.figures["rel_l2"] < 2e-2
    assert recorder.warnings == []
    assert 0 < recorder.figures["monitoring_share"] < 0.5  # a bound that a busy machine keeps; see benchmarks.pinn
