"""The device of the tests refuses what a GPU refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

Gpu = Callable[..., Any]


def test_tensors_of_both_sides_do_not_mix(gpu: Gpu) -> None:
    with gpu() as there:
        far, near = torch.arange(3.0, device=there.name), torch.arange(3.0)
        assert (2 * far + far.new_tensor([1.0, 0.0, 0.0])).tolist() == [1.0, 2.0, 4.0]
        assert torch.equal((far + near.to(there.name)).cpu(), near + near)
        assert far[torch.tensor([2, 0])].tolist() == [2.0, 0.0]
        for mixed in (lambda: far + near, lambda: torch.cat([near, far]), lambda: near.copy_(far).add_(far)):
            with pytest.raises(RuntimeError, match="required all tensors on one device"):
                mixed()
        with pytest.raises(RuntimeError, match="numpy"):
            far.numpy()
    assert there.waits


def test_gradients_are_found_there(gpu: Gpu) -> None:
    with gpu() as there:
        leaf = torch.arange(3.0, device=there.name).requires_grad_()
        (gradient,) = torch.autograd.grad((leaf**3).sum(), leaf)
        assert gradient.device.type == there.name
        assert gradient.tolist() == [0.0, 3.0, 12.0]


def test_a_graph_repeats_kernels_and_nothing_else(gpu: Gpu) -> None:
    factor, memory = 2.0, torch.zeros(3)

    def function(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        memory.add_(factor * flat)
        return memory.clone(), memory.view(3, 1)[:2].sum()

    with gpu() as there:
        memory = memory.to(there.name)
        given = torch.ones(3, device=there.name)
        graph, (first, second) = there.capture(function, (given,))
        factor = 1000.0  # what Python does is not part of a graph
        given.copy_(torch.tensor([1.0, 2.0, 3.0]).to(there.name))
        graph.replay()
        assert first.tolist() == [6.0, 8.0, 10.0]
        assert second.item() == 14.0


@pytest.mark.parametrize("wait", [lambda flat: flat.sum().item(), lambda flat: flat.cpu(), lambda flat: torch.ones(2)])
def test_a_graph_waits_for_nothing(gpu: Gpu, wait: Callable[[torch.Tensor], Any]) -> None:
    def function(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        wait(flat)
        return flat + 1, flat.sum()

    with gpu() as there, pytest.raises(RuntimeError, match="while a graph is captured"):
        there.capture(function, (torch.ones(3, device=there.name),))
