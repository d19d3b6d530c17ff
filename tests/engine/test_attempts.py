"""How an attempt ends, whatever ends it, and that its result is told."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import attempts
from engine.api import RunSpec
from engine.errors import StoreFull, TaskError
from engine.evidence import read
from engine.paths import Home
from engine.records import Result


def test_torchs_out_of_memory_is_known_by_its_name_and_its_words() -> None:
    class OutOfMemoryError(RuntimeError):
        """Named as torch's."""

    for error in (
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 800 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ):
        outcome, message = attempts.ending(error)
        assert outcome == "failed"
        assert message.startswith("out of memory: ")
        assert "\n" not in message


def test_what_a_gpu_lacks_is_said_in_short_and_once() -> None:
    told = (
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 3.20 GiB is "
        "free. Process 7 has 75.90 GiB memory in use. Of the allocated memory 60.00 GiB is allocated by PyTorch, and "
        "1.00 GiB is reserved by PyTorch but unallocated."
    )
    _, message = attempts.ending(RuntimeError(told))
    assert "which 3.20 GiB is free; lower the number of points" in message
    own = TaskError(f"out of memory: required what this run allocates, got {told} (lower points)")
    assert attempts.ending(own) == ("failed", str(own))


def test_the_end_of_a_run_is_told_though_its_gpu_answers_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As after an illegal access."""

    def name() -> str:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    cuda = SimpleNamespace(is_available=lambda: True, get_device_name=name)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    home = Home(tmp_path / "home").create()
    attempt = attempts.Attempt(home, "r0001", 1)
    attempt.open(attempts, RunSpec(task="t"), attempts.Granted(lambda: False, "cuda"))
    result = attempt.end(TaskError("an illegal memory access"))
    assert (result.outcome, result.error, result.device) == ("failed", "an illegal memory access", "cuda")
    assert read(home.run("r0001").result(1), Result) == result


def test_the_result_is_written_in_the_space_that_was_set_aside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from engine import atomic

    reserve, write = tmp_path / "reserve", atomic.write

    def write_if_room(path: Path, data: bytes) -> None:
        if reserve.exists():
            raise StoreFull("no room")
        write(path, data)

    attempts._reserve(reserve)
    assert reserve.stat().st_blocks * 512 >= attempts._RESERVED
    monkeypatch.setattr(atomic, "write", write_if_room)
    attempts._write_result(tmp_path / "result.json", Result(outcome="failed", error="full"), reserve)
    assert read(tmp_path / "result.json", Result) == Result(outcome="failed", error="full")


def test_figures_that_are_not_finite_survive_in_the_result(tmp_path: Path) -> None:
    made = Result(outcome="done", summary={"rel_l2": float("inf")})
    attempts._write_result(tmp_path / "result.json", made, tmp_path / "reserve")
    assert read(tmp_path / "result.json", Result) == made
