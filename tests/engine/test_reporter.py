from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import reporter as reporting
from engine.api import Reporter, RunSpec
from engine.errors import TaskError
from engine.paths import Home
from engine.records import Run, Status
from engine.report import Report
from engine.reporter import RunReporter
from engine.store.catalog import Catalog


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def catalog(home: Home) -> Iterator[Catalog]:
    catalog = Catalog(home)
    yield catalog
    catalog.close()


def attempt(home: Home, number: int = 1, run: str = "r0001", **options: Any) -> RunReporter:
    home.run(run).folder.mkdir(exist_ok=True)
    return RunReporter(home, run, number, seed=7, **{"stop": lambda: False, **options})


def read(home: Home, run: str = "r0001") -> Report:
    report = Report(home, run)
    report.poll()
    return report


def test_it_is_a_reporter_of_what_was_granted(home: Home) -> None:
    reporter = attempt(home, cpus=2)
    assert isinstance(reporter, Reporter)
    assert (reporter.seed, reporter.device, reporter.cpus) == (7, "cpu", 2)
    assert reporter.folder.is_dir()


def test_a_gpu_that_cannot_be_used_is_given_up_where_it_was_not_asked_for(home: Home) -> None:
    taken, asked = attempt(home, device="cuda", optional_gpu=True), attempt(home, run="r0002", device="cuda")
    taken.without_gpu("torch without CUDA")
    taken.close()
    assert taken.device == "cpu"
    assert read(home).warnings == ["the run is on the CPU, its GPU cannot be used: torch without CUDA"]
    with pytest.raises(TaskError, match=r"gpus: required a GPU that can be used, got torch without CUDA \(gpus=0"):
        asked.without_gpu("torch without CUDA")


def test_a_warning_before_a_resume_leaves_the_curve_as_it_is(home: Home) -> None:
    first = attempt(home)
    for step in (1, 2, 3):
        first.metrics(step, loss=1.0)
        if step == 2:
            first.checkpoint(2, lambda: {"step": 2}, now=True)
    first.close()
    second = attempt(home, 2)
    second.warn("new inputs start at zero weight")
    assert second.resume() == {"step": 2}
    second.metrics(3, loss=0.5)
    second.close()
    found = read(home)
    np.testing.assert_equal(found.columns["step"], [1, 2, 3])
    assert found.warnings == ["new inputs start at zero weight"]


def test_metrics_are_columns_with_every_value_kept(home: Home) -> None:
    reporter = attempt(home)
    reporter.metrics(1, loss=1.0)
    reporter.metrics(2, loss=math.nan, rel_l2=math.inf)
    reporter.close()
    columns = read(home).columns
    np.testing.assert_equal(columns["step"], [1, 2])
    np.testing.assert_equal(columns["loss"], [1.0, math.nan])
    np.testing.assert_equal(columns["rel_l2"], [math.nan, math.inf])


def test_what_is_told_later_of_a_stage_is_added_to_it(home: Home) -> None:
    reporter = attempt(home)
    reporter.stage("β=10", step=0, beta=10.0)
    reporter.stage("β=20", step=5, beta=20.0)
    reporter.stage("β=10", step=4, stop_reason="converged")
    reporter.close()
    assert read(home).stages == [
        {"name": "β=10", "step": 0, "beta": 10.0, "stop_reason": "converged"},
        {"name": "β=20", "step": 5, "beta": 20.0},
    ]


