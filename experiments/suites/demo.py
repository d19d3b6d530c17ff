"""The two comparisons that the project exists for, small enough for a few minutes on two CPU cores.

A PINN on the reaction equation at ρ = 5: regular training fails, the curriculum does not, with the same optimiser,
points and evaluations. (Whether regular training fails depends on all of these: with more points, or with SSBFGS, it
succeeds on some seeds.) And an FNO pretrained on Poisson problems, fine-tuned on a shifted range of them beside one
trained from scratch, with the same number of steps.
"""

from __future__ import annotations

from engine.api import Resources, RunSpec, Suite, SuiteRun, SuiteTable, Value

SEEDS = (0, 1, 2)
EXAMPLES = (8, 32, 128)
TAGS = ("demo",)
ON_ONE_CORE = Resources(gpus=0, cpus=1)

PINN: dict[str, Value] = {
    "system": "reaction",
    "rho": 5.0,
    "optimizer": "ssbroyden",
    "optimizer.closures": 2500,
    "sampler": "random",
    "points": 300,
}
STRATEGIES: dict[str, dict[str, Value]] = {
    "regular": {},
    "curriculum": {"strategy.step": 1.0, "strategy.closures": 500},
}

PROBLEMS: dict[str, Value] = {"system": "poisson", "grid": 32, "validation": 64, "test": 256}
MODEL: dict[str, Value] = {"model": "fno", "model.width": 16, "model.modes": 8}
TRAINING: dict[str, Value] = {"batch": 16, "loss": "relative"}
STEPS: dict[str, Value] = {**TRAINING, "steps": 200, "validations": 10}
NEARBY: Value = [1.0, 5.0]
SHIFTED: Value = [5.0, 10.0]


def _run(key: str, task: str, params: dict[str, Value], seed: int = 0) -> SuiteRun:
    return SuiteRun(key=key, spec=RunSpec(task=task, params=params, seed=seed, resources=ON_ONE_CORE, tags=TAGS))


def _pretraining() -> SuiteRun:
    length: dict[str, Value] = {"samples": 1024, "epochs": 20, "lr": 1e-2}
    return _run(
        "pretrain", "operator", {**PROBLEMS, **MODEL, **TRAINING, **length, "mode": "pretrain", "range": NEARBY}
    )


def _pinns() -> list[SuiteRun]:
    return [
        _run(f"pinn/{strategy}/{seed}", "pinn", {**PINN, "strategy": strategy, **more}, seed)
        for seed in SEEDS
        for strategy, more in STRATEGIES.items()
    ]


def _transfers() -> list[SuiteRun]:
    """Each seed has samples of its own, for training and for the test: the spread is that of the whole experiment."""
    found = []
    for seed in SEEDS:
        shifted: dict[str, Value] = {**PROBLEMS, "range": SHIFTED, "data.seed": seed}
        tuned: dict[str, Value] = {**shifted, "init": "@pretrain"}
        found.append(_run(f"transfer/zeroshot/{seed}", "operator", {**tuned, "mode": "zeroshot"}, seed))
        for samples in EXAMPLES:
            fine = {**tuned, **STEPS, "mode": "finetune", "samples": samples, "lr": 2e-3}
            fresh = {**shifted, **MODEL, **STEPS, "mode": "scratch", "samples": samples, "lr": 1e-2}
            found.append(_run(f"transfer/finetune/{samples}/{seed}", "operator", fine, seed))
            found.append(_run(f"transfer/scratch/{samples}/{seed}", "operator", fresh, seed))
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
            notes="same optimiser (SSBroyden), 300 random points, 2500 evaluations at most; a low loss is not success",
        ),
        SuiteTable(
            title="FNO on Poisson problems, 1:5 to 5:10: relative L2 error by number of examples",
            runs="transfer/",
            rows=("samples",),
            columns="mode",
            values=("rel_l2",),
            notes="both sides take 200 steps, each at its own learning rate; 0 examples: the pretrained model as it is",
        ),
    ),
    minutes=2.5,
)
