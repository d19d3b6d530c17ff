"""Published datasets looked into: by the task that made them, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.api import Resources
from engine.client import Client
from engine.errors import NotPossible, SpecError, TaskError, UnknownName
from engine.paths import Home
from engine.records import Shelved
from engine.staging import leftovers

HERE = Resources(launcher="inline", gpus=0)


@pytest.fixture
def client(sample_home: Home) -> Client:
    with Client(sample_home) as client:
        client.submit(client.plan("grid", {"shelf": "two"}, resources=HERE))
        yield client


@pytest.fixture
def shelved(client: Client) -> Callable[[], Shelved]:
    return lambda: client.catalog.shelf("dataset", "two")


def file_of(client: Client) -> Path:
    return client.home.folder / client.catalog.shelf("dataset", "two").path


def test_a_dataset_is_verified_and_that_is_noted(client: Client, shelved: Callable[[], Shelved]) -> None:
    assert (shelved().task, shelved().verified) == ("grid", None)
    findings = client.verify_dataset("two")
    assert [(each.what, each.passed) for each in findings] == [
        ("bytes of the file", True),
        ("hash of the file", True),
        ("number", True),
    ]
    assert shelved().sound and shelved().verified


def test_a_file_that_was_changed_is_found_out(client: Client, shelved: Callable[[], Shelved]) -> None:
    file_of(client).write_text("-7.\n")
    findings = client.verify_dataset("two")
    assert [each.what for each in findings if not each.passed] == ["hash of the file", "number"]
    assert not shelved().sound and shelved().verified


def test_a_file_that_cannot_be_read_or_is_gone_is_an_error_and_noted(
    client: Client, shelved: Callable[[], Shelved]
) -> None:
    file_of(client).write_text("not a number")
    with pytest.raises(TaskError, match="required a number"):
        client.verify_dataset("two")
    assert shelved().verified and not shelved().sound
    file_of(client).unlink()
    with pytest.raises(TaskError, match="required the file of dataset two, got none; make it again"):
        client.preview_dataset("two", 1)
    with pytest.raises(UnknownName):
        client.verify_dataset("three")


def test_a_home_that_is_only_looked_at_is_not_written_to(client: Client, shelved: Callable[[], Shelved]) -> None:
    with Client(client.home, readonly=True) as other:
        assert all(each.passed for each in other.verify_dataset("two"))
    assert shelved().verified is None


def test_what_there_is_to_look_at_comes_as_arrays(client: Client) -> None:
    arrays = client.preview_dataset("two", 4)
    assert list(arrays) == ["values"]
    assert np.array_equal(arrays["values"], np.full((4, 2, 3), 2.0))


def test_a_dataset_of_an_older_record_is_read_by_the_task_that_can(client: Client) -> None:
    item = client.catalog.shelf("dataset", "two")
    client.catalog.shelve(msgspec.structs.replace(item, task=""))
    assert client.preview_dataset("two", 1)["values"].shape == (1, 2, 3)


def test_a_dataset_made_elsewhere_is_copied_once_it_is_verified(client: Client, tmp_path: Path) -> None:
    foreign = tmp_path / "from elsewhere.txt"
    foreign.write_text("5.0")
    item = client.import_dataset(foreign)
    assert (item.name, item.run, item.task, item.sound) == ("grid-5", "", "grid", True)
    assert item.facts == {"samples": 1, "imported_from": "from elsewhere.txt"}
    assert (client.home.folder / item.path).read_text() == foreign.read_text()
    assert all(each.passed for each in client.verify_dataset("grid-5"))
    assert client.import_dataset(foreign, "mine").path == "datasets/mine.txt"
    [walk] = client.submit(client.plan("walk", {"data": "mine"}, resources=HERE))
    assert walk.status == "done"


COPYING = """
import sys, time
from pathlib import Path
from engine.paths import Home
from engine.staging import staged
from engine.store.catalog import Catalog
home = Home()
with staged(Catalog(home), Path(sys.argv[1]), home.datasets) as copy:
    print(copy, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_import_left_goes_with_the_next_and_one_under_way_is_let_be(
    client: Client, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.txt"
    foreign.write_text("5.0")
    command = [sys.executable, "-c", COPYING, str(foreign)]
    killed, other = (subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2))
    with killed, other:
        left, under_way = (Path(process.stdout.readline().strip()) for process in (killed, other))
        assert left.read_text() == under_way.read_text() == "5.0"
        assert leftovers(client.home.datasets) == []
        killed.kill()
        killed.wait()
        assert leftovers(client.home.datasets) == [left.parent]
        client.import_dataset(foreign)
        assert not left.parent.exists() and under_way.exists()
        other.kill()


def test_what_cannot_be_taken_in_leaves_nothing_behind(client: Client, tmp_path: Path) -> None:
    def refused(text: str, error: type[Exception], said: str, name: str = "") -> None:
        (tmp_path / "file.txt").write_text(text)
        with pytest.raises(error, match=said):
            client.import_dataset(tmp_path / "file.txt", name)

    before = sorted(client.home.datasets.iterdir())
    refused("5.0", NotPossible, "dataset two: required a name that is free", "two")
    refused("5.0", SpecError, "name: required a name of letters", "../two")
    unsound = "required a dataset that is sound, got one that is not; number: required above 0, got -5"
    refused("-5.0", NotPossible, unsound)
    refused("none", NotPossible, "required a number")
    with pytest.raises(NotPossible, match="required a file of a dataset, got none"):
        client.import_dataset(tmp_path / "nowhere.txt")
    assert sorted(client.home.datasets.iterdir()) == before
    assert [item.name for item in client.datasets()] == ["two"]
