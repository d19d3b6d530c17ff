"""One evaluation of a PINN's loss and gradient beside DeepXDE's, the same work; and the time to a given error.

    python -m benchmarks.pinn [--json FILE]

The evaluation: a 2-50-50-50-50-1 tanh network, 256 initial points, 100 pairs of boundary points, one CPU thread. Both
sides get the same weights and points, and must agree on loss and gradient before they are timed.

ratio_deepxde_*: CPU seconds of DeepXDE's evaluation over ours, the median over interleaved pairs, each of four in a
    row, as an optimiser makes them; above 1 is faster.
seconds_to_2e2_beta30: of the default curriculum on convection at β = 30, monitoring included, until the relative L2
    error is 2e-2: the median of three seeds. monitoring_share: the largest share of those runs.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._figures import report
from engine import schema
from engine.api import Spec
from engine.recorder import Recorder
from experiments.models import mlp
from experiments.pinns.network import Network
from experiments.pinns.objective import objective
from experiments.pinns.problem import Problem, System, pose
from experiments.pinns.systems import convection
from experiments.pinns.task import TASK

ROUNDS, IN_A_ROW, SEEDS = 15, 4, (10, 11, 12)
BETA, NU, RHO = 30.0, 5.0, 5.0


class Coefficients(Spec, frozen=True, kw_only=True):
    nu: float = NU
    rho: float = RHO


def _initial(c: Any, x: np.ndarray) -> np.ndarray:
    return np.exp(-(((x - np.pi) / (np.pi / 4)) ** 2) / 2)


def _unsolved(c: Any, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    raise NotImplementedError("this system is here for its derivatives")


REACTION_DIFFUSION = System(
    title="Reaction-diffusion",
    summary="",
    equation="u_t - ν u_xx - ρ u (1 - u) = 0",
    source="Krishnapriyan et al. 2021",
    label="",
    coefficients=Coefficients,
    main="rho",
    step=1.0,
    linear=lambda c: {"u_t": 1.0, "u_xx": -c.nu},
    nonlinear=lambda c, d: c.rho * d.u * (d.u - 1),
    reads=("u",),
    slopes=lambda c, d: {"u": c.rho * (2 * d.u - 1)},
    initial={"u": _initial},
    periodic=("u",),
    reference=_unsolved,
)


def _convection(x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    import deepxde as dde

    return dde.grad.jacobian(u, x, i=0, j=1) + BETA * dde.grad.jacobian(u, x, i=0, j=0)


def _reaction_diffusion(x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    import deepxde as dde

    return dde.grad.jacobian(u, x, i=0, j=1) - NU * dde.grad.hessian(u, x, i=0, j=0) - RHO * u * (1 - u)


CASES = {
    "convection": (convection.SYSTEM, convection.Coefficients(beta=BETA), _convection),
    "reaction_diffusion": (REACTION_DIFFUSION, Coefficients(), _reaction_diffusion),
}


def _posed(system: System, coefficients: Any, points: int) -> Problem:
    low, high = np.array(list(system.axes.values())).T
    collocation = low + (high - low) * np.random.default_rng(0).random((points, 2))
    return pose(system, coefficients, collocation, n_initial=256, n_boundary=100)


def _ratio(case: str, dtype: torch.dtype, points: int) -> float:
    from benchmarks._deepxde import peer

    system, coefficients, residual = CASES[case]
    problem = _posed(system, coefficients, points)
    network = Network(mlp.MODEL, mlp.MLP(width=50, depth=4), 2, dtype, torch.device("cpu"))
    flat = network.tensor(mlp.initialise(network.spec, 2, 1, np.random.default_rng(1)))
    ours, theirs = objective(network, problem), peer(network, problem, residual, flat)
    _require_same(ours(flat).loss, ours(flat).gradient, *theirs(), dtype)
    ratios, times = [], []
    for _ in range(ROUNDS):
        mine, other = _seconds(partial(ours, flat)), _seconds(theirs)
        ratios.append(other / mine)
        times.append((mine, other))
    mine, other = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(ratios)
    print(
        f"{case:20}{str(dtype)[6:]:10}{points:>7} points   ours {mine:8.2f} ms   DeepXDE {other:8.2f} ms   {ratio:.2f}"
    )
    return ratio


def _require_same(loss: float, gradient: torch.Tensor, other: float, others: torch.Tensor, dtype: torch.dtype) -> None:
    tolerance = 1e-11 if dtype == torch.float64 else 1e-4
    apart = max(abs(loss - other) / other, float((gradient - others).norm() / others.norm()))
    if apart > tolerance:
        raise SystemExit(f"required the same loss and gradient on both sides, got {apart:.1e} between them")


def _seconds(function: Callable[[], object]) -> float:
    """CPU seconds of this thread for one call: the only one at work, and least disturbed by other programs."""
    start = time.thread_time()
    for _ in range(IN_A_ROW):
        function()
    return (time.thread_time() - start) / IN_A_ROW


def _curricula() -> dict[str, float]:
    params = schema.complete(TASK.describe().schema, {"beta": BETA, "strategy": "curriculum"})
    seconds, shares = [], []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            recorder = Recorder(Path(folder), seed=seed)
            TASK.run(params, recorder)
        reached = [v["seconds"] for _, v in recorder.points if v.get("rel_l2", 1.0) <= 2e-2]
        seconds.append(reached[0] if reached else float("inf"))
        shares.append(float(recorder.figures["monitoring_share"]))  # type: ignore[arg-type]
        error, total = recorder.figures["rel_l2"], recorder.points[-1][1]["seconds"]
        print(f"convection β=30, seed {seed}: 2e-2 after {seconds[-1]:.1f} s, {error:.1e} after {total:.1f} s")
    return {"seconds_to_2e2_beta30": statistics.median(seconds), "monitoring_share": max(shares)}


def main() -> None:
    torch.set_num_threads(1)
    figures = {}
    if importlib.util.find_spec("deepxde"):
        for case in CASES:
            for name, dtype in (("f32", torch.float32), ("f64", torch.float64)):
                for label, points in (("1k", 1000), ("10k", 10000)):
                    figures[f"ratio_deepxde_{case}_{name}_{label}"] = _ratio(case, dtype, points)
    else:
        print("required DeepXDE for the ratios, got none: pip install -c constraints.txt deepxde")
    report({**figures, **_curricula()}, sys.argv[1:])


if __name__ == "__main__":
    main()