def test_warnings_are_kept_once_and_shown_in_the_log(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    reporter = attempt(home)
    reporter.warn("the residual parts from the loss")
    reporter.warn("the residual parts from the loss")
    reporter.close()
    assert read(home).warnings == reporter.warnings == ["the residual parts from the loss"]
    assert capsys.readouterr().out == "warning: the residual parts from the loss\n"


def test_progress_is_written_now_and_then_and_at_the_end(home: Home) -> None:
    reporter = attempt(home)
    for done in range(10_001):
        reporter.progress(done, 10_000, "steps")
    reporter.close()
    report = read(home)
    assert report.progress is not None
    assert (report.progress["done"], report.progress["what"]) == (10_000, "steps")
    assert len(report.reader.documents("progress")) < 100


def test_stopping_is_seen_by_the_task_and_remembered(home: Home) -> None:
    asked = [False]
    reporter = attempt(home, stop=lambda: asked[0])
    assert not reporter.stopping
    assert not reporter.saw_stop
    asked[0] = True
    assert not reporter.saw_stop
    assert reporter.stopping
    assert reporter.saw_stop


# Checkpoints


def never() -> dict[str, Any]:
    raise AssertionError("the state was asked for, though no checkpoint was due")


def test_a_checkpoint_is_written_when_due_by_time_or_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = attempt(home)
    assert not reporter.checkpoint(1, never)
    assert reporter.checkpoint(2, lambda: {"w": np.ones(3)}, now=True)
    monkeypatch.setattr(reporting, "CHECKPOINT_SECONDS", 0.0)
    reporter._saving_took = 0.0
    assert reporter.checkpoint(3, lambda: {"w": np.ones(3)})


def test_checkpoints_take_no_more_than_their_share_of_the_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "CHECKPOINT_SECONDS", 0.0)
    reporter = attempt(home)

    def slow() -> dict[str, Any]:
        time.sleep(0.5)
        return {}

    assert reporter.checkpoint(1, slow)
    assert not reporter.checkpoint(2, never)  # due in 10 s


