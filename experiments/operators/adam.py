"""Adam (Kingma and Ba 2015, arXiv 1412.6980) on named tensors, one fused pass over parameters and moments a step.

With weight decay it is AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): each step first multiplies the parameters
by 1 - lr * weight_decay.

`torch.optim.Adam(fused=True)` calls the same kernel, but constructing it imports torch's compiler: two seconds, more
than half of what a small fine-tuning takes.
"""

from __future__ import annotations

import torch

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """parameters: leaves whose `grad` is set before each step. first, second: the moments, by the same names."""

    def __init__(self, parameters: dict[str, torch.Tensor], weight_decay: float = 0.0) -> None:
        self._parameters, self._weight_decay = parameters, weight_decay
        self.first = {name: torch.zeros_like(tensor, requires_grad=False) for name, tensor in parameters.items()}
        self.second = {name: torch.zeros_like(tensor, requires_grad=False) for name, tensor in parameters.items()}
        self._steps = [torch.zeros((), device=tensor.device) for tensor in parameters.values()]

    @torch.no_grad()
    def step(self, number: int, lr: float) -> None:
        """The step `number`, counted from 1."""
        for counter in self._steps:
            counter.fill_(number)
        torch.ops.aten._fused_adamw_(
            list(self._parameters.values()),
            [tensor.grad for tensor in self._parameters.values()],
            list(self.first.values()),
            list(self.second.values()),
            [],
            self._steps,
            lr=lr,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
        for tensor in self._parameters.values():
            tensor.grad = None
