"""The feed over a real store: what it tells, and what it keeps telling when something cannot be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.api import RunSpec
from engine.client import Client
from engine.errors import StoreError
from engine.gpus import Gpu
from engine.paths import Home
from engine.records import Run, Status
from engine.reporter import RunReporter
from engine.store.catalog import Catalog
from tui.feed import Feed
from tui.messages import FeedFailed, FeedMessage, GpusSeen, MetricsGrew, RunsChanged


def wait(holds: Callable[[], Any], seconds: float = 30) -> Any:
    give_up = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.01)
    return value


class Told:
    """A feed, and what it has told."""

    def __init__(self, home: Home, open_client: Callable[[], Client] | None = None) -> None:
        self.messages: list[FeedMessage] = []
        self.feed = Feed(open_client or (lambda: Client(home)), self.messages.append)
        self.feed.start()

    def of(self, kind: type[FeedMessage]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def runs(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for message in self.of(RunsChanged):
            found.update(message.changed)
            for run in message.removed:
                found.pop(run, None)
        return found

    def complete(self) -> Told:
        wait(lambda: any(message.complete for message in self.of(RunsChanged)))
        return self


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def other(home: Home) -> Iterator[Catalog]:
    """Somebody else who writes the same catalogue."""
    catalog = Catalog(home)
    yield catalog
    catalog.close()


@pytest.fixture
def listen(home: Home) -> Iterator[Callable[..., Told]]:
    listening: list[Told] = []

    def begin(*options: Any) -> Told:
        listening.append(Told(home, *options))
        return listening[-1]

    yield begin
    for told in listening:
        told.feed.leave()
        told.feed.join(10)


def add(catalog: Catalog, home: Home, status: Status = Status.DONE) -> Run:
    (run,) = catalog.add([Run(id="", spec=RunSpec(task="walk"), status=status, created=1.0)])
    home.run(run.id).folder.mkdir(parents=True)
    return run


def write(home: Home, run: Run, steps: range) -> None:
    reporter = RunReporter(home, run.id, 1, seed=0, stop=lambda: False)
    for step in steps:
        reporter.metrics(step, loss=1.0 / (step + 1))
    reporter.close()


def test_the_first_message_holds_all_runs_and_later_ones_what_others_do(
    home: Home, other: Catalog, listen: Callable[..., Told]
) -> None:
    first = add(other, home)
    told = listen().complete()
    assert set(told.runs) == {first.id}
    second = add(other, home)
    wait(lambda: second.id in told.runs)
    other.edit(second.id, note="look here")
    wait(lambda: told.runs[second.id].run.note == "look here")
    other.remove([first.id])
    wait(lambda: set(told.runs) == {second.id})


def test_only_watched_streams_are_told_of_as_they_grow(home: Home, other: Catalog, listen: Callable[..., Told]) -> None:
    watched, ignored = add(other, home), add(other, home)
    told = listen().complete()
    told.feed.watch([watched.id])
    write(home, watched, range(10))
    write(home, ignored, range(10))
    wait(lambda: told.feed.report(watched.id).reader.length == 10)
    wait(lambda: told.of(MetricsGrew))
    assert {message.run for message in told.of(MetricsGrew)} == {watched.id}


def test_the_trend_of_an_ended_run_is_read_when_it_comes_into_view(
    home: Home, other: Catalog, listen: Callable[..., Told]
) -> None:
    run = add(other, home)
    write(home, run, range(5))
    told = listen().complete()
    assert told.runs[run.id].trend == ()
    told.feed.want_trends([run.id])
    wait(lambda: len(told.runs[run.id].trend) == 5)


def test_of_a_run_that_was_cut_off_a_list_has_how_far_it_got(
    home: Home, other: Catalog, listen: Callable[..., Told]
) -> None:
    lost, done = add(other, home, Status.LOST), add(other, home)
    for run in (lost, done):
        write(home, run, range(5))
    told = listen().complete()
    told.feed.want_trends([lost.id, done.id])
    wait(lambda: told.runs[lost.id].figure("step") == 4 and told.runs[done.id].trend)
    assert told.runs[lost.id].figure("loss") == told.runs[lost.id].trend[-1]
    assert not told.runs[done.id].latest


def test_a_store_that_cannot_be_opened_is_told_and_tried_again(home: Home, listen: Callable[..., Told]) -> None:
    tries: list[int] = []

    def open_client() -> Client:
        tries.append(len(tries))
        if len(tries) == 1:
            raise StoreError("home directory: required a folder that can be written, got none")
        return Client(home)

    told = listen(open_client).complete()
    texts = [message.text for message in told.of(FeedFailed)]
    assert "required a folder" in texts[0]
    wait(lambda: told.of(FeedFailed)[-1].text == "")


def test_while_paused_nothing_is_told_and_afterwards_everything(
    home: Home, other: Catalog, listen: Callable[..., Told]
) -> None:
    told = listen().complete()
    told.feed.pause(True)
    time.sleep(0.3)  # a turn that had begun before
    run = add(other, home)
    time.sleep(0.6)
    assert run.id not in told.runs
    told.feed.pause(False)
    wait(lambda: run.id in told.runs)


def test_the_gpus_are_told_of_after_the_runs_and_not_where_there_are_none(listen, tmp_path, monkeypatch):
    file = tmp_path / "gpus.json"
    file.write_bytes(msgspec.json.encode([Gpu(index=0, uuid="GPU-1", name="H100", memory_total=80, used=0.9)]))
    monkeypatch.setenv("SCIML_TUI_GPUS", str(file))
    told = listen().complete()
    first = wait(lambda: told.of(GpusSeen))[0]
    assert [(gpu.name, gpu.used) for gpu in first.gpus] == [("H100", 0.9)]
    assert told.messages.index(first) > told.messages.index(told.of(RunsChanged)[0])

    file.write_text("[]")
    none = listen().complete()
    wait(lambda: not none.feed._has_gpus)
    assert none.of(GpusSeen) == []