def test_runs_that_share_a_process_share_the_time_for_checkpoints(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(reporting, "CHECKPOINT_SHARE", 1e9)
    alone, packed = attempt(home), attempt(home, run="r0002", together=10**12)
    for reporter in (alone, packed):
        assert reporter.checkpoint(1, dict, now=True)
    assert alone.checkpoint(2, dict)
    assert not packed.checkpoint(2, never)


def test_the_two_newest_checkpoints_are_kept(home: Home) -> None:
    reporter = attempt(home)
    for step in (5, 10, 15):
        reporter.checkpoint(step, lambda: {}, now=True)
    assert sorted(path.name for path in home.run("r0001").checkpoints.iterdir()) == [
        "step-10.safetensors",
        "step-15.safetensors",
    ]


def test_a_first_attempt_has_nothing_to_resume(home: Home) -> None:
    assert attempt(home).resume() is None


def interrupted(home: Home) -> None:
    reporter = attempt(home)
    for step in range(1, 8):
        reporter.metrics(step, loss=1 / step)
        if step in (3, 5):
            reporter.checkpoint(step, lambda step=step: {"step": step, "w": np.full(2, step)}, now=True)
    reporter.stage("late", step=6)
    reporter.close()


def test_a_resume_goes_back_to_exactly_the_checkpoint(home: Home) -> None:
    interrupted(home)
    reporter = attempt(home, 2)
    state = reporter.resume()
    assert state is not None
    np.testing.assert_equal(state["w"], [5.0, 5.0])
    reporter.metrics(6, loss=0.5)
    reporter.close()
    report = read(home)
    np.testing.assert_equal(report.columns["step"], [1, 2, 3, 4, 5, 6])
    assert report.columns["loss"][-1] == 0.5
    assert report.stages == []
    assert [(entry["attempt"], entry["from_step"]) for entry in report.attempts] == [(1, None), (2, 5)]


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(home: Home) -> None:
    interrupted(home)
    newest = home.run("r0001").checkpoints / "step-5.safetensors"
    newest.write_bytes(newest.read_bytes()[:-3] + b"xyz")
    reporter = attempt(home, 2)
    state = reporter.resume()
    assert state is not None
    assert state["step"] == 3
    reporter.close()
    np.testing.assert_equal(read(home).columns["step"], [1, 2, 3])
    [warning] = reporter.warnings
    assert "step-5" in warning
    assert "goes on from step 3" in warning


@pytest.mark.parametrize("asks", [True, False])
def test_a_later_attempt_without_a_checkpoint_begins_the_curve_anew(home: Home, asks: bool) -> None:
    first = attempt(home)
    first.metrics(0, loss=9.0)
    first.metrics(1, loss=8.0)
    first.close()
    second = attempt(home, 2)
    if asks:
        assert second.resume() is None
    second.metrics(0, loss=1.0)
    second.close()
    np.testing.assert_equal(read(home).columns["loss"], [1.0])


# Files


def test_fields_are_arrays_to_read_back_and_the_last_of_a_step_count(home: Home) -> None:
    reporter = attempt(home)
    reporter.fields(10, predicted=np.arange(6.0).reshape(2, 3).T, x=np.arange(3, dtype=np.float32))
    reporter.fields(10, error=np.ones(2))
    reporter.close()
    report = read(home)
    [stored] = report.fields
    assert stored["arrays"] == {"predicted": [3, 2], "x": [3], "error": [2]}
    arrays = report.arrays_of(stored)
    np.testing.assert_equal(arrays["predicted"], np.arange(6.0).reshape(2, 3).T)
    assert arrays["x"].dtype == np.float32


def test_an_artifact_is_a_file_of_the_run_with_its_hash(home: Home, tmp_path: Path) -> None:
    reporter = attempt(home)
    file = reporter.folder / "weights.bin"
    file.write_bytes(b"abc")
    reporter.artifact(file, "weights", width=50)
    with pytest.raises(TaskError, match="required a file in the run's folder"):
        reporter.artifact(tmp_path / "elsewhere")
    reporter.close()
    kept = read(home).artifacts["weights"]
    assert (kept.path, kept.size, kept.facts) == (file, 3, {"width": 50})
    assert kept.sha256.startswith("ba7816bf")


def publish(home: Home, run: str, name: str, text: str) -> RunReporter:
    reporter = attempt(home, run=run)
    file = reporter.folder / "made.h5"
    file.write_text(text)
    made = reporter.publish("dataset", file, name=name, samples=4)
    assert made.path.read_text() == text
    assert not file.exists()
    reporter.close()
    return reporter


def test_a_published_file_is_on_the_shelf_and_found_by_name_and_by_run(home: Home, catalog: Catalog) -> None:
    publish(home, "r0001", "poisson(1:5)", "one")
    item = catalog.shelf("dataset", "poisson(1:5)")
    assert (item.path, item.run, item.facts) == ("datasets/poisson(1:5).h5", "r0001", {"samples": 4})
    other = attempt(home, run="r0002")
    assert other.dataset("poisson(1:5)").path.read_text() == "one"
    assert other.dataset("r0001") == other.dataset("poisson(1:5)")
    with pytest.raises(TaskError, match="required the name of a dataset that exists"):
        other.dataset("helmholtz")
    (home.folder / item.path).unlink()
    with pytest.raises(TaskError, match="make it again"):
        other.dataset("r0001")


def test_publishing_again_replaces_ones_own_and_leaves_that_of_another_run_alone(home: Home, catalog: Catalog) -> None:
    publish(home, "r0001", "grid", "one")
    publish(home, "r0001", "grid", "two")
    assert [item.name for item in catalog.shelved("dataset")] == ["grid"]
    reporter = publish(home, "r0002", "grid", "three")
    assert (home.datasets / "grid.h5").read_text() == "two"
    assert catalog.shelf("dataset", "grid-r0002").run == "r0002"
    assert "grid-r0002" in reporter.warnings[0]


def test_a_file_on_another_disk_is_copied_to_the_shelf(home: Home, catalog: Catalog, tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two disks")
    with tempfile.TemporaryDirectory(dir=memory) as elsewhere:
        file = Path(elsewhere, "made.h5")
        file.write_text("one")
        made = attempt(home).publish("dataset", file, name="far")
        assert made.path.read_text() == "one" and not file.exists()
    assert [path.name for path in home.datasets.iterdir()] == ["far.h5"]
    assert catalog.shelf("dataset", "far").size == 3


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "a b"])
def test_a_name_that_cannot_be_a_files_is_refused(home: Home, name: str) -> None:
    reporter = attempt(home)
    file = reporter.folder / "made.h5"
    file.write_text("")
    with pytest.raises(TaskError, match="required a name"):
        reporter.publish("model", file, name=name)


def test_the_input_of_a_run_is_what_another_left_once_it_is_done(home: Home, catalog: Catalog) -> None:
    [made, later] = catalog.add([Run(id="", spec=RunSpec(task="walk"))] * 2)
    first = attempt(home, run=made.id)
    (first.folder / "end.txt").write_text("2.5")
    first.artifact(first.folder / "end.txt", "end")
    first.close()
    second = attempt(home, run=later.id)
    with pytest.raises(TaskError, match="got one that is queued"):
        second.input(made.id)
    catalog.transition(made.id, {Status.QUEUED}, status=Status.DONE)
    assert second.input(made.id)["end"].path.read_text() == "2.5"
    with pytest.raises(TaskError, match="required the id or name of a run"):
        second.input("r9999")
