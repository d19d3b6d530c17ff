"""Runs that share a process, over real processes: each has its own status, stop, log, end and resume."""

import json
import os
import signal
import subprocess
import sys

import pytest

from engine import evidence, locks, processes, scheduler
from engine.api import Resources
from engine.client import Client
from engine.errors import SpecError
from engine.launchers import local
from engine.records import ACTIVE, ENDED, Started, Status

CPU = Resources(gpus=0)
LONG = {"steps": "100000", "pause": "0.002"}


class Packs:
    """A home with a scheduler of its own."""

    def __init__(self, home, until):
        self.home, self.until = home, until
        self.client = Client(home)
        home.config.write_text("cpus = 2\ngrace = 20.0\nidle = 60.0\n")

    def submit(self, count=3, grid=None, resources=CPU, **params):
        specs = self.client.plan("walk", params, grid=grid or {}, seeds=range(count), resources=resources)
        return [run.id for run in self.client.submit(specs, pack=True)]

    def run(self, run):
        return self.client.run(run)

    def ended(self, run):
        return self.until(lambda: (found := self.run(run)).status in ENDED and found)

    def walking(self, runs):
        """Waits until all are seen to run, in the attempt that is theirs now, and report."""
        for run in runs:
            self.until(lambda run=run: self.run(run).status is Status.RUNNING and self.client.stream(run).length > 2)
        return [self.run(run) for run in runs]

    def started(self, run):
        return evidence.read(self.home.run(run).started(self.run(run).attempt), Started)

    def curve(self, run):
        stream = self.client.stream(run)
        return list(stream.columns["step"]), list(stream.columns["x"])

    def close(self):
        scheduler.stop(self.home)
        for run in self.client.catalog.by_status(ACTIVE):
            local.stop(self.home, run, kill=True)
            self.until(lambda run=run: not locks.held(self.home.run(run.id).lock))
        self.client.close()


@pytest.fixture
def packs(sample_home, until):
    made = Packs(sample_home, until)
    yield made
    made.close()


def test_a_pack_runs_in_one_process_with_what_one_run_asks_for(packs):
    packs.client.submit(packs.client.plan("walk", LONG, resources=CPU))
    runs = packs.submit(**LONG)
    seen = packs.walking(runs)
    assert {run.status for run in seen} == {Status.RUNNING}
    assert len({packs.started(run).worker for run in runs}) == 1
    assert {run.pack for run in seen} == {runs[0]}
    assert {run.claim.job for run in seen} == {f"{runs[0]}/1"}
    assert [other.id for other in packs.client.in_its_process(runs[1])] == [runs[0], runs[2]]
    (waits,) = packs.client.submit(packs.client.plan("walk", {"steps": "1"}, seeds=[9], resources=CPU))
    assert packs.run(waits.id).status is Status.QUEUED  # both CPUs are taken: one by the pack


def test_each_run_of_a_pack_ends_as_it_would_have_alone(packs):
    alone = [run.id for run in packs.client.submit(packs.client.plan("walk", {}, seeds=range(3), resources=CPU))]
    runs = packs.submit()
    for one, other in zip(runs, alone, strict=True):
        packed, single = packs.ended(one), packs.ended(other)
        assert (packed.status, packed.reason, packed.summary) == (Status.DONE, "all steps", single.summary)
        assert packs.curve(one) == packs.curve(other)
        assert (packs.home.run(one).files / "end.txt").read_text() == (
            packs.home.run(other).files / "end.txt"
        ).read_text()
        assert not locks.held(packs.home.run(one).lock)


def test_the_end_of_one_leaves_the_others_alone(packs):
    endings = ["divergence", "task error", "fault", "no memory", "well"]
    runs = packs.submit(1, grid={"ending": endings}, steps="4")
    longer = packs.submit(1, grid={"ending": endings, "steps": ["3", "300"]}, pause="0.001")
    found = [packs.ended(run) for run in runs]
    assert [run.status for run in found] == [Status.DIVERGED, *[Status.FAILED] * 3, Status.DONE]
    assert found[1].reason == "required a path, got a wall; walk elsewhere"
    log = packs.home.run(runs[2]).log.read_text()
    assert f"is in the log of {runs[0]}" in log and "Traceback" in log and "ZeroDivisionError" in log
    assert [packs.ended(run).status for run in longer] == [status for run in found for status in [run.status] * 2]


def test_one_that_has_ended_is_seen_to_have_ended_while_the_process_goes_on(packs):
    short, *long = packs.submit(1, grid={"steps": ["3", "100000", "100001"]}, pause="0.002")
    ended = packs.ended(short)
    assert (ended.status, ended.reason) == (Status.DONE, "all steps")
    assert not locks.held(packs.home.run(short).lock)
    assert json.loads(packs.home.run(short).exit(1).read_bytes())["asked"] == ""
    assert {run.status for run in packs.walking(long)} == {Status.RUNNING}
    assert [other.id for other in packs.client.in_its_process(long[0])] == [long[1]]


