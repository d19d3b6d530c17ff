from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import safetensors.numpy
import torch

from engine.api import Artifact, Reference, Task
from engine.errors import SpecError, TaskError
from engine.recorder import Recorder
from engine.schema import active, complete, label
from experiments.models import fno
from experiments.operators import batches, weights
from experiments.operators.dataset import TASK as DATASET
from experiments.operators.recipe import recipe_of
from experiments.operators.task import TASK

Run = Callable[..., Recorder]
SMALL = {"grid": "16", "validation": "16", "test": "33"}
MODEL = {"model.width": "6", "model.modes": "4", "model.blocks": "2"}
TRAINING = {"samples": "48", "steps": "40", "batch": "16", "lr": "1e-2", "loss": "relative", "validations": "4"}
PRETRAIN = {"mode": "pretrain", **SMALL, **MODEL, **TRAINING}


@pytest.fixture
def pretrained(run: Run) -> Recorder:
    return run(TASK, PRETRAIN)


def from_(recorder: Recorder) -> dict[str, Any]:
    return {"inputs": {"first": recorder.artifacts}}


def tensors(recorder: Recorder) -> dict[str, np.ndarray]:
    return weights.load(recorder.artifacts["weights"].path)[1]


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_the_tasks_are_tasks_and_their_defaults_are_complete() -> None:
    for task in (TASK, DATASET):
        assert isinstance(task, Task)
        params = complete(task.describe().schema, {})
        assert task.check(params) == []
        assert task.estimate(params).seconds > 3  # type: ignore[operator]
    params = complete(TASK.describe().schema, {"mode": "finetune", "init": "a", "range": "5:10", "samples": "32"})
    assert label(TASK.describe(), params) == "Poisson(5:10) finetune N=32"


def test_pretraining_reports_errors_fields_and_weights_and_publishes_a_model(pretrained: Recorder) -> None:
    figures = pretrained.figures
    assert figures["rel_l2_q25"] < figures["rel_l2_median"] < figures["rel_l2_q75"]  # type: ignore[operator]
    (step, fields), *rest = pretrained.stored_fields
    assert (step, rest) == (40, [])
    errors = fields["errors"]
    assert errors.shape == (33,)
    assert figures["rel_l2"] == pytest.approx(errors.mean())
    for name, expected in (("", np.median(errors)), ("best_", errors.min()), ("worst_", errors.max())):
        reference = fields[f"{name}reference"]
        assert np.linalg.norm(fields[f"{name}predicted"] - reference) / np.linalg.norm(reference) == pytest.approx(
            expected
        )
        assert np.array_equal(fields[f"{name}error"], fields[f"{name}predicted"] - reference)
    assert (figures["samples"], figures["steps"], figures["stop_reason"]) == (48, 40, "all steps done")
    assert figures["parameters"] == sum(array.size for array in tensors(pretrained).values())
    (name,) = pretrained.shelf
    assert name == "fno-6-4-2-poisson-1-5-16x16"
    assert weights.load(pretrained.shelf[name].path)[0].trained[0]["samples"] == 48


def test_the_same_spec_and_seed_give_the_same_bits_and_another_seed_others(pretrained: Recorder, run: Run) -> None:
    again, other = run(TASK, PRETRAIN), run(TASK, PRETRAIN, seed=1)
    assert same(tensors(again), tensors(pretrained))
    assert [v["loss"] for s, v in again.points if s] == [v["loss"] for s, v in pretrained.points if s]
    assert not same(tensors(other), tensors(pretrained))


def test_a_resumed_run_ends_as_if_it_had_not_been_stopped(pretrained: Recorder, run: Run) -> None:
    stopped = run(TASK, PRETRAIN, stop_at=17)
    assert stopped.figures["stop_reason"] == "stopped"
    assert "weights" not in stopped.artifacts
    resumed = run(TASK, PRETRAIN, state=stopped.checkpoints[-1][1])
    assert same(tensors(resumed), tensors(pretrained))
    assert resumed.figures["rel_l2"] == pretrained.figures["rel_l2"]
    finished = run(TASK, PRETRAIN, state=resumed.checkpoints[-1][1])  # killed after the last step
    assert finished.figures["rel_l2"] == pretrained.figures["rel_l2"]


