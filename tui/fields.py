"""A described parameter -> one line of a form, as data.

Fields that belong to a run rather than to its task have the command line's flag as their key (`--seeds`): no parameter
can be called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from engine import schema, values
from engine.api import Resources, describe_struct, settings
from engine.errors import Problem, SpecError
from engine.values import Property, Unfit
from tui.text import setting

Kind = Literal["choice", "number", "text", "list", "range"]


class Option(NamedTuple):
    """One alternative, as a list of them shows it. detail: its equation; notes: where it is from, figures."""

    key: str
    title: str = ""
    summary: str = ""
    detail: str = ""
    notes: str = ""


class Field(NamedTuple):
    """One line of a form.

    properties: what its values must satisfy, one for each chosen alternative that brings it.
    limits: what is admitted, in few words. refers: "run" or "dataset" where a value names one.
    group: the choice that it hangs on, "" for the task's own; brought_by: which of its alternatives.
    depth: on how many choices it hangs.
    single: never a sweep; a comma means what the property says.
    """

    key: str
    kind: Kind
    properties: tuple[Property, ...]
    group: str = ""
    depth: int = 0
    brought_by: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    refers: str = ""
    symbol: str = ""
    unit: str = ""
    limits: str = ""
    help: str = ""
    single: bool = False

    @property
    def name(self) -> str:
        """The key without the choice that it hangs on: `step` of `strategy.step`, `seeds` of `--seeds`."""
        return self.key.removeprefix(f"{self.group}.").removeprefix("--").removesuffix("-gb")

    @property
    def defaults(self) -> tuple[str, ...]:
        """As text; several where the alternatives that bring it do not agree; none where a value is required."""
        found = (value_text(each["default"], each) for each in self.properties if "default" in each)
        return tuple(dict.fromkeys(found))

    @property
    def required(self) -> bool:
        return any("default" not in each for each in self.properties)

    @property
    def brings(self) -> bool:
        """Whether its alternatives bring parameters; those of a plain list of words do not."""
        return "x-choices" in self.properties[0]

    def split(self, text: str) -> list[str]:
        """The values that a text stands for, each once; several are a sweep."""
        text = text.strip()
        if self.single or not text:
            return [text] if text else []
        parts = values.split_list(text)
        if self.kind == "list" and not (len(parts) > 1 and all(p.startswith("[") and p.endswith("]") for p in parts)):
            return [text]
        distinct: dict[str, str] = {}
        for part in filter(None, parts):  # a comma at the end: the next value is being typed
            distinct.setdefault(_meaning(part, self.properties[0]), part)
        return list(distinct.values())

    def is_default(self, text: str) -> bool:
        """Whether a value means the default of all that bring it."""
        return all("default" in p and _meaning(text, p) == _meaning(p["default"], p) for p in self.properties)

    def problem(self, text: str) -> Problem | None:
        """What is wrong with one value."""
        try:
            for property in self.properties:
                value = values.read(text, property)
            if self.key == SEEDS:
                schema.read_seeds(text)
            if self.key in RESOURCES:
                settings(Resources, {RESOURCES[self.key]: value})
        except SpecError as error:
            return error.problems[0]
        except Unfit as unfit:
            hint = schema.suggestion(unfit.got, [option.key for option in self.options])
            return Problem(self.key, unfit.required, unfit.got, hint)
        return None


SEEDS, PACK, NAME, TAG, NEEDS = "--seeds", "--pack", "--name", "--tag", "--needs"

RESOURCES = {"--gpus": "gpus", "--cpus": "cpus", "--memory-gb": "memory_gb", "--minutes": "minutes"}
"""Flag: field of `Resources`."""


def _of_run(key: str, help: str, limits: str = "", property: Property | None = None, **more: Any) -> Field:
    properties = (property or {"type": "string", "default": ""},)
    return Field(key=key, kind="text", properties=properties, help=help, limits=limits, single=True, **more)


def _resource(key: str, help: str, limits: str, unit: str = "") -> Field:
    return _of_run(key, help, limits, describe_struct(Resources)[RESOURCES[key]], unit=unit)


def field_of(key: str, property: Property, group: str = "", brought_by: str = "", depth: int = 0) -> Field:
    """The line of one parameter: of a task's own, or of one that an alternative of a choice brings."""
    plain = _plain(property)
    return Field(
        key=key,
        kind=_kind(plain),
        properties=(property,),
        group=group,
        depth=depth,
        brought_by=(brought_by,) * bool(brought_by),
        options=_options(property),
        refers=plain.get("x-ref", ""),
        symbol=plain.get("x-symbol", ""),
        unit=plain.get("x-unit", ""),
        limits=_limits(property) or (f"a {plain['x-ref']}" if "x-ref" in plain else ""),
        help=property.get("description", plain.get("description", "")),
    )


