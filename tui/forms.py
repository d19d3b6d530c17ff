"""What was typed into a task's form -> its fields, what is wrong, the runs that are asked for, and as command lines.

Pure data: no screen here. Several values in a scalar field, separated by commas, are a sweep (`rho = 5,6,7`); a field
that holds a list is swept by lists in brackets (`[50,50],[100,100]`). Several alternatives of a choice may be chosen
at once; a parameter that only some of them bring is given to those alone, which takes more than one request.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from engine import schema, values
from engine.api import TaskDescription, Value
from engine.errors import Problem
from engine.values import Property
from tui.fields import NAME, NEEDS, OF_RUN, PACK, RESOURCES, SEEDS, TAG, Field, field_of, joined, value_text
from tui.text import clean

PROGRAM = "sciml-tui"


class Request(NamedTuple):
    """What `Client.plan` is asked for: raw parameters that differ from their defaults, and what is swept."""

    task: str
    params: dict[str, str]
    grid: dict[str, list[str]]
    seeds: str = "0"
    flags: Mapping[str, str] = {}
    """What the run's other fields say, as typed (`--name`, `--gpus`); only what was given."""

    @property
    def seed_list(self) -> list[int]:
        """Raises SpecError."""
        return schema.read_seeds(self.seeds)

    @property
    def resources(self) -> dict[str, Value]:
        """Fields of `Resources` that were given, typed. Raises Unfit."""
        fields = {field.key: field for field in OF_RUN}
        given = {flag: text for flag, text in self.flags.items() if flag in RESOURCES}
        return {RESOURCES[flag]: values.read(text, fields[flag].properties[0]) for flag, text in given.items()}

    @property
    def name(self) -> str:
        return self.flags.get(NAME, "")

    @property
    def tags(self) -> tuple[str, ...]:
        return self._listed(TAG)

    @property
    def needs(self) -> tuple[str, ...]:
        return self._listed(NEEDS)

    def _listed(self, flag: str) -> tuple[str, ...]:
        return tuple(filter(None, values.split_list(self.flags.get(flag, ""))))

    @property
    def factors(self) -> list[tuple[str, int]]:
        """What the number of runs is the product of, ones left out. Raises SpecError."""
        counts = [*((key, len(swept)) for key, swept in self.grid.items()), (SEEDS, len(self.seed_list))]
        return [(key, count) for key, count in counts if count > 1]

    @property
    def runs(self) -> int:
        """How many. Raises SpecError."""
        return prod(count for _, count in self.factors)

    @property
    def command(self) -> str:
        """The same as a command line."""
        words = [PROGRAM, "run", self.task, *(f"{key}={value}" for key, value in self.params.items())]
        for key, swept in self.grid.items():
            words += ["--grid", f"{key}={','.join(swept)}"]
        if self.seeds != "0":
            words += ["--seeds", self.seeds]
        for flag, text in self.flags.items():
            if flag == PACK:
                words.append(flag)
                continue
            for item in self._listed(flag) if flag in (TAG, NEEDS) else (text,):
                words += [flag, item]
        return shlex.join(words)


