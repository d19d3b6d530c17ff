"""The process that runs a task, or answers for all of them.

python -P -m engine.worker FOLDER ATTEMPT    runs the run of a folder, as its spec.json says
python -P -m engine.worker --describe        prints what tasks and suites there are, as JSON
python -P -m engine.worker --check           reads [[task, params], ...], prints what each task says of them, as JSON
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from engine import tasks
from engine.api import Estimate, Task
from engine.describe import Catalogue, Checked


def catalogue() -> Catalogue:
    """Every task and suite described; what cannot be loaded is among the broken."""
    _, descriptions, broken = tasks.tasks()
    suites, broken_suites = tasks.suites()
    return Catalogue(tasks=descriptions, suites=suites, broken=broken + broken_suites)


def checked(items: list[tuple[str, dict[str, Any]]]) -> list[Checked]:
    """What the tasks say of parameters that are complete and typed."""
    found: dict[str, Task] = {}
    return [_checked(found, key, params) for key, params in items]


def _checked(found: dict[str, Task], key: str, params: Mapping[str, Any]) -> Checked:
    try:
        task = found[key] if key in found else found.setdefault(key, tasks.task(key))
        problems = list(task.check(params))
        return Checked(problems=problems, estimate=Estimate() if problems else task.estimate(params))
    except Exception as error:  # noqa: BLE001  a task's check may raise anything: the client says whose fault it is
        return Checked(error=tasks.told(error))


def main(arguments: list[str]) -> int:
    # What a task prints while it is imported must not end up in the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    if arguments == ["--describe"]:
        made = msgspec.json.encode(catalogue())
    else:
        made = msgspec.json.encode(
            checked(msgspec.json.decode(sys.stdin.buffer.read(), type=list[tuple[str, dict[str, Any]]]))
        )
    with os.fdopen(answer, "wb") as stdout:
        stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
