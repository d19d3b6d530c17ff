"""How a run's process is started and asked to stop: a plain table of modules, each imported when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, cast

from engine.errors import UnknownName
from engine.locks import Held
from engine.paths import Home
from engine.records import Job, Run

LAUNCHERS = {"local": "engine.launchers.local", "inline": "engine.launchers.inline"}


class Launcher(Protocol):
    """A module with these functions."""

    def start(self, home: Home, job: Job, locks: Sequence[Held]) -> dict[str, Any]:
        """Starts the job and hands the locks of its runs on to it. Returns what `stop` needs beside the evidence, often
        nothing.

        Returns once the start is in evidence. Raises ServiceError if the job cannot be started; the locks are the
        caller's in either case.
        """
        ...

    def stop(self, home: Home, run: Run, *, kill: bool) -> bool:
        """Asks a running run to stop, and it alone; or kills its job. Whether there was somebody to ask."""
        ...


def launcher(name: str) -> Launcher:
    """Raises UnknownName."""
    if name not in LAUNCHERS:
        raise UnknownName(f"launcher: required one of {', '.join(sorted(LAUNCHERS))}, got {name}")
    return cast(Launcher, importlib.import_module(LAUNCHERS[name]))