def test_stop_stops_one_alone_and_it_resumes_by_itself_to_the_same_end(packs):
    params = {"steps": "400", "pause": "0.01"}
    (whole,) = packs.client.submit(packs.client.plan("walk", {"steps": "400"}, seeds=[1], resources=CPU))
    runs = packs.submit(**params)
    packs.walking(runs)
    worker = packs.started(runs[0]).worker
    packs.client.stop(runs[1])
    stopped = packs.ended(runs[1])
    assert (stopped.status, stopped.reason) == (Status.STOPPED, "stopped by request")
    assert processes.alive(worker) and packs.run(runs[0]).status is Status.RUNNING
    at = packs.client.stream(runs[1]).length
    assert at < 400
    packs.client.resume(runs[1])
    resumed = packs.ended(runs[1])
    assert (resumed.status, resumed.attempt) == (Status.DONE, 2)
    assert packs.started(runs[1]).worker != worker
    assert packs.curve(runs[1]) == packs.curve(whole.id)
    assert packs.ended(runs[0]).status is Status.DONE
    assert packs.run(runs[0]).attempt == 1


def test_stopping_all_of_them_ends_the_process(packs):
    runs = packs.submit(**LONG)
    packs.walking(runs)
    worker = packs.started(runs[0]).worker
    for run in runs:
        packs.client.stop(run)
    assert {(packs.ended(run).status, packs.ended(run).reason) for run in runs} == {
        (Status.STOPPED, "stopped by request")
    }
    packs.until(lambda: not processes.alive(worker))
    packs.client.resume_all(runs)
    assert {run.attempt for run in packs.walking(runs)} == {2}
    (again,) = {packs.started(run).worker for run in runs}  # resumed together, they are a pack again
    assert again != worker


def test_a_kill_ends_the_process_with_all_of_them(packs):
    runs = packs.submit(**LONG)
    packs.walking(runs)
    packs.client.kill(runs[2])
    found = [packs.ended(run) for run in runs]
    assert {(run.status, run.reason) for run in found} == {(Status.STOPPED, "killed by request")}


def test_a_worker_that_is_killed_takes_all_that_had_not_ended(packs):
    short, *long = packs.submit(1, grid={"steps": ["3", "100000", "100001"]}, pause="0.002")
    packs.ended(short)
    packs.walking(long)
    os.kill(packs.started(long[0]).worker.pid, signal.SIGKILL)
    assert {(packs.ended(run).status, packs.ended(run).reason) for run in long} == {(Status.FAILED, "SIGKILL")}
    assert packs.run(short).status is Status.DONE


def test_without_their_supervisor_they_still_stop_and_end_one_by_one(packs):
    runs = packs.submit(**LONG)
    packs.walking(runs)
    started = packs.started(runs[0])
    os.kill(started.shim.pid, signal.SIGKILL)
    packs.until(lambda: packs.run(runs[1]).reason == evidence.ADOPTED)
    packs.client.stop(runs[1])
    assert packs.ended(runs[1]).status is Status.STOPPED
    assert processes.alive(started.worker)
    assert packs.run(runs[0]).status is Status.RUNNING
    packs.client.kill(runs[0])
    assert packs.ended(runs[2]).status is Status.LOST


def test_one_that_was_stopped_before_it_started_is_left_out(packs):
    (wide,) = packs.client.submit(packs.client.plan("walk", LONG, resources=Resources(gpus=0, cpus=2)))
    runs = packs.submit(steps="3")
    packs.client.stop(runs[1])
    packs.client.kill(wide.id)
    assert [packs.ended(run).status for run in runs] == [Status.DONE, Status.STOPPED, Status.DONE]


def test_two_schedulers_never_start_one_of_them_twice(packs):
    """One that is killed in the middle of its work, and the one that follows it."""
    runs = packs.submit(8, steps="60", pause="0.001")
    for _ in range(3):
        process = processes.identify(scheduler.ensure_scheduler(packs.home))
        os.kill(process.pid, signal.SIGKILL)
        packs.until(lambda process=process: not processes.alive(process))
    packs.client.ensure_scheduler()
    assert {packs.ended(run).status for run in runs} == {Status.DONE}
    for run in runs:
        assert packs.curve(run)[0] == list(range(1, 61))


def test_claimed_and_never_launched_they_wait_again(packs):
    specs = packs.client.plan("walk", {}, seeds=range(3), resources=CPU)
    runs = [run.id for run in packs.client._add(specs, pack=True)]
    code = (
        "import os; from engine import claims\n"
        "from engine.paths import Home; from engine.store.catalog import Catalog\n"
        "home = Home(); catalog = Catalog(home); assert len(claims.take_together(catalog, home, catalog.runs())) == 3\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    packs.client.ensure_scheduler()
    assert {packs.ended(run).status for run in runs} == {Status.DONE}


def test_inline_they_run_here_together(packs):
    runs = packs.submit(resources=Resources(gpus=0, launcher="inline"))
    assert {packs.run(run).status for run in runs} == {Status.DONE}
    assert len({packs.started(run).worker for run in runs}) == 1


def test_what_cannot_be_packed_is_refused_with_the_reason(packs):
    specs = packs.client.plan("grid", {}, seeds=range(2))
    with pytest.raises(SpecError, match=r"pack: required a task that runs many at once \(.*walk\), got grid"):
        packs.client.submit(specs, pack=True)
    both = [*packs.client.plan("walk", {}), *packs.client.plan("walk", {}, resources=Resources(cpus=2))]
    with pytest.raises(SpecError, match="pack: required runs that ask for the same resources"):
        packs.client.submit(both, pack=True)
    assert packs.client.runs() == []
