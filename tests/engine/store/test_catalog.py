import os
import subprocess
import sys
import threading

import msgspec
import pytest
from tinydb import Query
from tinydb.table import Document

from engine.api import Resources, RunSpec
from engine.errors import NotPossible, StoreCorrupt, StoreError, UnknownName
from engine.paths import Home
from engine.records import ACTIVE, WAITING, Claim, Command, Run, Shelved, Status
from engine.store.catalog import Catalog


@pytest.fixture
def catalog(home):
    return Catalog(home, sync=False)


def a_run(name="", **fields):
    return Run(id="", spec=RunSpec(task="pinn", params={"system": "reaction", "rho": 5.0}, name=name), **fields)


def a_dataset(name="poisson", run="r0001", **fields):
    return Shelved(
        name=name, kind="dataset", path=f"datasets/{name}.h5", size=3, sha256="", run=run, created=1.0, **fields
    )


def ids(runs):
    return [run.id for run in runs]


def test_a_folder_that_has_lost_its_record_keeps_its_id(home, catalog):
    spec = RunSpec(task="pinn")
    catalog.add([Run(id="", spec=spec)])
    for stray in ("r0002", "r0003", "notes"):
        home.run(stray).folder.mkdir(parents=True)
    assert [run.id for run in catalog.add([Run(id="", spec=spec), Run(id="", spec=spec)])] == ["r0004", "r0005"]


def test_runs_are_stored_under_new_ids_and_come_back_whole(home, catalog):
    full = Run(
        id="ignored",
        spec=RunSpec(
            task="operator",
            params={"range": [1.0, 5.0], "init": None, "flag": True, "n": 3, "lr": 1e-3},
            seed=7,
            resources=Resources(gpus=0.5, cpus=2, memory_gb=1.5),
            needs=("r0001",),
            tags=("a", "β"),
            name="über",
        ),
        label="reaction ρ=5",
        status=Status.DIVERGED,
        claim=Claim(host="h", boot="b", pid=3, at=1.5, gpus=("GPU-1",), handle={"job": 4}),
        summary={"loss": float("nan"), "best": float("inf"), "text": "x", "none": None},
        warnings=("w",),
    )
    (stored,) = catalog.add([full])
    assert stored.id == "r0001"
    read = Catalog(home, readonly=True).get("r0001")
    assert read.summary.pop("loss") != stored.summary.pop("loss")
    assert read == stored


def test_a_batch_is_added_as_a_whole_or_not_at_all(catalog):
    catalog.add([a_run()])
    with pytest.raises(TypeError):
        catalog.add([a_run(), a_run(summary={"no": object()})])
    assert ids(catalog.runs()) == ["r0001"]
    assert catalog.add([]) == []
    assert ids(catalog.add([a_run(), a_run()])) == ["r0002", "r0003"]


def test_ids_go_on_after_removal_and_beyond_four_digits(home, catalog):
    catalog.add([a_run()])
    catalog.remove(["r0001", "r0001", "r7777", "nonsense"])
    assert ids(catalog.add([a_run()])) == ["r0002"]
    catalog.db.table("runs").insert(Document(msgspec.to_builtins(a_run()), 0xFFFF))
    assert ids(catalog.add([a_run()])) == ["r10000"]
    assert Catalog(home).get("r10000").id == "r10000"


def test_a_run_is_found_by_id_by_the_beginning_of_one_and_by_name(catalog):
    catalog.add([a_run("regular"), a_run("curriculum"), a_run("twice"), a_run("twice"), *[a_run()] * 16])
    assert catalog.find("r0002").id == "r0002"
    assert catalog.find("curriculum").id == "r0002"
    assert catalog.find("r0014").id == "r0014"
    with pytest.raises(UnknownName, match=r"r0010, r0011.*r0014"):
        catalog.find("r001")
    with pytest.raises(UnknownName, match="r0003, r0004"):
        catalog.find("twice")
    with pytest.raises(UnknownName, match="did you mean curriculum"):
        catalog.find("curiculum")
    with pytest.raises(UnknownName, match="r0099"):
        catalog.get("r0099")
    for text in ("", "r", "r00-1", "r+001", "r0_01", "R0001", "r00001"):
        with pytest.raises(UnknownName):
            catalog.find(text)


def test_a_unique_beginning_of_an_id_is_enough(catalog):
    catalog.add([a_run()])
    assert catalog.find("r00").id == "r0001"
    with pytest.raises(UnknownName):
        catalog.find("")
    catalog.add([a_run(), a_run("r00")])
    assert catalog.find("r00").id == "r0003"


