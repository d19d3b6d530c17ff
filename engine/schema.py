"""Parameters of a task, from what a person gives to what a run stores: typed, complete, in the schema's order.

The schema is `TaskDescription.schema`. A parameter with `x-choices` brings the parameters of the chosen alternative,
which follow it in the order; those of the other alternatives are refused.
"""

from __future__ import annotations

import difflib
import itertools
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine import values
from engine.api import Params, TaskDescription, Value
from engine.errors import Problem, SpecError
from engine.values import Property, Unfit

Schema = Mapping[str, Any]

PARAMETER = "a parameter of this task"
"""What is required of a key."""

MOST_RUNS = 100_000
"""Of one grid: a slip of the keyboard (`0-1000000000`) is refused before it fills the memory."""


def complete(schema: Schema, raw: Mapping[str, Any]) -> dict[str, Value]:
    """All parameters of a run, typed, with defaults, from the raw ones that a person gave.

    Raises SpecError with every problem: an unknown key, one that belongs to another choice, a wrong type, a value out
    of bounds, a required one that is missing.
    """
    params: dict[str, Value] = {}
    raw, problems = _expanded(schema, raw)
    unclear: set[str] = set()  # parameters that hang on a choice which is itself wrong: no more to say of them

    def walk(properties: Mapping[str, Property]) -> None:
        for key, property in properties.items():
            try:
                params[key] = _value(key, property, raw)
            except Unfit as unfit:
                hint = suggestion(unfit.got, property["x-choices"]) if "x-choices" in property else ""
                problems.append(Problem(key, unfit.required, unfit.got, hint))
                unclear.update(_under_choices(property))
            else:
                walk(_brought(property, params[key]))

    walk(schema["properties"])
    known = params.keys() | {problem.field for problem in problems} | unclear
    problems += [_unknown(schema, key, params) for key in raw if key not in known]
    if problems:
        raise SpecError(problems)
    return params


def _expanded(schema: Schema, raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Problem]]:
    """With what each preset stands for in its place; problems where there is none such or more is said of the same."""
    problems: list[Problem] = []
    for key, presets in schema.get("x-presets", {}).items():
        if key not in raw:
            continue
        name = str(raw[key])
        preset = presets.get(name, {}).get("params", {})
        raw = {other: value for other, value in raw.items() if other != key}
        if not preset:
            problems.append(Problem(key, f"one of {', '.join(presets)}", name, suggestion(name, presets)))
        for parameter, value in preset.items():
            if values.text(raw.get(parameter, value)) != value:
                hint = f"leave out {parameter} or {key}"
                problems.append(Problem(parameter, f"{value}, as {key}={name} says", values.text(raw[parameter]), hint))
        raw = {**raw, **preset}
    return raw, problems


def _value(key: str, property: Property, raw: Mapping[str, Any]) -> Value:
    if key in raw:
        return values.read(raw[key], property)
    if "default" in property:
        return values.read(property["default"], property)
    raise Unfit(values.required(property), "nothing")


def _choice(property: Property, value: Value) -> Mapping[str, Any]:
    """What is described of the chosen alternative; nothing where there is none to choose."""
    return property["x-choices"].get(value, {}) if "x-choices" in property else {}


def _brought(property: Property, value: Value) -> Mapping[str, Property]:
    """The properties that a choice brings."""
    brought: Mapping[str, Property] = _choice(property, value).get("properties", {})
    return brought


def _under_choices(property: Property) -> Iterator[str]:
    for choice in property.get("x-choices", {}).values():
        for key, inner in choice.get("properties", {}).items():
            yield key
            yield from _under_choices(inner)


def active(schema: Schema, params: Params) -> dict[str, Property]:
    """The properties that hold for these (complete) parameters, by key, in order."""
    found: dict[str, Property] = {}

    def walk(properties: Mapping[str, Property]) -> None:
        for key, property in properties.items():
            if key in params:
                found[key] = property
                walk(_brought(property, params[key]))

    walk(schema["properties"])
    return found


def at_default(schema: Schema, params: Params) -> set[str]:
    """The keys of complete parameters whose value is what it would be if nobody had given one."""
    return {
        key
        for key, property in active(schema, params).items()
        if "default" in property and values.read(property["default"], property) == params[key]
    }


def _unknown(schema: Schema, key: str, params: Params) -> Problem:
    paths = _paths_to(schema["properties"], key)
    if paths:
        taken = [_taken(path, params) for path in paths]
        nearest = dict.fromkeys(path[n] for path, n in zip(paths, taken, strict=True) if n == max(taken))
        required = " or ".join(f"{chooser}={choice}" for chooser, choice in nearest)
        chooser = next(iter(nearest))[0]
        got = f"{chooser}={values.text(params[chooser])}" if chooser in params else "another choice"
        return Problem(key, required, got, f"{key} is a parameter of {required}")
    elsewhere = [other for property in schema["properties"].values() for other in _under_choices(property)]
    hint = suggestion(key, params) or suggestion(key, elsewhere) or "known here: " + ", ".join(params)
    return Problem(key, PARAMETER, "an unknown one", hint)


def _paths_to(properties: Mapping[str, Property], key: str) -> list[list[tuple[str, str]]]:
    """Every way to `key`: the (parameter, choice) pairs that bring it, each brought by the one before."""
    paths = []
    for name, property in properties.items():
        for choice, described in property.get("x-choices", {}).items():
            brought = described.get("properties", {})
            if key in brought:
                paths.append([(name, choice)])
            paths += [[(name, choice), *rest] for rest in _paths_to(brought, key)]
    return paths


