"""Settings as frozen structs: the one source of schemas, of defaults and of strict decoding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from engine.errors import Problem, SpecError

S = TypeVar("S", bound=msgspec.Struct)


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of whatever a person submits: immutable, and an unknown field is refused."""


def describe_struct(struct: type[msgspec.Struct], prefix: str = "") -> dict[str, dict[str, Any]]:
    """JSON-Schema properties of a struct of settings, in its order, their keys under `prefix`.

    Bounds, texts and units are written
    `Annotated[float, msgspec.Meta(ge=0, description="...", extra_json_schema={"x-unit": "s"})]`.
    A field without a default is required: its property has no `default`.
    """
    schema = msgspec.json.schema(struct)
    definitions = schema.get("$defs", {})
    body = definitions[schema["$ref"].rsplit("/", 1)[1]]
    return {prefix + name: _inlined(value, definitions) for name, value in body["properties"].items()}


def _inlined(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            rest = {k: v for k, v in value.items() if k != "$ref"}
            return {**_inlined(definitions[value["$ref"].rsplit("/", 1)[1]], definitions), **rest}
        return {k: _inlined(v, definitions) for k, v in value.items()}
    if isinstance(value, list | tuple):  # a default may be a tuple
        return [_inlined(v, definitions) for v in value]
    return value


def settings(struct: type[S], params: Mapping[str, Any], prefix: str = "") -> S:
    """The struct that the flat `params` under `prefix` make; keys that are none of its fields are left alone.

    Raises SpecError, naming the field with its prefix.
    """
    given = {
        field.encode_name: params[prefix + field.encode_name]
        for field in msgspec.structs.fields(struct)
        if prefix + field.encode_name in params
    }
    try:
        return msgspec.convert(given, struct)
    except msgspec.ValidationError as error:
        raise SpecError([problem_of(error, prefix, given)]) from None


_EXPECTED = re.compile(r"Expected (?P<required>.*?)(?:, got (?P<got>.*?))?(?: - at `\$\.?(?P<path>.*?)`)?$", re.DOTALL)
_TYPES = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", " | null": " or none"}
_TYPE = re.compile(r"\b(?:int|float|str|bool)\b| \| null\b")
_MISSING = re.compile(r"Object missing required field `(?P<field>.*?)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*?)`")


def problem_of(error: msgspec.ValidationError, prefix: str = "", given: Mapping[str, Any] | None = None) -> Problem:
    """A decoding error of msgspec in this project's words: the field's path, what was required, what was got."""
    text = str(error)
    if found := _MISSING.search(text):
        return Problem(prefix + found["field"], "a value", "none")
    if found := _UNKNOWN.search(text):
        return Problem(prefix + found["field"], "a field that exists", "an unknown one")
    if found := _EXPECTED.match(text):
        path = found["path"] or ""
        got = (given or {}).get(path.split("[")[0], found["got"])
        required = _TYPE.sub(lambda type: _TYPES[type[0]], found["required"].replace("`", ""))
        return Problem(prefix + path, required, str(got).replace("`", ""))
    message, _, path = text.partition(" - at `$.")
    field, _, rest = message.partition(": required ")
    if rest:  # a struct's own __post_init__, in the words used here
        required, _, got = rest.partition(", got ")
        return Problem(prefix + (f"{path.rstrip('`')}.{field}" if path else field), required, got)
    return Problem(prefix + path.rstrip("`"), "a valid value", message)
