from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

from engine.errors import TaskError
from experiments.operators import generate, sources, spectral
from experiments.operators.generate import BLOCK
from experiments.operators.recipe import Recipe
from experiments.operators.system import find, systems
from experiments.operators.systems.poisson import SYSTEM

RecipeOf = Callable[..., Recipe]


def same(one: generate.Samples, other: generate.Samples) -> bool:
    tensors = torch.equal(one.source, other.source) and torch.equal(one.solution, other.solution)
    return tensors and np.array_equal(one.coefficients, other.coefficients) and np.array_equal(one.drawn, other.drawn)


def test_fewer_samples_are_the_first_of_more(recipe_of: RecipeOf) -> None:
    few, many = (generate.make(recipe_of(), "train", count) for count in (70, 200))
    assert same(few, many.part(slice(70)))


def test_samples_do_not_depend_on_the_portions_in_which_they_are_made(recipe_of: RecipeOf) -> None:
    recipe = recipe_of()
    whole = generate.make(recipe, "test", 150)
    portions = [part for start in (0, 50, 100) for part in generate.blocks(recipe, "test", start, start + 50)]
    assert same(generate.Samples.joined(portions), whole)


def test_no_source_is_shared_between_splits_ranges_seeds_and_systems(recipe_of: RecipeOf) -> None:
    sets = [generate.make(recipe_of(), split, 128) for split in ("train", "validation", "test")]
    sets += [generate.make(recipe_of(range=(5.0, 10.0)), "train", 128), generate.make(recipe_of(seed=1), "train", 128)]
    for system in ("advection_diffusion", "helmholtz"):
        sets.append(generate.make(recipe_of(system=system, range=(1.0, 5.0)), "train", 128))
    every = torch.cat([samples.source for samples in sets]).flatten(1)
    every = every - every.mean(1, keepdim=True)  # which some systems take off
    apart = torch.cdist(every, every) + torch.eye(len(every)) * 1e9
    assert apart.min() > 0.05 * every.norm(dim=1).median()


def test_a_finer_grid_shows_the_same_problems(recipe_of: RecipeOf) -> None:
    coarse, fine = (generate.make_block(recipe_of(grid=n, dtype="float64"), "train", 0) for n in (64, 128))
    assert np.array_equal(coarse.drawn, fine.drawn)
    there = fine.solution[:, ::2, ::2]
    assert (there - coarse.solution).norm() < 0.02 * there.norm()  # the largest value, and so the scale, is the grid's
    aligned = [scipy.stats.pearsonr(a.ravel(), b.ravel())[0] for a, b in zip(there, coarse.solution, strict=True)]
    assert min(aligned) > 1 - 1e-8


def test_eigenvalues_and_angles_are_uniform_over_their_ranges(recipe_of: RecipeOf) -> None:
    samples = generate.make(recipe_of(range=(1.0, 2.5), grid=8), "train", 2000)
    e, theta = samples.drawn[:, 0], samples.drawn[:, 1]
    assert scipy.stats.kstest(e, "uniform", (1.0, 1.5)).pvalue > 0.01
    assert scipy.stats.kstest(theta, "uniform", (0, 2 * np.pi)).pvalue > 0.01
    assert abs(scipy.stats.pearsonr(e, theta)[0]) < 0.05
    k11, k22, k12 = samples.coefficients.T
    assert np.allclose(k11 + k22, 0.01 * (1 + e))
    assert np.allclose(k11 * k22 - k12**2, 1e-4 * e)
    assert np.allclose(k12, 0.005 * (e - 1) * np.sin(2 * theta))


def test_amplitudes_are_as_sparse_as_stated_and_uniform_where_they_are_not_zero() -> None:
    sparsity = np.resize(sources.SPARSITY, 400)
    drawn = sources.amplitudes(np.random.default_rng(0), sparsity)
    for level in sources.SPARSITY:
        zero = (drawn[sparsity == level] == 0).ravel()
        assert scipy.stats.binomtest(int(zero.sum()), zero.size, level).pvalue > 0.01
    assert scipy.stats.kstest(drawn[drawn > 0], "uniform", (1e-3, 1 - 1e-3)).pvalue > 0.01
    assert drawn.any(axis=(1, 2)).all()


