"""The scheduler as a process, over real runs of a small task: what it starts and sees, and what no crash can undo."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import engine
from engine import evidence, locks, processes, scheduler
from engine.api import Resources, RunSpec
from engine.errors import ServiceError, SpecError, UnknownName
from engine.gpus import Gpu
from engine.launchers import local
from engine.records import ACTIVE, ENDED, Claim, Command, Run, Started, Status
from engine.store.catalog import Catalog

LONG = {"steps": 100_000, "pause": 0.01}


class Bench:
    """A home with a scheduler of its own."""

    def __init__(self, home, until):
        self.home, self.until = home, until
        self.catalog = Catalog(home)
        self.configure()

    def configure(self, **settings):
        values = {"cpus": 2, "grace": 20.0, "idle": 60.0} | settings
        self.home.config.write_text("".join(f"{key} = {value}\n" for key, value in values.items()))

    def submit(self, *, start=True, needs=(), resources=Resources(gpus=0), count=1, **params):
        """Stores runs of the walking task, as a client does, and sees to it that there is a scheduler."""
        spec = RunSpec(task="walk", params={"kind": "straight", **params}, resources=resources, needs=tuple(needs))
        with self.catalog.lock():
            runs = self.catalog.add([Run(id="", spec=spec, created=time.time()) for _ in range(count)])
            for run in runs:
                self.home.run(run.id).folder.mkdir()
                self.home.run(run.id).spec.write_bytes(msgspec.json.encode(spec))
        if start:
            self.start()
        return runs if count > 1 else runs[0]

    def start(self):
        return scheduler.ensure_scheduler(self.home)

    def status(self, run):
        """As it is stored: what somebody else found out."""
        return self.catalog.get(run.id).status

    def reaches(self, run, *statuses):
        return self.until(lambda: self.status(run) in statuses and self.catalog.get(run.id))

    def ended(self, run):
        return self.reaches(run, *ENDED)

    def walking(self, run):
        """Waits until it reports."""
        self.reaches(run, Status.RUNNING)
        self.until(lambda: self.home.run(run.id).stream.exists())
        return self.catalog.get(run.id)

    def command(self, run, verb):
        self.catalog.command(Command(run=run.id, verb=verb, at=time.time()))
        self.start()

    def started(self, run):
        return evidence.read(self.home.run(run.id).started(self.catalog.get(run.id).attempt), Started)

    def times_run(self, run):
        return self.home.run(run.id).log.read_text().count("walking")

    def log(self):
        return self.home.scheduler_log.read_text()

    def close(self):
        scheduler.stop(self.home)
        for run in self.catalog.by_status(ACTIVE):
            local.stop(self.home, run, kill=True)
            self.until(lambda run=run: not locks.held(self.home.run(run.id).lock))
        self.catalog.close()


@pytest.fixture
def bench(sample_home, until):
    made = Bench(sample_home, until)
    yield made
    made.close()


def kill(pid):
    os.kill(pid, signal.SIGKILL)


# The process


def test_there_is_one_scheduler_for_a_home_however_many_ask_at_once(bench):
    code = "from engine import scheduler; from engine.paths import Home; print(scheduler.ensure_scheduler(Home()))"
    asked = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    answers = {process.communicate(timeout=60)[0] for process in asked}
    assert answers == {f"{bench.start()}\n"}
    status = scheduler.status(bench.home)
    assert (status["alive"], f"{status['pid']}\n", status["host"]) == (True, answers.pop(), processes.host_name())
    assert 0 < status["since"] <= time.time()


def test_it_leaves_when_it_is_told_to(bench):
    process = processes.identify(bench.start())
    assert scheduler.stop(bench.home)
    assert not locks.held(bench.home.scheduler_lock)
    assert not processes.alive(process)
    assert scheduler.status(bench.home) == {"alive": False, "pid": None, "host": processes.host_name(), "since": None}
    assert not scheduler.stop(bench.home)


def test_a_wrong_config_is_told_to_whoever_asks_and_nothing_is_started(bench):
    bench.configure(cpu=3)
    with pytest.raises(SpecError, match=r"config\.toml: cpu: required one of"):
        bench.start()
    assert not scheduler.status(bench.home)["alive"]


def test_a_catalogue_that_cannot_be_read_is_told_to_whoever_asks(bench):
    bench.home.catalog.write_text("what is this\n")
    with pytest.raises(ServiceError, match="required a catalogue"):
        bench.start()
    assert not scheduler.status(bench.home)["alive"]
    bench.home.catalog.unlink()


def test_it_leaves_when_idle_and_a_run_in_the_calling_process_is_no_work_of_its(bench):
    bench.configure(idle=0.2)
    theirs = bench.submit(start=False, resources=Resources(launcher="inline", gpus=0))
    done = bench.submit(steps=2)
    assert bench.ended(done).status is Status.DONE
    bench.until(lambda: not locks.held(bench.home.scheduler_lock))
    assert bench.status(theirs) is Status.QUEUED


def test_it_leaves_when_its_home_is_removed(bench):
    process = processes.identify(bench.start())
    shutil.rmtree(bench.home.folder)
    bench.until(lambda: not processes.alive(process))
    bench.home.create()


def test_one_whose_code_is_replaced_is_followed_by_one_of_the_new_code(bench, monkeypatch, tmp_path):
    shutil.copytree(Path(engine.__file__).parent, tmp_path / "copy" / "engine")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'copy'}{os.pathsep}{os.environ['PYTHONPATH']}")
    first = bench.start()
    shim = tmp_path / "copy" / "engine" / "shim.py"
    shim.write_text(shim.read_text() + "# another version\n")
    bench.until(lambda: scheduler.status(bench.home)["pid"] not in (None, first))
    assert bench.ended(bench.submit(start=False)).status == Status.DONE


def test_a_submission_while_it_is_about_to_leave_is_not_missed(bench):
    """The scheduler is idle and waits for the catalogue, which we hold: to us it is still there."""
    bench.configure(idle=0.3)
    bench.start()
    with bench.catalog.lock():
        time.sleep(1.0)
        run = bench.submit(steps=2, start=False)
        assert locks.held(bench.home.scheduler_lock)
    assert bench.ended(run).status is Status.DONE


def test_ten_submissions_racing_with_its_leaving_are_all_run(bench):
    bench.configure(idle=0.05)
    runs = []
    for n in range(10):
        runs.append(bench.submit(steps=1))
        time.sleep(0.07 * n)
    for run in runs:
        assert bench.ended(run).status is Status.DONE
        assert bench.times_run(run) == 1


# Runs


def test_runs_wait_for_what_they_need_and_are_skipped_where_it_did_not_end_well(bench):
    good, bad = bench.submit(start=False, steps=3), bench.submit(start=False, ending="task error")
    after_good = bench.submit(start=False, needs=[good.id])
    after_both = bench.submit(start=False, needs=[after_good.id, bad.id])
    after_that = bench.submit(start=False, needs=[after_both.id])
    orphan = bench.submit(needs=["r0999"])
    assert bench.ended(after_good).status is Status.DONE
    assert bench.catalog.get(after_good.id).started >= bench.catalog.get(good.id).ended
    assert bench.ended(bad).reason == "required a path, got a wall; walk elsewhere"
    told = {run.id: (bench.ended(run).status, run.reason) for run in map(bench.ended, (after_both, after_that, orphan))}
    assert told == {
        after_both.id: (Status.SKIPPED, f"needs {bad.id}, which failed"),
        after_that.id: (Status.SKIPPED, f"needs {after_both.id}, which was skipped"),
        orphan.id: (Status.SKIPPED, "needs r0999, which was removed"),
    }


def test_a_blocked_run_says_what_it_waits_for(bench):
    first = bench.submit(**LONG)
    second = bench.submit(needs=[first.id])
    assert bench.reaches(second, Status.BLOCKED).reason == f"waits for {first.id}"


def test_cpu_slots_are_never_exceeded(bench):
    wide = bench.submit(start=False, resources=Resources(gpus=0, cpus=2), steps=3, pause=0.02)
    runs = [wide, *bench.submit(count=4, steps=3, pause=0.02)]
    ended = [bench.ended(run) for run in runs]
    assert {run.status for run in ended} == {Status.DONE}
    for moment in (run.started for run in ended):
        busy = [run for run in ended if run.started <= moment < run.ended]
        assert sum(run.spec.resources.cpus for run in busy) <= 2
    impossible = bench.submit(resources=Resources(gpus=0, cpus=3))
    assert bench.ended(impossible).reason == "required 3 CPUs, this machine has 2 for runs"


def test_gpus_are_leased_exclusively_or_by_fractions_and_others_gpus_are_left_alone(bench, monkeypatch, tmp_path):
    total = 80 * 10**9
    box = [Gpu(index=i, uuid=f"GPU-{i}", name="Test", memory_total=total) for i in range(3)]
    box[0] = msgspec.structs.replace(box[0], memory_used=total // 2)
    (tmp_path / "gpus.json").write_bytes(msgspec.json.encode(box))
    monkeypatch.setenv("SCIML_TUI_GPUS", str(tmp_path / "gpus.json"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    bench.configure(cpus=8)
    halves = bench.submit(start=False, count=2, resources=Resources(gpus=0.5), **LONG)
    whole = bench.submit(start=False, resources=Resources(gpus=1), **LONG)
    waits = bench.submit(start=False, resources=Resources(gpus=1), steps=1)
    auto = bench.submit(start=False, resources=Resources(gpus="auto"), **LONG)
    four = bench.submit(resources=Resources(gpus=4))
    claims = [bench.walking(run).claim for run in (*halves, whole, auto)]
    assert [(claim.gpus, claim.gpu_share) for claim in claims] == [
        *[(("GPU-1",), 0.5)] * 2,
        (("GPU-2",), 1.0),
        ((), 1.0),
    ]
    assert bench.ended(four).reason == "required 4 GPUs, this machine has 3"
    assert bench.reaches(waits, Status.QUEUED).reason == "waits for GPUs"
    bench.command(whole, "kill")
    served = bench.ended(waits)
    assert (served.status, served.claim.gpus, served.device) == (Status.DONE, ("GPU-2",), "cuda")
    bench.command(auto, "stop")
    assert bench.ended(auto).device == "cpu"


# Commands


def test_stop_and_kill_reach_waiting_and_running_runs(bench):
    stops, kills = bench.submit(count=2, **LONG)
    waits = bench.submit(steps=1)
    bench.walking(stops), bench.walking(kills)
    for run, verb in ((waits, "stop"), (stops, "stop"), (kills, "kill")):
        bench.command(run, verb)
    told = [(run.status, run.reason) for run in map(bench.ended, (waits, stops, kills))]
    assert told == [
        (Status.STOPPED, "stopped before it was started"),
        (Status.STOPPED, "stopped by request"),
        (Status.STOPPED, "killed by request"),
    ]
    assert bench.home.run(stops.id).result(1).exists()
    assert not bench.home.run(waits.id).attempts.exists()
    bench.until(lambda: bench.catalog.commands() == [])


def test_a_stopped_run_that_is_queued_again_goes_on_as_a_new_attempt(bench):
    run = bench.submit(**LONG)
    bench.walking(run)
    bench.command(run, "stop")
    before = bench.ended(run)
    bench.catalog.transition(run.id, {Status.STOPPED}, status=Status.QUEUED, reason="")
    bench.start()
    again = bench.reaches(run, Status.RUNNING)
    assert (again.attempt, again.started, again.ended) == (2, before.started, None)
    bench.until(lambda: bench.times_run(run) == 2)
    bench.command(run, "stop")
    assert bench.ended(run).seconds > before.seconds


def test_what_runs_on_another_host_is_left_to_its_scheduler(bench):
    claim = Claim(host="elsewhere", boot="b", pid=1, at=0.0, cpus=2)
    theirs = bench.submit(start=False, steps=1)
    bench.catalog.transition(theirs.id, {Status.QUEUED}, status=Status.RUNNING, claim=claim)
    bench.command(theirs, "kill")
    ours = bench.submit(steps=1)
    assert bench.ended(ours).status is Status.DONE
    assert bench.status(theirs) is Status.RUNNING
    assert [command.run for _, command in bench.catalog.commands()] == [theirs.id]


# Crashes


def test_a_killed_worker_is_failed_with_its_signal_within_a_second(bench):
    run = bench.submit(**LONG)
    bench.walking(run)
    kill(bench.started(run).worker.pid)
    at = time.monotonic()
    failed = bench.ended(run)
    assert (failed.status, failed.reason) == (Status.FAILED, "SIGKILL")
    assert time.monotonic() - at < 30  # measured in benchmarks.launch; here only that it does not wait for a time-out


def test_a_killed_scheduler_is_followed_by_one_that_takes_over_and_nothing_is_run_twice(bench):
    runs = bench.submit(count=3, steps=60, pause=0.02)
    bench.walking(runs[0])
    first = bench.start()
    kill(first)
    bench.until(lambda: not locks.held(bench.home.scheduler_lock))
    second = bench.start()
    assert second != first
    for run in runs:
        assert bench.ended(run).status is Status.DONE
        assert (bench.times_run(run), bench.catalog.get(run.id).attempt) == (1, 1)


def test_a_scheduler_killed_at_any_moment_of_its_work_runs_nothing_twice(bench):
    runs = bench.submit(count=6, start=False, steps=2)
    for n in range(8):
        pid = bench.start()
        time.sleep(0.02 * n)
        kill(pid)
        bench.until(lambda: not locks.held(bench.home.scheduler_lock))
    bench.start()
    for run in runs:
        assert bench.ended(run).status is Status.DONE
        assert bench.times_run(run) == 1


def test_a_claim_whose_scheduler_died_before_it_launched_is_started_by_the_next(bench):
    run = bench.submit(start=False, steps=2)
    code = (
        "import os; from engine import claims\n"
        "from engine.paths import Home; from engine.store.catalog import Catalog\n"
        f"home = Home(); catalog = Catalog(home); claims.take(catalog, home, catalog.get({run.id!r})); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert bench.status(run) is Status.LAUNCHING
    bench.start()
    done = bench.ended(run)
    assert (done.status, done.attempt, bench.times_run(run)) == (Status.DONE, 2, 1)


def test_a_run_whose_shim_is_killed_goes_on_and_its_result_counts(bench):
    run = bench.submit(steps=80, pause=0.02)
    bench.walking(run)
    kill(bench.started(run).shim.pid)
    bench.until(lambda: bench.catalog.get(run.id).reason == evidence.ADOPTED)
    done = bench.ended(run)
    assert (done.status, done.reason, bench.times_run(run)) == (Status.DONE, "all steps", 1)


def test_a_run_without_a_shim_that_does_not_stop_is_killed_after_the_grace_period(bench):
    bench.configure(grace=0.5)
    run = bench.submit(**LONG)
    bench.walking(run)
    worker = bench.started(run).worker
    processes.send(worker, signal.SIGSTOP)  # deaf to all but SIGKILL
    kill(bench.started(run).shim.pid)
    bench.until(lambda: bench.catalog.get(run.id).reason == evidence.ADOPTED)
    bench.command(run, "stop")
    assert bench.ended(run).status is Status.LOST
    assert not processes.alive(worker)
    bench.until(lambda: bench.catalog.commands() == [])


def test_after_a_reboot_runs_are_lost_and_those_that_waited_are_started(bench):
    run = bench.submit(start=False, **LONG)
    waits = bench.submit(start=False, steps=1)
    me = processes.identify(os.getpid())
    paths = bench.home.run(run.id)
    paths.attempt(1).mkdir(parents=True)
    before = Started(host=processes.host_name(), boot="before", shim=me, worker=me, at=1.0)
    paths.started(1).write_bytes(msgspec.json.encode(before))
    claim = Claim(host=before.host, boot="before", pid=me.pid, at=0.0, cpus=2)
    bench.catalog.edit(run.id, attempt=1)
    bench.catalog.transition(run.id, {Status.QUEUED}, status=Status.RUNNING, claim=claim)
    bench.start()
    lost = bench.ended(run)
    assert (lost.status, lost.reason) == (Status.LOST, "the machine was restarted")
    assert bench.ended(waits).status is Status.DONE


def test_a_terminal_that_is_killed_takes_neither_the_scheduler_nor_the_run_with_it(bench):
    run = bench.submit(start=False, steps=50, pause=0.02)
    code = (
        "import time; from engine import scheduler; from engine.paths import Home\n"
        "scheduler.ensure_scheduler(Home()); time.sleep(60)"
    )
    pid, terminal = os.forkpty()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
        os.execv(sys.executable, [sys.executable, "-c", code])
    bench.walking(run)
    os.close(terminal)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGHUP
    assert bench.ended(run).status is Status.DONE
    assert scheduler.status(bench.home)["alive"]


# Trouble


def test_a_run_that_cannot_be_started_fails_with_the_reason_and_the_next_is_started(bench):
    gone, blocked, fine = bench.submit(count=3, start=False, steps=1)
    bench.home.run(gone.id).spec.unlink()
    bench.home.run(gone.id).folder.rmdir()
    bench.home.run(blocked.id).attempts.write_text("a file where a folder should be")
    bench.start()
    assert bench.ended(gone).status is Status.FAILED
    assert bench.ended(gone).reason.startswith("could not be started: ")
    assert "cannot write" in bench.ended(blocked).reason
    assert bench.ended(fine).status is Status.DONE


def test_a_step_that_fails_is_logged_and_tried_again(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("SCIML_TUI_GPUS", str(tmp_path / "gpus.json"))
    (tmp_path / "gpus.json").write_text("not JSON")
    run = bench.submit(steps=1, resources=Resources(gpus="auto"))
    bench.until(lambda: "ERROR place: JSON is malformed" in bench.log())
    assert bench.log().count("Traceback") == 1
    (tmp_path / "gpus.json").write_text("[]")
    assert bench.ended(run).status is Status.DONE


def test_a_run_that_is_removed_while_it_waits_or_runs_disturbs_nobody(bench):
    runs, waits = bench.submit(count=2, **LONG), bench.submit(steps=1)
    for run in runs:
        bench.walking(run)
    workers = [bench.started(run).worker for run in runs]
    bench.catalog.remove([waits.id, runs[0].id])
    fine = bench.submit(steps=1)
    assert bench.ended(fine).status is Status.DONE
    with pytest.raises(UnknownName):
        bench.catalog.get(waits.id)
    assert "Traceback" not in bench.log()
    for worker in workers:
        processes.send(worker, signal.SIGKILL)