def test_runs_are_selected_by_status_identity_and_query(catalog):
    catalog.add([a_run(identity=f"work{n % 2}", status=Status.QUEUED if n < 3 else Status.DONE) for n in range(6)])
    catalog.transition("r0002", WAITING, status=Status.RUNNING)
    catalog.remove(["r0003"])
    assert ids(catalog.by_status(WAITING)) == ["r0001"]
    assert ids(catalog.by_status(ACTIVE)) == ["r0002"]
    assert ids(catalog.by_status([Status.DONE, Status.RUNNING])) == ["r0002", "r0004", "r0005", "r0006"]
    assert ids(catalog.by_identity("work0")) == ["r0001", "r0005"]
    assert catalog.by_identity("other") == []
    catalog.edit("r0005", identity="other")
    assert ids(catalog.by_identity("other")) == ["r0005"]
    assert ids(catalog.runs(Query().status == "done")) == ["r0004", "r0005", "r0006"]
    assert ids(catalog.runs(Query().spec.params.rho >= 5)) == ["r0001", "r0002", "r0004", "r0005", "r0006"]


def test_the_shapes_of_a_task_grow_with_its_runs(catalog):
    def run(task, *keys):
        return Run(id="", spec=RunSpec(task=task, params=dict.fromkeys(keys, 1.0)))

    catalog.add([run("pinn", "a", "b"), run("pinn", "b", "a"), run("walk")])
    assert catalog.shapes("pinn") == {frozenset("ab")}
    assert catalog.shapes("walk") == {frozenset()}
    assert catalog.shapes("nothing") == set()
    catalog.remove(["r0003"])
    catalog.add([run("pinn", "a")])
    assert catalog.shapes("pinn") == {frozenset("ab"), frozenset("a")}


def test_the_indexes_are_the_same_after_compaction_and_in_another_process(home, catalog):
    catalog.add([a_run(identity="x", status=Status.DONE), a_run(identity="y"), a_run(identity="x")])
    catalog.edit("r0002", identity="x", spec=RunSpec(task="pinn", name="renamed"))
    reader = Catalog(home, readonly=True)
    catalog.db.journal.compact()
    for seen in (catalog, reader, Catalog(home)):
        assert ids(seen.by_identity("x")) == ["r0001", "r0002", "r0003"]
        assert seen.by_identity("y") == []
        assert ids(seen.by_status(WAITING)) == ["r0002", "r0003"]
        assert seen.find("renamed").id == "r0002"


def test_a_transition_needs_the_state_and_the_attempt_it_expects(catalog):
    catalog.add([a_run()])
    launched = catalog.transition("r0001", WAITING, status=Status.LAUNCHING, attempt=0)
    assert launched.status is Status.LAUNCHING
    assert catalog.transition("r0001", WAITING, status=Status.RUNNING) is None
    assert catalog.transition("r0001", ACTIVE, attempt=5, status=Status.DONE) is None
    assert catalog.transition("r0001", ACTIVE, attempt=0, status=Status.DONE, summary={"loss": 1.0}) is not None
    assert catalog.get("r0001").summary == {"loss": 1.0}
    with pytest.raises(UnknownName):
        catalog.transition("r0009", WAITING, status=Status.DONE)


def test_an_edit_changes_anything_but_the_state(catalog):
    catalog.add([a_run(note="old")])
    assert catalog.edit("r0001", note="new", archived=True).note == "new"
    assert catalog.get("r0001").archived
    with pytest.raises(TypeError, match="transition"):
        catalog.edit("r0001", status=Status.DONE)
    with pytest.raises(TypeError):
        catalog.edit("r0001", colour="red")
    with pytest.raises(UnknownName):
        catalog.edit("r0002", note="")


def test_changes_are_told_once_wherever_they_were_made(home, catalog):
    catalog.add([a_run(), a_run()])
    watching = Catalog(home, readonly=True)
    assert watching.refresh() == frozenset()
    catalog.edit("r0001", note="x")
    catalog.add([a_run()])
    catalog.remove(["r0002"])
    catalog.command(Command(run="r0001", verb="stop", at=1.0))
    assert watching.refresh() == {"r0001", "r0002", "r0003"}
    assert watching.refresh() == frozenset()
    assert catalog.refresh() == {"r0001", "r0002", "r0003"}


