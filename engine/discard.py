"""Published datasets and models taken off their shelf, with their files.

Files go before records: whatever cuts this short leaves records without a file, which lists and `doctor` tell of and
the same request takes away. The other order would leave files that nothing names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from engine import atomic, schema
from engine.api import TaskDescription
from engine.errors import NotPossible
from engine.paths import Home
from engine.records import Run, Shelved
from engine.store.catalog import Catalog


def discard(
    home: Home,
    catalog: Catalog,
    items: Sequence[Shelved],
    under_way: Sequence[Run],
    tasks: Mapping[str, TaskDescription],
) -> None:
    """Call it inside the catalogue's lock. A file that is gone already is no error.

    under_way: the runs that have not ended. Raises NotPossible for one that these need: nothing was removed then;
    StoreError where a file cannot be removed: those before it are off the shelf then, and the others stay.
    """
    for item in items:
        for run in under_way:
            if _needs(run, item, tasks):
                raise NotPossible(
                    f"{item.kind} {item.name}: required one that no run needs, got one that {run.id}, which is "
                    f"{run.status}, needs; wait until that has ended, or stop it first"
                )
    gone: list[Shelved] = []
    try:
        for item in items:
            _unlink(home, item)
            gone.append(item)
    finally:
        for kind in dict.fromkeys(item.kind for item in gone):
            catalog.unshelve(kind, *(item.name for item in gone if item.kind == kind))


def place(home: Home, item: Shelved) -> Path | None:
    """Where the file of a published one is; None where its record names one that is not on the shelf."""
    path = Path(os.path.normpath(home.folder / item.path))
    return path if path.parent in (home.datasets, home.models) else None


def _unlink(home: Home, item: Shelved) -> None:
    """What is not on the shelf is not ours, and of a link there the link goes, never what it leads to."""
    path = place(home, item)
    if path is None:
        return
    try:
        path.unlink(missing_ok=True)
        atomic.sync_folder(path.parent)
    except OSError as error:
        raise atomic.store_error(error, path) from error


def _needs(run: Run, item: Shelved, tasks: Mapping[str, TaskDescription]) -> bool:
    """Whether it names the dataset, or needs the run that made it, of which it may read anything."""
    return bool(item.run and item.run in run.spec.needs) or (item.kind == "dataset" and item.name in _named(run, tasks))


def _named(run: Run, tasks: Mapping[str, TaskDescription]) -> Iterable[str]:
    """The datasets that a run names; of a task that cannot be described now, whatever may be one."""
    task, params = tasks.get(run.spec.task), run.spec.params
    if task is None:
        given = [each for value in params.values() for each in (value if isinstance(value, list | tuple) else [value])]
        return [each for each in given if isinstance(each, str)]
    return [name for _, kind, name in schema.references(task.schema, params) if kind == "dataset"]
