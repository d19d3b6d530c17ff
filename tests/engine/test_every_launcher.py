"""What every launcher holds to, found by discovery: its jobs are in evidence, end, and are stopped and killed."""

from __future__ import annotations

import subprocess
import sys
import time

import msgspec
import pytest

from engine import evidence, launchers, locks, processes
from engine.api import Resources, RunSpec
from engine.launchers import LAUNCHERS
from engine.records import Run, Started, Status

START = """
import sys
from engine import claims, launchers
from engine.paths import Home
from engine.records import Job
from engine.store.catalog import Catalog
home = Home(); catalog = Catalog(home); name, *runs = sys.argv[1:]
taken = claims.take_together(catalog, home, [catalog.get(run) for run in runs], cpus=1)
job = Job(runs=tuple(run.id for run, _ in taken), attempts=tuple(run.attempt for run, _ in taken), cpus=1)
launchers.launcher(name).start(home, job, [held for _, held in taken])
for _, held in taken: held.hand_over()
"""
LONG = {"steps": 1_000_000, "pause": 0.01}


@pytest.fixture(params=LAUNCHERS)
def name(request):
    return request.param


@pytest.fixture
def begun():
    """The processes that started jobs."""
    processes: list[subprocess.Popen] = []
    yield processes
    for process in processes:
        process.wait(timeout=60)


@pytest.fixture
def begin(name, sample_home, catalog, until, begun):
    """Starts the runs of one job, in a process of its own: some launchers return when it has ended. Whatever is left of
    it is killed at the end."""
    started: list[Run] = []

    def start(*many):
        with catalog.lock():
            specs = [
                RunSpec(task="walk", params={"kind": "straight", **params}, resources=Resources(launcher=name, gpus=0))
                for params in many
            ]
            pack = "together" if len(specs) > 1 else ""
            runs = catalog.add([Run(id="", spec=spec, created=time.time(), pack=pack) for spec in specs])
            for run in runs:
                sample_home.run(run.id).folder.mkdir()
                sample_home.run(run.id).spec.write_bytes(msgspec.json.encode(run.spec))
        begun.append(subprocess.Popen([sys.executable, "-c", START, name, *(run.id for run in runs)]))
        started.extend(runs)
        return [run.id for run in runs]

    yield start
    for run in started:
        launchers.launcher(name).stop(sample_home, catalog.get(run.id), kill=True)
        until(lambda run=run: not locks.held(sample_home.run(run.id).lock))


@pytest.fixture
def seen(sample_home, catalog, until):
    """The run once it is seen to be in one of these states."""

    def wait(run, *states):
        def look():
            now = evidence.settle(catalog, sample_home, catalog.get(run))
            return now if now.status in states else None

        return until(look)

    return wait


def walking(sample_home, run):
    return sample_home.run(run).stream.exists()


def test_it_says_whether_its_runs_take_of_this_machine(name):
    assert isinstance(launchers.launcher(name).ON_THIS_MACHINE, bool)


def test_a_job_runs_to_its_end_and_lets_go_of_its_lock(name, sample_home, begin, begun, seen, until):
    (run,) = begin({"steps": 4})
    done = seen(run, Status.DONE)
    assert (done.reason, done.attempt) == ("all steps", 1) and "x" in done.summary
    until(lambda: not locks.held(sample_home.run(run).lock))
    begun[0].wait(timeout=60)
    assert not launchers.launcher(name).stop(sample_home, done, kill=False)


def test_a_run_that_is_asked_to_stop_stops_with_its_checkpoint(name, sample_home, begin, seen, until):
    (run,) = begin(LONG)
    until(lambda: walking(sample_home, run))
    assert launchers.launcher(name).stop(sample_home, seen(run, Status.RUNNING), kill=False)
    ended = seen(run, Status.STOPPED)
    assert ended.reason == "stopped by request"
    assert list(sample_home.run(run).checkpoints.iterdir())


def test_a_kill_leaves_no_process(name, sample_home, begin, seen, until):
    (run,) = begin(LONG)
    until(lambda: walking(sample_home, run))
    running = seen(run, Status.RUNNING)
    worker = evidence.read(sample_home.run(run).started(1), Started).worker
    assert launchers.launcher(name).stop(sample_home, running, kill=True)
    seen(run, Status.STOPPED, Status.LOST)
    until(lambda: not processes.alive(worker))


def test_of_a_pack_the_one_that_is_stopped_stops_alone(name, sample_home, begin, seen, until):
    one, other = begin(LONG, LONG)
    until(lambda: walking(sample_home, one) and walking(sample_home, other))
    assert launchers.launcher(name).stop(sample_home, seen(one, Status.RUNNING), kill=False)
    running = seen(other, Status.RUNNING)
    if name != "inline":  # whose locks are let go of together, when its process ends
        seen(one, Status.STOPPED)
    size = sample_home.run(other).stream.stat().st_size
    until(lambda: sample_home.run(other).stream.stat().st_size > size)
    assert launchers.launcher(name).stop(sample_home, running, kill=False)
    assert seen(one, Status.STOPPED).reason == seen(other, Status.STOPPED).reason == "stopped by request"
