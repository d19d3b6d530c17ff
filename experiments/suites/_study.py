"""One setting against another, on problems where regular training is known to fail: what the studies share."""

from __future__ import annotations

from collections.abc import Mapping

from engine.api import Suite, SuiteTable, Value
from experiments.suites._pinn import FIGURES, SEEDS, SUCCEEDS, Params, runs, told

PROBLEMS: dict[str, Params] = {
    "convection β=30": {"system": "convection", "beta": 30.0},
    "reaction ρ=5": {"system": "reaction", "rho": 5.0},
    "reaction-diffusion ν=ρ=5": {"system": "reaction_diffusion", "nu": 5.0, "rho": 5.0},
}

COEFFICIENT = {"convection": "beta", "reaction": "rho", "reaction_diffusion": "rho"}


def strategies(system: Value, closures: int) -> dict[str, Params]:
    """Strategies that share so many evaluations evenly among their stages: six of a curriculum over β, five over ρ."""
    step, stages = (5.0, 6) if system == "convection" else (1.0, 5)
    return {
        "regular": {"strategy": "regular"},
        "curriculum": {
            "strategy": "curriculum",
            "strategy.coefficient": COEFFICIENT[str(system)],
            "strategy.step": step,
            "strategy.target": 1e-5,
            "strategy.closures": closures // stages,
        },
        "seq2seq": {
            "strategy": "seq2seq",
            "strategy.window": 0.1,
            "strategy.target": 1e-8,
            "strategy.closures": closures // 10 - 1,
        },
    }


def study(
    *,
    key: str,
    title: str,
    summary: str,
    base: Params,
    across: Mapping[str, Params],
    chosen: tuple[str, ...],
    column: str,
    words: str,
    minutes: Mapping[str, float],
    scale: str,
) -> Suite:
    """Every problem by every strategy that is `chosen`, at every one of `across`, which the column is labelled by.

    base: what all runs share. words: what they share, for people.
    """
    smoke = scale == "smoke"
    problems = dict(list(PROBLEMS.items())[: 1 if smoke else 2 if scale == "quick" else None])
    closures = base["optimizer.closures"]
    assert isinstance(closures, int)
    made, tables = [], []
    for name, problem in problems.items():
        ways = strategies(problem["system"], closures)
        for label, more in across.items():
            for strategy in chosen:
                made += runs(
                    f"{name}/{label}/{strategy}",
                    {**problem, **base, **more, **ways[strategy]},
                    SEEDS[scale],
                    {column: label, "strategy": strategy},
                    tag=key,
                    smoke=smoke,
                )
        tables.append(
            SuiteTable(
                title=f"{title}: {name}",
                runs=f"{name}/",
                rows=("strategy",) if len(chosen) > 1 else (column,),
                columns=column if len(chosen) > 1 else "",
                values=FIGURES,
                threshold=SUCCEEDS,
                notes=told(words, scale),
            )
        )
    return Suite(
        key=key,
        title=title,
        summary=summary,
        runs=tuple(made),
        tables=tuple(tables),
        minutes=minutes[scale],
        scale=scale,
    )
