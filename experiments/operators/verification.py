"""Whether a file of samples is what it says it is: its values, their ranges, its splits, and the equation.

Everything is looked at once, from beginning to end; of each split some samples are solved again, with all modes in
double precision, and the first ones made again from the recipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch

from engine.api import Finding
from experiments.operators import data, generate, sources, spectral
from experiments.operators.data import Measured
from experiments.operators.generate import Samples
from experiments.operators.metrics import relative_l2
from experiments.operators.recipe import SPLITS, Recipe, Split
from experiments.operators.system import System, find

SOLVED = 64
"""Samples of each split that are solved again, evenly spaced."""
EXACT = {"float32": 1e-5, "float64": 1e-10}
"""Relative L2 error that is allowed of a solution, and of a sample that is made again elsewhere."""
ROUNDINGS = 2
"""Of the numbers of a residual, in units of their precision times the largest factor of the operator."""


def verify(path: Path) -> Iterator[Finding]:
    """Raises TaskError where the file is truncated, foreign or not finished."""
    found = data.complete(path)
    system = find(found.recipe.system)
    with data.opened(path) as file:
        yield from _of_values(file, found)
        yield from _of_ranges(file, found.recipe, system)
    for split in SPLITS:
        count = found.sizes.of(split)
        chosen = np.unique(np.linspace(0, count - 1, min(count, SOLVED)).astype(int))
        samples = data.read(path, split, count, mapped=True)
        yield from _of_equation(split, samples.part(torch.from_numpy(chosen)), found.recipe, system)
        first = samples.part(slice(0, generate.BLOCK))
        yield _made_again(split, first, found.recipe)


def _of_values(file: h5py.File, header: data.Header) -> Iterator[Finding]:
    """What is seen in one pass over the file."""
    measured, unfit, seen = Measured(), 0, dict.fromkeys(SPLITS, 0)
    owners: dict[bytes, Split] = {}
    repeated, shared = 0, 0
    for split, name, part in data.parts(file):
        measured.take(split, name, part)
        unfit += part.size - int(np.isfinite(part).sum())
        seen[split] += len(part) if name == "source" else 0
        for source in part if name == "source" else ():
            owner = owners.setdefault(hashlib.blake2b(source, digest_size=16).digest(), split)
            shared += owner != split
            repeated += 1
    repeated -= len(owners) + shared
    yield _finding("hash of the values", "", measured.sha256[:16], header.sha256[:16], measured.sha256 == header.sha256)
    yield _finding("values that are not finite", "", str(unfit), "0", unfit == 0)
    yield _finding("sources of one split in another", "", str(shared), "0", shared == 0)
    yield _finding("sources that are there twice", "", str(repeated), "0", repeated == 0)
    apart = max(
        float(np.max(np.abs(value - file["train"][name].attrs[key]) / np.maximum(np.abs(value), 1)))
        for name, statistics in measured.statistics.items()
        for key, value in statistics.items()
    )
    yield _at_most("statistics, from those noted", "train", apart, 1e-9)
    ratio = measured.source_norm_median / float(file.attrs["source_norm_median"])
    medians = np.array(file.attrs["coefficient_medians"])
    off = max(abs(ratio - 1), float(np.max(np.abs(data.coefficient_medians(file) - medians) / medians)))
    yield _at_most("scales of normalisation, from those noted", "train", off, 1e-9)


def _of_ranges(file: h5py.File, recipe: Recipe, system: System) -> Iterator[Finding]:
    """All samples of all splits."""
    drawn = np.concatenate([file[split]["drawn"][:] for split in SPLITS])
    bounds = system.bounds(*recipe.range) if system.bounds else {}
    for place, name in enumerate(system.drawn):
        if name in bounds:
            low, high = bounds[name]
            least, most = float(drawn[:, place].min()), float(drawn[:, place].max())
            inside = low <= least <= most <= high
            yield _finding(f"range of {name}", "", f"{least:.6g} to {most:.6g}", f"{low:.6g} to {high:.6g}", inside)
    levels = sorted(set(drawn[:, -1].tolist()))
    listed, allowed = (", ".join(f"{level:g}" for level in each) for each in (levels, sources.SPARSITY))
    yield _finding("sparsity of the sources", "", listed, allowed, set(levels) <= set(sources.SPARSITY))


def _of_equation(split: Split, samples: Samples, recipe: Recipe, system: System) -> Iterator[Finding]:
    source, solution = samples.source.double(), samples.solution.double()
    operator = torch.as_tensor(samples.coefficients)[:, :, None, None]
    whole = spectral.AllModes(recipe.grid, torch.float64)
    solved = whole.synthesise(spectral.divide(whole.analyse(source), system.symbol(operator, whole.modes)))
    error = float(relative_l2(solution, solved).max())
    what = f"solution, from {len(source)} solved again"
    yield _at_most(what, split, error, EXACT[recipe.dtype])
    yield _residual(split, source, solution, operator, recipe, system)
    spectrum = whole.analyse(source)
    drawn = dict(zip(system.drawn, samples.drawn.T, strict=False))
    made = system.coefficients_of(drawn, spectrum, whole.modes)
    apart = float(np.max(np.abs(made - samples.coefficients) / np.maximum(np.abs(samples.coefficients).max(0), 1e-300)))
    yield _at_most("coefficients, from what was drawn", split, apart, EXACT[recipe.dtype])
    if system.accepted is not None:
        refused = int((~system.accepted(samples.solution)).sum())
        yield _finding("samples that the conditions refuse", split, str(refused), "0", refused == 0)


def _residual(
    split: Split,
    source: torch.Tensor,
    solution: torch.Tensor,
    operator: torch.Tensor,
    recipe: Recipe,
    system: System,
) -> Finding:
    """‖(operator) u - f‖ / ‖f‖ over the modes that the solution was made of, the largest; f without those on which the
    operator is zero. The operator magnifies the rounding of u, most in its highest modes: that much is allowed."""
    dtype = getattr(torch, recipe.dtype)
    low = spectral.truncated(recipe.grid, dtype)
    n, double = recipe.grid, torch.float64
    transform = spectral.LowModes(n, spectral.LOW, double) if low else spectral.AllModes(n, double)
    symbol = system.symbol(operator, transform.modes)
    spectrum = torch.where(symbol == 0, 0, transform.analyse(source))
    left = transform.synthesise(symbol * transform.analyse(solution))
    largest = float(relative_l2(left, transform.synthesise(spectrum)).max())
    sizes = solution.flatten(1).norm(dim=1) / source.flatten(1).norm(dim=1)
    magnified = float((symbol.abs().amax((1, 2)) * sizes).max()) * torch.finfo(dtype).eps
    return _at_most("residual of the equation", split, largest, EXACT[recipe.dtype] + ROUNDINGS * magnified)


def _made_again(split: Split, stored: Samples, recipe: Recipe) -> Finding:
    made = generate.make_block(recipe, split, 0).part(slice(0, len(stored.source)))
    pairs = ((stored.source, made.source), (stored.solution, made.solution))
    apart = max(float(relative_l2(one.double(), other.double()).max()) for one, other in pairs)
    if not np.allclose(stored.drawn, made.drawn, rtol=1e-12):
        apart = float("inf")
    return _at_most(f"samples, from {len(stored.source)} made again", split, apart, EXACT[recipe.dtype])


def _at_most(what: str, part: str, found: float, most: float) -> Finding:
    return _finding(what, part, f"{found:.2g}", f"at most {most:.2g}", found <= most)


def _finding(what: str, part: str, found: str, required: str, passed: bool) -> Finding:
    return Finding(what=what, part=part, found=found, required=required, passed=bool(passed))
