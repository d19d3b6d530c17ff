"""One attempt of a run, in the process that does its work: its reporter, and its end, whatever happens in it."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import msgspec

from engine import tasks
from engine.api import RunSpec, Task
from engine.atomic import store_error
from engine.errors import Diverged, ScimlError, StoreCorrupt, StoreFull
from engine.exhaustion import out_of_memory
from engine.paths import Home, RunPaths
from engine.records import Result
from engine.reporter import RunReporter

_RESERVED = 1 << 16
"""Bytes set aside for the result at the start, so that a disk that has become full does not keep it from being told."""


class Granted(NamedTuple):
    """What the launcher grants; `stop` says whether a run was asked to stop."""

    stop: Callable[[], bool]
    device: str = "cpu"
    cpus: int = 1


class Attempt:
    """`open` it, do its work, `end` it. log: where people read of it, this process's output unless another is given."""

    def __init__(self, home: Home, run_id: str, number: int, *, log: TextIO | None = None) -> None:
        self.run, self.number, self.paths = run_id, number, home.run(run_id)
        self._home, self._log = home, log
        self._began, self._device = time.time(), ""
        self._known: dict[str, Any] = {}
        self._reporter: RunReporter | None = None
        folder = self.paths.attempt(number)
        folder.mkdir(parents=True, exist_ok=True)
        self._reserve = folder / "reserve"
        with suppress(OSError):
            _reserve(self._reserve)

    def open(self, task: Task, spec: RunSpec, granted: Granted, *, together: int = 1) -> RunReporter:
        """The reporter to hand to the task. together: how many runs share the process. Raises ScimlError."""
        self._device = granted.device
        self._known["code"] = _code_of(task, self._home, self.paths)
        self._reporter = RunReporter(
            self._home,
            self.run,
            self.number,
            seed=spec.seed,
            stop=granted.stop,
            device=granted.device,
            cpus=granted.cpus,
            optional_gpu=spec.resources.gpus == "auto",
            together=together,
            log=self._log,
        )
        return self._reporter

    def end(self, raised: BaseException | None) -> Result:
        """Writes how it ended: by itself, or with what was raised. Raises StoreError where that cannot be written."""
        reporter = self._reporter
        if reporter:
            try:
                reporter.close()
            except Exception as error:  # noqa: BLE001  told unless something else ended it before
                raised = raised or error
            self._device = reporter.device
            self._known.update(
                summary=reporter.figures, warnings=tuple(reporter.warnings), versions=_versions(self._device)
            )
        outcome, error_text = ("stopped" if reporter and reporter.saw_stop else "done"), ""
        if raised:
            outcome, error_text = ending(raised, self._log)
            with suppress(OSError):  # where the disk is full the log is, too; the result has its own reserve
                print(f"{outcome}: {error_text}", file=self._log or sys.stderr, flush=True)
        now = time.time()
        result = Result(
            outcome=outcome,
            error=error_text,
            device=self._device,
            seconds=now - self._began,
            at=now,
            **self._known,
        )
        _write_result(self.paths.result(self.number), result, self._reserve)
        return result


def read_spec(paths: RunPaths) -> RunSpec:
    """What was submitted: from the run's folder or, where a power cut left that incomplete, from the catalogue.

    Raises StoreCorrupt.
    """
    try:
        return msgspec.json.decode(paths.spec.read_bytes(), type=RunSpec)
    except (OSError, msgspec.DecodeError) as error:
        try:
            return _stored_spec(paths)
        except ScimlError:
            raise StoreCorrupt(f"{paths.spec}: required what was submitted, got {error}; retry the run") from None


def _stored_spec(paths: RunPaths) -> RunSpec:
    from engine.store.catalog import Catalog

    with closing(Catalog(Home(paths.folder.parent.parent), readonly=True)) as catalog:
        return catalog.get(paths.folder.name).spec


def _code_of(task: Task, home: Home, paths: RunPaths) -> dict[str, Any]:
    """Of the checkout that the task comes from, and of the user's own components."""
    from engine import atomic, provenance

    file = getattr(sys.modules[type(task).__module__], "__file__", None)
    code, diff = provenance.code(Path(file)) if file else ({}, b"")
    if diff:
        atomic.write(paths.diff, diff)
    plugins = provenance.digest(home.plugins)
    return code | {"plugins": plugins} if plugins else code


def _versions(device: str) -> dict[str, str]:
    from engine import provenance

    known = provenance.versions() | provenance.machine()
    torch = sys.modules.get("torch")
    if device == "cuda" and torch is not None:
        with suppress(Exception):  # after some faults a GPU answers nothing any more, and the result must still be told
            known["gpu"] = torch.cuda.get_device_name()
    return known


def ending(raised: BaseException, log: TextIO | None = None) -> tuple[str, str]:
    """The outcome that an exception means, and a message for people; an unexpected one is traced in the log."""
    if isinstance(raised, Diverged):
        return "diverged", str(raised)
    if isinstance(raised, KeyboardInterrupt):
        return "stopped", "interrupted"
    if isinstance(raised, ScimlError):
        return "failed", str(raised)
    if lacking := out_of_memory(raised):
        return "failed", (
            f"out of memory: {lacking}; lower the number of points or samples, the batch or the size of "
            "the model, or run it where there is more"
        )
    if isinstance(raised, OSError) and isinstance(full := store_error(raised, raised.filename or "a file"), StoreFull):
        return "failed", str(full)
    with suppress(OSError):
        traceback.print_exception(raised, file=log)
    return "failed", tasks.told(raised)


def _reserve(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _RESERVED)
    finally:
        os.close(fd)


def _write_result(path: Path, result: Result, reserve: Path) -> None:
    from engine import atomic
    from engine.store import codec

    data = codec.encode(msgspec.to_builtins(result))
    try:
        atomic.write(path, data)
    except StoreFull:
        reserve.unlink(missing_ok=True)
        atomic.write(path, data)
    with suppress(OSError):
        reserve.unlink(missing_ok=True)
