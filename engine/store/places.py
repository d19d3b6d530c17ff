"""Where the documents of one table are in a journal, as its lines say, one after another."""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.store.segment import Chain, Place, Record


class Observer(Protocol):
    """Told of every document of one table as it is read, as JSON, to keep an index of its own."""

    def clear(self) -> None: ...
    def put(self, doc_id: int, document: msgspec.Raw, /) -> None: ...
    def update(self, doc_id: int, fields: msgspec.Raw, /) -> None: ...
    def remove(self, doc_id: int, /) -> None: ...


class Places:
    """Where the documents of one table are. `top`: the highest id it ever gave out."""

    __slots__ = ("chains", "changed", "exists", "observer", "top", "version")

    def __init__(self, top: int, observer: Observer | None) -> None:
        self.chains: dict[int, Place | Chain] = {}
        self.top = top
        self.exists = False
        self.version = 0
        self.changed: set[int] = set()
        self.observer = observer

    def apply(self, record: Record, documents: int = 0) -> None:
        """Takes in a line whose documents begin at this offset of the file."""
        self.exists = not record.drop
        self.version += 1
        if record.clear or record.drop:
            self.changed.update(self.chains)
            self.chains.clear()
            if self.observer:
                self.observer.clear()
        for doc_id in record.remove:
            if self.chains.pop(doc_id, None) is not None:
                self.changed.add(doc_id)
                if self.observer:
                    self.observer.remove(doc_id)
        if record.documents:
            self._apply_documents(record, documents)

    def _apply_documents(self, record: Record, offset: int) -> None:
        documents = iter(record.documents)
        for doc_id in record.put:
            document = next(documents)
            self.chains[doc_id] = offset << 32 | len(document)
            offset += len(document) + 1
            if self.observer:
                self.observer.put(doc_id, document)
        if record.put:
            self.top = max(self.top, *record.put)
            self.changed.update(record.put)
        for doc_id in record.update:
            fields = next(documents)
            if doc_id in self.chains:
                self.chains[doc_id] = (*self.chain(doc_id), offset << 32 | len(fields))
                self.changed.add(doc_id)
                if self.observer:
                    self.observer.update(doc_id, fields)
            offset += len(fields) + 1

    def chain(self, doc_id: int) -> Chain:
        """The places of a document and of the updates on top of it. Raises KeyError."""
        chain = self.chains[doc_id]
        return chain if isinstance(chain, tuple) else (chain,)
