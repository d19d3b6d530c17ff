from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from experiments.models import fno
from experiments.operators import evaluation, generate, weights
from experiments.operators.normalise import scales_of
from experiments.operators.recipe import Recipe
from experiments.operators.system import find
from experiments.operators.train import on_device

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


@pytest.mark.parametrize("normalisation", ["linear", "published"])
def test_a_file_is_read_and_used_by_the_plain_pytorch_of_the_documentation(
    recipe_of: Callable[..., Recipe], tmp_path: Path, normalisation: str
) -> None:
    samples, system = generate.make(recipe_of(), "test", 3), find("poisson")
    spec, scales = fno.FNO(width=6, modes=4, blocks=3), scales_of(samples, normalisation)  # type: ignore[arg-type]
    card = weights.Card(model="fno", spec=msgspec.to_builtins(spec), channels=system.channels, scales=scales)
    drawn = fno.initialise(spec, len(system.channels), np.random.default_rng(0))
    parameters = {name: array.astype(np.float32) for name, array in drawn.items()}
    weights.save(tmp_path / "model.safetensors", card, parameters)
    names: dict[str, object] = {"path": tmp_path / "model.safetensors"}
    exec(PAGE.read_text().partition("```python\n")[2].partition("```")[0], names)
    predicted = names["predict"](samples.source, torch.from_numpy(samples.coefficients).float())  # type: ignore[operator]
    forward = partial(fno.forward, spec)
    here = evaluation.evaluate(forward, on_device(parameters, torch.float32, "cpu"), samples, card, system, "cpu")
    assert torch.linalg.norm(predicted - here.predicted) < 1e-5 * torch.linalg.norm(here.predicted)
