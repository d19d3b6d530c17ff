"""The forward pass that a training on a GPU uses: compiled where that pays, and only if it computes the same.

A compiler fuses kernels, so that a step has fewer of them and moves less memory. Compiling takes a minute, so it is
left to trainings of many steps. What comes out is held against the model's own forward pass and gradients on the first
examples; where they differ, or the compiler fails (it needs a tool chain that not every machine has), the run says so
and goes on without it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from experiments.models._fields import FieldModel
from experiments.operators.gradients import Forward

WORTH = 200_000
"""Steps from which a minute of compiling is earned back, at the 0.3 ms that were saved in each on an H200
(`python -m benchmarks.fno --gpu --compiled`); what a graph replays waits for no launching."""
TOLERANCE = 1e-3
"""Relative difference of outputs and gradients in float32 that is rounding; a wrong kernel is off by far more."""


def for_training(model: FieldModel, spec: Any, device: str, steps: int, warn: Callable[[str], None]) -> Forward:
    """What a training of so many steps calls on this device."""
    own = functools.partial(model.forward, spec)
    if model.compiled is None or not device.startswith("cuda") or steps < WORTH:
        return own
    return checked(own, model.compiled(spec), warn)


def checked(own: Forward, compiled: Forward, warn: Callable[[str], None]) -> Forward:
    """`compiled`, if its first call gives what `own` gives; else `own`, with a warning."""
    chosen: Forward | None = None

    def forward(parameters: Mapping[str, torch.Tensor], varying: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
        nonlocal chosen
        if chosen is None:
            fault = _fault(own, compiled, parameters, varying, constant)
            chosen = own if fault else compiled
            if fault:
                warn(f"training goes on without a compiled model: {fault}")
        return chosen(parameters, varying, constant)

    return forward


def _fault(
    own: Forward,
    compiled: Forward,
    parameters: Mapping[str, torch.Tensor],
    varying: torch.Tensor,
    constant: torch.Tensor,
) -> str:
    """What is wrong with a compiled forward pass; empty: nothing."""
    trained = [tensor for tensor in parameters.values() if tensor.requires_grad]

    def computed(forward: Forward) -> list[torch.Tensor]:
        predicted = forward(parameters, varying, constant)
        return [predicted.detach(), *torch.autograd.grad(predicted.square().sum(), trained)]

    expected = computed(own)
    try:
        found = computed(compiled)
    except Exception as error:  # noqa: BLE001  a compiler may raise anything
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    pairs = zip(found, expected, strict=True)
    worst = max(((one - other).norm() / other.norm().clamp(min=1e-30)).item() for one, other in pairs)
    return "" if worst < TOLERANCE else f"required the same fields and gradients, got a difference of {worst:.1g}"
