from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.recorder import Recorder
from engine.schema import complete
from experiments.operators.recipe import Recipe


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def recipe_of() -> Callable[..., Recipe]:
    def make(**changed: Any) -> Recipe:
        return Recipe(
            **{"system": "poisson", "range": (1.0, 5.0), "grid": 16, "dtype": "float32", "seed": 0, **changed}
        )

    return make


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Recorder]:
    """Runs a task as a worker does, on parameters as a person writes them (`model__width=8` is `model.width=8`)."""

    def submit(task: Any, params: dict[str, str], *, shelf: Recorder | None = None, **given: Any) -> Recorder:
        complete_params = complete(task.describe().schema, params)
        assert task.check(complete_params) == []
        folder = given.pop("folder", tmp_path / f"run{len(list(tmp_path.iterdir()))}")
        folder.mkdir(exist_ok=True)
        recorder = Recorder(folder, **given)
        recorder.shelf |= shelf.shelf if shelf else {}
        task.run(complete_params, recorder)
        return recorder

    return submit