def _taken(path: Sequence[tuple[str, str]], params: Params) -> int:
    """How far the choices made go along a path that they do not go to its end."""
    agree = itertools.takewhile(lambda step: params.get(step[0]) == step[1], path[:-1])
    return len(list(agree))


def suggestion(word: str, known: Iterable[str]) -> str:
    """ "did you mean beta or rho?", or nothing where no known word is close."""
    options = list(dict.fromkeys(known))
    ending = [option for option in options if option.rpartition(".")[2] == word]
    near = ending or difflib.get_close_matches(word, options, n=3)
    return f"did you mean {' or '.join(near)}?" if near else ""


def references(schema: Schema, params: Params) -> list[tuple[str, str, str]]:
    """(parameter, "run" or "dataset", the name given) for every parameter that refers to something."""
    found = []
    for key, property in active(schema, params).items():
        kind, value = property.get("x-ref"), params[key]
        if kind:
            names = value if isinstance(value, list) else [value]
            found += [(key, kind, str(name)) for name in names if name not in (None, "")]
    return found


def replace_references(schema: Schema, params: Params, names: Mapping[tuple[str, str], str]) -> dict[str, Value]:
    """The parameters with each reference (parameter, name) replaced by what `names` says it stands for."""
    replaced = dict(params)
    for key, _, _ in references(schema, params):
        value = params[key]
        if isinstance(value, list):
            replaced[key] = [names.get((key, str(item)), item) for item in value]
        else:
            replaced[key] = names.get((key, str(value)), value)
    return replaced


def assignments(words: Iterable[str]) -> dict[str, str]:
    """`["system=reaction", "rho=5"]` -> {"system": "reaction", "rho": "5"}. Raises SpecError."""
    given: dict[str, str] = {}
    problems = []
    for word in words:
        key, equals, value = word.partition("=")
        if not _is_text(word):
            problems.append(Problem(ascii(key), "text in UTF-8", ascii(value)))
        elif not (key and equals):
            problems.append(Problem(word, "a parameter written key=value", word))
        elif given.setdefault(key, value) != value:
            problems.append(Problem(key, "one value", f"{given[key]} and {value}", f"several: --grid {key}=..."))
    if problems:
        raise SpecError(problems)
    return given


def _is_text(word: str) -> bool:
    """Whether the bytes of a command line were UTF-8: what was not is in lone surrogates, which no file can hold."""
    return not any("\ud800" <= letter <= "\udfff" for letter in word)


def read_grid(words: Iterable[str]) -> dict[str, list[str]]:
    """`["beta=10,20", "strategy=regular,curriculum"]` -> the values of each. Raises SpecError.

    A list as one value is written in brackets: `layers=[50,50],[100,100]`.
    """
    grid = {}
    for key, value in assignments(words).items():
        options = values.split_list(value)
        if not options or "" in options:
            raise SpecError([Problem(key, "values separated by commas", value or "nothing")])
        grid[key] = list(dict.fromkeys(options))
    return grid


def read_seeds(written: str) -> list[int]:
    """`0-9` or `0,2,5` or `0-3,7`, each once. Raises SpecError."""
    seeds: dict[int, None] = {}
    for part in values.split_list(written) or [""]:
        first, dash, last = part.partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            low, high = 0, -1
        if not 0 <= low <= high:
            raise SpecError([Problem("seeds", "whole numbers as 0-9 or 0,2,5", written or "nothing")])
        if high - low >= MOST_RUNS:
            raise SpecError([Problem("seeds", f"at most {MOST_RUNS}", written)])
        seeds.update(dict.fromkeys(range(low, high + 1)))
    return list(seeds)


def expand(
    grid: Mapping[str, Sequence[Any]] | None = None, seeds: Sequence[int] = (0,)
) -> list[tuple[dict[str, Any], int]]:
    """Every combination of the grid's values with every seed, seeds innermost. Raises SpecError."""
    grid = grid or {}
    for key, options in grid.items():
        if not options:
            raise SpecError([Problem(key, "at least one value", "nothing")])
    count = len(seeds)
    for options in grid.values():
        count *= len(options)
    if not 0 < count <= MOST_RUNS:
        raise SpecError([Problem("grid", f"from 1 to {MOST_RUNS} runs", str(count))])
    combinations = (dict(zip(grid, chosen, strict=True)) for chosen in itertools.product(*grid.values()))
    return [(combination, seed) for combination in combinations for seed in seeds]


def label(description: TaskDescription, params: Params) -> str:
    """What a list shows of a run: "reaction ρ=5 curriculum". Never raises: what cannot be formatted is left plain."""
    formatter = _Labels(active(description.schema, params), params)
    return formatter.filled(description.label or description.key)


class _Labels(string.Formatter):
    """Formats labels: keys may have dots, a choice stands for its own label, an absent parameter for nothing."""

    def __init__(self, properties: Mapping[str, Property], params: Params) -> None:
        self._properties, self._params = properties, params
        self._inside: set[str] = set()  # choices whose label is being made: `{system}` in it is the bare key

    def filled(self, template: str) -> str:
        try:
            return " ".join(self.vformat(template, (), {}).split())
        except (ValueError, KeyError, IndexError):
            return template

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        return self._shown(field_name), field_name

    def _shown(self, key: str) -> Any:
        value, property = self._params.get(key), self._properties.get(key, {})
        choice = _choice(property, value)
        if choice.get("label") and key not in self._inside:
            self._inside.add(key)
            try:
                return self.filled(choice["label"])
            finally:
                self._inside.discard(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        return "" if value is None else values.text(value, property)

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return format(value, format_spec or ("g" if isinstance(value, float) else "d"))
            except ValueError:
                return f"{value:g}"
        return str(value)

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value
