"""The gradients of a step, launched and replayed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from experiments.graphs import CAPTURED_AFTER
from experiments.models import fno
from experiments.operators.gradients import Gradients, Parameters
from experiments.operators.train import LOSSES, on_device

SPEC = fno.FNO(width=4, modes=3, blocks=2)
HELD = "blocks.0.weight"


def weights(device: str = "cpu") -> Parameters:
    parameters = on_device(fno.initialise(SPEC, 4, np.random.default_rng(0)), torch.float32, device)
    return {name: tensor.requires_grad_(name != HELD) for name, tensor in parameters.items()}


def gradients(parameters: Parameters, loss: str = "relative") -> Gradients:
    trained = {name: tensor for name, tensor in parameters.items() if name != HELD}
    return Gradients(partial(fno.forward, SPEC), LOSSES[loss], parameters, trained)


def batch(step: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(step)
    return tuple(torch.randn(*shape, generator=generator) for shape in ((3, 12, 12, 1), (3, 3), (3, 12, 12)))


def stepped(parameters: Parameters) -> None:
    """As an optimiser does, in the same memory: each tensor by a hundredth of its size."""
    with torch.no_grad():
        for tensor in parameters.values():
            if tensor.grad is not None:
                tensor.sub_(1e-2 * tensor.norm() / tensor.grad.norm() * tensor.grad)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_replayed_is_what_was_launched(loss: str, gpu: Callable[..., Any]) -> None:
    """With a GPU pretended: over steps in which the weights move."""
    here = weights()
    ours = gradients(here, loss)
    with gpu() as there:
        far = weights(there.name)
        theirs = gradients(far, loss)
        for step in range(6):
            expected = ours(*batch(step))
            found = theirs(*(tensor.to(there.name) for tensor in batch(step)))
            assert found.item() == pytest.approx(expected.item(), rel=1e-5)
            for name, tensor in far.items():
                if name == HELD:
                    assert tensor.grad is None
                else:
                    assert torch.allclose(tensor.grad.cpu(), here[name].grad, rtol=1e-3, atol=1e-6)
            stepped(here)
            stepped(far)
        assert there.captured == 1


def test_a_cpu_captures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.graphs.captured", lambda *_, **__: pytest.fail("captured on a CPU"))
    function = gradients(weights())
    for step in range(CAPTURED_AFTER + 1):
        function(*batch(step))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("loss", LOSSES)
def test_on_a_gpu_a_graph_gives_what_a_cpu_gives(loss: str) -> None:
    here, far = weights(), weights("cuda")
    ours, theirs = gradients(here, loss), gradients(far, loss)
    for step in range(CAPTURED_AFTER + 5):
        expected, found = ours(*batch(step)), theirs(*(tensor.cuda() for tensor in batch(step)))
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)
        for name, tensor in far.items():
            if name != HELD:
                assert (tensor.grad.cpu() - here[name].grad).norm() <= 1e-3 * here[name].grad.norm()
        stepped(here)
        stepped(far)
    assert theirs._replayed is not None
