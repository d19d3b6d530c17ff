"""Memory that runs out, said in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.api import TaskError, out_of_memory

HINT = (
    "lower points, model.width or model.depth, or optimizer.history; ssbfgs and ssbroyden need the square of the "
    "parameters, optimizer=lbfgs does not"
)


@contextmanager
def enough_memory() -> Iterator[None]:
    """Raises TaskError where an allocation fails inside, on whatever device."""
    try:
        yield
    except Exception as error:
        if not (got := out_of_memory(error)):
            raise
        raise TaskError(f"out of memory: required what this run allocates, got {got} ({HINT})") from error
