"""The process that runs a task, or answers for all of them.

    python -P -m engine.worker FOLDER ATTEMPT    runs the run of a folder, as its spec.json says; FOLDER ATTEMPT
                                                 again for each further run of a pack
    python -P -m engine.worker --describe        prints what tasks and suites there are, as JSON
    python -P -m engine.worker --check           reads [[task, params, references], ...], prints what each task says
    python -P -m engine.worker --curate          reads a question about a published file, prints the answer

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
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from engine import memory, processes, shim, tasks
from engine.api import ChecksReferences, Estimate, PackingTask, Reference, Task
from engine.attempts import Attempt, Granted, read_spec
from engine.components import broken_files
from engine.errors import TaskError
from engine.evidence import read
from engine.paths import Home
from engine.records import Result, Started

if TYPE_CHECKING:
    from engine.describe import Catalogue, Checked

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


# A run


def run(members: Sequence[tuple[Path, int]]) -> int:
    """Runs the run of a folder, or several that are packed, in this process, which is theirs. Returns the exit code."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    faulthandler.enable()
    memory.keep_freed()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # the log shows a line when it is printed
    cpus, device = int(os.environ.get("SCIML_TUI_CPUS", "1")), os.environ.get("SCIML_TUI_DEVICE", "cpu")
    os.environ.update(dict.fromkeys(_THREADS, str(cpus)))  # numpy and torch read them when they are imported
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    home = Home(os.environ.get("SCIML_TUI_HOME") or members[0][0].parent.parent)
    named = [(folder.name, attempt) for folder, attempt in members]
    results = work(home, named, stop=asked.is_set, device=device, cpus=cpus)
    return 0 if all(result.outcome in ("done", "stopped") for result in results) else 1


def work(
    home: Home, members: Sequence[tuple[str, int]], *, stop: Callable[[], bool], device: str = "cpu", cpus: int = 1
) -> list[Result]:
    """Runs an attempt of each of these runs and writes their results, whatever happens in them.

    `stop` says whether all were asked to stop. Raises StoreError only where a result itself cannot be written.
    """
    granted = Granted(stop, device, cpus)
    if len(members) == 1:
        return [_alone(Attempt(home, *members[0]), granted)]
    return _together(home, members, granted)


def _alone(attempt: Attempt, granted: Granted) -> Result:
    try:
        spec = read_spec(attempt.paths)
        task = tasks.task(spec.task)
        reporter = attempt.open(task, spec, granted)
        _limit_threads(granted.cpus)
        task.run(spec.params, reporter)
    except BaseException as raised:  # noqa: BLE001  a task may raise anything, and the run must still come to an end
        return attempt.end(raised)
    return attempt.end(None)


def _together(home: Home, members: Sequence[tuple[str, int]], granted: Granted) -> list[Result]:
    """The runs of a pack: what ends one of them leaves the others alone, unless the task as a whole breaks down."""
    results: dict[str, Result] = {}
    with ExitStack() as logs:
        attempts = [Attempt(home, *member, log=_own_log(home, members, i, logs)) for i, member in enumerate(members)]

        def end(attempt: Attempt, raised: BaseException | None) -> None:
            results[attempt.run] = attempt.end(raised)
            _tell_supervisor(attempt)

        failure: BaseException = TaskError("required a word of how it ended, got none from its task")
        try:
            task = tasks.task(read_spec(attempts[0].paths).task)
            if not isinstance(task, PackingTask):
                raise TaskError("required a task that runs many at once, got one that does not; retry the run alone")
            able, many, reporters = [], [], []
            for attempt in attempts:
                try:
                    spec = read_spec(attempt.paths)
                    stop = _stop_of(attempt, granted.stop)
                    reporters.append(attempt.open(task, spec, granted._replace(stop=stop), together=len(attempts)))
                except Exception as error:  # noqa: BLE001  it is this run's: the others go on
                    end(attempt, error)
                else:
                    able.append(attempt)
                    many.append(spec.params)
            _limit_threads(granted.cpus)
            for place, ended_by in task.run_many(many, reporters):
                end(able[place], ended_by)
        except BaseException as raised:  # noqa: BLE001  as for a run alone
            failure = raised
        for attempt in attempts:
            if attempt.run not in results:
                end(attempt, failure)
    return [results[run] for run, _ in members]


def _own_log(home: Home, members: Sequence[tuple[str, int]], place: int, logs: ExitStack) -> TextIO | None:
    """The log of a run in a pack; that of the first is the log of the process."""
    if place == 0:
        return None
    log = logs.enter_context(home.run(members[place][0]).log.open("a", buffering=1))
    first = members[0][0]
    print(f"one process with {len(members) - 1} others: what it prints is in the log of {first}", file=log)
    return log


def _stop_of(attempt: Attempt, all_are_to: Callable[[], bool]) -> Callable[[], bool]:
    asked = attempt.paths.asked(attempt.number)
    return lambda: all_are_to() or asked.exists()


def _tell_supervisor(attempt: Attempt) -> None:
    """That one run has ended while its process goes on: the shim writes its exit and lets go of its lock."""
    started = read(attempt.paths.started(attempt.number), Started)
    if started and started.shim.pid != os.getpid():
        processes.send(started.shim, shim.LOOK)


def _limit_threads(cpus: int) -> None:
    """Where torch is there already, it no longer reads the environment."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(cpus)


# Answers


def catalogue() -> Catalogue:
    """Every task and suite described; what cannot be loaded, be it one file of a task, is among the broken."""
    from engine.describe import Catalogue

    _, descriptions, broken = tasks.tasks()
    suites, broken_suites = tasks.suites()
    everything = dict.fromkeys([*broken, *broken_suites, *broken_files()])
    encoded = msgspec.Raw(msgspec.json.encode(suites))
    return Catalogue(tasks=descriptions, encoded=encoded, broken=list(everything))


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
    elif what == "--curate":
        from engine import curation

        made = msgspec.json.encode(curation.answered(sys.stdin.buffer.read()))
    else:
        question = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Question])
        made = msgspec.json.encode(checked(question))
    with os.fdopen(answer, "wb") as stdout:
        stdout.write(made)
    return 0


def main(arguments: list[str]) -> int:
    match arguments:
        case ["--describe" | "--check" | "--curate"]:
            return _answer(arguments[0])
        case [_, _, *_] if len(arguments) % 2 == 0 and all(attempt.isdigit() for attempt in arguments[1::2]):
            return run(
                [(Path(folder), int(attempt)) for folder, attempt in zip(arguments[::2], arguments[1::2], strict=True)]
            )
    print(__doc__, file=sys.stderr)  # noqa: T201  for whoever starts it by hand
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
