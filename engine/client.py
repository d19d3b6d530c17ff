"""The only door to the engine for screens, verbs and scripts: plan, submit, look, stop, resume, wait.

What takes long to import is imported when it is first used: a list of runs is on the screen before that.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine import atomic, evidence, filters
from engine.api import Finding, Resources, RunSpec
from engine.errors import NotPossible, TaskError
from engine.filters import Filter
from engine.lazy import lazy_import
from engine.paths import Home
from engine.records import ACTIVE, ENDED, RESUMABLE, WAITING, Command, Run, Shelved, Status
from engine.store.catalog import Catalog

if TYPE_CHECKING:
    import numpy as np
    from tinydb import TinyDB

    from engine import config, curation, discard, planning, scheduler, schema
    from engine import describe as description
    from engine.describe import Catalogue, Checked
    from engine.report import Report
    from engine.store.stream import StreamReader
else:
    config = lazy_import("engine.config")
    curation = lazy_import("engine.curation")
    description = lazy_import("engine.describe")
    discard = lazy_import("engine.discard")
    planning = lazy_import("engine.planning")
    scheduler = lazy_import("engine.scheduler")
    schema = lazy_import("engine.schema")

_LOOK_EVERY = 0.1
_SCHEDULER_EVERY = 5.0
"""Seconds between looks at whether the scheduler is there, while somebody waits for a run."""

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
"""Terminal escape sequences and control characters, except tab."""


class Client:
    """A home directory, opened. Safe for threads. Raises StoreError where the home cannot be read or written.

    Runs are named by id, by the beginning of one, or by name. readonly: nothing is written and no scheduler started.
    """

    def __init__(self, home: Home | str | os.PathLike[str] | None = None, *, readonly: bool = False) -> None:
        self.home = home if isinstance(home, Home) else Home(home)
        self.readonly = readonly
        self.catalog = Catalog(self.home, readonly=readonly)

    def close(self) -> None:
        self.catalog.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What there is to run

    def describe(self) -> Catalogue:
        """Every task and suite, as data. Raises ServiceError."""
        return description.describe(self.home)

    def plan(
        self,
        task: str,
        raw: Mapping[str, Any],
        *,
        grid: Mapping[str, Sequence[Any]] | None = None,
        seeds: Sequence[int] = (0,),
        resources: Resources = Resources(),
        needs: Sequence[str] = (),
        tags: Sequence[str] = (),
        name: str = "",
    ) -> list[RunSpec]:
        """Specs that can be submitted, one for every combination of the grid with every seed.

        raw: parameters as text or typed; `grid`: {parameter: its values}. Raises SpecError with every problem there
        is; UnknownName for the task; ServiceError if the task cannot be asked.
        """
        return self.complete(planning.combinations(task, raw, grid or {}, seeds, resources, needs, tags, name))

    def complete(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """Specs with typed, complete and checked parameters and with all their needs. Raises as `plan`."""
        return planning.Planner(self.home, self.catalog, self.describe(), self.run).complete(specs)

    def appraise(self, specs: Sequence[RunSpec]) -> list[Checked]:
        """What runs of completed specs are expected to take. Raises ServiceError."""
        return description.check(self.home, [(spec.task, spec.params) for spec in specs])

    def find_same(self, spec: RunSpec, known: Catalogue | None = None) -> list[Run]:
        """Runs that do the work of a completed spec (task, parameters, seed), oldest first.

        Those made before a parameter existed are among them where the spec leaves it at its default. known: what
        `describe` returns, from whoever asks for many specs. Raises UnknownName for a task, ServiceError.
        """
        described = planning.described(known or self.describe(), spec.task)
        identities = planning.identities(spec, described, self.catalog.shapes(spec.task))
        return [self._settled(run) for run in self.catalog.by_identity(*identities)]

    # Submitting

    def submit(self, specs: Sequence[RunSpec], *, pack: bool = False) -> list[Run]:
        """Stores completed specs as runs, all or none, and sees to it that somebody starts them.

        pack: they start together, in one process, and share what one of them asks for; each has its own record, stop
        and end. Raises SpecError where they cannot. Those of the inline launcher are run here, one after another or as
        one pack, before this returns.
        """
        if pack:
            planning.check_pack(self.describe(), specs)
        return self._begin(self._add(specs, pack=pack))

    def resume(self, run: str) -> Run:
        """Continues a run from its checkpoint, as a new attempt; what was skipped because of it waits for it again.

        Raises NotPossible; SpecError if its parameters no longer are what its task requires.
        """
        return self.resume_all([run])[0]

    def resume_all(self, runs: Sequence[str]) -> list[Run]:
        """Continues runs, as `resume`; none if one of them cannot be."""
        found = [self.run(run) for run in runs]
        for run in found:
            self._require(run, RESUMABLE, "one that was stopped, failed, diverged or lost")
        self.complete([run.spec for run in found])
        config.load(self.home)
        with self.catalog.lock():
            requeued = [self._requeued(run) for run in found]
            self._wait_again({run.id for run in requeued})
        return self._begin(requeued)

    def _wait_again(self, resumed: set[str]) -> None:
        """Runs that were skipped because one of these did not end well wait for it again, and those behind them too."""
        while resumed:
            behind = [run for run in self.catalog.by_status({Status.SKIPPED}) if resumed & set(run.spec.needs)]
            fresh: dict[str, Any] = {"status": Status.BLOCKED, "reason": "", "ended": None}
            resumed = {run.id for run in behind if self.catalog.transition(run.id, {Status.SKIPPED}, **fresh)}

    def _requeued(self, run: Run) -> Run:
        fresh = {
            "status": self._waiting_status(run.spec),
            "reason": "",
            "ended": None,
            "claim": None,
            "archived": False,
        }
        requeued = self.catalog.transition(run.id, RESUMABLE, attempt=run.attempt, **fresh)
        if requeued is None:
            now = self.catalog.get(run.id)
            raise NotPossible(
                f"run {run.id}: required one that is {run.status}, got one that meanwhile is {now.status}"
            )
        return requeued

    def retry(self, run: str) -> Run:
        """Submits the work of a run that has ended again, as a new run. Raises NotPossible, SpecError."""
        found = self.run(run)
        self._require(found, ENDED, "one that has ended")
        return self._begin(self._add(self.complete([found.spec]), retry_of=found.id))[0]

    def _add(self, specs: Sequence[RunSpec], retry_of: str = "", pack: bool = False) -> list[Run]:
        if not specs:
            return []
        config.load(self.home)  # a wrong one is told before anything is written
        tasks, now = self.describe().tasks, time.time()
        runs = [
            Run(
                id="",
                spec=spec,
                label=schema.label(tasks[spec.task], spec.params) if spec.task in tasks else spec.task,
                status=self._waiting_status(spec),
                created=now,
                identity=planning.identity(spec),
                retry_of=retry_of,
            )
            for spec in specs
        ]
        with self.catalog.lock():  # until its end nobody starts what its spec is not yet written of
            added = self.catalog.add(runs, pack=pack)
            for run in added:
                self._write_spec(run)
        return added

    def _waiting_status(self, spec: RunSpec) -> Status:
        ready = all(self.catalog.get(need).status is Status.DONE for need in spec.needs)
        return Status.QUEUED if ready else Status.BLOCKED

    def _write_spec(self, run: Run) -> None:
        """Not flushed to the disk: the catalogue is, and after a power cut the worker takes it from there."""
        paths = self.home.run(run.id)
        try:
            paths.folder.mkdir(mode=0o700, exist_ok=True)
            paths.spec.write_bytes(msgspec.json.encode(run.spec))
        except OSError as error:
            raise atomic.store_error(error, paths.spec) from error

    def _begin(self, runs: list[Run]) -> list[Run]:
        if any(run.spec.resources.launcher != "inline" for run in runs):
            self.ensure_scheduler()
        here: dict[str, list[Run]] = {}
        for run in runs:
            if run.spec.resources.launcher == "inline":
                here.setdefault(run.pack or run.id, []).append(run)
        ended = {run.id: run for pack in here.values() for run in self._run_here(pack)}
        return [ended.get(run.id, run) for run in runs]

    def _run_here(self, runs: list[Run]) -> list[Run]:
        """One run, or a pack."""
        from engine.launchers import inline

        skipped = [run for run in map(self._skipped, runs) if run]
        able = [self.catalog.get(run.id) for run in runs if run.id not in {run.id for run in skipped}]
        return [*skipped, *(inline.run_together(self.catalog, self.home, able) if able else ())]

    def _skipped(self, run: Run) -> Run | None:
        """The run, skipped, if one that it needs does not end well. Waits for those."""
        for need in self.wait(run.spec.needs):
            if need.status is not Status.DONE:
                reason = f"needs {need.id}, which is {need.status}"
                skipped = self.catalog.transition(
                    run.id, WAITING, status=Status.SKIPPED, reason=reason, ended=time.time()
                )
                return skipped or self.run(run.id)
        return None

    # Looking

    def run(self, run: str) -> Run:
        """A run with its true status. Raises UnknownName."""
        return self._settled(self.catalog.find(run))

    def runs(self, where: str | Filter = "") -> list[Run]:
        """Runs that a filter lets through, oldest first, with their true status. Raises FilterError."""
        wanted = filters.parse(where) if isinstance(where, str) else where
        seen = {run.id: self._settled(run) for run in self.catalog.by_status(ACTIVE)}
        found = (seen.get(run.id, run) for run in self.catalog.runs())
        return [run for run in found if wanted.matches(filters.row(run))] if wanted else list(found)

    def changes(self) -> frozenset[str]:
        """Ids of runs whose record changed since the last call; one follower a client."""
        return self.catalog.refresh()

    def report(self, run: str) -> Report:
        """What a run reports: curves, stages, fields, progress, warnings, artifacts. Raises UnknownName."""
        from engine.report import Report

        report = Report(self.home, self.catalog.find(run).id)
        report.poll()
        return report

    def stream(self, run: str) -> StreamReader:
        """The metric stream of a run, read up to now. Raises UnknownName."""
        return self.report(run).reader

    def documents(self, run: str) -> TinyDB:
        """What a run reported as TinyDB tables, to be searched: every point a document of the table `metrics`. They are
        read anew as the run goes on, and cannot be written. Raises UnknownName.
        """
        from engine.store.stream_table import open_stream

        return open_stream(self.home.run(self.catalog.find(run).id).stream)

    def log_lines(self, run: str, *, follow: bool = False) -> Iterator[str]:
        """Lines of a run's log, without escape sequences; `follow`: until the run has ended. Raises UnknownName."""
        found = self.catalog.find(run)
        return self._log_lines(found.id, follow)

    def _log_lines(self, run: str, follow: bool) -> Iterator[str]:
        path, rest, position = self.home.run(run).log, b"", 0
        while True:
            ended = not follow or self.run(run).status in ENDED  # before reading: what it wrote last is then there
            data = _read_from(path, position)
            position += len(data)
            *lines, rest = (rest + data).split(b"\n")
            yield from map(_clean, lines)
            if ended:
                if rest:
                    yield _clean(rest)
                return
            if not data:
                time.sleep(_LOOK_EVERY)

    def wait(
        self,
        runs: Iterable[str],
        on_change: Callable[[Run], None] | None = None,
        *,
        timeout: float | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[Run]:
        """Returns the runs when all have ended, or at the `timeout` (seconds), or when `stop` says so.

        on_change is told of every change of a status or its reason, and of each as it is at the beginning.
        """
        ids = [self.catalog.find(run).id for run in runs]
        known: dict[str, Run] = {}
        begin = time.monotonic()
        looked_after = float("-inf")
        while True:
            now = time.monotonic()
            for run in ids:
                if run in known and known[run].status in ENDED:
                    continue
                seen = self._settled(self.catalog.get(run))
                before, known[run] = known.get(run), seen
                if on_change and (before is None or (before.status, before.reason) != (seen.status, seen.reason)):
                    on_change(seen)
            going_on = {run.status for run in known.values()} - ENDED
            if not going_on or stop() or (timeout is not None and now - begin >= timeout):
                return [known[run] for run in ids]
            if going_on & WAITING and not self.readonly and now - looked_after > _SCHEDULER_EVERY:
                looked_after = now
                self.ensure_scheduler()
            time.sleep(max(_LOOK_EVERY, 5 * (time.monotonic() - now)))  # a long list is looked at less often

    def _settled(self, run: Run) -> Run:
        if run.status not in ACTIVE:
            return run
        if self.readonly:
            return evidence.as_seen(self.home, run)
        return evidence.settle(self.catalog, self.home, run)

    # Steering

    def stop(self, run: str) -> Run:
        """Asks a run to checkpoint and end; one that waits is not started. Raises NotPossible if it has ended.

        Of a pack it alone ends, and the process goes on.
        """
        return self._end(run, "stop")

    def kill(self, run: str) -> Run:
        """Ends a run at once, without a checkpoint: its process, so with it all `in_its_process`.

        Raises NotPossible if it has ended.
        """
        return self._end(run, "kill")

    def in_its_process(self, run: str) -> list[Run]:
        """The other runs that share the process of a run and have not ended: what a kill of it ends as well."""
        found = self.run(run)
        job = found.claim.job if found.claim and found.status in ACTIVE else ""
        active = map(self._settled, self.catalog.by_status(ACTIVE)) if job else ()
        return [
            other
            for other in active
            if other.id != found.id and other.status in ACTIVE and other.claim and other.claim.job == job
        ]

    def _end(self, run: str, verb: str) -> Run:
        found = self.run(run)
        if found.status in WAITING:
            reason, now = "stopped before it was started", time.time()
            stopped = self.catalog.transition(found.id, WAITING, status=Status.STOPPED, reason=reason, ended=now)
            if stopped:
                return stopped
            found = self.run(found.id)
        self._require(found, ACTIVE, "one that has not ended")
        self.catalog.command(Command(run=found.id, verb=verb, at=time.time(), by=f"pid {os.getpid()}"))
        self.ensure_scheduler()
        return found

    def remove(self, runs: Iterable[str]) -> list[str]:
        """Forgets runs and deletes their files, all or none; published datasets and models stay. Returns their ids.

        Raises NotPossible for one that is active or that another needs which has not ended.
        """
        found = [self.run(run) for run in runs]
        ids = {run.id for run in found}
        with self.catalog.lock():
            for run in found:
                self._require(
                    self.catalog.get(run.id), frozenset(Status) - ACTIVE, "one that is not active", "stop it first"
                )
            for other in self.catalog.by_status(WAITING | ACTIVE):
                if other.id not in ids and (needed := ids & set(other.spec.needs)):
                    raise NotPossible(
                        f"run {min(needed)}: required one that no other needs, got one that {other.id} waits for; "
                        f"stop or remove {other.id} first"
                    )
            self.catalog.remove(ids)
        for run in found:
            self._delete(self.home.run(run.id).folder)
        return [run.id for run in found]

    def _delete(self, folder: Path) -> None:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise atomic.store_error(error, folder) from error

    def archive(self, run: str, archived: bool = True) -> Run:
        """Puts a run aside, or takes it back. Raises UnknownName."""
        return self.catalog.edit(self.catalog.find(run).id, archived=archived)

    def tag(self, run: str, add: Sequence[str] = (), remove: Collection[str] = ()) -> Run:
        """Adds and removes tags. Raises UnknownName; SpecError for a tag with spaces or commas."""
        with self.catalog.lock():
            found = self.catalog.find(run)
            tags = planning.tags(tag for tag in (*found.spec.tags, *add) if tag not in remove)
            return self.catalog.edit(found.id, spec=msgspec.structs.replace(found.spec, tags=tags))

    def note(self, run: str, text: str) -> Run:
        """Replaces the note of a run. Raises UnknownName."""
        return self.catalog.edit(self.catalog.find(run).id, note=text)

    # Shelves

    def datasets(self) -> list[Shelved]:
        """Published datasets, by name."""
        return self.catalog.shelved("dataset")

    def models(self) -> list[Shelved]:
        """Published models, by name."""
        return self.catalog.shelved("model")

    def verify_dataset(self, name: str) -> list[Finding]:
        """Looks at a dataset's file from beginning to end; what was found is noted in the catalogue.

        Raises UnknownName; TaskError where the file is not there or cannot be read; ServiceError.
        """
        item = self.catalog.shelf("dataset", name)
        try:
            findings = self._asked(item, "soundness").findings
        except TaskError:
            self._note_soundness(item, False)
            raise
        self._note_soundness(item, all(finding.passed for finding in findings))
        return findings

    def _note_soundness(self, item: Shelved, sound: bool) -> None:
        if self.readonly:
            return
        with self.catalog.lock():
            now = self.catalog.shelf(item.kind, item.name)
            if now.sha256 == item.sha256:
                self.catalog.shelve(msgspec.structs.replace(now, verified=time.time(), sound=sound))

    def preview_dataset(self, name: str, count: int) -> dict[str, np.ndarray]:
        """Of the first `count` samples what there is to look at: fields (count, x, y) and rows (count, n), by name.

        Raises as `verify_dataset`.
        """
        arrays = self._asked(self.catalog.shelf("dataset", name), "samples", count).arrays
        return {name: array.array() for name, array in arrays.items()}

    def import_dataset(self, path: Path, name: str = "") -> Shelved:
        """Copies a dataset that was published elsewhere to the shelf, under its own name or `name`, if it is sound.

        Raises NotPossible where no task can read it, it is not sound or the name is taken; SpecError for the name;
        ServiceError, StoreError.
        """
        return curation.adopt(self.home, self.catalog, path, planning.name(name))

    def discard(self, kind: Literal["dataset", "model"], names: Iterable[str]) -> list[Shelved]:
        """Takes published datasets or models off the shelf and deletes their files. Returns what they were.

        A file that is gone already is no error. Raises UnknownName, and NotPossible for one that a run needs which has
        not ended: nothing was removed then. Raises StoreError.
        """
        names = list(dict.fromkeys(names))
        tasks = self.describe().tasks if self.catalog.by_status(WAITING | ACTIVE) else {}
        with self.catalog.lock():
            items = [self.catalog.shelf(kind, name) for name in names]
            runs = map(self._settled, self.catalog.by_status(WAITING | ACTIVE))
            under_way = [run for run in runs if run.status not in ENDED]
            discard.discard(self.home, self.catalog, items, under_way, tasks)
        return items

    def _asked(self, item: Shelved, about: Literal["soundness", "samples"], count: int = 0) -> curation.Answer:
        path = self.home.folder / item.path
        if not path.is_file():
            raise TaskError(f"{path}: required the file of dataset {item.name}, got none; make it again")
        question = curation.Question(
            about=about, path=str(path), task=item.task, size=item.size, sha256=item.sha256, count=count
        )
        return curation.ask(self.home, question)

    # Scheduler

    def ensure_scheduler(self) -> None:
        """Starts this machine's scheduler of this home if it is not there. Raises ServiceError."""
        scheduler.ensure_scheduler(self.home)

    def _require(self, run: Run, states: Collection[Status], required: str, hint: str = "") -> None:
        if run.status not in states:
            raise NotPossible(
                f"run {run.id}: required {required}, got one that is {run.status}" + (f"; {hint}" if hint else "")
            )


def _read_from(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise atomic.store_error(error, path) from error


def _clean(line: bytes) -> str:
    """A line for a terminal: of a progress bar that was drawn over and over, the last."""
    shown = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
    return _ESCAPES.sub("", shown)
