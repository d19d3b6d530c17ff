"""Files on their way to a shelf: copied to its disk under a name that no list shows, and moved to their place whole.

Each copy has a hidden folder with a lock that whoever copies holds. What a killed one left behind is so told from what
is under way, and goes when the next one comes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import atomic, locks
from engine.store.catalog import Catalog

_PREFIX = ".staged-"
_LOCK = "lock"


@contextmanager
def staged(catalog: Catalog, path: Path, shelf: Path) -> Iterator[Path]:
    """A copy of a file on the disk of the shelf; what was not moved away is gone when the block ends.

    Call it outside the catalogue's lock, which keeps others from sweeping what is not locked yet. Raises StoreError.
    """
    try:
        with catalog.lock():
            for left in leftovers(shelf):
                shutil.rmtree(left, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=shelf))
            lock = locks.acquire(folder / _LOCK)
    except OSError as error:
        raise atomic.store_error(error, shelf) from error
    try:
        copy = folder / f"copy{path.suffix}"
        with atomic.replacing(copy) as target, path.open("rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
        yield copy
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock:
            lock.release()


def leftovers(shelf: Path) -> list[Path]:
    """The folders of copies that nobody is at any more."""
    return [folder for folder in sorted(shelf.glob(f"{_PREFIX}*")) if not locks.held(folder / _LOCK)]
