from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tinydb import where

from engine import evidence, gpus, planning, scheduler
from engine.api import Resources, RunSpec
from engine.client import Client
from engine.errors import FilterError, NotPossible, ServiceError, SpecError, StoreError, UnknownName
from engine.gpus import Gpu
from engine.paths import Home
from engine.records import ACTIVE, ENDED, WAITING, Run, Started, Status

HERE = Resources(launcher="inline", gpus=0)
LONG = {"steps": "100000", "pause": "0.01"}
PATIENCE = 90.0


class Alone(Client):
    """A client beside which no scheduler is started: what it submits waits."""

    def ensure_scheduler(self) -> None:
        pass


@pytest.fixture
def alone(sample_home: Home) -> Iterator[Client]:
    with Alone(sample_home) as client:
        yield client


@pytest.fixture
def client(sample_home: Home) -> Iterator[Client]:
    with Client(sample_home) as client:
        yield client
        for run in client.catalog.by_status(WAITING | ACTIVE):
            client.kill(run.id)
        client.wait([run.id for run in client.runs()], timeout=PATIENCE)
        scheduler.stop(sample_home)


def submit(client: Client, task: str = "walk", **options: Any) -> list[Run]:
    raw = options.pop("raw", {})
    return client.submit(client.plan(task, raw, **options))


def ended(client: Client, *runs: Run) -> list[Run]:
    found = client.wait([run.id for run in runs], timeout=PATIENCE)
    assert all(run.status in ENDED for run in found), found
    return found


def when(client: Client, run: Run, holds: Callable[[Run], bool]) -> Run:
    client.wait([run.id], timeout=PATIENCE, stop=lambda: holds(client.run(run.id)))
    found = client.run(run.id)
    assert holds(found), found
    return found


def problems(client: Client, task: str = "walk", **options: Any) -> list[str]:
    raw = options.pop("raw", {})
    with pytest.raises(SpecError) as caught:
        client.plan(task, raw, **options)
    assert client.runs() == []
    return [str(problem) for problem in caught.value.problems]


# Planning


def test_a_plan_is_complete_specs_for_a_grid_with_seeds_innermost(alone: Client) -> None:
    specs = alone.plan("walk", {"steps": "4"}, grid={"kind": ["straight", "drift"]}, seeds=[0, 1], tags=["a", "a"])
    assert [(spec.params["kind"], spec.seed) for spec in specs] == [
        ("straight", 0),
        ("straight", 1),
        ("drift", 0),
        ("drift", 1),
    ]
    assert specs[3].params == {
        "kind": "drift",
        "drift.speed": 1.0,
        "steps": 4,
        "pause": 0.0,
        "init": "",
        "data": "",
        "ending": "well",
    }
    assert specs[0].tags == ("a",)


def test_every_problem_is_told_at_once_and_nothing_is_written(alone: Client) -> None:
    found = problems(
        alone,
        raw={"pause": "-1", "stepps": "3", "drift.speed": "2"},
        resources=Resources(launcher="lokal"),
    )
    assert [line.partition(":")[0] for line in found] == ["pause", "stepps", "drift.speed", "launcher"]
    assert "did you mean steps?" in found[1]
    assert "required kind=drift, got kind=straight" in found[2]
    assert "did you mean local?" in found[3]


def test_what_only_the_task_can_tell_is_told_too_once_for_all_seeds(alone: Client) -> None:
    assert problems(alone, grid={"steps": ["12", "13"]}, seeds=range(3)) == ["steps: required a lucky number, got 13"]


def test_a_parameter_given_and_in_the_grid_is_refused(alone: Client) -> None:
    [line] = problems(alone, raw={"steps": "3"}, grid={"steps": ["4"]})
    assert line.startswith("steps: required a value or a grid, got both")


def test_tags_that_a_filter_could_not_name_are_refused(alone: Client) -> None:
    assert problems(alone, tags=["two words"]) == ["tags: required words without spaces or commas, got two words"]


def test_a_task_that_is_not_there_or_is_broken_is_told_apart(alone: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match=r"task: required one of .*walk.*, got wlak; did you mean walk\?"):
        alone.plan("wlak", {})
    monkeypatch.setenv("SCIML_TUI_TASKS", "sample_tasks:WALK,sample_tasks:FAULTY")
    with pytest.raises(ServiceError, match="cannot describe itself"):
        alone.plan("sample_tasks:FAULTY", {})


