"""What the suites of operators share: the systems with their ranges, the scales, and runs made of them.

A run of one suite that another needs too is the same run: pretrainings have the same parameters and seeds throughout.
Every seed stands for a whole experiment: it draws other weights, other samples to pretrain on, other samples downstream
and another test set. So the spread over seeds is that of the experiment, not of an optimiser.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from engine.api import Resources, RunSpec, Scalar, SuiteCrossing, SuiteFigure, SuiteRun, Value

Params = dict[str, Value]
Model = Params
"""The parameter `model` with what it brings."""

TAGS = ("operators",)
AT = 64
"""Examples of fine-tuning that training from scratch is to catch up with, as published."""


class Case(NamedTuple):
    """A system over a range, named as published."""

    system: str
    low: float
    high: float

    @property
    def name(self) -> str:
        return f"{PUBLISHED[self.system]}({self.low:g},{self.high:g})"

    @property
    def params(self) -> Params:
        return {"system": self.system, "range": [self.low, self.high]}


PUBLISHED = {"poisson": "SYS-1", "advection_diffusion": "SYS-2", "helmholtz": "SYS-3"}

PRETRAINED = {
    case.system: case for case in (Case("poisson", 1, 5), Case("advection_diffusion", 0.2, 1), Case("helmholtz", 1, 10))
}
"""What is pretrained on, by system."""

DOWNSTREAM = (
    *(Case("poisson", low, high) for low, high in ((1, 2.5), (2.5, 7.5), (5, 10), (10, 20))),
    *(Case("advection_diffusion", low, high) for low, high in ((0.2, 0.4), (1, 2))),
    Case("helmholtz", 1, 5),
)
"""What is transferred to: every range of the paper and the talk."""


class Scale(NamedTuple):
    """How large the runs of a suite are.

    fields: grid and the sizes of the validation and the test set. model: the network. pretraining, downstream: how long
    each trains. rates: the learning rates that each run chooses from, fine-tuned or from scratch.
    """

    name: str
    seeds: tuple[int, ...]
    fields: Params
    model: Params
    pretraining: Params
    downstream: Params
    rates: tuple[float, ...]
    resources: Resources


SMOKE = Scale(
    name="smoke",
    seeds=(0,),
    fields={"grid": 16, "validation": 16, "test": 16},
    model={"model": "fno", "model.width": 4, "model.modes": 4},
    pretraining={"samples": 64, "steps": 30, "batch": 16, "lr": 1e-2, "loss": "relative"},
    downstream={"steps": 10, "batch": 16, "loss": "relative", "validations": 5},
    rates=(1e-3, 1e-2),
    resources=Resources(gpus=0, cpus=1),
)
"""Whether everything runs; the errors say nothing."""

QUICK = Scale(
    name="quick",
    seeds=(0, 1, 2),
    fields={"grid": 64, "validation": 128, "test": 256},
    model={"model": "fno", "model.width": 16, "model.modes": 8},
    pretraining={"samples": 4096, "steps": 3000, "batch": 16, "lr": 5e-3, "loss": "relative"},
    downstream={"steps": 500, "batch": 16, "loss": "relative", "validations": 20},
    rates=(5e-4, 2e-3, 1e-2),
    resources=Resources(gpus=0, cpus=1),
)
"""Two CPU cores, minutes."""

GPU = Scale(
    name="gpu",
    seeds=(0,),
    fields={"grid": 128, "validation": 256, "test": 1024},
    model={"model": "fno-1M"},
    pretraining={"samples": 32768, "steps": 12_000, "batch": 32, "lr": 5e-3, "loss": "relative"},
    downstream={"steps": 3000, "batch": 16, "loss": "relative"},
    rates=(5e-4, 2e-3, 8e-3),
    resources=Resources(gpus=0.25, cpus=2),
)
"""The published network on the published grid, as long as one GPU takes minutes for; four runs share it."""

PAPER = Scale(
    name="paper",
    seeds=(0, 1, 2),
    fields={"grid": 128, "validation": 4096, "test": 4096},
    model={"model": "fno-1M"},
    pretraining={"samples": 32768, "epochs": 500, "batch": 128, "lr": 1e-3, "validations": 100},
    downstream={"epochs": 500, "batch": 128, "validations": 100},
    rates=(1e-5, 1e-4, 1e-3),
    resources=Resources(gpus=1, cpus=4),
)
"""As published: 128 x 128, Adam with a cosine over 500 epochs, the sum of squared errors, up to 128 examples a step.

