"""The metric stream of a run: one writer, any number of readers, columns of float64.

The file is lines of JSON, only ever appended to:

    {"sciml_tui":"stream","format":1}
    {"points":{"step":[1,2],"time":[...],"loss":[...]}}     a batch of points; null where a column has no value
    {"table":"stages","documents":[{...}]}                  documents of another table
    {"rewind":100}                                          what came after step 100 no longer counts

NaN and the infinities are written as `engine.store.codec` says. A missing value is read as a NaN too, told apart from
one that was measured only where points become documents.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine import atomic
from engine.errors import StoreCorrupt, StoreError
from engine.store import codec
from engine.store.columns import Columns, as_documents

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
POINTS = "metrics"
"""The table of points, as TinyDB sees it."""

_READ = 1 << 20  # bytes read at once
_TAIL = 1 << 16  # bytes that a tail reads first
_BLOCK = 4096  # points turned into documents at once
_UNREADABLE = (ValueError, KeyError, TypeError)


class Header(msgspec.Struct, kw_only=True, rename={"kind": "sciml_tui"}):
    kind: str = "stream"
    format: int = FORMAT


class _Line(msgspec.Struct, kw_only=True):
    """One line: points, or documents, or a rewind, or the header."""

    points: msgspec.Raw = msgspec.Raw()
    table: str = ""
    documents: list[msgspec.Raw] = []
    rewind: int | None = None
    sciml_tui: str = ""
    format: int = 0


_line_decoder = msgspec.json.Decoder(_Line)
_columns_decoder = msgspec.json.Decoder(dict[str, list[float]])
_encoder = msgspec.json.Encoder()


class StreamWriter:
    """Appends to a stream; the only writer of its file. Safe for threads.

    A point reaches the file after `max_delay` seconds at most, or with `max_rows` others. Raises StoreFull, from any
    call after the disk was found full; what was reported before is kept and written once there is room again.
    """

    def __init__(self, path: Path, *, max_delay: float = 0.1, max_rows: int = 256) -> None:
        self.path = path
        self._max_delay, self._max_rows = max_delay, max_rows
        self._rows: list[tuple[int, float, dict[str, float]]] = []
        self._lines: list[bytes] = []
        self._lock = threading.RLock()
        self._waiting = threading.Event()
        self._closed = threading.Event()
        self._failed = False
        self._flushed = 0.0
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise atomic.store_error(error, path) from error
        self._begin()
        self._timer = threading.Thread(target=self._flush_in_time, name="stream", daemon=True)
        self._timer.start()

    def point(self, step: int, values: Mapping[str, float]) -> None:
        """One point of the curves at `step`, now. Raises TypeError or ValueError for what is no number."""
        if "step" in values or "time" in values:
            raise ValueError("metrics: required names other than step and time, which every point has; choose another")
        row = (int(step), time.time(), {name: float(value) for name, value in values.items()})
        with self._lock:
            self._ready()
            self._rows.append(row)
            if len(self._rows) >= self._max_rows or row[1] - self._flushed >= self._max_delay:
                self.flush()  # the first after a while is seen at once
            elif not self._waiting.is_set():
                self._waiting.set()

    def record(self, table: str, document: Mapping[str, Any]) -> None:
        """A document of another table: a stage, progress, a warning, stored fields."""
        text = codec.encode(dict(document))
        with self._lock:
            self._ready()
            self._batch()
            self._lines.append(_encoder.encode({"table": table, "documents": [msgspec.Raw(text)]}) + b"\n")
            self._waiting.set()

    def rewind(self, step: int) -> None:
        """From now on, points and documents with a step above this one do not count. Written at once."""
        with self._lock:
            self._batch()
            self._lines.append(_encoder.encode({"rewind": step}) + b"\n")
            self.flush()

    def flush(self, *, durable: bool = False) -> None:
        """Writes what waits; `durable` also waits for the disk, for the sake of a checkpoint that refers to it."""
        with self._lock:
            self._batch()
            while self._lines:  # one by one: if the disk is full, a reader has taken whole lines or nothing
                self._write(self._lines[0])
                del self._lines[0]
            self._waiting.clear()
            self._flushed = time.time()
            if durable:
                try:
                    os.fdatasync(self._fd)
                except OSError as error:
                    raise atomic.store_error(error, self.path) from error

    def close(self) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            self._waiting.set()
            try:
                self.flush(durable=True)
            finally:
                self._lines.clear()
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> None:
        try:
            if not _check_header(self._fd, self.path):
                os.ftruncate(self._fd, 0)
                atomic.append(self._fd, _encoder.encode(Header()) + b"\n")
            elif os.pread(self._fd, 1, os.fstat(self._fd).st_size - 1) != b"\n":
                atomic.append(self._fd, codec.TORN)
        except (OSError, StoreError) as error:
            os.close(self._fd)
            if isinstance(error, StoreError):
                raise
            raise atomic.store_error(error, self.path) from error

    def _ready(self) -> None:
        if self._closed.is_set():
            raise StoreError(f"{self.path}: required a stream that is open, got one that was closed")
        if self._failed:
            self.flush()

    def _batch(self) -> None:
        """Turns the rows that wait into a line of columns."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        columns: dict[str, list[float | None]] = {
            "step": [step for step, _, _ in rows],
            "time": [at for _, at, _ in rows],
        }
        for name in dict.fromkeys(name for _, _, values in rows for name in values):
            columns[name] = [values.get(name) for _, _, values in rows]
        self._lines.append(codec.encode({"points": columns}) + b"\n")

    def _write(self, data: bytes) -> None:
        try:
            atomic.append(self._fd, data)
        except OSError as error:
            self._failed = True
            raise atomic.store_error(error, self.path) from error
        self._failed = False

    def _flush_in_time(self) -> None:
        while True:
            self._waiting.wait()
            if self._closed.wait(self._max_delay):
                return
            try:
                self.flush()
            except StoreError:
                self._waiting.clear()  # the next call of the run's own raises it


