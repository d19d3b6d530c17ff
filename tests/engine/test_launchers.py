import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from engine import claims, evidence, locks, processes
from engine.api import Resources, RunSpec
from engine.errors import NotPossible, ServiceError, StoreError, UnknownName
from engine.launchers import LAUNCHERS, inline, launcher, local
from engine.records import Job, Run, Started, Status


@pytest.fixture
def submitted(sample_home, catalog):
    """Stores a run of the walking task, with its spec."""

    def submit(name="inline", gpus=0.0, **params) -> Run:
        spec = RunSpec(
            task="walk", params={"kind": "straight", **params}, resources=Resources(launcher=name, gpus=gpus)
        )
        with catalog.lock():
            (run,) = catalog.add([Run(id="", spec=spec, created=time.time())])
            sample_home.run(run.id).folder.mkdir()
            sample_home.run(run.id).spec.write_bytes(msgspec.json.encode(spec))
        return run

    return submit


@pytest.fixture
def launch(sample_home, catalog, submitted, until):
    """Launches little programs as local runs; whatever is left of them is killed at the end."""
    launched = []

    def start(*command, gpus=(), grace=30.0):
        run, held = claims.take(catalog, sample_home, submitted("local"), gpus=gpus)
        job = Job(runs=(run.id,), attempts=(run.attempt,), cpus=3, gpus=gpus, grace=grace)
        assert local.start(sample_home, job, [held], worker=command) == {}
        held.hand_over()
        launched.append(run)
        return run

    yield start
    for run in launched:
        local.stop(sample_home, run, kill=True)
        until(lambda run=run: not locks.held(sample_home.run(run.id).lock))


def ended(sample_home, catalog, run, until):
    def look():
        now = evidence.settle(catalog, sample_home, catalog.get(run.id))
        return now if now.ended else None

    return until(look)


def test_a_name_that_is_not_in_the_table_is_refused_with_those_that_are():
    assert all(hasattr(launcher(name), "start") and hasattr(launcher(name), "stop") for name in LAUNCHERS)
    with pytest.raises(UnknownName, match="required one of inline, local, got slum"):
        launcher("slum")


# Claims


def test_a_run_is_claimed_once_and_its_lock_is_held_before_the_claim_is_seen(sample_home, catalog, submitted):
    run = submitted("local")
    taken, held = claims.take(catalog, sample_home, run, cpus=2, gpus=("A",), share=0.5)
    with held:
        assert (taken.status, taken.attempt, taken.claim.cpus) == (Status.LAUNCHING, 1, 2)
        assert (taken.claim.gpus, taken.claim.gpu_share, taken.claim.pid) == (("A",), 0.5, os.getpid())
        assert locks.held(sample_home.run(run.id).lock)
        assert evidence.observe(sample_home, taken).status is Status.LAUNCHING
        assert claims.take(catalog, sample_home, run) is None
        assert claims.take(catalog, sample_home, taken) is None
    assert evidence.observe(sample_home, taken).status is Status.QUEUED


def test_a_run_whose_lock_is_held_is_not_claimed(sample_home, catalog, submitted):
    run = submitted("local")
    with locks.acquire(sample_home.run(run.id).lock):
        assert claims.take(catalog, sample_home, run) is None
    assert catalog.get(run.id) == run


