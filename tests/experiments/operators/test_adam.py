from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from experiments.operators.adam import Adam


@pytest.mark.parametrize(("peer", "decay"), [(torch.optim.Adam, 0.0), (torch.optim.AdamW, 0.3)], ids=["Adam", "AdamW"])
def test_it_steps_as_that_of_torch_does(peer: Callable[..., torch.optim.Optimizer], decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = {
        name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in (("a", 3), ("b", (2, 4)))
    }
    theirs = [tensor.clone().requires_grad_() for tensor in ours.values()]
    ours = {name: tensor.requires_grad_() for name, tensor in ours.items()}
    adam, expected = Adam(ours, decay), peer(theirs, lr=0.1, weight_decay=decay)
    for number in range(1, 6):
        for one, other in zip(ours.values(), theirs, strict=True):
            gradient = torch.randn(one.shape, generator=generator, dtype=torch.float64)
            one.grad, other.grad = gradient, gradient.clone()
        expected.param_groups[0]["lr"] = 0.1 / number
        adam.step(number, 0.1 / number)
        expected.step()
    for one, other in zip(ours.values(), theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-12)
