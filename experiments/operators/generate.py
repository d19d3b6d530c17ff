"""Samples of a system, made from a recipe: the same sample for the same recipe, split and index, wherever it is made.

Samples are drawn and solved in blocks of 64, each block from a random stream of its own. So a sample does not depend on
how many are made, nor in what portions, and the first N of a set are the set of N. The streams of different systems,
ranges, splits and seeds are independent: no source of a test set is ever met in training. The grid is no part of the
stream: a finer grid shows the same problems. On a GPU the same samples are made, to rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from experiments.operators import sources, spectral
from experiments.operators.recipe import Recipe, Split
from experiments.operators.system import find

BLOCK = 64


class Samples(NamedTuple):
    """source and solution: (count, n, n). coefficients: (count, coefficients), the operators. drawn: (count, drawn),
    what they were made from, and last the sparsity of the source. The latter two are float64, named in the system."""

    source: torch.Tensor
    solution: torch.Tensor
    coefficients: np.ndarray
    drawn: np.ndarray

    def part(self, chosen: slice | torch.Tensor) -> Samples:
        index = chosen if isinstance(chosen, slice) else chosen.cpu().numpy()
        return Samples(self.source[chosen], self.solution[chosen], self.coefficients[index], self.drawn[index])

    @staticmethod
    def joined(parts: list[Samples]) -> Samples:
        if len(parts) == 1:
            return parts[0]
        source, solution, coefficients, drawn = zip(*parts, strict=True)
        return Samples(torch.cat(source), torch.cat(solution), np.concatenate(coefficients), np.concatenate(drawn))


def stream(recipe: Recipe, split: Split, block: int) -> np.random.Generator:
    """The random stream of one block."""
    low, high = (float(end).hex() for end in recipe.range)
    keys = f"{recipe.system} {low} {high} {recipe.seed} {split} {block}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(keys.encode()).digest()))


def make_block(recipe: Recipe, split: Split, block: int, device: str = "cpu") -> Samples:
    """The 64 samples of one block. Draws again what the system does not accept."""
    rng, system = stream(recipe, split, block), find(recipe.system)
    parts, missing = [], BLOCK
    while missing > 0:
        candidates = _solved(recipe, rng, device)
        if system.accepted is not None:
            candidates = candidates.part(system.accepted(candidates.solution))
        parts.append(candidates.part(slice(missing)))
        missing -= len(candidates.source)
    return Samples.joined(parts)


def _solved(recipe: Recipe, rng: np.random.Generator, device: str) -> Samples:
    system, dtype = find(recipe.system), getattr(torch, recipe.dtype)
    lattice, sparsity = sources.amplitudes(rng, BLOCK)
    drawn = system.draw(rng, BLOCK, *recipe.range)
    source = sources.mixture(lattice, recipe.grid, dtype, device)
    transform = spectral.transform(recipe.grid, dtype, device)
    spectrum = transform.analyse(source)
    coefficients = system.coefficients_of(drawn, spectrum, transform.modes)
    operator = torch.as_tensor(coefficients, dtype=dtype, device=device)[:, :, None, None]
    solution = transform.synthesise(spectral.divide(spectrum, system.symbol(operator, transform.modes)))
    return Samples(source, solution, coefficients, np.stack([*drawn.values(), sparsity], axis=1))


def blocks(recipe: Recipe, split: Split, start: int, stop: int, device: str = "cpu") -> Iterator[Samples]:
    """Samples `start` to `stop`, a block at a time: what does not fit in memory is never there at once."""
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        first = block * BLOCK
        inside = slice(max(start - first, 0), min(stop - first, BLOCK))
        yield make_block(recipe, split, block, device).part(inside)


def make(recipe: Recipe, split: Split, count: int, device: str = "cpu") -> Samples:
    """The first `count` samples."""
    return Samples.joined(list(blocks(recipe, split, 0, count, device)))
