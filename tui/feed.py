"""The thread that reads the store and tells the app what changed. Nothing else in the app waits for a file.

Every tick it asks the catalogue for what changed, looks at the evidence of active runs, reads on in the streams of
active and of watched runs, and posts messages. Screens read columns from `report(run)`, which is safe for threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from engine.client import Client
from engine.errors import ScimlError, UnknownName
from engine.records import ACTIVE, WAITING, Run
from engine.report import Report
from engine.store.stream import tail
from tui.live import TREND, LiveRun
from tui.messages import FeedFailed, FeedMessage, MetricsGrew, RunsChanged, ShelfChanged

TICK = 0.25
SETTLE = 1.0
"""Seconds between two looks at the evidence of active runs."""
SUPERVISE = 5.0
"""Seconds between two looks at whether the scheduler is there while runs wait."""


class Feed(threading.Thread):
    """Reads the store through `client` and gives messages to `post`, which must be callable from any thread."""

    def __init__(self, client: Client, post: Callable[[FeedMessage], object]) -> None:
        super().__init__(name="feed", daemon=True)
        self._client, self._post = client, post
        self._live: dict[str, LiveRun] = {}
        self._reports: dict[str, Report] = {}
        self._watched: frozenset[str] = frozenset()
        self._trends_wanted: set[str] = set()
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self._wake = threading.Event()
        self._paused = threading.Event()
        self._versions_seen: dict[str, int] = {}
        self._looked = 0.0
        self._supervised = 0.0
        self._complete = False

    # for screens, from any thread

    def watch(self, runs: Iterable[str]) -> None:
        """The runs whose curves are on the screen: their streams are read as they grow."""
        with self._lock:
            self._watched = frozenset(runs)
        self._wake.set()

    def want_trends(self, runs: Iterable[str]) -> None:
        """The ended runs that are visible in a list: their trend lines are read once."""
        with self._lock:
            self._trends_wanted.update(runs)
        self._wake.set()

    def report(self, run: str) -> Report:
        """What a run reports; the feed polls it while the run is watched or active."""
        with self._lock:
            if run not in self._reports:
                self._reports[run] = Report(self._client.home, run)
            return self._reports[run]

    def look(self) -> None:
        """Look now: something was just asked of the store."""
        self._wake.set()

    def pause(self, paused: bool) -> None:
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
            try:
                if not self._paused.is_set():
                    self._tick()
            except (ScimlError, OSError) as error:
                self._post(FeedFailed(str(error)))
                self._leave.wait(1.0)
            self._wake.wait(TICK)
            self._wake.clear()

    def _tick(self) -> None:
        first = not self._complete
        changed_ids = self._client.changes()
        if first:
            records = {run.id: run for run in self._client.runs()}
            removed: frozenset[str] = frozenset()
        else:
            records = self._records(changed_ids)
            removed = frozenset(changed_ids - records.keys())
        for run in removed:
            self._live.pop(run, None)
            self._forget(run)
        records.update(self._settled(records))
        changed = {run: self._renewed(record) for run, record in records.items()}
        changed.update(self._grown(changed))
        self._live.update(changed)
        changed.update(self._trends())
        self._live.update(changed)
        if changed or removed or first:
            self._post(RunsChanged(changed, removed, complete=first))
            self._complete = True
        if changed_ids or first:
            self._post(ShelfChanged(tuple(self._client.datasets()), tuple(self._client.models())))
        self._watched_grew()
        self._supervise()

    def _records(self, ids: Iterable[str]) -> dict[str, Run]:
        found = {}
        for run in ids:
            try:
                found[run] = self._client.catalog.get(run)
            except UnknownName:
                continue
        return found

    def _settled(self, fresh: Mapping[str, Run]) -> dict[str, Run]:
        """Active runs whose stored status no longer is what the evidence says."""
        if time.monotonic() - self._looked < SETTLE:
            return {}
        self._looked = time.monotonic()
        known = {run: live.run for run, live in self._live.items()} | dict(fresh)
        active = {run: record for run, record in known.items() if record.status in ACTIVE}
        seen = {run: self._client.run(run) for run in active}
        return {run: record for run, record in seen.items() if record != active[run]}

    def _supervise(self) -> None:
        """Runs that wait need a scheduler; one that was killed is started again by whoever is there."""
        if self._client.readonly or time.monotonic() - self._supervised < SUPERVISE:
            return
        self._supervised = time.monotonic()
        if any(live.run.status in WAITING for live in self._live.values()):
            self._client.ensure_scheduler()

    def _renewed(self, record: Run) -> LiveRun:
        before = self._live.get(record.id)
        return before._replace(run=record, seen=time.time()) if before else LiveRun(record, seen=time.time())

    def _grown(self, changed: dict[str, LiveRun]) -> dict[str, LiveRun]:
        """Active runs, and those that just ended, whose streams have something new."""
        found = {}
        for run, live in {**self._live, **changed}.items():
            ended_now = run in changed and run in self._reports
            if (live.active or ended_now) and self.report(run).poll():
                found[run] = self._read(live)
        return found

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

    def _trends(self) -> dict[str, LiveRun]:
        with self._lock:
            wanted, self._trends_wanted = self._trends_wanted, set()
        found = {}
        for run in wanted & self._live.keys():
            live = self._live[run]
            if not live.active and not live.trend:
                values = tail(self._client.home.run(run).stream, ("loss",), TREND)["loss"]
                if values:
                    found[run] = live._replace(trend=tuple(values))
        return found

    def _watched_grew(self) -> None:
        with self._lock:
            watched = self._watched
        for run in watched:
            report = self.report(run)
            report.poll()
            if self._versions_seen.get(run) != report.reader.version:
                self._versions_seen[run] = report.reader.version
                self._post(MetricsGrew(run))
        self._versions_seen = {run: seen for run, seen in self._versions_seen.items() if run in watched}
        self._drop_reports(watched)

    def _drop_reports(self, watched: frozenset[str]) -> None:
        """Readers of runs that are neither active nor on the screen hold memory for nothing."""
        with self._lock:
            for run in list(self._reports):
                live = self._live.get(run)
                if run not in watched and (live is None or not live.active):
                    del self._reports[run]

    def _forget(self, run: str) -> None:
        with self._lock:
            self._reports.pop(run, None)
