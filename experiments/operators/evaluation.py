"""What a model's predictions on the test set are worth, and how that is reported."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from engine.api import Reporter
from experiments.operators import metrics, spectral
from experiments.operators.channels import fitted
from experiments.operators.generate import Samples
from experiments.operators.gradients import Forward, Parameters
from experiments.operators.normalise import inputs_of
from experiments.operators.system import System
from experiments.operators.train import AT_ONCE
from experiments.operators.weights import Card


class Evaluation(NamedTuple):
    """predicted: (samples, n, n), in the units of the solution. errors: {name: (samples,)}, float64."""

    predicted: torch.Tensor
    errors: dict[str, np.ndarray]


@torch.no_grad()
def evaluate(
    forward: Forward, parameters: Parameters, samples: Samples, card: Card, system: System, device: str
) -> Evaluation:
    """Of a model of this card on samples of this system."""
    predicted, errors = [], []
    for start in range(0, len(samples.source), AT_ONCE):
        part = samples.part(slice(start, start + AT_ONCE))
        varying, constant, _, size = (
            tensor.to(device) for tensor in inputs_of(fitted(part, system, card.channels), card.scales)
        )
        guess = (forward(parameters, varying, constant) * size).double()
        source, solution = (field.to(device).double() for field in (part.source, part.solution))
        found = metrics.errors_of(guess, solution)
        found["residual"] = residual(system, part.coefficients, guess, source)
        predicted.append(guess.to(part.solution))
        errors.append({name: values.cpu().numpy() for name, values in found.items()})
    return Evaluation(torch.cat(predicted), {name: np.concatenate([e[name] for e in errors]) for name in errors[0]})


def residual(system: System, coefficients: np.ndarray, solution: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """‖(operator) u - f‖₂ / ‖f‖₂ of each sample, (samples,), derivatives exact for the modes that the grid carries.

    How far u is from a solution, which needs no reference. The operator weighs a mode by its wave number squared, so
    this is larger than the error of u, most where that error is rough. 1 is what u = 0 scores.
    """
    transform = spectral.transform(solution.shape[-1], torch.float64, str(solution.device))
    operator = system.symbol(torch.as_tensor(coefficients, device=solution.device)[:, :, None, None], transform.modes)
    return metrics.relative_l2(transform.synthesise(operator * transform.analyse(solution)), source)


def figures(errors: dict[str, np.ndarray]) -> dict[str, float]:
    """The figures of `metrics.MEANINGS`."""
    low, median, high = (float(value) for value in np.quantile(errors["rel_l2"], (0.25, 0.5, 0.75)))
    found = {name: float(values.mean()) for name, values in errors.items()}
    found["max_error"] = float(errors["max_error"].max())
    found |= {"rel_l2_median": median, "rel_l2_q25": low, "rel_l2_q75": high, "nrmse": found["rel_l2"]}
    return {name: found[name] for name in metrics.MEANINGS}


def report(found: Evaluation, solution: torch.Tensor, step: int, reporter: Reporter) -> None:
    """The figures; all errors of each sample; and the fields of the samples predicted best, in the middle and worst."""
    reporter.summary(**figures(found.errors))
    order = np.argsort(found.errors["rel_l2"], kind="stable")
    axis = np.arange(solution.shape[1]) / solution.shape[1]
    fields = {"x": axis, "y": axis, "errors": found.errors["rel_l2"]}
    fields |= {f"errors_{name}": values for name, values in found.errors.items() if name != "rel_l2"}
    for name, place in (("", len(order) // 2), ("best_", 0), ("worst_", -1)):
        sample = int(order[place])
        guess, truth = (field[sample].cpu().numpy() for field in (found.predicted, solution))
        fields |= {f"{name}predicted": guess, f"{name}reference": truth, f"{name}error": guess - truth}
    reporter.fields(step, **fields)
