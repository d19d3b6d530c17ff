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

from engine.api import TaskError
from experiments.operators import sources, spectral
from experiments.operators.recipe import Recipe, Split
from experiments.operators.system import find

BLOCK = 64
REDRAWS = 1000
"""How often what a system does not accept is drawn again before it is given up."""


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

    def on_host(self) -> Samples:
        """In the CPU's memory, wherever they were made."""
        return self._replace(source=self.source.cpu(), solution=self.solution.cpu())

    def replace(self, places: np.ndarray, others: Samples) -> None:
        """Puts `others` to these places."""
        self.source[places], self.solution[places] = others.source, others.solution
        self.coefficients[places], self.drawn[places] = others.coefficients, others.drawn

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
    """The 64 samples of one block. Draws again what the system does not accept, of the same sparsity.

    Raises TaskError where the system accepts nothing.
    """
    rng, system = stream(recipe, split, block), find(recipe.system)
    samples = _solved(recipe, rng, np.resize(sources.SPARSITY, BLOCK), device)
    if system.accepted is None:
        return samples
    refused = np.flatnonzero(~system.accepted(samples.solution).cpu().numpy())
    for _ in range(REDRAWS):
        if len(refused) == 0:
            return samples
        again = _solved(recipe, rng, samples.drawn[refused, -1], device)
        samples.replace(refused, again)
        refused = refused[~system.accepted(again.solution).cpu().numpy()]
    low, high = recipe.range
    raise TaskError(f"range: required one of which {recipe.system} accepts samples, got none in {low:g}:{high:g}")


def _solved(recipe: Recipe, rng: np.random.Generator, sparsity: np.ndarray, device: str) -> Samples:
    """A sample for each sparsity, (count,)."""
    system, dtype = find(recipe.system), getattr(torch, recipe.dtype)
    lattice = sources.amplitudes(rng, sparsity)
    drawn = system.draw(rng, len(sparsity), *recipe.range)
    source = sources.mixture(lattice, recipe.grid, dtype, device, zero_mean=system.zero_mean)
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
    """The first `count` samples, in the CPU's memory like those of a file: a device holds a block of them at a time."""
    return Samples.joined([block.on_host() for block in blocks(recipe, split, 0, count, device)])
