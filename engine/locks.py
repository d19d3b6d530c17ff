"""Locks between processes that no crash can leave behind.

An open-file-description lock belongs to the open file, not to a process: it lasts until the last copy of its descriptor
is closed, so the kernel frees it when its holders die, and it is handed to a child by passing the descriptor.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from types import TracebackType

from engine.atomic import store_error

_FLOCK = "@hhqqi0q"  # struct flock: type, whence, start, len, pid (0, as the kernel asks of these locks), padded
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})


class Held:
    """A lock that is held, through `fd`. As a context manager it is released at the end."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        """Frees the lock, for every holder of a copy of the descriptor."""
        if self.fd >= 0:
            fcntl.fcntl(self.fd, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK))
            self.hand_over()

    def hand_over(self) -> None:
        """Lets go of this copy alone: the lock stays with a child that was started with `pass_fds=[held.fd]`."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Held:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(path: Path, wait: bool = False) -> Held | None:
    """Takes the lock of a file, which is made if it is not there; None if another holds it and we do not `wait`.

    Every call opens the file anew, so that two threads exclude each other as two processes do. The descriptor is not
    inherited by children unless it is passed. Raises StoreError where the file cannot be made or locked.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise store_error(error, path) from error
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK))
    except BaseException as error:
        os.close(fd)
        if not isinstance(error, OSError):
            raise
        if error.errno in _BUSY and not wait:
            return None
        raise store_error(error, path) from error
    return Held(fd)


def adopt(fd: int) -> Held:
    """The lock whose descriptor the parent passed; it is not passed on to children of our own."""
    os.set_inheritable(fd, False)
    return Held(fd)


def held(path: Path) -> bool:
    """Whether anybody holds the lock of a file, found without taking it. A file that is not there is not held."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise store_error(error, path) from error
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _request(fcntl.F_WRLCK))
    except OSError as error:
        raise store_error(error, path) from error
    finally:
        os.close(fd)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _request(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
