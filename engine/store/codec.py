"""Documents <-> JSON, with the floats that JSON has no word for.

NaN and the infinities are written `{"$float": "nan"}`, `{"$float": "inf"}` and `{"$float": "-inf"}`; a mapping of the
user's own that has a key `$float` is written `{"$float": [mapping]}`, so that nothing is mistaken. Everything else is
plain JSON: tuples come back as lists, keys as strings. NumPy scalars are written as the numbers that they are. Half a
surrogate pair, as in a file's name that is no UTF-8, is written out as `\\udc80`.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

TORN = b" torn\n"
"""Ends a line that a killed writer left unfinished: no JSON ends like this, so the line stays unreadable for good."""

_KEY = "$float"
_MARK = b'"$float"'


def encode(value: Any) -> bytes:
    """One line of compact JSON. Raises TypeError for what JSON cannot hold."""
    try:
        text = _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_explicit(value))
    # msgspec writes a float that is not finite as null: without a null there was none
    return _encoder.encode(_explicit(value)) if b"null" in text or _MARK in text else text


def decode(text: bytes) -> Any:
    """Raises msgspec.DecodeError."""
    value = msgspec.json.decode(text)
    return _restored(value) if _MARK in text else value


def has_marks(text: bytes) -> bool:
    """Whether floats that are not finite (may) occur, so that a typed decoder alone would not do."""
    return _MARK in text


def _hook(value: Any) -> Any:
    if getattr(value, "shape", None) == ():  # a scalar of NumPy's or torch's, without importing either
        return _explicit(value.item())
    raise TypeError(f"required JSON (numbers, texts, lists, mappings), got {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_hook)


_ATOMS = frozenset({int, bool, type(None)})


def _explicit(value: Any) -> Any:
    if type(value) in _ATOMS:  # before all else: most are, and this is on the path of every write
        return value
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else {_KEY: repr(float(value))}
    if isinstance(value, dict):
        inner = {_explicit(key): _explicit(item) for key, item in value.items()}
        return {_KEY: [inner]} if _KEY in inner else inner
    if isinstance(value, list | tuple):
        return [_explicit(item) for item in value]
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    marked = value.get(_KEY)
    if isinstance(marked, str):
        return float(marked)
    if isinstance(marked, list):
        value = marked[0]
    return {key: _restored(item) for key, item in value.items()}
