"""One file of a journal: its lines, and how documents are read from their places in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from engine.errors import StoreCorrupt, StoreError

FORMAT = 1
_WINDOW = 1 << 18  # bytes read at once by scans

Place = int
"""Where the JSON of a document is: offset << 32 | length."""
Chain = tuple[Place, ...]
"""A document, and the updates on top of it."""
_LENGTH = (1 << 32) - 1


class Header(msgspec.Struct, kw_only=True, rename={"kind": "sciml_tui"}):
    """The first line. `compacted`: how many lines after it say again what the generation before said."""

    kind: str = "catalog"
    format: int = FORMAT
    generation: int = 1
    compacted: int = 0
    top: dict[str, int] = {}


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line. `documents` are those of `put`, then those of `update`, in order; they come last in the line."""

    table: str
    drop: bool = False
    clear: bool = False
    remove: list[int] = []
    put: list[int] = []
    update: list[int] = []
    documents: list[msgspec.Raw] = []


_header_decoder = msgspec.json.Decoder(Header)
_encoder = msgspec.json.Encoder()


class Segment:
    """One generation of the file. Whoever still reads the old one keeps it open, so that its places stay good."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(self.fd)
        self.identity = (found.st_dev, found.st_ino)
        self._append_fd = -1

    def __del__(self) -> None:
        for fd in (getattr(self, "fd", -1), getattr(self, "_append_fd", -1)):
            if fd >= 0:
                os.close(fd)

    @property
    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def appending(self) -> int:
        """A descriptor to append through. Call it under the lock."""
        if self._append_fd < 0:
            self._append_fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return self._append_fd

    def header(self) -> tuple[Header, int]:
        """The header and the offset after it. Raises StoreCorrupt or StoreError."""
        line = b""
        while b"\n" not in line:
            more = os.pread(self.fd, 1 << 16, len(line))
            line += more
            if not more or len(line) > 1 << 22:
                break
        line, newline, _ = line.partition(b"\n")
        try:
            header = _header_decoder.decode(line)
            if not newline or header.kind != "catalog":
                raise msgspec.DecodeError("not a catalogue")
        except ValueError:  # msgspec's errors are
            raise StoreCorrupt(
                f"{self.path}: required a catalogue of sciml-tui, got a file that begins {line[:40]!r}; "
                "move it away, or name another home with --home DIR"
            ) from None
        if header.format > FORMAT:
            raise StoreError(
                f"{self.path}: required format {FORMAT} or older, got {header.format}, "
                "written by a newer sciml-tui; upgrade this one, or name another home with --home DIR"
            )
        return header, len(line) + 1

    def documents(self, chains: Iterable[tuple[int, Chain]]) -> Iterator[tuple[int, bytes]]:
        """(id, JSON) of documents, read in windows: they mostly lie one after another."""
        data, start = b"", 0
        for doc_id, (first, *rest) in chains:
            begin, length = (first >> 32) - start, first & _LENGTH
            if begin < 0 or begin + length > len(data):
                start, begin = first >> 32, 0
                data = os.pread(self.fd, max(_WINDOW, length), start)
            document = data[begin : begin + length]
            yield doc_id, self._updated(document, rest) if rest else document

    def document(self, chain: Chain) -> bytes:
        first, *rest = chain
        document = self._read(first)
        return self._updated(document, rest) if rest else document

    def _updated(self, document: bytes, updates: list[Place]) -> bytes:
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        for place in updates:
            fields.update(msgspec.json.decode(self._read(place), type=dict[str, msgspec.Raw]))
        return _encoder.encode(fields)

    def _read(self, place: Place) -> bytes:
        return os.pread(self.fd, place & _LENGTH, place >> 32)
