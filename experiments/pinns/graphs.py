"""CUDA graphs: on a GPU an evaluation of a small network is mostly the launching of its kernels, which a graph replays
at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")

Function = Callable[["torch.Tensor"], tuple["torch.Tensor", "torch.Tensor"]]
"""Of a flat vector; it waits for nothing, and its results are tensors of its own."""

WARMUP = 3
"""Evaluations before the capture, in which libraries take their memory; as PyTorch advises."""


def are_possible(device: torch.device) -> bool:
    return device.type == "cuda"


def captured(function: Function, like: torch.Tensor) -> Function:
    """The same function, replayed. It must work on the same memory at every call. Where it cannot be captured, it is
    returned as it is, with a warning.
    """
    given = like.detach().clone()
    try:
        graph, first, second = _capture(function, given)
    except RuntimeError as error:
        warnings.warn(f"no CUDA graph, kernels are launched one by one: {error}", stacklevel=2)
        return function

    def replayed(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        given.copy_(flat)
        graph.replay()
        return first.clone(), second.clone()

    return replayed


def _capture(function: Function, given: torch.Tensor) -> tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        current, side = torch.cuda.current_stream(given.device), torch.cuda.Stream(given.device)
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(WARMUP):
                function(given)
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            first, second = function(given)
    return graph, first, second
