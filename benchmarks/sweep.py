"""Many networks trained together against the same one after another: what `--pack` costs on a CPU, or gains on a GPU.

    python -m benchmarks.sweep [--json FILE]

Convection at several β, each network (the default one, 1,000 points) with a seed of its own and the same number of
evaluations; on a GPU where there is one, else on one CPU core. Both ways do the same work, reports included, and must
end at the same losses.

ratio_packed: seconds one after another, each by the fastest single path, over seconds as one pack: the median over
    rounds, in which the two take turns. Above 1 the pack is faster.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks._figures import report
from engine import schema
from engine.recorder import Recorder
from experiments.pinns.task import TASK

ON_CPU, ON_GPU = 32, 64
"""Networks."""
EVALUATIONS, ROUNDS, POINTS = 40, 3, 1000


def _runs(device: str, networks: int, optimizer: str) -> list[tuple[dict[str, Any], int]]:
    """Parameters and seed of each."""
    given = {"optimizer": optimizer, "points": POINTS, "optimizer.closures": EVALUATIONS, "optimizer.target": 0}
    complete = schema.complete
    properties = TASK.describe().schema
    return [(complete(properties, {**given, "beta": float(20 + i % 4 * 5)}), i) for i in range(networks)]


def _seconds(train: Callable[[], None], device: str) -> float:
    """On a CPU those of the process: of one core, and least disturbed by other programs."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    start = clock()
    train()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def _round(runs: list[tuple[dict[str, Any], int]], device: str) -> tuple[float, float]:
    """Seconds one after another, and packed."""
    with tempfile.TemporaryDirectory() as folder:

        def recorders(name: str) -> list[Recorder]:
            made = []
            for _, seed in runs:
                own = Path(folder) / f"{name}-{seed}"
                own.mkdir()
                made.append(Recorder(own, seed=seed, device=device))
            return made

        alone, packed = recorders("alone"), recorders("packed")

        def one_after_another() -> None:
            for (params, _), recorder in zip(runs, alone, strict=True):
                TASK.run(params, recorder)

        def together() -> None:
            for _, raised in TASK.run_many([params for params, _ in runs], packed):
                if raised:
                    raise raised

        seconds = _seconds(one_after_another, device), _seconds(together, device)
    for one, other in zip(alone, packed, strict=True):
        _require_same(float(one.figures["loss"] or 0), float(other.figures["loss"] or 0))
    return seconds


def _require_same(alone: float, packed: float) -> None:
    """Rounding is amplified by the line searches, so the losses are near rather than equal."""
    if not abs(alone - packed) <= 1e-3 * abs(alone):
        raise SystemExit(f"required the same loss both ways, got {alone:.6g} alone and {packed:.6g} packed")


def main() -> None:
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = ON_GPU if device == "cuda" else ON_CPU
    name = torch.cuda.get_device_name() if device == "cuda" else "one CPU core"
    print(f"{networks} networks on {name}, {POINTS} points, {EVALUATIONS} evaluations each, float64")
    figures: dict[str, float] = {}
    for optimizer in ("lbfgs", "ssbfgs"):
        runs = _runs(device, networks, optimizer)
        ratios = []
        for _ in range(ROUNDS):
            alone, packed = _round(runs, device)
            ratios.append(alone / packed)
            print(f"{optimizer:10} alone {alone:7.2f} s   packed {packed:7.2f} s   {alone / packed:.3f}", flush=True)
        figures[f"ratio_packed_{optimizer}"] = statistics.median(ratios)
    figures["ratio_packed"] = min(figures.values())
    report({**figures, "networks": networks, "points": POINTS}, sys.argv[1:])


if __name__ == "__main__":
    main()
