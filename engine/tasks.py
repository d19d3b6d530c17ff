"""Where tasks and suites are found: entry points of installed packages, and a seam to try one that is not installed.

`SCIML_TUI_TASKS="module:ATTR,..."` and `SCIML_TUI_SUITES` name further ones, by what `import` can find (PYTHONPATH).
They come after the installed ones and take their key from what they describe.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from engine.api import SCALES, Broken, PackingTask, Suite, Task, TaskDescription
from engine.errors import UnknownName

Kind = Literal["tasks", "suites"]


class Entry(msgspec.Struct, frozen=True):
    """Something that is to be imported: `target` is `module:ATTRIBUTE`. An empty name: it names itself."""

    name: str
    target: str

    @property
    def package(self) -> str:
        """The top-level package or module behind it."""
        return self.target.partition(":")[0].partition(".")[0]

    def load(self) -> Any:
        module, _, path = self.target.partition(":")
        found = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
        return found


def entries(kind: Kind) -> list[Entry]:
    """All entries of a kind, installed ones first."""
    from importlib import metadata  # 15 ms, which a list of runs need not pay

    installed = metadata.entry_points(group=f"sciml_tui.{kind}")
    found = [Entry(entry.name, entry.value) for entry in sorted(installed)]
    extra = os.environ.get(f"SCIML_TUI_{kind.upper()}", "")
    return found + [Entry("", target.strip()) for target in extra.split(",") if target.strip()]


def tasks() -> tuple[dict[str, Task], dict[str, TaskDescription], list[Broken]]:
    """Every task with its description, by key; and what could not be loaded or does not describe itself."""
    found: dict[str, Task] = {}
    descriptions: dict[str, TaskDescription] = {}
    broken = []
    for entry in entries("tasks"):
        try:
            task = _loaded_task(entry)
            described = msgspec.convert(msgspec.to_builtins(task.describe()), TaskDescription)
            described = msgspec.structs.replace(described, packs=isinstance(task, PackingTask))
            key = entry.name or described.key
            _require_key(key, described.key, found)
        except Exception as error:  # noqa: BLE001  a task may raise anything: it is shown as broken, never fatal
            broken.append(_broken(entry, error))
        else:
            found[key], descriptions[key] = task, described
    return found, descriptions, broken


def task(key: str) -> Task:
    """The task of a key; where it is an installed one, no other is loaded.

    Raises UnknownName, or what its import raises.
    """
    known = entries("tasks")
    for entry in known:
        if entry.name == key:
            return _loaded_task(entry)
    for entry in known:
        if not entry.name and (found := _loaded_task(entry)).describe().key == key:
            return found
    names = ", ".join(entry.name or entry.target for entry in known) or "none"
    raise UnknownName(f"task: required one that is installed ({names}), got {key}")


def suites() -> tuple[dict[str, dict[str, Suite]], list[Broken]]:
    """Every suite by key and scale, and what could not be loaded.

    An entry is a mapping of suites, or a function that returns one together with its broken files (`discover`). Of one
    that comes in several scales it has a sequence.
    """
    found: dict[str, dict[str, Suite]] = {}
    broken: list[Broken] = []
    for entry in entries("suites"):
        try:
            loaded = entry.load()
            members, files = loaded() if callable(loaded) else (loaded, [])
        except Exception as error:  # noqa: BLE001  as for tasks
            broken.append(_broken(entry, error))
            continue
        broken += files
        for key, member in members.items():
            try:
                scales = _scales(member)
                _require_key(key, next(iter(scales.values())).key, found)
            except Exception as error:  # noqa: BLE001  as for tasks
                broken.append(Broken(str(key), entry.target, told(error)))
            else:
                found[key] = scales
    return found, broken


def _scales(member: Any) -> dict[str, Suite]:
    """A suite by its scale, or the suites of a sequence by theirs, from the smallest. Raises ValueError."""
    members = [member] if isinstance(member, Suite) else list(member)
    made = [msgspec.convert(msgspec.to_builtins(suite), Suite) for suite in members]
    scales = {suite.scale: suite for suite in made}
    if (
        not made
        or len(scales) < len(made)
        or len({suite.key for suite in made}) > 1
        or not scales.keys() <= set(SCALES)
    ):
        got = ", ".join(f"{suite.key} {suite.scale}" for suite in made) or "none"
        raise ValueError(f"required suites of one key, each of another scale ({', '.join(SCALES)}), got {got}")
    return {scale: scales[scale] for scale in SCALES if scale in scales}


def _loaded_task(entry: Entry) -> Task:
    loaded = entry.load()
    if not isinstance(loaded, Task):
        raise TypeError(f"required a task (describe, check, estimate, run), got {type(loaded).__name__}")
    return loaded


def _require_key(key: str, described: str, taken: Mapping[str, Any]) -> None:
    if key != described:
        raise ValueError(f"required a description with the key {key}, got {described}")
    if key in taken:
        raise ValueError(f"required a key of its own, got {key}, which is taken")


def _broken(entry: Entry, error: Exception) -> Broken:
    return Broken(entry.name or entry.target, entry.target, told(error))


def told(error: BaseException) -> str:
    """An unexpected exception in one line, with the place where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
