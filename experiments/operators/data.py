"""Samples in an HDF5 file; `docs/data.md` says what is in it.

The file's structure is written once, complete, with room for everything; values then go to their places in it without
HDF5, and at the end the attributes that were not known get their values in place. So whatever kills the program, the
file can be opened and what was written is there, and the same recipe makes the same bytes, interrupted or not.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import msgspec
import numpy as np
import torch

from engine.api import TaskError
from experiments.operators import generate, sources
from experiments.operators.generate import Samples
from experiments.operators.recipe import SPLITS, Recipe, Sizes, Split
from experiments.operators.system import System, find

FORMAT, VERSION = "sciml-tui operator data", 2
ARRAYS = ("source", "solution", "coefficients", "drawn")
"""Of each split, in the order of the hash."""
STATISTICS = ("mean", "std", "minimum", "maximum")
"""Of the values of the training set; of coefficients and of what was drawn, column by column."""
SPARSITY = {"sparsity": "probability that a Gaussian of the source is absent"}
SOURCES = (
    "f is a mixture of Gaussians of width source_sigma on a square lattice of source_side x source_side points, "
    "source_spacing apart, in the middle of the domain; amplitudes are zero with the probability sparsity, else "
    "uniform in (0.001, 1); f is divided by its largest value, then its mean is taken off where source_zero_mean is 1"
)
_IN_CACHE = 1 << 17
"""Numbers that are summed up at a time."""
_READ_AT_ONCE = 1 << 24
"""Bytes."""


class Header(NamedTuple):
    """What a file says of itself."""

    recipe: Recipe
    sizes: Sizes
    complete: bool
    sha256: str


def create(path: Path, recipe: Recipe, sizes: Sizes) -> None:
    """A file with room for the samples, which is taken from the disk at once. Raises OSError."""
    system = find(recipe.system)
    with h5py.File(path, "w") as file:
        file.attrs.update(_attributes(recipe, sizes, system))
        axis = file.create_dataset("x", data=np.arange(recipe.grid) / recipe.grid)
        axis.attrs["description"] = "coordinates along x, and along y"
        for split in SPLITS:
            group = file.create_group(split)
            for name, shape, dtype, facts in _arrays(recipe, sizes.of(split), system):
                array = group.create_dataset(name, shape, dtype, dcpl=_with_room())
                unknown = np.zeros(shape[1] if len(shape) == 2 else ())
                array.attrs.update({**facts, **dict.fromkeys(STATISTICS if split == "train" else (), unknown)})

    _reserve(path)


def _reserve(path: Path) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.posix_fallocate(file, 0, path.stat().st_size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot promise any
            raise
    finally:
        os.close(file)


def _attributes(recipe: Recipe, sizes: Sizes, system: System) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_by": f"sciml-tui {metadata.version('sciml-tui')}",
        "recipe": msgspec.json.encode(recipe).decode(),
        "sizes": msgspec.json.encode(sizes).decode(),
        **msgspec.structs.asdict(recipe),
        "title": system.title,
        "equation": system.equation,
        "conditions": system.conditions,
        "publication": system.source,
        "sources": SOURCES,
        "source_side": sources.SIDE,
        "source_sigma": sources.SIGMA,
        "source_spacing": sources.SPACING,
        "source_sparsity": sources.SPARSITY,
        "source_zero_mean": int(system.zero_mean),
        "domain": "unit square, periodic; axes (sample, x, y); all quantities dimensionless, angles in radians",
        "source_norm_median": 0.0,
        "coefficient_medians": np.zeros(len(system.coefficients)),
        "complete": np.int8(0),
        "sha256": np.bytes_(b"0" * 64),
    }


def _arrays(recipe: Recipe, count: int, system: System) -> Iterator[tuple[str, tuple[int, ...], str, dict[str, Any]]]:
    """Name, shape, type and attributes of the arrays of one split."""
    shape, dtype = (count, recipe.grid, recipe.grid), {"float32": "<f4", "float64": "<f8"}[recipe.dtype]
    yield "source", shape, dtype, {"description": "f", "units": "1"}
    yield "solution", shape, dtype, {"description": "u", "units": "1"}
    for name, meanings in (("coefficients", system.coefficients), ("drawn", {**system.drawn, **SPARSITY})):
        units = [system.units.get(key, "1") for key in meanings]
        facts = {"names": list(meanings), "description": list(meanings.values()), "units": units}
        yield name, (count, len(meanings)), "<f8", facts


def _with_room() -> Any:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return properties


class Writer:
    """Puts samples to their places in a file that `create` made. Not safe for two at a time."""

    def __init__(self, path: Path) -> None:
        with opened(path) as file:
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


class Measured:
    """What is measured of the values of a file, array by array, a part at a time: their hash, and statistics.

    statistics: of the training set, by array. norms: ‖f‖ of its sources, see `normalise`.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._norms: list[np.ndarray] = []
        self._sums: dict[str, list[Any]] = {}

    def take(self, split: Split, name: str, part: np.ndarray) -> None:
        self._digest.update(part.data)
        if split == "train":
            rows = max(1, _IN_CACHE * len(part) // max(1, part.size))
            for start in range(0, len(part), rows):
                self._sum_up(name, part[start : start + rows])

    def _sum_up(self, name: str, part: np.ndarray) -> None:
        values = part.reshape(len(part), -1).astype(np.float64)
        squares = np.einsum("ij,ij->i", values, values) if part.ndim == 3 else np.square(values)
        if name == "source":
            self._norms.append(np.sqrt(squares / values.shape[1]))
        axis = None if part.ndim == 3 else 0
        found = [values.size if axis is None else len(values), values.sum(axis), squares.sum(axis)]
        ends = [values.min(axis), values.max(axis)]
        if name in self._sums:
            known = self._sums[name]
            found = [one + other for one, other in zip(found, known[:3], strict=True)]
            ends = [np.minimum(ends[0], known[3]), np.maximum(ends[1], known[4])]
        self._sums[name] = [*found, *ends]

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def source_norm_median(self) -> float:
        return float(np.median(np.concatenate(self._norms)))

    @property
    def statistics(self) -> dict[str, dict[str, np.ndarray]]:
        return {name: dict(zip(STATISTICS, _moments(*sums), strict=True)) for name, sums in self._sums.items()}


def _moments(count: int, total: Any, squares: Any, least: Any, most: Any) -> list[np.ndarray]:
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    return [np.asarray(value) for value in (mean, spread, least, most)]


def finish(path: Path) -> Header:
    """Measures what was written, notes it in the file and marks it complete. Can be done again."""
    measured = Measured()
    with opened(path) as file:
        for split, name, part in parts(file):
            measured.take(split, name, part)
        medians = coefficient_medians(file)
    with h5py.File(path, "r+") as file:
        for name, statistics in measured.statistics.items():
            for key, value in statistics.items():
                file["train"][name].attrs.modify(key, value)
        file.attrs.modify("source_norm_median", measured.source_norm_median)
        file.attrs.modify("coefficient_medians", medians)
        file.attrs.modify("sha256", np.bytes_(measured.sha256.encode()))
        file.attrs.modify("complete", np.int8(1))
    return header(path)


def coefficient_medians(file: h5py.File) -> np.ndarray:
    return np.median(np.abs(file["train/coefficients"][:]), axis=0)


def parts(file: h5py.File) -> Iterator[tuple[Split, str, np.ndarray]]:
    """All values in the order of their hash, in parts that fit in memory."""
    for split in SPLITS:
        for name in ARRAYS:
            array = file[split][name]
            count = max(1, _READ_AT_ONCE // (math.prod(array.shape[1:]) * array.dtype.itemsize))
            for start in range(0, len(array), count):
                yield split, name, array[start : start + count]


def quantities(path: Path) -> list[dict[str, Any]]:
    """What the file holds of each sample, with its meaning, its unit and the statistics of the training set."""
    found = []
    with opened(path) as file:
        for name in ARRAYS:
            attributes = file["train"][name].attrs
            words = [attributes.get("names", [name]), attributes["description"], attributes["units"]]
            figures = [np.atleast_1d(attributes[key]) for key in STATISTICS]
            columns = [[str(word) for word in ([entry] if isinstance(entry, str) else entry)] for entry in words]
            rows = zip(*columns, *(figure.tolist() for figure in figures), strict=True)
            found += [dict(zip(("name", "meaning", "unit", *STATISTICS), row, strict=True)) for row in rows]
    return found


def header(path: Path) -> Header:
    """Raises TaskError where the file is foreign, truncated or damaged."""
    with opened(path) as file:
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


def complete(path: Path) -> Header:
    """Raises TaskError where the making of the file was interrupted, too."""
    found = header(path)
    if not found.complete:
        raise TaskError(f"{path}: required a complete dataset, got one whose making was interrupted: resume that run")
    return found


def holds(path: Path, recipe: Recipe, sizes: Sizes) -> bool:
    """Whether there is a file, complete or not, with room for just these samples."""
    try:
        found = header(path)
    except TaskError:
        return False
    return (found.recipe, found.sizes) == (recipe, sizes)


def opened(path: Path) -> h5py.File:
    """A file of this layout. Raises TaskError where it is truncated or foreign."""
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
    found = complete(path)
    if count > found.sizes.of(split):
        raise TaskError(f"{path}: required {count} {split} samples, got {found.sizes.of(split)}; make a larger dataset")
    with opened(path) as file:
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
