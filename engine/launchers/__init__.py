"""How a run's process is started and asked to stop. One way a file, whose name is what people type; it is imported when
it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, cast

from engine.components import modules
from engine.errors import UnknownName
from engine.locks import Held
from engine.paths import Home
from engine.records import Job, Run

LAUNCHERS = modules(__name__)
"""The module of each."""


class Launcher(Protocol):
    """A module with these.

    ON_THIS_MACHINE: its runs take of this machine's CPUs and GPUs, so one that asks for more is refused.
    """

    ON_THIS_MACHINE: bool

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
        raise UnknownName(f"launcher: required one of {', '.join(LAUNCHERS)}, got {name}")
    return cast(Launcher, importlib.import_module(LAUNCHERS[name]))
