"""What a scheduler does, turn by turn, over a catalogue that it shares with everybody.

A turn is a sequence of named steps: take in what changed, reap what ended, obey commands, place waiting runs, leave if
idle. It keeps nothing that cannot be found again: killed at any moment, the next scheduler goes on where it was.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from engine import claims, evidence, gpus, launchers, processes, schedule
from engine.config import Config
from engine.errors import ScimlError, ServiceError, StoreCorrupt, StoreError, UnknownName
from engine.gpus import Gpu
from engine.locks import Held
from engine.paths import Home
from engine.records import ACTIVE, ENDED, WAITING, Command, Job, Run, Started, Status
from engine.schedule import Capacity, Skip, Start, Wait
from engine.store.catalog import Catalog

log = logging.getLogger("sciml_tui.scheduler")

TICK = 0.1
"""Seconds between two looks at the catalogue; deaths are noticed at once, through pidfds."""
_LOOK_AGAIN = 5.0  # at evidence without an event, and at GPUs that others may have left
_LOOK_AT_PACKED = 1.0  # at runs that may end while the process that they share goes on
_LAUNCHES_A_TURN = 4  # so that deaths and commands are seen while many runs are launched
_LONGEST_PAUSE = 2.0  # after steps that failed
_TELL_AGAIN = 60.0


def sources() -> dict[str, int]:
    """When each file of the engine was changed last, in nanoseconds."""
    folder = Path(__file__).parent
    found = {}
    for file in (*folder.glob("*.py"), *folder.glob("*/*.py")):
        with suppress(FileNotFoundError):
            found[str(file.relative_to(folder))] = file.stat().st_mtime_ns
    return found


class Scheduler:
    """The turns of one scheduler, over a catalogue that it shares with everybody."""

    def __init__(self, home: Home, catalog: Catalog, settings: Config, held: Held) -> None:
        self.home, self.catalog, self.settings, self._held = home, catalog, settings, held
        self.host = processes.host_name()
        self.waiting: dict[str, Run] = {}
        self.active: dict[str, Run] = {}
        self.leaving = False
        self.outdated = False
        """Whether it leaves because its code was replaced: the new code is to go on in its place."""
        self._sources, self._sources_seen = sources(), time.monotonic()
        self._changed: set[str] = set()
        self._needed: dict[str, Run | None] = {}
        self._gpus = _Gpus()
        self._selector = selectors.DefaultSelector()
        self._watched: dict[str, int] = {}
        self._asked: set[tuple[int, bool]] = set()
        self._place_now = True
        self._looked = self._looked_at_packed = self._placed = self._busy = time.monotonic()
        self._failures = 0
        self._told: dict[str, tuple[str, float]] = {}
        self._steps = (self.take_in, self.reap, self.obey, self.place, self.leave_if_idle, self.leave_if_outdated)
        catalog.refresh()
        for run in catalog.by_status(WAITING | ACTIVE):
            self._sort_in(run)

    def run(self) -> None:
        """Turns until it is told to leave, or has been idle for long enough."""
        while not self.leaving:
            failed = [step for step in self._steps if not self._done(step.__name__, step)]
            self._failures = self._failures + 1 if failed else 0
            self._pause()

    def wake_on(self, fd: int) -> None:
        """Ends a pause when there is something to read: signals are told this way."""
        self._selector.register(fd, selectors.EVENT_READ)

    def _done(self, name: str, act: Callable[..., None], *arguments: Any) -> bool:
        try:
            act(*arguments)
        except Exception as error:  # noqa: BLE001  it must not end the scheduler: it is told, and tried again
            self._tell(name, error)
            return False
        return True

    def _tell(self, where: str, error: Exception) -> None:
        """Logs what goes wrong, with its traceback if nobody foresaw it; what is the same as before, once a minute."""
        text, at = self._told.get(where, ("", 0.0))
        if str(error) == text and time.monotonic() - at < _TELL_AGAIN:
            return
        self._told[where] = str(error), time.monotonic()
        log.error("%s: %s", where, error, exc_info=None if isinstance(error, ScimlError) else error)

    def _pause(self) -> None:
        if self.leaving:
            return
        patience = 0.0 if self._place_now and self.waiting else TICK
        if self._failures:
            patience = min(_LONGEST_PAUSE, TICK * 2 ** min(self._failures, 10))
        for key, _ in self._selector.select(patience):
            if key.data:
                self._unwatch(key.data)  # so it is looked at in this turn
            else:
                os.read(key.fd, 64)

    # Steps

    def take_in(self) -> None:
        """What others have written, and we ourselves."""
        self._changed |= self.catalog.refresh()
        while self._changed:
            run = self._changed.pop()
            try:
                self._sort_in(self.catalog.get(run))
            except UnknownName:
                self._drop(run)
            except StoreCorrupt as error:
                self._tell(run, error)
                self._drop(run)

    def reap(self) -> None:
        """Brings active runs up to date: those that nobody watches, and from time to time all of them."""
        now = time.monotonic()
        everything, packed = now - self._looked >= _LOOK_AGAIN, now - self._looked_at_packed >= _LOOK_AT_PACKED
        for run in list(self.active.values()):
            if everything or run.id not in self._watched or (packed and run.claim and run.claim.job):
                self._done(run.id, self._look, run)
        if everything:
            self._looked = now
        if packed:
            self._looked_at_packed = now

    def obey(self) -> None:
        """Carries out what people ask of runs that wait or are on this host."""
        for number, command in self.catalog.commands():
            self._done(f"{command.verb} {command.run}", self._follow, number, command)

    def place(self) -> None:
        """Starts, skips or blocks waiting runs."""
        if not self.waiting or not (self._place_now or time.monotonic() - self._placed >= _LOOK_AGAIN):
            return
        active = list(self.active.values())
        capacity = self._capacity(active)
        decisions = schedule.decide(self.waiting.values(), active, self._needs(), capacity)
        self._place_now, self._placed = False, time.monotonic()
        self._write_down([decision for decision in decisions if not isinstance(decision, Start)])
        starts = [decision for decision in decisions if isinstance(decision, Start)]
        for start in starts[:_LAUNCHES_A_TURN]:
            self._launch(start)
        self._place_now = self._place_now or len(starts) > _LAUNCHES_A_TURN

    def leave_if_idle(self) -> None:
        now = time.monotonic()
        if self.waiting or self.active:
            self._busy = now
        elif not self.home.folder.exists():
            self.leaving = True
        elif now - self._busy >= self.settings.idle:
            with self.catalog.lock():
                self.take_in()
                self.obey()
                if not (self.waiting or self.active):
                    self.leaving = True
                    self._held.release()

    def leave_if_outdated(self) -> None:
        """An upgrade while it runs: what it starts is new code, so the code that starts it must be new as well."""
        if time.monotonic() - self._sources_seen >= _LOOK_AGAIN:
            self._sources_seen = time.monotonic()
            if sources() != self._sources:
                self.outdated = self.leaving = True

    # Runs

    def _sort_in(self, run: Run) -> None:
        self._needed.pop(run.id, None)
        self.waiting.pop(run.id, None)
        was_active = self.active.pop(run.id, None)
        if run.status in WAITING and run.spec.resources.launcher != "inline":
            self.waiting[run.id] = run
        elif run.status in ACTIVE and run.claim and run.claim.host == self.host:
            self.active[run.id] = run
        if run.id not in self.active:
            self._place_now = True
        if was_active and run.id not in self.active:
            self._unwatch(run.id)
            self._gpus.forget()

    def _drop(self, run: str) -> None:
        self.waiting.pop(run, None)
        self.active.pop(run, None)
        self._needed.pop(run, None)
        self._unwatch(run)
        self._place_now = True

    def _look(self, run: Run) -> None:
        try:
            now = evidence.settle(self.catalog, self.home, run)
        except UnknownName:
            self._drop(run.id)
            return
        if now is not run:
            log.info("%s: %s%s", now.id, now.status, f" ({now.reason})" if now.reason else "")
            self._sort_in(now)
        if now.status is Status.RUNNING and now.id in self.active and now.id not in self._watched:
            self._watch(now)

    def _watch(self, run: Run) -> None:
        """Its shim or, where that is gone, its worker; if there is neither, it is looked at again in the next turn."""
        started = evidence.read(self.home.run(run.id).started(run.attempt), Started)
        if started and (fd := processes.watch(started.shim) or processes.watch(started.worker)):
            self._watched[run.id] = fd
            self._selector.register(fd, selectors.EVENT_READ, run.id)

    def _unwatch(self, run: str) -> None:
        fd = self._watched.pop(run, None)
        if fd is not None:
            self._selector.unregister(fd)
            os.close(fd)

    # Commands

    def _follow(self, number: int, command: Command) -> None:
        try:
            finished = self._carry_out(number, command, self.catalog.get(command.run))
        except UnknownName:
            finished = True
        if finished:
            self._asked -= {(number, False), (number, True)}
            self.catalog.finish(number)

    def _carry_out(self, number: int, command: Command, run: Run) -> bool:
        """Whether nothing is left to do."""
        if run.status in WAITING:
            why = "stopped before it was started"
            changed = self.catalog.transition(run.id, WAITING, status=Status.STOPPED, reason=why, ended=time.time())
            return changed is not None
        if run.status in ENDED:
            return True
        if run.claim is None or run.claim.host != self.host:
            return False
        adopted = run.reason == evidence.ADOPTED
        alone = not run.claim.job  # to kill one of those that share a process would be to kill them all
        late = adopted and alone and time.time() > command.at + self.settings.grace
        kill = command.verb == "kill" or late
        if (number, kill) in self._asked:
            return False
        if not launchers.launcher(run.spec.resources.launcher).stop(self.home, run, kill=kill):
            return False  # its process is not there yet, or no longer: both are seen soon
        log.info("%s: %s", run.id, "killed" if kill else "asked to stop")
        self._asked.add((number, kill))
        return not adopted  # a shim sees to the rest; without one, we do

    # Placing

    def _capacity(self, active: list[Run]) -> Capacity:
        if all(run.spec.resources.gpus == 0 for run in self.waiting.values()):
            return Capacity(cpus=self.settings.slots)
        try:
            found = self._gpus.inventory()
        except ServiceError as error:
            self._tell("inventory", error)
            return Capacity(cpus=self.settings.slots, gpus=None)
        leased = gpus.leases(active)
        ours = self._pids(active) if leased else ()
        foreign = gpus.foreign(found, leased, ours, self.settings.gpu_busy_mb * 1e6)
        return Capacity(cpus=self.settings.slots, gpus=tuple(gpu.uuid for gpu in found), foreign=foreign)

    def _pids(self, active: list[Run]) -> frozenset[int]:
        found = [evidence.read(self.home.run(run.id).started(run.attempt), Started) for run in active]
        roots = [process.pid for started in found if started for process in (started.shim, started.worker)]
        return frozenset([*roots, *processes.descendants(*roots)])

    def _needs(self) -> dict[str, Run | None]:
        """The runs that waiting ones need; those that are not known yet are read, and kept until they change."""
        for need in {need for run in self.waiting.values() for need in run.spec.needs} - self._needed.keys():
            try:
                self._needed[need] = self.catalog.get(need)
            except UnknownName:
                self._needed[need] = None
        return self._needed

    def _write_down(self, decisions: list[Skip | Wait]) -> None:
        news = [it for it in decisions if (it.status, it.reason) != (it.run.status, it.run.reason)]
        if not news:
            return
        with self.catalog.lock():
            for decision in news:
                ended = time.time() if isinstance(decision, Skip) else None
                self._change(decision.run, status=decision.status, reason=decision.reason, ended=ended)

    def _change(self, run: Run, **changes: Any) -> None:
        with suppress(UnknownName):
            changed = self.catalog.transition(run.id, {run.status}, attempt=run.attempt, **changes)
            if changed:
                self._sort_in(changed)
                if changed.status in ENDED:
                    log.info("%s: %s (%s)", changed.id, changed.status, changed.reason)

    def _launch(self, start: Start) -> None:
        try:
            taken = claims.take_together(
                self.catalog, self.home, start.runs, cpus=start.cpus, gpus=start.gpus, share=start.share
            )
        except StoreError as error:
            for run in start.runs:
                self._fail(run, str(error))
            return
        if not taken:
            return
        runs = [run for run, _ in taken]
        for run in runs:
            self._sort_in(run)
        try:
            self._start(runs, start, [held for _, held in taken])
        finally:
            for _, held in taken:
                held.hand_over()  # and not released: it is the shim's now, if there is one
        for run in runs:
            self._look(run)

    def _start(self, runs: list[Run], start: Start, locks: list[Held]) -> None:
        ids, attempts = tuple(run.id for run in runs), tuple(run.attempt for run in runs)
        job = Job(runs=ids, attempts=attempts, cpus=start.cpus, gpus=start.gpus, grace=self.settings.grace)
        try:
            handle = launchers.launcher(runs[0].spec.resources.launcher).start(self.home, job, locks)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this job's: the others go on
            self._tell(job.leader, error)
            for run in runs:
                if not self.home.run(run.id).started(run.attempt).exists():
                    self._fail(run, str(error))
            return
        for run in runs:
            log.info("%s: attempt %d started on %s", run.id, run.attempt, ", ".join(start.gpus) or "CPU")
            if handle and run.claim:
                self.catalog.edit(run.id, claim=msgspec.structs.replace(run.claim, handle=handle))

    def _fail(self, run: Run, why: str) -> None:
        self._change(run, status=Status.FAILED, reason=f"could not be started: {why}", ended=time.time())


class _Gpus:
    """The inventory, asked anew when it is old or when a run that may have used one has ended."""

    def __init__(self) -> None:
        self._found: list[Gpu] | None = None
        self._at = 0.0

    def inventory(self) -> list[Gpu]:
        """Raises ServiceError."""
        if self._found is None or time.monotonic() - self._at >= _LOOK_AGAIN:
            self._found, self._at = gpus.inventory(), time.monotonic()
        return self._found

    def forget(self) -> None:
        self._found = None
