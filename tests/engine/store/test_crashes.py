"""Several processes on one catalogue, some of them killed: nothing that was acknowledged is lost."""

import os
import random
import signal
import time
from collections import Counter

import pytest
from tinydb.operations import increment

from engine.api import RunSpec
from engine.records import WAITING, Run, Status
from engine.store.catalog import Catalog
from engine.store.journal import JournalStorage
from engine.store.table import JournalDB


def a_run(**fields):
    return Run(id="", spec=RunSpec(task="pinn"), **fields)


def write_and_count(path, process, rounds):
    db = JournalDB(path, sync=False, compact_lines=60)
    for n in range(rounds):
        db.table("runs").insert({"process": process, "n": n})
        db.table("counter").update(increment("value"), doc_ids=[1])


def test_concurrent_writers_lose_nothing_while_the_journal_is_compacted(tmp_path, start):
    path, rounds = tmp_path / "journal.jsonl", 100
    reader = JournalDB(path, sync=False)
    reader.table("counter").insert({"value": 0})
    processes = [start(write_and_count, path, process, rounds) for process in range(4)]
    seen = 0
    while any(process.is_alive() for process in processes):
        now = len(reader.table("runs"))
        assert now >= seen
        seen = now
    assert [process.exitcode for process in processes] == [0] * 4
    for db in (reader, JournalDB(path, readonly=True)):
        written = [(document["process"], document["n"]) for document in db.table("runs")]
        assert sorted(written) == [(process, n) for process in range(4) for n in range(rounds)]
        assert [document.doc_id for document in db.table("runs")] == list(range(1, 4 * rounds + 1))
        assert db.table("counter").get(doc_id=1) == {"value": 4 * rounds}
    assert reader.journal._generation > 3


def write_until_killed(path, acknowledged):
    db = JournalDB(path, compact_lines=20)
    for n in range(1_000_000):
        doc_id = db.insert({"n": n, "text": "x" * random.randrange(300)})
        os.write(acknowledged, b"%d\n" % doc_id)


def test_no_acknowledged_write_is_lost_when_writers_are_killed(tmp_path, start):
    path, kills = tmp_path / "journal.jsonl", 20
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    acknowledged = b""
    for _ in range(kills):
        process = start(write_until_killed, path, writable)
        acknowledged += _something_of(readable, process)
        time.sleep(random.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    acknowledged += _rest_of(readable)
    os.close(readable)
    os.close(writable)
    ids = [int(line) for line in acknowledged.split()]
    db = JournalDB(path)
    assert len(ids) > kills
    assert len(ids) == len(set(ids))
    assert set(ids) <= {document.doc_id for document in db}
    # each writer may have been killed between a write and its acknowledgement
    assert len(db) - len(ids) <= kills
    assert db.insert({}) > max(ids)


def _something_of(readable, process):
    """Waits for the process to have acknowledged a first write."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.is_alive()
        if data := _rest_of(readable):
            return data
        time.sleep(0.002)
    raise AssertionError("nothing was written")


def _rest_of(readable):
    data = b""
    try:
        while more := os.read(readable, 1 << 16):
            data += more
    except BlockingIOError:
        pass
    return data


def claim_all(home, wins, process):
    catalog = Catalog(home, sync=False)
    for run in catalog.by_status(WAITING):
        if catalog.transition(run.id, WAITING, status=Status.LAUNCHING, attempt=0, reason=str(process)):
            os.write(wins, f"{run.id} {process}\n".encode())


def test_of_two_who_claim_a_run_exactly_one_wins(home, start):
    catalog = Catalog(home, sync=False)
    runs = catalog.add([a_run() for _ in range(60)])
    readable, writable = os.pipe()
    processes = [start(claim_all, home, writable, process) for process in range(4)]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    os.close(writable)
    with os.fdopen(readable) as file:
        winners = dict(line.split() for line in file)
    assert Counter(winners) == Counter({run.id: winners[run.id] for run in runs})
    assert {run.id: run.reason for run in catalog.runs()} == winners
    assert {run.status for run in catalog.runs()} == {Status.LAUNCHING}


def hold(path, holding):
    with JournalStorage(path).lock() as journal:
        journal.append("t", put={1: {"n": 1}})
        os.write(holding, b"x")
        time.sleep(60)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_held_by_a_process_that_dies_is_free(tmp_path, start, how):
    path = tmp_path / "journal.jsonl"
    readable, writable = os.pipe()
    process = start(hold, path, writable)
    assert os.read(readable, 1) == b"x"
    journal = JournalStorage(path)
    assert journal.document("t", 1) == b'{"n":1}'
    os.kill(process.pid, how)
    journal.append("t", put={2: {}})
    assert journal.ids("t") == [1, 2]
    process.join()
    os.close(readable)
    os.close(writable)
