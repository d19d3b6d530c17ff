"""Files that are either the old ones or the new ones, whole, whatever happens in between."""

from __future__ import annotations

import errno
import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.errors import StoreError, StoreFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM})


def store_error(error: OSError, path: str | os.PathLike[str]) -> StoreError:
    """What an operating-system error on `path` means to a person; StoreFull where space or a quota ran out."""
    if error.errno in _FULL:
        return StoreFull(f"{path}: required space for a write, got none ({error.strerror}); free some, then go on")
    if error.errno == errno.EROFS:
        return StoreError(f"{path}: required a place that can be written, got {error.strerror}; --readonly looks only")
    if error.errno in _REFUSED:
        return StoreError(
            f"{path}: required the right to open it, got {error.strerror}; "
            "change its owner or mode, or name another home with --home DIR"
        )
    return StoreError(f"{path}: {error.strerror or error}")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends well, and vanishes when it does not.

    Written beside `path` under a hidden name, flushed to the disk, renamed; the folder is flushed too, so that the
    rename outlives a power cut. Raises StoreFull or StoreError.
    """
    temporary = path.with_name(_temporary(path.name, secrets.token_hex(4)))
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise store_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write(path: Path, data: bytes) -> None:
    """Replaces the contents of `path`. Raises StoreFull or StoreError."""
    with replacing(path) as file:
        file.write(data)


def sweep(path: Path) -> None:
    """Removes what killed writers of `path` left beside it. Only for who keeps other writers of it out."""
    for left in path.parent.glob(_temporary(glob.escape(path.name), "*")):
        left.unlink(missing_ok=True)


def append(fd: int, data: bytes) -> None:
    """Appends all of `data` or, where that fails, nothing. Raises OSError. Only one may append to a file at a time."""
    size = os.fstat(fd).st_size
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        os.ftruncate(fd, size)
        raise


def sync_folder(folder: Path) -> None:
    """Flushes the names in a folder, where its file system knows how to."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _temporary(name: str, token: str) -> str:
    return f".{name}.{token}.tmp"