def test_a_source_is_the_mixture_of_gaussians_it_is_said_to_be() -> None:
    drawn = sources.amplitudes(np.random.default_rng(0), np.array([0.2, 0.4]))
    n = 32
    x, y = np.meshgrid(np.arange(n) / n, np.arange(n) / n, indexing="ij")
    centres = 0.5 - 11 / 32 + np.arange(12) / 16
    plain = sum(
        drawn[:, i, j, None, None] * np.exp(-((x - centres[i]) ** 2 + (y - centres[j]) ** 2) * 512)
        for i in range(12)
        for j in range(12)
    )
    plain = plain / plain.max(axis=(1, 2), keepdims=True)
    plain -= plain.mean(axis=(1, 2), keepdims=True)
    made = sources.mixture(drawn, n, torch.float64).numpy()
    assert np.abs(made - plain).max() < 1e-5  # distances are periodic in one and not in the other


def test_sources_and_solutions_have_zero_mean_and_satisfy_the_equation(recipe_of: RecipeOf) -> None:
    samples = generate.make_block(recipe_of(grid=32, dtype="float64"), "train", 0)
    for field in (samples.source, samples.solution):
        assert field.mean((1, 2)).abs().max() < 1e-15
    transform = spectral.AllModes(32, torch.float64)
    operator = SYSTEM.symbol(torch.from_numpy(samples.coefficients)[:, :, None, None], transform.modes)
    left = transform.synthesise(operator * transform.analyse(samples.solution))
    assert (left - samples.source).norm() < 1e-12 * samples.source.norm()


@pytest.mark.parametrize("grid", [64, 128])
@pytest.mark.parametrize("system", systems()[0])
def test_the_fast_path_in_single_precision_is_as_exact_as_single_precision_allows(
    recipe_of: RecipeOf, system: str, grid: int
) -> None:
    assert isinstance(spectral.transform(grid, torch.float32), spectral.LowModes)
    low, high = find(system).range["default"]
    single, double = (
        generate.make_block(recipe_of(system=system, range=(low, high), grid=grid, dtype=dtype), "train", 0)
        for dtype in ("float32", "float64")
    )
    apart = (single.solution - double.solution).flatten(1).norm(dim=1) / double.solution.flatten(1).norm(dim=1)
    assert apart.max() < 1e-5


def test_what_a_system_does_not_accept_is_drawn_again(
    recipe_of: RecipeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "plugins" / "operators" / "systems"
    plugins.mkdir(parents=True)
    (plugins / "picky.py").write_text(
        "import msgspec\n"
        "from experiments.operators.systems.poisson import SYSTEM as poisson\n"
        "SYSTEM = msgspec.structs.replace(poisson, accepted=lambda u: u.abs().amax((1, 2)) < 0.3)\n"
    )
    monkeypatch.setenv("SCIML_TUI_HOME", str(tmp_path))
    recipe = recipe_of(system="picky")
    samples = generate.make(recipe, "train", BLOCK + 5)
    assert len(samples.source) == BLOCK + 5
    assert samples.solution.abs().amax((1, 2)).max() < 0.3
    assert generate.make(recipe_of(), "train", BLOCK).solution.abs().amax((1, 2)).max() > 0.3
    assert same(generate.make(recipe, "train", 10), samples.part(slice(10)))
    assert [np.sum(samples.drawn[:BLOCK, -1] == level) for level in sources.SPARSITY] == [BLOCK / 4] * 4
    monkeypatch.setattr(generate, "REDRAWS", 3)
    (plugins / "none.py").write_text((plugins / "picky.py").read_text().replace("< 0.3", "< 0"))
    with pytest.raises(TaskError, match="required one of which none accepts samples, got none in 1:5"):
        generate.make(recipe_of(system="none"), "train", 1)


@pytest.mark.parametrize("system", systems()[0])
@pytest.mark.parametrize("grid", [16, 64])
def test_samples_are_made_on_the_device_and_kept_on_the_host(
    recipe_of: RecipeOf, gpu: Callable[..., Any], system: str, grid: int
) -> None:
    """With a GPU pretended, by both transforms."""
    recipe = recipe_of(system=system, range=find(system).range["default"], grid=grid)
    with gpu() as there:
        assert generate.make_block(recipe, "train", 0, there.name).solution.device.type == there.name
        found = generate.make(recipe, "train", 70, there.name)
    assert same(found, generate.make(recipe, "train", 70))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("system", systems()[0])
@pytest.mark.parametrize("grid", [32, 128])
def test_on_a_gpu_the_same_samples_are_made_to_rounding(recipe_of: RecipeOf, system: str, grid: int) -> None:
    recipe = recipe_of(system=system, range=find(system).range["default"], grid=grid)
    there, here = generate.make_block(recipe, "train", 0, "cuda"), generate.make_block(recipe, "train", 0)
    assert there.solution.is_cuda
    assert np.allclose(there.drawn, here.drawn)
    for one, other in ((there.source, here.source), (there.solution, here.solution)):
        assert (one.cpu() - other).norm() < 1e-5 * other.norm()
