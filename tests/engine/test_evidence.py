"""The table of statuses, over records, and over the files and processes that they stand for."""

import os
import signal
import subprocess
import time

import msgspec
import pytest

from engine import atomic, evidence, locks, processes
from engine.api import Resources, RunSpec
from engine.errors import UnknownName
from engine.evidence import Evidence, as_seen, judge, observe, settle
from engine.paths import Home
from engine.records import Claim, Exit, Process, Result, Run, Started, Status
from engine.store import codec
from engine.store.catalog import Catalog

HERE, BOOT = processes.host_name(), processes.boot_id()
NOBODY = Process(2**22 + 1, 1)
ME = processes.identify(os.getpid())


def claim(host="here", boot="now"):
    return Claim(host=host, boot=boot, pid=1, at=100.0)


def started(host="here", boot="now", worker=NOBODY, shim=NOBODY):
    return Started(host=host, boot=boot, shim=shim, worker=worker, at=200.0)


def an_active(**changes):
    return Run(**({"id": "r0001", "spec": RunSpec(task="t"), "status": Status.RUNNING, "attempt": 1} | changes))


def told(*, run=None, by=None, **found):
    seen = judge(run or an_active(claim=by or claim()), Evidence(host="here", boot="now", **found))
    return seen.status, seen.reason


def test_held_and_not_yet_started_is_launching():
    assert told(held=True) == (Status.LAUNCHING, "")


def test_held_and_started_is_running_even_once_the_exit_is_written():
    assert told(held=True, started=started()) == (Status.RUNNING, "")
    assert told(held=True, started=started(), exit=Exit(code=0)) == (Status.RUNNING, "")


@pytest.mark.parametrize(
    ("exit", "result", "status", "reason"),
    [
        (Exit(code=0), Result(outcome="done", summary={"stop_reason": "cap"}), Status.DONE, "cap"),
        (Exit(code=0), Result(outcome="done"), Status.DONE, ""),
        (Exit(code=0, asked="stop"), Result(outcome="stopped"), Status.STOPPED, "stopped by request"),
        (Exit(code=0), Result(outcome="stopped"), Status.STOPPED, "stopped by a signal from outside"),
        (Exit(code=1), Result(outcome="failed", error="ValueError: no"), Status.FAILED, "ValueError: no"),
        (
            Exit(code=1),
            Result(outcome="diverged", error="loss is not finite at step 7"),
            Status.DIVERGED,
            "loss is not finite at step 7",
        ),
        (Exit(signal=9), None, Status.FAILED, "SIGKILL"),
        (Exit(signal=11), None, Status.FAILED, "SIGSEGV"),
        (Exit(code=3), None, Status.FAILED, "exit code 3"),
        (Exit(code=0), None, Status.FAILED, "it ended without a result"),
        (Exit(signal=9, out_of_memory=True), None, Status.FAILED, "out of memory"),
        (Exit(signal=9, asked="kill"), None, Status.STOPPED, "killed by request"),
        (Exit(signal=9, asked="stop"), None, Status.STOPPED, "killed: it did not stop in time"),
        (Exit(signal=15, asked="stop"), None, Status.STOPPED, "stopped by request, without a result"),
        (Exit(signal=9, asked="kill"), Result(outcome="done"), Status.DONE, ""),
    ],
)
def test_an_exit_with_the_lock_free_ends_the_run_by_the_result_of_the_worker(exit, result, status, reason):
    assert told(started=started(), exit=exit, result=result) == (status, reason)


def test_a_worker_that_outlived_its_shim_is_still_running():
    assert told(started=started(), alive=True) == (Status.RUNNING, evidence.ADOPTED)


def test_nothing_left_without_an_exit_is_lost_unless_the_worker_said_how_it_ended():
    assert told(started=started()) == (Status.LOST, "its process and its supervisor were killed")
    assert told(started=started(), result=Result(outcome="done")) == (Status.DONE, "")


@pytest.mark.parametrize("found", [{}, {"started": started(boot="before")}])
def test_another_boot_means_that_the_machine_was_restarted(found):
    assert told(by=claim(boot="before"), **found) == (Status.LOST, "the machine was restarted")


def test_a_claim_that_never_became_a_process_is_queued_again():
    assert told() == (Status.QUEUED, "")