Ours is that the size of a source is taken out of f and u (`normalise`), three seeds, and three rates of the paper's
range to choose from."""


def pretraining(
    scale: Scale, case: Case, seed: int, model: Model | None = None, under: str = "", **labels: Value
) -> SuiteRun:
    """The run `pretrain/<under><case>/<seed>`. model: if it is not the scale's own."""
    params = {**(model or scale.model), **scale.pretraining, "mode": "pretrain"}
    return _run(scale, f"pretrain/{under}{case.name}/{seed}", case, seed, params, labels)


def mixed_pretraining(scale: Scale, seed: int, **changed: Value) -> SuiteRun:
    """The run `pretrain/mixed/<seed>`: of each system as many examples, seen as often, as where it is learned
    alone. changed: parameters that a mixture has of its own.

    Where a scale counts steps, a mixture takes as many, each with the examples of all: in three times the steps of the
    same batch the gradient of each system is noisier, and at the end the error is 1.8 times as large.
    """
    first, *others = PRETRAINED.values()
    mixture: Params = {**scale.fields, **scale.pretraining, "mode": "pretrain"}
    for key in ("samples", "validation", *(["batch"] if "steps" in mixture else [])):
        mixture[key] = len(PRETRAINED) * mixture[key]  # type: ignore[operator]
    mix: list[Scalar] = [f"{case.system}:{case.low:g}:{case.high:g}" for case in others]
    return _run(scale, f"pretrain/mixed/{seed}", first, seed, {**scale.model, **mixture, "mix": mix, **changed})


def downstream(
    scale: Scale,
    case: Case,
    samples: Sequence[int],
    *,
    init: str,
    model: Model | None = None,
    modes: Collection[str] = ("zeroshot", "finetune", "scratch"),
    under: str = "",
    **labels: Value,
) -> list[SuiteRun]:
    """Runs on a case for each seed: `downstream/zeroshot/<under><case>/<seed>`, and
    `downstream/curve/<under><case>/<mode>/<N>/<seed>`.

    Fine-tuned (from the run `init`, a `{seed}` in it) and from scratch they have the same examples, steps, rates to
    choose from and test set. model: of the one from scratch, if it is not the scale's own.
    """
    found, labels = [], {"case": case.name, **labels}
    for seed in scale.seeds:
        start: Params = {"init": f"@{init.format(seed=seed)}"}
        if "zeroshot" in modes:
            params = {**start, "mode": "zeroshot"}
            found.append(_run(scale, f"downstream/zeroshot/{under}{case.name}/{seed}", case, seed, params, labels))
        for number in samples:
            training: Params = {**scale.downstream, "samples": number, "lr_sweep": list(scale.rates)}
            for mode, own in (("finetune", start), ("scratch", model or scale.model)):
                if mode in modes:
                    key = f"downstream/curve/{under}{case.name}/{mode}/{number}/{seed}"
                    found.append(_run(scale, key, case, seed, {**own, **training, "mode": mode}, labels))
    return found


def crossings(samples: Sequence[int], *others: int) -> tuple[SuiteCrossing, ...]:
    """What was saved by fine-tuning: with as few examples as there were, with `AT`, and with others."""
    return tuple(
        SuiteCrossing(
            title=f"How many examples training from scratch takes to reach what fine-tuning reaches with {number}",
            runs="downstream/curve/",
            rows=("case",),
            x="samples",
            series="mode",
            ahead="finetune",
            behind="scratch",
            at=number,
            value="rel_l2",
            notes="seed by seed; the factor is that of data saved",
        )
        for number in samples
        if number in (samples[0], AT, *others)
    )


def curves(cases: Sequence[Case]) -> tuple[SuiteFigure, ...]:
    """Error by number of examples, fine-tuned and from scratch, a figure for each case."""
    return tuple(
        SuiteFigure(
            title=f"Error by number of examples, {case.name}",
            runs=f"downstream/curve/{case.name}/",
            x="samples",
            value="rel_l2",
            series=("mode",),
            log_x=True,
        )
        for case in cases
    )


def _run(
    scale: Scale, key: str, case: Case, seed: int, params: Params, labels: Mapping[str, Value] | None = None
) -> SuiteRun:
    everything = {**case.params, **scale.fields, **params, "data.seed": seed}
    spec = RunSpec(task="operator", params=everything, seed=seed, resources=scale.resources, tags=TAGS)
    return SuiteRun(key=key, spec=spec, labels=dict(labels or {}))
