"""What a list shows of a run: its record, and the newest figures of its stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine import filters
from engine.records import ACTIVE, WAITING, Run

TREND = 64
"""Points of the trend line that are kept."""


class LiveRun(NamedTuple):
    """A run and, as far as its stream was read, its newest values.

    latest: newest value of each column of the stream, empty until it was read. trend: the last values of its loss.
    stage: name of the stage that it is in. progress: share done, if the task says so.
    seen: Unix seconds of the last look.
    """

    run: Run
    latest: Mapping[str, float] = {}
    trend: tuple[float, ...] = ()
    stage: str = ""
    progress: float | None = None
    seen: float = 0.0

    def figure(self, name: str) -> float | None:
        """A figure of the summary, or while there is none, its newest value in the stream."""
        value = self.run.summary.get(name)
        if value is None:
            value = self.latest.get(name)
        return float(value) if isinstance(value, (int, float)) else None

    def row(self) -> dict[str, Any]:
        """The flat row that filters and tables look at; figures of the stream stand in until there is a summary."""
        made = filters.row(self.run, self.seen)
        for name, value in self.latest.items():
            made.setdefault(name, value)
        return made

    @property
    def active(self) -> bool:
        return self.run.status in ACTIVE

    @property
    def waits(self) -> bool:
        return self.run.status in WAITING

    @property
    def seconds(self) -> float | None:
        """Run time so far; None before it was started."""
        if self.run.attempt == 0:
            return None
        going_on = max(self.seen - self.run.claim.at, 0.0) if self.active and self.run.claim else 0.0
        return self.run.seconds + going_on
