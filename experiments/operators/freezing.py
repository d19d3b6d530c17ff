"""Parts of a model that fine-tuning leaves as they are."""

from __future__ import annotations

from collections.abc import Iterable

from engine.api import TaskError


def frozen(parts: Iterable[str], names: Iterable[str]) -> frozenset[str]:
    """The parameters that belong to these parts: `blocks.0.weight` to `blocks`, and to `blocks.0`.

    Raises TaskError where there is no such part, or nothing is left to train.
    """
    names = tuple(names)
    known = sorted({name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)})
    found: set[str] = set()
    for part in parts:
        if part not in known:
            raise TaskError(f"freeze: required parts of the model, out of {', '.join(known)}, got {part}")
        found |= {name for name in names if name.startswith(part + ".")}
    if len(found) == len(names):
        raise TaskError("freeze: required a part that is trained, got none; mode=zeroshot trains nothing")
    return frozenset(found)
