from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import Diverged
from engine.recorder import Recorder
from experiments.models import fno
from experiments.operators import generate
from experiments.operators.batches import Held
from experiments.operators.normalise import inputs_of, scales_of
from experiments.operators.recipe import Recipe
from experiments.operators.sweep import Sweep
from experiments.operators.train import Trainer, on_device
from experiments.operators.training import Training

SPEC = fno.FNO(width=4, modes=3, blocks=2)
RATES = (1e-5, 1e-2, 1e-3)
STEPS = 12


@pytest.fixture
def trainer(recipe_of: Callable[..., Recipe]) -> Callable[[Training], Trainer]:
    samples = {split: generate.make(recipe_of(), split, 20) for split in ("train", "validation")}
    scales = scales_of(samples["train"], "linear")
    start = on_device(fno.initialise(SPEC, 4, np.random.default_rng(0)), torch.float32, "cpu")
    inputs = [inputs_of(samples[split], scales) for split in ("train", "validation")]
    held, judged = Held(inputs[0]), inputs[1]
    return lambda training: Trainer(partial(fno.forward, SPEC), start, training, held, judged, seed=3)


@pytest.fixture
def sweep(trainer: Callable[[Training], Trainer]) -> Callable[..., Sweep]:
    def make(rates: tuple[float, ...] = RATES) -> Sweep:
        return Sweep(trainer, settings_of(rates))

    return make


def settings_of(rates: tuple[float, ...]) -> Training:
    return Training(samples=20, batch=8, steps=STEPS, validations=3, loss="relative", lr_sweep=rates)


def weights(sweep: Sweep) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in sweep.best.values())


def without_seconds(recorder: Recorder) -> list[tuple[int, dict[str, float]]]:
    return [(step, {k: v for k, v in values.items() if k != "seconds"}) for step, values in recorder.points]


def test_each_rate_is_trained_as_if_it_were_alone_and_the_best_by_validation_is_kept(
    sweep: Callable[..., Sweep], trainer: Callable[[Training], Trainer], tmp_path: Path
) -> None:
    made, recorder = sweep(), Recorder(tmp_path)
    assert made.run(recorder)
    alone = []
    for rate in RATES:
        one = trainer(Training(samples=20, batch=8, steps=STEPS, validations=3, loss="relative", lr=rate))
        one.run(Recorder(tmp_path))
        alone.append(one)
    assert [trial.error for trial in made.trials] == [one.best_error for one in alone]
    best = min(alone, key=lambda one: one.best_error)
    assert made.chosen.lr == RATES[alone.index(best)] == 1e-2
    assert all(torch.equal(made.best[name], tensor) for name, tensor in best.best.items())


def test_every_trial_is_a_stage_and_the_steps_count_on(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    made = sweep()
    made.run(recorder)
    assert list(recorder.stages) == ["lr 1e-05", "lr 0.01", "lr 0.001"]
    for number, (stage, trial) in enumerate(zip(recorder.stages.values(), made.trials, strict=True)):
        assert (stage["step"], stage["validation_rel_l2"]) == (number * STEPS, trial.error)
    assert [step for step, values in recorder.points if "lr" in values] == list(range(1, 3 * STEPS + 1))
    assert made.step == 3 * STEPS
    seconds = [values["seconds"] for _, values in recorder.points if "seconds" in values]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("stop_at", [4, 12, 16, 30])
def test_stopped_in_any_trial_and_resumed_it_ends_in_the_same_weights(
    sweep: Callable[..., Sweep], tmp_path: Path, stop_at: int
) -> None:
    whole, reported = sweep(), Recorder(tmp_path)
    assert whole.run(reported)
    first, second = Recorder(tmp_path, stop_at=stop_at), Recorder(tmp_path)
    assert not sweep().run(first)
    resumed = sweep()
    resumed.restore(first.checkpoints[-1][1])
    assert resumed.step == stop_at
    assert resumed.run(second)
    assert weights(resumed) == weights(whole)
    assert resumed.trials == whole.trials
    assert without_seconds(first) + without_seconds(second) == without_seconds(reported)


def test_killed_after_the_last_step_it_knows_the_weights_of_an_earlier_trial(
    sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    whole, recorder = sweep(), Recorder(tmp_path)
    whole.run(recorder)
    again = sweep()
    again.restore(recorder.checkpoints[-1][1])
    assert again.run(Recorder(tmp_path))
    assert (weights(again), again.trials) == (weights(whole), whole.trials)


def test_a_rate_that_diverges_has_lost_and_only_where_all_do_has_the_run(
    sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path)
    made = sweep((1e30, 1e-3))
    assert made.run(recorder)
    assert made.chosen.lr == 1e-3
    assert recorder.stages["lr 1e+30"]["stop_reason"] == "diverged"
    with pytest.raises(Diverged):
        sweep((1e30, 1e29)).run(Recorder(tmp_path))


def test_one_rate_is_a_training_without_stages(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    made = sweep(())
    made.run(recorder)
    assert (recorder.stages, made.chosen.lr, made.step) == ({}, 1e-3, STEPS)


def test_a_rate_comes_once() -> None:
    (problem,) = settings_of((1e-2, 1e-2)).unfit()
    assert str(problem) == "lr_sweep: required each rate once, got 0.01, 0.01"
