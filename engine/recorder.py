"""A Reporter that keeps everything in memory: for tests of tasks, benchmarks and notebooks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from engine.api import Artifact, Scalar, State
from engine.errors import TaskError


class Recorder:
    """What a task reported, as plain lists and dicts.

    points: (step, values); stages: {name: {step, ...}}; checkpoints: [(step, state)], one at each `now` and, with
    `every`, one each time that many seconds have passed. `stop_at`: ask to stop once that step was reported.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 0,
        device: str = "cpu",
        cpus: int = 1,
        state: State | None = None,
        every: float | None = None,
        stop_at: int | None = None,
        inputs: dict[str, dict[str, Artifact]] | None = None,
    ) -> None:
        self.folder, self.seed, self.device, self.cpus = folder, seed, device, cpus
        self.points: list[tuple[int, dict[str, float]]] = []
        self.stages: dict[str, dict[str, Any]] = {}
        self.stored_fields: list[tuple[int, dict[str, Any]]] = []
        self.checkpoints: list[tuple[int, State]] = []
        self.artifacts: dict[str, Artifact] = {}
        self.shelf: dict[str, Artifact] = {}
        self.figures: dict[str, Scalar] = {}
        self.warnings: list[str] = []
        self._state, self._every, self._stop_at, self._inputs = state, every, stop_at, inputs or {}
        self._saved = time.monotonic()

    @property
    def stopping(self) -> bool:
        return self._stop_at is not None and bool(self.points) and self.points[-1][0] >= self._stop_at

    def metrics(self, step: int, /, **values: float) -> None:
        self.points.append((step, values))

    def stage(self, name: str, /, step: int, **values: Scalar) -> None:
        self.stages.setdefault(name, {"step": step}).update(values)

    def fields(self, step: int, /, **arrays: Any) -> None:
        self.stored_fields.append((step, arrays))

    def progress(self, done: float, total: float, /, what: str = "") -> None:
        pass

    def checkpoint(self, step: int, state: Callable[[], State], /, *, now: bool = False) -> bool:
        due = now or (self._every is not None and time.monotonic() - self._saved >= self._every)
        if due:
            self.checkpoints.append((step, state()))
            self._saved = time.monotonic()
        return due

    def resume(self) -> State | None:
        return self._state

    def input(self, run: str, /) -> dict[str, Artifact]:
        if run not in self._inputs:
            raise TaskError(f"required a run that is done, got {run}")
        return self._inputs[run]

    def dataset(self, name: str, /) -> Artifact:
        if name not in self.shelf:
            raise TaskError(f"required a dataset that exists, got {name}")
        return self.shelf[name]

    def artifact(self, path: Path, /, name: str = "", **facts: Any) -> Artifact:
        made = Artifact(
            name=name or path.name,
            kind="file",
            path=path,
            size=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            facts=facts,
        )
        self.artifacts[made.name] = made
        return made

    def publish(self, kind: Literal["dataset", "model"], path: Path, /, name: str, **facts: Any) -> Artifact:
        self.shelf[name] = made = self.artifact(path, name, **facts)
        return made

    def summary(self, **values: Scalar) -> None:
        self.figures.update(values)

    def warn(self, text: str, /) -> None:
        self.warnings.append(text)

    def without_gpu(self, why: str, /) -> None:
        self.device = "cpu"
        self.warn(why)
