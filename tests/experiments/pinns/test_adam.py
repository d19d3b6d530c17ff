"""Adam beside torch's, alone and before L-BFGS."""

from __future__ import annotations

import pytest
import torch

from experiments.pinns.optimizers import Evaluation, Minimiser, Stop, adam, adam_lbfgs, drive, lbfgs


def evaluate(x: torch.Tensor) -> Evaluation:
    """Rosenbrock's function."""
    leaf = x.detach().clone().requires_grad_()
    value = (100 * (leaf[1:] - leaf[:-1] ** 2) ** 2 + (1 - leaf[:-1]) ** 2).sum()
    (gradient,) = torch.autograd.grad(value, leaf)
    return Evaluation(value.item(), gradient)


def start() -> torch.Tensor:
    return torch.linspace(-1.2, 0.8, 7, dtype=torch.float64)


def losses(minimiser: Minimiser, iterations: int, budget: int) -> list[float]:
    """Of every evaluation of one stage; an iteration is offered what is left of the budget."""
    found: list[float] = []

    def recorded(x: torch.Tensor) -> Evaluation:
        at = evaluate(x)
        found.append(at.loss)
        return at

    drive(minimiser.begin(start()), recorded)
    for _ in range(iterations):
        if drive(minimiser.iterate(budget - len(found)), recorded):
            break
    return found


def theirs(iterations: int) -> list[float]:
    parameter, found = start().requires_grad_(), []
    optimizer = torch.optim.Adam([parameter], lr=0.02, betas=(0.8, 0.95))
    for _ in range(iterations + 1):
        at = evaluate(parameter)
        found.append(at.loss)
        parameter.grad = at.gradient
        optimizer.step()
    return found


SETTINGS = adam.Settings(learning_rate=0.02, beta1=0.8, beta2=0.95)


def test_adam_makes_the_evaluations_of_torch() -> None:
    assert losses(adam.Adam(SETTINGS), 200, 10**6) == pytest.approx(theirs(200), rel=1e-9)


def test_adam_recognises_a_step_into_nothing() -> None:
    minimiser = adam.Adam(adam.Settings(learning_rate=1.0))

    def root(x: torch.Tensor) -> Evaluation:
        leaf = x.detach().clone().requires_grad_()
        value = leaf.sqrt().sum()
        (gradient,) = torch.autograd.grad(value, leaf)
        return Evaluation(value.item(), gradient)

    drive(minimiser.begin(torch.full((3,), 0.5, dtype=torch.float64)), root)
    assert drive(minimiser.iterate(10), root) is Stop.NOT_FINITE


def test_adam_has_its_share_of_the_evaluations_then_lbfgs_goes_on_without_another() -> None:
    chosen = adam_lbfgs.Settings(share=0.3, adam_learning_rate=0.02, beta1=0.8, beta2=0.95)
    minimiser = adam_lbfgs.AdamLBFGS(chosen)
    found = losses(minimiser, 10**6, 101)
    first = theirs(30)  # the start, and 30 of the 100 evaluations that the first iteration is offered
    assert found[:31] == pytest.approx(first, rel=1e-9)

    before = adam.Adam(SETTINGS)
    losses(before, 30, 10**6)
    after = lbfgs.LBFGS(lbfgs.Settings())
    rest: list[float] = []

    def recorded(x: torch.Tensor) -> Evaluation:
        at = evaluate(x)
        rest.append(at.loss)
        return at

    drive(after.begin(before.x), evaluate)
    while len(rest) < len(found) - 31:
        drive(after.iterate(70 - len(rest)), recorded)
    assert found[31:] == pytest.approx(rest, rel=1e-9)
    assert min(found) < 1e-3 * first[-1]


@pytest.mark.parametrize(("share", "switched"), [(0.0, True), (1.0, False)])
def test_a_share_may_be_nothing_or_all(share: float, switched: bool) -> None:
    minimiser = adam_lbfgs.AdamLBFGS(adam_lbfgs.Settings(share=share))
    losses(minimiser, 5, 1000)
    assert isinstance(minimiser._now, lbfgs.LBFGS) == switched


def test_every_stage_begins_with_adam() -> None:
    minimiser = adam_lbfgs.AdamLBFGS(adam_lbfgs.Settings(share=0.1))
    losses(minimiser, 30, 100)
    assert isinstance(minimiser._now, lbfgs.LBFGS)
    drive(minimiser.begin(minimiser.x), evaluate)
    drive(minimiser.iterate(50), evaluate)
    assert isinstance(minimiser._now, adam.Adam)
