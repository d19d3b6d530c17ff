from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from engine.api import Resources, RunSpec
from engine.client import Client
from engine.paths import Home
from engine.records import Run, Shelved, Status
from engine.reporter import RunReporter
from engine.store.catalog import Catalog
from tui.app import SciMLApp
from tui.widgets.frame_view import FrameView

BEGAN = 1_760_000_000.0


def _pinn(strategy: str, seed: int, error: float, loss: float) -> Run:
    params: dict[str, Any] = {"system": "reaction", "rho": 5.0, "strategy": strategy, "dtype": "float64"}
    return Run(
        id="",
        spec=RunSpec(task="pinn", params=params, seed=seed, tags=("demo",), resources=Resources(gpus=0)),
        label=f"reaction ρ=5 {strategy}",
        status=Status.DONE,
        attempt=1,
        created=BEGAN + seed,
        started=BEGAN + 10,
        ended=BEGAN + 30,
        seconds=20.0 + seed,
        device="cpu",
        summary={"loss": loss, "rel_l2": error, "closures": 2500, "stop_reason": "closures", "iterations": 400},
        warnings=("the loss is low, the residual on fresh points is not",) if strategy == "regular" else (),
    )


def _operator(mode: str, samples: int, error: float) -> Run:
    params: dict[str, Any] = {
        "system": "poisson", "mode": mode, "range": [5.0, 10.0], "grid": 32, "samples": samples, "dtype": "float32",
    }  # fmt: skip
    return Run(
        id="",
        spec=RunSpec(task="operator", params=params, tags=("demo",), resources=Resources(gpus=0)),
        label=f"Poisson(5:10) {mode} N={samples}",
        status=Status.DONE,
        attempt=1,
        created=BEGAN,
        started=BEGAN,
        ended=BEGAN + 8,
        seconds=8.0,
        summary={"rel_l2": error, "stop_reason": "all steps done", "steps": 200},
    )


def _write_curve(home: Home, run: Run, steps: int = 400) -> None:
    """A curve with five stages and the fields of a solution, reported as a task does."""
    final, failed = run.summary["loss"], run.summary["rel_l2"] > 0.5
    reporter = RunReporter(home, run.id, 1, seed=0, stop=lambda: False)
    for step in range(steps):
        if step % (steps // 5) == 0:
            reporter.stage(f"ρ={1 + 5 * step // steps}", step, stop="closures")
        loss = final ** (step / steps) * (1 + 0.2 * math.sin(step / 5))
        reporter.metrics(step, loss=loss, rel_l2=0.98 if failed else min(1.0, 3 * loss**0.4))
    x, t = np.linspace(0, 2 * np.pi, 64), np.linspace(0, 1, 32)
    reference = np.exp(-(((x - np.pi) / 0.8) ** 2))[None, :] ** np.exp(-5 * t)[:, None]
    predicted = reference * (0.1 if failed else 1.01)
    reporter.fields(steps, predicted=predicted, reference=reference, error=predicted - reference, x=x, t=t)
    reporter.close()


@pytest.fixture
def furnished(tmp_path: Path) -> Home:
    """A home with runs that have ended: three seeds with and without curriculum, operators, a dataset, a failure."""
    home = Home(tmp_path / "home").create()
    catalog = Catalog(home, sync=False)
    runs = [
        *(_pinn("curriculum", seed, 1.1e-2 * (1 + seed / 4), 1.04e-6) for seed in range(3)),
        *(_pinn("regular", seed, 0.98, 2.61e-7) for seed in range(3)),
        *(_operator("finetune", n, 0.2 / n**0.5) for n in (8, 32, 128)),
        *(_operator("scratch", n, 0.8 / n**0.5) for n in (8, 32, 128)),
        _operator("zeroshot", 0, 0.11),
        Run(
            id="",
            spec=RunSpec(task="pinn", params={"system": "convection", "beta": 40.0, "dtype": "float32"}, seed=7),
            label="convection β=40 regular",
            status=Status.FAILED,
            reason="SIGKILL",
            attempt=1,
            created=BEGAN,
            seconds=5.0,
        ),
    ]
    for run in catalog.add(runs):
        paths = home.run(run.id)
        paths.folder.mkdir(parents=True)
        if "strategy" in run.spec.params:
            _write_curve(home, run)
            paths.log.write_text("line one\n\x1b[31mred\x1b[0m line two\nline three\n")
    catalog.shelve(
        Shelved(
            name="poisson-1-5-32x32",
            kind="dataset",
            path="datasets/poisson-1-5-32x32.h5",
            size=12_600_000,
            sha256="ab" * 32,
            run="r0001",
            created=BEGAN,
            facts={"system": "poisson", "range": [1.0, 5.0], "grid": 32, "samples": 1024, "test": 256},
        )
    )
    catalog.close()
    return home


@pytest.fixture
def make_app(furnished: Home) -> Callable[..., SciMLApp]:
    """The app over the furnished home."""

    def make(**options: Any) -> SciMLApp:
        return SciMLApp(lambda: Client(furnished), **options)

    return make


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits for what threads bring to the screen."""

    async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 20.0) -> None:
        for _ in range(int(seconds / 0.02)):
            if condition():
                return
            await pilot.pause(0.02)
        raise AssertionError("the screen never showed what was waited for")

    return until


@pytest.fixture
def drawn(until: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Waits until every chart and heatmap on the screen shows the newest of what it was given."""

    async def drawn(pilot: Pilot[Any]) -> None:
        def fresh(view: FrameView) -> bool:
            if not view.size:  # not on the screen
                return True
            done = not view._stale and not view._drawing
            return done and view.frame is not None and view.frame.width == view.size.width

        await pilot.pause(0.3)
        await until(pilot, lambda: all(map(fresh, pilot.app.screen.query(FrameView))))
        await pilot.pause()

    return drawn
