"""The gradients of a training step: on a GPU, after the first steps, replayed as a CUDA graph.

There a step of the published networks on 64 x 64 points is mostly the launching of some hundred kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from experiments import graphs

Parameters = dict[str, torch.Tensor]
Forward = Callable[[Mapping[str, torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]
"""(parameters, varying, constant) -> predicted fields; see `FieldModel.forward`."""
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(predicted, target) -> a number."""


class Gradients:
    """parameters: what `forward` takes, leaves that stay in the same memory; trained: those that get a `grad`.
    All calls are with as many samples of the same shape."""

    def __init__(self, forward: Forward, loss: Loss, parameters: Parameters, trained: Parameters) -> None:
        self._forward, self._loss, self._parameters = forward, loss, parameters
        self._trained = list(trained.values())
        self._replayed: graphs.Function | None = None
        self._count = 0

    def __call__(self, varying: torch.Tensor, constant: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss, on the device; each `grad` holds until the next call."""
        self._count += 1
        if self._count == graphs.CAPTURED_AFTER and graphs.are_possible(target.device):
            self._replayed = graphs.captured(self._launched, varying, constant, target, own=False)
        loss, *found = (self._replayed or self._launched)(varying, constant, target)
        for tensor, gradient in zip(self._trained, found, strict=True):
            tensor.grad = gradient
        return loss

    def _launched(
        self, varying: torch.Tensor, constant: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        with torch.enable_grad():
            loss = self._loss(self._forward(self._parameters, varying, constant), target)
            found = torch.autograd.grad(loss, self._trained)
        # the fused kernel of a GPU asks for gradients that lie as the parameters do
        return loss.detach(), *(gradient.contiguous() for gradient in found)
