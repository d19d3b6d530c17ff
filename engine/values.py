"""One value of a parameter: from text or typed input to what its JSON-Schema property asks for, and back to text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from engine.api import Value

Property = Mapping[str, Any]

_TRUE, _FALSE, _NONE = ("true", "yes", "on", "1"), ("false", "no", "off", "0"), ("none", "null")


class Unfit(Exception):
    """A value that its property does not admit: what was required, what was got."""

    def __init__(self, required: str, got: str) -> None:
        self.required, self.got = required, got
        super().__init__(f"required {required}, got {got}")


def text(value: Any, property: Property | None = None) -> str:
    """The value as a person writes it; `read` turns it back into the same value.

    Numbers are short where that loses nothing: `5`, `0.1`, `1e-07`. With its property, a range is `1:5` and not `1,5`.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value or value != value else repr(value)
    if isinstance(value, list | tuple):
        separator = ":" if property and property.get("x-range") else ","
        return separator.join(map(text, value))
    return str(value)


def split_list(written: str) -> list[str]:
    """`a,b` -> ["a", "b"], `[1,2],[3]` -> ["[1,2]", "[3]"]: commas inside brackets do not separate."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(written):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append(written[start:i].strip())
            start = i + 1
    parts.append(written[start:].strip())
    return parts if parts != [""] else []


def read(raw: Any, property: Property) -> Value:
    """The typed value that `raw` stands for: text from a command line, or a value from a form or a suite.

    Raises Unfit.
    """
    if "x-choices" in property:
        return _one_of(raw, list(property["x-choices"]), property)
    if "anyOf" in property:
        return _any_of(raw, property)
    if "enum" in property:
        return _one_of(raw, property["enum"], property)
    reader = _READERS.get(property.get("type", "string"))
    if reader is None:
        raise Unfit(required(property), text(raw))
    return reader(raw, property)


def required(property: Property) -> str:
    """What a property admits, in words: "a whole number from 1 to 5 or none"."""
    if "x-choices" in property:
        return _listed(list(property["x-choices"]))
    if property.get("x-ref") in REFERENCES:
        several = ", several separated by commas" if property.get("type") == "array" else ""
        return REFERENCES[property["x-ref"]] + several
    if "anyOf" in property:
        return " or ".join(map(required, property["anyOf"]))
    if "enum" in property:
        return _listed(property["enum"])
    kind = property.get("type", "string")
    if kind in ("number", "integer"):
        return _NOUNS[kind][0] + _bounds(property)
    if kind == "array":
        return _array_words(property)
    if kind == "string":
        words = "a text of at least one character" if property.get("minLength") else "a text"
        return words + (f" that matches {property['pattern']}" if "pattern" in property else "")
    return {"boolean": "true or false", "null": "none"}.get(kind, f"a value of type {kind}")


_NOUNS = {
    "number": ("a number", "numbers"),
    "integer": ("a whole number", "whole numbers"),
    "string": ("a text", "texts"),
    "boolean": ("true or false", "true or false"),
}


REFERENCES = {
    "run": "the id or name of a run",
    "dataset": "the name of a dataset, or the run that makes it",
}
"""What a parameter with `x-ref` admits."""


def _listed(options: Sequence[Any]) -> str:
    words = [text(option) for option in options]
    return words[0] if len(words) == 1 else "one of " + ", ".join(words)


def _bounds(property: Property) -> str:
    """ " above 0", " from 1 to 5", " of at most 3, a multiple of 2"."""
    above, least = property.get("exclusiveMinimum"), property.get("minimum")
    below, most = property.get("exclusiveMaximum"), property.get("maximum")
    words = ""
    if least is not None and most is not None:
        words = f" from {text(least)} to {text(most)}"
    else:
        if least is not None:
            words += f" of at least {text(least)}"
        if above is not None:
            words += f" above {text(above)}"
        if most is not None:
            words += f"{' and' if words else ' of'} at most {text(most)}"
        if below is not None:
            words += f"{' and' if words else ''} below {text(below)}"
    if "multipleOf" in property:
        words += f", a multiple of {text(property['multipleOf'])}"
    return words


def _array_words(property: Property) -> str:
    if property.get("x-range"):
        return f"a range written 1:5, {_of_items(property, 0)}"
    fixed = property.get("prefixItems")
    if fixed:
        return f"{len(fixed)} {_of_items(property, 0)} separated by commas"
    words = f"{_of_items(property, 0)} separated by commas"
    return words + (f", at least {property['minItems']}" if property.get("minItems") else "")


def _of_items(property: Property, index: int) -> str:
    item = _item(property, index)
    if "enum" in item:
        return "of " + ", ".join(map(text, item["enum"]))
    kind = item.get("type", "string")
    return _NOUNS.get(kind, ("", f"values of type {kind}"))[1] + _bounds(item)


def _item(property: Property, index: int) -> Property:
    fixed = property.get("prefixItems")
    if fixed:
        return cast(Property, fixed[min(index, len(fixed) - 1)])
    items = property.get("items")
    return items if isinstance(items, Mapping) else {"type": "number"} if property.get("x-range") else {}


def _one_of(raw: Any, options: Sequence[Any], property: Property) -> Value:
    for option in options:
        if (raw == option and isinstance(raw, bool) == isinstance(option, bool)) or raw == text(option):
            return cast(Value, option)
    raise Unfit(required(property), _got(raw))


def _any_of(raw: Any, property: Property) -> Value:
    """The first alternative that fits; plain text comes last, since it would swallow the rest."""
    alternatives = sorted(property["anyOf"], key=lambda option: option.get("type") == "string" and "enum" not in option)
    for alternative in alternatives:
        try:
            return read(raw, alternative)
        except Unfit:
            continue
    raise Unfit(required(property), _got(raw))


def _number(raw: Any, property: Property) -> Value:
    value = _as_float(raw)
    if value is None or not _within(value, property):
        raise Unfit(required(property), _got(raw))
    return value


def _integer(raw: Any, property: Property) -> Value:
    value = _as_integer(raw)
    if value is None or not _within(value, property):
        raise Unfit(required(property), _got(raw))
    return value


def _as_float(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _as_integer(raw: Any) -> int | None:
    """Whole numbers may be written `10000`, `10_000` or `1e4`."""
    if isinstance(raw, str):
        try:
            return int(raw)
        except ValueError:
            pass
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    value = _as_float(raw)
    return int(value) if value is not None and value.is_integer() else None


def _within(value: float, property: Property) -> bool:
    step = property.get("multipleOf")
    return (
        value >= property.get("minimum", -math.inf)
        and value > property.get("exclusiveMinimum", -math.inf)
        and value <= property.get("maximum", math.inf)
        and value < property.get("exclusiveMaximum", math.inf)
        and (step is None or abs(value / step - round(value / step)) < 1e-9)
    )


def _boolean(raw: Any, property: Property) -> Value:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else None
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Unfit(required(property), _got(raw))


def _null(raw: Any, property: Property) -> Value:
    if raw is None or (isinstance(raw, str) and raw.strip().lower() in _NONE):
        return None
    raise Unfit(required(property), _got(raw))


def _string(raw: Any, property: Property) -> Value:
    fits = (
        isinstance(raw, str)
        and len(raw) >= property.get("minLength", 0)
        and len(raw) <= property.get("maxLength", math.inf)
        and ("pattern" not in property or re.search(property["pattern"], raw) is not None)
    )
    if not fits:
        raise Unfit(required(property), _got(raw))
    return cast(str, raw)


def _array(raw: Any, property: Property) -> Value:
    items = _items(raw, property)
    if items is None or not property.get("minItems", 0) <= len(items) <= property.get("maxItems", math.inf):
        raise Unfit(required(property), _got(raw, property))
    try:
        values = [read(item, _item(property, i)) for i, item in enumerate(items)]
    except Unfit:
        raise Unfit(required(property), _got(raw, property)) from None
    if property.get("x-range") and not (len(values) == 2 and values[0] <= values[1]):  # type: ignore[operator]
        raise Unfit(f"{required(property)}, the lower end first", _got(raw, property))
    return cast(Value, values)


def _items(raw: Any, property: Property) -> list[Any] | None:
    if isinstance(raw, list | tuple):
        return list(raw)
    if not isinstance(raw, str):
        return None
    if property.get("x-range"):
        return raw.split(":")
    bare = raw.strip()
    return split_list(bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare)


_READERS = {
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "null": _null,
    "string": _string,
    "array": _array,
}


def _got(raw: Any, property: Property | None = None) -> str:
    return "nothing" if raw == "" else text(raw, property)
