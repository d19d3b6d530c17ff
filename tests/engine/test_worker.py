from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import numpy as np
import pytest

from engine import worker
from engine.api import RunSpec
from engine.evidence import read
from engine.paths import Home
from engine.records import Result, Run
from engine.report import Report
from engine.store.catalog import Catalog

DEFAULTS = {"kind": "straight", "steps": 5, "pause": 0.0, "init": "", "data": "", "ending": "well"}


def prepared(home: Home, run: str = "r0001", task: str = "walk", seed: int = 3, **params: Any) -> str:
    home.run(run).folder.mkdir(exist_ok=True)
    spec = RunSpec(task=task, params=DEFAULTS | params, seed=seed)
    home.run(run).spec.write_bytes(msgspec.json.encode(spec))
    return run


def start(home: Home, run: str, attempt: int = 1, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "engine.worker", str(home.run(run).folder), str(attempt)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def finish(home: Home, process: subprocess.Popen[str], run: str, attempt: int = 1) -> tuple[int, str, Result | None]:
    log, _ = process.communicate(timeout=60)
    return process.returncode, log, read(home.run(run).result(attempt), Result)


def went(home: Home, attempt: int = 1, **params: Any) -> tuple[int, str, Result | None]:
    run = prepared(home, **params)
    return finish(home, start(home, run, attempt), run, attempt)


def until(holds: Callable[[], bool], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_a_run_leaves_its_result_its_curve_and_its_provenance(sample_home: Home) -> None:
    code, _, result = went(sample_home)
    assert code == 0
    assert result is not None
    assert (result.outcome, result.error, result.device) == ("done", "", "cpu")
    assert result.summary["stop_reason"] == "all steps"
    assert result.versions["torch"]
    assert result.versions["cpu"]
    assert result.seconds > 0
    report = Report(sample_home, "r0001")
    report.poll()
    np.testing.assert_equal(report.columns["step"], [1, 2, 3, 4, 5])
    assert report.columns["x"][-1] == result.summary["x"] == float(report.artifacts["end"].path.read_text())


def test_the_same_spec_and_seed_make_the_same_curve_bit_for_bit(sample_home: Home) -> None:
    curves = []
    for run, seed in (("r0001", 3), ("r0002", 3), ("r0003", 4)):
        prepared(sample_home, run, seed=seed)
        assert start(sample_home, run).wait(60) == 0
        report = Report(sample_home, run)
        report.poll()
        curves.append(report.columns["x"].tobytes())
    assert curves[0] == curves[1] != curves[2]


@pytest.mark.parametrize(
    ("ending", "outcome", "message"),
    [
        ("task error", "failed", "required a path, got a wall; walk elsewhere"),
        ("divergence", "diverged", "x is not finite at step 5"),
        ("no memory", "failed", "out of memory: Unable to allocate"),
        ("full disk", "failed", "required space for a write, got none"),
    ],
)
def test_an_end_that_a_task_tells_is_a_message_and_no_traceback(
    sample_home: Home, ending: str, outcome: str, message: str
) -> None:
    code, log, result = went(sample_home, ending=ending)
    assert code == 1
    assert result is not None
    assert result.outcome == outcome
    assert message in result.error
    assert message in log
    assert "Traceback" not in log
    report = Report(sample_home, "r0001")
    report.poll()
    assert report.columns["step"][-1] == 5


@pytest.mark.parametrize(("ending", "message"), [("full disk", "got none"), ("fault", "ZeroDivisionError")])
def test_a_log_that_cannot_be_written_takes_nothing_from_the_result(
    sample_home: Home, ending: str, message: str
) -> None:
    run = prepared(sample_home, ending=ending)
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-P", "-m", "engine.worker", str(sample_home.run(run).folder), "1"]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=full, timeout=60)
    result = read(sample_home.run(run).result(1), Result)
    assert result is not None
    assert result.outcome == "failed"
    assert message in result.error


def test_out_of_memory_says_what_to_lower(sample_home: Home) -> None:
    _, _, result = went(sample_home, ending="no memory")
    assert result is not None
    assert "lower the number of points or samples, the batch" in result.error


def test_a_fault_of_the_task_is_one_line_with_its_place_and_a_traceback_in_the_log(sample_home: Home) -> None:
    code, log, result = went(sample_home, ending="fault")
    assert code == 1
    assert result is not None
    assert result.error.startswith("ZeroDivisionError: a fault of the task's own (")
    assert "sample_tasks.py:" in result.error
    assert "Traceback (most recent call last)" in log


@pytest.mark.parametrize(("ending", "code"), [("silence", 3), ("signal", -signal.SIGKILL)])
def test_a_worker_that_is_gone_leaves_no_result(sample_home: Home, ending: str, code: int) -> None:
    assert went(sample_home, ending=ending)[::2] == (code, None)


def test_a_task_that_does_not_exist_is_named_with_those_that_do(sample_home: Home) -> None:
    code, _, result = went(sample_home, task="wlak")
    assert code == 1
    assert result is not None
    assert "task: required one that is installed" in result.error
    assert "got wlak" in result.error


@pytest.mark.parametrize("spec", [b"{", b'{"task":"walk","steps":3}', b'{"task":5}', None])
def test_a_spec_that_is_not_one_is_refused(sample_home: Home, spec: bytes | None) -> None:
    run = prepared(sample_home)
    sample_home.run(run).spec.unlink()
    if spec is not None:
        sample_home.run(run).spec.write_bytes(spec)
    code, _, result = finish(sample_home, start(sample_home, run), run)
    assert code == 1
    assert result is not None
    assert "spec.json: required what was submitted" in result.error


def test_a_spec_that_a_power_cut_left_empty_is_taken_from_the_catalogue(sample_home: Home) -> None:
    with closing(Catalog(sample_home)) as catalog:
        [run] = catalog.add([Run(id="", spec=RunSpec(task="walk", params=DEFAULTS | {"steps": 2}))])
    sample_home.run(run.id).folder.mkdir()
    sample_home.run(run.id).spec.write_bytes(b"")
    code, _, result = finish(sample_home, start(sample_home, run.id), run.id)
    assert (code, result and result.outcome) == (0, "done")


def test_asked_to_stop_it_checkpoints_and_resumed_it_ends_as_if_never_stopped(sample_home: Home) -> None:
    whole = went(sample_home, steps=400)[2]
    run = prepared(sample_home, "r0002", steps=400, pause=0.1)
    process = start(sample_home, run)
    report = Report(sample_home, run)
    until(lambda: report.poll() and report.reader.length > 3)
    process.send_signal(signal.SIGTERM)
    code, _, stopped = finish(sample_home, process, run)
    assert code == 0
    assert stopped is not None
    assert stopped.outcome == "stopped"
    report.poll()
    at = int(report.columns["step"][-1])
    assert at < 400
    _, _, done = finish(sample_home, start(sample_home, run, 2), run, 2)
    assert done is not None
    assert whole is not None
    assert done.outcome == "done"
    assert done.summary["x"] == whole.summary["x"]
    report.poll()
    np.testing.assert_equal(report.columns["step"], np.arange(1, 401))
    assert report.attempts[1]["from_step"] == at


def test_threads_are_what_was_granted(sample_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIML_TUI_CPUS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "walking with OMP_NUM_THREADS=2" in went(sample_home)[1]


def test_a_disk_that_becomes_full_fails_the_run_and_the_result_is_told(sample_home: Home) -> None:
    run = prepared(sample_home, steps=100_000)

    def with_little_room() -> None:  # more than a diff of the code may take
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_100_000, 1_100_000))

    code, _, result = finish(sample_home, start(sample_home, run, preexec_fn=with_little_room), run)
    assert code == 1
    assert result is not None
    assert "metrics.jsonl: required space for a write" in result.error


def test_work_in_this_process_is_the_same_and_stops_by_the_callers_word(sample_home: Home) -> None:
    run = prepared(sample_home, steps=100_000, pause=0.001)
    stop = threading.Event()
    results = []
    thread = threading.Thread(target=lambda: results.extend(worker.work(sample_home, [(run, 1)], stop=stop.is_set)))
    thread.start()
    report = Report(sample_home, run)
    until(lambda: report.poll() and report.reader.length > 3)
    stop.set()
    thread.join(60)
    assert [result.outcome for result in results] == ["stopped"]
    assert read(sample_home.run(run).result(1), Result) == results[0]


def test_torch_takes_the_threads_that_were_granted() -> None:
    script = f"""
import os
os.environ.update(dict.fromkeys({worker._THREADS!r}, "1"))
import torch
print(torch.get_num_threads())
"""
    environment = {key: value for key, value in os.environ.items() if key not in worker._THREADS}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1\n"
