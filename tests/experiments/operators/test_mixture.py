from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.errors import SpecError
from engine.recorder import Recorder
from engine.schema import complete
from experiments.operators import channels, generate, mixture, weights
from experiments.operators.system import find, systems
from experiments.operators.task import TASK

Run = Callable[..., Recorder]
SMALL = {"grid": "16", "validation": "21", "test": "9"}
MODEL = {"model.width": "6", "model.modes": "4", "model.blocks": "2"}
TRAINING = {"samples": "48", "steps": "60", "batch": "16", "lr": "1e-2", "loss": "relative", "validations": "4"}
ALL = {"mode": "pretrain", "mix": "advection_diffusion:0.2:1,helmholtz:1:10:0.5", **SMALL, **MODEL, **TRAINING}


def params(**changed: str) -> dict[str, Any]:
    return complete(TASK.describe().schema, ALL | changed)


def test_samples_are_shared_out_by_weight_and_every_system_is_tested_in_full() -> None:
    parts = mixture.parts_of(params())
    assert [(p.recipe.system, p.recipe.range) for p in parts] == [
        ("poisson", (1.0, 5.0)),
        ("advection_diffusion", (0.2, 1.0)),
        ("helmholtz", (1.0, 10.0)),
    ]
    assert [(p.sizes.train, p.sizes.validation, p.sizes.test) for p in parts] == [(19, 9, 9), (19, 8, 9), (10, 4, 9)]
    assert mixture.name(parts) == "poisson-1-5-16x16+advection_diffusion-0.2-1+helmholtz-1-10"
    (single,) = mixture.parts_of(params(mix=""))
    assert (single.sizes.train, single.sizes.validation) == (48, 21)


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        ("helmholtz", "required key:low:high or key:low:high:weight, got helmholtz"),
        ("helmholtz:a:b", "required key:low:high or key:low:high:weight, got helmholtz:a:b"),
        ("waves:1:2", f"required one of {', '.join(systems()[0])}, got waves"),
        ("poisson:5:10", "required each system once, got poisson, poisson"),
        ("helmholtz:2:2", "required a whole number in it that is not resonant, got 2:2"),
        ("advection_diffusion:0:1", "required a range of advection_diffusion above 0 and up to inf"),
        ("advection_diffusion:1:0.2", "the lower end first"),
        ("helmholtz:1:10:0", "a weight above 0, got helmholtz:1:10:0"),
        ("helmholtz:1:10:1e-6", "samples: required so many that each system of the mixture has one, got 48"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused_before_anything_runs(mix: str, said: str) -> None:
    (problem,) = TASK.check(params(mix=mix))
    assert said in str(problem)
    with pytest.raises(SpecError):
        mixture.parts_of(params(mix=mix))


def test_one_model_learns_several_systems_and_serves_each_of_them(run: Run) -> None:
    mixed = run(TASK, ALL)
    card, _ = weights.load(mixed.artifacts["weights"].path)
    assert card.channels == ("source", "k11", "k22", "k12", "v1", "v2", "omega")
    assert card.trained[0]["mix"] == ["advection_diffusion:0.2:1", "helmholtz:1:10:0.5"]
    assert list(mixed.shelf) == ["fno-6-4-2-poisson-1-5-16x16+advection_diffusion-0.2-1+helmholtz-1-10"]
    assert mixed.figures["validation_rel_l2"] < 0.9 * mixed.points[0][1]["validation_rel_l2"]
    assert mixed.figures["rel_l2_poisson"] == mixed.figures["rel_l2"]
    for key, range in (("poisson", "1:5"), ("advection_diffusion", "0.2:1"), ("helmholtz", "1:10")):
        there = {"mode": "zeroshot", "init": "first", "system": key, "range": range, **SMALL}
        alone = run(TASK, there, inputs={"first": mixed.artifacts})
        assert not alone.warnings
        assert alone.figures["rel_l2"] == mixed.figures[f"rel_l2_{key}"]


def test_scales_are_those_of_the_samples_that_have_the_coefficient(run: Run) -> None:
    mixed = run(TASK, ALL | {"steps": "1"})
    scales = weights.load(mixed.artifacts["weights"].path)[0].scales.coefficients
    parts = mixture.parts_of(params())
    sets = [generate.make(part.recipe, "train", part.sizes.train) for part in parts]
    assert scales[3:5] == pytest.approx(np.median(np.abs(sets[1].coefficients[:, 3:]), axis=0))
    assert scales[5] == np.median(sets[2].coefficients[:, 1])
    together = channels.joined([find(part.recipe.system) for part in parts], sets, ("source", "k11", "omega"))
    assert scales[0] == np.median(together.coefficients[:, 0])


def test_a_mixed_pretraining_that_is_resumed_ends_in_the_same_weights(run: Run) -> None:
    whole, stopped = run(TASK, ALL), run(TASK, ALL, stop_at=23)
    resumed = run(TASK, ALL, state=stopped.checkpoints[-1][1])
    one, other = (weights.load(r.artifacts["weights"].path)[1] for r in (whole, resumed))
    assert all(np.array_equal(one[name], other[name]) for name in one)
