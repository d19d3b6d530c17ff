from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from engine import planning, suites
from engine.api import Resources, RunSpec, Suite, SuiteRun
from engine.client import Client
from engine.errors import SpecError
from engine.paths import Home
from engine.records import Status

HERE = Resources(launcher="inline", gpus=0)


class Alone(Client):
    """A client beside which no scheduler is started: what it submits waits, unless it is inline."""

    def ensure_scheduler(self) -> None:
        pass


@pytest.fixture
def client(sample_home: Home) -> Iterator[Client]:
    with Alone(sample_home) as client:
        yield client


@pytest.fixture
def pair(client: Client) -> Suite:
    """data -> first -> second, as described."""
    return client.describe().suites["pair"]["quick"]


def here(suite: Suite) -> Suite:
    """The same suite, run in this process."""
    return msgspec.structs.replace(
        suite,
        runs=tuple(
            msgspec.structs.replace(member, spec=msgspec.structs.replace(member.spec, resources=HERE))
            for member in suite.runs
        ),
    )


def of(*runs: SuiteRun) -> Suite:
    return Suite(key="s", title="", summary="", runs=runs)


def walk(key: str, **params: object) -> SuiteRun:
    return SuiteRun(key=key, spec=RunSpec(task="walk", params=params, resources=HERE))  # type: ignore[arg-type]


def test_a_suite_is_submitted_with_its_references_as_needs(client: Client, pair: Suite) -> None:
    state = suites.start(client, pair)
    assert list(state.runs) == ["data", "first", "second"]
    assert state.started == ("data", "first", "second")
    data, first, second = state.runs.values()
    assert (first.spec.params["data"], first.spec.needs) == (data.id, (data.id,))
    assert (second.spec.params["init"], second.spec.needs) == (first.id, (first.id,))
    assert [run.status for run in state.runs.values()] == [Status.QUEUED, Status.BLOCKED, Status.BLOCKED]
    assert len(state.on_their_way) == 3


def test_looking_at_a_suite_starts_nothing(client: Client, pair: Suite) -> None:
    state = suites.state(client, pair)
    assert state.missing == ["data", "first", "second"]
    assert not state.is_complete
    assert client.runs() == []


def test_started_again_a_suite_joins_what_is_on_its_way(client: Client, pair: Suite) -> None:
    before = suites.start(client, pair)
    again = suites.start(client, pair)
    assert again.started == ()
    assert again.runs == before.runs
    assert len(client.runs()) == 3


def test_a_suite_that_is_complete_is_shown_and_not_run_again(client: Client, pair: Suite) -> None:
    done = suites.start(client, here(pair))
    assert done.is_complete
    assert [run.status for run in done.runs.values()] == [Status.DONE] * 3
    again = suites.start(client, here(pair))
    assert (again.started, again.runs) == ((), done.runs)
    assert suites.state(client, pair).is_complete


def test_a_run_of_the_same_work_is_reused_whoever_submitted_it(client: Client, pair: Suite) -> None:
    [data] = client.submit(client.plan("grid", {"shelf": "pair-data", "value": "3"}, resources=HERE, name="mine"))
    state = suites.start(client, pair)
    assert state.runs["data"].id == data.id
    assert state.started == ("first", "second")


def test_a_run_made_before_a_parameter_existed_stays_the_suites(client: Client) -> None:
    suite = of(walk("a"))
    done = suites.start(client, suite).runs["a"]
    old = msgspec.structs.replace(done.spec, params={"steps": done.spec.params["steps"]})
    client.catalog.edit(done.id, spec=old, identity=planning.identity(old))
    with Alone(client.home) as fresh:
        again = suites.start(fresh, suite)
    assert again.started == ()
    assert again.runs["a"].id == done.id
    assert again.runs["a"].spec.params == done.spec.params, "what it lacks is filled in, so that tables can group by it"


def test_what_was_stopped_is_resumed_and_what_it_made_skip_waits_again(client: Client, pair: Suite) -> None:
    before = suites.start(client, pair)
    client.stop(before.runs["data"].id)
    client.catalog.transition(before.runs["first"].id, {Status.BLOCKED}, status=Status.SKIPPED)
    after = suites.start(client, pair)
    assert after.runs["data"].id == before.runs["data"].id
    assert after.runs["data"].status is Status.QUEUED
    assert after.runs["first"].id == before.runs["first"].id
    assert after.runs["first"].status is Status.BLOCKED
    assert after.started == ("data",)


def test_a_run_that_diverged_is_a_result(client: Client) -> None:
    suite = of(walk("a", ending="divergence"), walk("b"))
    state = suites.start(client, suite)
    assert state.runs["a"].status is Status.DIVERGED
    assert state.is_complete
    assert suites.start(client, suite).started == ()


def test_a_run_whose_need_came_to_nothing_stays_missing(client: Client) -> None:
    suite = of(walk("a", ending="divergence"), walk("b", init="@a"), walk("c", init="@b"))
    state = suites.start(client, suite)
    assert list(state.runs) == ["a"]
    assert state.missing == ["b", "c"]
    assert state.on_their_way == []


def test_a_result_is_kept_before_a_newer_run_that_failed(client: Client) -> None:
    suite = of(walk("a"))
    done = suites.start(client, suite).runs["a"]
    again = client.retry(done.id)
    client.catalog.transition(again.id, {again.status, Status.QUEUED, Status.DONE}, status=Status.FAILED)
    assert suites.state(client, suite).runs["a"].id == done.id


def test_a_reference_to_no_run_of_the_suite_is_refused_before_anything_is_written(client: Client) -> None:
    with pytest.raises(SpecError, match="init: required the key of a run of this suite, got @nobody"):
        suites.start(client, of(walk("a"), walk("b", init="@nobody")))
    with pytest.raises(SpecError, match="steps: required a whole number"):
        suites.start(client, of(walk("a"), walk("b", steps="many", init="@a")))
    assert client.runs() == []


def test_references_in_a_circle_are_never_started(client: Client) -> None:
    state = suites.start(client, of(walk("a", init="@b"), walk("b", init="@a")))
    assert state.missing == ["a", "b"]
