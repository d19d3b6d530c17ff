"""Looking into published datasets: what a file is, whether it is sound, how its samples look.

The engine knows no format: the task that made a file is asked, in a process of its own (`worker --curate`).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine import atomic, describe, tasks
from engine.api import Curator, Finding
from engine.errors import NotPossible, Problem, ServiceError, SpecError, TaskError, UnknownName
from engine.paths import Home
from engine.records import Shelved
from engine.staging import staged
from engine.store.catalog import Catalog

if TYPE_CHECKING:
    import numpy as np

NAME = re.compile(r"[^\W_][\w.,:=+()\-]*")
NAME_WORDS = "a name of letters, digits and . , : = + - ( )"
"""What datasets and models may be called."""

PATIENCE = 24 * 3600.0
"""Seconds: a large file on a slow disk is read to its end."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """task: empty where it is to be found out. size, sha256: what the file should have, to be verified."""

    about: Literal["identity", "soundness", "samples"]
    path: str
    task: str = ""
    size: int = 0
    sha256: str = ""
    count: int = 0


class Array(msgspec.Struct, frozen=True):
    """shape, and the values as little-endian float32."""

    shape: tuple[int, ...]
    values: bytes

    @classmethod
    def of(cls, array: np.ndarray) -> Array:
        return cls(array.shape, array.astype("<f4").tobytes())

    def array(self) -> np.ndarray:
        import numpy as np

        return np.frombuffer(self.values, "<f4").reshape(self.shape)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """error: why the file cannot be read."""

    error: str = ""
    task: str = ""
    name: str = ""
    facts: dict[str, Any] = {}
    findings: list[Finding] = []
    arrays: dict[str, Array] = {}


def ask(home: Home, question: Question) -> Answer:
    """Raises TaskError where the file is not what the task reads; ServiceError."""
    text = describe.ask(home, "--curate", msgspec.json.encode(question), PATIENCE)
    answer: Answer = describe.decoded(text, Answer)
    if answer.error:
        raise TaskError(answer.error)
    return answer


def adopt(home: Home, catalog: Catalog, path: Path, name: str = "") -> Shelved:
    """See `Client.import_dataset`."""
    if not path.is_file():
        raise NotPossible(f"{path}: required a file of a dataset, got none")
    if name:
        _require_free(catalog, name)
    known = _of_foreign(home, Question(about="identity", path=str(path.absolute())))
    name = name or known.name
    _require_free(catalog, name)
    try:
        with staged(catalog, path, home.datasets) as copy:
            measured = measure(copy)
            question = Question(about="soundness", path=str(copy), task=known.task, **measured)
            _require_sound(_of_foreign(home, question).findings, path)
            with catalog.lock():
                _require_free(catalog, name)
                place = home.datasets / f"{name}{path.suffix}"
                copy.replace(place)
                atomic.sync_folder(home.datasets)
                item = Shelved(
                    name=name,
                    kind="dataset",
                    path=os.path.relpath(place, home.folder),
                    run="",
                    created=time.time(),
                    facts={**known.facts, "imported_from": path.name},
                    task=known.task,
                    verified=time.time(),
                    sound=True,
                    **measured,
                )
                catalog.shelve(item)
    except OSError as error:
        raise atomic.store_error(error, home.datasets) from error
    return item


def _of_foreign(home: Home, question: Question) -> Answer:
    """As `ask`, but a file that is not what a task reads is a wrong request: nothing of ours has failed."""
    try:
        return ask(home, question)
    except TaskError as error:
        raise NotPossible(str(error)) from None


def _require_free(catalog: Catalog, name: str) -> None:
    if not NAME.fullmatch(name):
        raise SpecError([Problem("name", NAME_WORDS, name)])
    if any(item.name == name for item in catalog.shelved("dataset")):
        raise NotPossible(
            f"dataset {name}: required a name that is free, got one that is there; choose another: --name"
        )


def _require_sound(findings: Sequence[Finding], path: Path) -> None:
    if failed := [finding for finding in findings if not finding.passed]:
        words = "; ".join(f"{each.what}: required {each.required}, got {each.found}" for each in failed)
        raise NotPossible(f"{path}: required a dataset that is sound, got one that is not; {words}")


def measure(path: Path) -> dict[str, Any]:
    """size and sha256 of a file."""
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


# In the process that is asked


def answered(text: bytes) -> Answer:
    question = msgspec.json.decode(text, type=Question)
    path = Path(question.path)
    try:
        if question.about == "identity":
            return _identified(path)
        curator = _curator(question.task or _identified(path).task)
        if question.about == "samples":
            arrays = curator.preview(path, question.count)
            return Answer(arrays={name: Array.of(array) for name, array in arrays.items()})
        return Answer(findings=[*_of_file(path, question), *curator.verify(path)])
    except (TaskError, ServiceError, UnknownName) as error:
        return Answer(error=str(error))


def _identified(path: Path) -> Answer:
    """By the first task that can read it."""
    found, _, _ = tasks.tasks()
    curators = {key: task for key, task in found.items() if isinstance(task, Curator)}
    errors = []
    for key, curator in curators.items():
        try:
            name, facts = curator.identify(path)
        except TaskError as error:
            errors.append(str(error))
        else:
            return Answer(task=key, name=name, facts=facts)
    return Answer(error="; ".join(errors) or f"{path}: required a task that reads datasets, got none")


def _curator(key: str) -> Curator:
    task = tasks.task(key)
    if not isinstance(task, Curator):
        raise ServiceError(f"task {key}: required one that reads what it published, got one that does not")
    return task


def _of_file(path: Path, question: Question) -> Iterator[Finding]:
    measured = measure(path)
    for what, key in (("bytes of the file", "size"), ("hash of the file", "sha256")):
        found, required = measured[key], getattr(question, key)
        passed = found == required
        yield Finding(what=what, found=str(found)[:16], required=str(required)[:16], passed=passed)