def test_records_with_fields_of_another_version_stay_readable(catalog):
    catalog.add([a_run()])
    record = msgspec.to_builtins(a_run())
    newer = {
        **record,
        "id": "r0002",
        "version": 99,
        "mood": "good",
        "status": "paused",
        "spec": {**record["spec"], "flavour": 3, "resources": {**record["spec"]["resources"], "tpus": 1}},
        "summary": {"loss": float("inf")},
    }
    older = {"id": "r0003", "spec": {"task": "pinn"}}
    catalog.db.table("runs").insert_multiple([newer, older])
    _, second, third = catalog.runs()
    assert (second.status, second.version, second.spec.task) == (Status.UNKNOWN, 99, "pinn")
    assert second.summary == {"loss": float("inf")}
    assert third.status is Status.QUEUED
    assert ids(catalog.by_status([Status.QUEUED])) == ["r0001", "r0003"]
    assert ids(catalog.by_status([Status.UNKNOWN])) == ["r0002"]
    assert ids(catalog.runs(Query().mood == "good")) == ["r0002"]


def test_a_record_that_is_none_names_its_run(catalog):
    catalog.db.table("runs").insert({"id": "r0001", "spec": "what?", "status": 3})
    with pytest.raises(StoreCorrupt, match="r0001"):
        catalog.runs()
    catalog.remove(["r0001"])
    assert catalog.runs() == []


def test_a_name_on_the_shelf_belongs_to_the_run_that_put_it_there(catalog):
    catalog.shelve(a_dataset())
    catalog.shelve(a_dataset(facts={"grid": 64}))
    assert catalog.shelf("dataset", "poisson").facts == {"grid": 64}
    with pytest.raises(NotPossible, match=r"r0001.*another name"):
        catalog.shelve(a_dataset(run="r0002"))
    catalog.shelve(a_dataset("helmholtz", run="r0002"))
    catalog.shelve(msgspec.structs.replace(a_dataset(run="r0002"), kind="model"))
    assert [item.name for item in catalog.shelved("dataset")] == ["helmholtz", "poisson"]
    with pytest.raises(UnknownName, match="there are: poisson"):
        catalog.shelf("dataset", "poison")
    catalog.unshelve("dataset", "poisson")
    with pytest.raises(UnknownName):
        catalog.unshelve("dataset", "poisson")
    assert [item.run for item in catalog.shelved("model")] == ["r0002"]


def test_commands_wait_in_order_until_they_are_finished(home, catalog):
    first = catalog.command(Command(run="r0001", verb="stop", at=1.0, by="me"))
    second = catalog.command(Command(run="r0002", verb="kill", at=2.0))
    scheduler = Catalog(home, sync=False)
    assert scheduler.commands() == [
        (first, Command(run="r0001", verb="stop", at=1.0, by="me")),
        (second, Command(run="r0002", verb="kill", at=2.0)),
    ]
    scheduler.finish(first)
    scheduler.finish(first)
    assert [number for number, _ in catalog.commands()] == [second]


def test_threads_share_a_catalogue(catalog):
    def add():
        for _ in range(20):
            (run,) = catalog.add([a_run()])
            catalog.transition(run.id, WAITING, status=Status.DONE)

    seen, errors, stop = set(), [], threading.Event()

    def watch():
        try:
            while not stop.is_set():
                seen.update(catalog.refresh())
                catalog.by_status([Status.DONE])
                catalog.runs(Query().status == "done")
        except Exception as error:  # noqa: BLE001  an error in a thread is an error of the test
            errors.append(error)

    writers = [threading.Thread(target=add) for _ in range(4)]
    watcher = threading.Thread(target=watch)
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    watcher.join()
    seen.update(catalog.refresh())
    assert errors == []
    assert len(catalog.by_status([Status.DONE])) == 80
    assert seen == set(ids(catalog.runs()))


def test_what_is_acknowledged_has_reached_the_disk_once_for_a_batch(home, monkeypatch):
    synced = []
    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(fd) or fdatasync(fd))
    catalog = Catalog(home)
    catalog.add([a_run() for _ in range(50)])
    assert len(synced) == 1
    catalog.edit("r0001", note="x")
    assert len(synced) == 2
    with catalog.lock():
        for run in ("r0001", "r0002", "r0003"):
            catalog.transition(run, WAITING, status=Status.DONE)
    assert len(synced) == 3
    catalog.runs()
    assert catalog.transition("r0001", WAITING, status=Status.DONE) is None
    assert len(synced) == 3


def test_looking_only_needs_no_home(tmp_path):
    catalog = Catalog(Home(tmp_path / "none"), readonly=True)
    assert catalog.runs() == []
    assert catalog.refresh() == frozenset()
    assert catalog.shelved("dataset") == []
    assert catalog.commands() == []
    with pytest.raises(StoreError, match="read-only"):
        catalog.add([a_run()])
    assert not (tmp_path / "none").exists()


def test_the_catalogue_is_read_without_numpy():
    code = "import sys, engine.store.catalog, engine.store.stream, engine.checkpoint; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
