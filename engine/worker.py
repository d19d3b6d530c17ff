"""The process that runs a task, or answers for all of them.

    python -P -m engine.worker FOLDER ATTEMPT    runs the run of a folder, as its spec.json says
    python -P -m engine.worker --describe        prints what tasks and suites there are, as JSON
    python -P -m engine.worker --check           reads [[task, params, references], ...], prints what each task says

A run's spec.json is written when the run is submitted and not touched again. The launcher says what was granted in the
environment: SCIML_TUI_CPUS (threads), SCIML_TUI_DEVICE (cpu or cuda). SIGTERM asks the task to stop. How it ended is
written to the attempt's result.json; the exit code is 0 for done and stopped, 1 otherwise.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine import tasks
from engine.api import ChecksReferences, Estimate, Reference, RunSpec, Task
from engine.atomic import store_error
from engine.components import broken_files
from engine.errors import Diverged, ScimlError, StoreCorrupt, StoreFull
from engine.paths import Home, RunPaths
from engine.records import Result

if TYPE_CHECKING:
    from engine.describe import Catalogue, Checked

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_RESERVED = 1 << 16
"""Bytes set aside for the result at the start, so that a disk that has become full does not keep it from being told."""
_NO_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "CUDA out of memory", "CUDA error: out of memory")
"""How torch says so where it raises no error of that name."""


# A run


def run(folder: Path, attempt: int) -> int:
    """Runs the run of a folder in this process, which is its own. Returns the exit code."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # the log shows a line when it is printed
    cpus, device = int(os.environ.get("SCIML_TUI_CPUS", "1")), os.environ.get("SCIML_TUI_DEVICE", "cpu")
    os.environ.update(dict.fromkeys(_THREADS, str(cpus)))  # numpy and torch read them when they are imported
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    home = Home(os.environ.get("SCIML_TUI_HOME") or folder.parent.parent)
    result = work(home, folder.name, attempt, stop=asked.is_set, device=device, cpus=cpus)
    return 0 if result.outcome in ("done", "stopped") else 1


def work(
    home: Home, run_id: str, attempt: int, *, stop: Callable[[], bool], device: str = "cpu", cpus: int = 1
) -> Result:
    """Runs one attempt and writes its result, whatever happens in it; `stop` says whether it was asked to stop.

    Raises StoreError only where the result itself cannot be written.
    """
    paths = home.run(run_id)
    paths.attempt(attempt).mkdir(parents=True, exist_ok=True)
    reserve = paths.attempt(attempt) / "reserve"
    with suppress(OSError):
        _reserve(reserve)
    begin = time.time()
    known: dict[str, Any] = {}
    try:
        outcome, error = _attempt(home, run_id, attempt, known, stop, device, cpus), ""
    except BaseException as raised:  # noqa: BLE001  a task may raise anything, and the run must still come to an end
        outcome, error = _ending(raised)
        with suppress(OSError):  # where the disk is full the log is, too; the result has its own reserve
            print(f"{outcome}: {error}", file=sys.stderr)  # noqa: T201  the log is for people
    ended = time.time()
    result = Result(outcome=outcome, error=error, device=device, seconds=ended - begin, at=ended, **known)
    _write_result(paths.result(attempt), result, reserve)
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


def _attempt(
    home: Home, run_id: str, attempt: int, known: dict[str, Any], stop: Callable[[], bool], device: str, cpus: int
) -> str:
    """Runs the task; what is learned on the way goes into `known`, fields of the result. Returns the outcome."""
    from engine.reporter import RunReporter

    paths = home.run(run_id)
    spec = read_spec(paths)
    task = tasks.task(spec.task)
    known["code"] = _code_of(task, home, paths)
    reporter = RunReporter(home, run_id, attempt, seed=spec.seed, stop=stop, device=device, cpus=cpus)
    try:
        _limit_threads(cpus)
        task.run(spec.params, reporter)
        reporter.close()
    finally:
        known.update(summary=reporter.figures, warnings=tuple(reporter.warnings), versions=_versions(device))
        with suppress(ScimlError):  # what ended the run is told, not that it also kept this from being written
            reporter.close()
    return "stopped" if reporter.saw_stop else "done"


def _limit_threads(cpus: int) -> None:
    """Where torch is there already, it no longer reads the environment."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(cpus)


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
    if device == "cuda" and torch is not None and torch.cuda.is_available():
        known["gpu"] = torch.cuda.get_device_name()
    return known


def _ending(raised: BaseException) -> tuple[str, str]:
    """The outcome that an exception means, and a message for people; an unexpected one is traced in the log."""
    if isinstance(raised, Diverged):
        return "diverged", str(raised)
    if isinstance(raised, KeyboardInterrupt):
        return "stopped", "interrupted"
    if _is_out_of_memory(raised):
        return "failed", (
            f"out of memory: {_first_line(raised)}; lower the number of points or samples, the batch or the size of "
            "the model, or run it where there is more"
        )
    if isinstance(raised, ScimlError):
        return "failed", str(raised)
    if isinstance(raised, OSError) and isinstance(full := store_error(raised, raised.filename or "a file"), StoreFull):
        return "failed", str(full)
    with suppress(OSError):
        traceback.print_exception(raised)
    return "failed", tasks.told(raised)


def _is_out_of_memory(raised: BaseException) -> bool:
    names = {kind.__name__ for kind in type(raised).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or any(words in str(raised) for words in _NO_MEMORY)


def _first_line(raised: BaseException) -> str:
    return (str(raised).strip().splitlines() or [type(raised).__name__])[0]


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


# Answers


def catalogue() -> Catalogue:
    """Every task and suite described; what cannot be loaded, be it one file of a task, is among the broken."""
    from engine.describe import Catalogue

    _, descriptions, broken = tasks.tasks()
    suites, broken_suites = tasks.suites()
    everything = dict.fromkeys([*broken, *broken_suites, *broken_files()])
    return Catalogue(tasks=descriptions, suites=suites, broken=list(everything))


Question = tuple[str, dict[str, Any], dict[str, list[Reference]]]
"""Task, parameters, and what they refer to."""


def checked(items: list[Question]) -> list[Checked]:
    """What the tasks say of parameters that are complete and typed."""
    found: dict[str, Task] = {}
    return [_checked(found, *item) for item in items]


def _checked(
    found: dict[str, Task], key: str, params: Mapping[str, Any], references: Mapping[str, list[Reference]]
) -> Checked:
    from engine.describe import Checked

    try:
        task = found[key] if key in found else found.setdefault(key, tasks.task(key))
        problems = list(task.check(params))
        if references and not problems and isinstance(task, ChecksReferences):
            problems = list(task.check_references(params, references))
        return Checked(problems=problems, estimate=Estimate() if problems else task.estimate(params))
    except Exception as error:  # noqa: BLE001  a task's check may raise anything: the client says whose fault it is
        return Checked(error=tasks.told(error))


def _answer(what: str) -> int:
    answer = os.dup(1)
    os.dup2(2, 1)  # what a task prints while it is imported must not end up in the answer
    if what == "--describe":
        made = msgspec.json.encode(catalogue())
    else:
        question = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Question])
        made = msgspec.json.encode(checked(question))
    with os.fdopen(answer, "wb") as stdout:
        stdout.write(made)
    return 0


def main(arguments: list[str]) -> int:
    match arguments:
        case ["--describe" | "--check"]:
            return _answer(arguments[0])
        case [folder, attempt] if attempt.isdigit():
            return run(Path(folder), int(attempt))
    print(__doc__, file=sys.stderr)  # noqa: T201  for whoever starts it by hand
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
