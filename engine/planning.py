"""From what a person asks for to specs that can be submitted, or every reason why they cannot."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from engine import config, gpus, schedule, schema
from engine.api import Problem, Reference, Resources, RunSpec, TaskDescription, Value
from engine.describe import Catalogue, check
from engine.errors import ServiceError, SpecError, UnknownName
from engine.launchers import LAUNCHERS, launcher
from engine.paths import Home
from engine.records import ENDED, Run, Shelved, Status
from engine.schedule import Capacity
from engine.store.catalog import Catalog
from engine.values import REFERENCES

_OPTIONS = {
    **{"seed": "--seeds", "seeds": "--seeds", "name": "--name", "tag": "--tag", "tags": "--tag", "needs": "--needs"},
    **{field: f"--{field.replace('_', '-')}" for field in Resources.__struct_fields__},
}
"""Of a run, not of its task: what people write among the parameters by mistake."""

LONGEST_NAME = 100
"""Characters: a list shows a name in a line beside its run's figures."""


def combinations(
    task: str,
    raw: Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    resources: Resources,
    needs: Sequence[str],
    tags: Sequence[str],
    name: str,
) -> list[RunSpec]:
    """A spec, not yet completed, for every combination of the grid's values with every seed. Raises SpecError."""
    twice = [
        Problem(key, "a value or a grid", "both", f"leave out {key}=... or the grid") for key in grid if key in raw
    ]
    if twice:
        raise SpecError(twice)
    return [
        RunSpec(
            task=task,
            params={**raw, **chosen},
            seed=seed,
            resources=resources,
            needs=tuple(needs),
            tags=tuple(tags),
            name=name,
        )
        for chosen, seed in schema.expand(grid, seeds)
    ]


class _Completed(NamedTuple):
    """A spec's parameters, needs and what it refers to; members: the places of the specs that are so but for seeds."""

    members: list[int]
    task: str
    params: dict[str, Value]
    needs: tuple[str, ...]
    references: dict[str, list[Reference]]


