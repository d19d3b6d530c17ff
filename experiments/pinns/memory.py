"""Memory that runs out, said in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.api import TaskError, lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


@contextmanager
def enough_memory() -> Iterator[None]:
    """Raises TaskError where an allocation fails inside, on whatever device."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _said(error) from error
    except RuntimeError as error:
        if not any(word in str(error) for word in ("DefaultCPUAllocator", "_ALLOC_FAILED")):  # of cuBLAS, for one
            raise
        raise _said(error) from error


def _said(error: BaseException) -> TaskError:
    line = (str(error).strip().splitlines() or ["none left"])[0]
    got = ". ".join(line.split(". ")[:3])  # how it came to that follows, in the same line
    hint = (
        "lower points, model.width or model.depth, or optimizer.history; ssbfgs and ssbroyden need the square of the "
        "parameters, optimizer=lbfgs does not"
    )
    return TaskError(f"out of memory: required what this run allocates, got {got} ({hint})")
