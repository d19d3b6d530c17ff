"""Adam for the first part of every stage, then L-BFGS from where it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from experiments.pinns.optimizers import Evaluation, Optimizer, Steps, Stop, adam, drive, lbfgs

if TYPE_CHECKING:
    import torch


class Settings(lbfgs.Settings, frozen=True, kw_only=True):
    share: Annotated[float, Meta(ge=0, le=1, description="Part of a stage's evaluations that Adam may take")] = 0.2
    adam_learning_rate: Annotated[float, Meta(gt=0, le=10, description="Learning rate of Adam")] = 1e-3
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Decay of Adam's mean of gradients")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Decay of Adam's mean of squared gradients")] = 0.999


class AdamLBFGS:
    """What a stage may take in all is what its first iteration is offered. Means and pairs are kept between stages."""

    def __init__(self, chosen: Settings) -> None:
        self._adam = adam.Adam(
            adam.Settings(
                learning_rate=chosen.adam_learning_rate,
                beta1=chosen.beta1,
                beta2=chosen.beta2,
                tolerance_gradient=chosen.tolerance_gradient,
            )
        )
        self._lbfgs = lbfgs.LBFGS(chosen)
        self._share = chosen.share
        self._left: int | None = None
        """Evaluations that Adam may still take in this stage; None before its first iteration."""
        self._switched = False

    @property
    def _now(self) -> adam.Adam | lbfgs.LBFGS:
        return self._lbfgs if self._switched else self._adam

    @property
    def x(self) -> torch.Tensor:
        return self._now.x

    @property
    def at(self) -> Evaluation:
        return self._now.at

    def begin(self, x: torch.Tensor) -> Steps[None]:
        self._left, self._switched = None, False
        yield from self._adam.begin(x)

    def renew(self) -> Steps[None]:
        yield from self._now.renew()

    def iterate(self, budget: int) -> Steps[Stop | None]:
        if self._left is None:
            self._left = round(self._share * budget)
        if not self._switched and self._left <= 0:
            self._switch()
        if self._switched:
            return (yield from self._lbfgs.iterate(budget))
        self._left -= 1
        return (yield from self._adam.iterate(budget))

    def _switch(self) -> None:
        """L-BFGS begins where Adam ended, whose evaluation is its first."""
        x, at = self._adam.x, self._adam.at
        drive(self._lbfgs.begin(x), lambda _: at)
        self._switched = True

    def state(self) -> dict[str, Any]:
        return {
            "left": self._left,
            "switched": self._switched,
            "adam": self._adam.state(),
            "lbfgs": self._lbfgs.state() if hasattr(self._lbfgs, "x") else None,
        }

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        self._left = None if state["left"] is None else int(state["left"])
        self._switched = bool(state["switched"])
        self._adam.restore(state["adam"], like)
        if state["lbfgs"] is not None:
            self._lbfgs.restore(state["lbfgs"], like)


def memory(settings: Settings, size: int) -> float:
    return adam.memory(adam.Settings(), size) + lbfgs.memory(settings, size)


OPTIMIZER = Optimizer(
    title="Adam, then L-BFGS",
    summary="Adam for a part of every stage, then L-BFGS from where it ended",
    source="Kingma and Ba 2015 (ICLR); Rathore et al. 2024 (ICML) for PINNs",
    settings=Settings,
    make=AdamLBFGS,
    memory=memory,
)
