"""The catalogue: runs, the shelf of datasets and models, and commands, in one journal that every process shares."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar

import msgspec
from tinydb.queries import QueryLike
from tinydb.table import Document

from engine.errors import NotPossible, StoreCorrupt, UnknownName
from engine.paths import Home
from engine.records import Command, Run, Shelved, Status
from engine.store import codec
from engine.store.journal import JournalStorage
from engine.store.table import JournalDB

T = TypeVar("T", bound=msgspec.Struct)

_RUNS, _SHELF, _COMMANDS = "runs", "shelf", "commands"


class Catalog:
    """Safe for threads and processes. Reads see every write that was acknowledged before, by whomever.

    Raises StoreError, StoreCorrupt; writes raise StoreFull, and leave the catalogue as it was.
    """

    def __init__(self, home: Home, *, readonly: bool = False, sync: bool = True) -> None:
        if not readonly:
            home.create()
        self._home = home
        self._index = _RunIndex()
        self._shapes: dict[str, set[frozenset[str]]] = {}
        self._shaped = 0
        self.db = JournalDB(home.catalog, readonly=readonly, sync=sync, observers={_RUNS: self._index})
        self._journal = self.db.journal
        self._runs, self._shelf, self._commands = map(self.db.table, (_RUNS, _SHELF, _COMMANDS))

    def lock(self) -> AbstractContextManager[JournalStorage]:
        """Nobody else writes inside the block; what is written there reaches the disk at its end. Re-entrant."""
        return self._journal.lock()

    def close(self) -> None:
        self.db.close()

    # Runs

    def add(self, runs: Iterable[Run], *, pack: bool = False) -> list[Run]:
        """Stores new runs, all or none of them, under new ids, whatever their own say; with `pack`, as one pack."""
        with self.lock():
            first = self._first_free()
            together = run_id(first) if pack else ""
            added = [msgspec.structs.replace(run, id=run_id(n), pack=together) for n, run in enumerate(runs, first)]
            self._runs.insert_multiple(Document(msgspec.to_builtins(run), _doc_id(run.id)) for run in added)
        return added

    def _first_free(self) -> int:
        """The document id after the newest, or after the newest folder where that has lost its record."""
        number = self._journal.top(_RUNS) + 1
        if not self._home.run(run_id(number)).folder.exists():
            return number
        return max(number, *(_doc_id(folder.name) for folder in self._home.runs.iterdir())) + 1

    def get(self, run: str) -> Run:
        """The run of an id. Raises UnknownName."""
        self._journal.refresh()
        return self._get(run)

    def find(self, text: str) -> Run:
        """The run that an id, the beginning of one, or a name means. Raises UnknownName, with what it may mean."""
        self._journal.refresh()
        if self._journal.has(_RUNS, _doc_id(text)):
            return self._get(text)
        with self._journal.still():
            by_id = [key for key in map(run_id, self._journal.ids(_RUNS)) if text and key.startswith(text)]
            by_name = [run_id(number) for number in self._index.named(text) if text]
        for candidates in (by_id, by_name):
            if len(candidates) == 1:
                return self._get(candidates[0])
        if by_id or by_name:
            listed = _listed(sorted({*by_id, *by_name}, key=_doc_id))
            raise UnknownName(f"run: required one run, got {text!r}; it may mean {listed}")
        raise self._unknown(text)

    def runs(self, where: QueryLike | None = None) -> list[Run]:
        """All runs, or those whose document matches a TinyDB query, oldest first."""
        if where is not None:
            return sorted((_run(document) for document in self._runs.search(where)), key=lambda run: _doc_id(run.id))
        self._journal.refresh()
        return [_decoded(text) for _, text in sorted(self._journal.documents(_RUNS))]

    def by_status(self, statuses: Iterable[Status]) -> list[Run]:
        """Runs in any of these states, oldest first; costs only what it returns."""
        self._journal.refresh()
        with self._journal.still():
            ids = [doc_id for status in statuses for doc_id in self._index.by_status.get(status, ())]
        return self._these(ids)

    def by_identity(self, *identities: str) -> list[Run]:
        """Runs that do the same work (task, parameters, seed), oldest first; costs only what it returns."""
        self._journal.refresh()
        with self._journal.still():
            ids = {doc_id for identity in identities for doc_id in self._index.by_identity.get(identity, ())}
        return self._these(ids)

    def shapes(self, task: str) -> frozenset[frozenset[str]]:
        """The sets of parameters that runs of a task were stored with: few, however many runs.

        Costs a look at the runs that were added since the last call. Those of removed runs may be among them.
        """
        self._journal.refresh()
        with self._journal.still():
            seen, self._shaped = self._shaped, self._journal.top(_RUNS)
            fresh = [] if seen == self._shaped else [i for i in self._journal.ids(_RUNS) if i > seen]
        for _, text in self._journal.documents(_RUNS, sorted(fresh)):
            with suppress(msgspec.DecodeError):  # not one of ours: it does no work that is asked for
                spec = _shape_decoder.decode(text).spec
                self._shapes.setdefault(spec.task, set()).add(frozenset(spec.params))
        return frozenset(self._shapes.get(task, ()))

    def transition(
        self, run: str, expect: Collection[Status], *, attempt: int | None = None, **changes: Any
    ) -> Run | None:
        """Changes a run if its state is one of `expect` (and its attempt is `attempt`), in one step for all processes.

        Returns the run as it is then, or None if it was in another state. Raises UnknownName.
        """
        with self.lock():
            found = self._get(run)
            if found.status not in expect or attempt not in (None, found.attempt):
                return None
            return self._change(found, changes)

    def edit(self, run: str, **changes: Any) -> Run:
        """Changes fields that do not decide the state. Raises UnknownName."""
        if "status" in changes:
            raise TypeError("status: required a transition, got an edit")
        with self.lock():
            return self._change(self._get(run), changes)

    def remove(self, runs: Iterable[str]) -> None:
        """Forgets runs; their ids are not used again. Those that are not there are passed over."""
        self._runs.remove(doc_ids=map(_doc_id, runs))

    def refresh(self) -> frozenset[str]:
        """Ids of runs that were added, changed or removed, here or elsewhere, since the last call (or the opening)."""
        return frozenset(map(run_id, self._journal.take_changes(_RUNS)))

    def _get(self, run: str) -> Run:
        text = self._journal.document(_RUNS, _doc_id(run))
        if text is None:
            raise self._unknown(run)
        return _decoded(text)

    def _these(self, ids: Iterable[int]) -> list[Run]:
        return [_decoded(text) for _, text in self._journal.documents(_RUNS, sorted(ids))]

    def _change(self, run: Run, changes: dict[str, Any]) -> Run:
        changed = msgspec.structs.replace(run, **changes)
        if changes:
            fields = {name: msgspec.to_builtins(getattr(changed, name)) for name in changes}
            self._journal.append(_RUNS, update={_doc_id(run.id): fields})
        return changed

    def _unknown(self, text: str) -> UnknownName:
        with self._journal.still():
            known = [*map(run_id, self._journal.ids(_RUNS)), *self._index.names()]
        close = difflib.get_close_matches(text, known[-2000:], n=3)  # of a hundred thousand it would take seconds
        hint = f"did you mean {_listed(close)}?" if close else "`sciml-tui ls` lists them"
        return UnknownName(f"run: required the id or name of a run, got {text!r}; {hint}")

    # The shelf of datasets and models

    def shelve(self, item: Shelved) -> None:
        """Puts a dataset or model on the shelf; a run may replace its own. Raises NotPossible if the name is taken."""
        with self.lock():
            doc_id, known = self._on_shelf(item.kind, item.name)
            if known and known.run != item.run:
                raise NotPossible(
                    f"{item.kind} {item.name}: required a name that is free, got one published by run {known.run}; "
                    "choose another name, or remove that one first"
                )
            document = msgspec.to_builtins(item)
            self._journal.append(_SHELF, put={doc_id or self._journal.top(_SHELF) + 1: document})

    def shelved(self, kind: str) -> list[Shelved]:
        """What is on a shelf ("dataset" or "model"), by name."""
        items = (_stored(document, Shelved) for document in self._shelf)
        return sorted((item for item in items if item.kind == kind), key=lambda item: item.name)

    def shelf(self, kind: str, name: str) -> Shelved:
        """Raises UnknownName."""
        _, item = self._on_shelf(kind, name)
        if item is None:
            names = [item.name for item in self.shelved(kind)]
            close = difflib.get_close_matches(name, names, n=3) or names[:5]
            hint = f"there are: {_listed(close)}" if close else "there is none yet"
            raise UnknownName(f"{kind}: required the name of a {kind} that exists, got {name!r}; {hint}")
        return item

    def shelves_changed(self) -> bool:
        """Whether anything was put on a shelf, taken off or noted of it since the last call."""
        return bool(self._journal.take_changes(_SHELF))

    def unshelve(self, kind: str, *names: str) -> None:
        """Takes names off the shelf, all or none; their files are left alone. Raises UnknownName."""
        with self.lock():
            for name in names:
                self.shelf(kind, name)
            self._shelf.remove(doc_ids=[self._on_shelf(kind, name)[0] for name in names])

    def _on_shelf(self, kind: str, name: str) -> tuple[int, Shelved | None]:
        for document in self._shelf:
            if document["kind"] == kind and document["name"] == name:
                return document.doc_id, _stored(document, Shelved)
        return 0, None

    # Commands

    def command(self, command: Command) -> int:
        """Leaves a command for whoever supervises the run; returns its id."""
        return self._commands.insert(msgspec.to_builtins(command))

    def commands(self) -> list[tuple[int, Command]]:
        """Commands that nobody has finished yet, oldest first."""
        return [(document.doc_id, _stored(document, Command)) for document in self._commands]

    def finish(self, command: int) -> None:
        """Takes a command away, obeyed or no longer of use. One that is gone already is no error."""
        self._commands.remove(doc_ids=[command])


def run_id(number: int) -> str:
    """The id of the run with this document id: r0001."""
    return f"r{number:04x}"


def _doc_id(run: str) -> int:
    """The document id that a run's id says; 0, which no document has, if it is not one."""
    digits = run[1:]
    if not run.startswith("r") or not digits.isalnum():
        return 0
    try:
        number = int(digits, 16)
    except ValueError:
        return 0
    return number if run_id(number) == run else 0


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# Decoding: what is stored may be of an older or newer version, so it is read leniently


