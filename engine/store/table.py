"""TinyDB's tables over a journal: the same operations, each costing what it touches.

TinyDB has two private hooks for this, `_read_table` and `_update_table`; what would read or rewrite a whole table
through them is written here anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.table import Document, Table
from tinydb.utils import LRUCache

from engine.store import codec
from engine.store.journal import JournalStorage


class _Documents(Mapping[str, dict[str, Any]]):
    """A table as TinyDB reads it: ids as texts, documents decoded when they are asked for."""

    def __init__(self, journal: JournalStorage, table: str) -> None:
        self._journal, self._table = journal, table

    def __getitem__(self, key: str) -> dict[str, Any]:
        text = self._journal.document(self._table, int(key))
        if text is None:
            raise KeyError(key)
        found: dict[str, Any] = codec.decode(text)
        return found

    def __iter__(self) -> Iterator[str]:
        return map(str, self._journal.ids(self._table))

    def __len__(self) -> int:
        return self._journal.count(self._table)

    def items(self) -> Any:
        return ((str(doc_id), codec.decode(text)) for doc_id, text in self._journal.documents(self._table))


class _Draft(MutableMapping[int, dict[str, Any]]):
    """What an updater of TinyDB's works on; `commit` writes what it changed."""

    def __init__(self, journal: JournalStorage, table: str) -> None:
        self._journal, self._table = journal, table
        self._read: dict[int, dict[str, Any]] = {}
        self._new: dict[int, dict[str, Any]] = {}
        self._gone: set[int] = set()
        self._cleared = False

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._new or (isinstance(doc_id, int) and self._stored(doc_id))

    def _stored(self, doc_id: int) -> bool:
        return not self._cleared and doc_id not in self._gone and self._journal.has(self._table, doc_id)

    def __getitem__(self, doc_id: int) -> dict[str, Any]:
        if doc_id in self._new:
            return self._new[doc_id]
        if not self._stored(doc_id):
            raise KeyError(doc_id)
        if doc_id not in self._read:
            text = self._journal.document(self._table, doc_id)
            assert text is not None
            self._read[doc_id] = codec.decode(text)
        return self._read[doc_id]

    def __setitem__(self, doc_id: int, document: dict[str, Any]) -> None:
        self._new[doc_id] = document

    def __delitem__(self, doc_id: int) -> None:
        if doc_id not in self:
            raise KeyError(doc_id)
        self._new.pop(doc_id, None)
        self._read.pop(doc_id, None)
        self._gone.add(doc_id)

    def __iter__(self) -> Iterator[int]:
        stored = [] if self._cleared else [i for i in self._journal.ids(self._table) if i not in self._gone]
        return iter(stored + [i for i in self._new if not self._stored(i)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        self._cleared = True
        for kept in (self._new, self._read, self._gone):
            kept.clear()

    def commit(self) -> None:
        """Raises StoreFull."""
        put, update = dict(self._new), {}
        for doc_id, document in self._read.items():
            if doc_id in put:
                continue
            text = self._journal.document(self._table, doc_id)
            assert text is not None
            before = codec.decode(text)
            if list(before) != list(document)[: len(before)]:  # a field was removed, or removed and set again
                put[doc_id] = document
            elif changed := _changed(before, document):
                update[doc_id] = changed
        remove = [] if self._cleared else [i for i in self._gone if i not in put and self._journal.has(self._table, i)]
        if put or update or remove or self._cleared:
            self._journal.append(self._table, put=put, update=update, remove=remove, clear=self._cleared)


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Compared as they are written: 1 is not 1.0 and not true, NaN is NaN."""
    return {k: v for k, v in after.items() if k not in before or codec.encode(before[k]) != codec.encode(v)}


class JournalTable(Table):
    """A TinyDB table over a journal: the same operations, each costing what it touches. Safe for threads."""

    _storage: JournalStorage

    def __init__(self, storage: JournalStorage, name: str, **options: Any) -> None:
        self._cache_lock = threading.Lock()
        self._cached_version = -1
        self._cached_ids: LRUCache[QueryLike, list[int]] = LRUCache(self.default_query_cache_capacity)
        super().__init__(storage, name, **options)

    def insert(self, document: Mapping[str, Any]) -> int:
        return self.insert_multiple([document])[0]

    def insert_multiple(self, documents: Iterable[Mapping[str, Any]]) -> list[int]:
        with self._storage.lock() as journal:
            top = journal.top(self.name)
            put: dict[int, dict[str, Any]] = {}
            for document in documents:
                if not isinstance(document, Mapping):
                    raise ValueError("Document is not a Mapping")
                doc_id = document.doc_id if isinstance(document, self.document_class) else top + 1
                if doc_id in put or journal.has(self.name, doc_id):
                    raise ValueError(f"Document with ID {doc_id} already exists")
                top = max(top, doc_id)
                put[doc_id] = dict(document)
            if put:
                journal.append(self.name, put=put)
            return list(put)

    def update(
        self,
        fields: Mapping[str, Any] | Callable[[MutableMapping[str, Any]], None],
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        with self._storage.lock() as journal:
            ids = self._wanted(cond, doc_ids)
            if callable(fields):
                return super().update(fields, doc_ids=ids)
            if ids:
                journal.append(self.name, update=dict.fromkeys(ids, fields))
            return ids

    def upsert(self, document: Mapping[str, Any], cond: QueryLike | None = None) -> list[int]:
        with self._storage.lock():
            return super().upsert(document, cond)

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        if cond is None and doc_ids is None:
            raise RuntimeError("Use truncate() to remove all documents")
        with self._storage.lock() as journal:
            ids = self._wanted(cond, doc_ids)
            if ids:
                journal.append(self.name, remove=ids)
            return ids

    def get(
        self, cond: QueryLike | None = None, doc_id: int | None = None, doc_ids: Iterable[int] | None = None
    ) -> Any:
        table = self._read_table()
        if doc_id is not None:
            found = table.get(str(doc_id))
            return None if found is None else Document(found, doc_id)
        if doc_ids is not None:
            wanted = set(doc_ids)
            ids = [known for known in self._storage.ids(self.name) if known in wanted]
            return [Document(codec.decode(text), known) for known, text in self._storage.documents(self.name, ids)]
        if cond is not None:
            matching = (Document(document, int(key)) for key, document in table.items() if cond(document))
            return next(matching, None)
        raise RuntimeError("You have to pass either cond or doc_id or doc_ids")

    def _wanted(self, cond: QueryLike | None, doc_ids: Iterable[int] | None) -> list[int]:
        """Ids that are there: the given ones, else those that match, else all."""
        if doc_ids is not None:
            return [doc_id for doc_id in doc_ids if self._storage.has(self.name, doc_id)]
        return [document.doc_id for document in self.search(cond)] if cond else self._storage.ids(self.name)

    def search(self, cond: QueryLike) -> list[Document]:
        cached = getattr(cond, "is_cacheable", lambda: True)()
        version = self._storage.version(self.name)
        ids = self._cached(cond, version) if cached else None
        read = ((doc_id, codec.decode(text)) for doc_id, text in self._storage.documents(self.name, ids))
        # ids, not documents, are cached: what is handed out belongs to the caller
        found = [Document(document, doc_id) for doc_id, document in read if ids is not None or cond(document)]
        if cached and ids is None:
            with self._cache_lock:
                if self._cached_version == version == self._storage.version(self.name):
                    self._cached_ids[cond] = [document.doc_id for document in found]
        return found

    def _cached(self, cond: QueryLike, version: int) -> list[int] | None:
        with self._cache_lock:
            if self._cached_version != version:
                self.clear_cache()
                self._cached_version = version
            return self._cached_ids.get(cond)

    def clear_cache(self) -> None:
        self._cached_ids.clear()

    def _read_table(self) -> Any:
        self._storage.refresh()
        return _Documents(self._storage, self.name)

    def _update_table(self, updater: Callable[[Any], None]) -> None:
        with self._storage.lock() as journal:
            draft = _Draft(journal, self.name)
            updater(draft)
            draft.commit()


class JournalDB(TinyDB):
    """TinyDB over a journal: `JournalDB(path, readonly=False, sync=True)`."""

    table_class = JournalTable  # type: ignore[assignment]  # TinyDB means its own, but documents this
    default_storage_class = JournalStorage  # type: ignore[assignment]

    @property
    def journal(self) -> JournalStorage:
        journal = self.storage
        assert isinstance(journal, JournalStorage)
        return journal

    def tables(self) -> set[str]:
        return self.journal.names()

    def drop_table(self, name: str) -> None:
        self._tables.pop(name, None)
        if name in self.tables():
            self.journal.append(name, drop=True)

    def drop_tables(self) -> None:
        with self.journal.lock():
            for name in self.tables():
                self.drop_table(name)