def joined(before: Field | None, after: Field) -> Field:
    """The same parameter, brought by another alternative too: its values must satisfy both."""
    if before is None:
        return after
    more = tuple(each for each in after.properties if each not in before.properties)
    return before._replace(properties=before.properties + more, brought_by=before.brought_by + after.brought_by)


def value_text(value: Any, property: Property) -> str:
    """A typed value as it would be typed."""
    return values.text(value, _plain(property))


def _meaning(raw: Any, property: Property) -> str:
    """The same for what means the same: `5` and `5.0`."""
    try:
        return repr(values.read(raw, property))
    except Unfit:
        return str(raw)


def _plain(property: Property) -> Property:
    """A property that may be none, as if it could not; any other as it is."""
    alternatives = [each for each in property.get("anyOf", ()) if each.get("type") != "null"]
    if len(alternatives) != 1:
        return property
    return {**{key: value for key, value in property.items() if key != "anyOf"}, **alternatives[0]}


def _may_be_none(property: Property) -> bool:
    return any(each.get("type") == "null" for each in property.get("anyOf", ()))


def _kind(plain: Property) -> Kind:
    if plain.get("x-range"):
        return "range"
    if "x-choices" in plain or "enum" in plain:
        return "choice"
    kinds: dict[str, Kind] = {"boolean": "choice", "array": "list", "number": "number", "integer": "number"}
    return kinds.get(plain.get("type", ""), "text")


def _options(property: Property) -> tuple[Option, ...]:
    plain = _plain(property)
    if "x-choices" in plain:
        return tuple(_option(key, described) for key, described in plain["x-choices"].items())
    if "x-named" in plain:
        return tuple(Option(value, title=name) for value, name in plain["x-named"].items())
    words = list(plain.get("enum", (True, False) if plain.get("type") == "boolean" else ()))
    return tuple(Option(values.text(word)) for word in words + [None] * (bool(words) and _may_be_none(property)))


def _option(key: str, described: Mapping[str, Any]) -> Option:
    facts = (f"{name} {values.text(value)}" for name, value in described.get("facts", {}).items())
    return Option(
        key,
        title=described.get("title", ""),
        summary=described.get("summary", ""),
        detail=described.get("equation", ""),
        notes=" · ".join(filter(None, (described.get("source", ""), *facts))),
    )


def _limits(property: Property) -> str:
    """ "0 to 1000", "> 0 or none", "several, ≥ 1", "low:high, ≥ 0"; "" where the kind says it all."""
    plain = _plain(property)
    kind = _kind(plain)
    if kind == "choice":
        return ""
    if "anyOf" in plain:
        return values.required(plain)
    item = plain.get("items") or next(iter(plain.get("prefixItems", ())), plain)
    words = ", ".join(filter(None, ({"list": "several", "range": "low:high"}.get(kind, ""), _bounds(item))))
    if _may_be_none(property):
        return f"{words} or none" if words else values.required(property)
    return words


def _bounds(property: Property) -> str:
    least, most = property.get("minimum"), property.get("maximum")
    if least is not None and most is not None:
        words = [f"{_short(least)} to {_short(most)}"]
    else:
        above, below = property.get("exclusiveMinimum"), property.get("exclusiveMaximum")
        signs = (("≥", least), (">", above), ("≤", most), ("<", below))
        words = [f"{sign} {_short(bound)}" for sign, bound in signs if bound is not None]
    if "multipleOf" in property:
        words.append(f"a multiple of {_short(property['multipleOf'])}")
    return ", ".join(words)


def _short(bound: float) -> str:
    """`1e7` for 10000000, where that loses nothing."""
    short = setting(float(bound))
    return short if float(short) == bound else values.text(bound)


def _switch(key: str, help: str) -> Field:
    return field_of(key, {"type": "boolean", "default": False, "description": help})._replace(single=True)


OF_RUN = (
    _of_run(SEEDS, "A run for each seed, with every combination of what is swept", "0-9 or 0,2,5", {"default": "0"}),
    _switch(PACK, "All in one process, in lock-step, which gets what one of them asks for"),
    _of_run(NAME, "What lists call the runs, beside their ids"),
    _of_run(TAG, "Words to find the runs by", "a,b"),
    _of_run(NEEDS, "Runs that must be done before these start", "a,b", refers="run"),
    _resource("--gpus", "GPUs of each run: auto takes one where one is free, 0.5 is half of one", "auto, 0, 1, 0.5"),
    _resource("--cpus", "Threads that each run may use", "≥ 1"),
    _resource("--memory-gb", "Memory that each run takes at most, where it is known", "> 0 or none", "GB"),
    _resource("--minutes", "Time that each run takes at most, where it is known", "> 0 or none", "min"),
)
"""What a run has whatever its task: the same fields in every form, but for PACK, which not every task can do."""