_run_decoder = msgspec.json.Decoder(Run)
_STATUSES = {status.value: status for status in Status}


def _decoded(text: bytes) -> Run:
    if not codec.has_marks(text):
        try:
            return _run_decoder.decode(text)
        except msgspec.ValidationError:
            pass
    return _run(codec.decode(text))


def _run(document: dict[str, Any]) -> Run:
    """An unknown status is UNKNOWN. Raises StoreCorrupt."""
    status = {"status": _status(document["status"])} if "status" in document else {}
    return _stored({**document, **status}, Run)


def _stored(document: dict[str, Any], kind: type[T]) -> T:
    """Fields that this version does not know are left out. Raises StoreCorrupt."""
    try:
        return msgspec.convert(_pruned(document, kind), kind)
    except msgspec.ValidationError as error:
        name = document.get("id") or document.get("name") or document.get("run") or "?"
        raise StoreCorrupt(f"{kind.__name__.lower()} {name}: its record cannot be read ({error}); remove it") from None


def _status(text: Any) -> Status:
    return _STATUSES.get(text, Status.UNKNOWN) if isinstance(text, str) else Status.UNKNOWN


def _pruned(value: Any, kind: Any) -> Any:
    """A document without the fields that the struct `kind`, or a struct in it, does not have."""
    if not (isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return value
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    return {key: _pruned(item, fields[key]) for key, item in value.items() if key in fields}


class _Row(msgspec.Struct, gc=False):
    """What is kept in memory of a run."""

    status: str = Status.QUEUED
    identity: str = ""
    name: str = ""


class _Name(msgspec.Struct):
    name: str = ""


class _Fields(msgspec.Struct):
    """Where it stands in a document, or in an update of one: absent there if it did not change."""

    status: str | msgspec.UnsetType = msgspec.UNSET
    identity: str | msgspec.UnsetType = msgspec.UNSET
    spec: _Name | msgspec.UnsetType = msgspec.UNSET


_fields_decoder = msgspec.json.Decoder(_Fields)


class _Asked(msgspec.Struct):
    """Of a spec, what its work has: its values stay as they are written."""

    task: str
    params: dict[str, msgspec.Raw] = {}


class _Shape(msgspec.Struct):
    spec: _Asked


_shape_decoder = msgspec.json.Decoder(_Shape)


def _set(row: _Row, document: msgspec.Raw) -> None:
    try:
        fields = _fields_decoder.decode(document)
    except msgspec.ValidationError:
        return  # not one of ours: it can be asked for, and says then what is wrong with it
    if fields.status is not msgspec.UNSET:
        row.status = _status(fields.status)
    if fields.identity is not msgspec.UNSET:
        row.identity = fields.identity
    if fields.spec is not msgspec.UNSET:
        row.name = fields.spec.name


class _RunIndex:
    """Runs by status and by identity, kept as the journal is read."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self.by_status: dict[str, set[int]] = {}
        self.by_identity: dict[str, tuple[int, ...]] = {}

    def clear(self) -> None:
        self._rows.clear()
        self.by_status.clear()
        self.by_identity.clear()

    def put(self, doc_id: int, document: msgspec.Raw, /) -> None:
        if doc_id in self._rows:
            self.remove(doc_id)
        self._add(doc_id, _Row(), document)

    def update(self, doc_id: int, fields: msgspec.Raw, /) -> None:
        row = self._rows[doc_id]
        self.remove(doc_id)
        self._add(doc_id, row, fields)

    def remove(self, doc_id: int, /) -> None:
        row = self._rows.pop(doc_id)
        self.by_status[row.status].discard(doc_id)
        left = tuple(other for other in self.by_identity[row.identity] if other != doc_id)
        if left:
            self.by_identity[row.identity] = left
        else:
            del self.by_identity[row.identity]

    def named(self, name: str) -> list[int]:
        return [doc_id for doc_id, row in self._rows.items() if row.name == name]

    def names(self) -> list[str]:
        return [row.name for row in self._rows.values() if row.name]

    def _add(self, doc_id: int, row: _Row, document: msgspec.Raw) -> None:
        _set(row, document)
        self._rows[doc_id] = row
        self.by_status.setdefault(row.status, set()).add(doc_id)
        self.by_identity[row.identity] = (*self.by_identity.get(row.identity, ()), doc_id)
