"""Tasks for tests: SCIML_TUI_TASKS="sample_tasks:WALK,sample_tasks:GRID", with this folder on PYTHONPATH."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from engine.api import (
    Diverged,
    Estimate,
    Finding,
    Problem,
    Published,
    Reference,
    Reporter,
    RunSpec,
    Spec,
    Suite,
    SuiteFigure,
    SuiteRun,
    SuiteTable,
    TaskDescription,
    TaskError,
    describe_struct,
    discover,
    lazy_import,
    settings,
)

np = lazy_import("numpy")

print("a task that prints while it is imported")


class WalkSettings(Spec, frozen=True, kw_only=True):
    steps: Annotated[int, msgspec.Meta(ge=1)] = 5
    pause: Annotated[float, msgspec.Meta(ge=0, extra_json_schema={"x-unit": "s"})] = 0.0
    init: Annotated[str, msgspec.Meta(extra_json_schema={"x-ref": "run"})] = ""
    data: Annotated[str, msgspec.Meta(extra_json_schema={"x-ref": "dataset"})] = ""
    ending: Literal["well", "task error", "divergence", "fault", "no memory", "silence", "signal", "full disk"] = "well"


class Walk:
    """A random walk that draws from a stored generator: stopped and resumed it ends where it would have ended."""

    def describe(self) -> TaskDescription:
        kinds, _ = discover("sample_kinds", "KIND")
        kind = {"type": "string", "default": "straight", "x-choices": kinds}
        schema = {"properties": {"kind": kind, **describe_struct(WalkSettings)}}
        return TaskDescription(
            key="walk",
            title="Random walk",
            summary="For tests.",
            schema=schema,
            label="walk {kind} of {steps}",
            metrics={"x": "position"},
        )

    def check(self, params: Mapping[str, Any], /) -> list[Problem]:
        if params["steps"] == 13:
            return [Problem("steps", "a lucky number", "13")]
        if params["steps"] == 666:
            raise RuntimeError("a check with a fault")
        return []

    def check_references(self, params: Mapping[str, Any], found: Mapping[str, Sequence[Reference]], /) -> list[Problem]:
        known = [f"{each.kind} {each.name} of {each.task} with {each.facts}" for each in found.get("data", ())]
        far = [each for each in found.get("data", ()) if each.params.get("value", 0) > 100]
        return [Problem("data", "one that is near", text) for text in known] if far else []

    def estimate(self, params: Mapping[str, Any], /) -> Estimate:
        return Estimate(seconds=params["steps"] * params["pause"])

    def run(self, params: Mapping[str, Any], reporter: Reporter, /) -> None:
        for _ in self._steps(params, reporter):
            pass

    def run_many(
        self, many: Sequence[Mapping[str, Any]], reporters: Sequence[Reporter], /
    ) -> Iterator[tuple[int, BaseException | None]]:
        """A step of each in turn."""
        left = {
            i: self._steps(params, reporter) for i, (params, reporter) in enumerate(zip(many, reporters, strict=True))
        }
        while left:
            for i, steps in list(left.items()):
                try:
                    next(steps)
                except StopIteration:
                    del left[i]
                    yield i, None
                except Exception as error:  # noqa: BLE001  it is that walk's
                    del left[i]
                    yield i, error

    def _steps(self, params: Mapping[str, Any], reporter: Reporter) -> Iterator[None]:
        options = settings(WalkSettings, params)
        print(f"walking with OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')}", flush=True)
        random = np.random.default_rng(reporter.seed)
        state = reporter.resume()
        x = float(state["x"]) if state else _start(options, reporter)
        first = int(state["step"]) + 1 if state else 1
        random.bit_generator.advance(2 * (first - 1))
        reporter.stage("walk", step=0)
        for step in range(first, options.steps + 1):
            x += random.uniform(-1, 1) + 0 * random.uniform() + params.get("drift.speed", 0.0)
            reporter.metrics(step, x=x)
            reporter.progress(step, options.steps)
            reporter.checkpoint(step, partial(_state, x, step), now=reporter.stopping)
            if reporter.stopping:
                return
            if not state:  # a resumed one need not be slow: it was slow to be stopped in time
                time.sleep(options.pause)
            yield
        _end(options.ending, options.steps)
        reporter.fields(options.steps, path=np.linspace(0, x, 7), x=np.arange(7.0))
        file = reporter.folder / "end.txt"
        file.write_text(f"{x!r}\n")
        reporter.artifact(file, "end", x=x)
        reporter.summary(x=x, stop_reason="all steps")


def _state(x: float, step: int) -> dict[str, Any]:
    return {"x": np.float64(x), "step": step}


def _start(options: WalkSettings, reporter: Reporter) -> float:
    x = 0.0
    if options.init:
        x += float(reporter.input(options.init)["end"].path.read_text())
    if options.data:
        x += float(reporter.dataset(options.data).path.read_text())
    return x


def _end(ending: str, steps: int) -> None:
    match ending:
        case "task error":
            raise TaskError("required a path, got a wall; walk elsewhere")
        case "divergence":
            raise Diverged("x", steps)
        case "fault":
            raise ZeroDivisionError("a fault of the task's own")
        case "no memory":
            np.empty((1 << 55,))
        case "silence":
            os._exit(3)
        case "signal":
            os.kill(os.getpid(), signal.SIGKILL)
        case "full disk":
            os.write(os.open("/dev/full", os.O_WRONLY), b"x")


class Grid:
    """Publishes a dataset: a file with one number."""

    def describe(self) -> TaskDescription:
        properties = {
            "shelf": {"type": "string", "default": "grid", "minLength": 1},
            "value": {"type": "number", "default": 2.0},
            "pause": {"type": "number", "default": 0.0},
        }
        return TaskDescription(key="grid", title="Grid", summary="For tests.", schema={"properties": properties})

    def check(self, params: Mapping[str, Any], /) -> list[Problem]:
        return []

    def estimate(self, params: Mapping[str, Any], /) -> Estimate:
        return Estimate()

    def run(self, params: Mapping[str, Any], reporter: Reporter, /) -> None:
        time.sleep(params["pause"])
        file = reporter.folder / "grid.txt"
        file.write_text(f"{params['value']}\n")
        reporter.publish("dataset", file, name=params["shelf"], samples=1)
        reporter.summary(samples=1)

    def identify(self, path: Path, /) -> tuple[str, dict[str, Any]]:
        return f"grid-{_number(path):g}", {"samples": 1}

    def verify(self, path: Path, /) -> Iterator[Finding]:
        number = _number(path)
        yield Finding(what="number", found=f"{number:g}", required="above 0", passed=number > 0)

    def preview(self, path: Path, count: int, /) -> dict[str, Any]:
        return {"values": np.full((count, 2, 3), _number(path))}


def _number(path: Path) -> float:
    try:
        return float(path.read_text())
    except ValueError:
        raise TaskError(f"{path}: required a number") from None


class Faulty(Grid):
    def describe(self) -> TaskDescription:
        raise RuntimeError("cannot describe itself")


WALK, GRID, FAULTY = Walk(), Grid(), Faulty()


def _pair(steps: int) -> Suite:
    def spec(task: str, **params: Any) -> RunSpec:
        return RunSpec(task=task, params=params)

    return Suite(
        key="pair",
        title="A pair",
        summary="For tests.",
        runs=(
            SuiteRun(key="data", spec=spec("grid", shelf="pair-data", value=3.0)),
            SuiteRun(key="first", spec=spec("walk", steps=steps, data="@data")),
            SuiteRun(key="second", spec=spec("walk", steps=2, init="@first")),
        ),
        tables=(SuiteTable(title="ends", runs="", rows=("steps",), values=("x",)),),
    )


def _walks(scale: str, seeds: int) -> Suite:
    """Two speeds; at each the faster walk ends further away, and so is worse."""
    runs = [
        SuiteRun(
            key=f"{speed}/{seed}",
            spec=RunSpec(task="walk", params={"kind": "drift", "drift.speed": speed}, seed=seed),
        )
        for speed in (0.5, 4.0)
        for seed in range(seeds)
    ]
    table = SuiteTable(
        title="ends by speed",
        runs="",
        rows=("drift.speed",),
        values=("x",),
        threshold=10.0,
        published=(Published(row=(0.5,), figure=9.0), Published(row=(4.0,), figure=5.0)),
        notes="positions",
    )
    figure = SuiteFigure(title="ends", runs="", x="drift.speed", value="x", log_y=False, published=table.published)
    return Suite(
        key="walks",
        title="Walks",
        summary="For tests",
        runs=tuple(runs),
        tables=(table,),
        figures=(figure,),
        scale=scale,
        minutes=0.1,
    )


SUITES = {"pair": _pair(3), "walks": [_walks("paper", 3), _walks("smoke", 1)]}
