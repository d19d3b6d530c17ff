"""What the suites of PINNs share: seeds, runs, and the settings that a figure has to name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.api import Published, Resources, RunSpec, SuiteRun, Value

Params = Mapping[str, Value]

SUCCEEDS = 0.1
"""Relative L2 error up to which a run succeeds, as everywhere in this project."""

FIGURES = ("rel_l2", "abs_err", "loss", "closures", "seconds")

ONE_CORE = Resources(gpus=0, cpus=1)

SCALES = ("smoke", "quick", "paper")
"""Of these suites: a PINN of theirs is trained on a CPU."""
SEEDS = {"smoke": (0,), "quick": (0, 1, 2), "paper": tuple(range(10))}
"""Of each scale."""
FRESH = {"smoke": (103,), "quick": (103, 104, 105), "paper": tuple(range(103, 113))}
"""Where recipes of our own are judged: they were chosen on other seeds. (Of `systems` the evaluations of two were
raised once after these had been seen.)"""

AUTHORS: dict[str, Value] = {
    "dtype": "float32",
    "model": "mlp",
    "model.width": 50,
    "model.depth": 4,
    "optimizer": "lbfgs",
    "optimizer.learning_rate": 1.0,
    "optimizer.history": 50,
    "optimizer.tolerance_gradient": 1e-7,
    "optimizer.tolerance_change": 1e-7,
    "optimizer.closures": 5000,
    "optimizer.target": 0.0,
    "sampler": "random",
    "points": 1000,
    "resample": "never",
    "n_initial": 256,
    "n_boundary": 100,
}
"""As the authors' public code: L-BFGS in float32 on four layers of 50. The cap is ours: they name none."""

OURS: dict[str, Value] = {
    "dtype": "float64",
    "model": "mlp",
    "model.width": 20,
    "model.depth": 4,
    "optimizer": "ssbroyden",
    "optimizer.closures": 5000,
    "optimizer.target": 1e-7,
    "sampler": "sobol",
    "points": 1000,
    "resample": "stage",
    "n_initial": 128,
    "n_boundary": 64,
}
"""A dense self-scaled Broyden method in float64 on four layers of 20."""

AUTHORS_WORDS = "authors' setting: L-BFGS, float32, 4 x 50 tanh, 1000 random points, at most 5000 evaluations"
OURS_WORDS = "our setting: SSBroyden, float64, 4 x 20 tanh, 1000 Sobol points"

SMOKE: dict[str, Value] = {
    "points": 40,
    "n_initial": 16,
    "n_boundary": 8,
    "model.width": 6,
    "model.depth": 2,
    "optimizer.closures": 24,
}
"""Over any setting: a run that shows that all parts fit, in a fraction of a second."""


def runs(
    group: str, params: Params, seeds: Iterable[int], labels: Params | None = None, *, tag: str, smoke: bool = False
) -> list[SuiteRun]:
    """A run for each seed, under the keys `group/seed`. smoke: cut down to a fraction of a second."""
    made = {**params, **(_cut(params) if smoke else {})}
    return [
        SuiteRun(
            key=f"{group}/{seed}",
            spec=RunSpec(task="pinn", params=dict(made), seed=seed, resources=ONE_CORE, tags=(tag,)),
            labels=dict(labels or {}),
        )
        for seed in seeds
    ]


def _cut(params: Params) -> Params:
    """What makes a run a short one; a strategy's stages share its few evaluations."""
    stages = {"strategy.closures": 1} if params.get("strategy", "regular") != "regular" else {}
    return {**SMOKE, **stages}


def told(setting: str, scale: str) -> str:
    """The words for a setting, of the smallest scale that they do not hold."""
    return f"cut down to what takes seconds (the settings are stated), else {setting}" if scale == "smoke" else setting


def published(figures: Mapping[float, float], column: Value = None, value: str = "") -> tuple[Published, ...]:
    """Figures by the one value of their row."""
    return tuple(Published(row=(row,), column=column, figure=figure, value=value) for row, figure in figures.items())
