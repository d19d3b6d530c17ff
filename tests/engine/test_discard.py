"""Published datasets and models taken off their shelf, with their files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.api import Resources, RunSpec
from engine.client import Client
from engine.errors import NotPossible, SpecError, StoreError, UnknownName
from engine.paths import Home
from engine.records import Run, Shelved, Status


class Alone(Client):
    """A client beside which no scheduler is started: what it submits waits."""

    def ensure_scheduler(self) -> None:
        pass


@pytest.fixture
def client(sample_home: Home) -> Iterator[Client]:
    """With the datasets `two` of r0001 and `three` of r0002, and the model `net` of r0003 on the shelves."""
    with Alone(sample_home) as client:
        for kind, name in (("dataset", "two"), ("dataset", "three"), ("model", "net")):
            params = {"shelf": name, "value": 2.0, "pause": 0.0}
            spec = RunSpec(task="grid", params=params, resources=Resources(launcher="inline", gpus=0))
            [run] = client.catalog.add([Run(id="", spec=spec, status=Status.DONE)])
            path = f"{kind}s/{name}.txt"
            (sample_home.folder / path).write_text("2.0")
            about = {"size": 3, "sha256": "ab", "created": 0.0}
            client.catalog.shelve(Shelved(name=name, kind=kind, path=path, run=run.id, **about))
        yield client


def names(client: Client) -> list[str]:
    return [item.name for item in (*client.datasets(), *client.models())]


def files(client: Client) -> list[str]:
    return sorted(path.name for folder in (client.home.datasets, client.home.models) for path in folder.iterdir())


def test_what_is_discarded_is_off_the_shelf_and_its_file_gone_and_the_run_stays(client: Client) -> None:
    assert [(item.name, item.run) for item in client.discard("dataset", ["two", "two"])] == [("two", "r0001")]
    assert [item.name for item in client.discard("model", ["net"])] == ["net"]
    assert (names(client), files(client)) == (["three"], ["three.txt"])
    assert client.run("r0001").status is Status.DONE
    with pytest.raises(UnknownName, match="got 'two'; there are: three"):
        client.discard("dataset", ["three", "two"])
    assert files(client) == ["three.txt"]


def test_a_name_that_was_discarded_is_free_and_the_work_can_be_done_again(client: Client) -> None:
    client.discard("dataset", ["two"])
    with pytest.raises(SpecError, match="where one was removed, retry makes it again"):
        client.plan("walk", {"data": "r0001"})
    again = client.retry("r0001")
    assert (client.catalog.shelf("dataset", "two").run, files(client)[-1]) == (again.id, "two.txt")


@pytest.mark.parametrize("reference", ["two", "r0001"])
def test_a_dataset_that_a_waiting_run_names_is_kept_with_all_that_were_asked_for(
    client: Client, reference: str
) -> None:
    [waits] = client.submit(client.plan("walk", {"data": reference}))
    said = f"dataset two: required one that no run needs, got one that {waits.id}, which is queued, needs; wait until"
    with pytest.raises(NotPossible, match=said):
        client.discard("dataset", ["three", "two"])
    assert (names(client), files(client)) == (["three", "two", "net"], ["net.txt", "three.txt", "two.txt"])
    client.stop(waits.id)
    client.discard("dataset", ["three", "two"])


def test_what_a_run_made_is_kept_while_another_that_needs_the_run_has_not_ended(client: Client) -> None:
    client.submit(client.plan("walk", {"init": "r0003"}))
    with pytest.raises(NotPossible, match="model net: required one that no run needs"):
        client.discard("model", ["net"])
    client.discard("dataset", ["two"])


def test_a_run_of_a_task_that_is_not_there_any_more_keeps_what_it_may_name(client: Client) -> None:
    client.catalog.add([Run(id="", spec=RunSpec(task="gone", params={"of": ["two"], "n": 3}), status=Status.QUEUED)])
    with pytest.raises(NotPossible, match="r0004, which is queued"):
        client.discard("dataset", ["two"])
    client.discard("dataset", ["three"])


def test_a_file_that_is_gone_is_no_error(client: Client) -> None:
    (client.home.datasets / "two.txt").unlink()
    client.discard("dataset", ["two"])
    assert "two" not in names(client)


def test_nothing_that_lies_elsewhere_is_removed(client: Client, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    item = client.catalog.shelf("dataset", "two")
    for path in ("../precious", str(precious), "datasets/../../precious", "catalog.jsonl"):
        client.catalog.shelve(msgspec.structs.replace(item, path=path))
        client.discard("dataset", ["two"])
    (client.home.datasets / "link").symlink_to(precious)
    client.catalog.shelve(msgspec.structs.replace(item, path="datasets/link"))
    client.discard("dataset", ["two"])
    assert precious.read_text() == "precious"
    assert client.home.catalog.exists()
    assert files(client) == ["net.txt", "three.txt", "two.txt"]


def test_a_file_that_cannot_be_removed_stays_on_the_shelf_and_those_before_it_do_not(client: Client) -> None:
    (client.home.datasets / "three.txt").unlink()
    (client.home.datasets / "three.txt").mkdir()  # root removes whatever is a file
    with pytest.raises(StoreError, match=r"three\.txt"):
        client.discard("dataset", ["two", "three"])
    assert names(client) == ["three", "net"]


def test_a_home_that_is_only_looked_at_keeps_its_files(client: Client) -> None:
    with Client(client.home, readonly=True) as reader, pytest.raises(StoreError, match="opened read-only"):
        reader.discard("dataset", ["two"])
    assert "two.txt" in files(client)


@pytest.mark.parametrize("at", ["unlink", "append"])
def test_a_kill_in_between_leaves_what_the_same_request_takes_away(client: Client, at: str) -> None:
    code = f"""
import os, pathlib, signal
from engine.client import Client
from engine.store.journal import JournalStorage
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
unlink = pathlib.Path.unlink
if {at!r} == "append":
    JournalStorage.append = die
else:
    pathlib.Path.unlink = lambda path, **more: die() if path.name == "two.txt" else unlink(path, **more)
Client().discard("dataset", ["three", "two"])
"""
    died = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    assert names(client) == ["three", "two", "net"]
    assert "three.txt" not in files(client)
    client.discard("dataset", ["three", "two"])
    assert (names(client), files(client)) == (["net"], ["net.txt"])