def test_an_inline_run_belongs_to_the_process_that_claimed_it_and_is_not_queued_again():
    inline = RunSpec(task="t", resources=Resources(launcher="inline"))
    assert told(run=an_active(spec=inline, claim=claim()))[0] is Status.LOST


def test_a_folder_that_was_removed_is_lost_and_not_queued_again():
    assert told(folder=False) == (Status.LOST, "its folder was removed")


@pytest.mark.parametrize("found", [{}, {"held": True}, {"exit": Exit(code=0)}])
def test_what_runs_on_another_host_cannot_be_told_from_here(found):
    status, reason = told(by=claim(host="there"), **found)
    assert status is Status.UNKNOWN and "there" in reason


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.QUEUED, Status.DONE, Status.SKIPPED, Status.LOST])
def test_a_run_that_is_not_active_is_what_its_record_says(status, tmp_path):
    seen = observe(Home(tmp_path), an_active(status=status, reason="because", ended=3.0))
    assert (seen.status, seen.reason, seen.ended) == (status, "because", 3.0)


# Over real files and processes


class Stage:
    """A home with one run that was claimed, and its evidence."""

    def __init__(self, folder):
        self.home = Home(folder)
        self.catalog = Catalog(self.home)
        here = Claim(host=HERE, boot=BOOT, pid=os.getpid(), at=time.time(), cpus=1)
        queued = Run(id="", spec=RunSpec(task="t"), status=Status.LAUNCHING, attempt=1, claim=here)
        (self.run,) = self.catalog.add([queued])
        self.paths = self.home.run(self.run.id)
        self.paths.attempt(1).mkdir(parents=True)

    def write(self, piece, attempt=1):
        path = getattr(self.paths, type(piece).__name__.lower())(attempt)
        path.parent.mkdir(exist_ok=True)
        atomic.write(path, codec.encode(msgspec.to_builtins(piece)))

    def settle(self):
        return settle(self.catalog, self.home, self.catalog.get(self.run.id))


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    yield made
    made.catalog.close()


def test_a_run_is_followed_from_its_lock_to_its_end(stage):
    held = locks.acquire(stage.paths.lock)
    assert stage.settle().status is Status.LAUNCHING
    stage.write(Started(host=HERE, boot=BOOT, shim=ME, worker=ME, at=1000.0))
    running = stage.settle()
    assert (running.status, running.started) == (Status.RUNNING, 1000.0)
    summary = {"rel_l2": float("nan"), "stop_reason": "cap"}
    worker = {"device": "cpu", "versions": {"torch": "2"}, "code": {"dirty": True}, "warnings": ("slow",)}
    stage.write(Result(outcome="done", summary=summary, seconds=7.5, at=1010.0, **worker))
    stage.write(Exit(code=0, at=1011.0))
    assert stage.settle().status is Status.RUNNING
    held.release()
    done = stage.settle()
    assert (done.status, done.reason, done.started, done.ended) == (Status.DONE, "cap", 1000.0, 1011.0)
    assert (done.seconds, done.device, done.warnings) == (7.5, "cpu", ("slow",))
    assert (done.versions, done.code, done.summary["stop_reason"]) == ({"torch": "2"}, {"dirty": True}, "cap")
    assert done.summary["rel_l2"] != done.summary["rel_l2"]
    stage.catalog.refresh()
    assert stage.settle().status is Status.DONE
    assert stage.catalog.refresh() == frozenset()  # to settle again writes nothing


def test_an_attempt_that_left_no_result_counts_until_its_exit_and_keeps_the_summary_before(stage):
    stage.catalog.edit(stage.run.id, seconds=5.0, summary={"loss": 0.5}, attempt=2, started=10.0)
    stage.write(Exit(code=0, at=1.0), attempt=1)
    stage.write(Started(host=HERE, boot=BOOT, shim=ME, worker=NOBODY, at=1000.0), attempt=2)
    stage.write(Exit(signal=9, at=1003.0), attempt=2)
    failed = stage.settle()
    assert (failed.status, failed.reason, failed.started, failed.seconds) == (Status.FAILED, "SIGKILL", 10.0, 8.0)
    assert failed.summary == {"loss": 0.5}


