"""What tasks and suites there are, and whether a task accepts parameters: asked of a process of its own.

Tasks bring numpy and may bring anything, so they are never imported here. The description is kept in the cache under a
key that follows every source file behind it; where none changed, nothing is started.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from importlib import util
from pathlib import Path
from typing import Any

import msgspec

from engine import atomic, tasks
from engine.api import Broken, Estimate, Problem, Reference, Suite, TaskDescription, Value
from engine.errors import ServiceError, StoreError
from engine.paths import Home

PATIENCE = 120.0
"""Seconds that the process may take, on a slow disk with nothing cached."""

_KEPT = 4
"""Descriptions in the cache: environments that share a home do not overwrite each other's."""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All that screens and the command line know of the science, as data."""

    tasks: dict[str, TaskDescription] = {}
    broken: list[Broken] = []
    encoded: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="suites")
    """The suites, as JSON: they are thousands of runs, and few who ask what there is ask for them."""

    @cached_property
    def suites(self) -> dict[str, dict[str, Suite]]:
        """By key and scale."""
        return msgspec.json.decode(self.encoded, type=dict[str, dict[str, Suite]])


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a task says of one set of parameters. `error`: the check itself failed, a fault of the task's own."""

    problems: list[Problem] = []
    estimate: Estimate = Estimate()
    error: str = ""


def describe(home: Home) -> Catalogue:
    """The description of every task and suite, from the cache where no source has changed.

    Raises ServiceError if the process that describes cannot be run; a broken task is an entry in `broken` instead.
    """
    kept = home.cache / f"describe-{_key(home)}.json"
    with suppress(OSError, msgspec.DecodeError):  # not there, or not readable: it is made again
        return msgspec.json.decode(kept.read_bytes(), type=Catalogue)
    text = ask(home, "--describe")
    catalogue = decoded(text, Catalogue)
    with suppress(StoreError, OSError):  # a home that is only looked at, or full
        atomic.write(kept, text)
        _forget_old(home.cache)
    return catalogue


References = Mapping[str, Sequence[Reference]]


def check(
    home: Home, items: Sequence[tuple[str, Mapping[str, Value]]], found: Sequence[References] = ()
) -> list[Checked]:
    """For each (task, complete parameters): what a schema cannot say, and what a run is expected to take.

    found: for each, by parameter, what it refers to, where that is to be checked as well.
    Raises ServiceError if the process cannot be run, or a task's check or estimate fails.
    """
    if not items:
        return []
    question = [
        (task, params, refers) for (task, params), refers in zip(items, found or [{}] * len(items), strict=True)
    ]
    answers = decoded(ask(home, "--check", msgspec.json.encode(question)), list[Checked])
    for (task, _), answer in zip(items, answers, strict=True):
        if answer.error:
            raise ServiceError(f"task {task}: required a check of its parameters, got {answer.error}")
    return answers


def ask(home: Home, what: str, question: bytes = b"", patience: float | None = None) -> bytes:
    """patience: seconds, where it is not PATIENCE."""
    command = [sys.executable, "-P", "-m", "engine.worker", what]
    patience = patience or PATIENCE
    by_hand = f"to see more: {' '.join(command)}"
    try:
        done = subprocess.run(
            command,
            input=question,
            capture_output=True,
            env=home.environment(),
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise ServiceError(
            f"tasks: required an answer within {patience:g} s, got none; {_last_lines(late.stderr)}{by_hand}"
        ) from None
    except OSError as error:
        raise ServiceError(f"tasks: required a process to ask, got {error.strerror}; {by_hand}") from None
    if done.returncode:
        raise ServiceError(
            f"tasks: required an answer, got exit code {done.returncode}; {_last_lines(done.stderr)}{by_hand}"
        )
    return done.stdout


def _last_lines(stderr: bytes | None, count: int = 5) -> str:
    lines = (stderr or b"").decode(errors="replace").strip().splitlines()[-count:]
    return "\n".join([*lines, ""]) if lines else ""


def decoded(text: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ServiceError(f"tasks: required an answer that can be read, got {text[:80]!r} ({error})") from None


def _forget_old(cache: Path) -> None:
    kept = sorted(cache.glob("describe-*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in kept[:-_KEPT]:
        file.unlink()


def _key(home: Home) -> str:
    """Changes with every source file behind the description, the entries, the environment and Python itself."""
    entries = [*tasks.entries("tasks"), *tasks.entries("suites")]
    known = hashlib.sha256(repr((sys.version, sys.prefix, entries)).encode())
    for package in sorted({"engine", *(entry.package for entry in entries)}):
        for root in _sources(package):
            for line in _stamps(root):
                known.update(line.encode())
    for line in _stamps(home.plugins):
        known.update(line.encode())
    return known.hexdigest()[:24]


def _sources(package: str) -> list[Path]:
    """The folders (or the one file) of a top-level package, found without importing it."""
    try:
        spec = util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin else []


def _stamps(root: Path) -> Iterator[str]:
    """Path, time of change and size of a Python file, or of all below a folder, in a settled order."""
    try:
        if root.is_file():
            stat = root.stat()
            yield f"{root}\0{stat.st_mtime_ns}\0{stat.st_size}\n"
            return
        with os.scandir(root) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if entry.name.endswith(".py"):
                stat = entry.stat()
                yield f"{entry.path}\0{stat.st_mtime_ns}\0{stat.st_size}\n"
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _stamps(Path(entry.path))
    except OSError:
        return