def test_a_dataset_and_samples_made_on_the_spot_are_the_same(pretrained: Recorder, run: Run) -> None:
    shelf = run(DATASET, SMALL | {"samples": "100"})
    read = run(TASK, PRETRAIN | {"data": "poisson-1-5-16x16"}, shelf=shelf)
    assert same(tensors(read), tensors(pretrained))
    assert read.figures["rel_l2"] == pretrained.figures["rel_l2"]


def test_a_dataset_must_be_what_the_parameters_say_and_large_enough(run: Run) -> None:
    shelf = run(DATASET, SMALL | {"samples": "100"})
    named = PRETRAIN | {"data": "poisson-1-5-16x16"}
    with pytest.raises(
        TaskError, match=r"range: required 1:5, as the dataset poisson-1-5-16x16 has, got 5:10; data.seed: required 0"
    ):
        run(TASK, named | {"range": "5:10", "data.seed": "1"}, shelf=shelf)
    with pytest.raises(TaskError, match="required 101 train samples, got 100"):
        run(TASK, named | {"samples": "101"}, shelf=shelf)
    with pytest.raises(TaskError, match="required a dataset that exists"):
        run(TASK, named)


def refused(found: dict[str, list[Reference]], **changed: str) -> list[str]:
    params = complete(TASK.describe().schema, {"grid": "16", "samples": "100", **changed})
    return [str(problem) for problem in TASK.check_references(params, found)]


def test_a_dataset_that_does_not_fit_is_refused_at_submission(run: Run) -> None:
    sizes = {"grid": "16", "samples": "100", "validation": "20", "test": "256"}
    made = run(DATASET, sizes).shelf["poisson-1-5-16x16"]
    there = Reference(kind="dataset", name="P", task="dataset", facts=made.facts)
    coming = Reference(kind="dataset", name="P", task="dataset", params=complete(DATASET.describe().schema, sizes))
    for reference in (there, coming):
        found = {"data": [reference]}
        assert refused(found, validation="20") == []
        assert refused(found, samples="101", range="5:10", dtype="float64", **{"data.seed": "1"}) == [
            "range: required 1:5, as the dataset P has, got 5:10",
            "dtype: required float32, as the dataset P has, got float64",
            "data.seed: required 0, as the dataset P has, got 1",
            "samples: required at most the 100 that the dataset P has, got 101",
            "validation: required at most the 20 that the dataset P has, got 256",
        ]
    foreign = Reference(kind="dataset", name="P", task="grid", facts={"samples": 1})
    assert refused({"data": [foreign]})[0].startswith("data: required a dataset of operators, got P")
    other = Reference(kind="dataset", name="r0001", task="pinn")
    assert refused({"data": [other]}) == ["data: required a run of the task dataset, got r0001, of the task pinn"]


def test_a_run_whose_model_does_not_fit_is_refused_at_submission() -> None:
    tune = {"mode": "finetune", "init": "r1", "grid": "8"}
    large = complete(TASK.describe().schema, {"mode": "pretrain", "model.modes": "8"})
    assert refused({"init": [Reference(kind="run", name="r1", task="operator", params=large)]}, **tune) == [
        "init: required a model of at most 4 on a 8 x 8 grid, got r1 with 8 modes (8 points carry 4 modes of each sign)"
    ]
    assert refused({"init": [Reference(kind="run", name="r1", task="pinn")]}, **tune) == [
        "init: required an operator run, got r1, of the task pinn"
    ]
    chain = complete(TASK.describe().schema, tune)
    assert refused({"init": [Reference(kind="run", name="r1", task="operator", params=chain)]}, **tune) == []


