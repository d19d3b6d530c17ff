from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from experiments.models import fno
from experiments.operators.compiled import WORTH, checked, for_training
from experiments.operators.gradients import Parameters
from experiments.operators.train import on_device

SPEC = fno.FNO(width=4, modes=3, blocks=2)
OWN = partial(fno.forward, SPEC)


def given(device: str = "cpu") -> tuple[Parameters, torch.Tensor, torch.Tensor]:
    parameters = on_device(fno.initialise(SPEC, 4, np.random.default_rng(0)), torch.float32, device)
    generator = torch.Generator().manual_seed(0)
    varying, constant = torch.randn(3, 12, 12, 1, generator=generator), torch.randn(3, 3, generator=generator)
    return {k: tensor.requires_grad_() for k, tensor in parameters.items()}, varying.to(device), constant.to(device)


def test_one_that_computes_the_same_is_used() -> None:
    calls, said = [], []

    def compiled(*inputs: object) -> torch.Tensor:
        calls.append(inputs)
        return OWN(*inputs) * (1 + 1e-6)

    forward = checked(OWN, compiled, said.append)
    for _ in range(3):
        assert torch.equal(forward(*given()), OWN(*given()) * (1 + 1e-6))
    assert (len(calls), said) == (4, [])  # one of them to compare


def wrong_gradient(parameters: Parameters, *fields: torch.Tensor) -> torch.Tensor:
    frozen = {**parameters, "lift.weight": parameters["lift.weight"].detach() + 0 * parameters["lift.weight"]}
    return OWN(frozen, *fields)


def broken(*_: object) -> torch.Tensor:
    raise RuntimeError("no C compiler\nwas found")


@pytest.mark.parametrize(
    ("compiled", "why"),
    [
        (broken, "RuntimeError: no C compiler"),
        (wrong_gradient, "required the same fields and gradients, got a difference of 1"),
        (lambda *inputs: 1.01 * OWN(*inputs), "got a difference of 0.0"),
    ],
    ids=["fails", "gradient", "field"],
)
def test_one_that_fails_or_computes_something_else_is_left_with_a_warning(compiled: object, why: str) -> None:
    said: list[str] = []
    forward = checked(OWN, compiled, said.append)  # type: ignore[arg-type]
    for _ in range(2):
        assert torch.equal(forward(*given()), OWN(*given()))
    (warning,) = said
    assert why in warning


def test_on_a_cpu_and_for_few_steps_nothing_is_compiled() -> None:
    for device, steps in (("cpu", 10 * WORTH), ("cuda", WORTH - 1)):
        assert isinstance(for_training(fno.MODEL, SPEC, device, steps, print), partial)


@pytest.mark.campaign
def test_the_compiler_takes_the_model_in_whole() -> None:
    expected = OWN(*given())
    assert torch.allclose(fno.compiled(SPEC, backend="eager")(*given()), expected, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.timeout(600)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_what_is_compiled_is_used() -> None:
    said: list[str] = []
    forward = for_training(fno.MODEL, SPEC, "cuda", WORTH, said.append)
    expected = OWN(*given("cuda"))
    assert torch.linalg.norm(forward(*given("cuda")) - expected) < 1e-4 * torch.linalg.norm(expected)
    if said and any(words in said[0] for words in ("C compiler", "CalledProcessError", "Triton")):
        pytest.skip(f"no tool chain for compiling: {said[0]}")
    assert said == []
