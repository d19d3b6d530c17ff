"""The Reporter of a running task: into the run's stream, its checkpoints and files, and the shelves."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from engine import atomic, checkpoint, report
from engine.api import Artifact, Scalar, State
from engine.curation import NAME, NAME_WORDS, measure
from engine.errors import StoreError, TaskError, UnknownName
from engine.evidence import observe
from engine.paths import Home
from engine.records import Shelved, Status
from engine.report import Report
from engine.staging import staged
from engine.store.catalog import Catalog
from engine.store.stream import StreamWriter

if TYPE_CHECKING:
    import numpy as np

CHECKPOINT_SHARE = 0.05
"""Of the run's time may go into checkpoints that are due by time."""
CHECKPOINT_SECONDS = 20.0
"""Between two of them at least: what a kill may lose costs less than writing more often."""
_KEPT = 2
_PROGRESS_SECONDS = 0.5
_PROGRESS_SHARE = 0.01
"""Progress is written when so much of the time has passed since the last: a few hundred documents for any run."""


class RunReporter:
    """One attempt of a run. Not safe for threads, except for `stopping`; close it at the end.

    stop: says whether the run was asked to stop. optional_gpu: the GPU was taken because there was one. together: how
    many runs share the process, and its time. log: where warnings are written for people, standard output unless
    another is given. Calls that write raise StoreFull or StoreError.
    """

    def __init__(
        self,
        home: Home,
        run_id: str,
        attempt: int,
        *,
        seed: int,
        stop: Callable[[], bool],
        device: str = "cpu",
        cpus: int = 1,
        optional_gpu: bool = False,
        together: int = 1,
        log: TextIO | None = None,
    ) -> None:
        self.seed, self.device, self.cpus = seed, device, cpus
        self._optional_gpu = optional_gpu
        self._share, self._log = CHECKPOINT_SHARE / together, log
        self.figures: dict[str, Scalar] = {}
        self.warnings: list[str] = []
        self.saw_stop = False
        """Whether the task was told to stop: one that returns then has stopped, it is not done."""
        self._home, self._run, self._attempt, self._stop = home, run_id, attempt, stop
        self._paths = home.run(run_id)
        self.folder = self._paths.files
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stream = StreamWriter(self._paths.stream)
        self._begun = False
        self._early: list[str] = []
        """Warnings before `resume`, which is told first what earlier attempts reported no longer counts."""
        self._started = self._saved = time.monotonic()
        self._saving_took = 0.0
        self._progressed = float("-inf")
        self._fields: tuple[int, dict[str, np.ndarray]] = (-1, {})

    @property
    def stopping(self) -> bool:
        if self._stop():
            self.saw_stop = True
        return self.saw_stop

    def metrics(self, step: int, /, **values: float) -> None:
        if not self._begun:
            self._begin(None)
        self._stream.point(step, values)

    def stage(self, name: str, /, step: int, **values: Scalar) -> None:
        self._record(report.STAGES, {"name": name, "step": step, **values})

    def progress(self, done: float, total: float, /, what: str = "") -> None:
        now = time.monotonic()
        pause = max(_PROGRESS_SECONDS, _PROGRESS_SHARE * (now - self._started))
        if done >= total or now - self._progressed >= pause:
            self._progressed = now
            self._record(report.PROGRESS, {"done": done, "total": total, "what": what, "at": time.time()})

    def warn(self, text: str, /) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            print(f"warning: {text}", file=self._log, flush=True)
            if self._begun or self._attempt <= 1:
                self._record(report.WARNINGS, {"text": text, "at": time.time()})
            else:
                self._early.append(text)

    def without_gpu(self, why: str, /) -> None:
        if not self._optional_gpu:
            raise TaskError(f"gpus: required a GPU that can be used, got {why} (gpus=0 runs it on the CPU)")
        self.device = "cpu"
        self.warn(f"the run is on the CPU, its GPU cannot be used: {why}")

    def summary(self, **values: Scalar) -> None:
        self.figures.update(values)

    # Checkpoints

    def checkpoint(self, step: int, state: Callable[[], State], /, *, now: bool = False) -> bool:
        begin = time.monotonic()
        if not now and begin - self._saved < max(CHECKPOINT_SECONDS, self._saving_took / self._share):
            return False
        path = checkpoint.path_of(self._paths.checkpoints, step)
        self._stream.flush(durable=True)  # the points that belong to it come first
        checkpoint.save(path, state())
        checkpoint.prune(self._paths.checkpoints, _KEPT)
        self._record(report.CHECKPOINTS, {"step": step, "path": self._relative(path), "size": path.stat().st_size})
        self._saved = time.monotonic()
        self._saving_took = self._saved - begin
        return True

    def resume(self) -> State | None:
        if self._attempt <= 1:
            return None
        unreadable = []
        for step, path in checkpoint.by_step(self._paths.checkpoints):
            try:
                state = checkpoint.load(path)
            except StoreError as error:
                unreadable.append(str(error))
                path.unlink(missing_ok=True)
            else:
                self._begin(step)
                self._warn_of(unreadable, f"the run goes on from step {step}")
                return state
        self._begin(None)
        self._warn_of(unreadable, "the run begins anew")
        return None

    def _warn_of(self, unreadable: list[str], consequence: str) -> None:
        for error in unreadable:
            self.warn(f"a checkpoint could not be read, {consequence}: {error}")

    def _begin(self, from_step: int | None) -> None:
        """Before anything is reported: what earlier attempts reported after `from_step` no longer counts."""
        self._begun = True
        if self._attempt > 1:
            self._stream.rewind(-1 if from_step is None else from_step)
        self._record(report.ATTEMPTS, {"attempt": self._attempt, "at": time.time(), "from_step": from_step})
        early, self._early = self._early, []
        for text in early:
            self._record(report.WARNINGS, {"text": text, "at": time.time()})

    # Files

    def fields(self, step: int, /, **arrays: np.ndarray) -> None:
        from safetensors.numpy import save  # numpy comes with it: a task that stores arrays has imported that already

        known = self._fields[1] if self._fields[0] == step else {}
        self._fields = (step, known | {name: _contiguous(array) for name, array in arrays.items()})
        self._paths.fields.mkdir(exist_ok=True)
        path = self._paths.fields / f"step-{step}.safetensors"
        data = save(self._fields[1])
        atomic.write(path, data)
        document = {
            "step": step,
            "path": self._relative(path),
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "arrays": {name: list(array.shape) for name, array in self._fields[1].items()},
        }
        self._record(report.FIELDS, document)

    def artifact(self, path: Path, /, name: str = "", **facts: Any) -> Artifact:
        if not path.is_file() or not path.resolve().is_relative_to(self._paths.folder.resolve()):
            raise TaskError(f"artifact: required a file in the run's folder {self.folder}, got {path}")
        return self._keep(Artifact(name=name or path.name, kind="file", path=path, facts=facts, **measure(path)))

    def publish(self, kind: Literal["dataset", "model"], path: Path, /, name: str, **facts: Any) -> Artifact:
        if not NAME.fullmatch(name):
            raise TaskError(f"{kind}: required {NAME_WORDS}, got {name!r}")
        if not path.is_file():
            raise TaskError(f"{kind} {name}: required a file, got {path}")
        shelf = self._home.datasets if kind == "dataset" else self._home.models
        measured = measure(path)
        try:
            with closing(Catalog(self._home)) as catalog, _on_disk_of(shelf, path, catalog) as there:
                with catalog.lock():
                    name = self._free_name(catalog, kind, name)
                    target = shelf / f"{name}{path.suffix}"
                    there.replace(target)
                    atomic.sync_folder(shelf)
                    relative = self._relative(target)
                    about: dict[str, Any] = {"task": self._task(catalog), "created": time.time(), "facts": facts}
                    catalog.shelve(Shelved(name=name, kind=kind, path=relative, run=self._run, **about, **measured))
                path.unlink(missing_ok=True)
        except OSError as error:
            raise atomic.store_error(error, shelf) from error
        return self._keep(Artifact(name=name, kind=kind, path=target, facts=facts, **measured))

    def input(self, run: str, /) -> dict[str, Artifact]:
        try:
            with closing(Catalog(self._home, readonly=True)) as catalog:
                found = catalog.get(run)
        except UnknownName as error:
            raise TaskError(str(error)) from None
        seen = observe(self._home, found)
        if seen.status is not Status.DONE:
            raise TaskError(
                f"run {run}: required a run that is done, got one that is {seen.status}; resume or retry it"
            )
        left = Report(self._home, run)
        left.poll()
        return left.artifacts

    def dataset(self, name: str, /) -> Artifact:
        try:
            with closing(Catalog(self._home, readonly=True)) as catalog:
                made = [item for item in catalog.shelved("dataset") if item.run == name]
                item = made[-1] if made else catalog.shelf("dataset", name)
        except UnknownName as error:
            raise TaskError(str(error)) from None
        path = self._home.folder / item.path
        if not path.is_file() or path.stat().st_size != item.size:
            raise TaskError(
                f"dataset {item.name}: required its file of {item.size} bytes, got none such; make it again"
            )
        return Artifact(
            name=item.name, kind="dataset", path=path, size=item.size, sha256=item.sha256, facts=dict(item.facts)
        )

    def close(self) -> None:
        """Writes what waits."""
        if not self._begun:
            self._begin(None)
        self._stream.close()

    def _free_name(self, catalog: Catalog, kind: str, name: str) -> str:
        """The name, or one of this run's own where another run has published under it: work is not lost over a name."""
        try:
            taken_by = catalog.shelf(kind, name).run
        except UnknownName:
            return name
        if taken_by == self._run:
            return name
        own = f"{name}-{self._run}"
        self.warn(f"the {kind} {name} was published by run {taken_by}: this one is called {own}")
        return own

    def _task(self, catalog: Catalog) -> str:
        try:
            return catalog.get(self._run).spec.task
        except UnknownName:
            return ""

    def _keep(self, made: Artifact) -> Artifact:
        document = {
            "name": made.name,
            "kind": made.kind,
            "path": self._relative(made.path),
            "size": made.size,
            "sha256": made.sha256,
            "facts": made.facts,
        }
        self._record(report.ARTIFACTS, document)
        return made

    def _record(self, table: str, document: dict[str, Any]) -> None:
        if not self._begun:
            self._begin(None)
        self._stream.record(table, document)

    def _relative(self, path: Path) -> str:
        """As documents name files: so a home directory can be moved."""
        return os.path.relpath(path, self._home.folder)


@contextmanager
def _on_disk_of(shelf: Path, path: Path, catalog: Catalog) -> Iterator[Path]:
    """The file itself, flushed, or a copy of it on the disk of the shelf."""
    if path.stat().st_dev != shelf.stat().st_dev:
        with staged(catalog, path, shelf) as copy:
            yield copy
        return
    with path.open("rb") as file:
        os.fsync(file.fileno())
    yield path


def _contiguous(array: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(array)
