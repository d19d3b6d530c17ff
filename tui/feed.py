"""The thread that reads the store and tells the app what changed. Nothing else in the app waits for a file.

It opens the store. Then, every tick, it asks the catalogue for what changed, looks at the evidence of active runs,
reads on in the streams of active and of watched runs, and posts messages; every few seconds it looks at the GPUs.
Screens read columns from `report(run)`, which is safe for threads. What a tick costs depends on what changed and what
is active, not on how many runs there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from engine import gpus
from engine.errors import ScimlError, ServiceError, UnknownName
from engine.records import ACTIVE, RESUMABLE, WAITING, Run
from engine.report import Report
from engine.store.stream import tail
from tui.live import TREND, LiveRun
from tui.messages import FeedFailed, FeedMessage, GpusSeen, MetricsGrew, RunsChanged, ShelfChanged

if TYPE_CHECKING:
    from engine.client import Client

TICK = 0.25
GROW = 0.5
"""Seconds between two readings of the streams: nobody reads figures that change faster, and each costs bytes."""
SETTLE = 1.0
"""Seconds between two looks at the evidence of active runs."""
GPUS = 2.0
"""Seconds between two looks at the GPUs."""
SUPERVISE = 5.0
"""Seconds between two looks at whether the scheduler is there while runs wait."""
RETRY = 1.0
"""Seconds until a store that could not be read is tried again."""
_SCHEDULER = "scheduler"
_CUT_OFF = ("step", "loss", "rel_l2")
"""What a list shows of a run that ended without a summary."""


class Feed(threading.Thread):
    """Opens the store by `open_client`, and gives messages to `post`, which must be callable from any thread."""

    def __init__(self, open_client: Callable[[], Client], post: Callable[[FeedMessage], object]) -> None:
        super().__init__(name="feed", daemon=True)
        self.client: Client | None = None
        """The store, once it is open."""
        self._open_client, self._post = open_client, post
        self._live: dict[str, LiveRun] = {}
        self._active: set[str] = set()
        self._waiting: set[str] = set()
        self._pending: set[str] = set()
        """Runs that changed in the catalogue and were not told of yet."""
        self._reports: dict[str, Report] = {}
        self._watched: frozenset[str] = frozenset()
        self._trends_wanted: set[str] = set()
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self._wake = threading.Event()
        self._paused = threading.Event()
        self._versions_seen: dict[str, int] = {}
        self._troubles: dict[str, str] = {}
        """What cannot be read or done at present, by run: it does not keep the others from being read."""
        self._told = ""
        self._grew = self._settled_at = self._supervised = self._gpus_seen = float("-inf")
        self._has_gpus = True
        """Whether this machine may have some."""
        self._complete = False

    # for screens, from any thread

    def watch(self, runs: Iterable[str]) -> None:
        """The runs whose curves are on the screen: their streams are read as they grow."""
        with self._lock:
            self._watched = frozenset(runs)
        self._wake.set()

    def want_trends(self, runs: Iterable[str]) -> None:
        """The ended runs that are visible in a list: their trend lines are read once, and where they got to."""
        with self._lock:
            self._trends_wanted.update(runs)
        self._wake.set()

    def report(self, run: str) -> Report:
        """What a run that was told of reports; the feed polls it while the run is watched or active."""
        assert self.client is not None
        with self._lock:
            if run not in self._reports:
                self._reports[run] = Report(self.client.home, run)
            return self._reports[run]

    def look(self) -> None:
        """Look now: something was just asked of the store."""
        self._wake.set()

    def pause(self, paused: bool) -> None:
        """Nothing that changes is told; what is looked at anew is read all the same."""
        if paused:
            self._paused.set()
        else:
            self._paused.clear()
            self._wake.set()

    def leave(self) -> None:
        """Ends the thread, soon."""
        self._leave.set()
        self._wake.set()

    # the thread

    def run(self) -> None:
        while not self._leave.is_set():
            failed = ""
            try:
                if self.client is None:
                    self.client = self._open_client()
                self._tick(self.client)
            except (ScimlError, OSError) as error:
                failed = str(error)
            except Exception as error:
                self._tell(f"a fault of the program: {type(error).__name__}: {error}; what is shown stays as it is")
                raise
            self._tell(failed or next(iter(self._troubles.values()), ""))
            self._wake.wait(RETRY if failed else TICK)
            self._wake.clear()

    def _tell(self, trouble: str) -> None:
        if trouble != self._told:
            self._told = trouble
            self._post(FeedFailed(trouble))

    def _tick(self, client: Client) -> None:
        paused, due = self._paused.is_set() and self._complete, time.monotonic() - self._grew >= GROW
        if not paused:
            if self._complete:  # after the first runs are shown
                self._look_at_gpus()
            self._follow(client, due)
            self._supervise(client)
        elif found := self._hold(self._trends(client)):
            self._post(RunsChanged(found, frozenset()))
        self._watched_grew(due and not paused)
        if due:
            self._grew = time.monotonic()

    def _follow(self, client: Client, due: bool) -> None:
        """Runs that changed in the catalogue or in what their streams say."""
        first = not self._complete
        self._pending |= client.changes()
        under_way = self._active | self._waiting
        records = {run.id: run for run in client.runs()} if first else self._records(client)
        removed = frozenset() if first else frozenset(self._pending - records.keys())
        records.update(self._settled(client, records))
        changed = self._hold({run: self._renewed(record) for run, record in records.items()}, removed)
        changed |= self._hold(self._grown(under_way & changed.keys(), due))
        changed |= self._hold(self._trends(client))
        if changed or removed or first:
            self._post(RunsChanged(changed, removed, complete=first))
        if client.catalog.shelves_changed() or first:
            self._post(ShelfChanged(tuple(client.datasets()), tuple(client.models())))
        self._complete = True
        self._pending.clear()

    def _hold(self, changed: dict[str, LiveRun], removed: frozenset[str] = frozenset()) -> dict[str, LiveRun]:
        """Takes these to be what the runs now are; returns them."""
        self._live.update(changed)
        for run in removed:
            self._live.pop(run, None)
        for runs, states in ((self._active, ACTIVE), (self._waiting, WAITING)):
            runs -= changed.keys() | removed
            runs |= {run for run, live in changed.items() if live.run.status in states}
        return changed

    def _records(self, client: Client) -> dict[str, Run]:
        """The runs that changed, oldest first, without those that are gone."""
        found = {}
        for run in sorted(self._pending, key=lambda run: (len(run), run)):
            try:
                found[run] = client.catalog.get(run)
            except UnknownName:
                continue
        return found

    def _settled(self, client: Client, fresh: Mapping[str, Run]) -> dict[str, Run]:
        """Active runs whose stored status no longer is what the evidence says."""
        if time.monotonic() - self._settled_at < SETTLE:
            return {}
        self._settled_at = time.monotonic()
        known = {run: self._live[run].run for run in self._active - self._pending} | dict(fresh)
        found = {}
        for run, record in known.items():
            if record.status in ACTIVE:
                try:
                    seen = client.run(run)
                except UnknownName:  # removed just now: that is told next
                    continue
                if seen != record:
                    found[run] = seen
        return found

    def _supervise(self, client: Client) -> None:
        """Runs that wait need a scheduler; one that was killed is started again by whoever is there."""
        if client.readonly or time.monotonic() - self._supervised < SUPERVISE:
            return
        self._supervised = time.monotonic()
        self._troubles.pop(_SCHEDULER, None)
        if self._waiting:
            try:
                client.ensure_scheduler()
            except ScimlError as error:
                self._troubles[_SCHEDULER] = str(error)

    def _look_at_gpus(self) -> None:
        if not self._has_gpus or time.monotonic() - self._gpus_seen < GPUS:
            return
        self._gpus_seen = time.monotonic()
        try:
            found = gpus.inventory()
        except ServiceError:  # the driver does not answer: `doctor` says so, and it may come back
            return
        self._has_gpus = bool(found)
        if found:
            self._post(GpusSeen(tuple(found)))

    def _renewed(self, record: Run) -> LiveRun:
        before = self._live.get(record.id)
        return before._replace(run=record, seen=time.time()) if before else LiveRun(record, seen=time.time())

    def _grown(self, moved: set[str], due: bool) -> dict[str, LiveRun]:
        """Runs whose streams have something new: active ones when they are due, others as they end."""
        runs = moved | self._active if due else moved
        return {run: self._read(self._live[run]) for run in runs if self._poll(run)}

    def _poll(self, run: str) -> bool:
        try:
            grown = self.report(run).poll()
        except (ScimlError, OSError) as error:
            self._troubles[run] = str(error)
            return False
        self._troubles.pop(run, None)
        return grown

    def _read(self, live: LiveRun) -> LiveRun:
        report = self.report(live.run.id)
        loss = report.columns.get("loss")
        stages = report.stages
        progress = report.progress or {}
        total = progress.get("total") or 0
        return live._replace(
            seen=time.time(),
            latest=report.last,
            trend=() if loss is None else tuple(loss[-TREND:].tolist()),
            stage=str(stages[-1]["name"]) if stages else "",
            progress=progress.get("done", 0) / total if total else None,
        )

    def _trends(self, client: Client) -> dict[str, LiveRun]:
        with self._lock:
            wanted, self._trends_wanted = self._trends_wanted, set()
        found = {}
        for run in (wanted & self._live.keys()) - self._active:
            live = self._live[run]
            if not live.trend and (values := self._tail(client, run, ("loss",), TREND)["loss"]):
                found[run] = live = live._replace(trend=tuple(values))
            if live.run.status in RESUMABLE and not live.latest:  # it was cut off, before it could sum up
                last = self._tail(client, run, _CUT_OFF, 1)
                if latest := {name: values[-1] for name, values in last.items() if values}:
                    found[run] = live._replace(latest=latest)
        return found

    def _tail(self, client: Client, run: str, columns: tuple[str, ...], points: int) -> dict[str, list[float]]:
        try:
            return tail(client.home.run(run).stream, columns, points)
        except (ScimlError, OSError):  # told when somebody looks at the run
            return {name: [] for name in columns}

    def _watched_grew(self, due: bool) -> None:
        """When they are due; those that were not watched before, at once."""
        with self._lock:
            watched = self._watched
        for run in watched:
            if due or run not in self._versions_seen:
                self._poll(run)
                version = self.report(run).reader.version
                if self._versions_seen.get(run) != version:
                    self._versions_seen[run] = version
                    self._post(MetricsGrew(run))
        self._versions_seen = {run: seen for run, seen in self._versions_seen.items() if run in watched}
        self._drop_reports(watched)

    def _drop_reports(self, watched: frozenset[str]) -> None:
        """Readers of runs that are neither active nor on the screen hold memory for nothing."""
        with self._lock:
            for run in self._reports.keys() - watched - self._active:
                del self._reports[run]
                self._troubles.pop(run, None)
