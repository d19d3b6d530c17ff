"""Suites: only what is missing is run. Runs are found again by what they do, so an interrupted suite simply goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from engine import planning, schema
from engine.api import Params, Problem, RunSpec, Suite, SuiteRun, Value
from engine.errors import SpecError
from engine.records import ENDED, RESUMABLE, Run, Status

if TYPE_CHECKING:
    from engine.client import Client
    from engine.describe import Catalogue

RESULTS = frozenset({Status.DONE, Status.DIVERGED})
"""Ends that are a result: a method that diverges has been tried."""

_PREFERENCE = (
    *(Status.DONE, Status.DIVERGED),
    *(Status.RUNNING, Status.LAUNCHING, Status.UNKNOWN, Status.QUEUED, Status.BLOCKED),
    *(Status.STOPPED, Status.LOST, Status.FAILED, Status.SKIPPED),
)


class SuiteState(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of a suite by key, in its order, as far as they are there.

    params: the complete parameters of every run by key, of those that are missing too (references still by `@key`).
    started: the keys whose runs were submitted, resumed or retried just now; the others were there.
    """

    suite: Suite
    runs: dict[str, Run]
    params: dict[str, dict[str, Value]] = {}
    started: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Keys without a run."""
        return [member.key for member in self.suite.runs if member.key not in self.runs]

    @property
    def on_their_way(self) -> list[Run]:
        """Runs that have not ended."""
        return [run for run in self.runs.values() if run.status not in ENDED]

    @property
    def without_result(self) -> int:
        """How many runs are missing or have not ended with a result."""
        return len(self.suite.runs) - sum(run.status in RESULTS for run in self.runs.values())

    @property
    def is_complete(self) -> bool:
        """Whether every run has a result."""
        return not self.without_result


def state(client: Client, suite: Suite) -> SuiteState:
    """What is there of a suite. Starts nothing. Raises SpecError for a suite that does not fit its tasks."""
    catalogue = client.describe()
    params = _completed(catalogue, suite)
    runs: dict[str, Run] = {}
    for member in suite.runs:
        spec = _resolved(suite, member, params[member.key], catalogue, runs)
        if spec and (found := _best(client.find_same(spec, catalogue))):
            runs[member.key] = _as_asked(found, spec)
    return SuiteState(suite=suite, runs=runs, params=params)


def start(client: Client, suite: Suite) -> SuiteState:
    """Sees to it that every run of a suite has a result or is on its way.

    Results are kept, also those that diverged; what is queued or runs is joined; what was stopped, failed or got lost
    is resumed, what was skipped is tried again; the rest is submitted. A run whose need came to nothing stays missing.
    Raises SpecError for a suite that does not fit its tasks, ServiceError.
    """
    catalogue = client.describe()
    params = _completed(catalogue, suite)
    runs: dict[str, Run] = {}
    started: list[str] = []
    left = list(suite.runs)
    while left:
        ready = {}
        for member in left:
            spec = _resolved(suite, member, params[member.key], catalogue, runs)
            if spec:
                ready[member.key] = spec
        if not ready:
            break
        begun = _on_their_way(client, catalogue, ready, started)
        runs |= {key: _as_asked(run, ready[key]) for key, run in begun.items()}
        left = [member for member in left if member.key not in ready]
    in_order = {member.key: runs[member.key] for member in suite.runs if member.key in runs}
    return SuiteState(suite=suite, runs=in_order, params=params, started=tuple(started))


def _completed(known: Catalogue, suite: Suite) -> dict[str, dict[str, Value]]:
    """Typed parameters with their defaults by key; runs that differ in their seed only are completed once."""
    made: dict[bytes, dict[str, Value]] = {}
    found = {}
    for member in suite.runs:
        work = msgspec.json.encode((member.spec.task, member.spec.params))
        if work not in made:
            made[work] = schema.complete(planning.described(known, member.spec.task).schema, member.spec.params)
        found[member.key] = made[work]
    return found


def _as_asked(run: Run, spec: RunSpec) -> Run:
    """The run with the parameters it was found by: one made before a parameter existed has what stands for it today."""
    return msgspec.structs.replace(run, spec=msgspec.structs.replace(run.spec, params=spec.params))


def _on_their_way(client: Client, known: Catalogue, specs: Mapping[str, RunSpec], started: list[str]) -> dict[str, Run]:
    """A run for each spec whose needs have not come to nothing. Adds to `started`."""
    while True:
        able = {key: spec for key, spec in specs.items() if _can_start(client, spec)}
        try:
            return _begun(client, known, able, started)
        except SpecError:
            if all(
                _can_start(client, spec) for spec in able.values()
            ):  # else one ended just now, before its dependents
                raise


def _can_start(client: Client, spec: RunSpec) -> bool:
    return all(client.run(need).status not in ENDED - {Status.DONE} for need in spec.needs)


def _begun(client: Client, known: Catalogue, specs: Mapping[str, RunSpec], started: list[str]) -> dict[str, Run]:
    """A run for each spec: found, resumed, retried or submitted, each kind in one go."""
    runs = {key: run for key, spec in specs.items() if (run := _best(client.find_same(spec, known)))}
    absent = [key for key in specs if key not in runs]
    resumable = [key for key, run in runs.items() if run.status in RESUMABLE - RESULTS]
    skipped = [key for key, run in runs.items() if run.status is Status.SKIPPED]
    runs |= zip(resumable, client.resume_all([runs[key].id for key in resumable]), strict=True)
    runs |= {key: client.retry(runs[key].id) for key in skipped}
    runs |= zip(absent, client.submit(client.complete([specs[key] for key in absent])), strict=True)
    started += [key for key in specs if key in {*absent, *resumable, *skipped}]
    return runs


def _best(runs: Iterable[Run]) -> Run | None:
    """Of runs that do the same work the one to keep: a result before one on its way before one that came to nothing."""
    newest_first = reversed(list(runs))
    return min(newest_first, key=lambda run: _PREFERENCE.index(run.status), default=None)


def _resolved(
    suite: Suite, member: SuiteRun, params: Params, known: Catalogue, runs: Mapping[str, Run]
) -> RunSpec | None:
    """The spec with complete parameters and ids in place of `@key`; None while one of those has no run yet."""
    spec, described = member.spec, planning.described(known, member.spec.task)
    named = [(field, name) for field, _, name in schema.references(described.schema, params)]
    named += [("needs", name) for name in spec.needs]
    others = [(field, name, name[1:]) for field, name in named if name.startswith("@")]
    keys = {other.key for other in suite.runs} if others else set()
    if wrong := [(field, name) for field, name, key in others if key not in keys]:
        raise SpecError(Problem(field, "the key of a run of this suite", name) for field, name in wrong)
    if any(key not in runs for _, _, key in others):
        return None
    ids = {(field, name): runs[key].id for field, name, key in others}
    plain = [need for need in spec.needs if not need.startswith("@")]
    return msgspec.structs.replace(
        spec,
        params=schema.replace_references(described.schema, params, ids),
        needs=tuple(dict.fromkeys([*plain, *ids.values()])),
    )
