"""Adam (Kingma and Ba 2015, arXiv 1412.6980) on named tensors, one fused pass over parameters and moments a step.

With weight decay it is AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): each step first multiplies the parameters
by 1 - lr * weight_decay.

`torch.optim.Adam(fused=True)` calls the same kernel, but constructing it imports torch's compiler: two seconds, more
than half of what a small fine-tuning takes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """parameters: leaves whose `grad` is set before each step. first, second: the moments, by the same names.
    rates: for some of the parameters what the learning rate is multiplied with, entry by entry."""

    def __init__(
        self,
        parameters: dict[str, torch.Tensor],
        weight_decay: float = 0.0,
        rates: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self._parameters, self._weight_decay, self._rates = parameters, weight_decay, rates or {}
        self.first = {name: torch.zeros_like(tensor, requires_grad=False) for name, tensor in parameters.items()}
        self.second = {name: torch.zeros_like(tensor, requires_grad=False) for name, tensor in parameters.items()}
        self._count = torch.zeros((), device=next(iter(parameters.values())).device)

    @torch.no_grad()
    def step(self, number: int, lr: float) -> None:
        """The step `number`, counted from 1."""
        self._count.fill_(number)
        before = {name: self._parameters[name].clone() for name in self._rates}
        torch.ops.aten._fused_adamw_(
            list(self._parameters.values()),
            [tensor.grad for tensor in self._parameters.values()],
            list(self.first.values()),
            list(self.second.values()),
            [],
            [self._count] * len(self._parameters),
            lr=lr,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
        for name, rate in self._rates.items():  # a step is proportional to its rate
            tensor = self._parameters[name]
            tensor.copy_(torch.lerp(before[name], tensor, rate))
        for tensor in self._parameters.values():
            tensor.grad = None