class Planner:
    """Completes specs: parameters typed and with their defaults, references found, the tasks' own checks passed.

    find: a run by id, its beginning or its name, with its true status. Raises UnknownName.
    """

    def __init__(self, home: Home, catalog: Catalog, known: Catalogue, find: Callable[[str], Run]) -> None:
        self._home, self._catalog, self._known, self._find = home, catalog, known, find

    def complete(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """The specs as they are stored; what a parameter refers to and what is needed is among their needs, by id.

        Raises SpecError with every problem of all of them; UnknownName for a task; ServiceError if it cannot be asked.
        """
        problems: dict[Problem, None] = {}
        groups: dict[bytes, list[int]] = {}  # specs that differ in their seed only are completed and checked once
        for i, spec in enumerate(specs):
            groups.setdefault(msgspec.json.encode((spec.task, spec.params, spec.needs)), []).append(i)
        completed: list[_Completed] = []
        for members in groups.values():
            spec = specs[members[0]]
            try:
                completed.append(self._completed(spec, members))
            except SpecError as error:
                problems.update(dict.fromkeys(error.problems))
        problems.update(dict.fromkeys(_of_resources(self._home, specs)))
        asked = [(each.task, each.params) for each in completed]
        for answer in check(self._home, asked, [each.references for each in completed]):
            problems.update(dict.fromkeys(answer.problems))
        if problems:
            raise SpecError(problems)
        made = {i: each for each in completed for i in each.members}
        return [
            msgspec.structs.replace(
                spec, params=made[i].params, needs=made[i].needs, tags=tags(spec.tags), name=name(spec.name)
            )
            for i, spec in enumerate(specs)
        ]

    def _completed(self, spec: RunSpec, members: list[int]) -> _Completed:
        """Raises SpecError."""
        description = described(self._known, spec.task)
        try:
            params = schema.complete(description.schema, spec.params)
        except SpecError as error:
            raise SpecError(map(self._explained, error.problems)) from None
        needs: dict[str, None] = {}
        problems: list[Problem] = []
        names: dict[tuple[str, str], str] = {}
        references: dict[str, list[Reference]] = {}
        for need in spec.needs:
            try:
                needs[self._run("needs", need).id] = None
            except SpecError as error:
                problems += error.problems
        for field, kind, name in schema.references(description.schema, params):
            try:
                names[field, name], needed = (self._dataset if kind == "dataset" else self._need)(field, name)
            except SpecError as error:
                problems += error.problems
            else:
                needs.update(dict.fromkeys(needed))
                references.setdefault(field, []).append(self._reference(kind, names[field, name]))
        if problems:
            raise SpecError(problems)
        params = schema.replace_references(description.schema, params, names)
        return _Completed(members, spec.task, params, tuple(needs), references)

    @cached_property
    def _datasets(self) -> list[Shelved]:
        return self._catalog.shelved("dataset")

    def _reference(self, kind: str, name: str) -> Reference:
        """What is known of a run, or of a dataset that is there or is yet to be made by a run."""
        shelved = [item for item in self._datasets if name in (item.name, item.run)]
        facts = shelved[-1].facts if kind == "dataset" and shelved else {}
        try:
            spec = self._catalog.get(shelved[-1].run if facts else name).spec
        except UnknownName:
            return Reference(kind=kind, name=name, task=shelved[-1].task if facts else "", facts=facts)
        return Reference(kind=kind, name=name, task=spec.task, params=spec.params, facts=facts)

    def _explained(self, problem: Problem) -> Problem:
        """Of a choice whose file is there and cannot be loaded: that, and why. Of what is an option: that."""
        if problem.field in _OPTIONS and problem.required == schema.PARAMETER:
            other = f"; {problem.hint}" if problem.hint.startswith("did you mean") else ""
            return Problem(problem.field, problem.required, problem.got, f"{_OPTIONS[problem.field]} sets it{other}")
        for broken in self._known.broken:
            if broken.key == problem.got:
                hint = f"{broken.file} cannot be loaded: {broken.error}"
                return Problem(problem.field, problem.required, problem.got, hint)
        return problem

    def _need(self, field: str, name: str) -> tuple[str, tuple[str, ...]]:
        found = self._run(field, name)
        return found.id, (found.id,)

    def _dataset(self, field: str, name: str) -> tuple[str, tuple[str, ...]]:
        """A dataset on the shelf by its name; one that is not there yet by the run that makes it."""
        try:
            return self._catalog.shelf("dataset", name).name, ()
        except UnknownName as unknown:
            no_dataset = unknown
        try:
            found = self._run(field, name)
        except SpecError as error:
            if not isinstance(error.__cause__, UnknownName):
                raise
            raise SpecError([Problem(field, REFERENCES["dataset"], name, _mending(no_dataset))]) from None
        if found.status is Status.DONE and not any(item.run == found.id for item in self._catalog.shelved("dataset")):
            hint = "where one was removed, retry makes it again, as another run"
            raise SpecError([Problem(field, "a run that published a dataset", f"{found.id}, which has none", hint)])
        return found.id, (found.id,)

    def _run(self, field: str, name: str) -> Run:
        """A run that is done, or may yet be. Raises SpecError; from UnknownName if there is none."""
        try:
            found = self._find(name)
        except UnknownName as error:
            raise SpecError([Problem(field, REFERENCES["run"], name, _mending(error))]) from error
        if found.status in ENDED and found.status is not Status.DONE:
            got = f"{found.id}, which is {found.status}"
            raise SpecError([Problem(field, "a run that is done, or will be", got, "resume or retry that one first")])
        return found


def described(known: Catalogue, task: str) -> TaskDescription:
    """Raises UnknownName; ServiceError for a task that is there and broken."""
    if task in known.tasks:
        return known.tasks[task]
    for broken in known.broken:
        if broken.key == task:
            raise ServiceError(f"task {task}: required one that can be loaded, got {broken.error} in {broken.file}")
    hint = schema.suggestion(task, known.tasks)
    options = ", ".join(known.tasks) or "none, as no package that brings tasks is installed"
    raise UnknownName(f"task: required one of {options}, got {task}" + (f"; {hint}" if hint else ""))


def check_pack(known: Catalogue, specs: Sequence[RunSpec]) -> None:
    """Whether completed specs can run in one process. Raises SpecError."""
    problems = []
    tasks = dict.fromkeys(spec.task for spec in specs)
    if len(tasks) > 1:
        problems.append(Problem("pack", "runs of one task", ", ".join(tasks)))
    able = [key for key, description in known.tasks.items() if description.packs]
    for task in tasks:
        if task not in able:
            required = f"a task that runs many at once ({', '.join(able) or 'none is installed'})"
            problems.append(Problem("pack", required, task, "leave out --pack: the runs then have a process each"))
    if any(spec.resources != specs[0].resources for spec in specs):
        problems.append(Problem("pack", "runs that ask for the same resources", "some that ask for others"))
    if problems:
        raise SpecError(problems)


def identity(spec: RunSpec) -> str:
    """A hash of task, parameters and seed: the same work has the same identity, whatever it is called or granted."""
    work = msgspec.json.encode([spec.task, spec.params, spec.seed], order="sorted")
    return hashlib.sha256(work).hexdigest()[:16]


def identities(spec: RunSpec, description: TaskDescription, shapes: Iterable[Set[str]]) -> list[str]:
    """The identities under which the work of a completed spec may be stored: its own, and those of runs that were made
    before one of its parameters existed. What such a run lacks was what is today the default.

    shapes: the sets of parameters that stored runs have.
    """
    found = [identity(spec)]
    earlier = [shape for shape in shapes if shape < spec.params.keys()]
    if earlier:
        usual = schema.at_default(description.schema, spec.params)
        for shape in earlier:
            if spec.params.keys() - shape <= usual:
                params = {key: value for key, value in spec.params.items() if key in shape}
                found.append(identity(msgspec.structs.replace(spec, params=params)))
    return found


def _of_resources(home: Home, specs: Iterable[RunSpec]) -> Iterator[Problem]:
    """What no run could be given: a launcher that is not there, more than this machine has for runs."""
    asked = list(dict.fromkeys(spec.resources for spec in specs))
    for name in dict.fromkeys(wanted.launcher for wanted in asked):
        if name not in LAUNCHERS:
            yield Problem("launcher", f"one of {', '.join(LAUNCHERS)}", name, schema.suggestion(name, LAUNCHERS))
    here = [it for it in asked if it.launcher in LAUNCHERS and launcher(it.launcher).ON_THIS_MACHINE]
    if not here:
        return
    there = _capacity(home, here)
    for wanted in here:
        short = schedule.lacking(wanted, there)
        if "cpus" in short and wanted.launcher != "inline":  # which takes threads from nobody
            hint = "`cpus` in config.toml sets how many"
            yield Problem("cpus", f"at most {short['cpus']}, what this machine has for runs", str(wanted.cpus), hint)
        if "gpus" in short:
            hint = "gpus=auto takes one if there is one, gpus=0 none"
            yield Problem("gpus", f"at most {short['gpus']}, what this machine has", f"{wanted.gpus:g}", hint)


def _capacity(home: Home, asked: Iterable[Resources]) -> Capacity:
    """What this machine has; its driver is asked only where a number of GPUs is, and none that does not answer is
    taken for none."""
    slots = config.load(home).slots
    if all(wanted.gpus in ("auto", 0) for wanted in asked):
        return Capacity(cpus=slots)
    try:
        return Capacity(cpus=slots, gpus=tuple(gpu.uuid for gpu in gpus.inventory()))
    except ServiceError:
        return Capacity(cpus=slots, gpus=None)


def tags(given: Iterable[str]) -> tuple[str, ...]:
    """Each once. Raises SpecError for one that a filter could not name."""
    found = tuple(dict.fromkeys(tag.strip() for tag in given))
    if bad := [tag for tag in found if not tag or "," in tag or any(letter.isspace() for letter in tag)]:
        raise SpecError([Problem("tags", "words without spaces or commas", bad[0] or "nothing")])
    for tag in found:
        _require_line("tags", tag)
    return found


def name(given: str) -> str:
    """Without blanks around it. Raises SpecError for one that a list could not show in its line."""
    found = given.strip()
    _require_line("name", found)
    return found


def _require_line(field: str, text: str) -> None:
    if len(text) > LONGEST_NAME:
        raise SpecError([Problem(field, f"at most {LONGEST_NAME} characters", f"{len(text)} of them")])
    # control characters, separators of lines, and surrogates: bytes that are no UTF-8
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
        raise SpecError([Problem(field, "one line of text without control characters", ascii(text))])


def _mending(error: UnknownName) -> str:
    """The part of a message that says how to mend it."""
    return str(error).partition("; ")[2]