def test_a_claim_that_was_never_launched_is_queued_again_without_its_lease(stage):
    again = stage.settle()
    assert (again.status, again.claim, again.attempt) == (Status.QUEUED, None, 1)


def test_a_worker_whose_shim_died_is_adopted_and_lost_when_it_is_gone(stage):
    with subprocess.Popen(["sleep", "60"]) as worker:
        process = processes.identify(worker.pid)
        stage.write(Started(host=HERE, boot=BOOT, shim=NOBODY, worker=process, at=1000.0))
        adopted = stage.settle()
        assert (adopted.status, adopted.reason) == (Status.RUNNING, evidence.ADOPTED)
        worker.send_signal(signal.SIGKILL)
    lost = stage.settle()
    assert lost.status is Status.LOST
    assert lost.ended == pytest.approx(stage.paths.started(1).stat().st_mtime)


def test_a_pid_that_belongs_to_another_process_now_is_not_the_worker(stage):
    reused = Process(ME.pid, ME.start - 1)
    stage.write(Started(host=HERE, boot=BOOT, shim=NOBODY, worker=reused, at=1000.0))
    assert stage.settle().status is Status.LOST


def test_after_a_reboot_a_process_with_the_same_pid_and_start_is_not_the_worker(stage):
    stage.write(Started(host=HERE, boot="an earlier one", shim=NOBODY, worker=ME, at=1000.0))
    lost = stage.settle()
    assert (lost.status, lost.reason) == (Status.LOST, "the machine was restarted")


def test_a_process_that_ran_its_own_worker_and_let_go_of_the_lock_is_not_adopted(stage):
    stage.write(Started(host=HERE, boot=BOOT, shim=ME, worker=ME, at=1000.0))
    assert stage.settle().status is Status.LOST


def test_what_runs_elsewhere_is_unknown_and_its_record_is_left_as_it_is(stage):
    elsewhere = msgspec.structs.replace(stage.run.claim, host="elsewhere")
    before = stage.catalog.edit(stage.run.id, claim=elsewhere)
    assert stage.settle().status is Status.UNKNOWN
    assert stage.catalog.get(stage.run.id) == before


def test_one_who_may_not_write_sees_the_same_and_leaves_the_record(stage):
    stage.write(Started(host=HERE, boot=BOOT, shim=ME, worker=NOBODY, at=1000.0))
    stage.write(Result(outcome="done", summary={"loss": 0.5}, seconds=2.0))
    stage.write(Exit(code=0, at=1003.0))
    seen = as_seen(stage.home, stage.run)
    assert (seen.status, seen.summary, seen.ended, seen.seconds) == (Status.DONE, {"loss": 0.5}, 1003.0, 2.0)
    assert stage.catalog.get(stage.run.id) == stage.run
    assert stage.settle() == seen
    assert as_seen(stage.home, seen) == seen


def test_evidence_that_a_power_cut_truncated_counts_as_none(stage):
    stage.write(Started(host=HERE, boot="an earlier one", shim=ME, worker=ME, at=1000.0))
    stage.paths.exit(1).write_bytes(b"")
    stage.paths.result(1).write_bytes(b'{"outcome": "do')
    assert stage.settle().status is Status.LOST


def test_files_that_cannot_be_read_are_unknown_and_change_nothing(stage):
    stage.paths.exit(1).mkdir()
    seen = observe(stage.home, stage.run)
    assert seen.status is Status.UNKNOWN and "cannot be read" in seen.reason
    assert stage.settle().status is Status.UNKNOWN
    assert stage.catalog.get(stage.run.id).status is Status.LAUNCHING


def test_an_observer_with_an_old_record_does_not_overwrite_a_newer_attempt(stage):
    old = stage.catalog.get(stage.run.id)
    stage.write(Started(host=HERE, boot=BOOT, shim=ME, worker=NOBODY, at=1000.0))
    stage.write(Exit(signal=9, at=1001.0))
    stage.catalog.edit(stage.run.id, attempt=2)
    assert settle(stage.catalog, stage.home, old) == stage.catalog.get(stage.run.id)
    assert stage.catalog.get(stage.run.id).status is Status.LAUNCHING


def test_a_run_that_was_removed_is_said_to_be_unknown(stage):
    stage.catalog.remove([stage.run.id])
    with pytest.raises(UnknownName):
        settle(stage.catalog, stage.home, stage.run)
