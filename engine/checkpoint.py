"""Checkpoints: nested mappings and lists of NumPy arrays and JSON scalars <-> one safetensors file.

Arrays are tensors of the file, named by their number; the structure around them is JSON in its metadata, in which a
mapping is `{"map": {...}}`, an array `{"array": 3}`, a float that is not finite `{"float": "nan"}`, the rest itself.
The format is written here rather than by the safetensors package so that a state is never held twice in memory, a full
disk is told from other errors, and a checksum says whether the file is whole.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engine import atomic
from engine.api import State
from engine.errors import StoreCorrupt, StoreError
from engine.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_NAME = re.compile(r"step-(\d+)\.safetensors")
_BLOCK = 1 << 24


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is kept."""
    return folder / f"step-{step}.safetensors"


def save(path: Path, state: State) -> None:
    """Writes a state, whole or not at all, and onto the disk; the folder is made if it is not there.

    Arrays are real floats (16 to 64 bits), integers or booleans of any shape; scalars are None, bool, int (of any
    size), float (exactly, NaN and infinity too) and str. Tuples come back as lists. Raises TypeError, naming the place,
    for anything else; StoreFull, StoreError.
    """
    arrays: list[np.ndarray] = []
    structure = json.dumps(_flattened(state, "state", arrays), allow_nan=False)
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(_bytes(array), checksum)
    header = _header(arrays, {"format": "sciml-tui checkpoint 1", "structure": structure, "crc32": str(checksum)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.store_error(error, path.parent) from error
    with atomic.replacing(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for array in arrays:
            file.write(_bytes(array))


def load(path: Path) -> dict[str, Any]:
    """The state that was saved; its arrays are writable. Raises StoreCorrupt if the file is not whole."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise atomic.store_error(error, path) from error
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise StoreCorrupt(
            f"{path}: required a whole checkpoint, got one that does not verify ({error}); "
            "remove it, and an older one is used"
        ) from None


def newest(folder: Path) -> Path | None:
    """The checkpoint of the highest step that verifies, or None."""
    for _, path in by_step(folder):
        try:
            load(path)
        except StoreError:
            continue
        return path
    return None


def prune(folder: Path, keep: int = 2) -> None:
    """Removes all but the newest `keep` checkpoints; those that were cut short do not count among them."""
    kept = 0
    for _, path in by_step(folder):
        if kept < keep and _is_complete(path):
            kept += 1
        else:
            path.unlink(missing_ok=True)


def by_step(folder: Path) -> list[tuple[int, Path]]:
    """(step, path) of every checkpoint, the highest step first, whether or not it can be read."""
    found = [(int(match[1]), path) for path in folder.glob("step-*") if (match := _NAME.fullmatch(path.name))]
    return sorted(found, reverse=True)


def _flattened(value: Any, place: str, arrays: list[np.ndarray]) -> Any:
    """The structure with its arrays taken out, into `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(_plain(value, place))
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{place}: required keys that are texts, got {key!r}")
        return {"map": {key: _flattened(item, f"{place}[{key!r}]", arrays) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return [_flattened(item, f"{place}[{n}]", arrays) for n, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{place}: required a NumPy array or a JSON scalar, got {type(value).__name__}")


def _restored(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_restored(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "map" in value:
        return {key: _restored(item, arrays) for key, item in value["map"].items()}
    return arrays[value["array"]] if "array" in value else float(value["float"])


def _plain(array: np.ndarray, place: str) -> np.ndarray:
    """The array in C order and little-endian, copied only where it is not."""
    little = array.dtype.newbyteorder("<")
    if little.str not in _CODES:
        raise TypeError(f"{place}: required real floats of 16 to 64 bits, integers or booleans, got {array.dtype}")
    return np.asarray(array, dtype=little, order="C")


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _header(arrays: list[np.ndarray], metadata: dict[str, str]) -> bytes:
    """The safetensors header, padded with spaces so that the data is aligned."""
    entries: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for number, array in enumerate(arrays):
        end = offset + array.nbytes
        entries[str(number)] = {
            "dtype": _CODES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _read_header(file: BinaryIO) -> dict[str, Any]:
    length = int.from_bytes(file.read(8), "little")
    text = file.read(length) if length < 1 << 30 else b""
    if len(text) != length:
        raise ValueError("its header is cut short")
    entries = json.loads(text)
    if not isinstance(entries, dict) or "structure" not in entries.get("__metadata__", {}):
        raise ValueError("it is not a checkpoint of sciml-tui")
    return entries


def _read(file: BinaryIO) -> dict[str, Any]:
    entries = _read_header(file)
    metadata = entries.pop("__metadata__")
    arrays = []
    checksum = 0
    for number in range(len(entries)):
        entry = entries[str(number)]
        array = np.empty(entry["shape"], _DTYPES[entry["dtype"]])
        data = _bytes(array)
        for begin in range(0, len(data), _BLOCK):
            block = data[begin : begin + _BLOCK]
            if file.readinto(block) != len(block):  # type: ignore[attr-defined]
                raise ValueError("its data is cut short")
            checksum = zlib.crc32(block, checksum)
        arrays.append(array)
    if str(checksum) != metadata["crc32"]:
        raise ValueError("its checksum differs")
    state: dict[str, Any] = _restored(json.loads(metadata["structure"]), arrays)
    return state


def _is_complete(path: Path) -> bool:
    """Whether the file is as long as its header says."""
    try:
        with path.open("rb") as file:
            entries = _read_header(file)
            ends = [entry["data_offsets"][1] for key, entry in entries.items() if key != "__metadata__"]
            return path.stat().st_size == file.tell() + max(ends, default=0)
    except (OSError, ValueError, KeyError, TypeError):
        return False
