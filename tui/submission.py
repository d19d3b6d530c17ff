"""What a form asks of the engine: to plan its runs, to say what they will take, what there is to refer to. Blocking."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.api import Resources
from engine.errors import Problem, SpecError
from engine.records import ENDED, Status
from engine.values import text as value_text
from tui import palette
from tui.facts import parted
from tui.fields import OF_RUN, Option
from tui.forms import Request
from tui.text import age, size

if TYPE_CHECKING:
    from engine.api import RunSpec
    from engine.client import Client
    from engine.records import Run, Shelved

_SAMPLE = 16
"""Different runs of a large grid whose time is estimated."""
_LOOKED_UP = 500
"""Runs of a large grid that are looked for among those that there are."""

_FLAGS = {field.name.replace("-", "_"): field.key for field in OF_RUN} | {"tags": "--tag"}


class Outlook(NamedTuple):
    """What is to be expected of planned runs.

    seconds: of the shortest and the longest, on one core; None where the task does not say.
    same: how many do work that another run does already, or did.
    """

    seconds: tuple[float, float] | None = None
    same: int = 0

    def words(self, runs: int) -> str:
        """ "about 2 min each, 3 were run before"; "" where nothing is known."""
        words = []
        if self.seconds is not None:
            short, long = map(age, self.seconds)
            each = " each" * (runs > 1)
            words.append(f"about {short}{each}" if short == long else f"{short} to {long}{each}")
        if self.same:
            words.append(f"{self.same} {'was' if self.same == 1 else 'were'} run before")
        return ", ".join(words)


def plan(client: Client, requests: Sequence[Request]) -> list[RunSpec]:
    """Specs that can be submitted. Raises SpecError with every problem, by field of the form; other ScimlErrors."""
    specs: list[RunSpec] = []
    problems: dict[Problem, None] = {}
    for request in requests:
        try:
            specs += client.plan(
                request.task,
                request.params,
                grid=request.grid,
                seeds=request.seed_list,
                resources=Resources(**request.resources),  # type: ignore[arg-type]
                needs=request.needs,
                tags=request.tags,
                name=request.name,
            )
        except SpecError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise SpecError(problems)
    return specs


def by_field(problems: Sequence[Problem], fields: Sequence[str]) -> tuple[dict[str, Problem], list[Problem]]:
    """Problems by the key of their field, and those that are of none."""
    found: dict[str, Problem] = {}
    others = []
    for problem in problems:
        key = problem.field.removeprefix("resources.")
        key = key if key in fields else _FLAGS.get(key, key)
        if key in fields:
            found.setdefault(key, problem)
        else:
            others.append(problem)
    return found, others


def outlook(client: Client, specs: Sequence[RunSpec]) -> Outlook:
    """Raises ScimlError."""
    different = list({repr(sorted(spec.params.items())): spec for spec in specs}.values())
    checked = client.appraise(different[:: max(1, len(different) // _SAMPLE)])
    seconds = [each.estimate.seconds for each in checked if each.estimate.seconds is not None]
    known = client.describe()
    same = sum(bool(client.find_same(spec, known)) for spec in specs[:_LOOKED_UP])
    return Outlook((min(seconds), max(seconds)) if seconds else None, same)


def referable(client: Client, kind: str) -> list[Option]:
    """Runs or datasets that a parameter can name, the newest first; of runs, those that are done or may yet be.

    Raises ScimlError.
    """
    if kind == "dataset":
        return [_dataset(each) for each in sorted(client.datasets(), key=lambda each: each.created, reverse=True)]
    runs = (run for run in client.runs() if run.status not in ENDED or run.status is Status.DONE)
    return [_run(run) for run in sorted(runs, key=lambda run: run.created, reverse=True)]


def _run(run: Run) -> Option:
    glyph, _ = palette.status(run.status)
    told = (f"{glyph} {run.status}", f"seed {run.spec.seed}", f"{age(time.time() - run.created)} ago", *run.spec.tags)
    return Option(run.id, " ".join(filter(None, (run.label, run.spec.name))), " · ".join(told))


def _dataset(shelved: Shelved) -> Option:
    facts = " · ".join(f"{name} {value_text(value)}" for name, value in parted(shelved.facts)[0].items())
    return Option(
        shelved.name, size(shelved.size), facts, notes=f"made by {shelved.run}" if shelved.run else "imported"
    )
