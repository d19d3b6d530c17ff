"""An append-only journal as a storage of TinyDB: many processes write, a write costs what it changes, none is lost.

The file is lines of JSON. The first is the header (format, generation, and the highest id that each table ever gave
out, so that no id is used twice); every other line is one change, whole or not at all:

    {"table":"runs","put":[17],"documents":[{...}]}         documents that are new or replaced
    {"table":"runs","update":[17],"documents":[{...}]}      top-level fields that changed
    {"table":"runs","remove":[17]}   {"table":"runs","clear":true}   {"table":"runs","drop":true}

Bytes once written never change, so readers take no lock: they read on from where they were, up to the last newline.
A line torn by a crash is ended by the next writer with a mark that makes it unreadable for good. Compaction writes a
new file and renames it over the old one; readers read the old one to its end, then open the new.

In memory are the places of documents, not the documents: they are decoded when asked for, so that nobody shares one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tinydb.storages import Storage

from engine import atomic, locks
from engine.errors import StoreCorrupt, StoreError, StoreFull
from engine.store import codec
from engine.store.places import Observer, Places
from engine.store.segment import Header, Record, Segment

_CHAIN = 8  # updates on top of a document before it is written anew
_CHUNK = 256  # documents on a line of a compacted journal
_READ = 1 << 20  # bytes read at once when catching up

_record_decoder = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


class JournalStorage(Storage):
    """A journal file, safe for any number of threads and processes.

    readonly: nothing is written or made, no lock is taken. sync: a write is on the disk when it is acknowledged (off
    for benchmarks: then a power cut may lose the last ones, a killed process still loses none). compact_lines: the
    journal is compacted when it has more lines than this, and more than documents. observers: by table.
    Raises StoreCorrupt, StoreError; writes raise StoreFull.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        readonly: bool = False,
        sync: bool = True,
        compact_lines: int = 4096,
        observers: Mapping[str, Observer] | None = None,
    ) -> None:
        self.path = Path(path)
        self.readonly = readonly
        self.torn = 0
        """Lines that cannot be read: writes that a crash cut off, never acknowledged."""
        self._sync = sync
        self._compact_lines = compact_lines
        self._observers = dict(observers or {})
        self._lock_path = self.path.with_name(self.path.name + ".lock")
        self._writer = threading.RLock()  # taken before _state, never after it
        self._state = threading.RLock()
        self._held: locks.Held | None = None
        self._depth = 0
        self._unsynced = False
        self._segment: Segment | None = None
        self._generation = 0
        self._position = self._size = self._lines = self._repeated = 0
        self._tables: dict[str, Places] = {}
        self.refresh()
        for places in self._tables.values():
            places.changed.clear()

    # Reading

    def refresh(self) -> bool:
        """Takes in what was written since, here or elsewhere; whether there was anything. One stat if there was not."""
        with self._state:
            try:
                found = os.stat(self.path)  # noqa: PTH116  on the path of every read
            except FileNotFoundError:
                return self._forget() if self._segment else False
            except OSError as error:
                raise atomic.store_error(error, self.path) from error
            if found.st_size == 0:
                return self._forget() if self._segment else False
            if self._segment is None or self._segment.identity != (found.st_dev, found.st_ino):
                return self._reopen()
            if found.st_size < self._position:  # somebody put another file in its place, against the rules
                self._segment = None
                return self._reopen()
            return found.st_size != self._size and self._read_on(found.st_size)

    def version(self, table: str) -> int:
        """Grows whenever the table changes."""
        self.refresh()
        with self._state:
            places = self._tables.get(table)
            return places.version if places else 0

    @contextmanager
    def still(self) -> Iterator[None]:
        """What is known stays as it is inside the block, whatever other threads do. Keep it short, and never write."""
        with self._state:
            yield

    def names(self) -> set[str]:
        self.refresh()
        with self._state:
            return {name for name, places in self._tables.items() if places.exists}

    def top(self, table: str) -> int:
        """The highest id that the table ever gave out, those of removed documents among them."""
        with self._state:
            places = self._tables.get(table)
            return places.top if places else 0

    def ids(self, table: str) -> list[int]:
        with self._state:
            places = self._tables.get(table)
            return list(places.chains) if places else []

    def has(self, table: str, doc_id: int) -> bool:
        with self._state:
            places = self._tables.get(table)
            return places is not None and doc_id in places.chains

    def count(self, table: str) -> int:
        with self._state:
            places = self._tables.get(table)
            return len(places.chains) if places else 0

    def document(self, table: str, doc_id: int) -> bytes | None:
        """A document's JSON, or None."""
        with self._state:
            places = self._tables.get(table)
            if self._segment is None or places is None or doc_id not in places.chains:
                return None
            segment, chain = self._segment, places.chain(doc_id)
        return segment.document(chain)

    def documents(self, table: str, ids: Iterable[int] | None = None) -> Iterator[tuple[int, bytes]]:
        """(id, JSON) of all documents of a table as it is now, or of those of `ids` that are there."""
        with self._state:
            places = self._tables.get(table)
            if self._segment is None or places is None:
                return iter(())
            wanted = places.chains if ids is None else [doc_id for doc_id in ids if doc_id in places.chains]
            chains = [(doc_id, places.chain(doc_id)) for doc_id in wanted]
            return self._segment.documents(chains)

    def take_changes(self, table: str) -> set[int]:
        """Ids of documents added, changed or removed since the last call (the first: since the journal was opened)."""
        self.refresh()
        with self._state:
            places = self._tables.get(table)
            if places is None:
                return set()
            changed, places.changed = places.changed, set()
            return changed

    def _reopen(self) -> bool:
        old, generation = self._segment, self._generation
        if old is not None:
            self._read_on(old.size)  # nobody appends to a file that was replaced: this is all of it
        try:
            segment = Segment(self.path)
        except FileNotFoundError:
            return self._forget()
        except OSError as error:
            raise atomic.store_error(error, self.path) from error
        header, self._position = segment.header()
        before = self._tables
        self._segment, self._generation = segment, header.generation
        self._size = self._lines = 0
        self._tables = {
            name: self._fresh(name, before.get(name), header.top.get(name, 0)) for name in {*before, *header.top}
        }
        same = old is not None and header.generation == generation + 1
        self._repeated = header.compacted if same else 0
        for name, known in before.items():
            self._tables[name].changed.update(known.changed, () if self._repeated else known.chains)
        self._read_on(segment.size)
        return True

    def _fresh(self, name: str, known: Places | None, top: int) -> Places:
        places = Places(top, self._observers.get(name))
        if places.observer:
            places.observer.clear()
        if known:
            places.version = known.version + 1
        return places

    def _forget(self) -> bool:
        """The file is gone: so are its documents."""
        self._segment, self._position, self._size, self._lines = None, 0, 0, 0
        for places in self._tables.values():
            places.apply(Record(table="", drop=True))
        return True

    def _read_on(self, size: int) -> bool:
        """Takes in the lines between the position and `size`; a tail without a newline is not a line yet."""
        assert self._segment is not None
        before = at = self._position
        begun: list[bytes] = []  # of a line that is longer than one reading
        while at < size and (data := os.pread(self._segment.fd, min(size - at, _READ), at)):
            at += len(data)
            *lines, rest = data.split(b"\n")
            for line in lines:
                whole = b"".join((*begun, line)) if begun else line
                begun.clear()
                self._take(whole)
                self._position += len(whole) + 1
            begun.append(rest)
        self._size = size
        return self._position > before

    def _take(self, line: bytes) -> None:
        self._lines += 1
        try:
            record = _record_decoder.decode(line)
        except ValueError:  # msgspec's errors are
            self.torn += 1
            return
        documents = record.documents
        begin = len(line) - len(b"]}") - sum(map(len, documents)) - max(len(documents) - 1, 0)
        if len(documents) != len(record.put) + len(record.update) or (documents and line[begin - 1 : begin] != b"["):
            raise StoreCorrupt(
                f"{self.path}: required a line as sciml-tui writes it, got one changed by hand at byte "
                f"{self._position}; put a copy from before the change in its place"
            )
        places = self._tables.get(record.table)
        if places is None:
            places = self._tables[record.table] = self._fresh(record.table, None, 0)
        if self._lines > self._repeated:
            places.apply(record, self._position + begin)
        else:
            changed, places.changed = places.changed, set()
            places.apply(record, self._position + begin)
            places.changed = changed

    # Writing

    @contextmanager
    def lock(self) -> Iterator[JournalStorage]:
        """Nobody else writes inside the block, and everything written before is known. Re-entrant.

        What is written inside is on the disk when the outermost block ends.
        """
        if self.readonly:
            raise StoreError(f"{self.path}: required a home that may be written, got one that was opened read-only")
        with self._writer:
            if self._depth == 0:
                self._held = locks.acquire(self._lock_path, wait=True)
            self._depth += 1
            try:
                if self._depth == 1:
                    self.refresh()
                yield self
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._unlock()

    def _unlock(self) -> None:
        assert self._held is not None
        try:
            if self._unsynced and self._sync and self._segment:
                os.fdatasync(self._segment.appending())
        except OSError as error:
            raise atomic.store_error(error, self.path) from error
        finally:
            self._unsynced = False
            self._held.release()
            self._held = None

    def append(
        self,
        table: str,
        *,
        put: Mapping[int, Any] | None = None,
        update: Mapping[int, Mapping[str, Any]] | None = None,
        remove: Iterable[int] = (),
        clear: bool = False,
        drop: bool = False,
    ) -> None:
        """Writes one change of one table, whole or not at all. Raises StoreFull; then nothing was changed."""
        puts, updates = dict(put or {}), dict(update or {})
        encoded = {doc_id: codec.encode(document) for doc_id, document in puts.items()}
        fields = {doc_id: codec.encode(changed) for doc_id, changed in updates.items()}
        with self.lock():
            self._fold(table, encoded, fields)
            record = Record(
                table=table,
                drop=drop,
                clear=clear,
                remove=list(remove),
                put=list(encoded),
                update=list(fields),
                documents=[msgspec.Raw(text) for text in (*encoded.values(), *fields.values())],
            )
            self._write(_encoder.encode(record) + b"\n")
            if self._lines > max(self._compact_lines, sum(len(places.chains) for places in self._tables.values())):
                self._try_to_compact()

    def _fold(self, table: str, encoded: dict[int, bytes], fields: dict[int, bytes]) -> None:
        """Long chains of updates become documents again, so that reading one stays cheap."""
        places = self._tables.get(table)
        for doc_id in list(fields):
            if places and doc_id in places.chains and len(places.chain(doc_id)) > _CHAIN:
                document = self.document(table, doc_id)
                assert document is not None
                whole = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
                whole.update(msgspec.json.decode(fields.pop(doc_id), type=dict[str, msgspec.Raw]))
                encoded[doc_id] = _encoder.encode(whole)

    def _write(self, line: bytes) -> None:
        with self._state:
            if self._segment is None:
                self._create()
            segment = self._segment
            assert segment is not None
            fd, size = segment.appending(), segment.size
            if size > self._position:
                line = codec.TORN + line
            self._unsynced = True
            try:
                atomic.append(fd, line)  # readers take whole lines: of one that was cut off again they knew nothing
            except OSError as error:
                raise atomic.store_error(error, self.path) from error
            self._read_on(size + len(line))

    def _create(self) -> None:
        tops = {name: places.top for name, places in self._tables.items()}
        atomic.write(self.path, _encoder.encode(Header(generation=self._generation + 1, top=tops)) + b"\n")
        self.refresh()

    def _try_to_compact(self) -> None:
        try:
            self.compact()
        except StoreFull:
            self._lines = self._repeated = 0  # what was to be written is written; room for a copy is looked for later

    def compact(self) -> None:
        """Rewrites the journal to what it says. Raises StoreFull; then the old one stays."""
        with self.lock():
            if self._segment is not None:
                chunks = list(self._chunks())
                self._rewrite((self._said_again(name, ids) for name, ids in chunks), compacted=len(chunks))

    def _chunks(self) -> Iterator[tuple[str, list[int]]]:
        """Every table, begun by an empty chunk, in chunks of ids."""
        for name, places in self._tables.items():
            if places.exists:
                yield name, []
                ids = list(places.chains)
                yield from ((name, ids[begin : begin + _CHUNK]) for begin in range(0, len(ids), _CHUNK))

    def _said_again(self, name: str, ids: list[int]) -> Record:
        documents = [msgspec.Raw(text) for _, text in self.documents(name, ids)]
        return Record(table=name, clear=not ids, put=ids, documents=documents)

    def _rewrite(self, records: Iterable[Record], compacted: int = 0) -> None:
        tops = {name: places.top for name, places in self._tables.items()}
        header = Header(generation=self._generation + 1, compacted=compacted, top=tops)
        atomic.sweep(self.path)
        with atomic.replacing(self.path) as file:
            file.write(_encoder.encode(header) + b"\n")
            for record in records:
                file.write(_encoder.encode(record) + b"\n")
        self._unsynced = False
        self.refresh()

    # What TinyDB asks of a storage

    def read(self) -> dict[str, dict[str, Any]] | None:
        """All tables, decoded: for TinyDB's own classes; JournalTable reads no more than it needs."""
        return {
            name: {str(doc_id): codec.decode(text) for doc_id, text in self.documents(name)} for name in self.names()
        } or None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replaces everything, at once."""
        records = []
        for name, table in data.items():
            documents = [msgspec.Raw(codec.encode(document)) for document in table.values()]
            records.append(Record(table=name, clear=True))
            records.append(Record(table=name, put=[int(doc_id) for doc_id in table], documents=documents))
        with self.lock():
            self._rewrite(records)

    def close(self) -> None:
        with self._state:
            self._segment = None
            self._tables.clear()
