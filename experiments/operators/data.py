"""Samples in an HDF5 file.

    /train /validation /test   a group each, with
        source, solution       (samples, grid, grid), at (x, y) = (i / grid, j / grid)
        coefficients           (samples, coefficients), the operators; `names` says which
        drawn                  (samples, drawn), what they were made from
    attributes                 the recipe, the equation, units, statistics of the training set, and a hash of all values

The file's structure is written once, complete, with room for everything; values then go to their places in it without
HDF5, and at the end the attributes that were not known get their values in place. So whatever kills the program, the
file can be opened and what was written is there, and the same recipe makes the same bytes, interrupted or not.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import msgspec
import numpy as np
import torch

from engine.api import TaskError
from experiments.operators import generate
from experiments.operators.generate import Samples
from experiments.operators.recipe import SPLITS, Recipe, Sizes, Split
from experiments.operators.system import System, find

FORMAT, VERSION = "sciml-tui operator data", 1
_READ_AT_ONCE = 1 << 24
"""Bytes."""


class Header(NamedTuple):
    """What a file says of itself. `source_norm` and `coefficient_medians` are of the training set (see `normalise`)."""

    recipe: Recipe
    sizes: Sizes
    complete: bool
    sha256: str


def create(path: Path, recipe: Recipe, sizes: Sizes) -> None:
    """A file with room for the samples. Raises OSError."""
    system = find(recipe.system)
    with h5py.File(path, "w") as file:
        file.attrs.update(_attributes(recipe, sizes, system))
        axis = file.create_dataset("x", data=np.arange(recipe.grid) / recipe.grid)
        axis.attrs["description"] = "coordinates along x, and along y"
        for split in SPLITS:
            group = file.create_group(split)
            for name, shape, dtype, facts in _arrays(recipe, sizes.of(split), system):
                group.create_dataset(name, shape, dtype, dcpl=_with_room()).attrs.update(facts)


def _attributes(recipe: Recipe, sizes: Sizes, system: System) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "recipe": msgspec.json.encode(recipe).decode(),
        "sizes": msgspec.json.encode(sizes).decode(),
        "system": recipe.system,
        "range": recipe.range,
        "seed": recipe.seed,
        "title": system.title,
        "equation": system.equation,
        "conditions": system.conditions,
        "publication": system.source,
        "domain": "unit square, periodic; axes (sample, x, y); all quantities dimensionless",
        "source_norm_median": 0.0,
        "coefficient_medians": np.zeros(len(system.coefficients)),
        "complete": np.int8(0),
        "sha256": np.bytes_(b"0" * 64),
    }


def _arrays(recipe: Recipe, count: int, system: System) -> Iterator[tuple[str, tuple[int, ...], str, dict[str, Any]]]:
    """Name, shape, type and attributes of the arrays of one split."""
    shape, dtype = (count, recipe.grid, recipe.grid), {"float32": "<f4", "float64": "<f8"}[recipe.dtype]
    drawn = {**system.drawn, "sparsity": "probability that a Gaussian of the source is absent"}
    yield "source", shape, dtype, {"description": "f", "units": "1"}
    yield "solution", shape, dtype, {"description": "u", "units": "1"}
    for name, meanings in (("coefficients", system.coefficients), ("drawn", drawn)):
        facts = {"names": list(meanings), "description": list(meanings.values())}
        yield name, (count, len(meanings)), "<f8", facts


def _with_room() -> Any:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return properties


class Writer:
    """Puts samples to their places in a file that `create` made. Not safe for two at a time."""

    def __init__(self, path: Path) -> None:
        with _opened(path) as file:
            self._offsets = {
                (split, name): (array.id.get_offset(), array.dtype)
                for split in SPLITS
                for name, array in file[split].items()
            }
        self._file = os.open(path, os.O_WRONLY)

    def write(self, split: Split, start: int, samples: Samples) -> None:
        """Raises OSError, for instance where the disk is full."""
        for name, values in samples._asdict().items():
            offset, dtype = self._offsets[split, name]
            array = np.ascontiguousarray(values.cpu() if isinstance(values, torch.Tensor) else values, dtype)
            _write_all(self._file, array, offset + start * array[0].nbytes)

    def flush(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def _write_all(file: int, array: np.ndarray, offset: int) -> None:
    view = memoryview(array.data).cast("B")
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def finish(path: Path) -> Header:
    """Measures what was written, notes it in the file and marks it complete. Can be done again."""
    digest, norms = hashlib.sha256(), []
    with _opened(path) as file:
        for split in SPLITS:
            for name in ("source", "solution", "coefficients", "drawn"):
                for part in _parts(file[split][name]):
                    digest.update(part.data)
                    if (split, name) == ("train", "source"):
                        norms.append(np.sqrt(np.mean(np.square(part, dtype=np.float64), axis=(1, 2))))
        medians = np.median(np.abs(file["train/coefficients"][:]), axis=0)
    with h5py.File(path, "r+") as file:
        file.attrs.modify("source_norm_median", float(np.median(np.concatenate(norms))))
        file.attrs.modify("coefficient_medians", medians)
        file.attrs.modify("sha256", np.bytes_(digest.hexdigest().encode()))
        file.attrs.modify("complete", np.int8(1))
    return header(path)


def _parts(array: h5py.Dataset) -> Iterator[np.ndarray]:
    count = max(1, _READ_AT_ONCE // (math.prod(array.shape[1:]) * array.dtype.itemsize))
    return (array[start : start + count] for start in range(0, len(array), count))


def header(path: Path) -> Header:
    """Raises TaskError where the file is foreign, truncated or damaged."""
    with _opened(path) as file:
        try:
            recipe = msgspec.json.decode(file.attrs["recipe"], type=Recipe)
            sizes = msgspec.json.decode(file.attrs["sizes"], type=Sizes)
            found = Header(recipe, sizes, bool(file.attrs["complete"]), bytes(file.attrs["sha256"]).decode())
            for split in SPLITS:
                for name, shape, dtype, _ in _arrays(recipe, sizes.of(split), find(recipe.system)):
                    array = file[split][name]
                    if array.shape != shape or array.dtype != dtype:
                        raise TaskError(
                            f"{path}: /{split}/{name}: required {dtype} {shape}, got {array.dtype} {array.shape}"
                        )
        except (KeyError, msgspec.MsgspecError) as error:
            raise TaskError(f"{path}: required the layout of {FORMAT!r}, got a file where {error}") from None
    return found


def holds(path: Path, recipe: Recipe, sizes: Sizes) -> bool:
    """Whether there is a file, complete or not, with room for just these samples."""
    try:
        found = header(path)
    except TaskError:
        return False
    return (found.recipe, found.sizes) == (recipe, sizes)


def _opened(path: Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise TaskError(f"{path}: required a complete HDF5 file, got one that cannot be read: {error}") from None
    kind, version = file.attrs.get("format"), file.attrs.get("version")
    if (kind, version) != (FORMAT, VERSION):
        file.close()
        got = f"{kind} of version {version}" if kind else "a foreign HDF5 file"
        raise TaskError(f"{path}: required {FORMAT!r} of version {VERSION}, got {got}; make it again with `dataset`")
    return file


def read(path: Path, split: Split, count: int, *, mapped: bool = False) -> Samples:
    """The first `count` samples; mapped: their fields are read from the file when they are looked at.

    Raises TaskError where there are fewer, or the file is not complete.
    """
    found = header(path)
    if not found.complete:
        raise TaskError(f"{path}: required a complete dataset, got one whose making was interrupted: resume that run")
    if count > found.sizes.of(split):
        raise TaskError(f"{path}: required {count} {split} samples, got {found.sizes.of(split)}; make a larger dataset")
    with _opened(path) as file:
        group = file[split]
        source, solution = (
            torch.from_numpy(_mapped(path, group[name])[:count] if mapped else group[name][:count])
            for name in ("source", "solution")
        )
        return Samples(source, solution, group["coefficients"][:count], group["drawn"][:count])


def _mapped(path: Path, array: h5py.Dataset) -> np.ndarray:
    """The array in the file's own place; what is written to it, if anything, is not written to the file."""
    return np.memmap(path, array.dtype, "c", array.id.get_offset(), array.shape)


def made(path: Path, recipe: Recipe, sizes: Sizes, device: str = "cpu") -> Path:
    """The file of these samples: made a block at a time, unless it is there already. Raises OSError."""
    if holds(path, recipe, sizes) and header(path).complete:
        return path
    create(path, recipe, sizes)
    writer = Writer(path)
    try:
        for split in SPLITS:
            start = 0
            for samples in generate.blocks(recipe, split, 0, sizes.of(split), device):
                writer.write(split, start, samples)
                start += len(samples.source)
        writer.flush()
    finally:
        writer.close()
    finish(path)
    return path
