"""CUDA graphs: on a GPU a step of a small network is mostly the launching of its kernels, which a graph replays at
once.
"""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")

Function = Callable[..., tuple["torch.Tensor", ...]]
"""Of tensors; it waits for nothing."""

CAPTURED_AFTER = 10
"""Calls with which a function begins: one that is called less often is not worth a capture."""

WARMUP = 3
"""Evaluations before the capture, in which libraries take their memory; as PyTorch advises."""


_faults: list[str] = []
"""Why captures of this process went wrong, but for memory: what one leaves behind lets the next go wrong as well."""


def are_possible(device: torch.device) -> bool:
    return device.type == "cuda" and not _faults


def captured(function: Function, *like: torch.Tensor, own: bool = True) -> Function | None:
    """The same function, replayed. It must work on the same memory at every call. None where it cannot be captured,
    with a warning.

    like: what it is given, with the shapes of every call. own: its results are tensors of their own; else they hold
    until the next call.
    """
    given = tuple(tensor.detach().clone() for tensor in like)
    try:
        graph, found = _capture(function, given)
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError):
            _faults.append(str(error))
        warnings.warn(f"no CUDA graph, kernels are launched one by one: {error}", stacklevel=2)
        return None

    def replayed(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        for place, tensor in zip(given, tensors, strict=True):
            place.copy_(tensor)
        graph.replay()
        return tuple(tensor.clone() for tensor in found) if own else found

    return replayed


def _capture(
    function: Function, given: tuple[torch.Tensor, ...]
) -> tuple[torch.cuda.CUDAGraph, tuple[torch.Tensor, ...]]:
    device = given[0].device
    current, side = torch.cuda.current_stream(device), _side(device)
    try:
        with torch.no_grad(), _no_collection():
            side.wait_stream(current)
            with torch.cuda.stream(side):
                for _ in range(WARMUP):
                    function(*given)
            current.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=side):
                found = function(*given)
    finally:
        torch.cuda.set_stream(current)  # a capture that fails may leave the other one behind
    return graph, found


@functools.cache
def _side(device: torch.device) -> torch.cuda.Stream:
    """The stream of all captures: libraries keep memory of their own for each stream that they were used on."""
    return torch.cuda.Stream(device)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage may hold other graphs, and one must not be destroyed while another is captured."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
