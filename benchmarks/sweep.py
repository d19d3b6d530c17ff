"""Many networks trained together against the same one after another: what `--pack` costs on a CPU, or gains on a GPU.

    python -m benchmarks.sweep [--json FILE]

Convection at several β, each network (the default one, 1,000 points) with a seed of its own and the same number of
evaluations; on a GPU where there is one, else on one CPU core. Both ways do the same work, reports included: as many
evaluations, and the same losses as long as rounding has not been amplified.

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

NETWORKS = {"cpu": 32, "cuda": 64}
EVALUATIONS = {"cpu": 40, "cuda": 400}
"""Of each network; on a GPU so many that the capture of a graph is a small part of a single run."""
ROUNDS, POINTS, COMPARED = 3, 1000, 10


def _runs(device: str, optimizer: str) -> list[tuple[dict[str, Any], int]]:
    """Parameters and seed of each."""
    closures, networks = EVALUATIONS[device], NETWORKS[device]
    given = {"optimizer": optimizer, "points": POINTS, "optimizer.closures": closures, "optimizer.target": 0}
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
        _require_same(one, other)
    return seconds


def _require_same(alone: Recorder, packed: Recorder) -> None:
    evaluations = alone.figures["closures"], packed.figures["closures"]
    if len(set(evaluations)) > 1:
        raise SystemExit(f"required as many evaluations both ways, got {evaluations}")
    for (_, one), (_, other) in list(zip(alone.points, packed.points, strict=False))[:COMPARED]:
        if not abs(one["loss"] - other["loss"]) <= 1e-6 * abs(one["loss"]):
            raise SystemExit(f"required the same loss both ways, got {one['loss']:.8g} and {other['loss']:.8g} packed")


def main() -> None:
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = NETWORKS[device]
    name = torch.cuda.get_device_name() if device == "cuda" else "one CPU core"
    print(f"{networks} networks on {name}, {POINTS} points, {EVALUATIONS[device]} evaluations each, float64")
    figures: dict[str, float] = {}
    for optimizer in ("lbfgs", "ssbfgs"):
        runs, ratios = _runs(device, optimizer), []
        if device == "cuda":
            _round(runs[:2], device)  # libraries are loaded, memory is taken
        for _ in range(ROUNDS):
            alone, packed = _round(runs, device)
            ratios.append(alone / packed)
            print(f"{optimizer:10} alone {alone:7.2f} s   packed {packed:7.2f} s   {alone / packed:.3f}", flush=True)
        figures[f"ratio_packed_{optimizer}"] = statistics.median(ratios)
    figures["ratio_packed"] = min(figures.values())
    report({**figures, "networks": networks, "points": POINTS}, sys.argv[1:])


if __name__ == "__main__":
    main()