@pytest.fixture
def small_machine(alone: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two threads for runs and one GPU; the file that stands for the driver."""
    alone.home.config.write_text("cpus = 2\n")
    driver = tmp_path / "gpus.json"
    driver.write_bytes(msgspec.json.encode([Gpu(index=0, uuid="GPU-0", name="A", memory_total=1)]))
    monkeypatch.setenv("SCIML_TUI_GPUS", str(driver))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return driver


@pytest.mark.usefixtures("small_machine")
def test_what_this_machine_does_not_have_is_refused_at_its_field(alone: Client) -> None:
    hint = "(`cpus` in config.toml sets how many)"
    assert problems(alone, resources=Resources(cpus=3, gpus=2)) == [
        f"cpus: required at most 2, what this machine has for runs, got 3 {hint}",
        "gpus: required at most 1, what this machine has, got 2 (gpus=auto takes one if there is one, gpus=0 none)",
    ]
    for resources in (Resources(cpus=2, gpus=1), Resources(gpus=0.5), Resources(cpus=3, launcher="inline")):
        assert len(alone.plan("walk", {}, resources=resources)) == 1


def test_no_number_of_gpus_is_refused_while_the_driver_does_not_answer(
    alone: Client, small_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_machine.write_text("[]")
    assert "at most 0" in problems(alone, resources=Resources(gpus=0.5))[0]
    assert "at most 0" in problems(alone, resources=Resources(gpus=1, launcher="inline"))[0]

    def silent() -> list[Gpu]:
        raise ServiceError("GPUs: required an answer of the driver")

    monkeypatch.setattr(gpus, "inventory", silent)
    assert len(alone.plan("walk", {}, resources=Resources(gpus=8))) == 1


def test_a_run_that_is_referred_to_becomes_a_need_by_its_id(alone: Client) -> None:
    [first] = submit(alone, name="the first")
    [spec] = alone.plan("walk", {"init": "the first"})
    assert spec.params["init"] == first.id
    assert spec.needs == (first.id,)
    [second] = alone.submit([spec])
    assert (first.status, second.status) == (Status.QUEUED, Status.BLOCKED)


def test_a_need_may_be_named_without_a_parameter(alone: Client) -> None:
    [first] = submit(alone)
    [second] = submit(alone, needs=[first.id])
    assert second.spec.needs == (first.id,)


def test_references_to_what_is_not_there_are_problems_of_their_fields(alone: Client) -> None:
    found = problems(alone, raw={"init": "r9", "data": "grid"}, needs=["nobody"])
    assert found[0].startswith("needs: required the id or name of a run, got nobody")
    assert found[1].startswith("init: required the id or name of a run, got r9")
    assert found[2].startswith("data: required the name of a dataset, or the run that makes it, got grid")
    assert "there is none yet" in found[2]


def test_a_run_that_came_to_nothing_cannot_be_needed(alone: Client) -> None:
    [first] = submit(alone)
    alone.stop(first.id)
    with pytest.raises(SpecError, match=f"got {first.id}, which is stopped .resume or retry that one first"):
        alone.plan("walk", {"init": first.id})


def test_a_dataset_is_named_or_is_the_run_that_will_make_it(alone: Client) -> None:
    [waiting] = submit(alone, "grid", raw={"shelf": "later"})
    [spec] = alone.plan("walk", {"data": waiting.id})
    assert (spec.params["data"], spec.needs) == (waiting.id, (waiting.id,))
    submit(alone, "grid", raw={"shelf": "now"}, resources=HERE)
    [spec] = alone.plan("walk", {"data": "now"})
    assert (spec.params["data"], spec.needs) == ("now", ())
    [walk] = submit(alone, resources=HERE)
    with pytest.raises(SpecError, match="required a run that published a dataset"):
        alone.plan("walk", {"data": walk.id})


def test_a_task_is_told_what_its_parameters_refer_to_and_may_refuse_it(alone: Client) -> None:
    [far] = submit(alone, "grid", raw={"shelf": "far", "value": 200})
    with pytest.raises(SpecError, match=f"data: required one that is near, got dataset {far.id} of grid with"):
        alone.plan("walk", {"data": far.id})
    submit(alone, "grid", raw={"shelf": "there", "value": 200}, resources=HERE)
    with pytest.raises(SpecError, match=r"got dataset there of grid with \{'samples': 1\}"):
        alone.plan("walk", {"data": "there"})


def test_an_estimate_is_the_tasks(alone: Client) -> None:
    [answer] = alone.appraise(alone.plan("walk", {"steps": 10, "pause": 0.5}))
    assert answer.estimate.seconds == 5.0


# Submitting


def test_what_is_submitted_is_stored_with_its_label_and_its_spec(alone: Client) -> None:
    [run] = submit(alone, raw={"kind": "drift", "drift.speed": "0.5"}, name="n", seeds=[7])
    assert run.label == "walk drift 0.5 of 5"
    assert alone.run("n") == run
    assert b'"seed":7' in alone.home.run(run.id).spec.read_bytes()


def test_the_same_work_is_found_whatever_it_is_called_or_granted(alone: Client) -> None:
    [run] = submit(alone, name="a", tags=["x"])
    [same] = alone.plan("walk", {"steps": 5}, resources=Resources(gpus=0, minutes=2))
    [other] = alone.plan("walk", {}, seeds=[1])
    assert [found.id for found in alone.find_same(same)] == [run.id]
    assert alone.find_same(other) == []


def stored_without(client: Client, spec: RunSpec, *absent: str) -> Run:
    """A run of this spec as it was stored before these parameters existed."""
    old = msgspec.structs.replace(spec, params={k: v for k, v in spec.params.items() if k not in absent})
    [run] = client.catalog.add([Run(id="", spec=old, identity=planning.identity(old), status=Status.DONE)])
    return run


def test_a_run_made_before_a_parameter_existed_is_found_where_that_is_at_its_default(alone: Client) -> None:
    usual, other = alone.plan("walk", {}, grid={"steps": [5, 6]})
    older = stored_without(alone, usual, "pause", "steps")
    stored_without(alone, other, "steps")
    stored_without(alone, usual, "seed", "pause", "kind")
    [newer] = alone.submit([usual])
    assert [found.id for found in alone.find_same(usual)] == ["r0001", "r0002", "r0003", newer.id]
    assert alone.find_same(other) == []
    assert older.id == "r0001"


def test_a_choice_that_did_not_exist_yet_stands_for_its_default_with_what_it_brings(alone: Client) -> None:
    [usual] = alone.plan("walk", {})
    stored_without(alone, usual, "kind")
    [chosen] = alone.plan("walk", {"kind": "drift"})
    assert [found.id for found in alone.find_same(usual)] == ["r0001"]
    assert alone.find_same(chosen) == []


def test_a_parameter_that_is_gone_makes_a_run_another_one(alone: Client) -> None:
    [spec] = alone.plan("walk", {})
    stored_without(alone, msgspec.structs.replace(spec, params={**spec.params, "gone": 1}))
    assert alone.find_same(spec) == []


def test_nothing_is_written_where_the_configuration_is_wrong(client: Client) -> None:
    specs = client.plan("walk", {})
    client.home.config.write_text("cpus = 0\n")
    with pytest.raises(SpecError, match="cpus"):
        client.submit(specs)
    assert client.runs() == []
    client.home.config.unlink()


def test_inline_runs_are_run_here_in_order(alone: Client) -> None:
    [data] = submit(alone, "grid", raw={"shelf": "here", "value": "3"}, resources=HERE)
    first, second = submit(alone, raw={"data": data.id}, seeds=[0, 1], resources=HERE)
    assert (data.status, first.status, second.status) == (Status.DONE,) * 3
    assert first.summary["stop_reason"] == "all steps"
    assert [item.name for item in alone.datasets()] == ["here"]
    assert alone.run(first.id) == first


def test_an_inline_run_whose_need_fails_is_skipped(alone: Client) -> None:
    [first] = submit(alone, raw={"pause": "1"})
    specs = alone.plan("walk", {"init": first.id}, resources=HERE)
    alone.stop(first.id)
    [skipped] = alone.submit(specs)
    assert skipped.status is Status.SKIPPED
    assert first.id in skipped.reason


def test_a_run_goes_through_the_scheduler_to_its_end(client: Client) -> None:
    [first] = submit(client, raw={"steps": "20"}, seeds=[3])
    [second] = submit(client, raw={"init": first.id})
    seen: list[tuple[str, Status]] = []
    done = client.wait([first.id, second.id], lambda run: seen.append((run.id, run.status)), timeout=PATIENCE)
    assert [run.status for run in done] == [Status.DONE, Status.DONE]
    assert (first.id, Status.DONE) in seen
    assert seen.index((first.id, Status.DONE)) < seen.index((second.id, Status.DONE))
    assert done[0].device == "cpu"
    assert done[0].versions["numpy"]
    np.testing.assert_equal(client.report(first.id).columns["step"], np.arange(1, 21))
    assert client.stream(first.id).last["x"] == done[0].summary["x"]
    late = client.documents(first.id).search(where("step") > 18)
    assert [point["step"] for point in late] == [19, 20] and late[-1]["x"] == done[0].summary["x"]
    assert "walking with OMP_NUM_THREADS=1" in client.log_lines(first.id)


def test_stopped_and_resumed_a_run_ends_as_if_never_stopped(client: Client) -> None:
    [whole] = submit(client, raw={"steps": "600"}, resources=HERE)
    [run] = submit(client, raw={"steps": "600", "pause": "0.1"})
    when(client, run, lambda found: client.stream(found.id).length > 2)
    client.stop(run.id)
    [stopped] = ended(client, run)
    assert (stopped.status, stopped.reason) == (Status.STOPPED, "stopped by request")
    resumed = client.resume(run.id)
    assert resumed.id == run.id
    [done] = ended(client, resumed)
    assert (done.status, done.attempt) == (Status.DONE, 2)
    assert done.summary["x"] == whole.summary["x"]
    np.testing.assert_equal(client.stream(run.id).columns["step"], np.arange(1, 601))
    with pytest.raises(NotPossible, match="got one that is done"):
        client.resume(run.id)


def test_a_worker_that_is_killed_is_seen_as_failed_with_its_signal(client: Client) -> None:
    [run] = submit(client, raw=LONG)
    when(client, run, lambda found: found.status is Status.RUNNING)
    started = evidence.read(client.home.run(run.id).started(1), Started)
    assert started is not None
    os.kill(started.worker.pid, signal.SIGKILL)
    [failed] = ended(client, run)
    assert (failed.status, failed.reason) == (Status.FAILED, "SIGKILL")


def test_a_kill_ends_a_run_at_once(client: Client) -> None:
    [run] = submit(client, raw=LONG)
    when(client, run, lambda found: found.status is Status.RUNNING)
    client.kill(run.id)
    [killed] = ended(client, run)
    assert killed.status is Status.STOPPED


def test_a_scheduler_that_is_killed_is_started_again_by_whoever_waits_and_nothing_is_run_twice(client: Client) -> None:
    first, second = submit(client, raw={"steps": "30", "pause": "0.02"}, seeds=[0, 1])
    when(client, first, lambda found: found.status is Status.RUNNING)
    os.kill(scheduler.status(client.home)["pid"], signal.SIGKILL)
    for run in ended(client, first, second):
        paths = client.home.run(run.id)
        assert run.status is Status.DONE
        assert sum(paths.started(attempt).exists() for attempt in range(1, run.attempt + 1)) == 1


# Looking


def test_runs_are_filtered_by_parameters_and_figures(alone: Client) -> None:
    submit(alone, grid={"steps": ["1", "2", "3"]}, resources=HERE)
    submit(alone, raw={"steps": "9"}, tags=["later"])
    assert [run.spec.params["steps"] for run in alone.runs("steps>=2 status=done")] == [2, 3]
    assert [run.id for run in alone.runs("later")] == ["r0004"]
    assert len(alone.runs()) == 4
    with pytest.raises(FilterError, match="character 8"):
        alone.runs("steps>=")


def test_a_log_is_read_without_what_would_disturb_a_terminal(alone: Client) -> None:
    [run] = submit(alone)
    alone.home.run(run.id).log.write_bytes(
        b"plain\n\x1b[31mred\x1b[0m \x1b]0;title\x07after\n 1%\r 50%\r100%\r\ntab\there \x9b31m\xff\x00\nlast"
    )
    assert list(alone.log_lines(run.id)) == ["plain", "red after", "100%", "tab\there \ufffd31m\ufffd", "last"]


def test_a_log_is_followed_to_the_end_of_the_run(client: Client) -> None:
    [run] = submit(client, raw={"steps": "20", "pause": "0.02"})
    lines = list(client.log_lines(run.id, follow=True))
    assert "walking with OMP_NUM_THREADS=1" in lines
    assert client.run(run.id).status is Status.DONE


def test_waiting_ends_with_its_patience(alone: Client) -> None:
    [run] = submit(alone)
    assert alone.wait([run.id], timeout=0.0) == [run]
    assert alone.wait([]) == []


# Steering


def test_a_run_that_waits_is_stopped_at_once_and_can_be_resumed(alone: Client) -> None:
    [run] = submit(alone)
    stopped = alone.stop(run.id)
    assert (stopped.status, stopped.reason) == (Status.STOPPED, "stopped before it was started")
    with pytest.raises(NotPossible, match="required one that has not ended, got one that is stopped"):
        alone.stop(run.id)
    assert alone.resume(run.id).status is Status.QUEUED


def test_what_was_skipped_because_of_a_run_waits_again_when_it_is_resumed(alone: Client) -> None:
    [first] = submit(alone)
    [second] = submit(alone, needs=(first.id,))
    [third] = submit(alone, needs=(second.id,))
    [other] = submit(alone, needs=(first.id,))
    alone.stop(first.id)
    for run in (second, third):
        alone.catalog.transition(run.id, {Status.BLOCKED}, status=Status.SKIPPED, reason="needs", ended=1.0)
    alone.stop(other.id)
    alone.resume(first.id)
    again = [alone.run(run.id) for run in (second, third)]
    assert [(run.status, run.reason, run.ended) for run in again] == [(Status.BLOCKED, "", None)] * 2
    assert alone.run(other.id).status is Status.STOPPED


def test_parameters_are_checked_again_before_a_resume(alone: Client) -> None:
    [run] = submit(alone)
    alone.stop(run.id)
    spec = alone.run(run.id).spec
    alone.catalog.edit(run.id, spec=type(spec)(task="walk", params={"steps": 13}))
    with pytest.raises(SpecError, match="a lucky number"):
        alone.resume(run.id)
    assert alone.run(run.id).status is Status.STOPPED


def test_a_retry_is_a_new_run_of_the_same_work(alone: Client) -> None:
    [run] = submit(alone, raw={"ending": "task error"}, resources=HERE, name="n")
    assert (run.status, run.reason) == (Status.FAILED, "required a path, got a wall; walk elsewhere")
    again = alone.retry(run.id)
    assert again.id != run.id
    assert (again.retry_of, again.spec, again.identity) == (run.id, run.spec, run.identity)


def test_runs_are_removed_with_their_files_all_or_none(alone: Client) -> None:
    [first] = submit(alone, name="first", resources=HERE)
    [second] = submit(alone, raw={"init": first.id})
    with pytest.raises(NotPossible, match=f"{second.id} waits for"):
        alone.remove([first.id])
    assert alone.home.run(first.id).folder.exists()
    assert alone.remove(["first", second.id]) == [first.id, second.id]
    assert alone.runs() == []
    assert list(alone.home.runs.iterdir()) == []


def test_an_active_run_is_not_removed(client: Client) -> None:
    [run] = submit(client, raw=LONG)
    when(client, run, lambda found: found.status in ACTIVE)
    with pytest.raises(NotPossible, match="stop it first"):
        client.remove([run.id])


def test_tags_notes_and_the_archive_are_the_users(alone: Client) -> None:
    [run] = submit(alone, tags=["a"])
    alone.tag(run.id, add=["b", "c"], remove=["a"])
    alone.note(run.id, "look at stage 3")
    assert alone.archive(run.id).archived
    found = alone.run(run.id)
    assert (found.spec.tags, found.note) == (("b", "c"), "look at stage 3")
    assert not alone.archive(run.id, False).archived
    with pytest.raises(SpecError, match="tags"):
        alone.tag(run.id, add=["a b"])


def test_a_reader_writes_nothing_and_starts_nothing(alone: Client) -> None:
    [run] = submit(alone, resources=HERE)
    specs = alone.plan("walk", {}, seeds=[1])
    before = alone.home.catalog.read_bytes()
    with Client(alone.home, readonly=True) as reader:
        assert reader.runs() == [run]
        assert reader.report(run.id).artifacts["end"].size > 0
        for write in (
            lambda: reader.submit(specs),
            lambda: reader.note(run.id, "x"),
            lambda: reader.remove([run.id]),
            lambda: reader.retry(run.id),
        ):
            with pytest.raises(StoreError):
                write()
    assert alone.home.catalog.read_bytes() == before
    assert not alone.home.scheduler_lock.exists()


def test_threads_may_share_a_client(alone: Client) -> None:
    specs = alone.plan("walk", {}, seeds=range(5))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for run in alone.submit(specs):
                alone.note(run.id, "x")
                alone.runs("status=queued")
        except BaseException as error:  # noqa: BLE001  told below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []
    assert sorted(run.id for run in alone.runs("note=x")) == [f"r{n:04x}" for n in range(1, 21)]


def test_the_client_is_imported_without_what_takes_long() -> None:
    script = (
        "import sys, engine.client;"
        "print([name for name in ('numpy', 'torch', 'textual', 'scipy', 'experiments') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