def test_a_claim_waits_for_the_submission_to_be_whole(sample_home, catalog, until):
    """A submission shows the run before its folder is there, and holds the catalogue meanwhile."""
    code = (
        "import sys; from engine import claims\n"
        "from engine.paths import Home; from engine.store.catalog import Catalog\n"
        "home = Home(); catalog = Catalog(home)\n"
        "while not (runs := catalog.runs()): pass\n"
        "print('seen', flush=True); print(claims.take(catalog, home, runs[0])[0].status, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        with catalog.lock():
            (run,) = catalog.add([Run(id="", spec=RunSpec(task="t"))])
            assert other.stdout.readline() == "seen\n"
            sample_home.run(run.id).folder.mkdir()
        assert other.stdout.readline() == "launching\n"


def test_a_folder_that_is_gone_is_told(sample_home, catalog, submitted):
    run = submitted("local")
    sample_home.run(run.id).spec.unlink()
    sample_home.run(run.id).folder.rmdir()
    with pytest.raises(StoreError, match=run.id):
        claims.take(catalog, sample_home, run)


# Local


def test_a_local_run_is_in_evidence_when_start_returns(sample_home, launch):
    run = launch("sleep", "60")
    assert evidence.observe(sample_home, run).status is Status.RUNNING


def test_the_worker_is_granted_what_its_job_says_in_its_environment(sample_home, catalog, launch, until):
    names = ["SCIML_TUI_HOME", "SCIML_TUI_CPUS", "SCIML_TUI_DEVICE", "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"]
    show = f"import os; print([os.environ[name] for name in {names}], os.getcwd())"
    for gpus, device in (((), "cpu"), (("GPU-1", "GPU-0"), "cuda")):
        run = launch(sys.executable, "-c", show, gpus=gpus)
        ended(sample_home, catalog, run, until)
        paths = sample_home.run(run.id)
        told = [str(sample_home.folder), "3", device, "PCI_BUS_ID", ",".join(gpus)]
        assert paths.log.read_text() == f"{told} {paths.folder}\n"


def test_stop_is_passed_on_and_kill_is_not_argued_with(sample_home, catalog, launch, until):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    asked, killed = launch("sleep", "60"), launch(sys.executable, "-c", deaf)
    until(lambda: "deaf" in sample_home.run(killed.id).log.read_text())
    assert local.stop(sample_home, asked, kill=False) and local.stop(sample_home, killed, kill=False)
    assert local.stop(sample_home, killed, kill=True)
    assert ended(sample_home, catalog, asked, until).status is Status.STOPPED
    assert ended(sample_home, catalog, killed, until).reason == "killed by request"
    assert not local.stop(sample_home, killed, kill=True)


def test_a_worker_whose_shim_is_gone_is_still_stopped_and_killed(sample_home, catalog, launch, until):
    tree = (
        "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True); input()"
    )
    keep = "import time; time.sleep(60)"
    runs = [launch(sys.executable, "-c", tree.replace("input()", keep)), launch("sleep", "60")]
    for run in runs:
        started = evidence.read(sample_home.run(run.id).started(1), Started)
        processes.send(started.shim, signal.SIGKILL)
        until(lambda started=started: not processes.alive(started.shim))
    child = int(until(lambda: sample_home.run(runs[0].id).log.read_text()))
    assert local.stop(sample_home, runs[0], kill=True) and local.stop(sample_home, runs[1], kill=False)
    for run in runs:
        assert ended(sample_home, catalog, run, until).status is Status.LOST
    until(lambda: not processes.start_time(child))


def test_a_job_that_cannot_be_started_says_why_and_leaves_no_worker(sample_home, catalog, submitted, until):
    run, held = claims.take(catalog, sample_home, submitted("local"))
    sample_home.run(run.id).attempts.write_text("a file where a folder should be")
    with held, pytest.raises(ServiceError, match=r"cannot write .*attempts/1"):
        local.start(sample_home, Job(runs=(run.id,), attempts=(1,)), [held], worker=["touch", "ran"])
    assert evidence.observe(sample_home, run).status is Status.QUEUED
    assert not (sample_home.run(run.id).folder / "ran").exists()


def test_a_run_survives_the_hangup_of_the_terminal_that_started_it(sample_home, catalog, submitted, until, tmp_path):
    """The whole session of a pseudo-terminal is hung up, as a dropped SSH connection does."""
    run = submitted("local")
    code = (
        "import sys, time; from engine import claims; from engine.records import Job\n"
        "from engine.launchers import local\n"
        "from engine.paths import Home; from engine.store.catalog import Catalog\n"
        f"home = Home(); catalog = Catalog(home); run, held = claims.take(catalog, home, catalog.get({run.id!r}))\n"
        "worker = ['sh', '-c', 'while :; do echo on; sleep 0.1; done']\n"
        "local.start(home, Job(runs=(run.id,), attempts=(1,)), [held], worker=worker); held.hand_over()\n"
        f"open({str(tmp_path / 'up')!r}, 'w'); time.sleep(60)"
    )
    pid, terminal = os.forkpty()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
        os.execv(sys.executable, [sys.executable, "-c", code])
    until((tmp_path / "up").exists)
    os.close(terminal)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGHUP
    size = sample_home.run(run.id).log.stat().st_size
    until(lambda: sample_home.run(run.id).log.stat().st_size > size)
    taken = evidence.settle(catalog, sample_home, catalog.get(run.id))
    assert taken.status is Status.RUNNING
    assert local.stop(sample_home, taken, kill=True)
    assert ended(sample_home, catalog, run, until).reason == "killed by request"


# Inline


def test_an_inline_run_leaves_the_same_evidence_as_any_other(sample_home, catalog, submitted):
    run = submitted(steps=4)
    done = inline.run(catalog, sample_home, run)
    assert (done.status, done.reason, done.attempt, done.device) == (Status.DONE, "all steps", 1, "cpu")
    assert done.started <= done.ended and done.seconds > 0 and "x" in done.summary
    assert not locks.held(sample_home.run(run.id).lock)
    with pytest.raises(NotPossible, match=run.id):
        inline.run(catalog, sample_home, run)


def test_an_inline_run_that_fails_is_failed_and_raises_nothing(sample_home, catalog, submitted):
    failed = inline.run(catalog, sample_home, submitted(ending="fault"))
    assert failed.status is Status.FAILED and failed.reason.startswith("ZeroDivisionError: a fault")


INLINE = """
import sys
from engine.launchers import inline
from engine.paths import Home
from engine.store.catalog import Catalog
home = Home(); catalog = Catalog(home)
run = inline.run(catalog, home, catalog.get(sys.argv[1]))
print(run.status, run.reason)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_inline_run_is_running_for_others_until_its_process_ends(sample_home, catalog, submitted, until, number):
    run = submitted(steps=100_000, pause=0.01)
    with subprocess.Popen([sys.executable, "-c", INLINE, run.id], stdout=subprocess.PIPE, text=True) as client:
        until(lambda: sample_home.run(run.id).stream.exists())
        now = evidence.settle(catalog, sample_home, catalog.get(run.id))
        assert now.status is Status.RUNNING
        if number == signal.SIGKILL:
            assert inline.stop(sample_home, now, kill=True)
        else:
            client.send_signal(number)
        said = client.communicate(timeout=60)[0]
    now = evidence.settle(catalog, sample_home, catalog.get(run.id))
    if number == signal.SIGKILL:
        assert (now.status, client.returncode) == (Status.LOST, -number)
    else:
        assert (now.status, client.returncode) == (Status.STOPPED, 0)
        assert said.endswith("stopped stopped by request\n")
