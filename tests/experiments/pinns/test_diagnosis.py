"""The diagnosis of a trained network, against exact Hessians and in a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.pinns.diagnosis import Diagnosis, diagnose, hessian, landscape, spectrum
from experiments.pinns.objective import Automatic, objective
from experiments.pinns.systems import convection, reaction
from experiments.pinns.task import TASK


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def quadratic(matrix: np.ndarray) -> Any:
    """x -> x·A x / 2, as an objective."""
    a = torch.tensor(matrix)

    def evaluate(flat: torch.Tensor) -> Any:
        return SimpleNamespace(loss=float(flat @ a @ flat) / 2, gradient=a @ flat, terms={})

    return evaluate


def symmetric(eigenvalues: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """A matrix of these eigenvalues, and its eigenvectors in columns."""
    basis, _ = np.linalg.qr(rng().standard_normal((len(eigenvalues), len(eigenvalues))))
    return basis @ np.diag(eigenvalues) @ basis.T, basis


def full_hessian(evaluate: Automatic, flat: torch.Tensor) -> np.ndarray:
    """By automatic differentiation of the automatic gradient, column after column."""

    def loss(x: torch.Tensor) -> torch.Tensor:
        squares = evaluate._residual(x).square().mean() * evaluate._problem.weights["residual"]
        for condition, points, minus, target in evaluate._conditions:
            difference = evaluate._derivative(x, points, condition.derivative) - target
            if minus is not None:
                difference = difference - evaluate._derivative(x, minus, condition.derivative)
            squares = squares + difference.square().mean() * evaluate._problem.weights[condition.term]
        return squares

    return torch.autograd.functional.hessian(loss, flat).numpy()


@pytest.mark.parametrize("system", [convection, reaction], ids=["convection", "reaction"])
def test_products_are_those_of_the_full_hessian(system, network_of, weights_of, problem_of):
    network = network_of(width=5, depth=2)
    problem = problem_of(system.SYSTEM, system.Coefficients(), points=40)
    flat = weights_of(network)
    exact = full_hessian(Automatic(network, problem), flat)
    product = hessian.product(objective(network, problem), flat)
    scale = np.abs(np.linalg.eigvalsh(exact)).max()
    for vector in rng().standard_normal((3, len(flat))):
        assert product(vector) == pytest.approx(exact @ vector, abs=1e-7 * scale * np.linalg.norm(vector))
    assert (product(np.zeros(len(flat))) == 0).all()


def test_a_product_of_a_float32_network_is_refused(network_of, weights_of):
    network = network_of(dtype=torch.float32)
    with pytest.raises(TypeError, match="required float64"):
        hessian.product(lambda flat: None, weights_of(network))  # type: ignore[arg-type, return-value]


def test_the_dominant_eigenpairs_are_those_of_largest_magnitude():
    matrix, basis = symmetric([50.0, -80.0, *np.linspace(-1, 1, 60)])
    values, vectors = spectrum.dominant(lambda v: matrix @ v, len(matrix), 2, rng(), tolerance=1e-10)
    assert values == pytest.approx([-80.0, 50.0])
    assert np.abs(vectors @ basis[:, [1, 0]]) == pytest.approx(np.eye(2), abs=1e-6)


def test_all_eigenvalues_of_a_small_operator_are_found_even_if_more_are_asked_for():
    matrix, _ = symmetric([3.0, 1.0, 0.5])
    values, vectors = spectrum.dominant(lambda v: matrix @ v, 3, 5, rng())
    assert values == pytest.approx([3.0, 1.0, 0.5])
    assert vectors.shape == (3, 3)


def test_eigenpairs_of_a_network_are_those_of_its_full_hessian(network_of, weights_of, problem_of):
    network = network_of(width=5, depth=2)
    problem = problem_of(convection.SYSTEM, convection.Coefficients(), points=40)
    flat = weights_of(network)
    exact = np.linalg.eigvalsh(full_hessian(Automatic(network, problem), flat))
    found = diagnose(objective(network, problem), flat, Diagnosis(wanted=["spectrum"], eigenvalues=3), rng())
    assert found is not None and found.landscape is None
    largest = exact[np.argsort(-np.abs(exact))[:3]]
    assert found.eigenvalues == pytest.approx(largest, rel=1e-4)
    assert found.figures["hessian_1"] == found.eigenvalues[0]


def test_the_landscape_of_a_quadratic_is_a_paraboloid_with_its_eigenvalues():
    matrix, _ = symmetric([8.0, 4.0, 1.0, 0.5])
    found = diagnose(
        quadratic(matrix), torch.zeros(4, dtype=torch.float64), Diagnosis(wanted=["landscape"], resolution=5), rng()
    )
    assert found is not None and found.axis is not None
    p, q = found.axis[:, None], found.axis[None, :]
    assert found.landscape == pytest.approx(4 * p**2 + 2 * q**2, abs=1e-6)
    assert set(found.arrays) == {"hessian", "landscape", "direction_1", "direction_2"}


def test_a_diagnosis_that_is_asked_to_stop_leaves_nothing():
    matrix, _ = symmetric([8.0, 4.0, 1.0, 0.5])
    flat, wanted = torch.zeros(4, dtype=torch.float64), Diagnosis(wanted=["landscape"])
    assert diagnose(quadratic(matrix), flat, wanted, rng(), lambda: True) is None
    assert landscape.plane(quadratic(matrix), flat, np.eye(4)[:2], np.arange(3.0), stopping=lambda: True) is None


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_run_stores_its_landscape_and_eigenvalues_and_trains_the_same(run, dtype):
    params = {"optimizer.closures": 30, "dtype": dtype}
    plain = run(params)
    looked = run({**params, "diagnosis": "landscape,spectrum", "diagnosis.resolution": 5})
    assert looked.figures["loss"] == plain.figures["loss"]
    assert looked.figures["hessian_1"] >= looked.figures["hessian_2"] or looked.figures["hessian_1"] < 0
    assert "hessian_1" not in plain.figures
    _, arrays = looked.stored_fields[-1]
    assert arrays["landscape"].shape == (5, 5)
    assert float(arrays["landscape"][2, 2]) == pytest.approx(looked.figures["loss"], rel=1e-3)


def test_a_run_that_is_stopped_while_it_is_looked_at_finds_the_same_when_it_goes_on(run):
    params = {"optimizer.closures": 30, "diagnosis": "landscape", "diagnosis.resolution": 5}
    whole = run(params)
    last = whole.points[-1][0]
    stopped = run(params, stop_at=last)
    assert stopped.figures["stop_reason"] == "stopped"
    assert "rel_l2" not in stopped.figures
    resumed = run(params, state=stopped.checkpoints[-1][1])
    assert resumed.points == []
    timed = {"monitoring_share", "diagnosis_seconds"}
    assert {k: v for k, v in resumed.figures.items() if k not in timed} == {
        k: v for k, v in whole.figures.items() if k not in timed
    }
    assert np.array_equal(resumed.stored_fields[-1][1]["landscape"], whole.stored_fields[-1][1]["landscape"])


def test_the_error_over_time_is_stored_with_the_fields(run):
    recorder = run({"optimizer.closures": 20})
    _, arrays = recorder.stored_fields[-1]
    error, reference = arrays["error"].astype(float), arrays["reference"].astype(float)
    expected = np.linalg.norm(error, axis=0) / np.linalg.norm(reference, axis=0)
    assert arrays["rel_l2_t"] == pytest.approx(expected, rel=1e-4)


def test_what_it_is_expected_to_take_is_in_the_estimate(complete):
    usual, looked = (
        TASK.estimate(complete(**more)).seconds for more in ({}, {"diagnosis": "landscape", "diagnosis.resolution": 71})
    )
    assert usual < looked
