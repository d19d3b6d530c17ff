"""The two comparisons that the project exists for, small enough for a few minutes on two CPU cores.

A PINN on the reaction equation at ρ = 5: regular training fails, the curriculum does not, with the same optimiser,
points and evaluations. And an FNO pretrained on Poisson problems, fine-tuned on a shifted range of them beside one
trained from scratch, with the same number of steps.
"""

from __future__ import annotations

from typing import Any

from engine.api import Resources, RunSpec, Suite, SuiteRun, SuiteTable, Value

SEEDS = (0, 1, 2)
EXAMPLES = (8, 32, 128)
TAGS = ("demo",)
ON_ONE_CORE = Resources(gpus=0, cpus=1)

PINN: dict[str, Value] = {
    "system": "reaction",
    "rho": 5.0,
    "optimizer": "ssbfgs",
    "optimizer.closures": 2500,
    "sampler": "sobol",
    "points": 500,
}
STRATEGIES: dict[str, dict[str, Value]] = {
    "regular": {},
    "curriculum": {"strategy.step": 1.0, "strategy.closures": 500},
}

GRID: dict[str, Value] = {"system": "poisson", "grid": 32, "validation": 64, "test": 256}
MODEL: dict[str, Value] = {"model": "fno", "model.width": 16, "model.modes": 8}
NEARBY, SHIFTED = [1.0, 5.0], [5.0, 10.0]
STEPS: dict[str, Value] = {"steps": 200, "validations": 10}


def _run(key: str, task: str, params: dict[str, Any], seed: int = 0) -> SuiteRun:
    return SuiteRun(key=key, spec=RunSpec(task=task, params=params, seed=seed, resources=ON_ONE_CORE, tags=TAGS))


def _pretraining() -> SuiteRun:
    params = {**GRID, **MODEL, "mode": "pretrain", "range": NEARBY, "samples": 1024, "epochs": 20, "batch": 16}
    return _run("operator/pretrain", "operator", params)


def _pinns() -> list[SuiteRun]:
    return [
        _run(f"pinn/{strategy}/{seed}", "pinn", {**PINN, "strategy": strategy, **more}, seed)
        for seed in SEEDS
        for strategy, more in STRATEGIES.items()
    ]


def _transfers() -> list[SuiteRun]:
    shifted = {**GRID, "range": SHIFTED}
    found = [_run("transfer/zeroshot", "operator", {**shifted, "mode": "zeroshot", "init": "@operator/pretrain"})]
    for seed in SEEDS:
        for samples in EXAMPLES:
            shared = {**shifted, **STEPS, "samples": samples}
            tuned = {**shared, "mode": "finetune", "init": "@operator/pretrain"}
            found.append(_run(f"transfer/finetune/{samples}/{seed}", "operator", tuned, seed))
            found.append(
                _run(f"transfer/scratch/{samples}/{seed}", "operator", {**shared, **MODEL, "mode": "scratch"}, seed)
            )
    return found


SUITE = Suite(
    key="demo",
    title="The two comparisons: curriculum against regular, fine-tuned against scratch",
    summary="Reaction at ρ = 5 with and without curriculum; an FNO from SYS-1(1,5) to SYS-1(5,10)",
    runs=(_pretraining(), *_pinns(), *_transfers()),
    tables=(
        SuiteTable(
            title="PINN on the reaction equation, ρ = 5: curriculum against regular",
            runs="pinn/",
            rows=("strategy",),
            values=("rel_l2", "loss", "closures", "seconds"),
            threshold=0.1,
            notes="same optimiser, points and evaluations; a low loss is not success",
        ),
        SuiteTable(
            title="FNO on Poisson problems, 1:5 to 5:10: relative L2 error by number of examples",
            runs="transfer/",
            rows=("samples",),
            columns="mode",
            values=("rel_l2",),
            notes="both sides take 200 steps; 0 examples: the pretrained model as it is",
        ),
    ),
    minutes=4,
)