class StreamReader:
    """Reads a stream as it grows, into columns. Safe for threads. The file may not be there yet.

    Raises StoreCorrupt if it is no stream.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        """Grows with whatever changes what is read."""
        self.torn = 0
        """Lines that cannot be read, left by killed writers."""
        self._fd = -1
        self._position = self._size = 0
        self._lock = threading.RLock()
        self._points = Columns()
        self._documents: dict[str, list[bytes]] = {}

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)

    def poll(self) -> bool:
        """Reads on; whether there was anything new. One fstat if there was not."""
        with self._lock:
            if self._fd < 0 and not self._open():
                return False
            size, version = os.fstat(self._fd).st_size, self.version
            if size == self._size:
                return False
        reading = True
        while reading:  # in pieces, so that other threads never wait for a whole long file
            with self._lock:
                reading = self._read_on(size)
        self._size = size
        return self.version != version

    @property
    def length(self) -> int:
        """The number of points."""
        return self._points.length

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """{name: float64 (length,)}, `step` and `time` among them, NaN where a point has no value.

        Read-only views that later polls leave as they are; no data is copied.
        """
        with self._lock:
            return self._points.views()

    @property
    def last(self) -> dict[str, float]:
        """The newest value of each column."""
        with self._lock:
            return self._points.last()

    def documents(self, table: str) -> list[dict[str, Any]]:
        """Documents of a table other than the points, in the order they were recorded."""
        with self._lock:
            texts = list(self._documents.get(table, ()))
        return [codec.decode(text) for text in texts]

    def newest(self, table: str) -> dict[str, Any] | None:
        """The last document of a table, or None."""
        with self._lock:
            texts = self._documents.get(table)
            return codec.decode(texts[-1]) if texts else None

    @property
    def tables(self) -> set[str]:
        """Tables that have anything in them."""
        with self._lock:
            found = {name for name, texts in self._documents.items() if texts}
            return found | {POINTS} if self._points.length else found

    def points(self, begin: int = 0, end: int | None = None) -> Iterator[dict[str, float]]:
        """Points as documents: only the values that were reported, `step` a whole number."""
        with self._lock:
            stop = self._points.length if end is None else min(end, self._points.length)
            columns = self._points.views()
        for first in range(begin, stop, _BLOCK):
            yield from as_documents(columns, first, min(first + _BLOCK, stop))

    def _open(self) -> bool:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise atomic.store_error(error, self.path) from error
        try:
            begun = _check_header(fd, self.path)
        except BaseException:
            os.close(fd)
            raise
        if begun:
            self._fd = fd
        else:
            os.close(fd)
        return begun

    def _read_on(self, size: int) -> bool:
        """Takes in some of the lines before `size`; whether there were any."""
        data = os.pread(self._fd, min(max(size - self._position, 0), _READ), self._position)
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) == _READ:  # a line longer than one reading
            data = os.pread(self._fd, size - self._position, self._position)
            end = data.rfind(b"\n") + 1
        for text in data[:end].split(b"\n")[:-1]:
            self._take(text)
        self._position += end
        return end > 0

    def _take(self, text: bytes) -> None:
        try:
            line = _line_decoder.decode(text)
            if line.points:
                self._points.extend(_batch(line.points))
            elif line.rewind is not None:
                self._rewind(line.rewind)
            elif line.table:
                self._documents.setdefault(line.table, []).extend(map(bytes, line.documents))
            else:
                return
        except _UNREADABLE:
            self.torn += 1
            return
        self.version += 1

    def _rewind(self, step: int) -> None:
        self._points.rewind(step)
        for name, texts in self._documents.items():
            self._documents[name] = [text for text in texts if not _step(text) > step]


def tail(path: Path, columns: Iterable[str], points: int = 64) -> dict[str, list[float]]:
    """The last values of some columns, NaN and missing ones left out, oldest first: enough for a list's trend line.

    Reads the end of the file only, at most a megabyte. A file that is not there has none.
    """
    wanted = tuple(columns)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return {name: [] for name in wanted}
    except OSError as error:
        raise atomic.store_error(error, path) from error
    try:
        size = os.fstat(fd).st_size
        span = _TAIL
        while True:
            begin = max(size - span, 0)
            data = os.pread(fd, size - begin, begin)
            found = _last_values(data if begin == 0 else data.partition(b"\n")[2], wanted)
            if begin == 0 or span >= _TAIL * 16 or all(len(values) >= points for values in found.values()):
                return {name: values[-points:] for name, values in found.items()}
            span *= 4
    finally:
        os.close(fd)


def _last_values(data: bytes, columns: tuple[str, ...]) -> dict[str, list[float]]:
    rows: list[tuple[float, list[float | None]]] = []
    for text in data.split(b"\n")[:-1]:
        try:
            line = _line_decoder.decode(text)
            if line.points:
                batch = _batch(line.points)
                empty: list[float | None] = [None] * len(batch["step"])
                values = zip(*(batch.get(name, empty) for name in columns), strict=True)
                rows.extend(zip((step or 0 for step in batch["step"]), map(list, values), strict=True))
            elif line.rewind is not None:
                until = line.rewind
                rows = [row for row in rows if row[0] <= until]
        except _UNREADABLE:
            continue
    columns_of = {name: [values[i] for _, values in rows] for i, name in enumerate(columns)}
    return {name: [v for v in values if v is not None and v == v] for name, values in columns_of.items()}


def _check_header(fd: int, path: Path) -> bool:
    """Whether the header is there yet. Raises StoreCorrupt, or StoreError for a newer format."""
    first = os.pread(fd, 4096, 0)
    line, newline, _ = first.partition(b"\n")
    if not newline and _encoder.encode(Header()).startswith(line):
        return False  # its writer is just beginning
    try:
        header = msgspec.json.decode(line, type=Header)
        if header.kind != "stream":
            raise msgspec.ValidationError("another kind of file")
    except _UNREADABLE:
        raise StoreCorrupt(
            f"{path}: required a stream of metrics, got a file that begins {line[:40]!r}; move it away"
        ) from None
    if header.format > FORMAT:
        raise StoreError(
            f"{path}: required format {FORMAT} or older, got {header.format}, written by a newer sciml-tui; upgrade"
        )
    return True


def _batch(text: msgspec.Raw) -> dict[str, list[float | None]]:
    try:
        return _columns_decoder.decode(text)  # type: ignore[return-value]
    except msgspec.ValidationError:  # a value is missing or not finite
        return codec.decode(bytes(text))


class _StepOf(msgspec.Struct):
    step: float = float("-inf")


_step_decoder = msgspec.json.Decoder(_StepOf)


def _step(document: bytes) -> float:
    """The step of a document; one without any belongs to the run as a whole, and is never rewound."""
    try:
        return _step_decoder.decode(document).step
    except msgspec.ValidationError:
        return float("-inf")
