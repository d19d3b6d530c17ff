from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from engine.errors import TaskError
from engine.recorder import Recorder
from experiments.operators import data
from experiments.operators.dataset import TASK
from experiments.operators.recipe import Recipe, Sizes
from experiments.operators.system import systems

RecipeOf = Callable[..., Recipe]
SIZES = Sizes(train=100, validation=70, test=5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe(system="poisson", range=(1.0, 5.0), grid=16, dtype="float32", seed=0)
    return data.made(tmp_path_factory.mktemp("made") / "samples.h5", recipe, SIZES)


def failed(path: Path) -> set[tuple[str, str]]:
    return {(each.what, each.part) for each in TASK.verify(path) if not each.passed}


@pytest.mark.parametrize("key", systems()[0])
@pytest.mark.parametrize(("grid", "dtype"), [(16, "float32"), (64, "float32"), (17, "float64")])
def test_what_was_made_is_sound(recipe_of: RecipeOf, tmp_path: Path, key: str, grid: int, dtype: str) -> None:
    low, high = systems()[0][key].range["default"]
    recipe = recipe_of(system=key, range=(low, high), grid=grid, dtype=dtype)
    assert failed(data.made(tmp_path / "samples.h5", recipe, Sizes(train=70, validation=3, test=1))) == set()


Spoiling = Callable[[h5py.File], None]


def _one_value(file: h5py.File) -> None:
    file["test/solution"][0, 3, 3] += 0.1


def _infinite(file: h5py.File) -> None:
    file["train/source"][1, 2, 3] = np.nan


def _leaked(file: h5py.File) -> None:
    for name in ("source", "solution", "coefficients", "drawn"):
        file["validation"][name][69] = file["train"][name][99]


def _out_of_range(file: h5py.File) -> None:
    file["train/drawn"][99, 0] = 5.5


def _other_operator(file: h5py.File) -> None:
    file["validation/coefficients"][:, 0] *= 1.001


def _other_scale(file: h5py.File) -> None:
    file.attrs.modify("source_norm_median", 2 * file.attrs["source_norm_median"])


def _other_seed(file: h5py.File) -> None:
    file.attrs.modify("recipe", file.attrs["recipe"].replace('"seed":0', '"seed":1'))


HASH = ("hash of the values", "")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            _one_value,
            {
                HASH,
                ("solution, from 5 solved again", "test"),
                ("residual of the equation", "test"),
                ("samples, from 5 made again", "test"),
            },
        ),
        (_leaked, {HASH, ("sources of one split in another", "")}),
        (_other_scale, {("scales of normalisation, from those noted", "train")}),
        (
            _other_operator,
            {
                HASH,
                ("solution, from 64 solved again", "validation"),
                ("residual of the equation", "validation"),
                ("coefficients, from what was drawn", "validation"),
            },
        ),
    ],
)
def test_what_was_spoilt_is_found(made: Path, tmp_path: Path, spoil: Spoiling, expected: set[tuple[str, str]]) -> None:
    with h5py.File(shutil.copy(made, tmp_path), "r+") as file:
        spoil(file)
    assert failed(tmp_path / "samples.h5") == expected


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_infinite, ("values that are not finite", "")),
        (_out_of_range, ("range of e", "")),
        (_other_seed, ("samples, from 64 made again", "train")),
    ],
)
def test_what_was_spoilt_is_found_among_other_things(
    made: Path, tmp_path: Path, spoil: Spoiling, expected: tuple[str, str]
) -> None:
    with h5py.File(shutil.copy(made, tmp_path), "r+") as file:
        spoil(file)
    assert expected in failed(tmp_path / "samples.h5")


def test_a_source_that_is_there_twice_in_a_split_is_found(made: Path, tmp_path: Path) -> None:
    with h5py.File(shutil.copy(made, tmp_path), "r+") as file:
        file["train/source"][98] = file["train/source"][97]
    assert ("sources that are there twice", "") in failed(tmp_path / "samples.h5")


def test_a_file_that_is_not_finished_cannot_be_verified(recipe_of: RecipeOf, tmp_path: Path) -> None:
    data.create(tmp_path / "samples.h5", recipe_of(), SIZES)
    for ask in (lambda path: list(TASK.verify(path)), TASK.identify, lambda path: TASK.preview(path, 1)):
        with pytest.raises(TaskError, match="got one whose making was interrupted"):
            ask(tmp_path / "samples.h5")


def test_a_file_of_another_kind_is_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x = 1")
    with pytest.raises(TaskError, match="required an HDF5 file, got one of another kind"):
        TASK.identify(tmp_path / "text")


def test_a_file_is_known_by_what_is_in_it(made: Path) -> None:
    name, facts = TASK.identify(made)
    assert name == "poisson-1-5-16x16"
    assert (facts["samples"], facts["validation"], facts["test"], facts["seed"]) == (100, 70, 5, 0)
    rows = {row["name"]: row for row in facts["quantities"]}
    assert list(rows) == ["source", "solution", "k11", "k22", "k12", "e", "theta", "sparsity"]
    assert (rows["theta"]["unit"], rows["e"]["unit"]) == ("rad", "1")
    with h5py.File(made) as file:
        solution, e = file["train/solution"][:].astype(float), file["train/drawn"][:, 0]
    for values, row in ((solution, rows["solution"]), (e, rows["e"])):
        figures = [row[key] for key in ("mean", "std", "minimum", "maximum")]
        assert figures == pytest.approx([values.mean(), values.std(), values.min(), values.max()], abs=1e-12)


def test_samples_to_look_at_are_no_finer_than_a_terminal(made: Path, recipe_of: RecipeOf, tmp_path: Path) -> None:
    arrays = TASK.preview(made, 3)
    read = data.read(made, "train", 3)
    assert np.array_equal(arrays["solution"], read.solution)
    assert np.array_equal(arrays["coefficients"], read.coefficients)
    fine = data.made(tmp_path / "fine.h5", recipe_of(grid=256), Sizes(train=1, validation=1, test=1))
    assert TASK.preview(fine, 5)["source"].shape == (1, 128, 128)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("key", systems()[0])
def test_what_a_gpu_made_is_sound(run: Callable[..., Recorder], key: str) -> None:
    sizes = {"grid": "64", "samples": "70", "validation": "3", "test": "2"}
    low, high = systems()[0][key].range["default"]
    made = run(TASK, {"system": key, "range": f"{low:g}:{high:g}", **sizes}, device="cuda")
    (artifact,) = made.shelf.values()
    assert failed(artifact.path) == set()