class Form:
    """A task and what was typed so far. Immutable: `typing` gives the next one.

    What was typed in a field stays when a choice takes the field away, and is there again when it comes back.
    """

    def __init__(self, task: TaskDescription, typed: Mapping[str, str] | None = None) -> None:
        self.task = task
        self.typed = dict(typed or {})

    @classmethod
    def of(cls, task: TaskDescription, params: Mapping[str, Any], typed: Mapping[str, str] | None = None) -> Form:
        """With the parameters of a run filled in; `typed` for the fields of the run itself."""
        form = cls(task, {key: clean(text) for key, text in (typed or {}).items()})
        while new := {
            field.key: clean(value_text(params[field.key], field.properties[0]))
            for field in form.fields
            if field.key in params and field.key not in form.typed
        }:
            form = cls(task, {**form.typed, **new})
        return form

    def typing(self, key: str, text: str) -> Form:
        return Form(self.task, {**self.typed, key: text})

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The lines of the form in order; the parameters that a choice brings follow it, the run's own come last."""
        return (*self._active({}), *(field for field in OF_RUN if self.task.packs or field.key != PACK))

    @cached_property
    def by_key(self) -> dict[str, Field]:
        return {field.key: field for field in self.fields}

    def text(self, field: Field) -> str:
        """What its line shows: what was typed, else the default."""
        typed = self.typed.get(field.key, "")
        return typed if typed.strip() or len(field.defaults) != 1 else field.defaults[0]

    def values(self, field: Field) -> list[str]:
        """The values that a field stands for; several are a sweep."""
        return field.split(self.text(field))

    def hint(self, field: Field) -> str:
        """What is beside the value: how many there are, unit, limits, the default; of a choice what it means."""
        texts = self.values(field)
        swept = [f"{len(texts)} values"] if len(texts) > 1 else []
        if field.kind == "choice":
            chosen = [each for each in field.options if each.key in texts]
            return ", ".join(swept or [each.detail or each.summary or field.help for each in chosen])
        default = [f"default {field.defaults[0]}"] if field.key in self.given and any(field.defaults) else []
        return " · ".join(filter(None, (*swept, *self._alone(field), field.unit, field.limits, *default, field.help)))

    def _alone(self, field: Field) -> list[str]:
        """Of alternatives that are chosen together, those that the field is for, where it is not for all."""
        chosen = self.values(self.by_key[field.group]) if field.brought_by else []
        return [f"for {', '.join(field.brought_by)}"] if set(chosen) - set(field.brought_by) else []

    @cached_property
    def given(self) -> dict[str, list[str]]:
        """The values of the fields that say something other than their default."""
        typed = [(field, self.values(field)) for field in self.fields if self.typed.get(field.key, "").strip()]
        return {f.key: texts for f, texts in typed if len(texts) > 1 or (texts and not f.is_default(texts[0]))}

    @cached_property
    def problems(self) -> dict[str, Problem]:
        """What is wrong, by field; what only the task itself can judge is not among it."""
        found = ((field.key, self._problem(field)) for field in self.fields)
        return {key: problem for key, problem in found if problem}

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """The runs that are asked for. One request, unless alternatives of a choice are given different parameters."""
        return tuple(self._requests({}))

    @property
    def packs(self) -> bool:
        """Whether the runs are to share a process."""
        return PACK in self.given

    @property
    def runs(self) -> int:
        """How many runs. Raises SpecError."""
        return sum(request.runs for request in self.requests)

    @property
    def counted(self) -> str:
        """ "6 runs = 3 rho × 2 seeds". Raises SpecError."""
        total = f"{self.runs:,} run{'s' * (self.runs != 1)}"
        terms = [" × ".join(f"{n} {self.by_key[key].name}" for key, n in each.factors) or "1" for each in self.requests]
        return total if self.runs == 1 else f"{total} = {' + '.join(terms)}"

    @property
    def commands(self) -> list[str]:
        """The same as command lines, one a request."""
        return [request.command for request in self.requests]

    def _active(self, only: Mapping[str, Sequence[str]]) -> list[Field]:
        """The parameters that there are for what is chosen; of a choice in `only`, as if just that were chosen."""
        found: dict[str, Field] = {}

        def walk(properties: Mapping[str, Property], group: str = "", brought_by: str = "", depth: int = 0) -> None:
            for key, property in properties.items():
                above, _, _ = key.rpartition(".")
                if not group and above in found:  # the task's own, but named after a choice: it stands with it
                    field = field_of(key, property, above, depth=1)
                else:
                    field = field_of(key, property, group, brought_by, depth)
                field = found[key] = joined(found.get(key), field)
                for chosen in (only.get(key) or self.values(field)) if field.brings else ():
                    walk(property["x-choices"].get(chosen, {}).get("properties", {}), key, chosen, depth + 1)

        walk(self.task.schema["properties"])
        return list(found.values())

    def _requests(self, only: Mapping[str, list[str]]) -> Iterator[Request]:
        for field in self._active(only):
            chosen = only.get(field.key) or self.values(field)
            if field.brings and len(chosen) > 1:
                parts: dict[frozenset[str], list[str]] = {}
                for option in chosen:
                    there = {inner.key for inner in self._active({**only, field.key: [option]})}
                    parts.setdefault(frozenset(there & self.given.keys()), []).append(option)
                if len(parts) > 1:
                    for part in parts.values():
                        yield from self._requests({**only, field.key: part})
                    return
        yield self._request(only)

    def _request(self, only: Mapping[str, list[str]]) -> Request:
        params: dict[str, str] = {}
        grid: dict[str, list[str]] = {}
        for field in self._active(only):
            texts = only.get(field.key) or self.given.get(field.key, [])
            if len(texts) > 1:
                grid[field.key] = texts
            elif texts and not field.is_default(texts[0]):
                params[field.key] = texts[0]
        flags = {field.key: self.text(field).strip() for field in OF_RUN if field.key in self.given}
        return Request(self.task.key, params, grid, flags.pop(SEEDS, "0"), flags)

    def _problem(self, field: Field) -> Problem | None:
        texts = self.values(field)
        if not texts and field.required:
            return Problem(field.key, values.required(field.properties[0]), "nothing")
        return next(filter(None, map(field.problem, texts)), None)
