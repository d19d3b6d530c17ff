from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import Diverged, TaskError
from engine.recorder import Recorder
from experiments.models import fno
from experiments.operators import generate
from experiments.operators.batches import Held
from experiments.operators.freezing import frozen
from experiments.operators.normalise import Inputs, inputs_of, scales_of
from experiments.operators.recipe import Recipe
from experiments.operators.train import Trainer, on_device, predict
from experiments.operators.training import Training

SPEC = fno.FNO(width=4, modes=3, blocks=2)


@pytest.fixture
def trainer(recipe_of: Callable[..., Recipe]) -> Callable[..., Trainer]:
    samples = {split: generate.make(recipe_of(), split, 20) for split in ("train", "validation")}
    scales = scales_of(samples["train"], "linear")
    start = on_device(fno.initialise(SPEC, 4, np.random.default_rng(0)), torch.float32, "cpu")

    def make(frozen: Collection[str] = (), seed: int = 3, **changed: object) -> Trainer:
        training = Training(**{"samples": 20, "batch": 8, "epochs": 4, "lr": 1e-2, "validations": 5, **changed})  # type: ignore[arg-type]
        inputs = [inputs_of(samples[split].part(slice(training.samples)), scales) for split in ("train", "validation")]
        held, judged = Held(inputs[0]), inputs[1]
        return Trainer(partial(fno.forward, SPEC), start, training, held, judged, seed, frozen)

    return make


def weights(trainer: Trainer) -> bytes:
    return b"".join(t.detach().numpy().tobytes() for t in (*trainer.parameters.values(), *trainer.best.values()))


def without_seconds(recorder: Recorder) -> list[tuple[int, dict[str, float]]]:
    return [(step, {k: v for k, v in values.items() if k != "seconds"}) for step, values in recorder.points]


@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_stopped_within_a_pass_and_resumed_it_ends_in_the_same_weights(
    trainer: Callable[..., Trainer], tmp_path: Path, stop_at: int
) -> None:
    whole, reported = trainer(), Recorder(tmp_path)
    assert whole.run(reported)
    first, second = Recorder(tmp_path, stop_at=stop_at), Recorder(tmp_path)
    assert not trainer().run(first)
    resumed = trainer()
    resumed.restore(first.checkpoints[-1][1])
    assert resumed.run(second)
    assert without_seconds(first) + without_seconds(second) == without_seconds(reported)
    assert weights(resumed) == weights(whole)


def test_the_same_seed_gives_the_same_weights_and_another_another(
    trainer: Callable[..., Trainer], tmp_path: Path
) -> None:
    one, same, other = trainer(), trainer(), trainer(seed=4)
    for each in (one, same, other):
        each.run(Recorder(tmp_path))
    assert weights(one) == weights(same) != weights(other)


def test_the_best_weights_by_validation_are_kept_across_a_resume(
    trainer: Callable[..., Trainer], tmp_path: Path
) -> None:
    first = Recorder(tmp_path, stop_at=4)
    made = trainer()
    made.run(first)
    best, error = {name: tensor.clone() for name, tensor in made.best.items()}, made.best_error
    resumed = trainer(lr=100.0)  # from here on it only gets worse
    resumed.restore(first.checkpoints[-1][1])
    resumed.run(Recorder(tmp_path))
    assert resumed.best_step <= 4
    assert (
        resumed.best_error == error == min(v["validation_rel_l2"] for _, v in first.points if "validation_rel_l2" in v)
    )
    assert all(torch.equal(resumed.best[name], best[name]) for name in best)


