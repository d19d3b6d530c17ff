from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.recorder import Recorder
from experiments.operators import batches, channels, data, generate, weights
from experiments.operators.batches import Batches, Gathered, Held
from experiments.operators.generate import Samples
from experiments.operators.normalise import Inputs, inputs_of, scales_of
from experiments.operators.recipe import Recipe, Sizes
from experiments.operators.system import find
from experiments.operators.task import TASK

RecipeOf = Callable[..., Recipe]
COUNT = 150
GB = 1 << 30


@pytest.fixture
def samples(recipe_of: RecipeOf) -> Samples:
    return generate.make(recipe_of(), "train", COUNT)


@pytest.fixture
def mapped(recipe_of: RecipeOf, tmp_path: Path) -> Samples:
    path = data.made(tmp_path / "samples.h5", recipe_of(), Sizes(train=COUNT + 3, validation=1, test=1))
    return data.read(path, "train", COUNT, mapped=True)


def same(one: Inputs, other: Inputs) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_every_pass_has_every_example_once(samples: Samples) -> None:
    held = Held(inputs_of(samples, scales_of(samples, "linear")))
    batches = Batches(held, 60, seed=3)
    seen = torch.cat([batches.of(step).target for step in range(5)])  # five batches of 60 are two passes over 150
    every = sorted(held.take(None).target.sum((1, 2)).tolist())
    for half in seen.split(COUNT):
        assert sorted(half.sum((1, 2)).tolist()) == every
    assert not torch.equal(*seen.split(COUNT))


@pytest.mark.parametrize("normalisation", ["linear", "published"])
@pytest.mark.parametrize("size", [7, 64, COUNT])
@pytest.mark.parametrize("ahead", [False, True])
def test_batches_are_the_same_bits_wherever_the_samples_are_kept(
    samples: Samples, mapped: Samples, normalisation: str, size: int, ahead: bool
) -> None:
    scales = scales_of(samples, normalisation)  # type: ignore[arg-type]
    assert scales_of(mapped, normalisation) == scales  # type: ignore[arg-type]
    held = Batches(Held(inputs_of(samples, scales)), size, seed=1)
    in_file = Batches(Gathered([mapped], scales, "cpu", ahead=ahead), size, seed=1)
    for step in (0, 1, 2, 30, 31, 4):  # as after a resume, too
        assert same(in_file.of(step), held.of(step))


def test_parts_of_a_mixture_are_gathered_in_the_order_of_the_batch(samples: Samples, recipe_of: RecipeOf) -> None:
    systems = [find("poisson"), find("helmholtz")]
    sets = [samples, generate.make(recipe_of(system="helmholtz", range=(1.0, 10.0)), "train", 40)]
    names = channels.of_mixture(systems)
    together = channels.joined(systems, sets, names)
    parts = [channels.fitted(own, system, names) for own, system in zip(sets, systems, strict=True)]
    scales = scales_of(parts[0], "linear", *parts[1:])
    assert scales == scales_of(together, "linear")
    held, gathered = Held(inputs_of(together, scales)), Gathered(parts, scales, "cpu", ahead=False)
    assert gathered.count == held.count == COUNT + 40
    for chosen in (np.array([180, 3, 151, 149, 150, 0]), np.array([7, 1]), np.array([160]), None):
        assert same(gathered.take(chosen), held.take(chosen))


def test_samples_that_are_mapped_leave_the_file_as_it_is(mapped: Samples, tmp_path: Path) -> None:
    before = (tmp_path / "samples.h5").read_bytes()
    mapped.source[:] = 0
    assert (tmp_path / "samples.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("samples", "host", "device", "way"),
    [
        (1 * GB, 8 * GB, 8 * GB, "memory"),
        (3 * GB, 8 * GB, 8 * GB, "mapped"),  # the samples and the inputs that are made of them are not both held
        (5 * GB, 8 * GB, 8 * GB, "streamed"),
        (10 * GB, 64 * GB, 16 * GB, "mapped"),  # the host has room, the GPU has not
        (10 * GB, 64 * GB, 80 * GB, "memory"),
    ],
)
def test_where_samples_are_kept_follows_from_their_size(samples: int, host: int, device: int, way: str) -> None:
    assert batches.way(samples, host, device) == way


def test_what_is_free_is_no_more_than_the_control_group_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("_LIMIT", "3000"), ("_USED", "1000")):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(batches, name, tmp_path / name)
    assert batches.free("cpu") == (2000, 2000)
    (tmp_path / "_LIMIT").write_text("max\n")
    assert batches.free("cpu")[0] > 1 << 20


@pytest.mark.parametrize(("free", "kept"), [((100_000, 100_000), "streamed"), ((300_000, 10_000), "mapped")])
@pytest.mark.parametrize("mix", ["", "helmholtz:1:10"])
def test_a_run_without_room_for_its_samples_comes_to_the_same_weights(
    run: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, free: tuple[int, int], kept: str, mix: str
) -> None:
    params = {"mode": "pretrain", "grid": "16", "validation": "8", "test": "8", "samples": "40", "steps": "6"}
    params |= {"batch": "16", "model.width": "4", "model.modes": "3", "model.blocks": "1", "mix": mix}
    roomy = run(TASK, params)
    monkeypatch.setattr(batches, "free", lambda device: free)
    tight = run(TASK, params)
    assert tight.figures["samples_are"] == kept
    assert "samples_are" not in roomy.figures
    assert not list(tight.folder.glob("samples-*.h5"))
    one, other = (weights.load(made.artifacts["weights"].path)[1] for made in (roomy, tight))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert tight.figures["rel_l2"] == roomy.figures["rel_l2"]


def test_a_run_that_was_stopped_finds_the_samples_that_it_made(
    run: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(batches, "free", lambda device: (100_000, 100_000))
    params = {"mode": "pretrain", "grid": "16", "validation": "8", "test": "8", "samples": "40", "steps": "6"}
    params |= {"batch": "16", "model.width": "4", "model.modes": "3", "model.blocks": "1"}
    whole = run(TASK, params)
    stopped = run(TASK, params, folder=tmp_path / "stopped", stop_at=3)
    assert (tmp_path / "stopped" / "samples-poisson.h5").is_file()
    monkeypatch.setattr(data, "create", lambda *_: pytest.fail("they are there"))
    resumed = run(TASK, params, folder=tmp_path / "stopped", state=stopped.checkpoints[-1][1])
    one, other = (weights.load(made.artifacts["weights"].path)[1] for made in (whole, resumed))
    assert all(np.array_equal(one[name], other[name]) for name in one)
