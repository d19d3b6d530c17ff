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


def test_an_entry_with_a_rate_of_its_own_moves_as_with_that_learning_rate() -> None:
    start, gradients = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rate = torch.tensor([[1.0], [10.0], [1.0], [0.0]], dtype=torch.float64)

    def after(lr: float, rates: dict[str, torch.Tensor]) -> torch.Tensor:
        parameters = {"a": start.clone().requires_grad_()}
        adam = Adam(parameters, 0.1, rates)
        for number in (1, 2):
            parameters["a"].grad = gradients * number
            adam.step(number, lr)
        return parameters["a"].detach()

    mixed, slow, fast = after(0.01, {"a": rate}), after(0.01, {}), after(0.1, {})
    assert torch.equal(mixed[[0, 2]], slow[[0, 2]])
    assert torch.allclose(mixed[1], fast[1], rtol=1e-12)
    assert torch.equal(mixed[3], start[3])