def test_the_rate_falls_as_a_cosine_and_validation_is_at_even_steps(
    trainer: Callable[..., Trainer], tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path)
    trainer(steps=10).run(recorder)
    assert [values["lr"] for step, values in recorder.points if step] == pytest.approx(
        [1e-2 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    )
    assert [step for step, values in recorder.points if "validation_rel_l2" in values] == [0, 2, 4, 6, 8, 10]
    assert all({"loss", "lr", "seconds"} <= values.keys() for step, values in recorder.points if step)


def test_the_rate_rises_before_it_falls(trainer: Callable[..., Trainer], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    trainer(steps=12, warmup=3).run(recorder)
    rising, falling = [0.25, 0.5, 0.75], [(1 + math.cos(math.pi * step / 9)) / 2 for step in range(9)]
    assert [values["lr"] for step, values in recorder.points if step] == pytest.approx(
        [1e-2 * share for share in (*rising, *falling)]
    )
    (problem,) = Training(samples=20, steps=12, warmup=12).unfit()
    assert str(problem) == "warmup: required fewer than the 12 steps of the training, got 12"


def test_a_gradient_is_clipped_to_the_norm_given_and_left_alone_below_it(
    trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradients_of(clip: float) -> torch.Tensor:
        made, seen = trainer(clip=clip), []
        monkeypatch.setattr(
            made._adam, "step", lambda *_: seen.extend(t.grad.flatten() for t in made.parameters.values())
        )
        made._one_step()
        return torch.cat(seen)

    whole, clipped, loose = (gradients_of(clip) for clip in (0.0, 0.01, 1e9))
    assert torch.equal(loose, whole)
    assert whole.norm() > 0.1
    assert clipped.norm().item() == pytest.approx(0.01, rel=1e-4)
    assert torch.allclose(clipped / clipped.norm(), whole / whole.norm(), atol=1e-6)


def test_frozen_parameters_stay_as_they_are_and_all_others_move(
    trainer: Callable[..., Trainer], tmp_path: Path
) -> None:
    made = trainer(weight_decay=0.1)
    names = frozen(("lift", "blocks.0"), made.parameters)
    assert names == {name for name in made.parameters if name.startswith(("lift.", "blocks.0."))}
    first, second = Recorder(tmp_path, stop_at=4), Recorder(tmp_path)
    trainer(weight_decay=0.1, frozen=names).run(first)
    resumed = trainer(weight_decay=0.1, frozen=names)
    resumed.restore(first.checkpoints[-1][1])
    assert resumed.run(second)
    for name, before in made.parameters.items():
        assert torch.equal(resumed.parameters[name], before) == (name in names), name
        assert torch.equal(resumed.best[name], before) == (name in names), name


def test_what_is_to_be_frozen_must_be_there_and_leave_something_to_train() -> None:
    names = ("lift.weight", "blocks.0.weight", "blocks.1.weight", "hidden.bias")
    assert frozen(("blocks",), names) == {"blocks.0.weight", "blocks.1.weight"}
    assert frozen((), names) == frozenset()
    with pytest.raises(TaskError, match=r"out of blocks, blocks.0, blocks.1, hidden, lift, got blocks.2"):
        frozen(("blocks.2",), names)
    with pytest.raises(TaskError, match="required a part that is trained, got none"):
        frozen(("blocks", "lift", "hidden"), names)


@pytest.mark.parametrize("loss", ["relative", "geometric"])
def test_it_learns(trainer: Callable[..., Trainer], tmp_path: Path, loss: str) -> None:
    recorder = Recorder(tmp_path)
    made = trainer(steps=150, batch=20, loss=loss)
    made.run(recorder)
    assert recorder.points[0][1]["validation_rel_l2"] > 0.9
    assert made.best_error < 0.5
    assert recorder.points[-1][1]["loss"] < 0.3


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(trainer: Callable[..., Trainer], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    made = trainer()
    with torch.no_grad():
        made.parameters["lift.bias"].fill_(1e30)
    with pytest.raises(Diverged):
        made.run(recorder)


def test_predictions_do_not_depend_on_how_many_are_made_at_a_time(trainer: Callable[..., Trainer]) -> None:
    made = trainer()
    twice = Inputs(*(torch.cat([tensor] * 5) for tensor in made._judged))
    predicted = predict(made._forward, made.parameters, twice)
    alone = made._forward(made.parameters, made._judged.varying, made._judged.constant)
    assert predicted.shape == (100, 16, 16)
    assert torch.allclose(predicted[80:], alone, rtol=1e-5, atol=1e-6)
