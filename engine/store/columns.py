"""Columns of float64 that grow, with values that may be missing."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

_MISSING = 0x7FF8_0000_6D69_7373
"""The bits of a missing value: a NaN like no other, so that one that was measured is told from it."""


class Columns:
    """Columns that grow. Written places are never written again, so that views handed out stay as they were."""

    def __init__(self) -> None:
        self.length = 0
        self._capacity = 0
        self._columns: dict[str, np.ndarray] = {}

    def extend(self, batch: Mapping[str, list[float | None]]) -> None:
        count = len(batch["step"])
        if any(len(values) != count for values in batch.values()):
            raise ValueError("columns of a batch differ in length")
        end = self.length + count
        if end > self._capacity:
            self._move(max(1024, end + end // 2))
        for name in batch:
            if name not in self._columns:
                self._columns[name] = _room(self._capacity)
                self._forget(name, 0, self.length)
        for name, column in self._columns.items():
            if name not in batch:
                self._forget(name, self.length, end)
                continue
            written = column[self.length : end]
            written[:] = batch[name]  # NumPy makes a NaN of None
            missing = [row for row in np.flatnonzero(np.isnan(written)) if batch[name][row] is None]
            written.view(np.int64)[missing] = _MISSING
        self.length = end

    def rewind(self, step: float) -> None:
        if self.length:
            kept = np.flatnonzero(self._columns["step"][: self.length] <= step)
            self.length = len(kept)
            self._move(max(1024, 2 * self.length), kept)

    def _move(self, capacity: int, rows: np.ndarray | slice | None = None) -> None:
        """To new arrays: of those handed out before, nothing is overwritten."""
        rows = slice(self.length) if rows is None else rows
        for name, column in self._columns.items():
            moved = self._columns[name] = _room(capacity)
            moved[: self.length] = column[rows]
        self._capacity = capacity

    def _forget(self, name: str, begin: int, end: int) -> None:
        self._columns[name].view(np.int64)[begin:end] = _MISSING

    def views(self) -> dict[str, np.ndarray]:
        views = {name: column[: self.length] for name, column in self._columns.items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    def last(self) -> dict[str, float]:
        found = {}
        for name, column in self._columns.items():
            bits = column.view(np.int64)
            for row in range(self.length - 1, -1, -1):
                if bits[row] != _MISSING:
                    found[name] = float(column[row])
                    break
        return found


def as_documents(columns: Mapping[str, np.ndarray], begin: int, end: int) -> list[dict[str, float]]:
    blocks = {name: column[begin:end] for name, column in columns.items()}
    lists = {name: block.tolist() for name, block in blocks.items()} | {
        "step": blocks["step"].astype(np.int64).tolist()
    }
    documents = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    for name, block in blocks.items():
        for row in np.flatnonzero(block.view(np.int64) == _MISSING).tolist():
            del documents[row][name]
    return documents


def _room(size: int) -> np.ndarray:
    """Pages straight from the system: those not written yet take no memory, and all go back when they are let go."""
    return np.frombuffer(mmap.mmap(-1, 8 * size), np.float64)