def test_a_model_of_one_grid_is_not_taken_up_on_another(
    pretrained: Recorder, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    zero = {"mode": "zeroshot", "init": "first", **SMALL}
    there = complete(TASK.describe().schema, PRETRAIN)
    found = {"init": [Reference(kind="run", name="first", task="operator", params=there)]}
    tune = {"mode": "finetune", "init": "first"}
    assert refused(found, **tune, grid="32") == []
    monkeypatch.setattr(fno, "MODEL", msgspec.structs.replace(fno.MODEL, any_grid=False))
    assert refused(found, **tune) == []
    (said,) = refused(found, **tune, grid="32")
    assert said.startswith("grid: required 16, on which the weights were trained, got 32")
    assert run(TASK, zero, **from_(pretrained)).figures["rel_l2"] == pretrained.figures["rel_l2"]
    with pytest.raises(TaskError, match="grid: required 16, on which the weights were trained, got 32"):
        run(TASK, zero | {"grid": "32"}, **from_(pretrained))


def test_zero_shot_measures_the_weights_as_they_are(pretrained: Recorder, run: Run) -> None:
    zero = run(TASK, {"mode": "zeroshot", "init": "first", **SMALL}, **from_(pretrained))
    assert zero.figures["rel_l2"] == pretrained.figures["rel_l2"]
    assert (zero.figures["samples"], zero.figures["steps"]) == (0, 0)
    elsewhere = run(TASK, {"mode": "zeroshot", "init": "first", "range": "5:10", **SMALL}, **from_(pretrained))
    assert elsewhere.figures["rel_l2"] > pretrained.figures["rel_l2"]  # type: ignore[operator]


def test_fine_tuning_begins_with_the_weights_and_scales_of_the_other_run(pretrained: Recorder, run: Run) -> None:
    there = {"range": "5:10", "init": "first", **SMALL}
    tuned = run(TASK, {"mode": "finetune", **there, **TRAINING, "lr": "1e-3"}, **from_(pretrained))
    before, after = (weights.load(r.artifacts["weights"].path)[0] for r in (pretrained, tuned))
    assert after.scales == before.scales
    assert [history["mode"] for history in after.trained] == ["pretrain", "finetune"]
    scratch = run(TASK, {"mode": "scratch", "range": "5:10", **SMALL, **MODEL, **TRAINING})
    assert tuned.points[0][1]["validation_rel_l2"] < scratch.points[0][1]["validation_rel_l2"]
    assert tuned.figures["validation_rel_l2"] < tuned.points[0][1]["validation_rel_l2"]  # type: ignore[operator]
    assert not tuned.shelf and not scratch.shelf


def test_the_learning_rate_is_chosen_on_validation_and_goes_with_the_weights(run: Run) -> None:
    swept = run(TASK, PRETRAIN | {"lr_sweep": "1e-4,1e-2"})
    alone = run(TASK, PRETRAIN)
    assert swept.figures["chosen_lr"] == 1e-2
    assert same(tensors(swept), tensors(alone))
    assert (swept.figures["rel_l2"], swept.figures["steps"]) == (alone.figures["rel_l2"], 40)
    history = weights.load(swept.artifacts["weights"].path)[0].trained[0]
    assert (history["lr"], history["lr_sweep"]) == (1e-2, [1e-4, 1e-2])
    stopped = run(TASK, PRETRAIN | {"lr_sweep": "1e-4,1e-2"}, stop_at=57)
    resumed = run(TASK, PRETRAIN | {"lr_sweep": "1e-4,1e-2"}, state=stopped.checkpoints[-1][1])
    assert same(tensors(resumed), tensors(alone))


def test_a_tuned_model_can_be_tuned_again(pretrained: Recorder, run: Run) -> None:
    tune = {"mode": "finetune", "init": "first", **SMALL, **TRAINING, "steps": "2"}
    once = run(TASK, tune, **from_(pretrained))
    assert len(weights.load(run(TASK, tune, **from_(once)).artifacts["weights"].path)[0].trained) == 3


def test_the_published_normalisation_goes_with_the_weights(run: Run) -> None:
    first = run(TASK, PRETRAIN | {"normalisation": "published", "steps": "5"})
    assert weights.load(first.artifacts["weights"].path)[0].scales.normalisation == "published"
    zero = run(TASK, {"mode": "zeroshot", "init": "first", **SMALL}, **from_(first))
    assert zero.figures["rel_l2"] == first.figures["rel_l2"]


def problems(**raw: str) -> str:
    params = complete(TASK.describe().schema, {key.replace("__", "."): value for key, value in raw.items()})
    return "; ".join(map(str, TASK.check(params)))


def test_what_a_schema_cannot_say_is_checked() -> None:
    assert problems(grid="16", model__modes="9").startswith("model.modes: required at most 8 on a 16 x 16 grid, got 9")
    assert problems(grid="16", model="fno-16M").startswith("model: required at most 8 on a 16 x 16 grid, got 16")
    assert problems(grid="32", model="fno-16M") == ""
    with pytest.raises(SpecError, match="init: required"):
        problems(mode="finetune")
    with pytest.raises(SpecError, match=r"init: required mode=finetune or mode=zeroshot"):
        problems(mode="scratch", init="a")
    with pytest.raises(SpecError, match="above 0"):
        problems(range="0:5")


def test_the_published_sizes_are_choices_with_their_numbers_of_parameters() -> None:
    schema = TASK.describe().schema
    params = complete(schema, {"model": "fno-1M", "grid": "64"})
    assert "model.width" not in params
    choices = active(schema, params)["model"]["x-choices"]
    assert choices["fno-1M"]["facts"] == {"width": 32, "modes": 8, "blocks": 4, "parameters": 1_055_137}
    assert TASK.check(params) == []


def artifact(path: Path) -> dict[str, Any]:
    return {"inputs": {"first": {"weights": Artifact(name="weights", kind="file", path=path, size=0)}}}


def test_weights_that_are_not_there_or_cannot_be_used_are_refused(
    pretrained: Recorder, run: Run, tmp_path: Path
) -> None:
    zero = {"mode": "zeroshot", "init": "first", **SMALL}
    with pytest.raises(TaskError, match="got first, which left other"):
        run(TASK, zero, inputs={"first": {"other": pretrained.artifacts["weights"]}})
    whole = pretrained.artifacts["weights"].path.read_bytes()
    (tmp_path / "truncated").write_bytes(whole[:-100])
    with pytest.raises(TaskError, match="required a safetensors file, got one that cannot be read"):
        run(TASK, zero, **artifact(tmp_path / "truncated"))
    safetensors.numpy.save_file({"a": np.zeros(2)}, tmp_path / "foreign")
    with pytest.raises(TaskError, match="got a foreign safetensors file"):
        run(TASK, zero, **artifact(tmp_path / "foreign"))
    card, parameters = weights.load(pretrained.artifacts["weights"].path)
    weights.save(tmp_path / "other", card, parameters | {"lift.bias": np.zeros(7, np.float32)})
    with pytest.raises(TaskError, match=r"lift.bias: required the shape \(6,\) of fno, got \(7,\)"):
        run(TASK, zero, **artifact(tmp_path / "other"))
    with pytest.raises(TaskError, match="modes: required at most 4 on a 8 x 8 grid, got 8"):
        big = run(TASK, PRETRAIN | {"model.modes": "8", "steps": "1"})
        run(TASK, zero | {"grid": "8"}, **from_(big))


def test_a_model_is_tuned_to_a_system_of_more_coefficients(pretrained: Recorder, run: Run) -> None:
    there = {"system": "advection_diffusion", "range": "0.2:1", "init": "first", **SMALL}
    zero = run(TASK, {"mode": "zeroshot", **there}, **from_(pretrained))
    tuned = run(TASK, {"mode": "finetune", **there, **TRAINING, "lr": "1e-3"}, **from_(pretrained))
    expected = "has no input for v1, v2 of advection_diffusion: new ones start at zero weight"
    assert all(expected in made.warnings[0] for made in (zero, tuned))
    (before, old), (after, new) = (weights.load(r.artifacts["weights"].path) for r in (pretrained, tuned))
    assert after.channels == ("source", "k11", "k22", "k12", "v1", "v2")
    assert after.scales.coefficients[:3] == before.scales.coefficients
    assert all(0 < median < 1 for median in after.scales.coefficients[3:])
    assert new["lift.weight"].shape == (6, 6)
    assert old["lift.weight"].shape == (4, 6)
    assert new["lift.weight"][4:].any()
    assert tuned.figures["rel_l2"] < zero.figures["rel_l2"]  # type: ignore[operator]
    slower = run(TASK, {"mode": "finetune", **there, **TRAINING, "lr_new": "1e-9"}, **from_(pretrained))
    assert np.abs(tensors(slower)["lift.weight"][4:]).max() < 1e-8
    with pytest.raises(TaskError, match=r"freeze: required lift.weight to be trained, where new inputs start"):
        run(TASK, {"mode": "finetune", **there, **TRAINING, "freeze": "lift"}, **from_(pretrained))
    back = run(TASK, {"mode": "zeroshot", "init": "first", **SMALL}, **from_(tuned))
    assert not back.warnings
    assert back.figures["rel_l2"] < 1  # type: ignore[operator]


def test_frozen_parts_are_those_of_the_other_run(pretrained: Recorder, run: Run) -> None:
    tune = {"mode": "finetune", "init": "first", "range": "5:10", **SMALL, **TRAINING}
    tuned = run(TASK, tune | {"freeze": "lift,blocks", "warmup": "2", "clip": "1"}, **from_(pretrained))
    old, new = tensors(pretrained), tensors(tuned)
    kept = {name for name in old if np.array_equal(old[name], new[name])}
    assert kept == {name for name in old if name.startswith(("lift.", "blocks."))}
    history = weights.load(tuned.artifacts["weights"].path)[0].trained[-1]
    assert (history["freeze"], history["warmup"], history["clip"]) == (["lift", "blocks"], 2, 1.0)
    assert "warmup: required fewer than the 40 steps" in problems(**{**tune, "warmup": "40"})


def test_a_recipe_is_named_by_what_sets_it_apart() -> None:
    params = complete(DATASET.describe().schema, {"range": "1:2.5", "grid": "32"})
    assert recipe_of(params).name == "poisson-1-2.5-32x32"
    params = complete(DATASET.describe().schema, {"range": "5:10", "dtype": "float64", "data.seed": "3"})
    assert recipe_of(params).name == "poisson-5-10-128x128-float64-seed3"


def test_runs_of_every_kind_keep_to_their_device(
    run: Run, gpu: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a GPU pretended: it comes to what a CPU comes to, also where some samples are read and others made."""
    few = {**SMALL, **TRAINING, "steps": "6"}
    shelf = run(DATASET, SMALL | {"samples": "100"})
    first = run(TASK, few | MODEL | {"mode": "pretrain"})
    other = {"system": "helmholtz", "range": "1:10"}
    runs: list[tuple[dict[str, str], dict[str, Any]]] = [
        (few | MODEL | {"mode": "pretrain", "data": "poisson-1-5-16x16", "mix": "helmholtz:1:10"}, {"shelf": shelf}),
        (few | MODEL | {"mode": "scratch", "lr_sweep": "1e-2,1e-3", "loss": "geometric", "weight_decay": "0.1"}, {}),
        (few | other | {"mode": "finetune", "init": "first", "lr_new": "3", "clip": "1"}, from_(first)),
        (SMALL | {"mode": "zeroshot", "init": "first", "range": "5:10"}, from_(first)),
    ]
    for way in ("memory", "mapped"):
        monkeypatch.setattr(batches, "way", lambda *sizes, way=way: way)
        for params, given in runs:
            with gpu() as there:
                found = run(TASK, params, device=there.name, **given)
            assert there.captured == (
                0 if params["mode"] == "zeroshot" else len(params.get("lr_sweep", "1").split(","))
            )
            assert found.figures["rel_l2"] == pytest.approx(run(TASK, params, **given).figures["rel_l2"], rel=1e-5)


def test_a_run_goes_on_on_another_device(run: Run, gpu: Callable[..., Any]) -> None:
    params = {**SMALL, **MODEL, **TRAINING, "mode": "scratch", "steps": "6", "lr_sweep": "1e-2,1e-3"}
    expected = run(TASK, params).figures["rel_l2"]
    with gpu() as there:
        state = run(TASK, params, device=there.name, stop_at=8).checkpoints[-1][1]
    assert run(TASK, params, state=state).figures["rel_l2"] == pytest.approx(expected, rel=1e-5)
    state = run(TASK, params, stop_at=8).checkpoints[-1][1]
    with gpu() as there:
        found = run(TASK, params, device=there.name, state=state)
    assert found.figures["rel_l2"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_same_run_comes_to_the_same_error(pretrained: Recorder, run: Run) -> None:
    there = run(TASK, PRETRAIN, device="cuda")
    assert there.figures["rel_l2"] == pytest.approx(pretrained.figures["rel_l2"], rel=0.1)


PUBLISHED = {
    "poisson": {(1, 5), (1, 2.5), (2.5, 7.5), (5, 10), (10, 20)},
    "advection_diffusion": {(0.2, 1), (0.2, 0.4), (1, 2)},
    "helmholtz": {(1, 10), (1, 5)},
}
"""Ranges of Subramanian et al. 2023."""


@pytest.mark.parametrize("task", [DATASET, TASK])
def test_every_published_range_has_a_name(task: Task) -> None:
    schema = task.describe().schema
    named: dict[str, set[tuple[float, ...]]] = {}
    for case in schema["x-presets"]["case"]:
        params = complete(schema, {"case": case})
        named.setdefault(params["system"], set()).add(tuple(params["range"]))
    assert PUBLISHED.items() <= named.items()
