"""A metric stream as a TinyDB, for reading: every point is a document."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from engine.errors import StoreError
from engine.store.stream import POINTS, StreamReader


class _Rows(Mapping[str, dict[str, Any]]):
    """A table of a stream as TinyDB reads it: ids from 1, documents made when they are asked for."""

    def __init__(self, reader: StreamReader, table: str) -> None:
        self._reader, self._table = reader, table

    def __getitem__(self, key: str) -> dict[str, Any]:
        number = int(key) - 1
        if not 0 <= number < len(self):
            raise KeyError(key)
        if self._table == POINTS:
            return next(self._reader.points(number, number + 1))
        return self._reader.documents(self._table)[number]

    def __iter__(self) -> Iterator[str]:
        return map(str, range(1, len(self) + 1))

    def __len__(self) -> int:
        return self._reader.length if self._table == POINTS else len(self._reader.documents(self._table))

    def items(self) -> Any:
        documents = self._reader.points() if self._table == POINTS else self._reader.documents(self._table)
        return ((str(number), document) for number, document in enumerate(documents, 1))


class StreamStorage(Storage):
    """A stream as a storage of TinyDB, to be read only. Raises StoreCorrupt."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.reader = StreamReader(Path(path))

    def read(self) -> dict[str, Any] | None:
        self.reader.poll()
        return {name: _Rows(self.reader, name) for name in self.reader.tables} or None

    def write(self, data: Mapping[str, Any]) -> None:
        raise StoreError(f"{self.reader.path}: a stream is written by its run alone; read it, or export it")


class StreamTable(Table):
    """A table that forgets the answers to queries when the stream has grown."""

    _version = -1

    def search(self, cond: QueryLike) -> list[Document]:
        assert isinstance(self._storage, StreamStorage)
        reader = self._storage.reader
        reader.poll()
        if reader.version != self._version:
            self.clear_cache()
            self._version = reader.version
        return super().search(cond)


class StreamDB(TinyDB):
    table_class = StreamTable
    default_storage_class = StreamStorage  # type: ignore[assignment]  # TinyDB documents it
    default_table_name = POINTS


def open_stream(path: Path) -> TinyDB:
    """The stream as a TinyDB: points in the table `metrics`, the others under their own names. For reading."""
    return StreamDB(path)
